package swarm

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func newRunner(call func([]byte), seeds ...string) *runner {
	r := &runner{call: call, random: rand.New(rand.NewPCG(1, 2))}
	for _, s := range seeds {
		r.corpus = append(r.corpus, []byte(s))
	}
	return r
}

// A decoder that reads a byte that is not there is found out soon.
func TestPanicIsFound(t *testing.T) {
	r := newRunner(func(b []byte) {
		if len(b) > 0 && int(b[0]) > len(b) {
			_ = b[b[0]]
		}
	}, "\x03abcd")
	r.run(10_000)
	if !strings.HasPrefix(r.fault, "panic: runtime error: index out of range") {
		t.Errorf("got fault %q", r.fault)
	}
}

func TestMemoryIsFound(t *testing.T) {
	var keep []byte
	r := newRunner(func(b []byte) {
		if bytes.HasPrefix(b, []byte("ab")) {
			keep = make([]byte, 100<<20)
		}
	}, "abcd")
	r.run(1000)
	if !strings.HasPrefix(r.fault, "allocates 1") || keep == nil {
		t.Errorf("got fault %q", r.fault)
	}
}

// stuck records what a test would have failed with.
type stuck struct {
	testing.TB
	failed chan string
}

func (s *stuck) Fatalf(format string, args ...any) { s.failed <- format; panic(s) }

func TestHangIsFound(t *testing.T) {
	free := make(chan struct{})
	defer close(free)
	r := newRunner(func([]byte) { <-free }, "a")
	go r.run(1)
	s := &stuck{t, make(chan string, 1)}
	go func() {
		defer func() { _ = recover() }() // Fatalf does not return
		watch(s, []*runner{r}, make(chan struct{}))
	}()
	select {
	case got := <-s.failed:
		if !strings.HasPrefix(got, "hangs") {
			t.Errorf("got %q", got)
		}
	case <-time.After(20 * time.Second):
		t.Error("a hang was not noticed")
	}
}

func TestCorpusIsRead(t *testing.T) {
	for _, c := range []struct{ name, entry, want string }{
		{"octets alone", "go test fuzz v1\n[]byte(\"a\\x00\\n\")\n", "a\x00\n"},
		{"a number beside", "go test fuzz v1\nuint16(258)\n[]byte(\"x\")\n", "\x01\x02x"},
	} {
		if got, ok := parse(c.entry); !ok || string(got) != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.name, got, ok, c.want)
		}
	}
	if _, ok := parse("go test fuzz v1\nint(1)\n"); ok {
		t.Error("a number alone: want no octets")
	}
}

// Every kind of change keeps within bounds, also of an empty input.
func TestChanges(t *testing.T) {
	r := newRunner(nil, "", "a", strings.Repeat("b", mostLength))
	seen := map[string]bool{}
	for range 20_000 {
		b := r.mutate(nil)
		if len(b) > mostLength {
			t.Fatalf("got %d octets, want at most %d", len(b), mostLength)
		}
		seen[string(b)] = true
	}
	if len(seen) < 5_000 {
		t.Errorf("got %d different inputs of 20000", len(seen))
	}
}
