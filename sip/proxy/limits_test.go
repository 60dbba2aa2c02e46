package proxy

import (
	"bytes"
	cryptotls "crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// newPeerAt is newPeer at another address of loopback: at that of the PBX no limit
// applies.
func newPeerAt(t *testing.T, ip string) *peer {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &peer{t: t, UDPConn: c}
}

// as is a request with more headers, of another AOR.
func as(method, id, aor string, more ...string) string {
	m := strings.Replace(request(method, id), "To: <sip:1@b>", "To: <"+aor+">", 1)
	for _, h := range more {
		m = strings.Replace(m, "Call-ID:", h+"\r\nCall-ID:", 1)
	}
	return m
}

const wrong = `Authorization: Digest username="1", realm="b", nonce="x", uri="sip:b", response="0"`

// receive hands a datagram over as it comes from the network, at a time.
func (b *bench) receive(from flow, now int64, datagram string) (sent []string) {
	out := &b.w.sent[0]
	out.msgs = out.msgs[:0]
	b.w.now = now
	b.w.datagram(b.w.legs[0], from.peer, []byte(datagram))
	for i := range out.msgs {
		sent = append(sent, string(out.slots[i].buf))
	}
	out.msgs = out.msgs[:0]
	return sent
}

// reply is an answer to a request that the PBX got.
func reply(request, status string, more ...string) string {
	lines := []string{"SIP/2.0 " + status}
	head, _, _ := strings.Cut(request, "\r\n\r\n")
	for _, h := range strings.Split(head, "\r\n")[1:] {
		if n, _, _ := strings.Cut(h, ":"); strings.Contains(" Via From To Call-ID CSeq ", " "+n+" ") {
			lines = append(lines, h)
		}
	}
	return compose(append(lines, more...)...)
}

// asked is how many of n requests that come at intervals get to the PBX, which gives
// each the same answer.
func asked(b *bench, n int, every int64, request func(i int) string, status string, more ...string) (got int) {
	for i := range n {
		now := int64(i) * every
		sent := b.receive(limited, now, request(i))
		if len(sent) == 0 || strings.HasPrefix(sent[0], "SIP/2.0 ") {
			continue
		}
		got++
		b.receive(benchPBX, now, reply(sent[0], status, more...))
	}
	return got
}

// limited is a phone in an allowed network.
var limited = flow{transport: udp, port: 5060, peer: netip.MustParseAddrPort("10.0.0.9:5062")}

// What a PBX says of requests is what limits their source; of a hundred, so many get
// through.
func TestRefusals(t *testing.T) {
	aor := func(i int) string { return fmt.Sprintf("sip:%d@b", 1000+i) }
	agent := func(i int) string { return fmt.Sprintf("User-Agent: Phone %d", i) }
	for _, tc := range []struct {
		name    string
		every   int64
		request func(i int) string
		status  string
		more    string
		want    int
	}{
		{"a slow sweep with another User-Agent each time", minute, func(i int) string { return as("OPTIONS", fmt.Sprint(i), aor(i), agent(i)) }, "404 Not Found", "X: y", 25},
		{"the same of REGISTERs", minute, func(i int) string { return as("REGISTER", fmt.Sprint(i), aor(i), agent(i)) }, "403 Forbidden", "X: y", 25},
		{"passwords for many lines", second, func(i int) string { return as("REGISTER", fmt.Sprint(i), aor(i), wrong) }, "401 Unauthorized", "X: y", 21},
		{"passwords for one line", second, func(i int) string { return as("REGISTER", fmt.Sprint(i), aor(0), wrong) }, "401 Unauthorized", "X: y", 20},
		{"passwords for a call", second, func(i int) string { return as("INVITE", fmt.Sprint(i), aor(0), "Proxy-"+wrong) }, "407 Proxy Authentication Required", "X: y", 31},
		{"challenges", second, func(i int) string { return as("REGISTER", fmt.Sprint(i), aor(i)) }, "401 Unauthorized", "X: y", 100},
		{"old nonces", second, func(i int) string { return as("INVITE", fmt.Sprint(i), aor(i), "Proxy-"+wrong) }, "407 Proxy Authentication Required",
			`Proxy-Authenticate: Digest realm="b", nonce="y", STALE=TRUE`, 100},
		{"busy lines", second, func(i int) string { return as("INVITE", fmt.Sprint(i), aor(i)) }, "486 Busy Here", "X: y", 100},
		{"phones", second, func(i int) string { return as("REGISTER", fmt.Sprint(i), aor(i), wrong) }, "200 OK", "X: y", 100},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := asked(newBench(), 100, tc.every, tc.request, tc.status, tc.more); got != tc.want {
				t.Errorf("the PBX was asked %d times, want %d", got, tc.want)
			}
		})
	}
}

// Many sources guess one line's password. Its phone registers all the same, from where
// it is; so does one of the roll, of which the proxy has seen no REGISTER yet.
func TestGuessedLine(t *testing.T) {
	for _, ofRoll := range []bool{false, true} {
		b := newBench()
		aor := "sip:alice@example.com"
		if ofRoll {
			desk := aliceDesk
			desk.Sources = []netip.Addr{limited.peer.Addr()}
			b.w.SetCallers([]Caller{desk})
		} else if got := asked(b, 1, 0, func(int) string { return as("REGISTER", "own", aor, wrong) }, "200 OK"); got != 1 {
			t.Fatal("the phone cannot register")
		}
		got := 0
		for i := range 1000 {
			from := limited
			from.peer = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 5060)
			sent := b.receive(from, second, as("REGISTER", fmt.Sprint(i), aor, wrong))
			if strings.HasPrefix(sent[0], "REGISTER ") {
				got++
				b.receive(benchPBX, second, reply(sent[0], "401 Unauthorized"))
			} else if !strings.HasPrefix(sent[0], "SIP/2.0 503 ") {
				t.Fatalf("got\n%s", sent[0])
			}
		}
		if got != 20 {
			t.Errorf("the PBX was asked %d times, want 20", got)
		}
		if sent := b.receive(limited, second, as("REGISTER", "again", aor, wrong)); len(sent) != 1 || !strings.HasPrefix(sent[0], "REGISTER ") {
			t.Errorf("of the roll: %t: the line's phone is locked out: %q", ofRoll, sent)
		}
	}
}

// refusedOften has a phone try the password of a line n times in vain and returns how
// often the PBX was asked.
func refusedOften(t *testing.T, p *Proxy, phone, pbx *peer, n int) (asked int) {
	t.Helper()
	for i := range n {
		before := p.Counts()
		phone.send(p.Addr(0), as("REGISTER", fmt.Sprintf("w%d", i), "sip:mistyped@b", wrong))
		for tries := 0; ; tries++ {
			if tries == 5000 {
				t.Fatalf("nothing became of REGISTER %d: %+v", i, p.Counts())
			}
			if got := pbx.next(time.Millisecond); got != "" {
				asked++
				pbx.respond(got, "401 Unauthorized")
				phone.recv()
				break
			}
			if c := p.Counts(); c.Banned > before.Banned {
				break
			} else if c.Guesses > before.Guesses {
				phone.recv()
				break
			}
		}
	}
	return asked
}

// A phone with a wrong password tries a thousand times and is banned; one that has
// another line is not, and keeps that. Both call for help, from the INVITE to the BYE.
func TestWrongPasswordThenHelp(t *testing.T) {
	for _, registered := range []bool{false, true} {
		t.Run(fmt.Sprintf("registered %t", registered), func(t *testing.T) {
			phone, other, pbx := newPeerAt(t, "127.0.0.2"), newPeerAt(t, "127.0.0.2"), newPeer(t)
			var log lockedBuffer
			p := start(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, "udp:"+pbx.addr().String())
			register := func(id string) bool {
				phone.send(p.Addr(0), as("REGISTER", id, "sip:good@b", wrong))
				got := pbx.next(300 * time.Millisecond)
				if got != "" {
					pbx.respond(got, "200 OK")
					phone.recv()
				}
				return got != ""
			}
			if registered && !register("r") {
				t.Fatal("the phone cannot register")
			}
			if n := refusedOften(t, p, phone, pbx, 1000); n != 20 {
				t.Errorf("the PBX was asked for the password %d times, want 20", n)
			}
			if got := register("s"); got != registered {
				t.Errorf("its other line registers: %t, want %t", got, registered)
			}
			if b := p.State().Banned; (b.Count == 0) != registered {
				t.Errorf("got %+v", b)
			}
			helpFrom(t, p, phone, pbx)
			if text := log.String(); strings.Contains(text, "nonce") || strings.Contains(text, "mistyped") || strings.Count(text, "\n") > 1 {
				t.Errorf("logged\n%s", text)
			}
			if registered {
				return
			}
			// What is no call for help does not pass by looking like one.
			entry := "Route: <sip:" + tokenOf(p, phone.addr()) + "@" + p.Addr(0).String() + ";lr>"
			for _, m := range []string{
				as("REGISTER", "x1", "sip:1@b", entry), as("INVITE", "x2", "sip:1@b", entry), as("OPTIONS", "x3", "sip:1@b>;tag=2", entry),
				strings.Replace(request("REGISTER", "x4"), "sip:1@pbx", "sip:911@pbx", 1),
			} {
				phone.send(p.Addr(0), m)
			}
			others := "Route: <sip:" + tokenOf(p, netip.MustParseAddrPort("127.0.0.7:5060")) + "@" + p.Addr(0).String() + ";lr>"
			phone.send(p.Addr(0), as("BYE", "x6", "sip:1@b>;tag=2", others))
			other.send(p.Addr(0), as("BYE", "x5", "sip:1@b>;tag=2", "Route: <sip:AAAA@"+p.Addr(0).String()+";lr>"))
			pbx.silent()
		})
	}
}

// tokenOf is the token of a phone's flow.
func tokenOf(p *Proxy, phone netip.AddrPort) string {
	return string(newSealer(p.cfg.Key[:]).seal(nil, towards, flow{transport: udp, port: p.Addr(0).Port(), peer: phone}, netip.Addr{}))
}

// helpFrom has a phone call for help, with a challenge, until both have hung up.
func helpFrom(t *testing.T, p *Proxy, phone, pbx *peer) {
	t.Helper()
	want := func(who *peer, prefix string) string {
		t.Helper()
		for {
			got := who.recv()
			if strings.HasPrefix(got, prefix) {
				return got
			}
			if !strings.HasPrefix(got, "INVITE ") { // sent again
				t.Fatalf("got\n%s\nwant %s", got, prefix)
			}
		}
	}
	call := helpCall("sip:112@pbx", "sip:mistyped@b", "help")
	phone.send(p.Addr(0), call)
	pbx.respond(want(pbx, "INVITE sip:112@pbx "), "407 Proxy Authentication Required")
	want(phone, "SIP/2.0 407 ")
	head, _, _ := strings.Cut(call, "\r\nContent-Type")
	phone.send(p.Addr(0), strings.ReplaceAll(head, "INVITE", "ACK")+"\r\n\r\n")
	want(pbx, "ACK sip:112@pbx ")
	phone.send(p.Addr(0), strings.NewReplacer("branch=z9hG4bKhelp", "branch=z9hG4bKhelp2", "CSeq: 1", "Proxy-"+wrong+"\r\nCSeq: 2").Replace(call))
	invite := want(pbx, "INVITE sip:112@pbx ")
	pbx.respond(invite, "200 OK")
	want(phone, "SIP/2.0 200 ")
	entry := field(t, invite, "Record-Route")
	inDialog := func(method, branch string) string {
		return compose(method+" sip:psap@192.0.2.1 SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK"+branch, "Route: "+entry, "From: <sip:mistyped@b>;tag=1",
			"To: <sip:112@pbx>;tag=9", "Call-ID: help", "CSeq: 2 "+method)
	}
	phone.send(p.Addr(0), inDialog("ACK", "h3"))
	want(pbx, "ACK sip:psap@192.0.2.1 ")
	// The other side says something, and is answered.
	pbx.send(p.Addr(0), compose("INFO sip:alice@192.0.2.9:5062 SIP/2.0", "Via: SIP/2.0/UDP "+pbx.addr().String()+";branch=z9hG4bKi", "Route: "+entry, "From: <sip:112@pbx>;tag=9",
		"To: <sip:mistyped@b>;tag=1", "Call-ID: help", "CSeq: 7 INFO"))
	phone.respond(want(phone, "INFO "), "200 OK")
	want(pbx, "SIP/2.0 200 ")
	phone.send(p.Addr(0), inDialog("BYE", "h4"))
	pbx.respond(want(pbx, "BYE "), "200 OK")
	want(phone, "SIP/2.0 200 ")
}

// Twenty thousand datagrams from the address of a phone, noise and REGISTERs of nobody,
// and ten calls for help from there meanwhile.
func TestHelpInAFlood(t *testing.T) {
	phone, pbx := newPeerAt(t, "127.0.0.2"), newPeer(t)
	p := start(t, Config{}, "udp:"+pbx.addr().String())
	const packets, calls = 20_000, 10
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}, net.UDPAddrFromAddrPort(p.Addr(0)))
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		noise := bytes.Repeat([]byte{0x80, 0x08, 0}, 60)
		for i := range packets {
			if b := noise; i%2 == 0 {
				_, _ = c.Write(b)
			} else {
				_, _ = c.Write([]byte(as("REGISTER", fmt.Sprint(i), fmt.Sprintf("sip:%d@b", i))))
			}
		}
	}()
	got := map[string]bool{}
	for i := range calls {
		id := fmt.Sprintf("help%d", i)
		for range 20 { // a phone sends again until it is answered (RFC 3261 section 17.1.1.2)
			phone.send(p.Addr(0), helpCall("sip:911@pbx", "sip:a@b", id))
			for began := time.Now(); !got[id] && time.Since(began) < 500*time.Millisecond; {
				m := pbx.next(100 * time.Millisecond)
				if strings.HasPrefix(m, "INVITE sip:911@pbx ") {
					got[field(t, m, "Call-ID")] = true
					pbx.respond(m, "486 Busy Here")
				}
			}
			if got[id] {
				break
			}
		}
	}
	<-done
	if len(got) != calls {
		t.Errorf("%d calls for help of %d were passed", len(got), calls)
	}
	if c := p.Counts(); c.NotSIP == 0 || c.Crowded == 0 {
		t.Errorf("got %+v, want noise and REGISTERs dropped", c)
	}
}

// Over a connection what is too much waits, and all of it comes in the end; but for a
// call for help, which does not wait.
func TestPause(t *testing.T) {
	for _, over := range []string{"tcp", "tls"} {
		t.Run(over, func(t *testing.T) { pauseOver(t, over) })
	}
}

func pauseOver(t *testing.T, over string) {
	pbx := newPeer(t)
	cert, key := writeCertificate(t, t.TempDir(), 1)
	p := start(t, Config{Listen: []string{over + ":127.0.0.1:0", "udp:127.0.0.1:0"}, CertFile: cert, KeyFile: key}, "udp:"+pbx.addr().String())
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}}
	c, err := d.Dial("tcp", p.Addr(0).String())
	if err != nil {
		t.Fatal(err)
	}
	if over == "tls" {
		c = cryptotls.Client(c, &cryptotls.Config{InsecureSkipVerify: true})
	}
	defer c.Close()
	for range 1024 {
		p.admission.spend(src("127.0.0.3"), p.clock())
	}
	const n = 300 // at 256 in a second, but for what is read at once
	var all strings.Builder
	for i := range n {
		all.WriteString(strings.Replace(as("REGISTER", fmt.Sprint(i), fmt.Sprintf("sip:%d@b", i)), "UDP", strings.ToUpper(over), 1))
	}
	go func() { _, _ = c.Write([]byte(all.String())) }()
	ids := map[string]bool{}
	for len(ids) < n {
		m := pbx.next(5 * time.Second)
		if m == "" {
			t.Fatalf("got %d of %d", len(ids), n)
		}
		if id := field(t, m, "Call-ID"); !ids[id] {
			ids[id] = true
			pbx.respond(m, "486 Busy Here")
		}
	}
	if _, err := c.Write([]byte(strings.Replace(as("REGISTER", "last", "sip:last@b")+helpCall("sip:911@pbx", "sip:a@b", "help"), "UDP", strings.ToUpper(over), 2))); err != nil {
		t.Fatal(err)
	}
	for m := ""; !strings.HasPrefix(m, "INVITE sip:911@pbx "); {
		if m = pbx.next(5 * time.Second); m == "" {
			t.Fatal("the call for help is lost")
		}
	}
	if c := p.Counts(); c.NotSIP+c.Banned != 0 {
		t.Errorf("got %+v", c)
	}
}

// A source that is over its limit is not read for as long as it is.
func TestPauseLasts(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	r := &reader{worker: newBench().w, conn: &conn{net: here}, wait: second / 5}
	go func() { _, _ = there.Write([]byte(request("OPTIONS", "a"))) }()
	began := time.Now()
	if !r.read() || r.hurry || len(r.cut.buf) == 0 {
		t.Errorf("got hurry %t, and %d octets", r.hurry, len(r.cut.buf))
	}
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("it was read after %v", took)
	}
}

// Noise is dropped before it counts for its source.
func TestNoiseIsFree(t *testing.T) {
	b := newBench()
	for range 5000 {
		b.receive(limited, 0, strings.Repeat("\x80\x08", 50)+"\r\n")
	}
	if sent := b.receive(limited, 0, request("REGISTER", "a")); len(sent) != 1 {
		t.Error("after noise from its address a phone is not heard")
	}
	if c := b.w.Counts(); c.NotSIP != 5000 {
		t.Errorf("got %+v", c)
	}
}

// A pause ends at once with a call for help, however much stands before it.
func TestPauseEndsForHelp(t *testing.T) {
	b := newBench()
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	r := &reader{worker: b.w, conn: &conn{net: here}, from: source(9), wait: maxAhead}
	began := time.Now()
	go func() {
		_, _ = there.Write([]byte(request("OPTIONS", "a") + helpCall("sip:911@pbx", "sip:a@b", "help")))
	}()
	if !r.pause() || !r.hurry {
		t.Fatal("the pause did not end")
	}
	if took := time.Since(began); took > 200*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	r.admission.spend(9, 0)
	set := r.admission.sources.lock(9)
	set.get(9).due = strangerRate.burst + second // over its limit
	set.mu.Unlock()
	r.now = 0
	var took []string
	_, _ = r.cut.feed(nil, func(m []byte) {
		if r.takes(netip.MustParseAddr("10.0.0.9"), m) {
			took = append(took, string(m[:6]))
		}
	})
	if len(took) != 1 || took[0] != "INVITE" {
		t.Errorf("took %q, want the call for help alone", took)
	}
}

// Many connections of one source together get no more than it may, for long.
func TestManyConnections(t *testing.T) {
	a, taken := newAdmission(), 0
	for range 100_000 {
		if wait, is := a.spend(9, second); is == admitted {
			taken++
		} else if wait != maxAhead {
			t.Fatalf("got a wait of %d", wait)
		}
	}
	if want := 1024 + 256*int(maxAhead/second); taken != want {
		t.Errorf("got %d, want %d", taken, want)
	}
}

// A storm is no flood: a thousand phones behind one gateway that is not known yet, all in
// the same second, and 50 000 phones, each at its own address, in 30 s.
func TestStorm(t *testing.T) {
	b := newBench()
	aor := func(i int) string { return fmt.Sprintf("sip:%d@b", i) }
	const phones = 1000
	for _, round := range []struct {
		status string
		more   []string
	}{{"401 Unauthorized", nil}, {"200 OK", []string{wrong}}} {
		got := asked(b, phones, second/phones, func(i int) string {
			return as("REGISTER", fmt.Sprint("x", len(round.more), "x", i), aor(i), round.more...)
		}, round.status)
		if got != phones {
			t.Errorf("%s: %d of %d REGISTERs passed", round.status, got, phones)
		}
	}
	a, lost := newAdmission(), 0
	for i := range 50_000 {
		now := int64(i) * 30 * second / 50_000
		for range 3 { // one is sent twice
			if a.admit(source(0x0a000000+i), now) != admitted {
				lost++
			}
		}
	}
	if lost > 0 {
		t.Errorf("%d messages were dropped", lost)
	}
}
