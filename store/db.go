package store

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"perch/gateway"
)

// db is what every SQL database does the same way. It implements all of
// gateway.Store but Close, and gateway.Outbox.
type db struct {
	sql     *sql.DB
	name    string // stands before errors
	chunk   int    // rows that one statement takes, at most
	prepare bool   // the driver does not prepare statements by itself

	// byIndex is a statement that makes the transaction use indexes, even for a
	// table that grew so quickly that its statistics are not there yet; empty if
	// the database always does.
	byIndex string

	// lost reports errors of a connection that had ended before it was used; nil
	// if there are no connections to lose.
	lost func(error) bool

	mu    sync.Mutex // one commit at a time
	known marks      // as this holder last read or wrote them; nil: never yet
	doubt bool       // the last commit failed, and may be durable all the same
}

// Load returns what was committed; a new database gives the zero State.
func (d *db) Load(ctx context.Context) (gateway.State, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var s gateway.State
	var found marks
	err := d.view(ctx, func(q querier) (err error) {
		s, found, err = load(ctx, q)
		return err
	})
	if err != nil {
		return gateway.State{}, fmt.Errorf("%s: %w", d.name, err)
	}
	d.known = found
	return s, nil
}

// load reads the whole state, of one moment.
func load(ctx context.Context, q querier) (s gateway.State, found marks, err error) {
	dir := &s.Directory
	all := selection{}
	err = firstError(
		func() (err error) {
			var tracker string
			if found, tracker, err = loadMeta(ctx, q, &s); tracker != "" {
				s.Tracker = []byte(tracker)
			}
			return err
		},
		func() error { return read(ctx, q, &sites, all, &dir.Sites) },
		func() error { return read(ctx, q, &locations, selection{where: latest}, &dir.Locations) },
		func() error { return loadWiremap(ctx, q, &dir.Rules) },
		func() error { return read(ctx, q, &users, all, &dir.Users) },
		func() error { return read(ctx, q, &phones, all, &dir.Phones) },
		func() error { return read(ctx, q, &lines, all, &dir.Lines) },
		func() error { return read(ctx, q, &phoneStates, all, &s.Phones) },
		func() error { return read(ctx, q, &prompts, all, &s.Prompts) },
		func() error { return read(ctx, q, &claims, all, &s.Claims) },
		func() error { return read(ctx, q, &answers, all, &s.Answers) },
		func() error { return read(ctx, q, &emergencies, all, &s.Emergencies) },
		func() error { return read(ctx, q, &sources, all, &s.Positions) },
	)
	sortProvisional(s.Phones)
	return s, found, err
}

// sortProvisional puts phones into the engine's order. SQL gives MACs first and
// in order, since they begin with a hex digit and AORs with an s, but compares
// the n of "sip:aor;n" as text.
func sortProvisional(phones []gateway.PhoneRecord) {
	i := slices.IndexFunc(phones, func(x gateway.PhoneRecord) bool { return x.Phone.Provisional() })
	if i < 0 {
		return
	}
	slices.SortFunc(phones[i:], func(a, b gateway.PhoneRecord) int { return a.Phone.Compare(b.Phone) })
}

// loadMeta reads what is not a record; of it the tracker's state is large.
func loadMeta(ctx context.Context, q querier, s *gateway.State) (found marks, tracker string, err error) {
	var rows []entry
	if err := read(ctx, q, &meta, selection{}, &rows); err != nil {
		return nil, "", err
	}
	found = make(marks, len(rows))
	for _, row := range rows {
		if row.Key == trackerKey {
			tracker = row.Value
			continue
		}
		if err := setMeta(s, row); err != nil {
			return nil, "", err
		}
		found[row.Key] = row.Value
	}
	return found, tracker, nil
}

// Commit makes a batch durable, all or nothing. It writes the rows of the batch
// and those of meta that differ, and nothing else. See gateway.Store for what
// holds after an error.
func (d *db) Commit(ctx context.Context, b *gateway.Batch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var left marks
	err := d.transact(ctx, func(w *writer) error {
		found, err := readMarks(ctx, w.tx)
		if err != nil {
			return err
		}
		if d.known == nil {
			d.known = found
		}
		durable, err := d.settle(ctx, w.tx, b, found)
		if err != nil || durable {
			left = found
			return err
		}
		if left, err = found.after(b); err != nil {
			return err
		}
		return w.batch(ctx, b, left.since(found))
	})
	if err != nil {
		// A server may lose its connection after it has committed.
		d.doubt = true
		return fmt.Errorf("%s: %w", d.name, err)
	}
	d.known, d.doubt = left, false
	return nil
}

// settle tells from the marks found in a transaction whether a batch is durable
// already, and gives gateway.ErrOtherWriter if they are not what this holder
// left: a server that loses a connection gives its lock to whoever comes.
func (d *db) settle(ctx context.Context, q querier, b *gateway.Batch, found marks) (durable bool, err error) {
	same := maps.Equal(found, d.known)
	switch {
	case same && !found.count(b):
		return false, nil
	case !same && !d.doubt:
		return false, gateway.ErrOtherWriter
	case !same:
		left, err := d.known.after(b)
		if err != nil {
			return false, err
		}
		if !maps.Equal(found, left) {
			return false, gateway.ErrOtherWriter
		}
		if len(b.Events) == 0 {
			return true, nil
		}
	}
	// Another writer may have counted as far, but did not tell the same story.
	last := b.Events[len(b.Events)-1]
	var there []gateway.Event
	if err := read(ctx, q, &events, selection{where: "id = $1", args: []any{last.ID}}, &there); err != nil {
		return false, err
	}
	durable = len(there) == 1 && sameEvent(there[0], last)
	if !durable && !same {
		return false, gateway.ErrOtherWriter
	}
	return durable, nil
}

// sameEvent compares an event that was read with one that was to be written.
func sameEvent(got, want gateway.Event) bool {
	return got.ID == want.ID && got.Time.Equal(want.Time.Truncate(time.Microsecond)) &&
		got.Name == want.Name && got.Phone == want.Phone && bytes.Equal(got.Data, want.Data)
}

// view runs f in a transaction that only reads, so that all it reads is of one
// moment, and of one connection.
func (d *db) view(ctx context.Context, f func(querier) error) error {
	tx, err := d.begin(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return f(tx)
}

// begin begins a transaction. A session that ended while it was idle shows only
// now, when nothing has been done in it: there is no need to fail.
func (d *db) begin(ctx context.Context, options *sql.TxOptions) (*sql.Tx, error) {
	tx, err := d.sql.BeginTx(ctx, options)
	if err != nil && d.lost != nil && d.lost(err) {
		tx, err = d.sql.BeginTx(ctx, options)
	}
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	return tx, nil
}

// transact runs f in a transaction, which is rolled back if f or the commit
// fails.
func (d *db) transact(ctx context.Context, f func(*writer) error) error {
	tx, err := d.begin(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // has no effect after a commit
	w := &writer{tx: tx, chunk: d.chunk, byIndex: d.byIndex}
	if d.prepare {
		w.stmts = map[string]*sql.Stmt{}
	}
	if err := f(w); err != nil {
		return err
	}
	return tx.Commit()
}

// batch writes all that a batch holds. Events and mails are only ever added: an
// id that is there already fails the batch.
func (w *writer) batch(ctx context.Context, b *gateway.Batch, marks []entry) error {
	for i := range b.Directory {
		if err := w.change(ctx, &b.Directory[i]); err != nil {
			return err
		}
	}
	if b.Tracker != nil {
		marks = append(marks, entry{trackerKey, string(b.Tracker)})
	}
	kept, gone := splitPhones(b.Phones)
	return firstError(
		func() error { return remove(ctx, w, &phoneStates, gone) },
		func() error { return put(ctx, w, &phoneStates, kept) },
		func() error { return put(ctx, w, &prompts, b.Prompts) },
		func() error { return put(ctx, w, &claims, b.Claims) },
		func() error { return put(ctx, w, &answers, b.Answers) },
		func() error { return remove(ctx, w, &emergencies, goneEmergencies(b)) },
		func() error { return put(ctx, w, &emergencies, b.Emergencies) },
		func() error { return put(ctx, w, &sources, b.Positions) },
		func() error { return put(ctx, w, &meta, marks) },
		func() error { return add(ctx, w, &events, b.Events) },
		func() error { return add(ctx, w, &mails, b.Mails) },
		func() error {
			if b.Type != gateway.Live {
				return nil
			}
			return add(ctx, w, &outbox, parcelsOf(b.Mails))
		},
	)
}

func goneEmergencies(b *gateway.Batch) []gateway.Emergency {
	gone := make([]gateway.Emergency, len(b.GoneEmergencies))
	for i, id := range b.GoneEmergencies {
		gone[i].ID = id
	}
	return gone
}

// splitPhones parts the phones that stay from those that are deleted.
func splitPhones(all []gateway.PhoneRecord) (kept, gone []gateway.PhoneRecord) {
	for _, x := range all {
		if x.State == nil {
			gone = append(gone, x)
		} else {
			kept = append(kept, x)
		}
	}
	return kept, gone
}

// page is how many rows of events or mails are read at a time.
const page = 256

// Events calls f for each event with an id above after, in order of id. Rows
// are read in pages, so f may take its time and may use the store; what is
// committed meanwhile is read as well.
func (d *db) Events(ctx context.Context, after int64, f func(gateway.Event) error) error {
	return inPages(ctx, d, &events, after, func(x gateway.Event) int64 { return x.ID }, f)
}

// Mails calls f for each mail with an id above after, in order of id, in the
// way of Events.
func (d *db) Mails(ctx context.Context, after int64, f func(gateway.Mail) error) error {
	return inPages(ctx, d, &mails, after, func(x gateway.Mail) int64 { return x.ID }, f)
}

func inPages[T any](ctx context.Context, d *db, t *table[T], after int64, id func(T) int64, f func(T) error) error {
	for {
		var rows []T
		err := read(ctx, d.sql, t, selection{where: "id > $1", args: []any{after}, limit: page}, &rows)
		if err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
		for _, x := range rows {
			if err := f(x); err != nil {
				return err
			}
		}
		if len(rows) < page {
			return nil
		}
		after = id(rows[len(rows)-1])
	}
}
