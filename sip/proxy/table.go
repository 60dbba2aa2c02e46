package proxy

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// table keeps something of each of many keys, at most sets*ways of them, in memory
// that does not grow with what others send. A key has its place in one set, which is
// locked alone. Where all places are taken the one of least worth is given up.
type table[V any] struct {
	seed  uint64 // by which nobody can tell which keys share a set
	sets  []atomic.Pointer[set[V]]
	worth func(v *V, now int64) worth
}

// ways is how many keys a set has. With half of all places taken one in a thousand
// sets is full.
const ways = 16

// set is a part of a table that is made when it is first needed.
type set[V any] struct {
	mu   sync.Mutex
	n    int // places taken
	keys [ways]uint64
	is   [ways]V
}

// worth tells which of two is given up: the one of the lower rank, of equals the one
// that was heard longest ago.
type worth struct {
	rank int
	last int64
}

func (t *table[V]) init(sets int, worth func(v *V, now int64) worth) {
	t.seed, t.sets, t.worth = rand.Uint64(), make([]atomic.Pointer[set[V]], sets), worth
}

// lock returns the set of a key, locked.
func (t *table[V]) lock(key uint64) *set[V] {
	at := &t.sets[spread(key^t.seed)%uint64(len(t.sets))]
	s := at.Load()
	if s == nil {
		at.CompareAndSwap(nil, new(set[V]))
		s = at.Load()
	}
	s.mu.Lock()
	return s
}

// spread makes keys that are near each other, as the addresses of a network are, far apart
// (the finalizer of SplitMix64). A product with a random number alone does so for most
// numbers only.
func spread(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// get returns what is kept of a key while its set is locked; nil if nothing is.
func (s *set[V]) get(key uint64) *V {
	for i := range s.keys[:s.n] {
		if s.keys[i] == key {
			return &s.is[i]
		}
	}
	return nil
}

// put returns the place of a key while its set is locked, new and empty if it has
// none; nil if all are taken by what is of a higher rank.
func (t *table[V]) put(s *set[V], key uint64, rank int, now int64) *V {
	if v := s.get(key); v != nil {
		return v
	}
	at := s.n
	if at == ways {
		at = 0
		least := t.worth(&s.is[0], now)
		for i := 1; i < ways; i++ {
			if w := t.worth(&s.is[i], now); w.rank < least.rank || w.rank == least.rank && w.last < least.last {
				at, least = i, w
			}
		}
		if least.rank > rank {
			return nil
		}
		var zero V
		s.is[at] = zero
	} else {
		s.n++
	}
	s.keys[at] = key
	return &s.is[at]
}

// all calls f with each key, one set at a time.
func (t *table[V]) all(f func(key uint64, v *V)) {
	for i := range t.sets {
		s := t.sets[i].Load()
		if s == nil {
			continue
		}
		s.mu.Lock()
		for k := range s.n {
			f(s.keys[k], &s.is[k])
		}
		s.mu.Unlock()
	}
}

// rate is how much may come in a time, in nanoseconds: one in each, and so much at
// once as would come in burst. What is kept of it is a single number, the time when
// all is paid for.
type rate struct{ each, burst int64 }

// take takes one if it may come now.
func (r rate) take(due *int64, now int64) bool {
	d := max(*due, now)
	if d-now > r.burst-r.each {
		return false
	}
	*due = d + r.each
	return true
}

// over reports whether none may come now.
func (r rate) over(due, now int64) bool { return due-now > r.burst-r.each }

// owe takes one that may come too early, and returns how long it should have waited. It is
// false if that were longer than limit.
func (r rate) owe(due *int64, now, limit int64) (wait int64, ok bool) {
	d := max(*due, now) + r.each
	if wait = max(d-now-r.burst, 0); wait > limit {
		return limit, false
	}
	*due = d
	return wait, true
}

// takeShared is take for a number that others take from at the same time.
func (r rate) takeShared(due *atomic.Int64, now int64) bool {
	for {
		before := due.Load()
		d := before
		if !r.take(&d, now) {
			return false
		}
		if due.CompareAndSwap(before, d) {
			return true
		}
	}
}
