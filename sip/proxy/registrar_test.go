package proxy

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"perch/sip"
)

// officeLines are two lines of a site without a PBX.
var officeLines = []Line{
	HashLine("sip:101@example.com", "101", "example.com", "not-a-secret"), HashLine("sip:102@example.com", "u102", "example.com", "nor-this"),
}

// register composes a REGISTER of a line; more are whole headers.
func register(aor, id string, cseq int, contact netip.AddrPort, more ...string) string {
	user, _, _ := strings.Cut(strings.TrimPrefix(aor, "sip:"), "@")
	return compose(append([]string{
		"REGISTER sip:example.com SIP/2.0", fmt.Sprintf("Via: SIP/2.0/UDP %v;branch=z9hG4bK%s%d;rport", contact, id, cseq), "From: <" + aor + ">;tag=1", "To: <" + aor + ">",
		"Call-ID: " + id, fmt.Sprintf("CSeq: %d REGISTER", cseq), fmt.Sprintf("Contact: <sip:%s@%v>;methods=\"INVITE, ACK\"", user, contact),
	}, more...)...)
}

// answerTo computes the credentials for a challenge, by the text of RFC 7616 section
// 3.4.1.
func answerTo(t *testing.T, challenge, method, uri, user, password, algorithm string, nc int) string {
	t.Helper()
	hash := func(s string) string {
		if algorithm == "MD5" {
			return fmt.Sprintf("%x", md5.Sum([]byte(s)))
		}
		return fmt.Sprintf("%x", sha256.Sum256([]byte(s)))
	}
	var nonce, realm string
	for _, c := range fields(challenge, "WWW-Authenticate") {
		if strings.Contains(c, "algorithm="+algorithm+",") {
			_, rest, _ := strings.Cut(c, `nonce="`)
			nonce, _, _ = strings.Cut(rest, `"`)
			_, rest, _ = strings.Cut(c, `realm="`)
			realm, _, _ = strings.Cut(rest, `"`)
		}
	}
	if nonce == "" {
		t.Fatalf("no challenge for %s in\n%s", algorithm, challenge)
	}
	count := fmt.Sprintf("%08x", nc)
	response := hash(hash(user+":"+realm+":"+password) + ":" + nonce + ":" + count + ":0a4f:auth:" + hash(method+":"+uri))
	return fmt.Sprintf(`Authorization: Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=%s, cnonce="0a4f", qop=auth, nc=%s`,
		user, realm, nonce, uri, response, algorithm, count)
}

// ask sends a request and returns the answer.
func (p *peer) ask(to netip.AddrPort, request string) string {
	p.t.Helper()
	p.send(to, request)
	return p.recv()
}

func wantStatus(t *testing.T, got, status string) {
	t.Helper()
	if !strings.HasPrefix(got, "SIP/2.0 "+status+" ") {
		t.Fatalf("got\n%s\nwant %s", got, status)
	}
}

// signUp registers a line at a phone.
func (p *peer) signUp(at netip.AddrPort, aor, user, password, algorithm string) {
	p.t.Helper()
	id := "up-" + user
	challenge := p.ask(at, register(aor, id, 1, p.addr()))
	wantStatus(p.t, challenge, "401")
	wantStatus(p.t, p.ask(at, register(aor, id, 2, p.addr(), answerTo(p.t, challenge, "REGISTER", "sip:example.com", user, password, algorithm, 1))), "200")
}

func startRegistrar(t *testing.T, cfg Config) *Proxy {
	t.Helper()
	cfg.Realm, cfg.Algorithms = "example.com", Algorithms
	p := start(t, cfg)
	p.SetLines(officeLines)
	return p
}

// A line registers with its password, in both algorithms, and in no other way.
func TestRegistrar(t *testing.T) {
	var seen []string
	done := make(chan string, 20)
	p := startRegistrar(t, Config{Observe: func(o Observation) { line, _, _ := strings.Cut(string(o.Message), "\r\n"); done <- line }})
	phone, at := newPeer(t), p.Addr(0)
	const aor = "sip:101@example.com"
	credentials := func(challenge, user, password, algorithm string, nc int) string {
		return answerTo(t, challenge, "REGISTER", "sip:example.com", user, password, algorithm, nc)
	}
	challenge := phone.ask(at, register(aor, "a", 1, phone.addr()))
	wantStatus(t, challenge, "401")
	for i, tc := range []struct{ name, credentials, status string }{
		{"another password", credentials(challenge, "101", "wrong", "SHA-256", 1), "403"},
		{"another line's user", credentials(challenge, "u102", "nor-this", "SHA-256", 1), "403"},
		{"another user's name with the line's hash", strings.Replace(credentials(challenge, "101", "not-a-secret", "MD5", 1), `username="101"`, `username="u102"`, 1), "403"},
		{"another method", answerTo(t, challenge, "INVITE", "sip:example.com", "101", "not-a-secret", "MD5", 1), "403"},
		{"another realm", strings.Replace(credentials(challenge, "101", "not-a-secret", "MD5", 1), `realm="example.com"`, `realm="example.org"`, 1), "401"},
		{"a nonce made up", credentials(strings.ReplaceAll(challenge, `nonce="`, `nonce="AA`), "101", "not-a-secret", "MD5", 1), "401"},
		{"no qop", strings.Replace(credentials(challenge, "101", "not-a-secret", "MD5", 1), "qop=auth, ", "", 1), "403"},
		{"MD5", credentials(challenge, "101", "not-a-secret", "MD5", 1), "200"},
		{"the same count again", credentials(challenge, "101", "not-a-secret", "MD5", 1), "401"},
		{"SHA-256", credentials(challenge, "101", "not-a-secret", "SHA-256", 2), "200"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := phone.ask(at, register(aor, "b", 10+i, phone.addr(), tc.credentials))
			wantStatus(t, got, tc.status)
			if tc.status == "200" {
				want := fmt.Sprintf("<sip:101@%v>;methods=\"INVITE, ACK\";expires=", phone.addr())
				if c := field(t, got, "Contact"); !strings.HasPrefix(c, want) {
					t.Errorf("got Contact %q, want %q", c, want)
				}
			}
			if stale := strings.Contains(got, "stale=true"); tc.status == "401" && tc.name != "another realm" && !stale {
				t.Errorf("right but for the nonce, and not told so:\n%s", got)
			}
		})
	}
	wantStatus(t, phone.ask(at, register("sip:105@example.com", "n", 1, phone.addr())), "401") // as one that is there
	unknown := phone.ask(at, register("sip:105@example.com", "n", 1, phone.addr()))
	wantStatus(t, phone.ask(at, register("sip:105@example.com", "n", 2, phone.addr(), credentials(unknown, "105", "x", "MD5", 1))), "403")

	for len(done) > 0 {
		seen = append(seen, <-done)
	}
	if want := []string{"REGISTER sip:example.com SIP/2.0", "SIP/2.0 200 OK"}; !slices.Equal(seen, want) {
		t.Errorf("got observations %q, want those of one registration: %q", seen, want)
	}
}

// What a REGISTER asks for (RFC 3261 section 10.3).
func TestBindings(t *testing.T) {
	p := startRegistrar(t, Config{})
	phone, at := newPeer(t), p.Addr(0)
	const aor = "sip:101@example.com"
	cseq := 1
	put := func(headers ...string) string {
		t.Helper()
		challenge := phone.ask(at, register(aor, "c", cseq, phone.addr()))
		cseq += 2
		b := register(aor, "c", cseq-1, phone.addr(), answerTo(t, challenge, "REGISTER", "sip:example.com", "101", "not-a-secret", "SHA-256", 1))
		if len(headers) > 0 {
			b = without(b, "Contact")
			b = strings.TrimSuffix(b, "\r\n") + strings.Join(headers, "\r\n") + "\r\n\r\n"
		}
		return phone.ask(at, b)
	}
	for _, tc := range []struct {
		name, status string
		headers      []string
		contacts     []string // their beginnings
	}{
		{"one", "200", nil, []string{"<sip:101@"}},
		{"a second", "200", []string{"Contact: <sip:101@192.0.2.7>;expires=90"}, []string{"<sip:101@127", "<sip:101@192.0.2.7>;expires=90"}},
		{"too short", "423", []string{"Contact: <sip:101@192.0.2.7>", "Expires: 59"}, nil},
		{"asked alone", "200", []string{"Subject: who is there"}, []string{"<sip:101@127", "<sip:101@192.0.2.7>"}},
		{"one less", "200", []string{"Contact: <sip:101@192.0.2.7>;expires=0"}, []string{"<sip:101@127"}},
		{"all, but not gone", "400", []string{"Contact: *"}, nil},
		{"too long", "200", []string{"Contact: <sip:101@192.0.2.8>;expires=90000"}, []string{"<sip:101@127", "<sip:101@192.0.2.8>;expires=3600"}},
		{"outbound", "200", []string{`Contact: <sip:101@192.0.2.8>;+sip.instance="<urn:uuid:1>";reg-id=1`, `Contact: <sip:101@192.0.2.9>;reg-id=1;+sip.instance="<urn:uuid:1>"`},
			[]string{"<sip:101@127", "<sip:101@192.0.2.8>;expires=", `<sip:101@192.0.2.9>;reg-id=1;+sip.instance="<urn:uuid:1>";expires=`}},
		{"all gone", "200", []string{"Contact: *", "Expires: 0"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := put(tc.headers...)
			wantStatus(t, got, tc.status)
			all := fields(got, "Contact")
			if len(all) != len(tc.contacts) {
				t.Fatalf("got Contacts %q, want %q", all, tc.contacts)
			}
			for i, want := range tc.contacts {
				if !strings.HasPrefix(all[i], want) {
					t.Errorf("got Contact %q, want %q", all[i], want)
				}
			}
		})
	}
}

// Lines call one another without a PBX, also after a restart; who is no line does not.
func TestCallHere(t *testing.T) {
	key := [32]byte{7}
	port := freePort(t)
	cfg := Config{Listen: []string{fmt.Sprint("udp:127.0.0.1:", port)}, Realm: "example.com", Algorithms: Algorithms, Key: key}
	p, stop := startOnce(t, cfg)
	p.SetLines(officeLines)
	alice, bob, at := newPeer(t), newPeer(t), p.Addr(0)
	alice.signUp(at, "sip:101@example.com", "101", "not-a-secret", "MD5")
	bob.signUp(at, fmt.Sprint("sip:102@127.0.0.1:", port), "u102", "nor-this", "SHA-256") // as phones call who is no name
	list, changed := p.Bindings(false)
	if _, again := p.Bindings(false); !changed || again || len(list) != 2 {
		t.Fatalf("got %d bindings, changed %v and then %v; want 2, once", len(list), changed, again)
	}
	stop()
	p = start(t, cfg)
	p.SetLines(officeLines)
	p.SetBindings(list)

	invite := func(id, to string, from *peer, caller string) string {
		return compose("INVITE "+to+" SIP/2.0", fmt.Sprintf("Via: SIP/2.0/UDP %v;branch=z9hG4bK%s", from.addr(), id), "From: <"+caller+">;tag=1", "To: <"+to+">",
			"Call-ID: "+id, "CSeq: 1 INVITE", fmt.Sprintf("Contact: <sip:x@%v>", from.addr()))
	}
	wantStatus(t, newPeer(t).ask(at, invite("s", "sip:102@example.com", alice, "sip:105@example.com")), "407")
	wantStatus(t, alice.ask(at, invite("u", "sip:103@example.com", alice, "sip:101@example.com")), "404")

	alice.send(at, invite("c", "sip:102@example.com", alice, "sip:101@example.com"))
	got := bob.recv()
	if want := fmt.Sprintf("INVITE sip:102@%v SIP/2.0\r\n", bob.addr()); !strings.HasPrefix(got, want) {
		t.Fatalf("got\n%s\nwant %s", got, want)
	}
	entries := fields(got, "Record-Route")
	if len(entries) != 2 {
		t.Fatalf("got Record-Routes %q, want one for each phone", entries)
	}
	alice.send(at, strings.Replace(invite("c", "sip:102@example.com", alice, "sip:101@example.com"), "INVITE", "CANCEL", 2))
	if c := bob.recv(); !strings.HasPrefix(c, "CANCEL sip:102@") || fields(c, "Via")[0] != fields(got, "Via")[0] {
		t.Errorf("got\n%s\nwant the CANCEL of the INVITE's branch", c)
	}
	bob.respond(got, "200 OK", "Record-Route: "+entries[0], "Record-Route: "+entries[1], fmt.Sprintf("Contact: <sip:102@%v>", bob.addr()))
	wantStatus(t, alice.recv(), "200")
	// In the dialog each has the routes in its order (RFC 3261 section 12.1).
	inDialog := func(method, to string, routes ...string) string {
		lines := []string{method + " " + to + " SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK" + method, "From: <sip:101@example.com>;tag=1", "To: <sip:102@example.com>;tag=2", "Call-ID: c", "CSeq: 2 " + method}
		for _, r := range routes {
			lines = append(lines, "Route: "+r)
		}
		return compose(lines...)
	}
	alice.send(at, inDialog("ACK", fmt.Sprintf("sip:102@%v", bob.addr()), entries[1], entries[0]))
	if got := bob.recv(); !strings.HasPrefix(got, "ACK ") || len(fields(got, "Route")) != 0 {
		t.Errorf("got\n%s", got)
	}
	bob.send(at, inDialog("BYE", fmt.Sprintf("sip:101@%v", alice.addr()), entries[0], entries[1]))
	if got := alice.recv(); !strings.HasPrefix(got, "BYE ") {
		t.Errorf("got\n%s", got)
	}
	// Help is never asked who it is.
	wantStatus(t, newPeer(t).ask(at, helpCall("sip:911@example.com", "sip:105@example.com", "h")), "404")
}

// While its PBX is silent a site's phones stay registered and call one another; whom
// the PBX never let in is not let in then. When it answers again, all is its own again.
func TestPBXAway(t *testing.T) {
	pbx, alice, bob, mallory := newPeer(t), newPeer(t), newPeer(t), newPeer(t)
	p := start(t, Config{}, upstreamsOf(pbx)...)
	at := p.Addr(0)
	for i, phone := range []*peer{alice, bob} {
		phone.send(at, register(fmt.Sprintf("sip:10%d@example.com", i+1), fmt.Sprint("r", i), 1, phone.addr()))
		got := pbx.recv()
		pbx.respond(got, "200 OK", "Contact: "+field(t, got, "Contact")+";expires=300")
		wantStatus(t, phone.recv(), "200")
	}
	pbx.ill = true
	p.upstreams.list()[0].down.Store(true) // as it is after 2 s: TestFailover

	got := alice.ask(at, register("sip:101@example.com", "r0", 2, alice.addr(), "Expires: 300"))
	wantStatus(t, got, "200")
	if c := field(t, got, "Contact"); !strings.Contains(c, ";expires=119") && !strings.Contains(c, ";expires=120") {
		t.Errorf("got Contact %q, want it to be refreshed soon", c)
	}
	call := func(id string, from *peer, caller string) string {
		return compose("INVITE sip:102@example.com SIP/2.0", fmt.Sprintf("Via: SIP/2.0/UDP %v;branch=z9hG4bK%s", from.addr(), id), "From: <"+caller+">;tag=1", "To: <sip:102@example.com>",
			"Call-ID: "+id, "CSeq: 1 INVITE")
	}
	alice.send(at, call("c", alice, "sip:101@example.com"))
	if got := bob.recv(); !strings.HasPrefix(got, fmt.Sprintf("INVITE sip:102@%v ", bob.addr())) {
		t.Errorf("got\n%s", got)
	}
	// 127.0.0.1 is everybody here: another line is who is not there.
	mallory.send(at, register("sip:103@example.com", "m", 1, mallory.addr()))
	mallory.silent()
	mallory.send(at, call("m2", mallory, "sip:103@example.com"))
	bob.silent()

	pbx.ill = false
	p.upstreams.list()[0].answered()
	pbxGot := func() string {
		for {
			if got := pbx.recv(); !strings.Contains(got, "Call-ID: m") {
				return got
			}
		}
	}
	alice.send(at, register("sip:101@example.com", "r0", 3, alice.addr()))
	if got := pbxGot(); !strings.HasPrefix(got, "REGISTER ") || field(t, got, "CSeq") != "3 REGISTER" {
		t.Errorf("got\n%s\nwant the phone's next REGISTER", got)
	}
}

// What is learned of a PBX's answer.
func TestLearn(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	const aor = sip.AOR("sip:101@example.com")
	contact := "<sip:101@192.0.2.9:5062>"
	answer := func(more ...string) string {
		return compose(append([]string{"SIP/2.0 200 OK", "Via: SIP/2.0/UDP 192.0.2.9", "From: <sip:101@example.com>;tag=1", "To: <sip:101@example.com>;tag=2", "Call-ID: a", "CSeq: 1 REGISTER"}, more...)...)
	}
	for _, tc := range []struct {
		name, answer string
		register     []string
		want         time.Duration // 0: no binding
	}{
		{"by the answer's parameter", answer("Contact: " + contact + ";expires=90"), nil, 90 * time.Second},
		{"by the answer's header", answer("Contact: "+contact, "Expires: 120"), []string{"Expires: 600"}, 120 * time.Second},
		{"an answer that names none", answer(), []string{"Expires: 600"}, 600 * time.Second},
		{"gone", answer(), []string{"Expires: 0"}, 0},
		{"another one holds", answer("Contact: <sip:101@192.0.2.10>;expires=90"), nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench()
			b.w.m.read([]byte(tc.answer))
			b.w.learn(benchPhone, []byte(register(string(aor), "a", 1, benchPhone.peer, tc.register...)), now)
			list := b.w.bindings.of(aor, now)
			switch {
			case tc.want == 0 && len(list) != 0, tc.want != 0 && len(list) != 1:
				t.Errorf("got %+v", list)
			case tc.want != 0 && list[0].Expires.Sub(now) != tc.want+sameAgain:
				t.Errorf("got %v, want %v", list[0].Expires.Sub(now), tc.want+sameAgain)
			}
		})
	}
}

// Phones register and call one another without a PBX.
func TestRegistrarBaresip(t *testing.T) {
	for _, tc := range []struct{ alice, bob string }{{"udp", "udp"}, {"tcp", "udp"}} {
		t.Run(tc.alice+" and "+tc.bob, func(t *testing.T) {
			port := freePort(t)
			p := start(t, Config{Realm: "example.com", Listen: []string{fmt.Sprint("udp:127.0.0.1:", port), fmt.Sprint("tcp:127.0.0.1:", port)}})
			p.SetLines([]Line{
				HashLine("sip:alice@example.com", "alice", "example.com", "not-a-secret"), HashLine("sip:bob@example.com", "bob", "example.com", "not-a-secret"),
			})
			walk(startBaresip(t, "alice", tc.alice, p.Addr(0)), startBaresip(t, "bob", tc.bob, p.Addr(0)))
			if c := p.Counts(); c.Malformed+c.NotSIP+c.Forged+c.Unsent+c.Panics != 0 {
				t.Errorf("got %+v", c)
			}
		})
	}
}

// What is a refresh where a phone is, is none from anywhere else, nor for another
// Contact, nor over another transport.
func TestRefreshElsewhere(t *testing.T) {
	now := time.Now()
	b := newBench()
	text := register("sip:101@example.com", "a", 1, benchPhone.peer)
	b.w.m.read([]byte(compose("SIP/2.0 200 OK", "Via: SIP/2.0/UDP 192.0.2.9", "Contact: <sip:101@192.0.2.9:5062>;expires=90")))
	b.w.learn(benchPhone, []byte(text), now)
	otherPort, elsewhere, overTCP := benchPhone, benchPhone, benchPhone
	otherPort.peer = netip.MustParseAddrPort("192.0.2.9:40000") // a NAT's
	elsewhere.peer = netip.MustParseAddrPort("192.0.2.10:5062")
	overTCP.transport, overTCP.conn = tcp, 7
	for _, tc := range []struct {
		name     string
		from     flow
		register string
		at       time.Time
		want     bool
	}{
		{"where it is", benchPhone, text, now, true},
		{"by another port, going on", otherPort, register("sip:101@example.com", "a", 2, benchPhone.peer), now, true},
		{"by another port, as before", otherPort, text, now, false},
		{"by another port, anew", otherPort, register("sip:101@example.com", "b", 2, benchPhone.peer), now, false},
		{"elsewhere", elsewhere, text, now, false},
		{"over TCP", overTCP, text, now, false},
		{"another Contact", benchPhone, strings.Replace(text, "<sip:101@192", "<sip:102@192", 1), now, false},
		{"too late", benchPhone, text, now.Add(91*time.Second + sameAgain), false},
	} {
		b.w.m.read([]byte(tc.register))
		if got := b.w.isRefresh(tc.from, "sip:101@example.com", tc.at); got != tc.want {
			t.Errorf("%s: got %v", tc.name, got)
		}
	}
}

// What was heard cannot be said again with another Contact: the digest says nothing of
// that.
func TestReplayedElsewhere(t *testing.T) {
	p := startRegistrar(t, Config{})
	phone, at := newPeer(t), p.Addr(0)
	challenge := phone.ask(at, register("sip:101@example.com", "a", 1, phone.addr()))
	heard := register("sip:101@example.com", "a", 2, phone.addr(), answerTo(t, challenge, "REGISTER", "sip:example.com", "101", "not-a-secret", "MD5", 1))
	wantStatus(t, phone.ask(at, heard), "200")
	wantStatus(t, phone.ask(at, heard), "200") // as it was: the answer may have been lost
	changed := strings.Replace(heard, "<sip:101@"+phone.addr().String(), "<sip:101@192.0.2.66:5060", 1)
	wantStatus(t, phone.ask(at, changed), "401")
	if list := p.bindings.of("sip:101@example.com", time.Now()); len(list) != 1 {
		t.Errorf("got %+v", list)
	}
}

// Spellings of a line are one line to who guesses its password.
func TestGuessSpelled(t *testing.T) {
	p := startRegistrar(t, Config{})
	insider, at := newPeer(t), p.Addr(0)
	insider.signUp(at, "sip:101@example.com", "101", "not-a-secret", "MD5")
	refused := 0
	for n := range 60 {
		aor := fmt.Sprintf("sip:102@example.com:%d", 1+n)
		if n%2 == 1 {
			aor = fmt.Sprintf("sip:102:%d@EXAMPLE.com", n)
		}
		challenge := insider.ask(at, register(aor, fmt.Sprint("x", n), 1, insider.addr()))
		if !strings.HasPrefix(challenge, "SIP/2.0 401 ") {
			continue
		}
		if strings.HasPrefix(insider.ask(at, register(aor, fmt.Sprint("x", n), 2, insider.addr(), answerTo(t, challenge, "REGISTER", "sip:example.com", "u102", "guess", "MD5", 1))), "SIP/2.0 403 ") {
			refused++
		}
	}
	if refused == 0 || refused > 20 {
		t.Errorf("%d guesses were looked at, want 20 at most", refused)
	}
}

// Two lines of one gateway, at one socket, call each other without a PBX, and end that.
func TestOneSocket(t *testing.T) {
	p := startRegistrar(t, Config{})
	gw, at := newPeer(t), p.Addr(0)
	gw.signUp(at, "sip:101@example.com", "101", "not-a-secret", "MD5")
	gw.signUp(at, "sip:102@example.com", "u102", "nor-this", "MD5")
	gw.send(at, compose("INVITE sip:102@example.com SIP/2.0", fmt.Sprintf("Via: SIP/2.0/UDP %v;branch=z9hG4bKc", gw.addr()), "From: <sip:101@example.com>;tag=1", "To: <sip:102@example.com>",
		"Call-ID: c", "CSeq: 1 INVITE", fmt.Sprintf("Contact: <sip:101@%v>", gw.addr())))
	entries := fields(gw.recv(), "Record-Route")
	gw.send(at, compose(fmt.Sprintf("BYE sip:102@%v SIP/2.0", gw.addr()), fmt.Sprintf("Via: SIP/2.0/UDP %v;branch=z9hG4bKd", gw.addr()), "From: <sip:101@example.com>;tag=1",
		"To: <sip:102@example.com>;tag=2", "Call-ID: c", "CSeq: 2 BYE", "Route: "+entries[1], "Route: "+entries[0]))
	if got := gw.recv(); !strings.HasPrefix(got, "BYE sip:102@") {
		t.Errorf("got\n%s", got)
	}
}
