package gateway_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perch/discovery"
	"perch/discovery/capture"
	"perch/gateway"
)

// heardLive decodes the captures of a story as if each had been heard on an
// interface of its name, and returns those names.
func heardLive(t *testing.T, story string) (seen []*discovery.Observation, names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "testdata", "replay", story, "*.pcap*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("captures of %s: %v, %v", story, files, err)
	}
	merge, err := capture.Open(files, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer merge.Close()
	known := map[string]bool{}
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	for {
		x, err := merge.Next()
		if errors.Is(err, io.EOF) {
			return seen, names
		}
		if err != nil {
			t.Fatal(err)
		}
		name := x.Interface
		if name == "" {
			name = x.File
		}
		if !known[name] {
			known[name] = true
			names = append(names, name)
		}
		in := discovery.Frame{Time: x.Time, Number: x.Number, Interface: name, LinkType: uint16(x.LinkType), Data: x.Data}
		d.Decode(&in, func(o *discovery.Observation) { seen = append(seen, o) })
	}
}

// ofPhones are the events that say something of where phones are.
func ofPhones(events []gateway.Event) []string {
	var out []string
	for _, ev := range events {
		if strings.HasPrefix(ev.Name, "phone.") {
			out = append(out, string(ev.Data))
		}
	}
	return out
}

// Our own link loss never looks like phones moving: in no story does a time in
// which nothing could be heard, longer than all leases, make an event of a phone,
// nor does its end.
func TestOutageMovesNobody(t *testing.T) {
	movesNobody(t, "an outage of three days", func(e *gateway.Engine, names []string, until time.Time) {
		for _, n := range names {
			e.PauseInterface(n)
		}
		e.Advance(until)
	})
}

// The same for a serve that was down.
func TestNightOffMovesNobody(t *testing.T) {
	movesNobody(t, "three days off", func(e *gateway.Engine, _ []string, until time.Time) { e.Resume(until) })
}

// movesNobody tells each story, lets three days pass in a way, listens again, and
// wants no event of a phone from that.
func movesNobody(t *testing.T, what string, pass func(e *gateway.Engine, names []string, until time.Time)) {
	t.Helper()
	dirs, err := os.ReadDir(filepath.Join("..", "testdata", "replay"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		t.Run(dir.Name(), func(t *testing.T) {
			seen, names := heardLive(t, dir.Name())
			e, events := newEngine(t, &gateway.Stream{}, dir.Name())
			for _, o := range seen {
				e.Observe(o)
			}
			e.Settle()
			e.Advance(e.Now()) // what is stale by now is so without an outage
			before := len(*events)
			until := e.Now().Add(3 * 24 * time.Hour)
			pass(e, names, until)
			for _, n := range names {
				e.ResumeInterface(n)
			}
			e.Advance(until.Add(time.Second))
			if got := ofPhones((*events)[before:]); len(got) > 0 {
				t.Errorf("%s made\n%s", what, strings.Join(got, "\n"))
			}
		})
	}
}
