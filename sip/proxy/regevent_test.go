package proxy

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"perch/sip"
)

// toldClock is a clock that the test sets.
type toldClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *toldClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *toldClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// regSite is a proxy that subscribes at PBXs, by a clock of the test's.
type regSite struct {
	*Proxy
	t     *testing.T
	clock *toldClock
	seen  chan Observation
}

const aliceAOR sip.AOR = "sip:alice@example.com"

func newRegSite(t *testing.T, upstream ...string) *regSite {
	t.Helper()
	s := &regSite{t: t, clock: &toldClock{at: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}, seen: make(chan Observation, 99)}
	p, err := New(Config{
		Listen: []string{"udp:127.0.0.1:0"}, Upstream: upstream, RegEvents: true, RegUser: "perch", RegPassword: "not-a-secret",
		Observe: func(o Observation) { o.Message = slices.Clone(o.Message); s.seen <- o },
	})
	if err != nil {
		t.Fatal(err)
	}
	p.regs.now, s.Proxy = s.clock.now, p
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// grant accepts a SUBSCRIBE.
func (p *peer) grant(subscribe string, seconds int, more ...string) {
	p.t.Helper()
	lines := append([]string{"SIP/2.0 200 OK"}, append(more, "Expires: "+fmt.Sprint(seconds), "Contact: <sip:reg@"+p.addr().String()+">")...)
	for _, v := range fields(subscribe, "Via") {
		lines = append(lines, "Via: "+v)
	}
	for _, n := range []string{"From", "Call-ID", "CSeq"} {
		lines = append(lines, n+": "+field(p.t, subscribe, n))
	}
	to := field(p.t, subscribe, "To")
	if !strings.Contains(to, ";tag=") {
		to += ";tag=pbx"
	}
	p.send(p.from, compose(append(lines, "To: "+to)...))
}

// notify tells in the dialog of a SUBSCRIBE, and returns the answer.
func (p *peer) notify(subscribe string, cseq int, state, body string, more ...string) string {
	p.t.Helper()
	p.send(p.from, notifyOf(p, subscribe, cseq, state, body, more...))
	return p.recv()
}

func notifyOf(p *peer, subscribe string, cseq int, state, body string, more ...string) string {
	uri := strings.Trim(field(p.t, subscribe, "Contact"), "<>")
	to, _, _ := strings.Cut(field(p.t, subscribe, "To"), ";")
	lines := []string{
		"NOTIFY " + uri + " SIP/2.0", fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bKn%d%d", p.addr(), cseq, len(body)), "Max-Forwards: 70",
		"From: " + to + ";tag=pbx", "To: " + field(p.t, subscribe, "From"), "Call-ID: " + field(p.t, subscribe, "Call-ID"), fmt.Sprintf("CSeq: %d NOTIFY", cseq),
		"Contact: <sip:reg@" + p.addr().String() + ">", "Event: reg", "Subscription-State: " + state,
	}
	if body != "" {
		lines = append(lines, "Content-Type: application/reginfo+xml")
	}
	lines = append(lines, more...)
	return compose(append(lines, fmt.Sprintf("Content-Length: %d", len(body)))...) + body
}

// document is of one registration of alice's, with the contacts given.
func document(version int, state string, contacts ...string) string {
	return fmt.Sprintf(`<?xml version="1.0"?><reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="%d" state="%s"><registration aor="sip:alice@pbx.example.com" id="a" state="active">%s</registration></reginfo>`,
		version, state, strings.Join(contacts, ""))
}

func boundContact(host, more string) string {
	return `<contact id="1" state="active" event="registered" expires="600" ` + more + `><uri>sip:alice@` + host + `</uri></contact>`
}

// observed returns the next REGISTER and its answer.
func (s *regSite) observed() (register, answer Observation) {
	s.t.Helper()
	for _, to := range []*Observation{&register, &answer} {
		select {
		case *to = <-s.seen:
		case <-time.After(10 * time.Second):
			s.t.Fatalf("nothing is observed: %+v", s.State().Subscriptions)
		}
	}
	return register, answer
}

func (s *regSite) unobserved() {
	s.t.Helper()
	select {
	case o := <-s.seen:
		s.t.Fatalf("observed\n%s", o.Message)
	default:
	}
}

// A subscription is challenged, granted, told what is registered and refreshed; what
// it is told is observed as REGISTERs, and nothing twice.
func TestRegEvent(t *testing.T) {
	pbx := newPeer(t)
	s := newRegSite(t, upstreamsOf(pbx)...)
	s.Watch([]sip.AOR{aliceAOR, "sip:nobody.example.com", "tel:911"})
	ask := pbx.recv()
	if !strings.HasPrefix(ask, "SUBSCRIBE sip:alice@example.com SIP/2.0\r\n") || field(t, ask, "Event") != "reg" || field(t, ask, "Expires") != "3600" ||
		field(t, ask, "Accept") != "application/reginfo+xml" || !strings.HasPrefix(field(t, ask, "From"), "<sip:perch@example.com>;tag=") {
		t.Fatalf("got\n%s", ask)
	}
	for _, algorithm := range []string{"SHA-512-256", "SHA-256"} {
		pbx.respond(ask, "401 Unauthorized", `WWW-Authenticate: Digest realm="r", nonce="n`+algorithm+`", algorithm=SHA-512-256, qop="auth"`,
			`WWW-Authenticate: Digest realm="r", nonce="n`+algorithm+`", algorithm=SHA-256, qop="auth-int,auth", opaque="o", stale=true`)
		again := pbx.recv()
		if field(t, again, "Call-ID") != field(t, ask, "Call-ID") || field(t, again, "CSeq") == field(t, ask, "CSeq") {
			t.Fatalf("got\n%s", again)
		}
		proof := field(t, again, "Authorization")
		d, _ := readDigest([]byte(proof))
		w := s.newWorker()
		w.cfg.Algorithms = Algorithms
		w.m.read([]byte(again))
		line := HashLine(aliceAOR, "perch", "r", "not-a-secret")
		if !w.proves(&d, &line) || string(d.opaque) != "o" {
			t.Errorf("%q is no proof", proof)
		}
		ask = again
	}
	pbx.grant(ask, 1000)
	if got := pbx.notify(ask, 7, "active;expires=1000", ""); !strings.HasPrefix(got, "SIP/2.0 200 ") {
		t.Errorf("got\n%s", got)
	}
	s.unobserved()

	const instance = `<unknown-param name="+sip.instance">"&lt;urn:uuid:00000000-0000-1000-8000-001565aa0001&gt;"</unknown-param><unknown-param name="User-Agent">X 1</unknown-param><unknown-param name="x y">1</unknown-param>`
	doc := document(0, "full", strings.Replace(boundContact("10.0.0.9:5070;transport=tcp", `callid="c@p" cseq="4" received="sip:192.0.2.1:4711;transport=tcp"`), "</contact>", instance+"</contact>", 1),
		boundContact("phone.example.com", ""), boundContact("10.0.0.8", `user_agent="Phone 1.0 001565aa0002"`))
	if got := pbx.notify(ask, 8, "active;expires=900", doc); !strings.HasPrefix(got, "SIP/2.0 200 ") {
		t.Fatalf("got\n%s", got)
	}
	register, answer := s.observed()
	want := Observation{Transport: "tcp", Source: netip.MustParseAddrPort("192.0.2.1:4711"), Destination: pbx.addr()}
	if register.Transport != want.Transport || register.Source != want.Source || register.Destination != want.Destination || answer.Source != want.Destination || answer.Destination != want.Source {
		t.Errorf("got %v -> %v over %s", register.Source, register.Destination, register.Transport)
	}
	text := regexp.MustCompile(`branch=\w+`).ReplaceAllString(string(register.Message), "branch=B")
	if want := "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.9:5070;branch=B\r\nFrom: <sip:alice@example.com>;tag=perch\r\nTo: <sip:alice@example.com>\r\n" +
		"Call-ID: c@p\r\nCSeq: 4 REGISTER\r\nMax-Forwards: 70\r\nContact: <sip:alice@10.0.0.9:5070;transport=tcp>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-001565aa0001>\"\r\n" +
		"Expires: 600\r\nUser-Agent: X 1\r\nContent-Length: 0\r\n\r\n"; text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if got := string(answer.Message); !strings.HasPrefix(got, "SIP/2.0 200 OK\r\n") || field(t, got, "Contact") != "<sip:alice@10.0.0.9:5070;transport=tcp>;expires=600" || field(t, got, "CSeq") != "4 REGISTER" {
		t.Errorf("got\n%s", got)
	}
	var m message
	if f, isSIP := m.read(register.Message); f != nil || !isSIP || m.validate(true) != nil {
		t.Errorf("the REGISTER is malformed: %v", m.validate(true))
	}
	second, _ := s.observed()
	if second.Source != netip.MustParseAddrPort("10.0.0.8:5060") || second.Transport != "udp" || field(t, string(second.Message), "User-Agent") != "Phone 1.0 001565aa0002" {
		t.Errorf("got %v over %s\n%s", second.Source, second.Transport, second.Message)
	}

	// The same NOTIFY again, and the same state in another one, are no news; a refresh is.
	if got := pbx.notify(ask, 8, "active;expires=900", doc); !strings.HasPrefix(got, "SIP/2.0 200 ") {
		t.Errorf("got\n%s", got)
	}
	pbx.notify(ask, 9, "active;expires=900", doc)
	pbx.notify(ask, 9, "active;expires=900", document(0, "full")) // of a number that was read
	s.unobserved()
	if got := pbx.notify(ask, 8, "active", document(9, "full")); !strings.HasPrefix(got, "SIP/2.0 500 ") {
		t.Errorf("an older one was answered\n%s", got)
	}
	s.unobserved()
	s.clock.pass(time.Minute)
	pbx.notify(ask, 10, "active;expires=840", strings.Replace(doc, `cseq="4"`, `cseq="5"`, 1))
	if register, _ = s.observed(); field(t, string(register.Message), "CSeq") != "5 REGISTER" {
		t.Errorf("got\n%s", register.Message)
	}
	if second, _ = s.observed(); second.Source != netip.MustParseAddrPort("10.0.0.8:5060") { // its seconds begin anew
		t.Errorf("got\n%s", second.Message)
	}

	// What ended, and what is not listed any more, is taken back.
	pbx.notify(ask, 11, "active;expires=840", document(0, "full", strings.Replace(boundContact("10.0.0.8", ""), `"active"`, `"terminated"`, 1)))
	ends := map[string]bool{}
	for range 2 {
		gone, answer := s.observed()
		if field(t, string(gone.Message), "Expires") != "0" || len(fields(string(answer.Message), "Contact")) > 0 {
			t.Errorf("got\n%s%s", gone.Message, answer.Message)
		}
		ends[field(t, string(gone.Message), "Contact")] = true
	}
	if !ends["<sip:alice@10.0.0.8>"] || len(ends) != 2 {
		t.Errorf("got the ends of %v", ends)
	}

	s.clock.pass(840 * time.Second * 8 / 10)
	refresh := pbx.recv()
	if !strings.HasPrefix(refresh, "SUBSCRIBE sip:reg@"+pbx.addr().String()+" SIP/2.0\r\n") || field(t, refresh, "To") != "<sip:alice@example.com>;tag=pbx" ||
		field(t, refresh, "Call-ID") != field(t, ask, "Call-ID") {
		t.Errorf("got\n%s", refresh)
	}
	if got := s.State().Subscriptions; got.Active != 1 || got.Waiting+got.Refused != 0 || got.Told != 6 {
		t.Errorf("got %+v", got)
	}
}

// A partial document that leaves something out is followed by asking for all.
func TestRegEventGap(t *testing.T) {
	pbx := newPeer(t)
	s := newRegSite(t, upstreamsOf(pbx)...)
	s.Watch([]sip.AOR{aliceAOR})
	ask := pbx.recv()
	pbx.notify(ask, 1, "active;expires=3600", document(5, "full", boundContact("10.0.0.8", `callid="a" cseq="1"`))) // before its 2xx
	pbx.grant(ask, 3600)
	s.observed()
	pbx.notify(ask, 2, "active", document(6, "partial", boundContact("10.0.0.9", `callid="b" cseq="1"`)))
	if r, _ := s.observed(); r.Source.Addr() != netip.MustParseAddr("10.0.0.9") {
		t.Errorf("got %v", r.Source)
	}
	pbx.notify(ask, 3, "active", document(6, "partial", boundContact("10.0.0.7", ""))) // of a version that is known
	pbx.silent()
	pbx.notify(ask, 4, "active", document(8, "partial", boundContact("10.0.0.7", "")))
	refresh := pbx.recv()
	if !strings.HasPrefix(refresh, "SUBSCRIBE ") || field(t, refresh, "Call-ID") != field(t, ask, "Call-ID") {
		t.Fatalf("got\n%s", refresh)
	}
	s.unobserved()
	pbx.grant(refresh, 3600)
	pbx.notify(ask, 5, "active", document(9, "full", boundContact("10.0.0.7", `callid="c" cseq="1"`)))
	if r, _ := s.observed(); r.Source.Addr() != netip.MustParseAddr("10.0.0.7") {
		t.Errorf("got %v", r.Source)
	}
	s.observed() // the ends of the others
	s.observed()

	// Who has no more than that is not asked over and over.
	pbx.notify(ask, 6, "active", document(99, "partial", boundContact("10.0.0.6", `callid="d" cseq="1"`)))
	if r, _ := s.observed(); r.Source.Addr() != netip.MustParseAddr("10.0.0.6") {
		t.Errorf("got %v", r.Source)
	}
	pbx.silent()
}

// Where a proxy stands before the PBX, what follows goes by it.
func TestRegEventRoute(t *testing.T) {
	pbx := newPeer(t)
	s := newRegSite(t, upstreamsOf(pbx)...)
	s.Watch([]sip.AOR{aliceAOR})
	ask := pbx.recv()
	pbx.notify(ask, 1, "active;expires=100", "")
	pbx.grant(ask, 100, "Record-Route: <sip:b.example.com;lr>, <sip:a.example.com;lr>")
	s.await("the grant", func() bool {
		s.regs.mu.Lock()
		defer s.regs.mu.Unlock()
		return !s.regs.byAOR[aliceAOR].dialog.began.IsZero()
	})
	s.clock.pass(80 * time.Second)
	if got := field(t, pbx.recv(), "Route"); got != "<sip:a.example.com;lr>, <sip:b.example.com;lr>" {
		t.Errorf("got Route %q", got)
	}
}

// Refusals put a subscription off, each for as long as it should.
func TestRegEventBackOff(t *testing.T) {
	for _, tc := range []struct {
		name, status string
		more         []string
		wait         time.Duration
		refused      bool
	}{
		{"no such event", "489 Bad Event", nil, time.Hour, true},
		{"not allowed", "403 Forbidden", nil, time.Hour, true},
		{"nobody", "404 Not Found", nil, time.Hour, true},
		{"a challenge that nobody can answer", "401 Unauthorized", []string{`WWW-Authenticate: Digest realm="r", nonce="n", algorithm=SHA-512-256`}, time.Hour, true},
		{"a body to be protected", "401 Unauthorized", []string{`WWW-Authenticate: Digest realm="r", nonce="n", qop="auth-int"`}, time.Hour, true},
		{"busy", "500 Server Internal Error", nil, 30 * time.Second, false},
		{"busy for long", "503 Service Unavailable", []string{"Retry-After: 100 (backup)"}, 100 * time.Second, false},
		{"busy forever", "503 Service Unavailable", []string{"Retry-After: 1000000"}, time.Hour, false},
		{"an interval that is none", "423 Interval Too Brief", []string{"Min-Expires: 1"}, time.Hour, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pbx := newPeer(t)
			s := newRegSite(t, upstreamsOf(pbx)...)
			s.Watch([]sip.AOR{aliceAOR})
			ask := pbx.recv()
			pbx.respond(ask, tc.status, tc.more...)
			s.await("the refusal", func() bool { return s.due(aliceAOR).Equal(s.clock.now().Add(tc.wait)) })
			if got := s.State().Subscriptions; got.Refused == 1 != tc.refused || got.Active != 0 {
				t.Errorf("got %+v", got)
			}
			s.clock.pass(tc.wait - time.Second)
			pbx.silent()
			s.clock.pass(time.Second)
			if again := pbx.recv(); field(t, again, "Call-ID") == field(t, ask, "Call-ID") {
				t.Errorf("it goes on in the old dialog:\n%s", again)
			}
		})
	}
}

// due is when something is to be done for a line.
func (s *regSite) due(a sip.AOR) time.Time {
	s.regs.mu.Lock()
	defer s.regs.mu.Unlock()
	return s.regs.byAOR[a].due
}

func (s *regSite) await(what string, is func() bool) {
	s.t.Helper()
	for range 500 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("waited for %s", what)
}

// Failures one after the other are further and further apart.
func TestRegEventFailures(t *testing.T) {
	pbx := newPeer(t)
	s := newRegSite(t, upstreamsOf(pbx)...)
	s.Watch([]sip.AOR{aliceAOR})
	for _, wait := range []time.Duration{30, 60, 120, 240, 480, 960, 1800, 1800} {
		pbx.respond(pbx.recv(), "500 Server Internal Error")
		s.await("the refusal", func() bool { return s.due(aliceAOR).Equal(s.clock.now().Add(wait * time.Second)) })
		s.clock.pass(wait * time.Second)
	}
}

// A PBX that wants longer intervals, forgets the dialog, never tells anything, or ends
// the subscription is asked again as it should be.
func TestRegEventAgain(t *testing.T) {
	pbx := newPeer(t)
	s := newRegSite(t, upstreamsOf(pbx)...)
	s.Watch([]sip.AOR{aliceAOR})
	ask := pbx.recv()
	pbx.respond(ask, "423 Interval Too Brief", "Min-Expires: 7200")
	ask = pbx.recv()
	if got := field(t, ask, "Expires"); got != "7200" {
		t.Errorf("asks for %s s", got)
	}
	pbx.grant(ask, 7200)
	s.await("the grant", func() bool { return s.due(aliceAOR).Equal(s.clock.now().Add(notifyWithin)) })
	s.clock.pass(notifyWithin) // in which nothing was told
	s.await("its end", func() bool { return s.due(aliceAOR).Equal(s.clock.now().Add(regBackOff)) })
	if got := s.State().Subscriptions; got.Waiting != 1 {
		t.Errorf("got %+v", got)
	}
	s.clock.pass(regBackOff)
	next := pbx.recv()
	if field(t, next, "Call-ID") == field(t, ask, "Call-ID") {
		t.Errorf("got\n%s", next)
	}
	if got := pbx.notify(ask, 1, "active", ""); !strings.HasPrefix(got, "SIP/2.0 481 ") { // of the dialog before
		t.Errorf("got\n%s", got)
	}
	pbx.grant(next, 7200)
	pbx.notify(next, 1, "active", "")

	s.clock.pass(7200 * time.Second)
	refresh := pbx.recv()
	pbx.respond(refresh, "481 Subscription Does Not Exist")
	s.await("the end of the dialog", func() bool { return s.due(aliceAOR).Equal(s.clock.now().Add(time.Second)) })
	s.clock.pass(time.Second)
	ask = pbx.recv()
	if strings.Contains(field(t, ask, "To"), "tag=") || field(t, ask, "Call-ID") == field(t, refresh, "Call-ID") {
		t.Errorf("got\n%s", ask)
	}
	pbx.grant(ask, 3600)
	pbx.notify(ask, 1, "active", document(1, "full", boundContact("10.0.0.8", `callid="c" cseq="1"`)))
	s.observed()
	s.clock.pass(time.Hour)
	pbx.grant(pbx.recv(), 3600)
	s.await("the refresh", func() bool { return s.due(aliceAOR).After(s.clock.now().Add(time.Minute)) })

	// The first has lasted, the others end at once.
	for _, tc := range []struct {
		state string
		wait  time.Duration
	}{
		{"terminated;reason=deactivated", time.Second}, {"terminated;reason=deactivated", time.Minute}, {"terminated;reason=probation;retry-after=300", 300 * time.Second},
		{"terminated;reason=giveup", 240 * time.Second}, {"terminated", 480 * time.Second}, {"terminated;reason=noresource", time.Hour}, {"terminated;reason=rejected", time.Hour},
	} {
		pbx.notify(ask, 9, tc.state, "")
		if got := s.due(aliceAOR).Sub(s.clock.now()); got != tc.wait {
			t.Errorf("%s is followed by %v, want %v", tc.state, got, tc.wait)
		}
		s.clock.pass(tc.wait)
		ask = pbx.recv()
		pbx.grant(ask, 3600)
	}
	s.unobserved() // the end of a subscription is none of a registration
}

// What nobody but the PBX may say is not believed, and what is malformed costs nothing.
func TestRegEventForged(t *testing.T) {
	pbx, stranger := newPeer(t), newPeer(t)
	s := newRegSite(t, upstreamsOf(pbx)...)
	s.Watch([]sip.AOR{aliceAOR})
	ask := pbx.recv()
	pbx.grant(ask, 3600)
	bound := document(1, "full", boundContact("10.0.0.8", ""))
	stranger.send(s.Addr(0), notifyOf(pbx, ask, 1, "active", bound))
	if got := stranger.recv(); !strings.HasPrefix(got, "SIP/2.0 403 ") {
		t.Errorf("a stranger got\n%s", got)
	}
	pbx.silent()
	good := notifyOf(pbx, ask, 1, "active;expires=3600", bound)
	tag := field(t, ask, "From")[strings.Index(field(t, ask, "From"), "tag="):]
	bomb := `<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>` + strings.Replace(bound, "10.0.0.8", "&b;", 1)
	deep := strings.Repeat("<a>", 8000)
	many := document(1, "full", strings.Repeat("<contact/>", 3000))
	for _, tc := range []struct{ name, message, status string }{
		{"another Call-ID", strings.Replace(good, "Call-ID: perch", "Call-ID: other", 1), "481"},
		{"another tag of ours", strings.Replace(good, tag, "tag=x", 1), "481"},
		{"another event", strings.Replace(good, "Event: reg", "Event: presence", 1), "489"},
		{"no state", strings.Replace(good, "Subscription-State: active;expires=3600\r\n", "", 1), "400"},
		{"another type", strings.Replace(good, "application/reginfo+xml", "text/html", 1), "415"},
		{"no XML", notifyOf(pbx, ask, 1, "active", "<reginfo"), "400"},
		{"another document", notifyOf(pbx, ask, 1, "active", "<presence/>"), "400"},
		{"no version", notifyOf(pbx, ask, 1, "active", strings.Replace(bound, `version="1"`, "", 2)), "400"},
		{"entities", notifyOf(pbx, ask, 1, "active", bomb), "400"},
		{"deep", notifyOf(pbx, ask, 1, "active", deep), "400"},
		{"many", notifyOf(pbx, ask, 1, "active", many), "200"},
		{"another dialog", strings.Replace(good, ";tag=pbx", ";tag=fork", 1), "481"},
		{"an older one", strings.Replace(good, "CSeq: 1 ", "CSeq: 0 ", 1), "500"},
	} {
		pbx.send(s.Addr(0), tc.message)
		if got := pbx.recv(); !strings.HasPrefix(got, "SIP/2.0 "+tc.status+" ") {
			t.Errorf("%s: got\n%s\nwant %s", tc.name, got, tc.status)
		}
	}
	cseq := 1
	tell := func(contact string) {
		t.Helper()
		cseq++
		if got := pbx.notify(ask, cseq, "active", document(2, "full", contact)); !strings.HasPrefix(got, "SIP/2.0 200 ") {
			t.Errorf("%s: got\n%s", contact, got)
		}
	}
	for _, host := range []string{"0.0.0.0", "224.0.0.1", "phone.example.com", "10.0.0.8&#13;&#10;X: y", "a b", "10.0.0.8;a=&#10;b", s.Addr(0).String()} {
		tell(boundContact(host, ""))
	}
	tell(boundContact("10.0.0.1", "") + `</registration><registration aor="sip:bob@example.com" id="b" state="active">` + boundContact("10.0.0.2", "")) // another's
	if r, _ := s.observed(); r.Source.Addr() != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("got %v", r.Source)
	}
	if got := pbx.notify(ask, 49, "active", strings.Replace(document(2, "full", boundContact("10.0.0.1", "")), `id="a" state="active"`, `id="a" state="terminated"`, 1)); !strings.HasPrefix(got, "SIP/2.0 200 ") {
		t.Errorf("got\n%s", got)
	}
	if r, _ := s.observed(); field(t, string(r.Message), "Expires") != "0" {
		t.Errorf("the registration is terminated, and observed is\n%s", r.Message)
	}
	cseq = 50
	tell(boundContact("10.0.0.1", `path="&lt;sip:x@`+s.Addr(0).String()+`;lr&gt;"`)) // through us
	s.unobserved()
	if got := s.State(); got.Subscriptions.Malformed != 5 || got.Subscriptions.Nameless != 3 || got.Counts.Forged != 1 || got.Subscriptions.Active != 1 {
		t.Errorf("got %+v", got)
	}
	tell(boundContact("10.0.0.8", `user_agent="a&#10;b" callid="c&#10;d" cseq="1"`))
	if r, _ := s.observed(); len(fields(string(r.Message), "User-Agent")) != 0 || strings.Contains(string(r.Message), "\nd") {
		t.Errorf("got\n%s", r.Message)
	}
}

// However many lines there are, PBXs are asked at a rate.
func TestRegEventRate(t *testing.T) {
	pbx := newPeer(t)
	p, err := New(Config{Listen: []string{"udp:127.0.0.1:0"}, Upstream: upstreamsOf(pbx), RegEvents: true, RegUser: "perch"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var lines []sip.AOR
	for i := range maxWatched + 10 {
		lines = append(lines, sip.AOR(fmt.Sprintf("sip:%d@example.com", i)))
	}
	p.Watch(lines)
	if got := p.State().Subscriptions; got.Waiting != maxWatched {
		t.Errorf("got %+v, want %d waiting", got, maxWatched)
	}
	w, now := p.newWorker(), time.Unix(0, 0)
	for range 10 { // a second
		w.regTurn(now)
		now = now.Add(regTick)
	}
	if n := len(p.own.byKey); n != 10*regPerTick {
		t.Errorf("asked for %d lines in a second, want %d", n, 10*regPerTick)
	}
	p.Watch(lines[:3])
	if got := p.State().Subscriptions; got.Waiting != 3 || len(p.regs.queue) != 3 || len(p.regs.byID) != 3 {
		t.Errorf("got %+v, want 3 waiting", got)
	}
}

// When a PBX does not answer another one is asked, and the first again when it is back.
func TestRegEventFailover(t *testing.T) {
	first, second := newPeer(t), newPeer(t)
	s := newRegSite(t, upstreamsOf(first, second)...)
	s.Watch([]sip.AOR{aliceAOR})
	ask := first.recv()
	first.grant(ask, 3600)
	first.notify(ask, 1, "active", document(1, "full", boundContact("10.0.0.8", `callid="c" cseq="1"`)))
	s.observed()
	s.upstreams.list()[0].down.Store(true)
	other := second.recv()
	if !strings.HasPrefix(other, "SUBSCRIBE sip:alice@example.com ") || field(t, other, "Call-ID") == field(t, ask, "Call-ID") {
		t.Errorf("got\n%s", other)
	}
	second.grant(other, 3600)
	s.clock.pass(time.Minute)
	second.notify(other, 1, "active", document(1, "full", boundContact("10.0.0.8", `callid="c" cseq="1"`)))
	s.unobserved() // it is where it was
	s.upstreams.list()[0].down.Store(false)
	if back := first.recv(); !strings.HasPrefix(back, "SUBSCRIBE sip:alice@example.com ") {
		t.Errorf("got\n%s", back)
	}
}

// An answer that comes when somebody else was asked already says nothing of that.
func TestRegEventLate(t *testing.T) {
	first, second := newPeer(t), newPeer(t)
	s := newRegSite(t, upstreamsOf(first, second)...)
	s.Watch([]sip.AOR{aliceAOR})
	ask := first.recv()
	s.upstreams.list()[0].down.Store(true)
	other := second.recv()
	second.grant(other, 3600)
	second.notify(other, 1, "active", "")
	first.respond(ask, "403 Forbidden")
	for back := ask; field(t, back, "Call-ID") == field(t, ask, "Call-ID"); { // it answers, so it is asked again
		back = first.recv()
	}
	if got := s.State().Subscriptions; got.Refused != 0 {
		t.Errorf("got %+v", got)
	}
}

// A wrong password is not tried over and over.
func TestRegEventWrongPassword(t *testing.T) {
	pbx := newPeer(t)
	s := newRegSite(t, upstreamsOf(pbx)...)
	s.Watch([]sip.AOR{aliceAOR})
	for range 2 {
		pbx.respond(pbx.recv(), "407 Proxy Authentication Required", `Proxy-Authenticate: Digest realm="r", nonce="n"`)
	}
	s.await("the refusal", func() bool { return s.State().Subscriptions == (Subscriptions{Refused: 1, Status: 407}) })
	pbx.silent()
}
