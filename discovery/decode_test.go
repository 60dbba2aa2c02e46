package discovery_test

import (
	"strings"
	"testing"

	"perch/discovery"
)

const (
	ip1 = "\x0a\x01\x02\x03" // 10.1.2.3
	ip2 = "\x0a\x01\x02\x01" // 10.1.2.1
)

// register is a small REGISTER.
const register = "REGISTER sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.2.3\r\nTo: <sip:1@pbx>\r\nCall-ID: c\r\nCSeq: 7 REGISTER\r\nContent-Length: 0\r\n\r\n"

const registerLine = `"kind":"register","src":"10.1.2.3","dst":"10.1.2.1","register":{"transport":"udp","source":"10.1.2.3:5060","destination":"10.1.2.1:5060",` +
	`"call_id":"c","cseq":7,"aor":"sip:1@pbx","via":["SIP/2.0/UDP 10.1.2.3"]}}`

func sipPacket() string { return ipv4(ip1, ip2, udp(5060, 5060, register)) }

func TestDecodeEthernet(t *testing.T) {
	request := arp(1, phoneMAC, ip1, ip2)
	const line = `"kind":"arp","arp":{"op":1,"sender_mac":"00:15:65:aa:bb:cc","sender_ip":"10.1.2.3","target_ip":"10.1.2.1"}}`
	tagged := func(vlans string) string {
		return strings.Replace(line, `"arp","arp"`, `"arp","vlan":`+vlans+`,"arp"`, 1)
	}
	runDecodeCases(t, 1, []decodeCase{
		{"untagged", ethernet(allMAC, phoneMAC, 0x0806, request), []string{line}},
		{"padded", ethernet(allMAC, phoneMAC, 0x0806, request+strings.Repeat("\x00", 18)), []string{line}},
		{"802.1Q", ethernet(allMAC, phoneMAC, 0x8100, tag(110, 0x0806, request)), []string{tagged("[110]")}},
		{"priority tag", ethernet(allMAC, phoneMAC, 0x8100, tag(0, 0x0806, request)), []string{tagged("[0]")}},
		{"QinQ", ethernet(allMAC, phoneMAC, 0x88a8, tag(20, 0x8100, tag(110, 0x0806, request))), []string{tagged("[20,110]")}},
		{"802.1Q in 802.1Q", ethernet(allMAC, phoneMAC, 0x8100, tag(20, 0x8100, tag(110, 0x0806, request))), []string{tagged("[20,110]")}},
		{"old QinQ", ethernet(allMAC, phoneMAC, 0x9100, tag(4095, 0x8100, tag(1, 0x0806, request))), []string{tagged("[4095,1]")}},
		{"SIP", ethernet(routerMAC, phoneMAC, 0x0800, sipPacket()), []string{registerLine}},
		{"SIP in QinQ", ethernet(routerMAC, phoneMAC, 0x88a8, tag(20, 0x8100, tag(110, 0x0800, sipPacket()))),
			[]string{strings.Replace(registerLine, `"src"`, `"vlan":[20,110],"src"`, 1)}},
		{"CDP in a tag", ethernet(cdpMAC, phoneMAC, 0x8100, tag(1, 16, cdp(2, cdpTLV(3, "")))),
			[]string{`"kind":"cdp","vlan":[1],"cdp":{"version":2}}`}},

		{"five tags", ethernet(allMAC, phoneMAC, 0x8100, tag(1, 0x8100, tag(1, 0x8100, tag(1, 0x8100, tag(1, 0x8100, tag(1, 0x0806, request)))))), nil},
		{"cut in the header", allMAC + phoneMAC, nil},
		{"cut in the tag", ethernet(allMAC, phoneMAC, 0x8100, "\x00"), nil},
		{"another ethertype", ethernet(allMAC, phoneMAC, 0x86de, request), nil},
		{"another SNAP protocol", frame802(cdpMAC, phoneMAC, unhex("aaaa03 00000c 2004 01")), nil},
		{"empty", "", nil},
	})
}

func TestDecodeIP(t *testing.T) {
	p := sipPacket()
	set := func(at int, v string) string { return p[:at] + v + p[at+len(v):] }
	malformed := func(reason string) string {
		return strings.Replace(registerLine, `"register":{`, `"malformed":"`+reason+`","register":{`, 1)
	}
	options := "\x46" + p[1:20] + "\x01\x01\x01\x00" + p[20:]
	options = options[:2] + be16(len(options)) + options[4:]
	ip6 := func(next byte, payload string) string {
		a := strings.Repeat("\x00", 14)
		return "\x60\x00\x00\x00" + be16(len(payload)) + string([]byte{next, 64}) + "\x20\x01" + a + "\x20\x02" + a + payload
	}
	runDecodeCases(t, 101, []decodeCase{
		{"raw", p, []string{registerLine}},
		{"header options", options, []string{registerLine}},
		{"trailing bytes", p + "trailer", []string{registerLine}},
		{"later fragment", set(6, "\x00\x10"), nil},
		{"TCP of other ports", strings.Replace(set(9, "\x06"), be16(5060)+be16(5060), be16(5062)+be16(5064), 1), nil},
		{"other ports", ipv4(ip1, ip2, udp(5062, 5064, register)), nil},
		{"keep-alive", ipv4(ip1, ip2, udp(5060, 5060, "\r\n\r\n")), nil},
		{"call", ipv4(ip1, ip2, udp(5060, 5060, strings.ReplaceAll(register, "REGISTER", "INVITE"))), nil},
		{"registrar on the port, phone on another", ipv4(ip1, ip2, udp(1053, 5060, register)),
			[]string{strings.Replace(registerLine, "10.1.2.3:5060", "10.1.2.3:1053", 1)}},
		{"cut by the snapshot length", p[:len(p)-20], []string{malformed("udp: 109 bytes of 129 captured")}},
		{"header length beyond the packet", set(0, "\x4f")[:40], nil},
		{"header length below 5", set(0, "\x44"), nil},
		{"UDP length below 8", set(24, "\x00\x07"), nil},
		{"UDP header cut", p[:26], nil},
		{"IPv6", ip6(17, udp(5060, 5060, register)), []string{
			strings.NewReplacer(`"src":"10.1.2.3","dst":"10.1.2.1"`, `"src":"2001::","dst":"2002::"`,
				"10.1.2.3:5060", "[2001::]:5060", "10.1.2.1:5060", "[2002::]:5060").Replace(registerLine)}},
		{"DHCP ports in IPv6", ip6(17, udp(68, 67, bootp(1, "\x00\x00\x00\x00", "", ""))), nil},
		{"version 5", "\x55" + p[1:], nil},
	})
}

func TestDecodeLinkTypes(t *testing.T) {
	p := sipPacket()
	sll := func(hwlen string, typ int) string {
		return "\x00\x00\x00\x01" + hwlen + phoneMAC + "\x00\x00" + be16(typ)
	}
	sll2 := func(hwlen string, typ int) string {
		return be16(typ) + "\x00\x00\x00\x00\x00\x02\x00\x01\x00" + hwlen + phoneMAC + "\x00\x00"
	}
	for _, tc := range []struct {
		name  string
		link  uint16
		frame string
		mac   bool
	}{
		{"NULL, little-endian", 0, "\x02\x00\x00\x00" + p, false},
		{"NULL, big-endian", 0, "\x00\x00\x00\x02" + p, false},
		{"LOOP", 108, "\x00\x00\x00\x02" + p, false},
		{"raw, BSD number", 12, p, false},
		{"raw IPv4", 228, p, false},
		{"cooked", 113, sll("\x00\x06", 0x0800) + p, true},
		{"cooked, tagged", 113, sll("\x00\x06", 0x8100) + tag(110, 0x0800, p), true},
		{"cooked without address", 113, sll("\x00\x00", 0x0800) + p, false},
		{"cooked with a long address", 113, sll("\xff\xff", 0x0800) + p, false},
		{"cooked v2", 276, sll2("\x06", 0x0800) + p, true},
		{"cooked v2 without address", 276, sll2("\x00", 0x0800) + p, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []*discovery.Observation
			d := discovery.NewDecoder(discovery.DecoderConfig{})
			d.Decode(&discovery.Frame{LinkType: tc.link, Data: []byte(tc.frame)}, func(o *discovery.Observation) { got = append(got, o) })
			if len(got) != 1 || got[0].Register == nil || got[0].Register.AOR != "sip:1@pbx" {
				t.Fatalf("got %+v, want one REGISTER", got)
			}
			want := ""
			if tc.mac {
				want = "00:15:65:aa:bb:cc"
			}
			if b, _ := got[0].MAC.MarshalText(); string(b) != want {
				t.Errorf("got MAC %q, want %q", b, want)
			}
			if tagged := strings.Contains(tc.name, "tagged"); tagged != (got[0].VLAN() == 110) {
				t.Errorf("got VLAN %d, tagged: %t", got[0].VLAN(), tagged)
			}
		})
	}
	for _, link := range []uint16{2, 105, 127, 281} {
		if got := decodeLines(t, link, ethernet(routerMAC, phoneMAC, 0x0800, p)); got != nil {
			t.Errorf("link type %d: got %s, want nothing", link, got)
		}
	}
}

func TestDecodeCDPInCookedCapture(t *testing.T) {
	// Linux hands IEEE 802.2 frames over with protocol 4, without their length.
	frame := "\x00\x02\x00\x01\x00\x06" + phoneMAC + "\x00\x00\x00\x04" + cdp(2, cdpTLV(1, "sw-3fl"))
	want := `"kind":"cdp","cdp":{"version":2,"device_id":"sw-3fl"}}`
	if got := decodeLines(t, 113, frame); len(got) != 1 || got[0] != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDecodeSIPPorts(t *testing.T) {
	d := discovery.NewDecoder(discovery.DecoderConfig{SIPPorts: []uint16{5060, 5080}})
	for port, want := range map[int]int{5060: 1, 5080: 1, 5070: 0} {
		got := 0
		f := &discovery.Frame{LinkType: 101, Data: []byte(ipv4(ip1, ip2, udp(40000, port, register)))}
		d.Decode(f, func(*discovery.Observation) { got++ })
		if got != want {
			t.Errorf("port %d: got %d messages, want %d", port, got, want)
		}
	}
}

// Two messages in one frame are two observations that share no state.
func TestDecodeTwoMessages(t *testing.T) {
	second := strings.Replace(strings.Replace(register, "Call-ID: c", "Call-ID: d", 1), "Via: SIP/2.0/UDP 10.1.2.3", "Via: nonsense", 1)
	got := decodeLines(t, 101, ipv4(ip1, ip2, udp(5060, 5060, register+second)))
	want := []string{registerLine, strings.NewReplacer(`"c"`, `"d"`, `"register":{`, `"malformed":"sip: Via: not SIP/2.0","register":{`,
		`SIP/2.0/UDP 10.1.2.3`, "nonsense").Replace(registerLine)}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// The first look at a frame that is not ours allocates nothing.
func TestDecodeAllocates(t *testing.T) {
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	emit := func(*discovery.Observation) { t.Error("got a message, want none") }
	for name, data := range map[string]string{
		"TCP":   ethernet(routerMAC, phoneMAC, 0x8100, tag(110, 0x0800, strings.Replace(sipPacket(), "\x40\x11", "\x40\x06", 1))),
		"media": ethernet(routerMAC, phoneMAC, 0x0800, ipv4(ip1, ip2, udp(11780, 11780, strings.Repeat("\xd5", 160)))),
		"calls": ethernet(routerMAC, phoneMAC, 0x0800, ipv4(ip1, ip2, udp(5060, 5060, "OPTIONS sip:a SIP/2.0\r\n\r\n"))),
	} {
		f := &discovery.Frame{LinkType: 1, Data: []byte(data)}
		if n := testing.AllocsPerRun(100, func() { d.Decode(f, emit) }); n != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, n)
		}
	}
}
