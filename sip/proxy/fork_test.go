package proxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// office is a site without a PBX: a line that calls, and one that two phones have.
type office struct {
	t      *testing.T
	proxy  *Proxy
	at     netip.AddrPort
	caller *peer
	phones []*peer
	call   string
	legs   []string // what the phones got
}

// ringOffice has a line call another one; timers run so many times faster. More are
// whole headers.
func ringOffice(t *testing.T, method string, faster time.Duration, more ...string) *office {
	t.Helper()
	o := newOffice(t, method, faster, more...)
	o.caller.send(o.at, o.call)
	if method == "INVITE" {
		o.get("100")
	}
	for i, phone := range o.phones {
		o.legs = append(o.legs, phone.recv())
		if want := fmt.Sprintf("%s sip:102@%v SIP/2.0\r\n", method, phone.addr()); !strings.HasPrefix(o.legs[i], want) {
			t.Fatalf("got\n%s\nwant %s", o.legs[i], want)
		}
	}
	return o
}

// newOffice is ringOffice before the call.
func newOffice(t *testing.T, method string, faster time.Duration, more ...string) *office {
	t.Helper()
	p, err := New(Config{Listen: []string{"udp:127.0.0.1:0"}, Realm: "example.com", Algorithms: Algorithms})
	if err != nil {
		t.Fatal(err)
	}
	p.after = func(d time.Duration, f func()) { time.AfterFunc(d/faster, f) }
	t.Cleanup(run(t, p))
	p.SetLines(append([]Line{HashLine("sip:911@example.com", "u911", "example.com", "nor-this")}, officeLines...))
	o := &office{t: t, proxy: p, at: p.Addr(0), caller: newPeer(t)}
	o.caller.signUp(o.at, "sip:101@example.com", "101", "not-a-secret", "MD5")
	for i := range 2 {
		phone := newPeerAt(t, fmt.Sprint("127.0.0.", 2+i))
		o.phones = append(o.phones, phone)
		phone.signUp(o.at, "sip:102@example.com", "u102", "nor-this", "MD5")
	}
	o.call = compose(append([]string{method + " sip:102@example.com SIP/2.0", fmt.Sprintf("Via: SIP/2.0/UDP %v;branch=z9hG4bKf", o.caller.addr()), "From: <sip:101@example.com>;tag=1",
		"To: <sip:102@example.com>", "Call-ID: f", "CSeq: 1 " + method, fmt.Sprintf("Contact: <sip:101@%v>", o.caller.addr())}, more...)...)
	return o
}

// says has a phone answer the call.
func (o *office) says(phone int, status string, more ...string) {
	o.t.Helper()
	o.phones[phone].respond(o.legs[phone], status, more...)
}

// get waits for an answer at the caller.
func (o *office) get(status string) string {
	o.t.Helper()
	got := o.caller.recv()
	wantStatus(o.t, got, status)
	return got
}

// awaits waits for a request at a phone, that of its branch; what comes again before
// it is passed over.
func (o *office) awaits(phone int, method string) string {
	o.t.Helper()
	for range 20 {
		if got := o.phones[phone].recv(); strings.HasPrefix(got, method+" ") {
			if fields(got, "Via")[0] != fields(o.legs[phone], "Via")[0] {
				o.t.Errorf("got\n%s\nwant the branch of\n%s", got, o.legs[phone])
			}
			return got
		}
	}
	o.t.Fatalf("no %s", method)
	return ""
}

// sends has the caller send what belongs to its call.
func (o *office) sends(method string) {
	o.caller.send(o.at, strings.ReplaceAll(o.call, "INVITE", method))
}

// All phones of a line ring; when one is taken the others stop.
func TestForkTaken(t *testing.T) {
	o := ringOffice(t, "INVITE", 1)
	o.says(0, "180 Ringing")
	o.get("180")
	o.says(1, "180 Ringing")
	o.get("180")
	o.says(1, "200 OK")
	o.get("200")
	cancel := o.awaits(0, "CANCEL")
	o.phones[0].respond(cancel, "200 OK")
	o.caller.silent()
	if c := o.proxy.Counts(); c.Forged != 0 {
		t.Errorf("%d answers to our own CANCEL are taken for forged", c.Forged)
	}
	o.says(0, "487 Request Terminated")
	o.awaits(0, "ACK")
	o.caller.silent() // of the other phone it hears nothing
}

// Two who take a call at once both have it: the caller ends one (RFC 3261 section
// 13.2.2.4).
func TestForkTakenTwice(t *testing.T) {
	o := ringOffice(t, "INVITE", 1)
	o.says(0, "200 OK")
	o.get("200")
	o.says(1, "200 OK")
	o.get("200")
}

// When all say no the caller hears the best of it (RFC 3261 section 16.7).
func TestForkRefused(t *testing.T) {
	for _, tc := range []struct{ first, second, want string }{
		{"486 Busy Here", "486 Busy Here", "486"},
		{"500 Server Internal Error", "486 Busy Here", "486"},
		{"404 Not Found", "401 Unauthorized", "401"},
		{"302 Moved Temporarily", "486 Busy Here", "302"},
		{"503 Service Unavailable", "500 Server Internal Error", "500"},
		{"503 Service Unavailable", "503 Service Unavailable", "500"}, // it says nothing of us (RFC 3261 section 16.7, 6)
	} {
		o := ringOffice(t, "INVITE", 1)
		o.says(0, tc.first)
		o.awaits(0, "ACK")
		o.caller.silent()
		o.says(1, tc.second)
		o.awaits(1, "ACK")
		o.get(tc.want)
		o.get(tc.want) // over UDP again, until it is acknowledged
		o.sends("ACK")
		o.says(1, tc.second) // whose ACK was lost
		o.awaits(1, "ACK")
		if got := o.caller.statuses(time.Second, "INVITE"); len(got) != 0 {
			t.Errorf("%s, %s: the caller got %q after its ACK", tc.first, tc.second, got)
		}
	}
}

// Whoever is called and wants nobody is not called at the other phone either.
func TestForkDeclined(t *testing.T) {
	o := ringOffice(t, "INVITE", 1)
	o.says(1, "180 Ringing")
	o.get("180")
	o.says(0, "603 Decline")
	o.awaits(0, "ACK")
	o.awaits(1, "CANCEL")
	o.says(1, "487 Request Terminated")
	o.get("603")
}

// What several phones want to have proved is asked at once (RFC 3261 section 16.7, 7).
func TestForkChallenged(t *testing.T) {
	o := ringOffice(t, "INVITE", 1)
	o.says(0, "407 Proxy Authentication Required", `Proxy-Authenticate: Digest realm="a", nonce="1"`)
	o.says(1, "401 Unauthorized", `WWW-Authenticate: Digest realm="b", nonce="2"`)
	got := o.get("407")
	if len(fields(got, "Proxy-Authenticate")) != 1 || len(fields(got, "WWW-Authenticate")) != 1 {
		t.Errorf("got\n%s\nwant both challenges", got)
	}
}

// A caller that hangs up ends the ringing everywhere, also where it begins only then.
func TestForkHungUp(t *testing.T) {
	o := ringOffice(t, "INVITE", 1)
	o.says(0, "180 Ringing")
	o.get("180")
	o.sends("CANCEL")
	o.get("200")
	o.phones[0].respond(o.awaits(0, "CANCEL"), "200 OK")
	o.says(0, "487 Request Terminated")
	o.awaits(0, "ACK")
	o.says(1, "180 Ringing")
	o.phones[1].respond(o.awaits(1, "CANCEL"), "200 OK")
	o.says(1, "487 Request Terminated")
	o.awaits(1, "ACK")
	o.get("487")
}

// A phone that is gone is sent the call again, and is not waited for when the other one
// is busy.
func TestForkGone(t *testing.T) {
	o := ringOffice(t, "INVITE", 1)
	o.awaits(1, "INVITE")
	o.says(0, "486 Busy Here")
	o.caller.silent()
	began := time.Now()
	o.get("486")
	if d := time.Since(began); d > goneAfter+time.Second {
		t.Errorf("the caller waited for %v", d)
	}
	o.says(1, "180 Ringing") // it was not gone
	o.awaits(1, "CANCEL")
}

// A line may have the number for help, as the guard's desk of a site without a PBX: it
// rings like any other.
func TestForkHelp(t *testing.T) {
	o := newOffice(t, "INVITE", 1)
	for _, phone := range o.phones {
		phone.signUp(o.at, "sip:911@example.com", "u911", "nor-this", "MD5")
	}
	o.call = strings.ReplaceAll(o.call, "102@", "911@")
	o.caller.send(o.at, o.call)
	o.get("100")
	for _, phone := range o.phones {
		o.legs = append(o.legs, phone.recv())
	}
	o.says(0, "180 Ringing")
	o.get("180")
	o.says(1, "486 Busy Here")
	o.awaits(1, "ACK")
	o.caller.silent()
	o.sends("CANCEL")
	o.get("200")
	o.awaits(0, "CANCEL")
	o.says(0, "487 Request Terminated")
	o.get("487")
}

// What a PBX says late of a call that went to phones then is no answer of theirs; that
// somebody took it there is.
func TestForkLatePBX(t *testing.T) {
	for _, status := range []string{"486 Busy Here", "200 OK"} {
		pbx, caller, first, second := newPeer(t), newPeer(t), newPeer(t), newPeer(t)
		p := start(t, Config{}, upstreamsOf(pbx)...)
		at := p.Addr(0)
		for i, phone := range []*peer{caller, first, second} {
			phone.send(at, register(fmt.Sprintf("sip:10%d@example.com", min(i+1, 2)), fmt.Sprint("r", i), 1, phone.addr()))
			got := pbx.recv()
			pbx.respond(got, "200 OK", "Contact: "+field(t, got, "Contact")+";expires=300")
			wantStatus(t, phone.recv(), "200")
		}
		call := compose("INVITE sip:102@example.com SIP/2.0", fmt.Sprintf("Via: SIP/2.0/UDP %v;branch=z9hG4bKl", caller.addr()), "From: <sip:101@example.com>;tag=1",
			"To: <sip:102@example.com>", "Call-ID: l", "CSeq: 1 INVITE", fmt.Sprintf("Contact: <sip:101@%v>", caller.addr()))
		caller.send(at, call)
		late := pbx.recv()
		p.upstreams.list()[0].down.Store(true)
		caller.send(at, call)
		legs := []string{first.recv(), second.recv()}
		first.respond(legs[0], "180 Ringing")
		pbx.respond(late, status)
		got := strings.Join(caller.statuses(300*time.Millisecond, "INVITE"), " ")
		if status == "200 OK" {
			if got != "100 180 200" {
				t.Errorf("the caller got %q", got)
			}
			if c := first.recv(); !strings.HasPrefix(c, "CANCEL ") {
				t.Errorf("the phone that rings got\n%s", c)
			}
			continue
		}
		if got != "100 180" {
			t.Errorf("the caller got %q", got)
		}
		first.silent()
	}
}

// A phone that rang and is gone then, or whose word that it rings was lost, holds up nobody.
func TestForkDead(t *testing.T) {
	o := ringOffice(t, "INVITE", 20)
	o.says(0, "180 Ringing")
	o.get("180")
	o.says(1, "603 Decline")
	o.awaits(1, "ACK")
	o.awaits(0, "CANCEL")
	o.get("603")

	o = ringOffice(t, "INVITE", 20)
	o.says(1, "200 OK")
	o.get("200")
	o.awaits(0, "CANCEL") // though it never said that it rings
	o.says(0, "180 Ringing")
	o.awaits(0, "CANCEL")
}

// What a phone answers is kept in bounds, and the status of what is too long is passed.
func TestForkLongAnswer(t *testing.T) {
	o := ringOffice(t, "INVITE", 1)
	o.says(0, "486 Busy Here", "X-Long: "+strings.Repeat("x", maxAnswer))
	o.says(1, "500 Server Internal Error")
	got := o.get("486")
	if len(got) > 1000 || !strings.HasPrefix(got, "SIP/2.0 486 Busy Here\r\n") {
		t.Errorf("got\n%s", got)
	}
	o.proxy.forks.mu.Lock()
	defer o.proxy.forks.mu.Unlock()
	if len(o.proxy.forks.byKey) != 1 || o.proxy.forks.octets != 4*len(o.call)+3*maxAnswer {
		t.Errorf("got %d forks of %d octets", len(o.proxy.forks.byKey), o.proxy.forks.octets)
	}
}

// A fork is forgotten, whatever became of it, and what waits for its timers keeps nothing.
func TestForkForgotten(t *testing.T) {
	o := ringOffice(t, "INVITE", 100)
	f := o.proxy.forks.of(func() (k txn) {
		o.proxy.forks.mu.Lock()
		defer o.proxy.forks.mu.Unlock()
		for k = range o.proxy.forks.byKey {
		}
		return k
	}())
	o.says(0, "180 Ringing") // and is gone
	o.get("180")
	o.sends("CANCEL")
	for range 100 {
		f.mu.Lock()
		gone := f.legs == nil
		f.mu.Unlock()
		if gone {
			o.proxy.forks.mu.Lock()
			defer o.proxy.forks.mu.Unlock()
			if n := len(o.proxy.forks.byKey); n != 0 || o.proxy.forks.octets != 0 {
				t.Errorf("%d are kept, %d octets", n, o.proxy.forks.octets)
			}
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("it is known for ever")
}

// An answer without the caller's Via, or of another phone in one's name, is none.
func TestForkForged(t *testing.T) {
	o := ringOffice(t, "INVITE", 1)
	o.says(1, "180 Ringing")
	o.get("180")
	o.phones[0].respond(strings.Replace(o.legs[0], "Via: "+fields(o.legs[0], "Via")[1]+"\r\n", "", 1), "200 OK")
	vias := fields(o.legs[0], "Via")
	forged := strings.Replace(o.legs[0], vias[0], strings.Replace(vias[0], string(marks[2]), string(marks[1]), 1), 1)
	o.phones[0].respond(forged, "603 Decline")
	o.caller.silent()
	o.phones[1].silent()
	o.says(1, "200 OK")
	o.get("200")
}

// Of one address only so many calls ring at several phones at once.
func TestForkCrowd(t *testing.T) {
	o := newOffice(t, "INVITE", 1)
	for i := range maxForksOfSource {
		o.proxy.forks.orAdd(txn{byte(i), 1}, 1, func() *fork { return &fork{in: flow{peer: o.caller.addr()}} })
	}
	o.caller.send(o.at, o.call)
	if got := o.phones[1].recv(); !strings.HasPrefix(got, "INVITE ") {
		t.Errorf("got\n%s", got)
	}
	o.phones[0].silent()
}

// Who sends a call again is told what it was told last.
func TestForkAgain(t *testing.T) {
	o := ringOffice(t, "INVITE", 1)
	o.caller.send(o.at, o.call)
	o.get("100")
	o.says(0, "183 Session Progress")
	o.get("183")
	o.caller.send(o.at, o.call)
	o.get("183")
	other := newPeer(t) // of the same host: it may be the same phone
	other.send(o.at, strings.ReplaceAll(o.call, "INVITE", "CANCEL"))
	wantStatus(t, other.recv(), "200")
}

// Nobody says anything, or nobody takes the call.
func TestForkTimeouts(t *testing.T) {
	o := ringOffice(t, "INVITE", 20)
	o.get("408")
	o.says(0, "200 OK") // late, and the caller's all the same
	o.get("200")
	o.awaits(1, "INVITE")

	f := &fork{raw: []byte(request("INVITE", "x")), rang: time.Now().Add(-timerC - time.Second), invite: true, legs: []forkLeg{{branch: branch{provisional: true}}}}
	p, err := New(Config{Listen: []string{"udp:127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	due := map[time.Duration]func(){}
	p.after = func(d time.Duration, f func()) { due[d] = f }
	p.newWorker().forkRings(f)
	if !f.legs[0].cancelled || due[ownTimeout] == nil {
		t.Fatalf("got %+v, timers %v: want a call that nobody takes cancelled, and given up after %v", f.legs[0], due, ownTimeout)
	}
	if due[ownTimeout](); !f.over {
		t.Error("what says nothing to a CANCEL either is waited for")
	}
}

// A MESSAGE goes to all phones; whoever sent it has one answer, again if it is lost.
func TestForkMessage(t *testing.T) {
	o := ringOffice(t, "MESSAGE", 1)
	o.caller.send(o.at, o.call) // again, as nobody answered
	o.awaits(0, "MESSAGE")
	o.awaits(1, "MESSAGE")
	o.says(0, "200 OK")
	o.get("200")
	o.says(1, "200 OK")
	o.caller.silent()
	o.caller.send(o.at, o.call)
	o.get("200")
	o.phones[0].silent()
}

// A request goes no more ways than it may (RFC 5393 section 5.3.3).
func TestForkBreadth(t *testing.T) {
	for _, tc := range []struct{ said, want string }{{"", "30"}, {"5", "2"}, {"1000", "30"}, {"x", "30"}} {
		var more []string
		if tc.said != "" {
			more = []string{"Max-Breadth: " + tc.said}
		}
		for _, leg := range ringOffice(t, "INVITE", 1, more...).legs {
			if got := field(t, leg, "Max-Breadth"); got != tc.want {
				t.Errorf("of %q a phone got %q, want %q", tc.said, got, tc.want)
			}
		}
	}
	o := newOffice(t, "INVITE", 1, "Max-Breadth: 1")
	wantStatus(t, o.caller.ask(o.at, o.call), "440")
	o.phones[0].silent()
}

// Of a phone with two flows the later one alone is used (RFC 5626 section 5.3), and of one
// that was started again what it registered last.
func TestForkFlows(t *testing.T) {
	w := startRegistrar(t, Config{}).newWorker()
	at := func(port uint16) flow {
		return flow{peer: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)}
	}
	const first, second = `;+sip.instance="<urn:uuid:1>";reg-id=1`, `;reg-id=2;+sip.instance="<urn:uuid:1>"`
	got := w.phonesOf([]Binding{{URI: "a", Params: first, flow: at(1)}, {URI: "b", flow: at(2)}, {URI: "c", Params: second, flow: at(3)}, {URI: "d", flow: flow{transport: tcp, conn: 77}},
		{URI: "e;line=1", Direct: true, flow: at(4)}, {URI: "e;line=2", Direct: true, flow: at(4)}})
	var uris []string
	for _, x := range got {
		uris = append(uris, x.URI)
	}
	if want := []string{"e;line=2", "c", "b"}; !slices.Equal(uris, want) {
		t.Errorf("got %q, want %q", uris, want)
	}
}

// Two real phones of a line ring at once.
func TestForkBaresip(t *testing.T) {
	port := freePort(t)
	p := start(t, Config{Realm: "example.com", Listen: []string{fmt.Sprint("udp:127.0.0.1:", port), fmt.Sprint("tcp:127.0.0.1:", port)}})
	p.SetLines(baresipLines("alice", "bob"))
	alice, desk, home := startBaresip(t, "alice", "udp", p.Addr(0)), startRinging(t, "bob", "udp", p.Addr(0)), startRinging(t, "bob", "tcp", p.Addr(0))
	for _, b := range []*baresip{alice, desk, home} {
		b.await("REGISTER_OK")
	}
	alice.tell("dial", "sip:bob@example.com")
	desk.await("CALL_INCOMING")
	home.await("CALL_INCOMING")
	home.tell("accept", "")
	alice.await("CALL_ESTABLISHED")
	home.await("CALL_ESTABLISHED")
	desk.await("CALL_CLOSED")
	home.tell("hangup", "")
	alice.await("CALL_CLOSED")
}
