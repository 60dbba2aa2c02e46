package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// story is what a replay printed.
type story struct {
	sum                          string // SHA-256 of the events
	frames, observations, events int
	appeared                     int // phones
}

// replay runs perch replay over a capture, or over what feed writes if the
// capture is "-", and checks that it missed nothing that was written.
func (b *bench) replay(capture string, feed func(io.Writer) error, want func() tally) (usage, story, error) {
	out, err := newOutput(b.dir)
	if err != nil {
		return usage{}, story{}, err
	}
	defer out.remove()
	c := child{args: []string{b.perch, "replay", "-json", "-map", "map", capture}, dir: b.dir, feed: feed, stdout: out}
	u, err := c.run()
	if err != nil {
		return u, story{}, err
	}
	s, err := readStory(out, c.stderr.Bytes())
	if err != nil {
		return u, s, err
	}
	return u, s, s.check(want())
}

// readStory reads the events, and the totals that stand on the last line of
// standard error.
func readStory(out output, stderr []byte) (story, error) {
	var s story
	phones := map[string]bool{}
	sum, err := out.read(func(r io.Reader) error {
		lines := bufio.NewScanner(r)
		for ; lines.Scan(); s.events++ {
			var e struct{ Event, Phone string }
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				return fmt.Errorf("event %d: %w", s.events+1, err)
			}
			if e.Event == "phone.appeared" {
				phones[e.Phone] = true
			}
		}
		return lines.Err()
	})
	if err != nil {
		return s, err
	}
	s.sum, s.appeared = sum, len(phones)
	total := lastLine(stderr)
	printed := 0
	if _, err := fmt.Sscanf(total, "%d frames, %d observations, %d events", &s.frames, &s.observations, &printed); err != nil {
		return s, fmt.Errorf("totals of the replay: %q: %w", total, err)
	}
	if printed != s.events {
		return s, fmt.Errorf("replay printed %d events and counts %d", s.events, printed)
	}
	return s, nil
}

func lastLine(b []byte) string {
	s := strings.TrimSpace(string(b))
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// check compares a replay with what was written.
func (s story) check(t tally) error {
	var errs []error
	for _, c := range []struct {
		what      string
		got, want int
	}{
		{"frames", s.frames, t.frames},
		{"observations", s.observations, t.observations()},
		{"phones that appeared", s.appeared, t.phones()},
	} {
		if c.got != c.want {
			errs = append(errs, fmt.Errorf("%s: got %d, want %d", c.what, c.got, c.want))
		}
	}
	if s.events == 0 {
		errs = append(errs, errors.New("no events"))
	}
	return errors.Join(errs...)
}

// trunkFile writes a capture of so many frames, unless it is there already.
func (b *bench) trunkFile(frames int) (trunkFile, error) {
	if f, ok := b.trunks[frames]; ok {
		return f, nil
	}
	f := trunkFile{name: fmt.Sprintf("trunk-%d.pcap", frames)}
	b.say("writing a trunk of %d frames", frames)
	path := filepath.Join(b.dir, f.name)
	err := writeFile(path, func(w *bufio.Writer) (err error) {
		f.tally, err = writeTrunk(w, b.campus, frames)
		return err
	})
	if err != nil {
		return f, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return f, err
	}
	f.size = info.Size()
	b.trunks[frames] = f
	return f, nil
}

// trunkFile is a capture in the bench's directory.
type trunkFile struct {
	name  string
	size  int64
	tally tally
}

func (f trunkFile) want() tally { return f.tally }
