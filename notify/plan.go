package notify

import (
	"slices"
	"time"

	"perch/gateway"
)

// held is a mail that is leased and not yet handed over.
type held struct {
	gateway.Delivery
	until time.Time // end of its lease
}

// plan is what the mailer's workers share: what is in hand, what is due, and
// whether the server may be tried. It knows no clock, does nothing and waits for
// nothing; the mailer's mutex guards it.
//
// A worker leases only while it has an open session, so that a mail's attempt
// number counts attempts that spoke of it, and what it leases is there for all
// workers: a slow recipient holds up one connection and no other mail. While the
// server does not answer, one worker alone tries it, and then with one mail.
type plan struct {
	queue []held

	// When the next mail that is not in hand is due; zero if none waits. It is
	// known until somebody wakes the mailer or leases.
	next   time.Time
	known  bool
	looked time.Time // when the outbox was last asked

	failures  int // connections in a row that ended before the server spoke of a mail
	openAt    time.Time
	refused   bool // the credentials were refused
	secretWas fileStamp

	asking  bool // a worker is asking the outbox
	dialing int  // workers that are connecting
	live    int  // open sessions
	ready   int  // open sessions that wait for something to do
	busy    int  // sessions that are handing over
}

// deed is what a worker does next.
type deed uint8

const (
	wait      deed = iota
	connect        // open a session
	look           // ask the outbox when a mail is due
	lease          // take mails that are due
	handOver       // the first mail in the queue
	giveBack       // a mail that was in hand for too long
	closeIdle      // the session, which nothing needs
)

// crowded is how long a worker leaves a server that is in doubt to another. One
// that has sessions and gives this worker none takes few from one client, as many
// do.
const crowded = time.Minute

// pace is how often to do what nothing else limits.
type pace struct {
	look  time.Duration // at most so often after being woken
	idle  time.Duration // how long an open session waits for more
	watch time.Duration // how often to look at the file of a refused secret
}

// decide says what a worker does at a time, and until when it waits if that is
// nothing; zero is until something changes. Its session, if it has one, is idle
// since a time; without one it may be told to hold off until another.
func (p *plan) decide(now time.Time, connected bool, idleSince, holdOff time.Time, pc pace) (deed, time.Time) {
	if connected {
		return p.decideConnected(now, idleSince, pc)
	}
	at := p.openAt
	if p.live+p.dialing > 0 {
		at = later(at, holdOff)
		if p.failures > 0 {
			// One is enough to see whether the server answers again, unless it is the
			// recipient of that one's mail who takes so long.
			at = later(at, p.openAt.Add(crowded))
		}
	}
	switch {
	case len(p.queue) > p.dialing+p.ready:
		return p.connectAt(now, at, pc)
	case len(p.queue) > 0 || p.ready+p.dialing > 0:
		return wait, time.Time{} // somebody is closer to it
	case !p.known:
		if p.asking {
			return wait, time.Time{}
		}
		return when(look, now, p.looked.Add(pc.look))
	case p.next.IsZero():
		return wait, time.Time{}
	}
	return p.connectAt(now, later(at, p.next), pc)
}

func (p *plan) decideConnected(now, idleSince time.Time, pc pace) (deed, time.Time) {
	end := idleSince.Add(pc.idle)
	switch {
	case len(p.queue) > 0:
		return handOver, time.Time{}
	case p.asking:
		return wait, time.Time{}
	case !p.known:
		return when(lease, now, p.looked.Add(pc.look))
	case !p.next.IsZero() && !p.next.After(now):
		return lease, time.Time{}
	case !p.next.IsZero() && p.next.Before(end):
		return wait, p.next
	}
	return when(closeIdle, now, end)
}

// connectAt connects when it may. While the credentials are refused, the wait is
// cut into pieces, after each of which the secret's file is looked at.
func (p *plan) connectAt(now, at time.Time, pc pace) (deed, time.Time) {
	if watch := now.Add(pc.watch); p.refused && at.After(watch) {
		at = watch
	}
	return when(connect, now, at)
}

// when is a deed if its time has come, else waiting for it.
func when(d deed, now, at time.Time) (deed, time.Time) {
	if at.After(now) {
		return wait, at
	}
	return d, time.Time{}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// take removes the first mail in hand.
func (p *plan) take() held {
	h := p.queue[0]
	p.queue = p.queue[1:]
	return h
}

// putBack puts a mail that the server did not speak of in front.
func (p *plan) putBack(h held) { p.queue = slices.Insert(p.queue, 0, h) }

// stale takes a mail out of the hand whose lease would end before an attempt must
// have; false if there is none.
func (p *plan) stale(now time.Time, attempt time.Duration) (held, bool) {
	for i, h := range p.queue {
		if h.until.Sub(now) < attempt {
			p.queue = slices.Delete(p.queue, i, i+1)
			return h, true
		}
	}
	return held{}, false
}

// failed notes that a connection came to nothing, and when to try again.
func (p *plan) failed(now time.Time, b Backoff) {
	p.failures++
	p.openAt = now.Add(b.Delay(0, p.failures))
}

// spoke notes that the server spoke of a mail, and reports whether it had not
// answered before.
func (p *plan) spoke() bool {
	was := p.failures > 0
	p.failures, p.openAt, p.refused = 0, time.Time{}, false
	return was
}

// group returns how many mails to lease of at most n.
func (p *plan) group(n int) int {
	if p.failures > 0 {
		return 1
	}
	return n
}
