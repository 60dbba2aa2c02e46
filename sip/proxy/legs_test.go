package proxy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// statuses are those of the answers that a peer gets for a while, without those of its
// own requests' methods but one.
func (p *peer) statuses(d time.Duration, method string) (out []string) {
	for end := time.Now().Add(d); ; {
		got, err := p.read(time.Until(end))
		if err != nil {
			return out
		}
		if strings.HasPrefix(got, "SIP/2.0 ") && strings.HasSuffix(field(p.t, got, "CSeq"), method) {
			out = append(out, strings.Fields(got)[1])
		}
	}
}

// requests are the methods that a peer gets for a while.
func (p *peer) requests(d time.Duration) (out []string) {
	for end := time.Now().Add(d); ; {
		got, err := p.read(time.Until(end))
		if err != nil {
			return out
		}
		method, _, _ := strings.Cut(got, " ")
		out = append(out, method)
	}
}

// A PBX that is slow takes the second leg for the same call again and says so (RFC 3261
// section 8.2.2.2). The first one goes on, whatever comes first.
func TestLegMerged(t *testing.T) {
	for _, lost100 := range []bool{false, true} {
		p, phone, pbx, _ := helpSite(t, 1)
		phone.send(p.Addr(0), helpCall("sip:911@pbx", "sip:alice@example.com", "a"))
		first, second := pbx[0].recv(), pbx[0].recv()
		if !lost100 {
			pbx[0].respond(first, "100 Trying")
		}
		pbx[0].respond(second, "482 Loop Detected")
		pbx[0].respond(first, "180 Ringing")
		pbx[0].respond(first, "200 OK")
		got := strings.Join(phone.statuses(300*time.Millisecond, "INVITE"), " ")
		if want := "180 200"; !strings.HasSuffix(got, want) || strings.Contains(got, "482") {
			t.Errorf("lost 100: %v: the phone got %q, want %q at the end", lost100, got, want)
		}
		for _, m := range pbx[0].requests(200 * time.Millisecond) {
			if m == "CANCEL" && lost100 {
				t.Errorf("lost 100: the leg that rings is cancelled")
			}
		}
	}
}

// Of a PBX that is slow and one that is dead the one that speaks keeps the call.
func TestLegSlow(t *testing.T) {
	p, phone, pbx, _ := helpSite(t, 2)
	pbx[0].ill, pbx[1].ill = true, true
	p.upstreams.list()[1].down.Store(true)
	phone.send(p.Addr(0), helpCall("sip:911@pbx", "sip:alice@example.com", "a"))
	first, second := pbx[0].recv(), pbx[0].recv()
	pbx[1].recv()
	pbx[0].respond(first, "100 Trying")
	pbx[0].respond(second, "100 Trying")
	pbx[0].respond(first, "180 Ringing")
	if got := strings.Join(phone.statuses(300*time.Millisecond, "INVITE"), " "); got != "100 180" {
		t.Errorf("the phone got %q", got)
	}
	cancelled := 0
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		got, err := pbx[0].read(time.Until(end))
		if err != nil {
			break
		}
		if strings.HasPrefix(got, "CANCEL ") {
			cancelled++
			if fields(got, "Via")[0] != fields(second, "Via")[0] {
				t.Errorf("the leg that rings is cancelled:\n%s", got)
			}
		}
	}
	if cancelled < 2 {
		t.Errorf("the other leg is cancelled %d times, want until it says something", cancelled)
	}
}

// A phone that hangs up between two legs has its end.
func TestLegHungUp(t *testing.T) {
	p, phone, pbx, _ := helpSite(t, 1)
	call := helpCall("sip:911@pbx", "sip:alice@example.com", "a")
	phone.send(p.Addr(0), call)
	first := pbx[0].recv()
	pbx[0].respond(first, "100 Trying")
	phone.recv()
	pbx[0].respond(first, "488 Not Acceptable Here")
	pbx[0].recv() // ACK
	second := pbx[0].recv()
	head, _, _ := strings.Cut(call, "\r\nContent-Type")
	phone.send(p.Addr(0), strings.ReplaceAll(head, "INVITE", "CANCEL")+"\r\n\r\n")
	wantStatus(t, phone.recv(), "200") // of the CANCEL
	pbx[0].respond(second, "100 Trying")
	c := pbx[0].recv()
	if !strings.HasPrefix(c, "CANCEL ") {
		t.Fatalf("got\n%s", c)
	}
	if again := pbx[0].recv(); again != c {
		t.Errorf("a CANCEL that may be lost is not sent again, but\n%s", again)
	}
	pbx[0].respond(c, "200 OK")
	pbx[0].respond(second, "487 Request Terminated")
	if got := phone.statuses(300*time.Millisecond, "INVITE"); len(got) == 0 || got[len(got)-1] != "487" {
		t.Errorf("the phone got %q, want 487", got)
	}
}

// A leg with a location that is refused after the plain one was given up for it is
// followed by another plain one.
func TestLegRefusedLate(t *testing.T) {
	p, phone, pbx, _ := helpSite(t, 1)
	phone.send(p.Addr(0), helpCall("sip:911@pbx", "sip:alice@example.com", "a"))
	first, second := pbx[0].recv(), pbx[0].recv()
	pbx[0].respond(first, "100 Trying")
	pbx[0].respond(second, "100 Trying") // cancelled
	pbx[0].respond(first, "415 Unsupported Media Type")
	for range 6 {
		got := pbx[0].recv()
		if strings.HasPrefix(got, "INVITE ") && fields(got, "Via")[0] != fields(second, "Via")[0] {
			if strings.Contains(got, "pidf+xml") {
				t.Errorf("got\n%s\nwant what the phone wrote", got)
			}
			pbx[0].respond(got, "200 OK")
			if s := phone.statuses(300*time.Millisecond, "INVITE"); len(s) == 0 || s[len(s)-1] != "200" {
				t.Errorf("the phone got %q", s)
			}
			return
		}
	}
	t.Error("the call is not tried again without its location")
}

// What a phone requires of us, and we do not do, keeps no call for help; who hides is
// not hidden from whoever is to call back.
func TestHelpRequiring(t *testing.T) {
	p, phone, pbx, _ := policySite(t, Site{ELIN: true})
	phone.send(p.Addr(0), strings.Replace(helpCall("sip:911@pbx", "sip:alice@example.com", "a"), "X-Odd", "Privacy: id\r\nProxy-Require: privacy\r\nX-Odd", 1))
	got := pbx.recv()
	if !strings.HasPrefix(got, "INVITE sip:911@") || len(fields(got, "Privacy")) != 0 || len(fields(got, "P-Asserted-Identity")) != 1 {
		t.Errorf("got\n%s", got)
	}
	phone.send(p.Addr(0), strings.Replace(request("OPTIONS", "o"), "Call-ID", "Proxy-Require: privacy\r\nCall-ID", 1))
	wantStatus(t, phone.recv(), "420")
}

// What is kept of calls for help is bounded in octets as well; beyond that a call passes
// as others do.
func TestHelpOctets(t *testing.T) {
	var x multiples[emergency]
	x.init()
	size, n := 60<<10, 0
	keep := func(key txn) bool {
		e, added := x.orAdd(key, size, func() *emergency { return new(emergency) })
		return e != nil && added
	}
	for n < maxMultiples && keep(txn{byte(n), byte(n >> 8)}) {
		n++
	}
	if want := maxMultipleOctets / size; n != want {
		t.Errorf("%d calls are kept, want %d", n, want)
	}
	x.forget(txn{0, 0})
	if !keep(txn{255, 255, 255}) {
		t.Error("there is no room after one was forgotten")
	}
}

// A phone whose call for help no PBX answers is told so before its own patience ends, and
// again if it asks; a PBX that rings then is cancelled.
func TestLegNobody(t *testing.T) {
	pbx := newPeer(t)
	pbx.ill = true
	p, err := New(Config{Listen: []string{"udp:127.0.0.1:0"}, Upstream: upstreamsOf(pbx), Emergency: func(EmergencyCall) {}})
	if err != nil {
		t.Fatal(err)
	}
	p.after = func(d time.Duration, f func()) { time.AfterFunc(d/20, f) }
	t.Cleanup(run(t, p))
	phone := newPeer(t)
	call := helpCall("sip:911@pbx", "sip:alice@example.com", "a")
	phone.send(p.Addr(0), call)
	first := pbx.recv()
	wantStatus(t, phone.recv(), "503")
	phone.send(p.Addr(0), call)
	wantStatus(t, phone.recv(), "503")
	head, _, _ := strings.Cut(call, "\r\nContent-Type")
	phone.send(p.Addr(0), strings.ReplaceAll(head, "INVITE", "ACK")+"\r\n\r\n")
	pbx.respond(first, "180 Ringing")
	for range 20 {
		if got := pbx.recv(); strings.HasPrefix(got, "CANCEL ") {
			phone.silent()
			return
		}
	}
	t.Error("a PBX that rings when the phone has given up is not cancelled")
}

// A PBX that is ourselves by another name is none.
func TestOwnProbe(t *testing.T) {
	port := freePort(t)
	p := start(t, Config{Listen: []string{fmt.Sprint("udp:0.0.0.0:", port)}, Advertise: "127.0.0.9"}, fmt.Sprint("udp:127.0.0.1:", port))
	for range 40 {
		if p.loopTold.Load() {
			time.Sleep(2 * failAfter)
			if s := p.State(); s.Upstream[0].Up {
				t.Errorf("got %+v, want it down", s.Upstream)
			}
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("it asks itself and does not see it")
}
