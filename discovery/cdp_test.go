package discovery_test

import (
	"strings"
	"testing"
)

func TestDecodeCDP(t *testing.T) {
	frame := func(payload string) string { return frame802(cdpMAC, phoneMAC, payload) }
	ip4 := func(ip string) string { return "\x01\x01\xcc" + be16(4) + ip }
	ip6 := "\x02\x08" + unhex("aaaa03 000000 86dd") + be16(16) + "\x20\x01" + strings.Repeat("\x00", 13) + "\x01"
	line := func(rest string) []string { return []string{`"kind":"cdp","cdp":{"version":2` + rest + `}}`} }
	broken := func(reason, rest string) []string {
		return []string{`"kind":"cdp","malformed":"` + reason + `","cdp":{"version":2` + rest + `}}`}
	}
	device := cdpTLV(1, "sw-3fl")
	runDecodeCases(t, 1, []decodeCase{
		{"switch", frame(cdp(2, device, cdpTLV(2, be32(1)+ip4(ip2)), cdpTLV(3, "GigabitEthernet1/0/3"), cdpTLV(4, be32(0x28)), cdpTLV(5, "IOS\nline 2"),
			cdpTLV(6, "cisco WS-C2960"), cdpTLV(9, "domain"), cdpTLV(0x0a, be16(30)), cdpTLV(0x0b, "\x01"), cdpTLV(0x0e, "\x01"+be16(110)), cdpTLV(0x16, be32(1)+ip4(ip2)))),
			line(`,"device_id":"sw-3fl","port_id":"GigabitEthernet1/0/3","platform":"cisco WS-C2960","software":"IOS\nline 2","capabilities":40,"addresses":["10.1.2.1"],"native_vlan":30,"voice_vlan":110,"appliance":1`)},
		{"version 1", frame(cdp(1, device, cdpTLV(3, "15"))), []string{`"kind":"cdp","cdp":{"version":1,"device_id":"sw-3fl","port_id":"15"}}`}},
		{"padding behind the 802.3 length", frame(cdp(2, device)) + strings.Repeat("\x00", 20), line(`,"device_id":"sw-3fl"`)},
		{"several addresses", frame(cdp(2, cdpTLV(2, be32(4)+ip4("\x00\x00\x00\x00")+ip4(ip1)+ip6+ip4(ip2)))), line(`,"addresses":["10.1.2.3","2001::1","10.1.2.1"]`)},
		{"phone asks for its VLAN", frame(cdp(2, cdpTLV(0x0f, "\x01"))), line(`,"appliance":1`)},
		{"phone names its VLAN", frame(cdp(2, cdpTLV(0x0f, "\x01"+be16(110)))), line(`,"voice_vlan":110,"appliance":1`)},
		{"binary device ID", frame(cdp(2, cdpTLV(1, "\x00\x01\xfe"))), line(`,"device_id":"0001fe"`)},

		{"TLV longer than the frame keeps the earlier ones", frame(cdp(2, device, be16(3)+be16(90)+"Gi")), broken("cdp: TLV 0x0003: length 90, 6 bytes left", `,"device_id":"sw-3fl"`)},
		{"TLV shorter than its header", frame(cdp(2, device, be16(3)+be16(3))), broken("cdp: TLV 0x0003: length 3, 4 bytes left", `,"device_id":"sw-3fl"`)},
		{"half a TLV header", frame(cdp(2, device, "\x00\x03")), broken("cdp: TLV header cut short", `,"device_id":"sw-3fl"`)},
		{"no TLV", frame(cdp(2)), broken("cdp: no TLV", "")},
		{"version 3", frame(cdp(3, device)), []string{`"kind":"cdp","malformed":"cdp: version 3 is not known","cdp":{"version":3}}`}},
		{"header cut", frame(unhex("aaaa03 00000c 2000 02b4")), []string{`"kind":"cdp","malformed":"cdp: 2 bytes, want at least 4","cdp":{"version":0}}`}},
		{"capabilities too short", frame(cdp(2, device, cdpTLV(4, "\x28"))), broken("cdp: capabilities: 1 bytes, want 4", `,"device_id":"sw-3fl"`)},
		{"native VLAN too short", frame(cdp(2, cdpTLV(0x0a, "\x1e"))), broken("cdp: native VLAN: 1 bytes, want 2", "")},
		{"address count without addresses", frame(cdp(2, cdpTLV(2, "\xff\xff\xff\xff"+ip4(ip1)))), broken("cdp: address list cut short", `,"addresses":["10.1.2.3"]`)},
		{"the port behind a broken address list", frame(cdp(2, device, cdpTLV(2, be32(1)), cdpTLV(3, "15"))), broken("cdp: address list cut short", `,"device_id":"sw-3fl","port_id":"15"`)},
		{"address longer than the TLV", frame(cdp(2, cdpTLV(2, be32(1)+"\x01\x01\xcc"+be16(5)+ip1))), broken("cdp: address list cut short", "")},
		{"address protocol longer than the TLV", frame(cdp(2, cdpTLV(2, be32(1)+"\x01\xff\xcc"))), broken("cdp: address list cut short", "")},
		{"frame cut by the snapshot length", frame(cdp(2, device, cdpTLV(3, "Gi1/0/3")))[:14+8+4+10],
			broken("802.3: 22 bytes of 33 captured", `,"device_id":"sw-3fl"`)},
	})
}
