// Package storetest is the conformance suite of gateway.Store: what the engine
// relies on, whichever database is below. A store's own test runs it in a few
// lines:
//
//	storetest.Run(t, func(t *testing.T) (gateway.Store, func() gateway.Store) {
//		s := open(t)
//		return s, func() gateway.Store { s.Close(); s = open(t); return s }
//	})
//
// It looks at a store from outside only. What only some stores have (one
// holder, a schema, a file) is for their own tests.
package storetest

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"perch/gateway"
)

// Open returns a new, empty store and a function that closes the latest one and
// opens the same data again. A store that lives in memory may return itself.
type Open func(t *testing.T) (s gateway.Store, reopen func() gateway.Store)

// Run runs the suite, each test on a store of its own. A store that is a
// gateway.Outbox as well is tested as one.
func Run(t *testing.T, open Open) {
	cases := storeCases
	if s, _ := open(t); isOutbox(s) {
		cases = slices.Concat(storeCases, outboxCases)
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			s, reopen := open(t)
			outbox, _ := s.(gateway.Outbox)
			test.run(&suite{T: t, store: s, outbox: outbox, reopen: reopen})
		})
	}
}

func isOutbox(s gateway.Store) bool {
	_, ok := s.(gateway.Outbox)
	return ok
}

// testCase is one test of the suite.
type testCase struct {
	name string
	run  func(*suite)
}

// storeCases are the tests of every store.
var storeCases = []testCase{
	{"a new store is empty", (*suite).empty},
	{"every field comes back", (*suite).everyField},
	{"unset fields stay unset", (*suite).unsetFields},
	{"a row with a known key replaces", (*suite).replaces},
	{"an edited location replaces its versions", (*suite).locationVersions},
	{"gone rows are deleted", (*suite).deletes},
	{"a rule replaces all of its key", (*suite).ruleKeys},
	{"changes of the directory apply in order", (*suite).changesInOrder},
	{"rows come back in order of their keys", (*suite).rowsInOrder},
	{"a batch without tracker leaves it", (*suite).trackerStays},
	{"times keep microseconds and are UTC", (*suite).times},
	{"text comes back as it was", (*suite).text},
	{"mails come back byte for byte", (*suite).mailBytes},
	{"events and mails are read after an id", (*suite).logAfter},
	{"an error of the reader ends reading", (*suite).readerFails},
	{"many rows in one batch", (*suite).manyRows},
	{"a batch that fails leaves nothing", (*suite).failedBatch},
	{"a cancelled commit leaves nothing", (*suite).cancelled},
}

// suite is one test on one store.
type suite struct {
	*testing.T
	store  gateway.Store
	outbox gateway.Outbox // the store, if it is one
	reopen func() gateway.Store
}

// contents is all that a store holds.
type contents struct {
	State  gateway.State
	Events []gateway.Event
	Mails  []gateway.Mail
}

func (s *suite) commit(batches ...*gateway.Batch) {
	s.Helper()
	for _, b := range batches {
		if err := s.store.Commit(s.Context(), b); err != nil {
			s.Fatalf("Commit: %v", err)
		}
	}
}

func (s *suite) load() gateway.State {
	s.Helper()
	st, err := s.store.Load(s.Context())
	if err != nil {
		s.Fatalf("Load: %v", err)
	}
	if store, ok := s.store.(gateway.PartLoader); ok {
		if diff := compare(s.loadParts(store), st); diff != "" {
			s.Fatalf("LoadParts gives something else than Load (-got +want):\n%s", diff)
		}
	}
	return st
}

func (s *suite) contents() contents {
	s.Helper()
	return contents{s.load(), s.eventsAfter(0), s.mailsAfter(0)}
}

func (s *suite) eventsAfter(id int64) []gateway.Event {
	s.Helper()
	var got []gateway.Event
	err := s.store.Events(s.Context(), id, func(x gateway.Event) error { got = append(got, x); return nil })
	if err != nil {
		s.Fatalf("Events after %d: %v", id, err)
	}
	return got
}

func (s *suite) mailsAfter(id int64) []gateway.Mail {
	s.Helper()
	var got []gateway.Mail
	err := s.store.Mails(s.Context(), id, func(x gateway.Mail) error { got = append(got, x); return nil })
	if err != nil {
		s.Fatalf("Mails after %d: %v", id, err)
	}
	return got
}

// holds checks the store's contents, now and after it was opened again.
func (s *suite) holds(want contents) {
	s.Helper()
	if diff := compare(s.contents(), want); diff != "" {
		s.Fatalf("store holds (-got +want):\n%s", diff)
	}
	s.store = s.reopen()
	if diff := compare(s.contents(), want); diff != "" {
		s.Fatalf("opened again, store holds (-got +want):\n%s", diff)
	}
}

// holdsState is holds for a test that writes no events and mails.
func (s *suite) holdsState(want gateway.State) {
	s.Helper()
	s.holds(contents{State: want})
}

// compare returns how two values differ. Positions are a set.
func compare(got, want any) string {
	return cmp.Diff(got, want,
		cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{}),
		cmpopts.SortSlices(func(a, b gateway.Position) bool { return a.SHA256 < b.SHA256 }),
		cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) && a.IsZero() == b.IsZero() }),
	)
}

func (s *suite) empty() { s.holds(contents{}) }

func (s *suite) everyField() {
	b := fullBatch()
	checkComplete(s.T, b)
	s.commit(b)
	s.holds(contents{stateOf(b), b.Events, b.Mails})
}

func (s *suite) unsetFields() {
	b := bareBatch()
	s.commit(b)
	s.holds(contents{stateOf(b), b.Events, b.Mails})
}

func (s *suite) logAfter() {
	const n = 1000 // more than a store would read at once
	b := &gateway.Batch{}
	for i := range int64(n) {
		id := 3*i + 1 // ids need not be dense
		b.Events = append(b.Events, event(id))
		b.Mails = append(b.Mails, mail(id))
	}
	first, second := *b, *b
	first.Events, first.Mails = b.Events[:n/3], b.Mails[:n/3]
	second.Events, second.Mails = b.Events[n/3:], b.Mails[n/3:]
	s.commit(&first, &second)
	s.store = s.reopen()
	for _, after := range []int64{-1, 0, 1, 2, 3, 4, 767, 1501, 3*n - 3, 3*n - 2, 3 * n} {
		var want []int64
		for _, x := range b.Events {
			if x.ID > after {
				want = append(want, x.ID)
			}
		}
		var events, mails []int64
		for _, x := range s.eventsAfter(after) {
			events = append(events, x.ID)
		}
		for _, x := range s.mailsAfter(after) {
			mails = append(mails, x.ID)
		}
		if !slices.Equal(events, want) {
			s.Errorf("events after %d: got %d, want %d of them, in order", after, len(events), len(want))
		}
		if !slices.Equal(mails, want) {
			s.Errorf("mails after %d: got %d, want %d of them, in order", after, len(mails), len(want))
		}
	}
}

func (s *suite) readerFails() {
	s.commit(&gateway.Batch{
		Events: []gateway.Event{event(1), event(2)},
		Mails:  []gateway.Mail{mail(1), mail(2)},
	})
	calls := 0
	if err := s.store.Events(s.Context(), 0, func(gateway.Event) error { calls++; return context.Canceled }); err != context.Canceled {
		s.Errorf("Events returned %v, want the reader's own error", err)
	}
	if err := s.store.Mails(s.Context(), 0, func(gateway.Mail) error { calls++; return context.Canceled }); err != context.Canceled {
		s.Errorf("Mails returned %v, want the reader's own error", err)
	}
	if calls != 2 {
		s.Errorf("the readers were called %d times, want once each", calls)
	}
	if got := len(s.eventsAfter(0)); got != 2 {
		s.Errorf("%d events afterwards, want 2", got)
	}
}

func (s *suite) failedBatch() {
	before := fullBatch()
	s.commit(before)
	want := s.contents()

	b := otherBatch()
	b.Mails = append(b.Mails, before.Mails[0]) // an id twice: after all else was written
	if err := s.store.Commit(s.Context(), b); err == nil {
		s.Log("the store does not check ids, so no batch fails")
		return
	}
	s.holds(want)

	good := otherBatch()
	s.commit(good)
	if got := len(s.mailsAfter(0)); got != len(before.Mails)+len(good.Mails) {
		s.Errorf("%d mails after the batch was repaired, want %d", got, len(before.Mails)+len(good.Mails))
	}
	if got := s.load().Counters; got != good.Counters {
		s.Errorf("counters are %+v after the batch was repaired, want %+v", got, good.Counters)
	}
}

func (s *suite) cancelled() {
	s.commit(fullBatch())
	want := s.contents()
	ctx, cancel := cancelled(s.Context())
	defer cancel()
	if err := s.store.Commit(ctx, otherBatch()); err == nil {
		s.Log("the store does not look at the context")
		return
	}
	s.holds(want)
}

func cancelled(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx, cancel
}

func (s *suite) mailBytes() {
	m := mail(1)
	m.Body = nil
	for i := range 256 {
		m.Body = append(m.Body, byte(i), '\r', '\n')
	}
	empty := mail(2)
	empty.Body = nil
	s.commit(&gateway.Batch{Mails: []gateway.Mail{m, empty}})
	s.holds(contents{Mails: []gateway.Mail{m, empty}})
}

func (s *suite) text() {
	b := fullBatch()
	b.Events, b.Mails = nil, nil
	for i, odd := range []string{
		"Zürich, Bahnhofstraße 7½",
		"東京都千代田区 🏢 ☎️",
		"e\u0301 is not \u00e9",
		"'; DROP TABLE users; --",
		`"quoted" \ back\slash $1 ? %s <b>&amp;</b>`,
		" spaces \t around \r\n",
		strings.Repeat("long ", 20_000),
	} {
		b.Directory[0].Put.Users[0].Name = odd
		b.Directory[0].Put.Locations[0].Address.Landmark = odd
		b.Prompts[0].Attachment.PortID = odd
		b.Prompts[0].To = []string{odd, "bob@example.com"}
		b.Claims[0].Reason = odd
		m := mail(int64(i + 1))
		m.Subject = odd
		b.Mails = []gateway.Mail{m}
		s.commit(b)
		if diff := compare(s.load(), stateOf(b)); diff != "" {
			s.Errorf("%.20q: state (-got +want):\n%s", odd, diff)
		}
		if diff := compare(s.mailsAfter(m.ID-1), b.Mails); diff != "" {
			s.Errorf("%.20q: mail (-got +want):\n%s", odd, diff)
		}
	}
}
