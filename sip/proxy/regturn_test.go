package proxy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"perch/sip"
)

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

// A PBX that was away, and may have forgotten what it was asked, is asked again.
func TestRegEventBack(t *testing.T) {
	pbx := newPeer(t)
	s := newRegSite(t, upstreamsOf(pbx)...)
	s.Watch([]sip.AOR{aliceAOR})
	ask := pbx.recv()
	pbx.grant(ask, 3600)
	pbx.notify(ask, 1, "active", "")
	s.await("the grant", func() bool { return s.due(aliceAOR).Equal(s.clock.now().Add(2880 * time.Second)) })
	s.upstreams.list()[0].down.Store(true)
	s.await("the proxy's notice", func() bool {
		s.regs.mu.Lock()
		defer s.regs.mu.Unlock()
		return !s.regs.well[s.upstreams.list()[0]]
	})
	s.upstreams.list()[0].answered()
	if got := pbx.recv(); !strings.HasPrefix(got, "SUBSCRIBE ") || field(t, got, "Call-ID") != field(t, ask, "Call-ID") {
		t.Errorf("got\n%s", got)
	}
}
