package discovery_test

import (
	"strings"
	"testing"

	"perch/discovery"
)

func TestDecodeDHCP(t *testing.T) {
	const none = "\x00\x00\x00\x00"
	relay := "\x0a\x01\x02\x02"
	frame := func(message string) string { return ipv4(ip1, ip2, udp(67, 68, message)) }
	ack := bootp(2, relay, "", "") + option(53, "\x05")
	const prefix = `"kind":"dhcp","src":"10.1.2.3","dst":"10.1.2.1",`
	const fixed = `"op":2,"chaddr":"00:15:65:aa:bb:cc","yiaddr":"10.1.2.55","giaddr":"10.1.2.2"`
	line := func(options string) []string {
		return []string{prefix + `"dhcp":{"type":"ACK",` + fixed + options + "}}"}
	}
	broken := func(reason, options string) []string {
		return []string{prefix + `"malformed":"` + reason + `","dhcp":{"type":"ACK",` + fixed + options + "}}"}
	}
	runDecodeCases(t, 101, []decodeCase{
		{"lease", frame(ack + option(54, ip2) + option(51, be32(3600)) + option(1, "\xff\xff\xfe\x00") + option(3, ip2+ip1) + "\xff\x00\x00"),
			line(`,"server_id":"10.1.2.1","subnet_bits":23,"router":"10.1.2.1","lease_seconds":3600`)},
		{"request", frame(bootp(1, none, "", "") + option(53, "\x03") + option(50, ip1) + option(12, "SEP001565AABBCC") +
			option(60, "Cisco Systems, Inc. IP Phone CP-7911G\x00") + option(55, "\x01\x42\xff") + "\xff"),
			[]string{prefix + `"dhcp":{"type":"REQUEST","op":1,"chaddr":"00:15:65:aa:bb:cc","yiaddr":"10.1.2.55","requested_ip":"10.1.2.3",` +
				`"hostname":"SEP001565AABBCC","vendor_class":"Cisco Systems, Inc. IP Phone CP-7911G","param_list":[1,66,255]}}`}},
		{"type without a name", frame(bootp(1, none, "", "") + option(53, "\xc8") + "\xff"),
			[]string{prefix + `"dhcp":{"type":200,"op":1,"chaddr":"00:15:65:aa:bb:cc","yiaddr":"10.1.2.55"}}`}},
		{"lease query", frame(bootp(1, none, "", "") + option(53, "\x0a") + "\xff"),
			[]string{prefix + `"dhcp":{"type":"LEASEQUERY","op":1,"chaddr":"00:15:65:aa:bb:cc","yiaddr":"10.1.2.55"}}`}},
		{"BOOTP without options", frame(bootp(1, none, "", "") + "\xff"),
			[]string{prefix + `"dhcp":{"op":1,"chaddr":"00:15:65:aa:bb:cc","yiaddr":"10.1.2.55"}}`}},
		{"no end option", frame(ack + option(54, ip2)), line(`,"server_id":"10.1.2.1"`)},
		{"padding between options", frame(ack + "\x00\x00" + option(54, ip2) + "\xff"), line(`,"server_id":"10.1.2.1"`)},

		{"option 82, Cisco's default", frame(ack + option(82, option(1, "\x00\x04\x00\x6e\x01\x07")+option(2, "\x00\x06\x00\x1b\x0d\xaa\xbb\x00")) + "\xff"),
			line(`,"circuit_id":"0004006e0107","remote_id":"0006001b0daabb00"`)},
		{"option 82, text", frame(ack + option(82, option(1, "Gi1/0/3:110")+option(2, "sw-3fl")+option(6, "desk 12")) + "\xff"),
			line(`,"circuit_id":"4769312f302f333a313130","remote_id":"73772d33666c","subscriber_id":"6465736b203132"`)},
		{"option 82, sub-option twice: the last wins", frame(ack + option(82, option(1, "a")+option(1, "b")) + "\xff"), line(`,"circuit_id":"62"`)},
		{"option 82, twice: one in pieces", frame(ack + option(82, "\x01\x03ab") + option(82, "c\x02\x01d") + "\xff"), line(`,"circuit_id":"616263","remote_id":"64"`)},
		{"option 82, sub-option of 255 bytes in two options", frame(ack + option(82, "\x01\xff"+strings.Repeat("a", 253)) + option(82, "bc\x02\x01d") + "\xff"),
			line(`,"circuit_id":"` + strings.Repeat("61", 253) + `6263","remote_id":"64"`)},
		{"option 82, sub-option too long", frame(ack + option(82, option(1, "a")+"\x02\x09b") + option(54, ip2) + "\xff"),
			broken("dhcp: option 82: sub-option 2 cut short", `,"server_id":"10.1.2.1","circuit_id":"61"`)},
		{"option 82, one byte", frame(ack + option(82, "\x01") + option(54, ip2) + "\xff"),
			broken("dhcp: option 82: sub-option 1 cut short", `,"server_id":"10.1.2.1"`)},

		{"option 82, sub-options that are not kept", frame(ack + option(82, option(1, "a")+option(5, "\x0a\x01\x02\x00")+option(9, be32(9)+"\x02xy")+option(11, ip2)+option(151, "\x00vpn")+option(152, "")+option(2, "b")) + "\xff"),
			line(`,"circuit_id":"61","remote_id":"62","link_selection":"10.1.2.0"`)},
		{"option 82, link selection of a wrong length", frame(ack + option(82, option(5, "\x0a")+option(1, "a")) + "\xff"), line(`,"circuit_id":"61"`)},

		// RFC 4776 and RFC 6225.
		{"where the client is", frame(ack + option(99, "\x01US\x01\x02CA\x1a\x03R3L") + option(123, coordinate(1, 2)) + option(144, coordinate(38.5, -77.0625)) + "\xff"),
			line(`,"civic":{"country":"US","1":"CA","26":"R3L"},"latitude":38.5,"longitude":-77.0625`)},
		{"coordinate alone", frame(ack + option(123, coordinate(0, 0)) + "\xff"), line(`,"latitude":0,"longitude":0`)},
		{"civic address in two options", frame(ack + option(99, "\x01US\x01\x02C") + option(99, "A") + "\xff"), line(`,"civic":{"country":"US","1":"CA"}`)},
		{"civic element cut short keeps the others", frame(ack + option(99, "\x01US\x01\x02CA\x03\x09B") + option(54, ip2) + "\xff"),
			broken("dhcp: option 99: civic location: CAtype 3 cut short", `,"server_id":"10.1.2.1","civic":{"country":"US","1":"CA"}`)},
		{"coordinate of 2 bytes", frame(ack + option(123, "ab") + option(54, ip2) + "\xff"), broken("dhcp: option 123: coordinate: 2 bytes, want at least 16", `,"server_id":"10.1.2.1"`)},

		// RFC 2131 section 4.1 and RFC 3396: options go on in file, then in sname.
		{"overload of file", frame(bootp(2, relay, "", option(54, ip2)+"\xff") + option(52, "\x01") + option(53, "\x05") + "\xff"), line(`,"server_id":"10.1.2.1"`)},
		{"overload of sname", frame(bootp(2, relay, option(54, ip2)+"\xff", "phone.cfg") + option(52, "\x02") + option(53, "\x05") + "\xff"), line(`,"server_id":"10.1.2.1"`)},
		{"overload of both, one option in three pieces", frame(bootp(2, relay, option(12, "c")+"\xff", option(12, "b")+"\xff") + option(52, "\x03") + option(53, "\x05") + option(12, "a") + "\xff"),
			line(`,"hostname":"abc"`)},
		{"no overload: file is a name", frame(bootp(2, relay, "", option(54, ip2)+"\xff") + option(53, "\x05") + "\xff"), line("")},
		{"overload cut short", frame(bootp(2, relay, "", strings.Repeat("\x00", 126)+"\x0c\x09") + option(52, "\x01") + option(53, "\x05") + option(54, ip2) + "\xff"),
			broken("dhcp: option cut short", `,"server_id":"10.1.2.1"`)},

		{"option cut short", frame(ack + option(54, ip2) + "\x0c\x20abc"), broken("dhcp: option cut short", `,"server_id":"10.1.2.1"`)},
		{"code without length", frame(ack + option(54, ip2) + "\x0c"), line(`,"server_id":"10.1.2.1"`)},
		{"options of wrong length", frame(ack + option(54, "\x0a\x01") + option(51, "\x01") + option(1, "\xff") + option(3, "") + "\xff"), line("")},
		{"mask with a hole", frame(ack + option(1, "\xff\x00\xff\x00") + "\xff"), line("")},
		{"server 0.0.0.0", frame(ack + option(54, none) + "\xff"), line("")},
		{"no cookie", frame(bootp(2, relay, "", "")[:236] + "\x63\x82\x53\x00"),
			[]string{prefix + `"malformed":"dhcp: no magic cookie","dhcp":{` + fixed + "}}"}},
		{"cut behind chaddr", frame(bootp(2, relay, "", "")[:60]),
			[]string{prefix + `"malformed":"dhcp: 60 bytes, want at least 240","dhcp":{` + fixed + "}}"}},
		{"cut in chaddr", frame(bootp(2, relay, "", "")[:32]),
			[]string{prefix + `"malformed":"dhcp: 32 bytes, want at least 240","dhcp":{"op":0}}`}},
		{"hardware address of 16 bytes", frame("\x01\x20\x10" + bootp(1, none, "", "")[3:] + "\xff"),
			[]string{prefix + `"dhcp":{"op":1,"yiaddr":"10.1.2.55"}}`}},
	})
}

func TestDHCPTypeString(t *testing.T) {
	for typ, want := range map[discovery.DHCPType]string{0: "", discovery.DHCPDiscover: "DISCOVER", discovery.DHCPInform: "INFORM", 13: "LEASEACTIVE", 18: "TLS", 19: "", 255: ""} {
		if got := typ.String(); got != want {
			t.Errorf("type %d: got %q, want %q", typ, got, want)
		}
	}
}
