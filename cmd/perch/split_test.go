package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"perch/discovery/capture"
)

// stamps returns the times of all frames of a story.
func (s *story) stamps(t *testing.T) []time.Time {
	t.Helper()
	var out []time.Time
	m, err := capture.Open(s.captures, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for {
		f, err := m.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f.Time)
	}
}

// TestSplitReplay stops each story at some instants, in the middle of exchanges
// too, and goes on in another process's place: it must tell the same.
func TestSplitReplay(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 8))
	for _, s := range stories(t) {
		if len(s.steps) > 1 {
			continue // decisions at told times fix where it may be stopped
		}
		t.Run(s.name, func(t *testing.T) {
			whole := s.tell(t, filepath.Join(t.TempDir(), "whole.db"), "")
			stamps := s.stamps(t)
			for range 6 {
				at := stamps[random.IntN(len(stamps))].Add(time.Duration(random.IntN(int(2 * time.Minute))))
				if random.IntN(2) == 0 {
					at = stamps[random.IntN(len(stamps))]
				}
				if at.After(stamps[len(stamps)-1]) {
					continue // nothing would be left
				}
				split := s
				split.steps = [][]string{{"replay", "-until", at.UTC().Format(time.RFC3339Nano)}, {"replay"}}
				got := split.tell(t, filepath.Join(t.TempDir(), fmt.Sprintf("split-%d.db", at.UnixNano())), "")
				if !bytes.Equal(got, whole) {
					t.Errorf("stopped at %s:\n%s\nat once:\n%s", at.Format(time.RFC3339Nano), storyOf(t, got), storyOf(t, whole))
				}
			}
		})
	}
}

// TestSplitMessage stops stories inside of messages that come in several frames,
// wherever that can be: what goes on must know their beginnings.
func TestSplitMessage(t *testing.T) {
	for _, s := range stories(t) {
		if s.name != "register-over-tcp" && s.name != "register-in-fragments" {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			whole := s.tell(t, filepath.Join(t.TempDir(), "whole.db"), "")
			stamps := s.stamps(t)
			splits := 0
			for i, at := range stamps[:len(stamps)-1] {
				if stamps[i+1].Sub(at) > 500*time.Microsecond {
					continue // the parts of a message are 100 µs apart
				}
				splits++
				split := s
				split.steps = [][]string{{"replay", "-until", at.UTC().Format(time.RFC3339Nano)}, {"replay"}}
				got := split.tell(t, filepath.Join(t.TempDir(), fmt.Sprintf("split-%d.db", i)), "")
				if !bytes.Equal(got, whole) {
					t.Errorf("stopped at %s:\n%s\nat once:\n%s", at.Format(time.RFC3339Nano), storyOf(t, got), storyOf(t, whole))
				}
			}
			if splits < 2 {
				t.Errorf("only %d places to stop at", splits)
			}
		})
	}
}
