package gateway_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/notify"
)

// recorder is a store that remembers what is committed.
type recorder struct {
	gateway.Memory
	batches []*gateway.Batch
}

func (r *recorder) Commit(ctx context.Context, b *gateway.Batch) error {
	r.batches = append(r.batches, b)
	return r.Memory.Commit(ctx, b)
}

// restarted returns an engine that goes on from what a store holds.
func restarted(t failer, store gateway.Store) (*gateway.Engine, *[]gateway.Event) {
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
	return e, events
}

// TestStartWritesNothing: after days off, a start at which nothing fell due writes
// nothing. Its first commit stores the whole state, so that a crash right after does
// not make the days off look like silence of the phones.
func TestStartWritesNothing(t *testing.T) {
	ctx, store := context.Background(), &recorder{}
	seen, names := heardLive(t, "two-users")
	e, _ := newEngine(t, store, "two-users")
	for _, o := range seen {
		e.Observe(o)
	}
	e.Settle()
	e.Advance(e.Now()) // what is stale by now is so without days off
	if err := e.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	store.batches = nil
	until := e.Now().Add(3 * 24 * time.Hour)

	e, _ = restarted(t, store)
	e.Resume(until)
	for _, save := range []func(context.Context) error{e.Commit, e.Checkpoint, e.Commit} {
		if err := save(ctx); err != nil || len(store.batches) > 0 {
			t.Fatalf("%d batches were written, %v", len(store.batches), err)
		}
	}
	if err := e.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerPropose, Address: address("Elm Street", "1"), By: bob}); err != nil {
		t.Fatal(err)
	}
	first := e.Commit(ctx)
	e.SetKey(gateway.Key{1})
	if err := errors.Join(first, e.Commit(ctx)); err != nil {
		t.Fatal(err)
	}
	if n := len(store.batches); n != 2 || store.batches[0].Tracker == nil || store.batches[1].Tracker != nil {
		t.Fatalf("%d batches; want two, and the whole state in the first", n)
	}

	e, events := restarted(t, store) // after a crash
	e.Resume(until.Add(time.Minute))
	for _, n := range names {
		e.ResumeInterface(n)
	}
	e.Advance(until.Add(2 * time.Minute))
	if got := ofPhones(*events); len(got) > 0 {
		t.Errorf("days off and a crash made\n%s", strings.Join(got, "\n"))
	}
}
