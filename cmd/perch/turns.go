package main

import (
	"slices"
	"strings"
	"sync"
	"time"

	"perch/discovery"
)

// hearingLag is how long what one interface heard waits for what others heard
// before it: the kernel hands a ring over when it is full or 50 ms old, so frames
// of two interfaces come in an order that is not theirs. It leaves room for a
// machine that is busy, and is nothing beside the seconds in which a phone settles.
const hearingLag = 200 * time.Millisecond

// maxTurns bounds, for each interface, what waits for its turn. With more the lag
// is cut short.
const maxTurns = 1 << 14

// turns hands on what several interfaces hear in the order of its stamps, as a
// replay of what was recorded on them would. Those of one interface are in order
// already.
type turns struct {
	to  audience
	now func() time.Time

	mu    sync.Mutex
	seats []*seat // in order of name
	timer *time.Timer
}

// seat is one interface's.
type seat struct {
	name    string
	parts   []string // names of parts of it, which is listened to as a whole
	waiting []turn
	last    time.Time // stamp of what came in last
	left    bool      // nothing more comes
}

// turn is an observation, or whether the interface is being listened to.
type turn struct {
	at      time.Time
	o       *discovery.Observation
	hearing bool
}

func newTurns(to audience, now func() time.Time) *turns { return &turns{to: to, now: now} }

// sit makes the seat of one more interface.
func (t *turns) sit(name string, parts ...string) *seat {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &seat{name: name, parts: parts}
	t.seats = append(t.seats, s)
	slices.SortFunc(t.seats, func(a, b *seat) int { return strings.Compare(a.name, b.name) })
	return s
}

// observe takes in what the interface heard.
func (t *turns) observe(s *seat, o *discovery.Observation) { t.take(s, turn{at: o.Time, o: o}) }

// hearing takes in whether the interface is being listened to from now on.
func (t *turns) hearing(s *seat, yes bool) { t.take(s, turn{at: t.now(), hearing: yes}) }

// leave takes in that the interface has nothing more to tell.
func (t *turns) leave(s *seat) {
	t.hearing(s, false)
	t.mu.Lock()
	defer t.mu.Unlock()
	s.left = true
	t.deliver()
}

func (t *turns) take(s *seat, next turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if next.at.Before(s.last) {
		next.at = s.last
	}
	s.last = next.at
	s.waiting = append(s.waiting, next)
	t.deliver()
}

// deliver hands on whatever may go, and sees to it that the rest goes in time.
func (t *turns) deliver() {
	for {
		first, safe := t.first()
		if first == nil {
			return
		}
		next := first.waiting[0]
		if wait := hearingLag - t.now().Sub(next.at); !safe && wait > 0 && len(first.waiting) <= maxTurns {
			t.wake(wait)
			return
		}
		if first.waiting = first.waiting[1:]; len(first.waiting) == 0 {
			first.waiting = nil
		}
		if next.o != nil {
			t.to.observe(next.o)
		} else {
			t.to.hearing(first.name, next.hearing, next.at)
			for _, part := range first.parts {
				t.to.hearing(part, next.hearing, next.at)
			}
		}
	}
}

// first returns who has the earliest turn, the first by name of equals; nil if
// nobody has one. It is safe if nothing earlier can come.
func (t *turns) first() (first *seat, safe bool) {
	safe = true
	for _, s := range t.seats {
		switch {
		case len(s.waiting) == 0:
			safe = safe && s.left
		case first == nil || s.waiting[0].at.Before(first.waiting[0].at):
			first = s
		}
	}
	return first, safe
}

// wake looks again after a while.
func (t *turns) wake(after time.Duration) {
	if t.timer == nil {
		t.timer = time.AfterFunc(after, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.deliver()
		})
		return
	}
	t.timer.Reset(after)
}
