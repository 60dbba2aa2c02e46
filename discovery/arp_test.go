package discovery_test

import (
	"strings"
	"testing"
)

func TestDecodeARP(t *testing.T) {
	frame := func(payload string) string { return ethernet(allMAC, phoneMAC, 0x0806, payload) }
	long := func(hlen, plen byte, fields string) string {
		return "\x00\x01\x08\x00" + string([]byte{hlen, plen}) + "\x00\x02" + fields
	}
	runDecodeCases(t, 1, []decodeCase{
		{"reply", frame(arp(2, phoneMAC, ip1, ip2)),
			[]string{`"kind":"arp","arp":{"op":2,"sender_mac":"00:15:65:aa:bb:cc","sender_ip":"10.1.2.3","target_ip":"10.1.2.1"}}`}},
		{"probe", frame(arp(1, phoneMAC, "\x00\x00\x00\x00", ip1)),
			[]string{`"kind":"arp","arp":{"op":1,"sender_mac":"00:15:65:aa:bb:cc","target_ip":"10.1.2.3"}}`}},
		{"IEEE 802 hardware", frame("\x00\x06" + arp(1, phoneMAC, ip1, ip2)[2:]),
			[]string{`"kind":"arp","arp":{"op":1,"sender_mac":"00:15:65:aa:bb:cc","sender_ip":"10.1.2.3","target_ip":"10.1.2.1"}}`}},
		{"another protocol", frame("\x00\x01\x80\x9b" + arp(1, phoneMAC, ip1, ip2)[4:]),
			[]string{`"kind":"arp","arp":{"op":1,"sender_mac":"00:15:65:aa:bb:cc"}}`}},
		// 255 + 255 + 4 + 4 + 8 does not fit in eight bits.
		{"hardware addresses of 255 bytes", frame(long(255, 4, strings.Repeat("\x00", 255)+ip1+strings.Repeat("\x00", 255)+ip2)),
			[]string{`"kind":"arp","arp":{"op":2,"sender_ip":"10.1.2.3","target_ip":"10.1.2.1"}}`}},
		{"protocol addresses of 16 bytes", frame(long(6, 16, phoneMAC+strings.Repeat("\x01", 16+6+16))),
			[]string{`"kind":"arp","arp":{"op":2,"sender_mac":"00:15:65:aa:bb:cc"}}`}},
		{"cut behind the sender", frame(arp(1, phoneMAC, ip1, ip2)[:18]),
			[]string{`"kind":"arp","malformed":"arp: 18 bytes, want 28","arp":{"op":1,"sender_mac":"00:15:65:aa:bb:cc","sender_ip":"10.1.2.3"}}`}},
		{"cut in the header", frame("\x00\x01\x08\x00\x06"),
			[]string{`"kind":"arp","malformed":"arp: 5 bytes, want at least 8","arp":{"op":0}}`}},
	})
}
