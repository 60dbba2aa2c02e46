package proxy

import (
	"strings"
	"testing"
	"time"

	"perch/sip"
)

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

// A wrong password is not tried over and over.
func TestRegEventWrongPassword(t *testing.T) {
	pbx := newPeer(t)
	s := newRegSite(t, upstreamsOf(pbx)...)
	s.Watch([]sip.AOR{aliceAOR})
	for range 2 {
		pbx.respond(pbx.recv(), "407 Proxy Authentication Required", `Proxy-Authenticate: Digest realm="r", nonce="n"`)
	}
	s.await("the refusal", func() bool { return s.State().Subscriptions == (Subscriptions{On: true, Refused: 1, Status: 407}) })
	pbx.silent()
}
