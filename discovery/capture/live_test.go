package capture

import (
	"fmt"
	"testing"
	"time"
)

// A frame's time is LiveConfig's, and its age the kernel's: whatever the wall
// clock does, no frame is more than a second off, or before the one in front.
func TestLiveClock(t *testing.T) {
	wall := time.Now()
	for _, tc := range []struct {
		name   string
		stamps []time.Duration // by the kernel's clock, seen from the reading
		want   []time.Duration // seen from start
	}{
		{"just now", []time.Duration{0}, []time.Duration{0}},
		{"in turn", []time.Duration{-50 * time.Millisecond, -20 * time.Millisecond}, []time.Duration{-50 * time.Millisecond, -20 * time.Millisecond}},
		{"out of turn", []time.Duration{-20 * time.Millisecond, -50 * time.Millisecond}, []time.Duration{-20 * time.Millisecond, -20 * time.Millisecond}},
		{"the wall clock set forward", []time.Duration{-time.Hour, -time.Hour}, []time.Duration{-maxAge, -maxAge}},
		{"the wall clock set back", []time.Duration{time.Hour, -time.Millisecond}, []time.Duration{0, 0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := clock{read: wall, at: start}
			for i, stamp := range tc.stamps {
				if got, want := c.time(wall.Add(stamp)), start.Add(tc.want[i]); !got.Equal(want) {
					t.Errorf("frame %d: got %v, want %v", i+1, got.Sub(start), want.Sub(start))
				}
			}
		})
	}
}

// Values beyond the last have names too, since they come from others.
func TestLiveNames(t *testing.T) {
	for _, tc := range []struct {
		got  fmt.Stringer
		want string
	}{{Waiting, "waiting"}, {Dropping, "dropping"}, {LiveState(9), "state 9"}, {NotPermitted, "not permitted"}, {SystemFailed, "system failed"}, {InterfaceReason(9), "reason 9"}} {
		if got := tc.got.String(); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}
