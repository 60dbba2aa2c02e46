package store

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sync"

	"perch/gateway"
	"perch/location"
	"perch/matcher"
	"perch/provisioning"
)

// partRows is how many rows are made records of at a time.
const partRows = 512

// LoadParts is Load of a large state: while one goroutine reads rows, others make
// records of them, and of the records what the engine keeps. In what order they end
// changes nothing.
func (d *db) LoadParts(ctx context.Context, to gateway.Parts) (gateway.State, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := &loading{ctx: ctx, to: to, free: make(chan struct{}, runtime.GOMAXPROCS(0))}
	var found marks
	err := d.view(ctx, func(q querier) (err error) {
		l.q = q
		found, err = l.load()
		return err
	})
	if err != nil {
		return gateway.State{}, fmt.Errorf("%s: %w", d.name, err)
	}
	d.known = found
	return l.state, nil
}

// loading is a state that is being read.
type loading struct {
	ctx   context.Context
	q     querier
	to    gateway.Parts
	state gateway.State

	free    chan struct{}  // one for each that works on a part
	running sync.WaitGroup // they, and who works on what was put together

	mu     sync.Mutex
	failed error // the first that befell a part
}

// load reads the whole state, of one moment. The tracker comes first and the phones
// last: they take the longest, and the directory is made meanwhile.
func (l *loading) load() (found marks, err error) {
	s, all := &l.state, selection{}
	err = firstError(
		func() (err error) {
			var tracker string
			if found, tracker, err = loadMeta(l.ctx, l.q, s); tracker != "" {
				l.running.Go(func() { l.to.Tracker(tracker) })
			}
			return err
		},
		l.directory,
		func() error { return loadTable(l, &storedPhones, selection{heap: true}, nil, l.to.Phones) },
		func() error { return read(l.ctx, l.q, &prompts, all, &s.Prompts) },
		func() error { return read(l.ctx, l.q, &claims, all, &s.Claims) },
		func() error { return read(l.ctx, l.q, &answers, all, &s.Answers) },
		func() error { return read(l.ctx, l.q, &emergencies, all, &s.Emergencies) },
		func() error { return read(l.ctx, l.q, &sources, all, &s.Positions) },
	)
	l.running.Wait()
	if err == nil {
		err = l.failed
	}
	return found, err
}

func (l *loading) directory() error {
	var (
		made         sync.WaitGroup // the records of all tables
		siteRows     whole[provisioning.Site]
		locationRows whole[location.Location]
		ruleRows     whole[matcher.Rule]
		userRows     whole[provisioning.User]
		phoneRows    whole[provisioning.Phone]
		lineRows     whole[provisioning.Line]
		all, current = selection{heap: true}, selection{where: latest, heap: true}
	)
	err := firstError(
		func() error { return loadTable(l, &sites, all, &made, siteRows.take) },
		func() error { return loadTable(l, &locations, current, &made, locationRows.take) },
		func() error { return loadTable(l, &bareRules, all, &made, ruleRows.take) },
		func() error { return loadTable(l, &users, all, &made, userRows.take) },
		func() error { return loadTable(l, &phones, all, &made, phoneRows.take) },
		func() error { return loadTable(l, &lines, all, &made, lineRows.take) },
	)
	if err != nil {
		return err
	}
	l.running.Go(func() {
		made.Wait()
		if l.trouble() == nil {
			c := provisioning.Content{
				Sites: siteRows.all(), Locations: locationRows.all(), Rules: ruleRows.all(),
				Users: userRows.all(), Phones: phoneRows.all(), Lines: lineRows.all(),
			}
			c.Sort()
			l.to.Directory(c)
		}
	})
	return nil
}

// loadTable reads a table part by part. Other goroutines make records of the rows and
// have them taken; made, if it is not nil, counts those that are at it.
func loadTable[T any](l *loading, t *table[T], sel selection, made *sync.WaitGroup, take func(n int, part []T)) error {
	rows, err := l.q.QueryContext(l.ctx, t.selectSQL(sel), sel.args...)
	if err != nil {
		return fmt.Errorf("read %s: %w", t.name, err)
	}
	defer rows.Close()
	width := len(t.columns)
	targets := make([]any, width)
	for n := 0; ; n++ {
		cells := make([]any, 0, partRows*width)
		for len(cells) < cap(cells) && rows.Next() {
			row := cells[len(cells) : len(cells)+width]
			for i := range row {
				targets[i] = &row[i]
			}
			if err := rows.Scan(targets...); err != nil {
				return fmt.Errorf("read %s: %w", t.name, err)
			}
			cells = cells[:len(cells)+width]
		}
		if len(cells) > 0 {
			l.work(made, func() {
				part, err := records(t, cells)
				if err != nil {
					l.fail(err)
					return
				}
				take(n, part)
			})
		}
		if len(cells) < cap(cells) {
			break
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", t.name, err)
	}
	return nil
}

// work has something done beside the reading, as soon as a processor is free for it.
func (l *loading) work(made *sync.WaitGroup, do func()) {
	l.free <- struct{}{}
	if made != nil {
		made.Add(1)
	}
	l.running.Go(func() {
		do()
		if made != nil {
			made.Done()
		}
		<-l.free
	})
}

func (l *loading) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = err
	}
}

func (l *loading) trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// records makes records of rows, given cell by cell.
func records[T any](t *table[T], cells []any) ([]T, error) {
	width := len(t.columns)
	out := make([]T, len(cells)/width)
	var targets []any
	for i := range out {
		targets = t.fields(targets[:0], &out[i])
		for j, target := range targets {
			if err := assign(target, cells[i*width+j]); err != nil {
				return nil, fmt.Errorf("read %s: column %s: %w", t.name, t.columns[j], err)
			}
		}
	}
	return out, nil
}

// assign is the part of sql.Rows.Scan that tables need.
func assign(target, cell any) error {
	switch t := target.(type) {
	case sql.Scanner:
		return t.Scan(cell)
	case *string:
		if s, ok := cell.(string); ok {
			*t = s
			return nil
		}
	}
	v := reflect.ValueOf(target).Elem()
	switch cell := cell.(type) {
	case string:
		if v.Kind() == reflect.String {
			v.SetString(cell)
			return nil
		}
	case bool:
		if v.Kind() == reflect.Bool {
			v.SetBool(cell)
			return nil
		}
	case int64:
		switch {
		case v.Kind() == reflect.Bool && cell>>1 == 0:
			v.SetBool(cell == 1)
			return nil
		case v.CanInt() && !v.OverflowInt(cell):
			v.SetInt(cell)
			return nil
		case v.CanUint() && cell >= 0 && !v.OverflowUint(uint64(cell)):
			v.SetUint(uint64(cell))
			return nil
		}
	}
	return fmt.Errorf("%v of type %T is not for %s", cell, cell, v.Type())
}

// whole is a table that is put together of its parts.
type whole[T any] struct {
	mu    sync.Mutex
	parts [][]T
}

func (w *whole[T]) take(n int, part []T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.parts) <= n {
		w.parts = append(w.parts, nil)
	}
	w.parts[n] = part
}

// all returns the rows, once.
func (w *whole[T]) all() []T {
	out := slices.Concat(w.parts...)
	w.parts = nil
	return out
}
