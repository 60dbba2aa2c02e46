#!/bin/sh
# Gives the phone's interface the leased address. udhcpc calls it with what
# happened as its argument, dhclient with that in $reason; the real scripts of
# both would also write the machine's resolv.conf.
case "${1:-$reason}" in
bound | renew)
	ip address replace "$ip/$mask" dev "$interface"
	;;
BOUND | RENEW | REBIND | REBOOT)
	ip address replace "$new_ip_address/$new_subnet_mask" dev "$interface"
	;;
PREINIT)
	ip link set "$interface" up
	;;
deconfig | EXPIRE | FAIL | RELEASE | STOP)
	ip address flush dev "$interface"
	;;
esac
exit 0
