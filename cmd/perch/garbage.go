package main

import (
	"os"
	"runtime"
	"runtime/debug"
	gometrics "runtime/metrics"
	"sync"
)

// How much garbage may lie beside what is live while captures are replayed: spare
// octets, or garbagePercent of what is live where that is more. Go's default of 100
// would double the memory of a large campus, and go over what is live of a small one
// dozens of times for a few megabytes each.
const (
	spare          = 40 << 20
	garbagePercent = 50
)

// The same for the SIP path, which makes little that lives.
const (
	pathSpare   = 12 << 20
	pathPercent = 100
)

// loadPercent is the same while a database is loaded. What comes of it lives on, so a
// collection goes over everything and finds little: with Go's default they take a
// fifth of the time, and at the end there is as much room for garbage as with this.
const loadPercent = 200

// leastHeap is what Go takes for live before the first collection, and at least.
const leastHeap = 4 << 20

// lean keeps garbage within those bounds until the function that it returns is
// called. GOGC in the environment has the last word.
func lean(spare uint64, percent int) (restore func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	w := &gcWatch{spare: spare, percent: percent}
	before := debug.SetGCPercent(w.percentFor(0))
	w.arm()
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.stopped = true
		debug.SetGCPercent(before)
	}
}

// percentFor returns GOGC for a heap of which so many octets are live.
func (w *gcWatch) percentFor(live uint64) int {
	return max(w.percent, int(w.spare*100/max(live, leastHeap)))
}

// gcWatch sets GOGC anew after each collection, of which it learns by an object of
// its own that nothing refers to.
type gcWatch struct {
	spare   uint64
	percent int

	mu      sync.Mutex
	stopped bool
}

// arm waits for the next collection.
func (w *gcWatch) arm() {
	// Tiny objects without pointers share one allocation and may outlive a collection.
	type sentinel struct{ _ *byte }
	runtime.AddCleanup(new(sentinel), (*gcWatch).collected, w)
}

func (w *gcWatch) collected() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	debug.SetGCPercent(w.percentFor(readGC("/gc/heap/live:bytes")))
	w.arm()
}

// readGC reads one of the runtime's counters; 0 if this Go has no such.
func readGC(name string) uint64 {
	sample := []gometrics.Sample{{Name: name}}
	gometrics.Read(sample)
	if v := sample[0].Value; v.Kind() == gometrics.KindUint64 {
		return v.Uint64()
	}
	return 0
}
