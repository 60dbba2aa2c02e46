package capture

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

func be16(v int) string { return string(binary.BigEndian.AppendUint16(nil, uint16(v))) }

const addresses = "\x01\x80\xc2\x00\x00\x0e\x00\x15\x65\xaa\xbb\xcc"

// ether is an Ethernet frame with its tags, each type and tag control in turn.
func ether(typ int, payload string, tags ...int) string {
	s := addresses
	for _, t := range tags {
		s += be16(t)
	}
	return s + be16(typ) + payload
}

func ip4(proto byte, fragment int, options, payload string) string {
	n := 20 + len(options)
	return string([]byte{0x40 | byte(n/4), 0}) + be16(n+len(payload)) + "\x00\x01" + be16(fragment) + "\x40" + string(proto) +
		"\x00\x00\x0a\x01\x02\x03\x0a\x01\x02\x01" + options + payload
}

func ip6(next byte, payload string) string {
	return "\x60\x00\x00\x00" + be16(len(payload)) + string([]byte{next, 255}) + strings.Repeat("\x20", 32) + payload
}

// extension is an IPv6 extension header of 8 octets and more units of 8.
func extension(next byte, more int) string {
	return string([]byte{next, byte(more)}) + strings.Repeat("\x01", 6+8*more)
}

func ports(src, dst int) string { return be16(src) + be16(dst) + "\x00\x10\x00\x00REGISTER" }

func fragmentHeader(next byte, offset int) string {
	return string([]byte{next, 0}) + be16(offset) + "\x00\x00\x00\x07"
}

// TestFilter runs the program over frames of every kind that it passes, and of
// those beside them that it does not.
func TestFilter(t *testing.T) {
	const udp, tcp, icmp6 = 17, 6, 58
	snap := func(s string) string { return ether(len(s), s) }
	type one struct {
		name  string
		frame string
		want  bool
	}
	cases := []one{
		{"ARP", ether(0x0806, strings.Repeat("\x00", 28)), true},
		{"RARP", ether(0x8035, strings.Repeat("\x00", 28)), false},
		{"LLDP", ether(0x88cc, "\x02\x07"), true},
		{"EAPOL", ether(0x888e, "\x01\x00"), false},
		{"CDP", snap("\xaa\xaa\x03\x00\x00\x0c\x20\x00\x02\xb4"), true},
		{"VTP", snap("\xaa\xaa\x03\x00\x00\x0c\x20\x03\x02\xb4"), false},
		{"SNAP of another", snap("\xaa\xaa\x03\x00\x01\x0c\x20\x00\x02\xb4"), false},
		{"spanning tree", snap("\x42\x42\x03\x00\x00\x00\x00\x00"), false},
		{"CDP's SNAP behind an ethertype", ether(0x0600, "\xaa\xaa\x03\x00\x00\x0c\x20\x00"), false},
		{"the longest 802.3 length", ether(0x05ff, "\xaa\xaa\x03\x00\x00\x0c\x20\x00"), true},

		{"DHCP from a client", ether(0x0800, ip4(udp, 0, "", ports(68, 67))), true},
		{"DHCP between servers", ether(0x0800, ip4(udp, 0, "", ports(67, 67))), true},
		{"DHCP from a port of its own", ether(0x0800, ip4(udp, 0, "", ports(40000, 67))), true},
		{"DHCP to a client", ether(0x0800, ip4(udp, 0x4000, "", ports(40000, 68))), true},
		{"DHCP's ports over TCP", ether(0x0800, ip4(tcp, 0, "", ports(68, 67))), false},
		{"TFTP", ether(0x0800, ip4(udp, 0, "", ports(40000, 69))), false},
		{"DNS", ether(0x0800, ip4(udp, 0, "", ports(53, 40000))), false},
		{"media", ether(0x0800, ip4(udp, 0, "", ports(11780, 11782))), false},
		{"DHCPv6's ports over IPv4", ether(0x0800, ip4(udp, 0, "", ports(546, 547))), false},
		{"ping", ether(0x0800, ip4(1, 0, "", "\x08\x00")), false},
		{"IGMP", ether(0x0800, ip4(2, 0, "\x94\x04\x00\x00", "\x16\x00")), false},

		{"SIP to the port", ether(0x0800, ip4(udp, 0, "", ports(40000, 5060))), true},
		{"SIP from the port", ether(0x0800, ip4(udp, 0, "", ports(5060, 40000))), true},
		{"SIP over TCP", ether(0x0800, ip4(tcp, 0, "", ports(40000, 5060))), true},
		{"SIP over TCP, back", ether(0x0800, ip4(tcp, 0, "", ports(5060, 40000))), true},
		{"SIP over SCTP", ether(0x0800, ip4(132, 0, "", ports(5060, 5060))), false},
		{"SIP on another port", ether(0x0800, ip4(udp, 0, "", ports(5070, 5080))), false},
		{"web", ether(0x0800, ip4(tcp, 0, "", ports(40000, 443))), false},
		{"SIP behind options", ether(0x0800, ip4(udp, 0, "\x01\x01\x01\x00\x00\x00\x00\x00", ports(5060, 1024))), true},
		{"media behind options that read like SIP", ether(0x0800, ip4(udp, 0, be16(5060)+be16(5060), ports(11780, 11782))), false},
		{"first fragment of SIP", ether(0x0800, ip4(udp, 0x2000, "", ports(5060, 5060))), true},
		{"first fragment of media", ether(0x0800, ip4(udp, 0x2000, "", ports(11780, 11782))), false},
		{"later fragment of UDP", ether(0x0800, ip4(udp, 0x00b9, "", "later")), true},
		{"later fragment of TCP", ether(0x0800, ip4(tcp, 0x00b9, "", ports(5060, 5060))), false},
		{"later fragment of a ping", ether(0x0800, ip4(1, 0x00b9, "", "later")), false},

		{"SIP over IPv6", ether(0x86dd, ip6(udp, ports(5060, 1024))), true},
		{"SIP over TCP over IPv6", ether(0x86dd, ip6(tcp, ports(1024, 5060))), true},
		{"media over IPv6", ether(0x86dd, ip6(udp, ports(11780, 11782))), false},
		{"DHCPv6 from a client", ether(0x86dd, ip6(udp, ports(546, 547))), true},
		{"DHCPv6 to a client", ether(0x86dd, ip6(udp, ports(40000, 546))), true},
		{"DHCPv4's ports over IPv6", ether(0x86dd, ip6(udp, ports(68, 67))), false},
		{"DHCPv6's ports over TCP", ether(0x86dd, ip6(tcp, ports(546, 547))), false},
		{"echo", ether(0x86dd, ip6(icmp6, "\x80\x00")), false},
		{"listener report", ether(0x86dd, ip6(0, extension(icmp6, 0)+"\x8f\x00")), false},
		{"router solicitation", ether(0x86dd, ip6(icmp6, "\x85\x00")), true},
		{"neighbor advertisement", ether(0x86dd, ip6(icmp6, "\x88\x00")), true},
		{"redirect", ether(0x86dd, ip6(icmp6, "\x89\x00")), false},
		{"below", ether(0x86dd, ip6(icmp6, "\x84\x00")), false},
		{"above", ether(0x86dd, ip6(icmp6, "\x8a\x00")), false},
		{"ND behind a header", ether(0x86dd, ip6(0, extension(icmp6, 0)+"\x87\x00")), true},
		{"SIP behind two headers", ether(0x86dd, ip6(0, extension(60, 2)+extension(udp, 1)+ports(5060, 5060))), true},
		{"media behind a header", ether(0x86dd, ip6(60, extension(udp, 0)+ports(11780, 11782))), false},
		{"SIP behind three headers", ether(0x86dd, ip6(0, extension(60, 0)+extension(43, 0)+extension(udp, 0)+ports(5060, 5060))), true},
		{"ND behind four headers", ether(0x86dd, ip6(0, extension(60, 0)+extension(43, 0)+extension(60, 0)+extension(icmp6, 0)+"\x87\x00")), true},
		{"media behind two headers", ether(0x86dd, ip6(0, extension(60, 0)+extension(udp, 0)+ports(11780, 11782))), false},
		{"no header behind two", ether(0x86dd, ip6(0, extension(60, 0)+extension(59, 0))), false},
		{"first fragment of UDP over IPv6", ether(0x86dd, ip6(44, fragmentHeader(udp, 1)+ports(5060, 5060))), true},
		{"later fragment of UDP over IPv6", ether(0x86dd, ip6(44, fragmentHeader(udp, 0x05b8)+"later")), true},
		{"fragment of TCP over IPv6", ether(0x86dd, ip6(44, fragmentHeader(tcp, 1)+ports(5060, 5060))), false},
		{"fragment of TCP that is all of it", ether(0x86dd, ip6(44, fragmentHeader(tcp, 0)+ports(5060, 5060))), true},
		{"fragment of ND that is all of it", ether(0x86dd, ip6(44, fragmentHeader(icmp6, 6)+"\x87\x00")), true},
		{"last fragment of TCP", ether(0x86dd, ip6(44, fragmentHeader(tcp, 8)+ports(5060, 5060))), false},
		{"fragment behind a header", ether(0x86dd, ip6(0, extension(44, 0)+fragmentHeader(udp, 1)+"later")), true},

		{"five tags", ether(0x0806, "", 0x8100, 1, 0x8100, 2, 0x8100, 3, 0x8100, 4, 0x8100, 5), false},
		{"MPLS", ether(0x8847, "\x00\x01\x01\x40"+ip4(udp, 0, "", ports(5060, 5060))), false},
		{"PPPoE", ether(0x8864, "\x11\x00\x00\x01\x00\x10\x00\x21"+ip4(udp, 0, "", ports(5060, 5060))), false},
		{"cut before the ports", ether(0x0800, ip4(udp, 0, "", "\x13")), false},
		{"no more than addresses", addresses, false},
		{"empty", "", false},
	}
	for _, tags := range []struct {
		name string
		tags []int
	}{{"untagged", nil}, {"802.1Q", []int{0x8100, 110}}, {"priority tag", []int{0x8100, 0xa000}}, {"QinQ", []int{0x88a8, 20, 0x8100, 110}},
		{"old QinQ", []int{0x9100, 20, 0x9200, 110}}, {"four tags", []int{0x88a8, 1, 0x88a8, 2, 0x8100, 3, 0x8100, 4}}} {
		vm, err := bpf.NewVM(Filter(nil))
		must(t, err)
		for _, tc := range cases {
			frame := tc.frame
			if len(tags.tags) > 0 && strings.HasPrefix(frame, addresses) && len(frame) > len(addresses) {
				if strings.HasSuffix(tc.name, "tags") {
					continue
				}
				frame = ether(int(binary.BigEndian.Uint16([]byte(frame[12:]))), frame[14:], tags.tags...)
			}
			got, err := vm.Run([]byte(frame))
			must(t, err)
			if want := map[bool]int{true: maxData}[tc.want]; got != want {
				t.Errorf("%s, %s: got %d octets passed, want %d", tc.name, tags.name, got, want)
			}
		}
	}
}

// TestFilterPorts configures none, some and very many ports of SIP.
func TestFilterPorts(t *testing.T) {
	var many []uint16
	for p := range 700 {
		many = append(many, uint16(20000-2*p))
	}
	sixteen := many[:16]
	for _, tc := range []struct {
		name  string
		ports []uint16
		want  map[int]bool
		limit int // of the program's length
	}{
		{"none", nil, map[int]bool{5060: true, 5061: false}, 150},
		{"another", []uint16{5080}, map[int]bool{5080: true, 5060: false}, 150},
		{"one twice", []uint16{5080, 5061, 5080}, map[int]bool{5080: true, 5061: true, 5062: false}, 155},
		// Linux bounds the filters of a socket by net.core.optmem_max, 20 KiB on
		// most systems, in which an instruction takes 8 octets or a few times that.
		{"sixteen", sixteen, map[int]bool{20000: true, 19970: true, 19968: false, 19999: false}, 220},
		{"seven hundred", many, map[int]bool{20000: true, 18602: true, 18600: false, 18603: false}, 4096},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code := Filter(slices.Clone(tc.ports))
			if len(code) > tc.limit {
				t.Errorf("got %d instructions, want at most %d", len(code), tc.limit)
			}
			if _, err := bpf.Assemble(code); err != nil {
				t.Fatal(err)
			}
			vm, err := bpf.NewVM(code)
			must(t, err)
			for port, want := range tc.want {
				for _, frame := range []string{
					ether(0x0800, ip4(17, 0, "", ports(port, 9))), ether(0x0800, ip4(17, 0, "", ports(9, port))),
					ether(0x86dd, ip6(6, ports(port, 9))), ether(0x86dd, ip6(6, ports(9, port))),
				} {
					n, err := vm.Run([]byte(frame))
					must(t, err)
					if got := n > 0; got != want {
						t.Errorf("port %d: got %t, want %t", port, got, want)
					}
				}
			}
		})
	}
}
