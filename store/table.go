package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
)

// table ties one kind of record to the columns of one table.
type table[T any] struct {
	name    string
	columns []string // those of the primary key first
	key     int      // how many they are

	// fields appends, in the order of columns, what binds and scans them.
	fields func(dst []any, x *T) []any
}

// insertSQL returns the statement that adds n rows.
func (t *table[T]) insertSQL(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES ", t.name, strings.Join(t.columns, ", "))
	for i := range n * len(t.columns) {
		switch {
		case i == 0:
			b.WriteString("($")
		case i%len(t.columns) == 0:
			b.WriteString("), ($")
		default:
			b.WriteString(", $")
		}
		b.WriteString(strconv.Itoa(i + 1))
	}
	b.WriteByte(')')
	return b.String()
}

// upsertSQL returns the statement that adds n rows, or replaces those whose key
// is there already.
func (t *table[T]) upsertSQL(n int) string {
	var b strings.Builder
	b.WriteString(t.insertSQL(n))
	fmt.Fprintf(&b, " ON CONFLICT (%s) DO UPDATE SET ", strings.Join(t.columns[:t.key], ", "))
	for i, c := range t.columns[t.key:] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c + " = excluded." + c)
	}
	return b.String()
}

// deleteSQL returns the statement that removes the row of a key.
func (t *table[T]) deleteSQL() string {
	var b strings.Builder
	fmt.Fprintf(&b, "DELETE FROM %s WHERE ", t.name)
	for i, c := range t.columns[:t.key] {
		if i > 0 {
			b.WriteString(" AND ")
		}
		b.WriteString(c + " = $" + strconv.Itoa(i+1))
	}
	return b.String()
}

// selection is which rows are read; the zero value means all.
type selection struct {
	where string // a condition with placeholders for args
	args  []any
	limit int // 0: none
}

// selectSQL returns the statement that reads rows in order of their key.
func (t *table[T]) selectSQL(sel selection) string {
	var b strings.Builder
	fmt.Fprintf(&b, "SELECT %s FROM %s", strings.Join(t.columns, ", "), t.name)
	if sel.where != "" {
		b.WriteString(" WHERE " + sel.where)
	}
	b.WriteString(" ORDER BY " + strings.Join(t.columns[:t.key], ", "))
	if sel.limit > 0 {
		b.WriteString(" LIMIT " + strconv.Itoa(sel.limit))
	}
	return b.String()
}

// read appends the selected rows to *to, in order of key.
func read[T any](ctx context.Context, d *sql.DB, t *table[T], sel selection, to *[]T) error {
	return each(ctx, d, t, sel, func(x T) { *to = append(*to, x) })
}

// each calls f for each selected row, in order of key.
func each[T any](ctx context.Context, d *sql.DB, t *table[T], sel selection, f func(T)) error {
	rows, err := d.QueryContext(ctx, t.selectSQL(sel), sel.args...)
	if err != nil {
		return fmt.Errorf("read %s: %w", t.name, err)
	}
	defer rows.Close()
	var dst []any
	for rows.Next() {
		var x T
		dst = t.fields(dst[:0], &x)
		if err := rows.Scan(dst...); err != nil {
			return fmt.Errorf("read %s: %w", t.name, err)
		}
		f(x)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", t.name, err)
	}
	return nil
}

// writer runs the statements of one transaction, each prepared once.
type writer struct {
	tx    *sql.Tx
	chunk int
	stmts map[string]*sql.Stmt // closed with the transaction
	args  []any
}

func newWriter(tx *sql.Tx, chunk int) *writer {
	return &writer{tx: tx, chunk: chunk, stmts: map[string]*sql.Stmt{}}
}

func (w *writer) exec(ctx context.Context, query string, args []any) error {
	stmt := w.stmts[query]
	if stmt == nil {
		var err error
		if stmt, err = w.tx.PrepareContext(ctx, query); err != nil {
			return err
		}
		w.stmts[query] = stmt
	}
	_, err := stmt.ExecContext(ctx, args...)
	return err
}

// put adds or replaces rows; rows of one call have different keys.
func put[T any](ctx context.Context, w *writer, t *table[T], rows []T) error {
	return write(ctx, w, t, rows, t.upsertSQL)
}

// add appends rows; a key that is there already is an error.
func add[T any](ctx context.Context, w *writer, t *table[T], rows []T) error {
	return write(ctx, w, t, rows, t.insertSQL)
}

func write[T any](ctx context.Context, w *writer, t *table[T], rows []T, text func(n int) string) error {
	for len(rows) > 0 {
		n := 1
		if len(rows) >= w.chunk {
			n = w.chunk
		}
		query := text(n)
		for len(rows) >= n {
			w.args = w.args[:0]
			for i := range n {
				w.args = t.fields(w.args, &rows[i])
			}
			if err := w.exec(ctx, query, w.args); err != nil {
				return fmt.Errorf("write %s: %w", t.name, err)
			}
			rows = rows[n:]
		}
	}
	return nil
}

// remove deletes the rows with the keys of the given ones.
func remove[T any](ctx context.Context, w *writer, t *table[T], rows []T) error {
	query := t.deleteSQL()
	for i := range rows {
		w.args = t.fields(w.args[:0], &rows[i])
		if err := w.exec(ctx, query, w.args[:t.key]); err != nil {
			return fmt.Errorf("delete from %s: %w", t.name, err)
		}
	}
	return nil
}
