package proxy

import (
	"slices"
	"time"
)

// What may be refused to a source until it is not heard for a while. A wrong number is
// no harm and a phone with a wrong password tries once in a minute, but a scanner
// lives by being refused.
var (
	// Refusals of a source: so many at once, and one in two minutes.
	refusalRate = rate{2 * minute, 30 * 2 * minute}
	// Passwords that are tried for a line by who does not hold it, from everywhere
	// together: so many at once, and one in a minute, which is 525 600 in a year.
	tryRate = rate{minute, 20 * minute}
)

const (
	// maxRefused is how many different targets may be refused to a source within
	// refusedFor, and maxRefusedKnown to one from which somebody registers, where only
	// REGISTERs for lines that it does not hold count. Who tries one in eight minutes or
	// more often is found out.
	maxRefused      = 20
	maxRefusedKnown = 32
	refusedFor      = 3 * hour
	// A ban is so long, the next one twice that, until longestBan; after bansForgotten
	// without one it is so long again.
	shortestBan   = 5 * minute
	longestBan    = hour
	bansForgotten = 6 * hour
	// lineSets bounds the lines that are known at a time, to 131 072 in 8 MiB.
	lineSets = 1 << 13
	// retryLater is what a phone is told that tried in vain too often.
	retryLater = "Retry-After: 60"
)

// ban is why a source is banned.
type ban uint8

const (
	banRefused ban = iota
	banTargets
	bans
)

var banReasons = [bans]string{"refused too often", "refused too many targets"}

// String returns the reason as the log has it.
func (b ban) String() string { return banReasons[b] }

// doubts are what was refused to a source lately.
type doubts struct {
	due     int64 // of refusalRate
	targets [maxRefusedKnown]refused
}

// refused is a target that was, and when last; the zero value is none.
type refused struct {
	sum uint32
	at  uint32 // seconds, from 1
}

// note notes that a target was refused. It is false if limit others were before.
func (d *doubts) note(sum uint32, limit int, now int64) bool {
	at, since := uint32(now/second)+1, uint32(max(now-refusedFor, 0)/second)+1
	free := -1
	for i := range d.targets {
		switch t := &d.targets[i]; {
		case t.sum == sum && t.at != 0:
			t.at = at
			return true
		case free < 0 && i < limit && (t.at == 0 || t.at < since):
			free = i
		}
	}
	if free < 0 {
		return false
	}
	d.targets[free] = refused{sum, at}
	return true
}

// forgive takes a target out again, which was refused for an old nonce, or until a
// password was put right.
func (d *doubts) forgive(sum uint32) {
	for i := range d.targets {
		if d.targets[i].sum == sum {
			d.targets[i] = refused{}
			d.due -= refusalRate.each
		}
	}
}

// line is what is known of an AOR.
type line struct {
	holder source // who registered it last
	held   bool
	due    int64 // of tryRate
	seen   int64
}

// Ranks of lines.
const (
	rankTried = iota
	rankHeld
)

func (l *line) rank() int {
	if l.held {
		return rankHeld
	}
	return rankTried
}

// accept notes that a source has registered a line.
func (a *admission) accept(s source, aor uint64, now int64) {
	lines := a.lines.lock(aor)
	if l := a.lines.put(lines, aor, rankHeld, now); l != nil {
		if !l.held || l.holder != s {
			l.due -= tryRate.each // what it took to get here
		}
		l.holder, l.held, l.seen = s, true, now
	}
	lines.mu.Unlock()

	set := a.sources.lock(uint64(s))
	defer set.mu.Unlock()
	if v := a.sources.put(set, uint64(s), rankKnown, now); v != nil {
		v.become(now)
		if v.doubts != nil {
			v.doubts.forgive(uint32(aor))
		}
	}
}

// try takes one try of a password for a line by a source. It is false if there were too
// many; never for who holds it. Of a source that is known, and was refused too many
// lines, it takes no other lines.
func (a *admission) try(s source, aor uint64, credentials bool, now int64) bool {
	lines := a.lines.lock(aor)
	l := lines.get(aor)
	if l == nil && credentials {
		l = a.lines.put(lines, aor, rankTried, now)
	}
	ok := true
	if l != nil && !(l.held && l.holder == s) {
		l.seen = now
		if ok = !tryRate.over(l.due, now); ok && credentials {
			tryRate.take(&l.due, now)
		}
	}
	holds := l != nil && l.held && l.holder == s
	lines.mu.Unlock()
	if !ok || holds {
		return ok
	}
	set := a.sources.lock(uint64(s))
	defer set.mu.Unlock()
	v := set.get(uint64(s))
	return v == nil || v.banned <= now
}

// holds reports whether a source is the one that registered a line last.
func (a *admission) holds(s source, aor uint64) bool {
	set := a.lines.lock(aor)
	defer set.mu.Unlock()
	l := set.get(aor)
	return l != nil && l.held && l.holder == s
}

// refuse notes that a target was refused to a source. Of one from which somebody
// registers only other lines than its own count: it dials wrong numbers, and a phone of
// many may have a wrong password.
func (a *admission) refuse(s source, target uint64, register bool, now int64) {
	if register && a.holds(s, target) {
		return
	}
	set := a.sources.lock(uint64(s))
	defer set.mu.Unlock()
	v := a.sources.put(set, uint64(s), rankDoubted, now)
	if v == nil {
		return
	}
	known := v.known > now || a.remember(v, s, now)
	if known && !register {
		return
	}
	if v.doubts == nil {
		v.doubts = &doubts{}
	}
	limit := maxRefused
	if known {
		limit = maxRefusedKnown
	}
	switch {
	case !v.doubts.note(uint32(target), limit, now):
		a.ban(v, s, banTargets, known, now)
	case !known && !refusalRate.take(&v.doubts.due, now):
		a.ban(v, s, banRefused, known, now)
	}
}

// ban bans a source. Its set is locked.
func (a *admission) ban(v *standing, s source, why ban, known bool, now int64) {
	if v.banned > now {
		return
	}
	if v.banned == 0 || now-v.banned > bansForgotten {
		v.bans = 0
	}
	long := min(shortestBan<<v.bans, longestBan)
	v.banned = now + long
	if shortestBan<<v.bans < longestBan {
		v.bans++
	}
	last := a.told[why].Load()
	if last != 0 && now-last < minute || !a.told[why].CompareAndSwap(last, max(now, 1)) {
		a.untold[why].Add(1)
		return
	}
	what := "a source is not heard for a while, but for emergency calls"
	if known {
		what = "a source from which phones register may register no others for a while"
	}
	a.log.Warn(what, "source", s.String(), "for", time.Duration(long).String(), "why", why.String(), "more since the last line", a.untold[why].Swap(0))
}

// Banned are the sources that are not heard now, but for emergency calls.
type Banned struct {
	Count   int      `json:"count"`
	Sources []string `json:"sources,omitempty"` // some of them: addresses, or prefixes of IPv6
}

// maxNamed is how many of the banned are named.
const maxNamed = 8

func (a *admission) banned(now int64) (out Banned) {
	a.sources.all(func(key uint64, v *standing) {
		if v.banned <= now || v.known > now {
			return
		}
		if out.Count++; len(out.Sources) < maxNamed {
			out.Sources = append(out.Sources, source(key).String())
		}
	})
	slices.Sort(out.Sources)
	return out
}
