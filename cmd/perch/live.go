package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"perch/discovery"
	"perch/gateway"
)

// clock tells a live engine the time: the wall's at start, then monotonic, so
// that a step of the wall clock moves nothing. It never runs behind the time that
// the engine had reached before.
type clock struct {
	started time.Time // with its monotonic reading
	offset  time.Duration
}

// aheadLimit is how far stored engine time may be ahead of the wall clock.
const aheadLimit = time.Hour

// newClock returns a clock that goes on from engine time.
func newClock(engine time.Time) (clock, error) {
	c := clock{started: time.Now()}
	ahead := engine.Sub(c.started)
	switch {
	case ahead > aheadLimit:
		return c, withHint(fmt.Errorf("the database's time is %s, %s ahead of the clock", stamp(engine), ahead.Round(time.Minute)),
			"set the clock right (date; timedatectl); if it is right, the database was written with a wrong one: restore a copy")
	case ahead > 0:
		c.offset = ahead
	}
	return c, nil
}

func (c clock) now() time.Time {
	return c.started.Add(time.Since(c.started) + c.offset).UTC().Truncate(time.Microsecond)
}

// live keeps an engine in step with its clock and its effects durable. Whatever
// changes the engine while it is served goes through here.
type live struct {
	engine *gateway.Engine
	clock  ticker
	lag    time.Duration // what falls due waits so long for what was heard before
	log    *slog.Logger
	after  func() // called when something became durable

	mu     sync.Mutex // one change at a time, so that events are known to be its own
	events []gateway.Event
	story  *gateway.Story      // nil: the log is not told of phones
	opened func(gateway.Event) // told of each prompt that opens, before it is durable; nil: nobody is
	wake   chan struct{}       // there is something to commit
	heard  chan struct{}       // there is something to plan anew: what is heard is committed in groups

	state     sync.Mutex
	asked     uint64        // changes made
	durable   uint64        // of them, how many are durable
	committed chan struct{} // closed, and made anew, when durable grows
	failing   error         // why the last commit failed; nil if it did not
	since     time.Time     // when it began to
	planned   time.Time     // by the clock, when run looks at the engine next
}

// ticker is a clock for a live engine; the demo's runs faster than the wall.
type ticker interface {
	now() time.Time
	// wait returns how long it takes until the clock shows t.
	wait(t time.Time) time.Duration
}

func (c clock) wait(t time.Time) time.Duration { return t.Sub(c.now()) }

func newLive(e *gateway.Engine, c ticker, log *slog.Logger, after func()) *live {
	l := &live{engine: e, clock: c, log: log, after: after, wake: make(chan struct{}, 1), heard: make(chan struct{}, 1), committed: make(chan struct{})}
	e.OnEvent(func(ev gateway.Event) { l.events = append(l.events, ev) })
	return l
}

// tellLog has the log tell of each phone what happens to it.
func (l *live) tellLog() {
	l.story = gateway.StoryTo(func(_ time.Time, phone, what string) error {
		l.log.Info(what, "phone", phone)
		return nil
	})
}

// told ends the change at hand.
func (l *live) told() {
	if l.opened != nil {
		for _, ev := range l.events {
			if ev.Name == "prompt.opened" {
				l.opened(ev)
			}
		}
	}
	if l.story != nil {
		for _, ev := range l.events {
			l.story.Add(ev)
		}
		if err := l.story.Flush(); err != nil {
			l.log.Error("an event cannot be told", "error", err)
		}
	}
	l.events = nil
}

// How the effects of a live engine are grouped and kept.
const (
	liveGroup      = 50 * time.Millisecond // observations wait this long for others
	liveCheckpoint = time.Minute           // how much of "last heard" a crash may cost
	liveRetry      = 250 * time.Millisecond
	liveRetryMost  = 5 * time.Second
	liveCommit     = 30 * time.Second // a commit that takes longer has failed
	livePatience   = 10 * time.Second // how long a decision waits to become durable
)

// errNotDurable reports that a decision was taken in and is not durable yet.
var errNotDurable = errors.New("it is taken in, but could not be stored yet; storing it is tried again until it succeeds")

// errFailing reports that nothing can be stored now, so nothing is taken in.
var errFailing = errors.New("the database cannot be written just now")

// decide makes a change at the clock's time and returns, when they are durable,
// the events that it caused. While the database fails nothing is changed.
func (l *live) decide(ctx context.Context, do func() error) ([]gateway.Event, error) {
	if err := l.trouble(); err != nil {
		return nil, withHint(fmt.Errorf("%w: %v", errFailing, err), "try again when the database can be written; the log of serve says more")
	}
	events, mine, err := l.change(do)
	l.poke()
	// A refusal may rest on what is not durable yet: it waits as well.
	if late := l.wait(ctx, mine); late != nil {
		return nil, late
	}
	if err != nil {
		return nil, err
	}
	return events, nil
}

// insist is decide for what must hold at once, also while the database fails: it is
// stored as soon as that is possible again.
func (l *live) insist(ctx context.Context, do func() error) error {
	_, mine, err := l.change(do)
	l.poke()
	if l.trouble() != nil {
		return err
	}
	if late := l.wait(ctx, mine); late != nil && l.trouble() == nil {
		return late
	}
	return err
}

// help takes in a call for help, and what else is known of one; it waits for
// nothing. Who looks sees the call from then on. Its mails, and its row, wait for the
// commit, which comes at once if the database can be written.
func (l *live) help(c gateway.EmergencyCall) {
	l.take(func() { l.engine.Emergency(c, l.clock.now()) })
	l.poke()
}

// change makes a change; it does not wait.
func (l *live) change(do func() error) (events []gateway.Event, mine uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.engine.Advance(l.clock.now())
	l.told()
	defer l.told()
	err = do()
	return l.events, l.count(), err
}

// observe hands over an observation, which its source has stamped by the clock.
func (l *live) observe(o *discovery.Observation) {
	l.take(func() { l.engine.Observe(o) })
}

// hearing takes in whether an interface is being listened to from a time on.
func (l *live) hearing(name string, yes bool, from time.Time) {
	l.take(func() {
		l.engine.Advance(from)
		if yes {
			l.engine.ResumeInterface(name)
		} else {
			l.engine.PauseInterface(name)
		}
	})
}

// take makes a change for which nobody waits.
func (l *live) take(do func()) {
	l.mu.Lock()
	do()
	l.told()
	l.count()
	l.mu.Unlock()
	l.heed()
}

// next returns when the clock shows that the engine has work.
func (l *live) next() (time.Time, bool) {
	at, ok := l.engine.Next()
	return at.Add(l.lag), ok
}

// heed makes run plan anew if it would sleep too long now.
func (l *live) heed() {
	l.state.Lock()
	planned := l.planned
	l.state.Unlock()
	at, ok := l.next()
	if l.engine.Pending() > 0 && l.clock.wait(planned) > liveGroup || ok && at.Before(planned) {
		select {
		case l.heard <- struct{}{}:
		default:
		}
	}
}

func (l *live) count() uint64 {
	l.state.Lock()
	defer l.state.Unlock()
	l.asked++
	return l.asked
}

func (l *live) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// wait returns when a change is durable.
func (l *live) wait(ctx context.Context, change uint64) error {
	ctx, cancel := context.WithTimeout(ctx, livePatience)
	defer cancel()
	for {
		l.state.Lock()
		done, next := l.durable >= change, l.committed
		l.state.Unlock()
		if done {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return withHint(errNotDurable, "look at it again in a minute; the log of serve says why it cannot be stored")
		}
	}
}

// trouble returns why nothing can be stored now, or nil.
func (l *live) trouble() error {
	l.state.Lock()
	defer l.state.Unlock()
	return l.failing
}

// run keeps time and commits until ctx ends, and makes a last checkpoint then. A
// database that somebody else has written to ends it at once.
func (l *live) run(ctx context.Context) error {
	retry := liveRetry
	next := time.Now().Add(liveCheckpoint)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return l.stop()
		case <-l.wake:
		case <-l.heard:
			if l.trouble() == nil { // else it is tried again when that is due
				timer.Reset(l.sleep(next))
			}
			continue
		case <-timer.C:
		}
		err := l.commit(ctx, &next)
		switch {
		case errors.Is(err, gateway.ErrOtherWriter):
			return withHint(err, "nothing was written since; find the other process, and start serve again")
		case err != nil && ctx.Err() == nil:
			timer.Reset(retry)
			retry = min(2*retry, liveRetryMost)
		default:
			retry = liveRetry
			timer.Reset(l.sleep(next))
		}
	}
}

// sleep is how long there is nothing to do.
func (l *live) sleep(checkpoint time.Time) time.Duration {
	d := time.Until(checkpoint)
	l.plan(d) // before the engine is looked at: who changes it after that look asks for another
	if at, ok := l.next(); ok {
		d = min(d, l.clock.wait(at))
	}
	if l.engine.Pending() > 0 {
		d = min(d, liveGroup)
	}
	d = max(d, time.Millisecond)
	l.plan(d)
	return d
}

// plan notes when run looks at the engine next.
func (l *live) plan(d time.Duration) {
	l.state.Lock()
	defer l.state.Unlock()
	l.planned = l.clock.now().Add(d)
}

// commit does what fell due and makes everything durable that was done so far.
func (l *live) commit(ctx context.Context, checkpoint *time.Time) error {
	l.mu.Lock()
	now := l.clock.now()
	if at, ok := l.next(); ok && !at.After(now) {
		l.engine.Advance(now.Add(-l.lag))
		l.told()
		l.count()
	}
	l.state.Lock()
	upTo := l.asked
	l.state.Unlock()
	l.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), liveCommit)
	defer cancel()
	save := l.engine.Commit
	if whole := !time.Now().Before(*checkpoint); whole {
		save = l.engine.Checkpoint
		*checkpoint = time.Now().Add(liveCheckpoint)
	}
	err := save(ctx)
	l.settled(upTo, err)
	return err
}

// settled notes how a commit went.
func (l *live) settled(upTo uint64, err error) {
	l.state.Lock()
	defer l.state.Unlock()
	if err != nil {
		if l.failing == nil {
			l.since = time.Now()
			l.log.Error("the database cannot be written; nothing is lost, it is tried again", "error", err)
		}
		l.failing = err
		return
	}
	if l.failing != nil {
		l.log.Info("the database can be written again", "after", time.Since(l.since).Round(time.Second))
		l.failing = nil
	}
	if upTo > l.durable {
		l.durable = upTo
		close(l.committed)
		l.committed = make(chan struct{})
		if l.after != nil {
			l.after()
		}
	}
}

// stop makes the last checkpoint, which a later start goes on from.
func (l *live) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), liveCommit)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Lock()
	upTo := l.asked
	l.state.Unlock()
	err := l.engine.Checkpoint(ctx)
	l.settled(upTo, err)
	if err != nil {
		return fmt.Errorf("what was not stored before the end is lost: %w", err)
	}
	return nil
}
