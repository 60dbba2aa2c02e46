package proxy

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"perch/sip/digest"
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
	// Each time a new proxy: of a transaction that is known the first message is sent
	// again, whatever it says now.
	swarm.Fuzz(f, func() func([]byte) error { return func(b []byte) error { return checkForward(newBench(), b) } },
		helpCall("sip:911@pbx", "sip:alice@example.com", "a"), request("REGISTER", "b"), request("CANCEL", "c"),
		"INVITE tel:1 SIP/2.0\r\nv: SIP / 2.0 / TCP [2001:db8::1] : 5060 ;rport;branch=\"x\" , SIP/2.0/UDP a\r\nRoute: <sip:192.0.2.5;lr>, <sip:x>\r\nf: \"a\\\"\" <sip:a@b>;tag=1\r\nt:\r\n sip:b\r\ni: x\r\nCSeq: 1\r\n INVITE\r\nl: 2\r\nmax-forwards: 1\r\n\r\nab",
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.5;branch=z9hG4bK\r\n\r\n")
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

// checkReginfo gives a document of registrations to who asked for it: whatever a PBX says,
// what is handed over for it are REGISTERs and answers of one line, as they are allowed on
// the wire, and few.
func checkReginfo(b []byte) error {
	doc, err := readReginfo(b, aliceAOR)
	if err != nil {
		return nil
	}
	if len(doc.contacts) > maxRegContacts {
		return fmt.Errorf("%d contacts", len(doc.contacts))
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
				return fmt.Errorf("%v, %v of\n%q", fault, m.validate(true), x)
			}
			n := 0
			m.contacts(func(uri, _ string, _ int) { n++ })
			if n > 1 || len(m.headers) > 11 || len(x) > 8<<10 {
				return fmt.Errorf("%d contacts, %d headers in\n%q", n, len(m.headers), x)
			}
		}
	}
	return nil
}

func FuzzReginfo(f *testing.F) {
	swarm.Fuzz(f, func() func([]byte) error { return checkReginfo },
		document(1, "full", boundContact("10.0.0.8;transport=tcp", `callid="a" cseq="1" received="sip:192.0.2.1:5062" path="&lt;sip:p;lr&gt;" user_agent="Phone 1.0"`)),
		document(2, "partial", strings.Replace(boundContact("[2001:db8::1]", `q="0.5"`), "</contact>", `<unknown-param name="+sip.instance">"&lt;urn:uuid:1&gt;"</unknown-param></contact>`, 1)))
}

// checkFirstLine holds what is seen of a datagram before it is read to what is read.
func checkFirstLine() func([]byte) error {
	w := newBench().w
	return func(b []byte) error {
		line := firstLine(b)
		fault, ok := w.m.read(b)
		if ok && line == nil && len(b) < maxFirstLine {
			return fmt.Errorf("%q is noise to the first look", b)
		}
		if !ok || fault != nil || !w.m.is("INVITE") {
			return nil
		}
		if _, help := w.dialled(&Site{}); help && !w.maybeHelp(line) {
			return fmt.Errorf("%q is a call for help and does not look like one", line)
		}
		w.vouched(benchPhone.peer.Addr(), line, b)
		return nil
	}
}

func FuzzFirstLine(f *testing.F) {
	swarm.Fuzz(f, checkFirstLine, helpCall("sip:9-1-1@pbx", "sip:a@b", "a"), helpCall("tel:112;x=y", "sip:a@b", "a"), helpCall("urn:service:sos.x", "sip:a@b", "a"),
		request("REGISTER", "b"), "A b SIP/7.0\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n", "INVITE sip:911:x@y sip/2.0 \r\n\r\n")
}

// checkSTUN answers a keep-alive: by nothing, or by one success of the same transaction
// that is no longer than 44 octets.
func checkSTUN(b []byte) error {
	if !isSTUN(b) {
		return nil
	}
	for _, from := range []string{"192.0.2.1:32853", "[2001:db8::1]:5060"} {
		got := stunAnswer(nil, b, netip.MustParseAddrPort(from))
		switch {
		case len(got) == 0:
		case len(got) > 44, !isSTUN(got), got[0] != 1 || got[1] != 1, !bytes.Equal(got[4:20], b[4:20]):
			return fmt.Errorf("got %x", got)
		}
	}
	return nil
}

func FuzzSTUN(f *testing.F) {
	head := "\x21\x12\xa4\x42" + strings.Repeat("\x07", 12)
	swarm.Fuzz(f, func() func([]byte) error { return checkSTUN }, "\x00\x01\x00\x00"+head, "\x00\x01\x00\x08"+head+"\x80\x22\x00\x04test", "\x00\x01\x00\x08"+head+"\x00\x03\x00\x04\x00\x00\x00\x02")
}

// newOfficeBench is a bench without a PBX: 101 is registered where datagrams come from,
// 102 at two phones.
func newOfficeBench() *bench {
	b := newBench()
	p := b.w.Proxy
	p.upstreams.targets.Store(&[]*target{})
	p.alone, p.cfg.Realm, p.cfg.Algorithms = true, "example.com", Algorithms
	p.SetLines(officeLines)
	until := time.Now().Add(time.Hour)
	p.bindings.put([]Binding{{AOR: "sip:101@example.com", URI: "sip:101@192.0.2.9", flow: benchPhone, key: "a", Expires: until}}, time.Now())
	for i, f := range officePhones {
		p.bindings.put([]Binding{{AOR: "sip:102@example.com", URI: "sip:102@" + f.peer.String(), flow: f, key: string(rune('a' + i)), Expires: until}}, time.Now())
	}
	return b
}

var officePhones = []flow{
	{transport: udp, port: 5060, peer: netip.MustParseAddrPort("192.0.2.20:5060")}, {transport: udp, port: 5060, peer: netip.MustParseAddrPort("192.0.2.21:5060")},
}

// checkOffice gives a datagram of a phone's to a site without a PBX. What goes to phones is
// a message as good as what came; when they all refuse it the caller has one refusal.
func checkOffice(datagram []byte) error {
	b := newOfficeBench()
	var m message
	fault, ok := m.read(datagram)
	if ok && fault == nil {
		fault = m.validate(true)
	}
	vias, body, hop := len(m.vias), bytes.Clone(m.raw[min(m.head, len(m.raw)):]), m.is("ACK") || m.is("CANCEL")
	sent, whom := b.give(benchPhone, datagram)
	refused := 0
	for i := range sent {
		var n message
		if f, ok := n.read(sent[i]); !ok || f != nil {
			return fmt.Errorf("sent %q: %v", sent[i], f)
		}
		if !n.request {
			if whom[i] != benchPhone.peer {
				return fmt.Errorf("answered to %v", whom[i])
			}
			continue
		}
		phone := slices.IndexFunc(officePhones, func(f flow) bool { return f.peer == whom[i] })
		if f := n.validate(true); f != nil || fault != nil || len(n.vias) != vias+1 || !bytes.Equal(n.raw[n.head:], body) || phone < 0 && whom[i] != benchPhone.peer {
			return fmt.Errorf("to %v: %q: %v", whom[i], sent[i], f)
		}
		if hop || phone < 0 {
			continue
		}
		answer := []byte("SIP/2.0 486 Busy Here\r\n")
		for _, h := range n.headers {
			if slices.Contains([]name{via, from, to, callID, cseq}, h.name) {
				answer = append(answer, n.raw[h.at:h.end]...)
			}
		}
		back, at := b.give(officePhones[phone], append(answer, "\r\n"...))
		for j := range back {
			if bytes.HasPrefix(back[j], []byte("SIP/2.0 486")) && at[j] == benchPhone.peer {
				refused++
			} else if !bytes.HasPrefix(back[j], []byte("ACK ")) {
				return fmt.Errorf("for a refusal %q is sent", back[j])
			}
		}
	}
	if refused > 1 {
		return fmt.Errorf("the caller had %d refusals", refused)
	}
	return nil
}

func FuzzOffice(f *testing.F) {
	call := func(method string) string {
		return compose(method+" sip:102@example.com SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bKf", "From: <sip:101@example.com>;tag=1", "To: <sip:102@example.com>",
			"Call-ID: f", "CSeq: 1 "+method, "Max-Breadth: 9", "Contact: <sip:101@192.0.2.9>", "Content-Length: 2", "") + "ab"
	}
	cut, _, _ := strings.Cut(call("MESSAGE"), "\nTo:") // whose answer needs the end of a line that it does not have
	swarm.Fuzz(f, func() func([]byte) error { return checkOffice }, call("INVITE"), call("MESSAGE"), call("REGISTER"), cut, helpCall("sip:911@example.com", "sip:101@example.com", "a"))
}

// checkDigest registers a line with a value of Authorization, in which NONCE is one of
// ours and RESPONSE what proves the line's password: that lets in who knows it, and
// nobody else.
func checkDigest(value []byte) error {
	b := newOfficeBench()
	nonce := b.w.nonce(nil, benchPhone.peer.Addr(), time.Now())
	value = bytes.ReplaceAll(value, []byte("NONCE"), nonce)
	d, _ := digest.Read(bytes.TrimSpace(value))
	sum := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	if bytes.EqualFold(d.Algorithm, []byte("SHA-256")) {
		sum = func(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }
	}
	proof := sum(fmt.Sprintf("%s:%s:%s:%s:%s:%s", sum("101:example.com:not-a-secret"), d.Nonce, d.NC, d.CNonce, d.QOP, sum("REGISTER:"+string(d.URI))))
	value = bytes.ReplaceAll(value, []byte("RESPONSE"), []byte(proof))
	sent, _ := b.give(benchPhone, []byte(register("sip:101@example.com", "d", 2, benchPhone.peer, "Authorization: "+string(value))))
	for _, x := range sent {
		switch {
		case bytes.HasPrefix(x, []byte("SIP/2.0 200 ")):
			if !bytes.Contains(bytes.ToLower(value), []byte(proof)) || string(d.User) != "101" {
				return fmt.Errorf("let in by %q", value)
			}
		case !bytes.HasPrefix(x, []byte("SIP/2.0 4")):
			return fmt.Errorf("got %q", x)
		}
	}
	return nil
}

func FuzzDigest(f *testing.F) {
	swarm.Fuzz(f, func() func([]byte) error { return checkDigest },
		`Digest username="101", realm="example.com", nonce="NONCE", uri="sip:example.com", response="RESPONSE", algorithm=MD5, cnonce="0a4f", qop=auth, nc=00000001`,
		`Digest nc=00000001,qop="auth",cnonce=x,algorithm=SHA-256,response=RESPONSE,uri="sip:example.com",nonce="NONCE",realm="example.com",username="101"`,
		`Digest username="u102", realm="example.com", nonce="NONCE", uri="sip:example.com", response="0", qop=auth, nc=1, cnonce=""`)
}

// The seeds of FuzzDigest say what they should: that it would notice who is let in.
func TestCheckDigest(t *testing.T) {
	const seed = `Digest username="101", realm="example.com", nonce="NONCE", uri="sip:example.com", response="RESPONSE", algorithm=MD5, cnonce="0a4f", qop=auth, nc=00000001`
	b := newOfficeBench()
	if err := checkDigest([]byte(seed)); err != nil {
		t.Error(err)
	}
	sent, _ := b.give(benchPhone, []byte(register("sip:101@example.com", "d", 2, benchPhone.peer, "Authorization: "+seed)))
	if len(sent) != 1 || !bytes.HasPrefix(sent[0], []byte("SIP/2.0 403 ")) {
		t.Errorf("got %q, want a refusal of what proves nothing", sent)
	}
}
