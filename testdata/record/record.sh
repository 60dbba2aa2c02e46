#!/bin/sh
# Records the captures of testdata/replay/real-*: real programs play a phone, an
# access switch, a DHCP server and a registrar in network namespaces of their
# own, and tcpdump listens at the switch's ports. Nothing touches the network of
# the machine. All cases are recorded at once, in about three minutes.
#
#	testdata/record/record.sh [-o DIR] [CASE...]
#
# Captures are written to DIR/CASE; DIR is testdata/replay unless given. A new
# recording has new times: want.txt is then written anew, see README.md.
set -eu
PATH=$PATH:/usr/sbin:/sbin

here=$(cd "$(dirname "$0")" && pwd)
config=$here/config
all="real-first-appearance real-move-two-links real-cdp real-reboot real-ipv6"

fail() {
	echo "error: $1" >&2
	[ $# -lt 2 ] || echo "hint: $2" >&2
	exit 1
}

. "$here/lab.sh"

# check refuses to start where it cannot work.
check() {
	[ "$(id -u)" = 0 ] || fail "not root" "network namespaces need root: sudo $0"
	missing=
	for need in ip:iproute2 ss:iproute2 ethtool:ethtool sysctl:procps tcpdump:tcpdump lldpd:lldpd \
		dnsmasq:dnsmasq-base udhcpc:udhcpc dhclient:isc-dhcp-client kamailio:kamailio sipp:sip-tester; do
		command -v "${need%:*}" >/dev/null || missing="$missing ${need#*:}"
	done
	[ -z "$missing" ] || fail "programs are missing" "on Debian: apt-get install --no-install-recommends$missing"
}

# real_first_appearance: a phone is plugged in, announces itself, gets a lease
# and registers; then it renews and refreshes, and nothing is new.
real_first_appearance() {
	record swp7 "$out/swp7.pcap"
	plug 7
	boot udhcpc
	await "registration" heard "$out/swp7.pcap" 1 "$registered"
	pass 95
}

# real_move_two_links: the phone is pulled out of one jack and plugged into
# another of the same switch, which its power comes from: it boots again.
real_move_two_links() {
	record swp7 "$out/swp7.pcap"
	record swp9 "$out/swp9.pcap"
	plug 7
	boot udhcpc
	await "registration" heard "$out/swp7.pcap" 1 "$registered"
	pass 75
	unplug 7
	kill_all phone
	pass 5
	plug 9
	boot udhcpc
	await "registration" heard "$out/swp9.pcap" 1 "$registered"
	pass 75
}

# real_cdp: the switch speaks CDPv2, FDP and SONMP besides LLDP, and the phone
# answers in CDP. Nanosecond stamps.
real_cdp() {
	record swp7 "$out/swp7.pcap" --time-stamp-precision=nano
	plug 7
	boot udhcpc -c
	await "registration" heard "$out/swp7.pcap" 1 "$registered"
	pass 30
}

# real_reboot: the phone restarts where it is. Its LLDP says good-bye, the link
# is down for longer than any TTL, then it asks for the address that it had.
real_reboot() {
	record swp7 "$out/swp7.pcap"
	plug 7
	boot dhclient
	await "registration" heard "$out/swp7.pcap" 1 "$registered"
	pass 75
	for pid in $(ip netns pids "$lab-phone"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != lldpd ] || kill -TERM "$pid" 2>/dev/null || true
	done
	pass 1
	kill_all phone
	ip -n "$lab-phone" address flush dev eth0
	ip -n "$lab-phone" link set eth0 down
	pass 25
	ip -n "$lab-phone" link set eth0 up
	boot dhclient
	await "registration" heard "$out/swp7.pcap" 3 "$registered"
	pass 45
}

# real_ipv6: the phone has both families, of IPv6 a leased address, one made of
# its MAC and a temporary one, and registers over IPv6.
real_ipv6() {
	record swp7 "$out/swp7.pcap"
	plug 7
	boot6
	await "registration" heard "$out/swp7.pcap" 1 "$registered6"
	pass 95
}

# pass SECONDS lets time pass; a signal ends it.
pass() {
	sleep "$1" &
	sleeping=$!
	wait "$sleeping"
}

# perform CASE records one case in a lab of its own. It runs in the background,
# so that what it traps is its own.
perform() {
	lab=perch-$$-$1
	out=$work/$1
	logs=$work/logs/$1
	mkdir -p "$out" "$logs"
	trap 'kill ${sleeping:-} 2>/dev/null || true; remove_lab' EXIT
	trap 'exit 1' INT TERM
	build_lab
	if [ "$1" = real-ipv6 ]; then
		enable_ipv6
		start_servers --enable-ra "--dhcp-range=2001:db8:2::1:100,2001:db8:2::1:150,slaac,64,2m"
	else
		start_servers
	fi
	if [ "$1" = real-cdp ]; then
		start_switch -ccccc -ff -ss -l
	else
		start_switch
	fi
	"$(echo "$1" | tr - _)"
}

dir=$here/../replay
while getopts o: flag; do
	case $flag in
	o) dir=$OPTARG ;;
	*) fail "unknown flag" "record.sh [-o DIR] [CASE...]" ;;
	esac
done
shift $((OPTIND - 1))
for name in "$@"; do
	case " $all " in
	*" $name "*) ;;
	*) fail "no case $name" "the cases are $all" ;;
	esac
done
check
[ $# -gt 0 ] || set -- $all

work=$(mktemp -d "${TMPDIR:-/tmp}/perch-record.XXXXXX")
performances=
trap 'kill $performances 2>/dev/null || true; wait; rm -r "$work"; exit 1' INT TERM
for name in "$@"; do
	echo "recording $name"
	perform "$name" &
	performances="$performances $!"
done
for pid in $performances; do
	wait "$pid" || failed=yes
done
[ -z "${failed:-}" ] || fail "not all cases were recorded" "what the programs printed is in $work/logs"
for name in "$@"; do
	mkdir -p "$dir/$name"
	cp "$work/$name"/*.pcap "$dir/$name/"
done
rm -r "$work"
echo "the times are new: write want.txt of each case anew, as testdata/record/README.md says"
