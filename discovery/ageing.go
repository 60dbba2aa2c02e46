package discovery

import (
	"container/heap"
	"maps"
	"time"
)

// minPatience is how long silence means nothing for a phone whose lease,
// Expires and TTL are all unknown.
const minPatience = 2 * time.Minute

// deadline is when a phone may have gone stale, or a lease on a shared circuit
// has run out; it is checked then, since signs of life and renewals move it
// without touching the heap.
type deadline struct {
	at Instant
	tr *Track   // nil: of a circuit
	c  *circuit // of the lease that runs out
}

type deadlines []deadline

func (d deadlines) Len() int { return len(d) }
func (d deadlines) Less(i, j int) bool {
	switch a, b := d[i], d[j]; {
	case a.at != b.at:
		return a.at < b.at
	case a.tr == nil || b.tr == nil:
		return a.tr == nil && (b.tr != nil || a.c.compare(*b.c) < 0)
	default:
		return a.tr.ID.Compare(b.tr.ID) < 0
	}
}
func (d deadlines) Swap(i, j int) { d[i], d[j] = d[j], d[i] }

// Push and Pop are for package container/heap.
func (d *deadlines) Push(x any) { *d = append(*d, x.(deadline)) }

// Pop is for package container/heap.
func (d *deadlines) Pop() any {
	old := *d
	x := old[len(old)-1]
	old[len(old)-1] = deadline{}
	*d = old[:len(old)-1]
	return x
}

// stale returns when all evidence of the phone goes stale.
func (tr *Track) stale() Instant {
	lease := tr.Lease.Until.Sub(tr.Lease.At)
	return tr.Life.Add(max(lease, tr.Expires, tr.TTL, minPatience) + time.Microsecond)
}

// wakes returns when some evidence of the phone goes stale.
func (t *Tracker) wakes(tr *Track) Instant {
	at := tr.stale()
	if l := tr.Stay.Link(); l.Chassis != "" && l.Until.Before(at) && !t.deaf(l.Wire) {
		at = l.Until.Add(time.Microsecond)
	}
	return at
}

// deaf reports whether an interface is not listening.
func (t *Tracker) deaf(name string) bool {
	w := t.wires[name]
	return w != nil && w.paused()
}

// watch makes the tracker look at the phone when its evidence may have gone
// stale. Signs of life mostly move that on, and leave the heap alone.
func (t *Tracker) watch(tr *Track) {
	if at := t.due(tr); !at.IsZero() {
		tr.wake = at
		heap.Push(&t.ageing, deadline{at: at, tr: tr})
		t.compactAgeing()
	}
}

// due returns when the tracker has to look at the phone, if that is earlier than it
// will; else zero.
func (t *Tracker) due(tr *Track) Instant {
	if !tr.IsPhone || tr.Gone || tr.Life.IsZero() {
		return 0
	}
	at := t.wakes(tr)
	if !tr.wake.IsZero() && !at.Before(tr.wake) {
		return 0
	}
	return at
}

// Next returns when Advance may have something to do.
func (t *Tracker) Next() (time.Time, bool) {
	if len(t.ageing) == 0 {
		return time.Time{}, false
	}
	return t.ageing[0].at.Time(), true
}

// Advance ages evidence up to a time. The changes are valid until the next call.
func (t *Tracker) Advance(to time.Time) []Change {
	t.changes = t.changes[:0]
	now := InstantOf(to)
	for len(t.ageing) > 0 && !t.ageing[0].at.After(now) {
		d := heap.Pop(&t.ageing).(deadline)
		if d.tr == nil {
			delete(t.watched, *d.c)
			t.setHolders(*d.c, MAC{}, 0, now)
			continue
		}
		if t.tracks.Of(d.tr.ID) == d.tr && d.tr.wake == d.at {
			d.tr.wake = Instant(0)
			t.age(d.tr, now)
		}
	}
	return t.sorted()
}

// age drops what went stale of a phone. What was heard on an interface that is
// not listening does not age: missing evidence is never absence.
func (t *Tracker) age(tr *Track, now Instant) {
	if t.deaf(tr.lifeWire.String()) {
		return // resume looks at it again
	}
	if tr.stale().After(now) {
		t.lapse(tr, now)
		t.watch(tr)
		return
	}
	tr.Gone = true
	t.report(tr, Vanished)
}

// lapse drops the port of a phone that has not announced itself for longer than
// its TTL. A switch's frame alone does not keep it.
func (t *Tracker) lapse(tr *Track, now Instant) {
	l := tr.Stay.Link()
	if l.Chassis == "" || !now.After(l.Until) || t.deaf(l.Wire) { // resume looks at it again
		return
	}
	tr.Stay.link = nil
	t.refresh(tr, now)
}

// Pause notes that a capture has no more frames, at engine time now: what was
// heard on its interfaces does not age until they are heard again.
func (t *Tracker) Pause(file string, now time.Time) {
	for _, w := range t.wires {
		if w.File == file && !w.paused() {
			w.PausedAt = InstantOf(now)
		}
	}
}

// PauseAll is Pause for whatever was heard anywhere.
func (t *Tracker) PauseAll(now time.Time) {
	for _, w := range t.wires {
		if !w.paused() {
			w.PausedAt = InstantOf(now)
		}
		w.Held = false
	}
}

// PauseInterface notes that a live interface is not listening from now on, or is
// losing frames: what was heard on it does not age until ResumeInterface, also if
// some frames come through.
func (t *Tracker) PauseInterface(name string, now time.Time) {
	w := t.wireOf("", name)
	if !w.paused() {
		w.PausedAt = InstantOf(now)
	}
	w.Held = true
}

// ResumeInterface notes that a live interface is listening, though it may be
// quiet: from now on silence on it means something.
func (t *Tracker) ResumeInterface(name string, now time.Time) {
	if w := t.wires[name]; w != nil && w.paused() {
		t.resume(w, InstantOf(now))
	}
}

func (w *wire) paused() bool { return !w.PausedAt.IsZero() }

// resume notes that an interface is heard again, at stamp at. The time between
// did not pass for what was heard there.
func (t *Tracker) resume(w *wire, at Instant) {
	paused := w.PausedAt
	w.PausedAt, w.Held = Instant(0), false
	// gap is how much of the pause something last heard then has waited out.
	gap := func(heard Instant) time.Duration {
		if heard.Before(paused) {
			heard = paused
		}
		return max(at.Sub(heard), 0)
	}
	for _, tr := range t.tracks.All() {
		linked, alive := tr.Stay.link != nil && tr.Stay.link.Wire == w.Name, tr.lifeWire == w.name()
		if linked {
			l := *tr.Stay.link
			l.Until = l.Until.Add(gap(l.Heard))
			tr.Stay.link = &l
		}
		if alive {
			t.holdOn(tr, gap(tr.Life))
			waited := gap(tr.Life)
			tr.Life, tr.Held = tr.Life.Add(waited), tr.Held+waited
		}
		if linked || alive {
			t.watch(tr)
		}
	}
}

// pruneEvery is how often what is of no use any more is dropped.
const pruneEvery = time.Hour

// prune drops what has run out: exchanges that were never finished, bindings,
// gateways, routers and devices that turned out to be nobody of interest.
func (t *Tracker) prune(now Instant) {
	if now.Sub(t.pruned) < pruneEvery {
		return
	}
	t.pruned = now
	t.accounted = false
	for _, w := range t.wires {
		t.dropTries(&w.tries, now)
	}
	maps.DeleteFunc(t.requests, func(_ MAC, r request) bool { return now.Sub(r.At) > requestLife })
	for a, b := range t.bindings.all() {
		if now.After(b.Until) {
			t.bindings.delete(a)
		}
	}
	maps.DeleteFunc(t.links, func(_ subnet6, l link6) bool { return now.After(l.Until) })
	maps.DeleteFunc(t.gateways, func(_ address, at Instant) bool { return now.Sub(at) > routerMemory })
	maps.DeleteFunc(t.routers, func(_ MAC, r *router) bool {
		n := len(r.Sources)
		return now.Sub(r.Since) > routerMemory && (n == 0 || now.Sub(r.Sources[n-1].At) > routerWindow)
	})
	for id, tr := range t.tracks.All() {
		if !tr.IsPhone && now.After(tr.Lease.Until) && now.Sub(tr.Life) > routerMemory && now.Sub(tr.Booted) > routerMemory {
			t.tracks.Delete(id)
		}
	}
}
