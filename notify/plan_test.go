package notify

import (
	"testing"
	"time"

	"perch/gateway"
)

func TestDecide(t *testing.T) {
	now := zero
	in := func(d time.Duration) time.Time { return now.Add(d) }
	pc := pace{look: time.Second, idle: 10 * time.Second, watch: 5 * time.Second}
	hand := []held{{Delivery: gateway.Delivery{Mail: gateway.Mail{ID: 1}}, until: in(time.Hour)}}
	past, none := now.Add(-time.Hour), time.Time{}
	tests := []struct {
		name      string
		plan      plan
		connected bool
		idle      time.Time // since when
		holdOff   time.Time
		want      deed
		until     time.Time
	}{
		{name: "at first", want: look},
		{name: "looked just now", plan: plan{looked: now}, until: in(time.Second)},
		{name: "somebody else looks", plan: plan{asking: true}},
		{name: "nothing waits", plan: plan{known: true}},
		{name: "due later", plan: plan{known: true, next: in(time.Minute)}, until: in(time.Minute)},
		{name: "due", plan: plan{known: true, next: now}, want: connect},
		{name: "due, another is ready", plan: plan{known: true, next: now, ready: 1, live: 1}},
		{name: "due, another connects", plan: plan{known: true, next: now, dialing: 1}},
		{name: "due, another is busy", plan: plan{known: true, next: now, live: 1, busy: 1}, want: connect},
		{name: "due, another is busy and we were sent away", plan: plan{known: true, next: now, live: 1, busy: 1}, holdOff: in(time.Minute), until: in(time.Minute)},
		{name: "due, we were sent away, and nobody is left", plan: plan{known: true, next: now}, holdOff: in(time.Minute), want: connect},
		{name: "due, the server failed", plan: plan{known: true, next: past, failures: 1, openAt: in(5 * time.Second)}, until: in(5 * time.Second)},
		{name: "due, the server failed a while ago", plan: plan{known: true, next: past, failures: 1, openAt: now}, want: connect},
		{name: "due, the server failed and another tries", plan: plan{known: true, next: past, failures: 1, openAt: past, dialing: 1}},
		{name: "due, the server failed and another has a session", plan: plan{known: true, next: past, failures: 1, openAt: now, live: 1}, until: in(time.Minute)},
		{name: "due, the server failed and another has a session for long", plan: plan{known: true, next: past, failures: 1, openAt: in(-time.Minute), live: 1}, want: connect},
		{name: "in hand", plan: plan{queue: hand}, want: connect},
		{name: "in hand, and another comes for it", plan: plan{queue: hand, dialing: 1}},
		{name: "in hand, and another is ready for it", plan: plan{queue: hand, live: 1, ready: 1}},
		{name: "in hand, the server failed and another has a session", plan: plan{queue: hand, failures: 1, openAt: now, live: 1}, until: in(time.Minute)},
		{name: "in hand, credentials refused", plan: plan{queue: hand, failures: 1, refused: true, openAt: in(time.Minute)}, until: in(5 * time.Second)},
		{name: "in hand, credentials refused, nearly time", plan: plan{queue: hand, failures: 1, refused: true, openAt: in(time.Second)}, until: in(time.Second)},

		{name: "session, in hand", connected: true, idle: past, plan: plan{queue: hand, known: true}, want: handOver},
		{name: "session, woken", connected: true, idle: past, want: lease},
		{name: "session, woken just now", connected: true, idle: now, plan: plan{looked: now}, until: in(time.Second)},
		{name: "session, another asks", connected: true, idle: past, plan: plan{asking: true}},
		{name: "session, due", connected: true, idle: past, plan: plan{known: true, next: now}, want: lease},
		{name: "session, due soon", connected: true, idle: now, plan: plan{known: true, next: in(9 * time.Second)}, until: in(9 * time.Second)},
		{name: "session, due too late for it", connected: true, idle: now, plan: plan{known: true, next: in(time.Minute)}, until: in(10 * time.Second)},
		{name: "session, nothing waits", connected: true, idle: now, plan: plan{known: true}, until: in(10 * time.Second)},
		{name: "session, nothing waited for long", connected: true, idle: in(-10 * time.Second), plan: plan{known: true}, want: closeIdle},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, until := tt.plan.decide(now, tt.connected, tt.idle, tt.holdOff, pc)
			if got != tt.want || !until.Equal(tt.until) && !(until == none && tt.until == none) {
				t.Errorf("got %d until %v, want %d until %v", got, until, tt.want, tt.until)
			}
		})
	}
}

func TestStale(t *testing.T) {
	p := plan{}
	for i := range 5 {
		p.queue = append(p.queue, held{Delivery: gateway.Delivery{Mail: gateway.Mail{ID: int64(i)}}, until: zero.Add(time.Duration(i) * time.Minute)})
	}
	var got []int64
	for {
		h, ok := p.stale(zero, 2*time.Minute)
		if !ok {
			break
		}
		got = append(got, h.ID)
	}
	if len(got) != 2 || got[0] != 0 || got[1] != 1 || len(p.queue) != 3 || p.take().ID != 2 {
		t.Errorf("stale: got %v, left %d", got, len(p.queue))
	}
}

func TestGroup(t *testing.T) {
	var p plan
	if got := p.group(10); got != 10 {
		t.Errorf("got %d, want 10", got)
	}
	p.failed(zero, Backoff{First: time.Second, Max: time.Minute})
	if got := p.group(10); got != 1 || !p.openAt.Equal(zero.Add(time.Second)) {
		t.Errorf("after a failure: got %d, open at %v, want one mail in a second", got, p.openAt)
	}
	if !p.spoke() || p.spoke() || p.group(10) != 10 {
		t.Error("after an answer: want it told once, and whole groups")
	}
}
