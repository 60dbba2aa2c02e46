package proxy

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"
)

// regTurn does what is due, as far as the rate allows.
func (w *worker) regTurn(now time.Time) {
	r := &w.regs
	r.mu.Lock()
	defer r.mu.Unlock()
	w.regFollow(now)
	if !w.upstreams.anyWell(time.Now()) {
		return // what is due stays due
	}
	for n := 0; n < regPerTick && len(r.queue) > 0 && !r.queue[0].due.After(now); n++ {
		s := r.queue[0]
		if s.dialog.refresh.After(now) && !s.dialog.notified {
			r.fail(s, 0, now) // it was accepted, and nothing came of it
			continue
		}
		to := w.regPBX(s)
		if to == nil {
			return
		}
		if to != s.pbx && s.dialog.cseq > 0 {
			r.renew(s)
		}
		s.pbx, s.proofs = to, 0
		w.sendSubscribe(s, "", now)
	}
}

// regPBX is whom a line is asked of: of the PBXs that are well the preferred one, for
// each line the same.
func (w *worker) regPBX(s *subscription) *target {
	h := fnv.New32a()
	h.Write([]byte(s.aor))
	now := time.Now()
	return prefer(w.upstreams.list(), func(t *target) bool { return t.well(now) }, h.Sum32())
}

// regFollow sees which PBXs went or came back. Whose PBX is another then is due; and
// who has none is as soon as it is back, since it may have forgotten us.
func (w *worker) regFollow(now time.Time) {
	r, is := &w.regs, map[*target]bool{}
	changed := len(r.well) != len(w.upstreams.list())
	for _, t := range w.upstreams.list() {
		is[t] = t.well(time.Now())
		changed = changed || is[t] != r.well[t]
	}
	if !changed {
		return
	}
	r.well = is
	for _, s := range slices.Clone(r.queue) {
		if s.state != subRefused && s.pbx != nil && w.regPBX(s) != s.pbx && s.due.After(now) {
			s.fails, s.dialog.refresh = 0, now
			r.at(s, now)
		}
	}
}

// agenda is a heap of subscriptions by when they are due.
type agenda []*subscription

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return cmp.Or(a[i].due.Compare(a[j].due), cmp.Compare(a[i].aor, a[j].aor)) < 0
}
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}

// Push implements heap.Interface.
func (a *agenda) Push(x any) {
	s := x.(*subscription)
	s.place = len(*a)
	*a = append(*a, s)
}

// Pop implements heap.Interface.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	s := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	return s
}
