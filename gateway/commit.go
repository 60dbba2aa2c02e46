package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"

	"perch/discovery"
	"perch/provisioning"
)

// pending is what the next batch will hold: ids of what changed, and what is
// only ever appended.
type pending struct {
	phones  map[discovery.PhoneID]bool // changed
	alive   map[discovery.PhoneID]bool // only refreshed: not worth a row by itself
	prompts map[int64]bool
	claims  map[int64]bool
	answers map[int64]bool

	emergencies map[int64]bool // changed, or gone

	changes []provisioning.Changes
	events  []Event
	mails   []Mail
	sources map[string]bool
	typed   bool
	keyed   bool
}

func newPending() pending {
	return pending{
		phones:  map[discovery.PhoneID]bool{},
		alive:   map[discovery.PhoneID]bool{},
		prompts: map[int64]bool{},
		claims:  map[int64]bool{},
		answers: map[int64]bool{},

		emergencies: map[int64]bool{},

		sources: map[string]bool{},
	}
}

func (b *pending) directory(c provisioning.Changes) { b.changes = append(b.changes, c) }

// Pending returns how many effects wait for the next Commit.
func (e *Engine) Pending() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.batch.events) + len(e.batch.mails) + len(e.batch.changes)
}

// Commit makes the queued effects durable, all or none. How effects are grouped
// into commits changes nothing but speed. A refresh that changes nothing writes
// nothing.
//
// While the store works the engine goes on: what happens meanwhile is for the
// next commit. After an error the same effects are committed first, as they were,
// when Commit or Checkpoint is called again; the store sees to it that they take
// effect once.
func (e *Engine) Commit(ctx context.Context) error { return e.flush(ctx, e.sealEffects) }

// Checkpoint commits what Commit does and, if anything was observed since the
// last one, all that a later start needs to go on from here: when each phone was
// last heard, and what is known of wires, routers and relays.
func (e *Engine) Checkpoint(ctx context.Context) error { return e.flush(ctx, e.sealAll) }

func (e *Engine) flush(ctx context.Context, seal func() (*Batch, error)) error {
	e.committing.Lock()
	defer e.committing.Unlock()
	if err := e.commitSealed(ctx); err != nil {
		return err
	}
	var err error
	if e.sealed, err = seal(); err != nil {
		return err
	}
	return e.commitSealed(ctx)
}

func (e *Engine) commitSealed(ctx context.Context) error {
	if e.sealed == nil {
		return nil
	}
	if err := e.store.Commit(ctx, e.sealed); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	e.sealed = nil
	return nil
}

// sealEffects takes what is pending out of the engine; nil if that is nothing.
func (e *Engine) sealEffects() (*Batch, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.batch.empty() {
		return nil, nil
	}
	if e.resumed && !e.forgetful {
		return e.sealState()
	}
	out, err := e.makeBatch()
	if err != nil {
		return nil, err
	}
	alive, sources := e.batch.alive, e.batch.sources
	e.batch = newPending()
	e.batch.alive, e.batch.sources = alive, sources
	return out, nil
}

// sealAll is sealEffects with the whole state.
func (e *Engine) sealAll() (*Batch, error) {
	if e.forgetful {
		return e.sealEffects()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.batch.empty() && len(e.batch.alive)+len(e.batch.sources) == 0 && !e.observed {
		return nil, nil
	}
	return e.sealState()
}

// sealState takes what is pending out of the engine, with the whole state.
func (e *Engine) sealState() (*Batch, error) {
	for id := range e.batch.alive {
		if e.phones.Of(id) != nil {
			e.batch.phones[id] = true
		}
	}
	tracker, err := e.tracker.MarshalState()
	if err != nil {
		return nil, fmt.Errorf("state of the tracker: %w", err)
	}
	out, err := e.makeBatch()
	if err != nil {
		return nil, err
	}
	// A position is worth nothing without the state that was reached there.
	out.Tracker = tracker
	for _, sum := range sortedKeys(e.batch.sources) {
		out.Positions = append(out.Positions, e.sources[sum])
	}
	e.batch, e.observed, e.resumed = newPending(), false, false
	return out, nil
}

func (b *pending) empty() bool {
	return len(b.events)+len(b.mails)+len(b.changes)+len(b.phones)+
		len(b.prompts)+len(b.claims)+len(b.answers)+len(b.emergencies) == 0 && !b.typed && !b.keyed
}

// makeBatch turns what is pending into rows, in order of their keys.
func (e *Engine) makeBatch() (*Batch, error) {
	b := &e.batch
	out := &Batch{
		Type: e.typ, Time: e.now, Counters: e.ids,
		Directory: b.changes, Events: b.events, Mails: b.mails,
	}
	if b.keyed {
		out.Key = e.key
	}
	if e.forgetful {
		return out, nil
	}
	ids := make([]discovery.PhoneID, 0, len(b.phones))
	for id := range b.phones {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, discovery.PhoneID.Compare)
	for _, id := range ids {
		rec := PhoneRecord{Phone: id}
		if p := e.phones.Of(id); p != nil {
			state, err := json.Marshal(phoneState{p.track, p})
			if err != nil {
				return nil, fmt.Errorf("state of %s: %w", id, err)
			}
			rec.State, rec.Assignment = state, p.Assignment
		}
		out.Phones = append(out.Phones, rec)
	}
	for _, id := range sortedKeys(b.prompts) {
		out.Prompts = append(out.Prompts, *e.prompts[id])
	}
	for _, id := range sortedKeys(b.claims) {
		out.Claims = append(out.Claims, *e.claims[id])
	}
	for _, id := range sortedKeys(b.answers) {
		out.Answers = append(out.Answers, *e.answers[id])
	}
	for _, id := range sortedKeys(b.emergencies) {
		if x := e.emergency(id); x != nil {
			out.Emergencies = append(out.Emergencies, *x)
		} else {
			out.GoneEmergencies = append(out.GoneEmergencies, id)
		}
	}
	return out, nil
}

// Type returns what the database is for.
func (e *Engine) Type() DatabaseType {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.typ
}

// SetType says once and for all what the database is for.
func (e *Engine) SetType(t DatabaseType) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.typ == t {
		return nil
	}
	if e.typ != Untyped {
		return refuse("use another database: -db FILE", "this is a %s database, not a %s one", e.typ, t)
	}
	e.typ = t
	e.batch.typed = true
	return nil
}

// Key returns the secret of the database's links; zero in a replay database.
func (e *Engine) Key() Key {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.key
}

// SetKey gives the database its secret once and for all; one that it has stays.
func (e *Engine) SetKey(k Key) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.key.IsZero() && !k.IsZero() {
		e.key, e.batch.keyed = k, true
	}
}

// Position returns how far a source was replayed.
func (e *Engine) Position(sum string) Position {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sources[sum]
}

// SetPosition notes how far a source was replayed; it is stored with the next
// commit.
func (e *Engine) SetPosition(x Position) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sources[x.SHA256] != x {
		e.sources[x.SHA256] = x
		e.batch.sources[x.SHA256] = true
	}
}

func (e *Engine) log() *slog.Logger {
	if e.cfg.Log != nil {
		return e.cfg.Log
	}
	return slog.Default()
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// LastMail returns the id of the last mail that was queued.
func (e *Engine) LastMail() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ids.Mail
}
