package discovery_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"perch/discovery"
)

// TestInstantIsItsTime checks that an instant is written as its time is, and read
// again, and that two of them compare and add as times do.
func TestInstantIsItsTime(t *testing.T) {
	times := map[string]time.Time{
		"unknown":              {},
		"a stamp":              time.Date(2026, 5, 4, 8, 0, 0, 123456789, time.UTC),
		"a whole second later": time.Date(2026, 5, 4, 8, 0, 1, 123456789, time.UTC),
		"a clock never set":    time.Unix(0, 0).UTC(),
		"just before":          time.Unix(0, -1).UTC(),
		"long ago":             time.Date(1700, 1, 1, 0, 0, 0, 0, time.UTC),
		"far ahead":            time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	for name, at := range times {
		i := discovery.InstantOf(at)
		if i.IsZero() != at.IsZero() || !i.Time().Equal(at) {
			t.Errorf("%s: got %v, want %v", name, i.Time(), at)
		}
		got, err := json.Marshal(i)
		want, _ := json.Marshal(at)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s: got %s %v, want %s", name, got, err, want)
		}
		var back discovery.Instant
		if err := json.Unmarshal(got, &back); err != nil || back != i {
			t.Errorf("%s: read as %v %v, want %v", name, back.Time(), err, at)
		}
		for other, to := range times {
			j := discovery.InstantOf(to)
			if got, want := i.Before(j), at.Before(to); got != want {
				t.Errorf("%s before %s: got %v, want %v", name, other, got, want)
			}
			if got, want := i.After(j), at.After(to); got != want {
				t.Errorf("%s after %s: got %v, want %v", name, other, got, want)
			}
			if got, want := i.Sub(j), at.Sub(to); got != want {
				t.Errorf("%s less %s: got %v, want %v", name, other, got, want)
			}
		}
		for _, d := range []time.Duration{0, 1, -1, time.Hour, -time.Hour} {
			if got, want := i.Add(d).Time(), at.Add(d); !at.IsZero() && !got.Equal(want) {
				t.Errorf("%s and %v: got %v, want %v", name, d, got, want)
			}
		}
	}
}

// TestInstantEnds checks that the clock stands still at the ends, rather than
// starting over at the other.
func TestInstantEnds(t *testing.T) {
	first := discovery.InstantOf(time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC))
	last := discovery.InstantOf(time.Date(60000, 1, 1, 0, 0, 0, 0, time.UTC))
	for name, c := range map[string]struct{ got, want discovery.Instant }{
		"before the first":      {discovery.InstantOf(time.Unix(math.MinInt64/1_000_000_000-1, 0)), first},
		"after the last":        {discovery.InstantOf(time.Unix(math.MaxInt64/1_000_000_000+1, 0)), last},
		"an hour from the last": {last.Add(time.Hour), last},
		"far from the last":     {last.Add(math.MaxInt64), last},
		"far from the first":    {first.Add(math.MinInt64), first},
		"an unknown one":        {discovery.Instant(0).Add(time.Hour), 0},
	} {
		if c.got != c.want || c.got.IsZero() != c.want.IsZero() {
			t.Errorf("%s: got %v, want %v", name, c.got.Time(), c.want.Time())
		}
	}
	if first.IsZero() || last.IsZero() || !first.Before(last) {
		t.Errorf("the ends are %v and %v", first.Time(), last.Time())
	}
	if first.Sub(last) != math.MinInt64 || last.Sub(first) != math.MaxInt64 {
		t.Errorf("got %v and %v between the ends", first.Sub(last), last.Sub(first))
	}
}
