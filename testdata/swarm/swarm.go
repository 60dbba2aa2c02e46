// Package swarm runs a fuzz target's function over very many mutated inputs.
//
// Go's own fuzzer finds new ways through a decoder by watching which of its
// branches an input takes, and pays for that with nearly all of its time. Once
// it has found the ways, most of what is left to find is a wrong number on one
// of them, and for that the number of tries counts. So the two take turns: the
// fuzzer makes a corpus, and the swarm changes its entries at random, without
// watching, several times as fast.
//
//	func FuzzLLDP(f *testing.F) {
//		seeds := [][]byte{...}
//		swarm.Run(f, seeds, func() func([]byte) { return decode })
//		f.Fuzz(...)
//	}
//
// Fuzz does both for a target whose check returns what is wrong.
//
// Each execution is held to what FIGURES asks of a decoder: no panic, at most a
// second, at most 64 MiB allocated. Randomness is seeded with the target's name,
// so that the same corpus and count give the same inputs.
package swarm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The environment of a run: how many executions each target gets, and where the
// corpora stand that the fuzzer has made, one directory a target below it (what
// `go env GOCACHE` has in fuzz/MODULE/PACKAGE). Without it the seeds are all.
const (
	envCount  = "PERCH_SWARM"
	envCorpus = "PERCH_CORPUS"
)

// few is how many executions a target gets in an ordinary run of its tests.
const few = 20_000

// What one execution may cost.
const (
	mostTime   = time.Second
	mostMemory = 64 << 20 // octets allocated
)

// Fuzz runs a target's checks over mutated seeds, and then under Go's fuzzer. Each goroutine
// has a check of its own, which made makes; what it does to its input stays with it.
func Fuzz(f *testing.F, made func() func([]byte) error, seeds ...string) {
	f.Helper()
	var all [][]byte
	for _, s := range seeds {
		f.Add([]byte(s))
		all = append(all, []byte(s))
	}
	Run(f, all, func() func([]byte) {
		check := made()
		return func(b []byte) {
			if err := check(bytes.Clone(b)); err != nil {
				panic(err)
			}
		}
	})
	check := made()
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := check(bytes.Clone(b)); err != nil {
			t.Fatal(err)
		}
	})
}

// Run calls the functions that worker makes with mutated seeds, in as many
// goroutines as there are processors, each with a function of its own. The input
// is the callee's for the call only. It fails the target at the first execution
// that panics, hangs or allocates too much, and names its input.
func Run(tb testing.TB, seeds [][]byte, worker func() func([]byte)) {
	tb.Helper()
	count := few
	if s := os.Getenv(envCount); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			tb.Fatalf("%s=%q: want a number of executions", envCount, s)
		}
		count = n
	}
	corpus := append(append([][]byte{}, seeds...), found(tb)...)
	if len(corpus) == 0 {
		tb.Fatal("no seed")
	}
	began := time.Now()
	workers := runtime.GOMAXPROCS(0)
	var group sync.WaitGroup
	all := make([]*runner, workers)
	for i := range all {
		r := &runner{corpus: corpus, call: worker(), random: rand.New(rand.NewPCG(seed(tb.Name()), uint64(i)))}
		all[i] = r
		n := count / workers
		if i < count%workers {
			n++
		}
		group.Go(func() { r.run(n) })
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	watch(tb, all, done)
	for _, r := range all {
		if r.fault != "" {
			tb.Fatalf("%s\ninput %q", r.fault, r.input)
		}
	}
	if count != few {
		tb.Logf("%d executions in %s from %d inputs", count, time.Since(began).Round(time.Second), len(corpus))
	}
}

func seed(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

// watch waits until all runners are done, and fails the target when one of them
// hangs.
func watch(tb testing.TB, all []*runner, done <-chan struct{}) {
	tick := time.NewTicker(mostTime)
	defer tick.Stop()
	last := make([]int64, len(all))
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		for i, r := range all {
			// Two ticks within one execution are more than mostTime.
			now := r.executions.Load()
			if now == last[i] && now >= 0 {
				tb.Fatalf("hangs for more than %s\ninput %q", mostTime, r.current())
			}
			last[i] = now
		}
	}
}

// runner is one goroutine's share.
type runner struct {
	corpus [][]byte
	call   func([]byte)
	random *rand.Rand

	executions atomic.Int64 // so far; -1 at the end
	mu         sync.Mutex
	input      []byte
	fault      string
}

func (r *runner) current() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]byte(nil), r.input...)
}

func (r *runner) run(n int) {
	defer r.executions.Store(-1)
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	var scratch []byte
	for i := range n {
		scratch = r.mutate(scratch[:0])
		r.mu.Lock()
		r.input = append(r.input[:0], scratch...)
		r.mu.Unlock()
		if !r.once(scratch) {
			return
		}
		r.executions.Store(int64(i + 1))
		// What was allocated is counted for the whole process: only where that
		// is too much is it looked at more closely.
		metrics.Read(sample)
		after := sample[0].Value.Uint64()
		if after-before > mostMemory && !r.frugal() {
			return
		}
		before = after
	}
}

// once executes the function, and notes a panic.
func (r *runner) once(b []byte) (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			r.fault = fmt.Sprintf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	r.call(b)
	return true
}

// alone is held while an execution's memory is measured.
var alone sync.Mutex

// frugal repeats an execution a few times: if it allocates too much each time, it
// is to blame, and not what other goroutines did meanwhile.
func (r *runner) frugal() bool {
	alone.Lock()
	defer alone.Unlock()
	var was, is runtime.MemStats
	for range 3 {
		runtime.ReadMemStats(&was)
		if !r.once(append([]byte(nil), r.input...)) {
			return false
		}
		runtime.ReadMemStats(&is)
		if is.TotalAlloc-was.TotalAlloc <= mostMemory {
			return true
		}
	}
	r.fault = fmt.Sprintf("allocates %d octets", is.TotalAlloc-was.TotalAlloc)
	return false
}

// found returns the inputs that the fuzzer has kept for the target.
func found(tb testing.TB) [][]byte {
	dir := os.Getenv(envCorpus)
	if dir == "" {
		return nil
	}
	names, err := filepath.Glob(filepath.Join(dir, tb.Name(), "*"))
	if err != nil {
		tb.Fatal(err)
	}
	var all [][]byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		if in, ok := parse(string(b)); ok {
			all = append(all, in)
		}
	}
	return all
}

// parse reads an entry of a corpus: a header line, and one line a value. A number
// of 16 bits becomes two octets, in front of what stands behind it; other values
// are passed over.
func parse(entry string) (b []byte, ok bool) {
	for line := range strings.Lines(entry) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), "(")
		value := strings.TrimSuffix(rest, ")")
		switch kind {
		case "uint16":
			n, err := strconv.ParseUint(value, 10, 16)
			if err != nil {
				return nil, false
			}
			b = binary.BigEndian.AppendUint16(b, uint16(n))
		case "[]byte":
			s, err := strconv.Unquote(value)
			if err != nil {
				return nil, false
			}
			b, ok = append(b, s...), true
		}
	}
	return b, ok
}
