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
