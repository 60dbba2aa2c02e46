#!/bin/sh
# Gives a phone's interface the leased address and its router. udhcpc calls it
# with what happened as its argument, dhclient with that in $reason; the real
# scripts of both would also write the machine's resolv.conf.
case "${1:-$reason}" in
bound | renew)
	ip address replace "$ip/$mask" dev "$interface"
	[ -z "$router" ] || ip route replace default via "${router%% *}" dev "$interface"
	;;
BOUND | RENEW | REBIND | REBOOT)
	ip address replace "$new_ip_address/$new_subnet_mask" dev "$interface"
	[ -z "$new_routers" ] || ip route replace default via "${new_routers%% *}" dev "$interface"
	;;
BOUND6 | RENEW6 | REBIND6)
	ip -6 address replace "$new_ip6_address/64" dev "$interface" \
		preferred_lft "$new_preferred_life" valid_lft "$new_max_life"
	;;
PREINIT6) ;;
PREINIT)
	ip link set "$interface" up
	;;
deconfig | EXPIRE | FAIL | RELEASE | STOP)
	ip address flush dev "$interface"
	;;
esac
exit 0
