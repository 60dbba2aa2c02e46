package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"perch/gateway"
)

// slow is a store that reads a batch again and again while it commits, and fails
// as long as it is told to.
type slow struct {
	gateway.Memory
	t     *testing.T
	mu    sync.Mutex
	fail  int
	last  []byte
	inuse chan struct{}
}

func (s *slow) Commit(ctx context.Context, b *gateway.Batch) error {
	first, err := json.Marshal(b)
	if err != nil {
		return err
	}
	for range 4 {
		select {
		case s.inuse <- struct{}{}:
		default:
		}
		again, _ := json.Marshal(b)
		if !bytes.Equal(first, again) {
			s.t.Error("a sealed batch changed")
		}
		time.Sleep(2 * time.Millisecond)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil && !bytes.Equal(first, s.last) {
		s.t.Error("after a failure another batch came than the one that failed")
	}
	s.last = nil
	if s.fail > 0 {
		s.fail--
		s.last = first
		return errors.New("disk full")
	}
	return s.Memory.Commit(ctx, b)
}

// TestCommitBesideEngine: the engine goes on while a slow store commits.
func TestCommitBesideEngine(t *testing.T) {
	ctx := context.Background()
	store := &slow{t: t, inuse: make(chan struct{}), fail: 5}
	cfg := newDesk(t, "two-users", gateway.DefaultPolicy(), nil).cfg
	e, err := gateway.New(ctx, cfg, store)
	if err != nil {
		t.Fatal(err)
	}
	var said []gateway.Event
	e.OnEvent(func(ev gateway.Event) { said = append(said, ev) })
	d := &desk{T: t, Engine: e, store: &store.Memory, said: &said, seen: observations(t, "two-users")}
	d.imports("../testdata/replay/two-users/map", false)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 16 {
			if i%3 == 2 {
				_ = e.Checkpoint(ctx)
			} else {
				_ = e.Commit(ctx)
			}
		}
	}()
	d.until("08:05")
	for i := int64(1); ; i++ {
		select {
		case <-store.inuse:
		case <-done:
			for range 2 {
				d.must(e.Checkpoint(ctx))
			}
			var kept []gateway.Event
			d.must(store.Events(ctx, 0, func(ev gateway.Event) error { kept = append(kept, ev); return nil }))
			if len(kept) != len(said) || len(said) < 20 || store.fail > 0 {
				t.Errorf("said %d, kept %d", len(said), len(kept))
			}
			return
		}
		n := int64(len(e.Prompts()))
		if i%3 == 0 {
			_ = e.Answer(gateway.Reply{Prompt: n, Kind: gateway.AnswerAddPersonal, Address: address("Elm Street", ""), By: alice})
		} else {
			_ = e.Answer(gateway.Reply{Prompt: n, Kind: gateway.AnswerPropose, Address: address("Elm Street", "1"), By: bob})
		}
		e.Question(n, alice)
		_ = e.Disown(n, bob, time.Time{})
		a, _ := e.AnswerTo(n)
		_ = e.Object(a.ID, alice, time.Time{})
		e.Advance(e.Now().Add(time.Minute))
		for _, name := range []string{"phones", "wiremap"} {
			texts := map[string][]string{
				"phones":  {"mac,kind,label,site,users,aors\n00:15:65:aa:00:01,desk,A,hq,bob@example.com;alice@example.com,\n", "mac,kind,label,site,users,aors\n00:15:65:aa:00:01,desk,B,hq,bob@example.com;alice@example.com,\n"},
				"wiremap": {"location_id,site,subnet\n", "location_id,site,subnet\nhq-3f,hq,10.1.2.0/24\n"},
			}
			d.table(name, texts[name][i%2], false)
		}
	}
}
