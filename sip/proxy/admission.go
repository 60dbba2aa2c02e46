package proxy

import (
	"encoding/binary"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"
)

// What may come, before anybody reads it. A phone says a message in some minutes; a
// call is ten of them. Figures are for a source, which is an address or a /64.
const (
	second = int64(time.Second)
	minute = int64(time.Minute)
	hour   = int64(time.Hour)
)

var (
	// A source that nothing is known of: a phone, or the gateway of a site whose phones all
	// start at once. Of a thousand phones behind one gateway each sends two REGISTERs; the
	// first that is accepted, within milliseconds, makes it one that is known.
	strangerRate = perSecond(256, 1024)
	// A source from which somebody registers: 50 000 phones behind one gateway, in a storm.
	knownRate = perSecond(50_000, 50_000)
	// All sources of which nothing is known together. A storm of 50 000 phones in 30 s, each
	// at its own address, is 3 400 in a second. Who is known does not share it, so a flood
	// from made-up addresses costs phones that have registered nothing.
	strangersRate = perSecond(10_000, 20_000)
	// What may be a call for help, of a source that is over its limit or banned. A call is
	// about ten messages of the phone's, so this is ten new calls in a second and fifty at
	// once from one building, and too little to be of use to whoever makes them up.
	helpRate = perSecond(100, 500)
	// The same of all sources together that are not known: made-up addresses all have their
	// own 100. At 50 calls a second a call centre for help is busy already.
	helpsRate = perSecond(500, 2000)
)

func perSecond(n, burst int64) rate { return rate{second / n, burst * second / n} }

const (
	// sourceSets bounds the sources that are known at a time, to 131 072: 8 MiB, and at most
	// 40 MiB for what was refused to them.
	sourceSets = 1 << 13
	// knownFor is how long a source is known by a REGISTER that was accepted. Few are
	// refreshed less often than once in an hour.
	knownFor = 2 * hour
	// maxAhead is how far the connections of a source may be over its limit, and so how long
	// one is not read on at most. One alone never is: what is read at a time is paid for
	// within seconds. Of many together what is too much is dropped.
	maxAhead = 10 * second
	// crowdedPause is how long one is not read on when all strangers are over theirs.
	crowdedPause = second / 4
)

// source is who something comes from: an IPv4 address, or the first half of an IPv6
// address, since whoever has one address of a /64 has them all. The numbers do not
// meet: ::/32 is nobody's but ::1, which counts as 0.0.0.0 (RFC 4291 section 2.5).
type source uint64

func sourceOf(a netip.Addr) source {
	if a.Is4() {
		b := a.As4()
		return source(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	return source(binary.BigEndian.Uint64(b[:8]))
}

// String returns the address, or the prefix.
func (s source) String() string {
	if s == 0 {
		return "::1"
	}
	if s>>32 == 0 {
		return netip.AddrFrom4([4]byte{byte(s >> 24), byte(s >> 16), byte(s >> 8), byte(s)}).String()
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(s))
	return netip.PrefixFrom(netip.AddrFrom16(b), 64).String()
}

// admission is who may be heard. Times are nanoseconds since the proxy was made.
type admission struct {
	sources   table[standing]
	lines     table[line]
	strangers atomic.Int64           // of strangersRate
	helps     atomic.Int64           // of helpsRate
	tried     [1 << 13]atomic.Uint64 // transactions whose requests carry credentials
	seed      maphash.Seed           // of what lines are numbered by
	listed    func(source) bool      // whether phones of the roll register from there
	log       *slog.Logger
	told      [bans]atomic.Int64  // when a ban was logged last
	untold    [bans]atomic.Uint64 // bans since then
}

// standing is what is known of a source.
type standing struct {
	due    int64 // of its rate
	help   int64 // of helpRate
	known  int64 // until when it is, by a REGISTER that was accepted
	banned int64 // until when it is not heard
	bans   uint8 // in a row
	doubts *doubts
}

func (a *admission) init(log *slog.Logger, listed func(source) bool) {
	a.log, a.listed, a.seed = log, listed, maphash.MakeSeed()
	a.sources.init(sourceSets, func(v *standing, now int64) worth { return worth{v.rank(now), v.due} })
	a.lines.init(lineSets, func(v *line, _ int64) worth { return worth{v.rank(), v.seen} })
}

// Ranks of sources. Nothing that is not confirmed displaces what is.
const (
	rankStranger = iota
	rankDoubted
	rankBanned
	rankKnown
)

func (v *standing) rank(now int64) int {
	switch {
	case v.known > now:
		return rankKnown
	case v.banned > now:
		return rankBanned
	case v.doubts != nil:
		return rankDoubted
	}
	return rankStranger
}

// verdict is what is done with a message of a source.
type verdict uint8

const (
	admitted verdict = iota
	crowded          // its source is over its limit, or all are
	barred           // its source is banned
)

// admit takes a message of a source in, or says why not. It keeps nothing of who sends
// once, but a place that the next one may have.
func (a *admission) admit(s source, now int64) verdict {
	set := a.sources.lock(uint64(s))
	defer set.mu.Unlock()
	v := a.sources.put(set, uint64(s), rankStranger, now)
	if v == nil {
		if strangersRate.takeShared(&a.strangers, now) {
			return admitted
		}
		return crowded
	}
	switch {
	case v.known > now:
	case v.banned > now:
		if !a.remember(v, s, now) {
			return barred
		}
	default:
		d := v.due
		if strangerRate.take(&d, now) && strangersRate.takeShared(&a.strangers, now) {
			v.due = d
			return admitted
		}
		if !a.remember(v, s, now) {
			return crowded
		}
	}
	if knownRate.take(&v.due, now) {
		return admitted
	}
	return crowded
}

// remember makes a source a known one that the roll has, as after a start, when nobody
// has registered yet.
func (a *admission) remember(v *standing, s source, now int64) bool {
	if !a.listed(s) {
		return false
	}
	v.become(now)
	return true
}

// become makes a source a known one, or keeps it one. What it took as a stranger is paid
// for: a second of that would be more than a known one may owe.
func (v *standing) become(now int64) {
	if v.known <= now {
		v.due = now
	}
	v.known = now + knownFor
}

// spend is admit for a message of a connection, which waits instead of being lost, unless
// many connections of its source do.
func (a *admission) spend(s source, now int64) (wait int64, is verdict) {
	set := a.sources.lock(uint64(s))
	defer set.mu.Unlock()
	v := a.sources.put(set, uint64(s), rankStranger, now)
	if v == nil {
		return 0, admitted // connections are few
	}
	at := strangerRate
	switch {
	case v.known > now:
		at = knownRate
	case v.banned > now && !a.remember(v, s, now):
		return 0, barred
	}
	wait, ok := at.owe(&v.due, now, maxAhead)
	if v.known <= now && !strangersRate.takeShared(&a.strangers, now) {
		wait = max(wait, crowdedPause)
	}
	switch {
	case wait == 0:
		return 0, admitted
	case v.known <= now && a.remember(v, s, now):
		return 0, admitted
	case !ok:
		return wait, crowded
	}
	return wait, admitted
}

// spare takes what may be a call for help in, though its source is not heard.
func (a *admission) spare(s source, now int64) bool {
	set := a.sources.lock(uint64(s))
	defer set.mu.Unlock()
	v := a.sources.put(set, uint64(s), rankStranger, now)
	if v == nil {
		return helpsRate.takeShared(&a.helps, now)
	}
	return helpRate.take(&v.help, now) && (v.known > now || helpsRate.takeShared(&a.helps, now))
}

// knows reports whether somebody registers from a source.
func (a *admission) knows(s source, now int64) bool {
	set := a.sources.lock(uint64(s))
	defer set.mu.Unlock()
	v := set.get(uint64(s))
	return v != nil && v.known > now || a.listed(s)
}
