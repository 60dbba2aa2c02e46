package discovery_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"perch/discovery"
	"perch/testdata/swarm"
)

// checkFrame decodes a frame and checks what holds for every frame.
func checkFrame(t *testing.T, d *discovery.Decoder, linkType uint16, frame string) {
	t.Helper()
	if err := faultOf(d, linkType, frame); err != nil {
		t.Fatal(err)
	}
}

// faultOf returns what of a decoded frame does not hold for every frame: what is
// printed of it is one line of JSON in UTF-8, not out of proportion to the frame,
// does not change when the frame's memory is used again, and is the same the
// next time.
func faultOf(d *discovery.Decoder, linkType uint16, frame string) error {
	f := &discovery.Frame{Time: testTime, Number: 1, LinkType: linkType, Data: []byte(frame)}
	var seen []*discovery.Observation
	d.Forget(0) // what came before it
	d.Decode(f, func(o *discovery.Observation) { seen = append(seen, o) })
	before, err := printAll(seen)
	if err != nil {
		return err
	}
	for i := range f.Data {
		f.Data[i] ^= 0x55
	}
	if after, err := printAll(seen); err != nil || !bytes.Equal(before, after) {
		return fmt.Errorf("an observation refers to the frame's memory:\nfirst %s\nthen  %s %w", before, after, err)
	}
	// A byte of a frame becomes at most six, as \u00ff or as hex with its key's
	// share; each message has fixed keys besides.
	if limit := 12*len(frame) + 1000*(1+len(frame)/64); len(before) > limit {
		return fmt.Errorf("got %d bytes printed of %d, want at most %d", len(before), len(frame), limit)
	}
	f.Data = []byte(frame)
	seen = nil
	d.Forget(0)
	d.Decode(f, func(o *discovery.Observation) { seen = append(seen, o) })
	if again, err := printAll(seen); err != nil || !bytes.Equal(before, again) {
		return fmt.Errorf("the same frame again:\nfirst %s\nthen  %s %w", before, again, err)
	}
	return nil
}

func printAll(seen []*discovery.Observation) ([]byte, error) {
	var all []byte
	for _, o := range seen {
		start := len(all)
		var err error
		if all, err = o.AppendJSON(all, true); err != nil {
			return nil, err
		}
		line := all[start:]
		if !json.Valid(line) || !utf8.Valid(line) || bytes.ContainsAny(line, "\n\r") {
			return nil, fmt.Errorf("got line %q", line)
		}
		all = append(all, '\n')
	}
	return all, nil
}

// fuzzPayload fuzzes what stands inside of a sound frame.
func fuzzPayload(f *testing.F, linkType uint16, wrap func(string) string, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	swarmFrames(f, func(s string) (uint16, string) { return linkType, wrap(s) }, seeds...)
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) <= 1500 {
			checkFrame(t, d, linkType, wrap(string(b)))
		}
	})
}

// swarmFrames runs the swarm over what wrap makes frames of. Each frame is decoded;
// of one in sixteen it is checked what holds for every frame.
func swarmFrames(f *testing.F, wrap func(string) (linkType uint16, frame string), seeds ...string) {
	var inputs [][]byte
	for _, s := range seeds {
		inputs = append(inputs, []byte(s))
	}
	swarm.Run(f, inputs, func() func([]byte) {
		d, n := discovery.NewDecoder(discovery.DecoderConfig{}), 0
		return func(b []byte) {
			linkType, frame := wrap(string(b))
			if n++; n%16 == 0 {
				if err := faultOf(d, linkType, frame); err != nil {
					panic(err)
				}
				return
			}
			d.Decode(&discovery.Frame{Time: testTime, Number: 1, LinkType: linkType, Data: []byte(frame)}, func(*discovery.Observation) {})
		}
	})
}

func FuzzARP(f *testing.F) {
	fuzzPayload(f, 1, func(s string) string { return ethernet(allMAC, phoneMAC, 0x0806, s) },
		arp(1, phoneMAC, ip1, ip2), "\x00\x01\x08\x00\xff\xff\x00\x01"+strings.Repeat("\x00", 40))
}

func FuzzDHCP(f *testing.F) {
	fuzzPayload(f, 101, func(s string) string { return ipv4(ip1, ip2, udp(67, 68, s)) },
		bootp(2, ip2, option(12, "a")+"\xff", option(12, "b")+"\xff")+option(52, "\x03")+option(53, "\x05")+option(82, option(1, "a")+option(2, "b")+option(5, ip1)+option(151, "\x00a"))+option(99, "\x01US\x01\x02CA")+option(123, coordinate(38.5, -77))+"\xff",
		bootp(1, ip2, "", "")+option(60, "\x00\x00\x36\x3d")+option(55, "\x01\x42")+option(1, "\xff\xff\xff\x00")+option(3, ip2)+"\xff")
}

func FuzzDHCP6(f *testing.F) {
	reply := "\x07\xab\xcd\xef" + option6(1, duidLLT) + option6(2, duidLL) + iaNA(iaAddr()) + iaNA(option6(13, "\x00\x02")) + option6(36, "\x01US\x01\x02CA") + option6(63, coordinate(38.5, -77))
	fuzzPayload(f, 101, dhcp6,
		"\x01\xab\xcd\xef"+option6(1, duidLL)+option6(6, "\x00\x17\x00\x18")+option6(16, be32(9)+"\x00\x03abc"),
		relay6(13, 1, ip6Relay, option6(79, "\x00\x01"+phoneMAC), relay6(13, 0, ip6None, option6(18, "p7")+option6(37, be32(9)+"sw")+option6(38, "x"), reply)))
}

func FuzzND(f *testing.F) {
	fuzzPayload(f, 101, func(s string) string { return ipv6(ip6Phone, ip6Router, 58, 255, s) },
		"\x85\x00\x00\x00\x00\x00\x00\x00"+ndOption(1, phoneMAC),
		"\x86\x00\x00\x00\x40\xc0\x07\x08\x00\x00\x00\x00\x00\x00\x00\x00"+ndOption(1, routerMAC)+ndPrefix(64, 0xc0, ip6Global),
		"\x87\x00\x00\x00\x00\x00\x00\x00"+ip6Global+ndOption(1, phoneMAC),
		"\x88\x00\x00\x00\xe0\x00\x00\x00"+ip6Global+ndOption(2, phoneMAC))
}

func FuzzLLDP(f *testing.F) {
	fuzzPayload(f, 1, func(s string) string { return lldpFrame(s) },
		mandatory()+tlv(5, "sw-3fl")+tlv(7, "\x00\x14\x00\x04")+tlv(8, "\x05\x01"+ip2+"\x02\x00\x00\x00\x01\x00")+lldpEnd,
		mandatory()+med(1, "\x00\x33\x03")+med(2, "\x01\x40\xdd\x6e")+med(3, "\x02\x0e\x02US\x01\x02CA\x1a\x03R3L\x03\x00")+med(3, "\x01"+coordinate(38.5, -77))+med(10, "T46S")+lldpEnd,
		mandatory()+vlanTLV(1, "\x00\x0a")+vlanTLV(1, "\x00\x0b")+vlanTLV(2, "\x03\x00\x6e")+vlanTLV(3, "\x00\x6e\x05voice")+vlanTLV(3, "\x00\x6e\x05voice")+lldpEnd)
}

func FuzzCDP(f *testing.F) {
	fuzzPayload(f, 1, func(s string) string { return frame802(cdpMAC, phoneMAC, unhex("aaaa03 00000c 2000")+s) },
		cdp(2, cdpTLV(1, "sw"), cdpTLV(2, be32(1)+"\x01\x01\xcc\x00\x04"+ip2), cdpTLV(4, be32(0x28)), cdpTLV(0x0e, "\x01\x00\x6e"))[8:],
		cdp(1, cdpTLV(1, "\x00\x01"), cdpTLV(3, "Port 1"))[8:])
}

func FuzzRegister(f *testing.F) {
	fuzzPayload(f, 101, func(s string) string { return ipv4(ip1, ip2, udp(5060, 5060, s)) },
		register+register,
		strings.Replace(register, "Content-Length", "User-Agent: snomM700/1 (MAC=0004136322A0)\r\nm: \"x\" <sip:1@[::1]:5062>;expires=5;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000B826C4283>\"\r\nl", 1),
		strings.Replace(register, "REGISTER sip:pbx SIP/2.0", "SIP/2.0 200 OK", 1))
}

func FuzzFrame(f *testing.F) {
	packet := sipPacket()
	var seeds []string
	for _, s := range []struct {
		linkType uint16
		frame    string
	}{
		{1, ethernet(routerMAC, phoneMAC, 0x88a8, tag(20, 0x8100, tag(110, 0x0800, packet)))},
		{1, frame802(cdpMAC, phoneMAC, cdp(2, cdpTLV(1, "sw")))},
		{0, "\x02\x00\x00\x00" + packet},
		{101, ipv4(ip1, ip2, udp(67, 68, bootp(2, ip2, "", "")+"\xff"))},
		{12, dhcp6("\x01\xab\xcd\xef" + option6(1, duidLL))},
		{229, ndFrame(ip6Phone, 135, "\x00\x00\x00\x00"+ip6Global+ndOption(1, phoneMAC))},
		{101, up(0, ack, register+register)},
		{101, part4(7, udp(5060, 5060, longRegister("a")), 0, 1480)},
		{229, packet6(0, six1, six2, "\x2c\x00\x01\x04\x00\x00\x00\x00\x11\x00\x00\x00\x00\x00\x00\x01"+udp(5060, 5060, register))},
		{113, "\x00\x00\x00\x01\x00\x06" + phoneMAC + "\x00\x00\x08\x00" + packet},
		{276, "\x08\x06\x00\x00\x00\x00\x00\x02\x00\x01\x00\x06" + phoneMAC + "\x00\x00" + arp(1, phoneMAC, ip1, ip2)},
	} {
		f.Add(s.linkType, []byte(s.frame))
		seeds = append(seeds, string(binary.BigEndian.AppendUint16(nil, s.linkType))+s.frame)
	}
	swarmFrames(f, func(s string) (uint16, string) {
		if len(s) < 2 {
			return 1, s
		}
		return binary.BigEndian.Uint16([]byte(s)), s[2:]
	}, seeds...)
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	f.Fuzz(func(t *testing.T, linkType uint16, b []byte) {
		if len(b) <= 2000 {
			checkFrame(t, d, linkType, string(b))
		}
	})
}
