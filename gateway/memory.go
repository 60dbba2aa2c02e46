package gateway

import (
	"context"
	"slices"
	"sync"

	"perch/provisioning"
)

// Memory is a store that lives as long as its process: for replays without a
// database, and for trying things out. The zero value is empty and ready.
type Memory struct {
	mu     sync.Mutex
	state  State
	events []Event
	mails  []Mail
}

// Load returns what was committed.
func (m *Memory) Load(context.Context) (State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.state
	s.Phones = slices.Clone(s.Phones)
	s.Prompts = slices.Clone(s.Prompts)
	s.Claims = slices.Clone(s.Claims)
	s.Answers = slices.Clone(s.Answers)
	s.Emergencies = slices.Clone(s.Emergencies)
	s.Positions = slices.Clone(s.Positions)
	return s, nil
}

// Commit takes a batch.
func (m *Memory) Commit(_ context.Context, b *Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.state
	s.Type, s.Time, s.Counters = b.Type, b.Time, b.Counters
	if !b.Key.IsZero() {
		s.Key = b.Key
	}
	if b.Tracker != nil {
		s.Tracker = b.Tracker
	}
	for _, c := range b.Directory {
		s.Directory = provisioning.Patch(s.Directory, c)
	}
	for _, rec := range b.Phones {
		i, found := slices.BinarySearchFunc(s.Phones, rec, func(a, b PhoneRecord) int { return a.Phone.Compare(b.Phone) })
		switch {
		case found && rec.State == nil:
			s.Phones = slices.Delete(s.Phones, i, i+1)
		case found:
			s.Phones[i] = rec
		case rec.State != nil:
			s.Phones = slices.Insert(s.Phones, i, rec)
		}
	}
	put(&s.Prompts, b.Prompts, func(x Prompt) int64 { return x.ID })
	put(&s.Claims, b.Claims, func(x Claim) int64 { return x.ID })
	put(&s.Answers, b.Answers, func(x Answer) int64 { return x.ID })
	put(&s.Emergencies, b.Emergencies, func(x Emergency) int64 { return x.ID })
	s.Emergencies = slices.DeleteFunc(s.Emergencies, func(x Emergency) bool { return slices.Contains(b.GoneEmergencies, x.ID) })
	for _, x := range b.Positions {
		i := slices.IndexFunc(s.Positions, func(y Position) bool { return y.SHA256 == x.SHA256 })
		if i < 0 {
			s.Positions = append(s.Positions, x)
		} else {
			s.Positions[i] = x
		}
	}
	m.events = append(m.events, b.Events...)
	m.mails = append(m.mails, b.Mails...)
	return nil
}

// put replaces rows by id, or appends them.
func put[T any](rows *[]T, changed []T, id func(T) int64) {
	for _, x := range changed {
		i, found := slices.BinarySearchFunc(*rows, id(x), func(y T, want int64) int { return int(id(y) - want) })
		if found {
			(*rows)[i] = x
		} else {
			*rows = slices.Insert(*rows, i, x)
		}
	}
}

// Events calls f for each event with an id above after.
func (m *Memory) Events(_ context.Context, after int64, f func(Event) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, ev := range m.events {
		if ev.ID > after {
			if err := f(ev); err != nil {
				return err
			}
		}
	}
	return nil
}

// Mails calls f for each mail with an id above after.
func (m *Memory) Mails(_ context.Context, after int64, f func(Mail) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.mails {
		if x.ID > after {
			if err := f(x); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close does nothing.
func (m *Memory) Close() error { return nil }

// Stream is a store for a run that nobody goes on from. It keeps no state, and
// mails only until they are read, so that a capture of any length needs no more
// memory than its phones do. The zero value is ready.
type Stream struct{ mails []Mail }

// stateless is a store that keeps no state of phones: none is made for it.
type stateless interface{ Stateless() }

// Stateless marks the store.
func (s *Stream) Stateless() {}

// Load returns the zero State.
func (s *Stream) Load(context.Context) (State, error) { return State{}, nil }

// Commit takes the mails.
func (s *Stream) Commit(_ context.Context, b *Batch) error {
	s.mails = append(s.mails, b.Mails...)
	return nil
}

// Events calls f for nothing: the engine's own sink has had the events.
func (s *Stream) Events(context.Context, int64, func(Event) error) error { return nil }

// Mails calls f for each mail once.
func (s *Stream) Mails(_ context.Context, _ int64, f func(Mail) error) error {
	mails := s.mails
	s.mails = nil
	for _, m := range mails {
		if err := f(m); err != nil {
			return err
		}
	}
	return nil
}

// Close does nothing.
func (s *Stream) Close() error { return nil }
