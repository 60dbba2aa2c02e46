package discovery_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"perch/discovery"
)

// A decoder's panic costs its frame, is counted, and is told once for each frame,
// of not too many. What came before the fault is kept, and later frames are read.
func TestDecoderPanics(t *testing.T) {
	var told []discovery.Panic
	d := discovery.NewDecoder(discovery.DecoderConfig{Panicked: func(p discovery.Panic) { told = append(told, p) }})
	d.BreakSIP()
	seen := 0
	decode := func(packet string) {
		d.Decode(&discovery.Frame{Time: testTime, LinkType: 1, Data: []byte(packet)}, func(*discovery.Observation) { seen++ })
	}
	bad := ethernet(routerMAC, phoneMAC, 0x0800, sipPacket())
	decode(bad)
	decode(bad)
	decode(ethernet(routerMAC, phoneMAC, 0x0800, opening[0]))
	decode(ethernet(routerMAC, phoneMAC, 0x0800, up(0, ack, sipOf("a"))))
	decode(ethernet(allMAC, phoneMAC, 0x0806, arp(1, phoneMAC, ip1, ip2)))
	if seen != 1 || d.Stats().Panics != 3 || len(told) != 2 {
		t.Fatalf("got %d messages, %d panics and %+v told, want 1, 3 and 2", seen, d.Stats().Panics, told)
	}
	p := told[0]
	if p.Protocol != "sip over udp" || p.Frame != sha256.Sum256([]byte(bad)) || !strings.Contains(p.What, "nil pointer") ||
		!strings.HasPrefix(p.Where, "perch/sip.") {
		t.Errorf("got %+v", p)
	}
	if told[1].Protocol != "sip over tcp" {
		t.Errorf("got %+v", told[1])
	}
	if streams, _, _, _ := d.Held(0); streams != 0 {
		t.Errorf("got %d connections kept after a panic in one, want none", streams)
	}
	for i := range 3000 {
		decode(bad + fmt.Sprint(i))
	}
	if len(told) != 1024 || d.Stats().Panics != 3003 {
		t.Errorf("got %d told and %d counted, want 1024 and 3003", len(told), d.Stats().Panics)
	}
}

// A panic in one connection or datagram costs no other one.
func TestPanicKeepsOthers(t *testing.T) {
	w := newWire()
	whole := udp(5060, 5060, longRegister("b"))
	w.send(opening...).send(up(0, ack, sipOf("a")[:40]), part4(7, whole, 0, 1480))
	w.d.BreakSIP()
	other := func(p string) string { return strings.Replace(p, ip1, "\x0a\x01\x02\x63", 1) }
	for _, p := range opening {
		w.send(other(p))
	}
	w.send(other(up(0, ack, sipOf("c"))), part4(8, whole, 1480, 9999), part4(8, whole, 0, 1480))
	if n := w.d.Stats().Panics; n != 2 {
		t.Fatalf("got %d panics, want 2", n)
	}
	if streams, datagrams, _, sound := w.d.Held(0); streams != 1 || datagrams != 1 || !sound {
		t.Errorf("got %d connections and %d datagrams kept (sound: %t), want one of each", streams, datagrams, sound)
	}
	w.d.MendSIP()
	w.send(up(40, ack, sipOf("a")[40:]), part4(7, whole, 1480, 9999))
	if got := strings.Join(w.got[len(w.got)-2:], "; "); !strings.Contains(got, "register a tcp") || !strings.Contains(got, "register b udp") {
		t.Errorf("got %s, want what began before", got)
	}
}

// A panic of whoever takes the observations is none of the decoder's.
func TestEmitPanics(t *testing.T) {
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	frame := &discovery.Frame{Time: testTime, LinkType: 101, Data: []byte(sipPacket())}
	defer func() {
		if recover() != "engine" {
			t.Error("the panic was swallowed")
		}
		n := 0
		if d.Decode(frame, func(*discovery.Observation) { n++ }); n != 1 {
			t.Errorf("got %d messages from the next frame, want 1", n)
		}
	}()
	d.Decode(frame, func(*discovery.Observation) { panic("engine") })
}

func TestStats(t *testing.T) {
	w := newWire().send(sipPacket(), sipPacket()[:140], strings.Replace(sipPacket(), "To:", "T-:", 1))
	w.send(opening...).send(up(0, ack, sipOf("a")), up(500, ack, "\r\n"), up(900, rst, ""))
	d := udp(5060, 5060, longRegister("a"))
	w.send(part4(7, d, 0, 1480), part4(7, d, 1480, 9999))
	s := w.d.Stats()
	got := fmt.Sprint(s.Frames, s.Observations, s.StreamsOpened, s.StreamsBroken)
	// Malformed by reason: none, invalid, cut, fragment, lost.
	const want = "[{sip over udp 3} {sip over tcp 6} {udp fragment 2}] [{register 6 [0 1 1 1 0]}] 1 1"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	before := fmt.Sprint(s)
	w.frame.Data = []byte(up(0, ack, sipOf("z")))
	w.d.Pass(&w.frame)
	if after := fmt.Sprint(w.d.Stats()); after != before {
		t.Errorf("passing a frame: got %s, want %s", after, before)
	}
}
