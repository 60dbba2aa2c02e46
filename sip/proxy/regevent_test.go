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
	"perch/sip/digest"
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
	return newRegSiteAt(t, []string{"udp:127.0.0.1:0"}, upstream...)
}

func newRegSiteAt(t *testing.T, listen []string, upstream ...string) *regSite {
	t.Helper()
	s := &regSite{t: t, clock: &toldClock{at: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}, seen: make(chan Observation, 99)}
	p, err := New(Config{
		Listen: listen, Upstream: upstream, RegEvents: true, RegUser: "perch", RegPassword: "not-a-secret",
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
		d, _ := digest.Read([]byte(proof))
		w := s.newWorker()
		w.cfg.Algorithms = Algorithms
		w.m.read([]byte(again))
		line := HashLine(aliceAOR, "perch", "r", "not-a-secret")
		if !w.proves(&d, &line) || string(d.Opaque) != "o" {
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
