package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"

	"perch/gateway"
)

// db is what every SQL database does the same way. It implements all of
// gateway.Store but Close.
type db struct {
	sql   *sql.DB
	name  string // stands before errors
	chunk int    // rows that one statement takes, at most

	mu    sync.Mutex        // one commit at a time
	known map[string]string // meta as last written; nil if unknown
}

// Load returns what was committed; a new database gives the zero State.
func (d *db) Load(ctx context.Context) (gateway.State, error) {
	var s gateway.State
	dir := &s.Directory
	all := selection{}
	err := firstError(
		func() error { return d.loadMeta(ctx, &s) },
		func() error { return read(ctx, d.sql, &sites, all, &dir.Sites) },
		func() error { return read(ctx, d.sql, &locations, selection{where: latest}, &dir.Locations) },
		func() error { return d.loadWiremap(ctx, &dir.Rules) },
		func() error { return read(ctx, d.sql, &users, all, &dir.Users) },
		func() error { return read(ctx, d.sql, &phones, all, &dir.Phones) },
		func() error { return read(ctx, d.sql, &phoneStates, all, &s.Phones) },
		func() error { return read(ctx, d.sql, &prompts, all, &s.Prompts) },
		func() error { return read(ctx, d.sql, &claims, all, &s.Claims) },
		func() error { return read(ctx, d.sql, &answers, all, &s.Answers) },
		func() error { return read(ctx, d.sql, &sources, all, &s.Positions) },
	)
	if err != nil {
		return gateway.State{}, fmt.Errorf("%s: %w", d.name, err)
	}
	sortProvisional(s.Phones)
	return s, nil
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

func (d *db) loadMeta(ctx context.Context, s *gateway.State) error {
	var rows []entry
	if err := read(ctx, d.sql, &meta, selection{}, &rows); err != nil {
		return err
	}
	known := make(map[string]string, len(rows))
	for _, row := range rows {
		if err := setMeta(s, row); err != nil {
			return err
		}
		if row.Key != trackerKey {
			known[row.Key] = row.Value
		}
	}
	d.mu.Lock()
	d.known = known
	d.mu.Unlock()
	return nil
}

// Commit makes a batch durable, all or nothing. It writes the rows of the batch
// and those of meta that differ, and nothing else.
func (d *db) Commit(ctx context.Context, b *gateway.Batch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	rows := metaOf(b)
	changed := slices.DeleteFunc(slices.Clone(rows), func(x entry) bool {
		v, ok := d.known[x.Key]
		return ok && v == x.Value
	})
	// Until the commit is certain, nothing is known of meta: a server may lose
	// its connection after it has committed.
	d.known = nil
	if err := d.transact(ctx, func(w *writer) error { return w.batch(ctx, b, changed) }); err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	d.known = make(map[string]string, len(rows))
	for _, row := range rows {
		if row.Key != trackerKey {
			d.known[row.Key] = row.Value
		}
	}
	return nil
}

// transact runs f in a transaction, which is rolled back if f or the commit
// fails.
func (d *db) transact(ctx context.Context, f func(*writer) error) error {
	tx, err := d.sql.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() // has no effect after a commit
	if err := f(newWriter(tx, d.chunk)); err != nil {
		return err
	}
	return tx.Commit()
}

// batch writes all that a batch holds. Events and mails are only ever added: an
// id that is there already fails the batch.
func (w *writer) batch(ctx context.Context, b *gateway.Batch, changed []entry) error {
	for i := range b.Directory {
		if err := w.change(ctx, &b.Directory[i]); err != nil {
			return err
		}
	}
	kept, gone := splitPhones(b.Phones)
	return firstError(
		func() error { return remove(ctx, w, &phoneStates, gone) },
		func() error { return put(ctx, w, &phoneStates, kept) },
		func() error { return put(ctx, w, &prompts, b.Prompts) },
		func() error { return put(ctx, w, &claims, b.Claims) },
		func() error { return put(ctx, w, &answers, b.Answers) },
		func() error { return put(ctx, w, &sources, b.Positions) },
		func() error { return put(ctx, w, &meta, changed) },
		func() error { return add(ctx, w, &events, b.Events) },
		func() error { return add(ctx, w, &mails, b.Mails) },
	)
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
