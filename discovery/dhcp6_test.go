package discovery_test

import (
	"strings"
	"testing"

	"perch/discovery"
)

// Frames of IPv6 for the tests of the decoders.

const (
	ip6Phone  = "\xfe\x80\x00\x00\x00\x00\x00\x00\x02\x15\x65\xff\xfe\xaa\xbb\xcc" // fe80::215:65ff:feaa:bbcc
	ip6Global = "\x20\x01\x0d\xb8\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00" // 2001:db8:20::100
	ip6Router = "\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" // fe80::1
	ip6Relay  = "\x20\x01\x0d\xb8\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" // 2001:db8:20::1
	ip6None   = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// ipv6 composes an IPv6 header in front of a payload.
func ipv6(src, dst string, next, hops byte, payload string) string {
	return "\x60\x00\x00\x00" + be16(len(payload)) + string([]byte{next, hops}) + src + dst + payload
}

// dhcp6 composes the frame of a DHCPv6 message.
func dhcp6(message string) string {
	return ipv6(ip6Phone, ip6Router, 17, 64, udp(546, 547, message))
}

func option6(code int, v string) string { return be16(code) + be16(len(v)) + v }

// relay6 composes a relay message, 12 forward or 13 reply, around another.
func relay6(typ byte, hops byte, link, options, message string) string {
	return string([]byte{typ, hops}) + link + ip6Phone + options + option6(9, message)
}

const (
	duidLL  = "\x00\x03\x00\x01" + phoneMAC
	duidLLT = "\x00\x01\x00\x01\x2f\x00\x00\x01" + phoneMAC
)

// iaNA is an IA_NA with one address, preferred for 300 s and valid for 600 s.
func iaNA(options string) string { return option6(3, be32(1)+be32(150)+be32(240)+options) }

func iaAddr() string { return option6(5, ip6Global+be32(300)+be32(600)) }

func TestDecodeDHCP6(t *testing.T) {
	const prefix = `"kind":"dhcpv6","src":"fe80::215:65ff:feaa:bbcc","dst":"fe80::1",`
	line := func(fields string) []string { return []string{prefix + `"dhcpv6":{` + fields + `}}`} }
	broken := func(reason, fields string) []string {
		return []string{prefix + `"malformed":"dhcpv6: ` + reason + `","dhcpv6":{` + fields + `}}`}
	}
	reply := "\x07\xab\xcd\xef" + option6(1, duidLL) + option6(2, "\x00\x02\x00\x00\x00\x09x")
	const duid = `"client_duid":"00030001001565aabbcc","client_mac":"00:15:65:aa:bb:cc"`
	const replied = `"type":"REPLY",` + duid + `,"server_duid":"00020000000978"`
	const address = `,"addresses":[{"ip":"2001:db8:20::100","preferred":300,"valid":600}]`
	const relayed = `"link_address":"2001:db8:20::1","peer_address":"fe80::215:65ff:feaa:bbcc"`
	solicit := "\x01\xab\xcd\xef" + option6(1, duidLL)
	chain := func(n int) string {
		m := solicit
		for i := range n {
			m = relay6(12, byte(i), ip6Relay, "", m)
		}
		return m
	}
	runDecodeCases(t, 101, []decodeCase{
		{"solicit", dhcp6("\x01\xab\xcd\xef" + option6(1, duidLLT) + option6(6, "\x00\x17\x00\x18") + option6(8, "\x00\x00") + iaNA("")),
			line(`"type":"SOLICIT","client_duid":"000100012f000001001565aabbcc","client_mac":"00:15:65:aa:bb:cc","option_list":[23,24]`)},
		{"reply with an address", dhcp6(reply + iaNA(iaAddr())), line(replied + address)},
		{"reply with a status", dhcp6(reply + option6(13, "\x00\x02no addresses")), line(replied + `,"status":2`)},
		{"status inside of an IA_NA is that address's", dhcp6(reply + iaNA(option6(13, "\x00\x02"))), line(replied)},
		{"two IA_NA", dhcp6(reply + iaNA(iaAddr()) + iaNA(iaAddr())),
			line(replied + `,"addresses":[{"ip":"2001:db8:20::100","preferred":300,"valid":600},{"ip":"2001:db8:20::100","preferred":300,"valid":600}]`)},
		{"IA_PD is not read", dhcp6(reply + option6(25, be32(1)+be32(0)+be32(0)+option6(26, strings.Repeat("x", 25)))), line(replied)},
		{"vendor class", dhcp6(solicit + option6(16, be32(9)+"\x00\x03abc\x00\x02\x00\x01")),
			line(`"type":"SOLICIT",` + duid + `,"vendor_enterprise":9,"vendor_class":["abc","0001"]`)},
		{"where the client is", dhcp6(reply + option6(36, "\x01US\x01\x02CA\x1a\x03R3L") + option6(63, coordinate(38.5, -77.0625))),
			line(replied + `,"civic":{"country":"US","1":"CA","26":"R3L"},"latitude":38.5,"longitude":-77.0625`)},

		{"DUID of an enterprise holds no MAC", dhcp6("\x01\xab\xcd\xef" + option6(1, "\x00\x02\x00\x00\x00\x09"+phoneMAC)),
			line(`"type":"SOLICIT","client_duid":"000200000009001565aabbcc"`)},
		{"DUID of a UUID holds no MAC", dhcp6("\x01\xab\xcd\xef" + option6(1, "\x00\x04"+strings.Repeat("\x11", 10)+phoneMAC)),
			line(`"type":"SOLICIT","client_duid":"000411111111111111111111001565aabbcc"`)},
		{"DUID of another hardware", dhcp6("\x01\xab\xcd\xef" + option6(1, "\x00\x03\x00\x18"+phoneMAC)),
			line(`"type":"SOLICIT","client_duid":"00030018001565aabbcc"`)},
		{"DUID of one byte", dhcp6("\x01\xab\xcd\xef" + option6(1, "\x00")), line(`"type":"SOLICIT","client_duid":"00"`)},
		{"type without a name", dhcp6("\xc8\xab\xcd\xef"), line(`"type":200`)},
		{"every name", dhcp6("\x25\xab\xcd\xef"), line(`"type":"ADDR-REG-REPLY"`)},

		{"relayed", dhcp6(relay6(12, 0, ip6Relay, option6(18, "Gi1/0/7")+option6(37, be32(9)+"sw-3fl")+option6(38, "desk 12")+option6(79, "\x00\x01"+phoneMAC), solicit)),
			line(`"type":"SOLICIT","relays":[{"type":"RELAY-FORW","hops":0,` + relayed + `,"interface_id":"4769312f302f37","remote_enterprise":9,` +
				`"remote_id":"73772d33666c","subscriber_id":"6465736b203132","client_mac":"00:15:65:aa:bb:cc"}],` + duid)},
		{"LDRA behind a relay", dhcp6(relay6(13, 1, ip6Relay, "", relay6(13, 0, ip6None, option6(18, "p7"), reply+iaNA(iaAddr())))),
			line(`"type":"REPLY","relays":[{"type":"RELAY-REPL","hops":1,` + relayed + `},{"type":"RELAY-REPL","hops":0,` +
				`"peer_address":"fe80::215:65ff:feaa:bbcc","interface_id":"7037"}],` + duid + `,"server_duid":"00020000000978"` + address)},
		{"options behind the relayed message", dhcp6("\x0c\x00" + ip6Relay + ip6Phone + option6(9, solicit) + option6(18, "p7")),
			line(`"type":"SOLICIT","relays":[{"type":"RELAY-FORW","hops":0,` + relayed + `,"interface_id":"7037"}],` + duid)},

		{"option longer than the message keeps the earlier ones", dhcp6(reply + iaNA(iaAddr()) + "\x00\x0d\x00\x09\x00"),
			broken("option 13: length 9, 1 bytes left", replied+address)},
		{"half an option header", dhcp6(reply + "\x00\x0d\x00"), broken("option header cut short", replied)},
		{"address cut short keeps what follows", dhcp6(reply + iaNA(option6(5, ip6Global)) + option6(13, "\x00\x02")),
			broken("option 5: 16 bytes, want at least 24", replied+`,"status":2`)},
		{"IA_NA cut short", dhcp6(reply + option6(3, "\x00\x00")), broken("option 3: 2 bytes, want at least 12", replied)},
		{"odd option request", dhcp6(solicit + option6(6, "\x00\x17\x00")), broken("option 6: odd length 3", `"type":"SOLICIT",`+duid)},
		{"vendor class cut short", dhcp6(solicit + option6(16, be32(9)+"\x00\x03abc\x00\x09")),
			broken("option 16 cut short", `"type":"SOLICIT",`+duid+`,"vendor_enterprise":9,"vendor_class":["abc"]`)},
		{"vendor class without enterprise", dhcp6(solicit + option6(16, "\x00")), broken("option 16: 1 bytes, want at least 4", `"type":"SOLICIT",`+duid)},
		{"remote ID cut short keeps the message inside", dhcp6(relay6(12, 0, ip6Relay, option6(37, "\x00"), solicit)),
			broken("option 37: 1 bytes, want at least 4", `"type":"SOLICIT","relays":[{"type":"RELAY-FORW","hops":0,`+relayed+`}],`+duid)},
		{"fault behind the relayed message", dhcp6(relay6(12, 0, ip6Relay, option6(18, "p7"), solicit) + "\x00"),
			broken("option header cut short", `"type":"SOLICIT","relays":[{"type":"RELAY-FORW","hops":0,`+relayed+`,"interface_id":"7037"}],`+duid)},
		{"relay message without one inside", dhcp6("\x0c\x00" + ip6Relay + ip6Phone + option6(18, "p7")),
			broken("relay message holds none", `"relays":[{"type":"RELAY-FORW","hops":0,`+relayed+`,"interface_id":"7037"}]`)},
		{"relay message cut short", dhcp6("\x0c\x00" + ip6Relay), broken("relay message: 18 bytes, want at least 34", "")},
		{"three bytes", dhcp6("\x01\xab\xcd"), broken("3 bytes, want at least 4", "")},
		{"other ports", ipv6(ip6Phone, ip6Router, 17, 64, udp(545, 548, solicit)), nil},
		{"DHCPv6 ports in IPv4", ipv4(ip1, ip2, udp(546, 547, solicit)), nil},
	})

	for _, n := range []int{9, 10} {
		got := decodeLines(t, 101, dhcp6(chain(n)))[0]
		if relays := strings.Count(got, "RELAY-FORW"); relays != 9 {
			t.Errorf("chain of %d: got %d relays, want 9", n, relays)
		}
		if refused := strings.Contains(got, "more than 9 relays"); refused != (n > 9) {
			t.Errorf("chain of %d: refused %t", n, refused)
		}
	}
}

func TestDHCP6TypeString(t *testing.T) {
	for typ, want := range map[discovery.DHCP6Type]string{0: "", discovery.DHCP6Solicit: "SOLICIT", discovery.DHCP6Information: "INFORMATION-REQUEST",
		discovery.DHCP6RelayReply: "RELAY-REPL", 36: "ADDR-REG-INFORM", 38: "", 255: ""} {
		if got := typ.String(); got != want {
			t.Errorf("type %d: got %q, want %q", typ, got, want)
		}
	}
}
