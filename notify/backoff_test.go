package notify

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	b := Backoff{First: 30 * time.Second, Max: time.Hour, Jitter: 0.2}
	seen := map[time.Duration]bool{}
	for id := range int64(500) {
		for n := 1; n <= 40; n++ {
			plain := time.Hour
			if n < 8 {
				plain = 30 * time.Second << (n - 1)
			}
			got := b.Delay(id, n)
			if got < plain*8/10 || got > plain*12/10 {
				t.Fatalf("Delay(%d, %d): got %s, want %s ±20 %%", id, n, got, plain)
			}
			if got != b.Delay(id, n) {
				t.Fatalf("Delay(%d, %d): got two values", id, n)
			}
			if n == 20 {
				seen[got.Truncate(time.Minute)] = true
			}
		}
	}
	if len(seen) != 24 {
		t.Errorf("500 mails are spread over %d of the 24 minutes that the jitter has", len(seen))
	}
	for _, n := range []int{-1, 0, 1} {
		if got := (Backoff{First: time.Second, Max: time.Minute}).Delay(1, n); got != time.Second {
			t.Errorf("Delay(1, %d): got %s, want the first", n, got)
		}
	}
	if got := (Backoff{First: time.Second, Max: 1 << 62}).Delay(1, 1000); got <= 0 {
		t.Errorf("after 1000 failures: got %s", got)
	}
}
