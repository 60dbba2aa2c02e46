package main

import (
	"os"
	"runtime"
	"testing"
	"time"
)

// replayWatch is that of a replay.
var replayWatch = &gcWatch{spare: spare, percent: garbagePercent}

func TestPercentFor(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{
		{0, 1000}, // of 4 MiB
		{4 << 20, 1000},
		{40 << 20, 100},
		{79 << 20, 50}, // 40 MiB are half of it, and a little
		{80 << 20, 50},
		{4 << 30, 50},
	} {
		if got := replayWatch.percentFor(c.live); got != c.want {
			t.Errorf("percentFor(%d MiB) = %d, want %d", c.live>>20, got, c.want)
		}
	}
}

// TestLean holds GOGC to what is live after each collection, and to what it was
// once the work is done.
func TestLean(t *testing.T) {
	if os.Getenv("GOGC") != "" {
		t.Fatal("GOGC is set: lean leaves everything as it is")
	}
	percent := func() int { return int(readGC("/gc/gogc:percent")) }
	before := percent()
	restore := lean(spare, garbagePercent)
	if got := percent(); got != replayWatch.percentFor(0) {
		t.Errorf("at first GOGC is %d, want %d", got, replayWatch.percentFor(0))
	}
	// Twice: the watch arms itself again.
	var kept [][]byte
	for range 2 {
		kept = append(kept, make([]byte, 48<<20))
		live := uint64(len(kept)) * 48 << 20
		runtime.GC()
		most := replayWatch.percentFor(live)
		for end := time.Now().Add(10 * time.Second); percent() > most; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("with %d MiB live GOGC is still %d, want at most %d", live>>20, percent(), most)
			}
		}
		if got := percent(); got < garbagePercent {
			t.Errorf("with %d MiB live GOGC is %d, want at least %d", live>>20, got, garbagePercent)
		}
	}
	runtime.KeepAlive(kept)
	restore()
	runtime.GC()
	time.Sleep(50 * time.Millisecond) // for a clean-up that should not be
	if got := percent(); got != before {
		t.Errorf("afterwards GOGC is %d, want %d as before", got, before)
	}
}
