package proxy

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"perch/testdata/swarm"
)

// bench is a proxy without sockets, of one PBX, and what it would have sent.
type bench struct{ w *worker }

var (
	benchPhone = flow{transport: udp, port: 5060, peer: netip.MustParseAddrPort("192.0.2.9:5062")}
	benchPBX   = flow{transport: udp, port: 5060, peer: netip.MustParseAddrPort("192.0.2.1:5060")}
)

func newBench() *bench {
	p := &Proxy{cfg: Config{Key: [32]byte{1}}, ours: map[string]bool{"192.0.2.5:5060": true}, numbers: DefaultEmergencyNumbers, anyNumbers: DefaultEmergencyNumbers, allow: PrivateNetworks}
	p.init()
	p.after = func(time.Duration, func()) {} // nothing is sent by itself
	p.legs = []*leg{{transport: udp, addr: netip.MustParseAddrPort("192.0.2.5:5060"), advertised: "192.0.2.5:5060"}}
	p.upstreams.targets.Store(&[]*target{{transport: udp, addr: benchPBX.peer}})
	p.SetCallers([]Caller{aliceDesk})
	return &bench{p.newWorker()}
}

// give hands a datagram over and returns what is sent for it, and to whom.
func (b *bench) give(from flow, datagram []byte) (sent [][]byte, to []netip.AddrPort) {
	out := &b.w.sent[0]
	out.msgs = out.msgs[:0]
	b.w.handle(from, datagram, true)
	for i := range out.msgs {
		s := &out.slots[i]
		a, _ := netip.AddrFromSlice(s.to.IP)
		sent, to = append(sent, bytes.Clone(s.buf)), append(to, netip.AddrPortFrom(a, uint16(s.to.Port)))
	}
	out.msgs = out.msgs[:0]
	return sent, to
}

// checkForward gives a datagram of a phone's to a proxy, and what comes of it to a
// PBX that says no. It returns what does not hold for every datagram: what is passed
// is as good as what came, has one Via more and its body octet for octet, and its
// answer comes back to the phone with the phone's Vias.
func checkForward(b *bench, datagram []byte) error {
	var m message
	fault, ok := m.read(datagram)
	if ok && fault == nil {
		fault = m.validate(true)
	}
	body := bytes.Clone(m.raw[min(m.head, len(m.raw)):])
	vias, cancels := len(m.vias), m.is("ACK") || m.is("CANCEL")
	request := m.request
	sent, whom := b.give(benchPhone, datagram)
	switch {
	case len(sent) == 0:
		return nil
	case !ok || !request:
		return fmt.Errorf("sent %d messages for no request", len(sent))
	case len(sent) > 1:
		return fmt.Errorf("sent %d messages", len(sent))
	case whom[0] == benchPhone.peer:
		if len(sent[0]) > len(datagram)+300 {
			return fmt.Errorf("answered %d octets by %d", len(datagram), len(sent[0]))
		}
		return nil
	case fault != nil:
		return fmt.Errorf("passed on with %q", fault.reason)
	}
	var n message
	if fault, ok := n.read(sent[0]); !ok || fault != nil {
		return fmt.Errorf("what is passed on is no message: %v", fault)
	}
	if fault := n.validate(true); fault != nil {
		return fmt.Errorf("what is passed on is not valid: %s", fault.reason)
	}
	if got := n.raw[n.head:]; !bytes.Equal(got, body) && !bytes.Contains(got, body) {
		return fmt.Errorf("got body %q, want %q", got, body)
	}
	if len(n.vias) != vias+1 {
		return fmt.Errorf("got %d Vias, want one more than %d", len(n.vias), vias)
	}
	if cancels {
		return nil
	}
	answer := []byte("SIP/2.0 486 Busy Here\r\n")
	for _, h := range n.headers {
		if slices.Contains([]name{via, from, to, callID, cseq}, h.name) {
			answer = append(answer, n.raw[h.at:h.end]...)
		}
	}
	back, whom := b.give(benchPBX, append(answer, "\r\n"...))
	if len(back) != 1 || whom[0] != benchPhone.peer {
		return fmt.Errorf("the answer went to %v", whom)
	}
	if fault, ok := n.read(back[0]); !ok || fault != nil {
		return fmt.Errorf("the answer is no message: %v", fault)
	}
	if fault := n.validate(true); fault != nil || len(n.vias) != vias {
		return fmt.Errorf("the answer has %d Vias, want %d: %v", len(n.vias), vias, fault)
	}
	return nil
}

func FuzzForward(f *testing.F) {
	seeds := [][]byte{
		[]byte(helpCall("sip:911@pbx", "sip:alice@example.com", "a")),
		[]byte(request("REGISTER", "b")), []byte(request("CANCEL", "c")),
		[]byte("INVITE tel:1 SIP/2.0\r\nv: SIP / 2.0 / TCP [2001:db8::1] : 5060 ;rport;branch=\"x\" , SIP/2.0/UDP a\r\nRoute: <sip:192.0.2.5;lr>, <sip:x>\r\nf: \"a\\\"\" <sip:a@b>;tag=1\r\nt:\r\n sip:b\r\ni: x\r\nCSeq: 1\r\n INVITE\r\nl: 2\r\nmax-forwards: 1\r\n\r\nab"),
		[]byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.5;branch=z9hG4bK\r\n\r\n"),
	}
	for _, s := range seeds {
		f.Add(s)
	}
	// Each time a new proxy: of a transaction that is known the first message is sent
	// again, whatever it says now.
	swarm.Run(f, seeds, func() func([]byte) {
		return func(datagram []byte) {
			if err := checkForward(newBench(), bytes.Clone(datagram)); err != nil {
				panic(err)
			}
		}
	})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		if err := checkForward(newBench(), bytes.Clone(datagram)); err != nil {
			t.Fatal(err)
		}
	})
}

// checkStream feeds a stream whole and in pieces: that must be the same.
func checkStream(b []byte, piece int) error {
	cut := func(size int) (out []string, pings int, failed bool) {
		var s stream
		for at := 0; at < len(b); at += size {
			n, err := s.feed(b[at:min(at+size, len(b))], func(m []byte) { out = append(out, string(m)) })
			if pings += n; err != nil {
				return out, pings, true
			}
			if len(s.buf) > MaxMessage+size {
				panic("it keeps too much")
			}
		}
		return out, pings, false
	}
	want, wantPings, wantFailed := cut(max(len(b), 1))
	got, pings, failed := cut(piece)
	if len(b) <= MaxMessage && (!slices.Equal(got, want) || pings != wantPings || failed != wantFailed) {
		return fmt.Errorf("in pieces of %d: got %q, %d pings, failed %t, want %q, %d, %t", piece, got, pings, failed, want, wantPings, wantFailed)
	}
	return nil
}

func FuzzStreamPieces(f *testing.F) {
	f.Add([]byte("\r\n\r\n"+request("OPTIONS", "a")+"\r\n\r\n\r\n"+helpCall("sip:911@pbx", "sip:a@b", "b")), uint8(3))
	f.Add([]byte("A b SIP/2.0\r\nl: 3\r\nContent-Length: 3\r\n\r\nabc"), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, piece uint8) {
		if err := checkStream(b, int(piece)+1); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzReginfo: whatever a PBX says of registrations, what is handed over for it are
// REGISTERs and answers of one line, as they are allowed on the wire, and few.
func FuzzReginfo(f *testing.F) {
	f.Add([]byte(document(1, "full", boundContact("10.0.0.8;transport=tcp", `callid="a" cseq="1" received="sip:192.0.2.1:5062" path="&lt;sip:p;lr&gt;" user_agent="Phone 1.0"`))))
	f.Add([]byte(document(2, "partial", strings.Replace(boundContact("[2001:db8::1]", `q="0.5"`), "</contact>", `<unknown-param name="+sip.instance">"&lt;urn:uuid:1&gt;"</unknown-param></contact>`, 1))))
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := readReginfo(b, aliceAOR)
		if err != nil {
			return
		}
		if len(doc.contacts) > maxRegContacts {
			t.Fatalf("%d contacts", len(doc.contacts))
		}
		for i := range doc.contacts {
			c := &doc.contacts[i]
			if !c.source.IsValid() {
				continue
			}
			id := c.callID
			if id == "" {
				id = "a"
			}
			register, answer := c.messages(&subscription{aor: aliceAOR}, id, c.cseq, c.seconds)
			for _, x := range [][]byte{register, answer} {
				var m message
				if fault, isSIP := m.read(x); fault != nil || !isSIP || m.validate(true) != nil {
					t.Fatalf("%v, %v of\n%q", fault, m.validate(true), x)
				}
				n := 0
				m.contacts(func(uri, _ string, _ int) { n++ })
				if n > 1 || len(m.headers) > 11 || len(x) > 8<<10 {
					t.Fatalf("%d contacts, %d headers in\n%q", n, len(m.headers), x)
				}
			}
		}
	})
}
