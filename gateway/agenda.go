package gateway

import (
	"container/heap"
	"time"

	"perch/discovery"
)

// dueWhat is a kind of deadline.
type dueWhat uint8

const (
	dueSettle dueWhat = iota
	dueExpiry
	dueAskAgain
	dueMail   // of an open prompt whose mail was put off
	dueRemind // of an emergency call that nobody has acknowledged
	dueForget // the oldest emergency calls
)

// due is one deadline. Deadlines are never removed: one that no longer holds is
// passed over when its time comes.
type due struct {
	at     discovery.Instant
	what   dueWhat
	phone  *phone // of dueSettle; one that was dropped is due at no time
	prompt int64  // of the others; of dueRemind the emergency call
}

// holds reports whether the deadline still is one.
func (d due) holds(e *Engine) bool {
	switch d.what {
	case dueSettle:
		return d.phone.Due == d.at
	case dueRemind:
		return e.emergency(d.prompt).remindedAt(d.at)
	case dueForget:
		return e.forgetting == d.at
	}
	q := e.prompts[d.prompt]
	switch d.what {
	case dueExpiry:
		return q.Open()
	case dueMail:
		p := e.phones.Of(q.Phone)
		return p != nil && p.Prompt == q.ID && p.Later == d.at
	}
	return q.Reason == Expired
}

type dueHeap []due

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	a, b := h[i], h[j]
	switch {
	case a.at != b.at:
		return a.at < b.at
	case a.what != b.what:
		return a.what < b.what
	case a.prompt != b.prompt:
		return a.prompt < b.prompt
	}
	return a.what == dueSettle && a.phone.id().Compare(b.phone.id()) < 0
}
func (h dueHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)   { *h = append(*h, x.(due)) }
func (h *dueHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	old[len(old)-1] = due{}
	*h = old[:len(old)-1]
	if cap(*h) > 1024 && len(*h) <= cap(*h)/4 {
		*h = append(dueHeap(nil), *h...) // a campus that has settled needs less room
	}
	return x
}

// agenda holds the deadlines: settling apart from expiry, since only the first
// go on after the last frame of a capture.
type agenda struct {
	settling dueHeap
	expiring dueHeap
}

func (a *agenda) add(d due) {
	if d.what == dueSettle {
		heap.Push(&a.settling, d)
	} else {
		heap.Push(&a.expiring, d)
	}
}

// compact drops deadlines that no longer hold when there are many more of them
// than phones: a flood of devices that come and go leaves any number behind.
func (a *agenda) compact(e *Engine) {
	if len(a.settling) <= 4*e.phones.Len()+1024 {
		return
	}
	kept := a.settling[:0]
	for _, d := range a.settling {
		if d.holds(e) {
			kept = append(kept, d)
		}
	}
	a.settling = kept
	heap.Init(&a.settling)
}

// peek drops deadlines that no longer hold and returns the first that does.
func peek(h *dueHeap, e *Engine) (due, bool) {
	for len(*h) > 0 {
		if (*h)[0].holds(e) {
			return (*h)[0], true
		}
		heap.Pop(h)
	}
	return due{}, false
}

// next returns the time of the first deadline.
func (a *agenda) next(e *Engine, ageing bool) (time.Time, bool) {
	s, ok := peek(&a.settling, e)
	if x, xok := peek(&a.expiring, e); ageing && xok && (!ok || x.at.Before(s.at)) {
		return x.at.Time(), true
	}
	return s.at.Time(), ok
}

// pop takes the first deadline that is due at a time.
func (a *agenda) pop(e *Engine, now time.Time, ageing bool) (due, bool) {
	t := discovery.InstantOf(now)
	if d, ok := peek(&a.settling, e); ok && !d.at.After(t) {
		heap.Pop(&a.settling)
		return d, true
	}
	if d, ok := peek(&a.expiring, e); ageing && ok && !d.at.After(t) {
		heap.Pop(&a.expiring)
		return d, true
	}
	return due{}, false
}
