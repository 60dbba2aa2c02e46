package serve

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// misses counts by source who asks for what it does not get. The zero value is ready.
type misses struct {
	mu sync.Mutex
	by map[netip.Prefix]*missing

	hash maphash.Seed
}

type missing struct {
	seen    [maxMisses]uint64 // what it missed last: the same once more is no guess
	count   int               // names that are none, wrong passwords, and phones that did not say theirs yet
	next    int               // in seen
	began   time.Time
	blocked time.Time // until when it is
	proved  time.Time // when a phone of its proved last which it is
}

const (
	// maxMisses is how many a source may have in missesKept.
	maxMisses  = 20
	missesKept = time.Hour
	// maxOfSite is the same for a source from which a phone proved which it is, in the last
	// provedFor: many may stand behind one address, and all start when the power is back.
	maxOfSite = 1000
	provedFor = 24 * time.Hour
	// blockFor is how long a source is not heard then.
	blockFor = time.Hour
	// maxSources bounds those that are known. When there are more the oldest half goes.
	maxSources = 1 << 16
)

// sourceKey is who counts as one: an address, or a /64 of IPv6.
func sourceKey(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

func (m *misses) of(a netip.Addr, now time.Time) *missing {
	k := sourceKey(a)
	x := m.by[k]
	switch {
	case x == nil:
		if m.by == nil {
			m.by = map[netip.Prefix]*missing{}
		}
		if len(m.by) >= maxSources {
			m.halve(now)
		}
		x = &missing{began: now}
		m.by[k] = x
	case now.Sub(x.began) > missesKept && now.After(x.blocked):
		x.count, x.began = 0, now
	}
	return x
}

// halve forgets who has not missed for the longest.
func (m *misses) halve(now time.Time) {
	for k, x := range m.by {
		if now.After(x.blocked) {
			delete(m.by, k)
		}
		if len(m.by) <= maxSources/2 {
			return
		}
	}
}

// blocked reports whether a source is not heard now.
func (m *misses) blocked(a netip.Addr, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.by[sourceKey(a)]
	return x != nil && now.Before(x.blocked)
}

// note counts a miss, and reports whether it was the last that the source has, and until when
// it is not heard then. What it asked for counts once: a phone that waits asks again and again.
func (m *misses) note(a netip.Addr, what string, now time.Time) (until time.Time, blocked bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x, most := m.of(a, now), maxMisses
	if sum := maphash.String(m.seed(), what); slices.Contains(x.seen[:], sum) {
		return time.Time{}, false
	} else {
		x.seen[x.next%maxMisses] = sum
		x.next++
	}
	if !x.proved.IsZero() && now.Sub(x.proved) < provedFor {
		most = maxOfSite
	}
	if x.count++; x.count < most {
		return time.Time{}, false
	}
	first := !now.Before(x.blocked)
	x.blocked = now.Add(blockFor)
	return x.blocked, first
}

// tell notes a miss, and tells of the source if it is not heard any more.
func (m *misses) tell(a netip.Addr, what string, now time.Time, blocked func(netip.Addr, time.Time)) {
	if until, last := m.note(a, what, now); last && blocked != nil {
		blocked(a, until)
	}
}

func (m *misses) seed() maphash.Seed {
	if m.hash == (maphash.Seed{}) {
		m.hash = maphash.MakeSeed()
	}
	return m.hash
}

// unblock lets the sources of a network be heard again; what they may miss stays as it is.
func (m *misses) unblock(p netip.Prefix) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, x := range m.by {
		if p.Overlaps(k) {
			x.count, x.seen, x.blocked = 0, [maxMisses]uint64{}, time.Time{}
		}
	}
}

// count returns how many sources are blocked.
func (m *misses) count(now time.Time) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.by {
		if now.Before(x.blocked) {
			n++
		}
	}
	return n
}

// forgive forgets the misses of a source of which a phone proved which it is.
func (m *misses) forgive(a netip.Addr, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.of(a, now)
	x.count, x.proved = 0, now
}
