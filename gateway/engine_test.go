package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"perch/discovery"
	"perch/discovery/capture"
	"perch/gateway"
	"perch/location"
	"perch/notify"
	"perch/provisioning"
)

// failer is a *testing.T or a *rapid.T.
type failer interface {
	Helper()
	Fatal(...any)
}

// observations decodes the capture of a story.
func observations(t failer, story string) []*discovery.Observation {
	t.Helper()
	f, err := capture.OpenFile(filepath.Join("..", "testdata", "replay", story, "in.pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	var out []*discovery.Observation
	for {
		x, err := f.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		in := discovery.Frame{
			Time: x.Time, Number: x.Number, File: x.File, Interface: x.Interface, LinkType: uint16(x.LinkType), Data: x.Data,
		}
		d.Decode(&in, func(o *discovery.Observation) { out = append(out, o) })
	}
}

// newEngine returns an engine with the map of a story, and what it said so far.
func newEngine(t failer, store gateway.Store, story string) (*gateway.Engine, *[]gateway.Event) {
	t.Helper()
	r, err := notify.New(notify.Config{From: "perch@example.com", URL: "https://perch.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	e, err := gateway.New(context.Background(), gateway.Config{
		Discovery: discovery.Config{Site: "hq"}, Policy: gateway.DefaultPolicy(), Renderer: r,
	}, store)
	if err != nil {
		t.Fatal(err)
	}
	events := &[]gateway.Event{}
	e.OnEvent(func(ev gateway.Event) { *events = append(*events, ev) })
	files, err := provisioning.ReadPaths(filepath.Join("..", "testdata", "replay", story, "map"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Import(files, false); err != nil {
		t.Fatal(err)
	}
	return e, events
}

// TestGroupingChangesNothing: however effects are grouped into commits, the
// events, the mails and the stored state are the same.
func TestGroupingChangesNothing(t *testing.T) {
	ctx := context.Background()
	const story = "flapping"
	seen := observations(t, story)
	run := func(every int) (gateway.State, []gateway.Event, []gateway.Mail) {
		store := &gateway.Memory{}
		e, _ := newEngine(t, store, story)
		for i, o := range seen {
			e.Observe(o)
			if every > 0 && i%every == 0 {
				if err := e.Commit(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		e.Settle()
		if err := e.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
		state, err := store.Load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var events []gateway.Event
		var mails []gateway.Mail
		if err := errors.Join(
			store.Events(ctx, 0, func(ev gateway.Event) error { events = append(events, ev); return nil }),
			store.Mails(ctx, 0, func(m gateway.Mail) error { mails = append(mails, m); return nil }),
		); err != nil {
			t.Fatal(err)
		}
		return state, events, mails
	}
	wantState, wantEvents, wantMails := run(0)
	if len(wantEvents) < 5 || len(wantMails) < 2 {
		t.Fatalf("only %d events and %d mails: this proves nothing", len(wantEvents), len(wantMails))
	}
	for _, every := range []int{1, 3, 1000} {
		state, events, mails := run(every)
		if diff := cmp.Diff(wantEvents, events); diff != "" {
			t.Errorf("committing every %d observations, events (-want +got):\n%s", every, diff)
		}
		if diff := cmp.Diff(wantMails, mails); diff != "" {
			t.Errorf("committing every %d observations, mails (-want +got):\n%s", every, diff)
		}
		comparers := cmp.Comparer(func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
		if diff := cmp.Diff(wantState.Phones, state.Phones, comparers); diff != "" {
			t.Errorf("committing every %d observations, phones (-want +got):\n%s", every, diff)
		}
		if !bytes.Equal(wantState.Tracker, state.Tracker) {
			t.Errorf("committing every %d observations, another state of the tracker", every)
		}
	}
}

// failing is a store whose commits fail as long as broken is set.
type failing struct {
	gateway.Memory
	broken bool
}

func (f *failing) Commit(ctx context.Context, b *gateway.Batch) error {
	if f.broken {
		return errors.New("disk full")
	}
	return f.Memory.Commit(ctx, b)
}

// TestFailedCommitLosesNothing: effects that could not be committed stay queued
// and are committed later, once.
func TestFailedCommitLosesNothing(t *testing.T) {
	ctx := context.Background()
	const story = "return"
	store := &failing{broken: true}
	e, said := newEngine(t, store, story)
	for _, o := range observations(t, story) {
		e.Observe(o)
		if err := e.Commit(ctx); err == nil {
			t.Fatal("a failed commit was not reported")
		}
	}
	e.Settle()
	store.broken = false
	for range 2 {
		if err := e.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var kept []gateway.Event
	if err := store.Events(ctx, 0, func(ev gateway.Event) error { kept = append(kept, ev); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*said, kept); diff != "" || len(kept) == 0 {
		t.Errorf("events said and kept (-said +kept):\n%s", diff)
	}
}

// TestInvariants makes random decisions at random times while phones move: never
// are there two open prompts of a phone, ids are consecutive, time never runs
// backwards, a refused decision says nothing, and what is closed stays closed.
func TestInvariants(t *testing.T) {
	const story = "flapping"
	seen := observations(t, story)
	rapid.Check(t, func(t *rapid.T) {
		e, said := newEngine(t, &gateway.Memory{}, story)
		closed := map[int64]gateway.CloseReason{}
		next := 0
		for range rapid.IntRange(5, 60).Draw(t, "steps") {
			before := len(*said)
			var err error
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1, 2:
				for range rapid.IntRange(1, 6).Draw(t, "frames") {
					if next < len(seen) {
						e.Observe(seen[next])
						next++
					}
				}
			case 3:
				e.Advance(e.Now().Add(time.Duration(rapid.IntRange(0, 40*24*3600).Draw(t, "seconds")) * time.Second))
			case 4:
				err = e.Answer(gateway.Reply{
					Prompt:   int64(rapid.IntRange(1, 4).Draw(t, "prompt")),
					Kind:     gateway.AnswerKind(rapid.IntRange(1, 5).Draw(t, "answer")),
					Location: location.ID(rapid.SampledFrom([]string{"", "hq", "hq-3f", "hq-307", "hq-4f", "personal-1", "claim-1"}).Draw(t, "location")),
					Address:  location.Location{Address: location.CivicAddress{City: "Springfield", Street: "Elm Street"}},
					By:       rapid.SampledFrom([]string{"alice@example.com", "mallory@example.com", "cli:root"}).Draw(t, "by"),
				})
			case 5:
				err = e.Review(gateway.Decision{
					Claim: int64(rapid.IntRange(1, 3).Draw(t, "claim")), Approve: rapid.Bool().Draw(t, "approve"),
					Level: discovery.Level(rapid.IntRange(0, 5).Draw(t, "level")), Reason: "no", By: "cli:root",
				})
			}
			if err != nil && len(*said) != before {
				t.Fatalf("refused (%v), yet it said %s", err, (*said)[before].Data)
			}
			if err != nil && !errors.As(err, new(*gateway.Refusal)) {
				t.Fatalf("not a refusal: %v", err)
			}
			checkInvariants(t, e, *said, closed)
		}
	})
}

func checkInvariants(t *rapid.T, e *gateway.Engine, said []gateway.Event, closed map[int64]gateway.CloseReason) {
	open := map[discovery.PhoneID]int64{}
	for _, p := range e.Prompts() {
		if was, ok := closed[p.ID]; ok && was != p.Reason {
			t.Fatalf("prompt %d was closed %s and is %q now", p.ID, was, p.Reason)
		}
		if !p.Open() {
			closed[p.ID] = p.Reason
			continue
		}
		if other, two := open[p.Phone]; two {
			t.Fatalf("prompts %d and %d of %s are open", other, p.ID, p.Phone)
		}
		open[p.Phone] = p.ID
		if p.Kind == gateway.Confirm && p.Location == "" || len(p.To) == 0 {
			t.Fatalf("prompt %d asks nothing or nobody: %+v", p.ID, p)
		}
	}
	for i, ev := range said {
		if ev.ID != int64(i+1) {
			t.Fatalf("event %d has the id %d", i+1, ev.ID)
		}
		if i > 0 && ev.Time.Before(said[i-1].Time) {
			t.Fatalf("event %d is before the one ahead of it", ev.ID)
		}
	}
}

// TestStoryOfUnknownEvent: a line that is no event is an error, not a guess.
func TestStoryOfUnknownEvent(t *testing.T) {
	var b strings.Builder
	s := gateway.NewStory(&b)
	s.Add(gateway.Event{ID: 7, Data: json.RawMessage(`{"id":`)})
	if err := s.Flush(); err == nil || !strings.Contains(err.Error(), "event 7") {
		t.Errorf("got error %v, want one that names event 7", err)
	}
}
