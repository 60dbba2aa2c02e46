package discovery

import (
	"math"
	"time"
)

// Instant is a point in time in 8 octets, without a pointer: a third of a
// time.Time. What is kept of a phone has some twenty of them. The zero value is
// unknown, and before all others, as that of time.Time is.
//
// It counts nanoseconds from 1677-09-21 to 2262-04-11. A stamp from outside of
// that, which a capture may have, becomes the first or the last of them: the clock
// stands still there.
type Instant uint64

// firstInstant and lastInstant are the ends of what an Instant can tell.
const (
	firstInstant Instant = 1
	lastInstant  Instant = math.MaxUint64
)

// epoch is 1970-01-01, in the middle.
const epoch = 1 << 63

// InstantOf returns a time as an Instant; the zero time is unknown.
func InstantOf(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	switch s := t.Unix(); {
	case s <= math.MinInt64/int64(time.Second):
		return firstInstant
	case s >= math.MaxInt64/int64(time.Second):
		return lastInstant
	}
	return Instant(t.UnixNano()) + epoch
}

// Time returns the instant in UTC; the zero time if it is unknown.
func (i Instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(i-epoch)).UTC()
}

// String writes the instant as RFC 3339 does.
func (i Instant) String() string { return i.Time().Format(time.RFC3339Nano) }

// IsZero reports whether the instant is unknown.
func (i Instant) IsZero() bool { return i == 0 }

// After reports whether i is after j.
func (i Instant) After(j Instant) bool { return i > j }

// Before reports whether i is before j.
func (i Instant) Before(j Instant) bool { return i < j }

// Add returns the instant d later. An unknown one stays unknown.
func (i Instant) Add(d time.Duration) Instant {
	if i == 0 {
		return 0
	}
	sum := i + Instant(d)
	switch {
	case d > 0 && sum < i:
		return lastInstant
	case d < 0 && (sum > i || sum == 0):
		return firstInstant
	}
	return sum
}

// Sub returns how much later i is than j, at most the longest Duration; that is how
// long ago what is unknown was.
func (i Instant) Sub(j Instant) time.Duration {
	d := time.Duration(i - j)
	switch {
	case i == j:
		return 0
	case j == 0, i > j && d < 0:
		return math.MaxInt64
	case i == 0, i < j && d > 0:
		return math.MinInt64
	}
	return d
}

// MarshalJSON writes what time.Time does.
func (i Instant) MarshalJSON() ([]byte, error) { return i.Time().MarshalJSON() }

// UnmarshalJSON reads what MarshalJSON writes.
func (i *Instant) UnmarshalJSON(b []byte) error {
	var t time.Time
	err := t.UnmarshalJSON(b)
	*i = InstantOf(t)
	return err
}
