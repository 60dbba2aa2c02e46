# The network of one recording, sourced by record.sh. Four network namespaces,
# whose names begin with $lab, have private links between them and nothing else:
#
#	srv     eth0    10.1.2.1: router in name, DHCP server, registrar
#	sw      br0     the access switch: uplink to srv, ports swp7 and swp9
#	wall    jack7, jack9: the far ends of the ports while nothing is plugged in
#	phone   eth0    the phone, while it is plugged into a jack
#
# A phone is plugged in by moving a jack into its namespace: the switch sees the
# carrier come and go as it would see a cable. The MACs of switch and server are
# those for documentation (RFC 7042, 2.1.2), the phone's OUI is a desk phone's.

phone_mac=00:04:13:5e:00:01
switch_mac=00:00:5e:00:53:10
server_mac=00:00:5e:00:53:01
server=10.1.2.1
server6=2001:db8:2::1

# on HOST PROGRAM... runs a program on a host of the lab; its /run is its own, so
# that each host has the sockets and pid files of a machine by itself.
on() {
	host=$lab-$1
	shift
	ip netns exec "$host" sh -c 'mount -t tmpfs tmpfs /run && mkdir /run/lldpd && exec "$@"' sh "$@"
}

# build_lab makes the namespaces and their links, without IPv6, and with the UDP
# checksums filled in that the kernel leaves to a network card.
build_lab() {
	for host in srv sw wall phone; do
		ip netns add "$lab-$host"
		ip netns exec "$lab-$host" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 \
			net.ipv6.conf.default.disable_ipv6=1 net.ipv4.ip_forward=0
	done
	ip -n "$lab-sw" link add br0 address "$switch_mac" type bridge mcast_snooping 0
	ip -n "$lab-sw" address add 10.1.2.2/24 dev br0
	ip -n "$lab-sw" link set br0 up
	add_port uplink "$switch_mac" srv eth0 "$server_mac"
	add_port swp7 00:00:5e:00:53:17 wall jack7 "$phone_mac"
	add_port swp9 00:00:5e:00:53:19 wall jack9 "$phone_mac"
	ip -n "$lab-srv" address add "$server/24" dev eth0
	ip -n "$lab-srv" link set eth0 up
}

# add_port PORT MAC HOST INTERFACE MAC adds a port of the switch and its far end.
add_port() {
	ip -n "$lab-sw" link add "$1" address "$2" type veth peer name "$4" address "$5" netns "$lab-$3"
	ip netns exec "$lab-sw" ethtool -K "$1" tx off >/dev/null
	ip netns exec "$lab-$3" ethtool -K "$4" tx off >/dev/null
	ip -n "$lab-sw" link set "$1" master br0 up
}

# remove_lab ends what still runs in the lab's own namespaces and removes them.
remove_lab() {
	for host in phone wall sw srv; do
		kill_all "$host"
		ip netns delete "$lab-$host" 2>/dev/null || true
	done
}

# kill_all HOST ends all programs of a host at once, as a power cut does.
kill_all() {
	for pid in $(ip netns pids "$lab-$1" 2>/dev/null); do
		kill -KILL "$pid" 2>/dev/null || true
	done
}

# plug N puts the phone's cable into jack N; unplug N pulls it out.
plug() {
	ip -n "$lab-wall" link set "jack$1" netns "$lab-phone" name eth0
	ip -n "$lab-phone" link set eth0 up
}

unplug() {
	ip -n "$lab-phone" link set eth0 down
	ip -n "$lab-phone" link set eth0 netns "$lab-wall" name "jack$1"
}

# enable_ipv6 gives the server and the phone IPv6, the server's with a fixed
# address. The switch stays without.
enable_ipv6() {
	for host in srv phone; do
		ip netns exec "$lab-$host" sysctl -qw net.ipv6.conf.all.disable_ipv6=0 \
			net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.default.use_tempaddr=2
	done
	ip netns exec "$lab-srv" sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0
	ip -n "$lab-srv" address add "$server6/64" dev eth0 nodad
}

# start_servers [DNSMASQ-FLAG...] starts the DHCP server and the registrar and
# waits for both; the registrar listens on $server6 as well, if that is set up.
start_servers() {
	on srv dnsmasq --keep-in-foreground --conf-file="$config/dnsmasq.conf" "$@" \
		--dhcp-leasefile=/run/leases --log-facility=- >"$logs/dnsmasq" 2>&1 &
	listen6=
	[ $# -eq 0 ] || listen6="-l udp:[$server6]:5060"
	# shellcheck disable=SC2086 # two words or none
	on srv kamailio -DD -E -f "$config/kamailio.cfg" $listen6 -w /run -Y /run -P /run/kamailio.pid \
		-m 32 -M 4 >"$logs/kamailio" 2>&1 &
	await "DHCP server" listens 67
	await "registrar" listens 5060
}

listens() { ip netns exec "$lab-srv" ss -Hlun "sport = :$1" | grep -q .; }

# start_switch [LLDPD-FLAG...] starts the switch's LLDP: MED class 4, on its access ports.
start_switch() {
	on sw lldpd -dd -M 4 -C uplink -I 'swp*,uplink' -O "$config/switch.conf" "$@" >"$logs/switch" 2>&1 &
}

# boot6 starts a phone with both families: dhclient for each, and a registration
# over IPv6 each 40 s.
boot6() {
	on phone lldpd -dd -M 3 -C eth0 -I eth0 -O "$config/phone.conf" >>"$logs/phone" 2>&1 &
	await "link-local address for the phone" settled6 fe80:
	for family in 4 6; do
		on phone dhclient -$family -D LL -d -cf "$config/dhclient$([ $family = 6 ] && echo 6).conf" -lf "$logs/dhclient$family.leases" \
			-pf "$logs/dhclient$family.pid" -sf "$config/lease.sh" eth0 >>"$logs/dhclient$family" 2>&1 &
	done
	await "address for the phone" address
	await "IPv6 address for the phone" settled6 2001:db8:2::1
	on phone sh -c 'n=1; while :; do
		sipp "[$1]:5060" -sf "$2" -i "$3" -p 5060 -s 101 -au 101 -ap not-a-secret -cid_str "5e1f0006@%s" -base_cseq $n -m 1 -nostdin -skip_rlimit
		n=$((n + 2)); sleep 40
	done' sh "$server6" "$config/register.xml" "$(settled6 2001:db8:2::1)" >>"$logs/sipp" 2>&1 &
}

# settled6 PREFIX prints the phone's address that begins so, once it was tested.
settled6() {
	ip -n "$lab-phone" -o -6 address show dev eth0 -tentative | sed -n "s/.* inet6 \\($1[0-9a-f:]*\\).*/\\1/p" | head -1 | grep .
}

# boot CLIENT [LLDPD-FLAG...] starts what runs on a phone: LLDP, MED class III; a
# DHCP client, udhcpc or dhclient; and, with an address, a registration each 40 s.
boot() {
	client=$1
	shift
	on phone lldpd -dd -M 3 -C eth0 -I eth0 -O "$config/phone.conf" "$@" >>"$logs/phone" 2>&1 &
	case $client in
	udhcpc)
		on phone udhcpc -f -i eth0 -s "$config/lease.sh" -V "example desk phone" \
			-x hostname:desk-phone >>"$logs/udhcpc" 2>&1 &
		;;
	dhclient)
		on phone dhclient -4 -d -cf "$config/dhclient.conf" -lf "$logs/dhclient.leases" \
			-pf "$logs/dhclient.pid" -sf "$config/lease.sh" eth0 >>"$logs/dhclient" 2>&1 &
		;;
	esac
	await "address for the phone" address
	boots=$((${boots:-0} + 1))
	call=$(printf '%08x' "$((0x5e1f0000 + boots))")
	on phone sh -c 'n=1; while :; do
		sipp "$1:5060" -sf "$2" -i "$3" -p 5060 -s 101 -au 101 -ap not-a-secret -cid_str "$4@%s" -base_cseq $n -m 1 -nostdin -skip_rlimit
		n=$((n + 2)); sleep 40
	done' sh "$server" "$config/register.xml" "$(address)" "$call" >>"$logs/sipp" 2>&1 &
}

# address prints the phone's address, if it has one.
address() {
	ip -n "$lab-phone" -o -4 address show dev eth0 | sed -n 's/.* inet \([0-9.]*\).*/\1/p' | grep .
}

# record PORT FILE [TCPDUMP-FLAG...] records a port of the switch until the lab is removed.
record() {
	port=$1 file=$2
	shift 2
	ip netns exec "$lab-sw" tcpdump -i "$port" -w "$file" -U -n -Z root "$@" 2>"$logs/tcpdump.$port" &
	await "capture of $port" grep -q listening "$logs/tcpdump.$port"
}

# heard FILE COUNT FILTER... reports whether a recording already holds so many such frames.
heard() {
	file=$1 count=$2
	shift 2
	[ "$(tcpdump -n -r "$file" "$@" 2>/dev/null | wc -l)" -ge "$count" ]
}

# registered is heard's filter for the 200 OK of a REGISTER.
registered6='ip6 and udp src port 5060 and ip6[48:4] = 0x5349502f and ip6[56:4] = 0x32303020'
registered='udp src port 5060 and udp[8:4] = 0x5349502f and udp[16:4] = 0x32303020' # "SIP/", "200 "

# await WHAT COMMAND... waits until the command succeeds, for 30 s at most.
await() {
	what=$1 tries=150
	shift
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "no $what within 30 s: see $logs"
		sleep 0.2
	done
}
