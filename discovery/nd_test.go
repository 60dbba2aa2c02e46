package discovery_test

import (
	"strings"
	"testing"
)

// ndFrame composes the frame of an ICMPv6 message; its checksum is not looked at.
func ndFrame(src string, typ byte, body string) string {
	return ipv6(src, ip6Router, 58, 255, string([]byte{typ, 0})+"\x00\x00"+body)
}

// ndOption composes an option of ND, padded to a multiple of 8 bytes.
func ndOption(typ byte, v string) string {
	v += strings.Repeat("\x00", (8-(len(v)+2)%8)%8)
	return string([]byte{typ, byte((len(v) + 2) / 8)}) + v
}

func ndPrefix(bits byte, flags byte, prefix string) string {
	return ndOption(3, string([]byte{bits, flags})+be32(86400)+be32(14400)+be32(0)+prefix)
}

func TestDecodeND(t *testing.T) {
	const prefix = `"kind":"nd","src":"fe80::215:65ff:feaa:bbcc","dst":"fe80::1",`
	line := func(fields string) []string { return []string{prefix + `"nd":{` + fields + `}}`} }
	broken := func(reason, fields string) []string {
		return []string{prefix + `"malformed":"nd: ` + reason + `","nd":{` + fields + `}}`}
	}
	const sender = `"sender_ip":"fe80::215:65ff:feaa:bbcc"`
	zero := "\x00\x00\x00\x00"
	target := `,"target_ip":"2001:db8:20::100"`
	frame := func(typ byte, body string) string { return ndFrame(ip6Phone, typ, body) }
	runDecodeCases(t, 101, []decodeCase{
		{"router solicitation", frame(133, zero+ndOption(1, phoneMAC)), line(`"type":"RS",` + sender + `,"sender_mac":"00:15:65:aa:bb:cc"`)},
		{"router advertisement", frame(134, "\x40\xc0\x07\x08"+zero+zero+ndOption(1, routerMAC)+ndOption(5, "\x00\x00\x00\x00\x05\xdc")+
			ndPrefix(64, 0xc0, ip6Global)+ndPrefix(56, 0x00, ip6Global)),
			line(`"type":"RA",` + sender + `,"sender_mac":"00:1b:17:00:01:10","router_lifetime":1800,"managed":true,"other_config":true,` +
				`"prefixes":[{"prefix":"2001:db8:20::/64","on_link":true,"autonomous":true,"valid":86400,"preferred":14400},` +
				`{"prefix":"2001:db8:20::/56","valid":86400,"preferred":14400}]`)},
		{"router that is none by default", frame(134, "\x40\x00\x00\x00"+zero+zero), line(`"type":"RA",` + sender + `,"router_lifetime":0`)},
		{"neighbor solicitation", frame(135, zero+ip6Global+ndOption(1, phoneMAC)), line(`"type":"NS",` + sender + target + `,"sender_mac":"00:15:65:aa:bb:cc"`)},
		{"duplicate address detection", ndFrame(ip6None, 135, zero+ip6Global+ndOption(14, "nonce")),
			[]string{`"kind":"nd","dst":"fe80::1","nd":{"type":"NS","target_ip":"2001:db8:20::100"}}`}},
		{"neighbor advertisement", frame(136, "\xe0\x00\x00\x00"+ip6Global+ndOption(2, phoneMAC)),
			line(`"type":"NA",` + sender + target + `,"target_mac":"00:15:65:aa:bb:cc","router":true,"solicited":true,"override":true`)},
		{"without flags or option", frame(136, zero+ip6Global), line(`"type":"NA",` + sender + target)},
		{"link-layer address of 14 bytes", frame(136, zero+ip6Global+ndOption(2, "0123456789abcd")), line(`"type":"NA",` + sender + target)},

		{"echo request is not ours", frame(128, zero), nil},
		{"redirect is not ours", frame(137, zero+ip6Global+ip6Global), nil},
		{"from afar", ipv6(ip6Phone, ip6Router, 58, 64, "\x88\x00\x00\x00"+zero+ip6Global), broken("hop limit 64, want 255", `"type":"NA"`)},
		{"code 1", ipv6(ip6Phone, ip6Router, 58, 255, "\x88\x01\x00\x00"+zero+ip6Global), broken("code 1, want 0", `"type":"NA"`)},
		{"cut in the target", frame(135, zero+ip6Global[:8]), broken("16 bytes, want at least 24", `"type":"NS",`+sender)},
		{"cut in the header", frame(133, "\x00"), broken("5 bytes, want at least 8", `"type":""`)},
		{"option of length 0", frame(135, zero+ip6Global+ndOption(1, phoneMAC)+"\x01\x00"),
			broken("option 1 cut short", `"type":"NS",`+sender+target+`,"sender_mac":"00:15:65:aa:bb:cc"`)},
		{"option longer than the message", frame(135, zero+ip6Global+"\x01\x02"+phoneMAC), broken("option 1 cut short", `"type":"NS",`+sender+target)},
		{"half an option header", frame(135, zero+ip6Global+"\x01"), broken("option 1 cut short", `"type":"NS",`+sender+target)},
		{"prefix of 129 bits", frame(134, zero+zero+zero+ndPrefix(129, 0xc0, ip6Global)), broken("prefix information of 32 bytes and 129 bits", `"type":"RA",`+sender+`,"router_lifetime":0`)},
		{"prefix cut short", frame(134, zero+zero+zero+ndOption(3, "\x40\xc0")), broken("prefix information of 8 bytes and 64 bits", `"type":"RA",`+sender+`,"router_lifetime":0`)},
		{"cut by the snapshot length", frame(135, zero+ip6Global+ndOption(1, phoneMAC))[:64],
			[]string{prefix + `"malformed":"icmpv6: 24 bytes of 32 captured","nd":{"type":"NS",` + sender + target + `}}`}},
	})

	many := decodeLines(t, 101, frame(134, zero+zero+zero+strings.Repeat(ndPrefix(64, 0xc0, ip6Global), 30)))[0]
	if got := strings.Count(many, `"prefix":`); got != 16 {
		t.Errorf("RA with 30 prefixes: got %d, want 16", got)
	}
}
