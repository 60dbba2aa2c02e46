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

// deleteSQL returns the statement that removes the rows of n keys. No row is
// ever removed from a table with a key of several columns.
func (t *table[T]) deleteSQL(n int) string {
	return fmt.Sprintf("DELETE FROM %s WHERE %s IN (%s)", t.name, t.columns[0], placeholders(n))
}

// placeholders returns "$1, $2, ..." up to n.
func placeholders(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(i+1))
	}
	return b.String()
}

// selection is which rows are read; the zero value means all.
type selection struct {
	where string // a condition with placeholders for args
	args  []any
	limit int  // 0: none
	heap  bool // in the order in which they lie in the database, which is the quickest
}

// selectSQL returns the statement that reads rows, in order of their key unless they
// are wanted as they lie.
func (t *table[T]) selectSQL(sel selection) string {
	var b strings.Builder
	fmt.Fprintf(&b, "SELECT %s FROM %s", strings.Join(t.columns, ", "), t.name)
	if sel.where != "" {
		b.WriteString(" WHERE " + sel.where)
	}
	if !sel.heap {
		b.WriteString(" ORDER BY " + strings.Join(t.columns[:t.key], ", "))
	}
	if sel.limit > 0 {
		b.WriteString(" LIMIT " + strconv.Itoa(sel.limit))
	}
	return b.String()
}

// querier is a database, or a transaction of one.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// read appends the selected rows to *to, in order of key.
func read[T any](ctx context.Context, q querier, t *table[T], sel selection, to *[]T) error {
	return each(ctx, q, t, sel, func(x T) { *to = append(*to, x) })
}

// each calls f for each selected row, in order of key.
func each[T any](ctx context.Context, q querier, t *table[T], sel selection, f func(T)) error {
	rows, err := q.QueryContext(ctx, t.selectSQL(sel), sel.args...)
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

// writer runs the statements of one transaction.
type writer struct {
	tx      *sql.Tx
	chunk   int                  // rows that one statement takes, at most
	byIndex string               // see db
	stmts   map[string]*sql.Stmt // each prepared once, closed with the transaction; nil: the driver keeps its own
	args    []any
}

func (w *writer) exec(ctx context.Context, query string, args []any) error {
	if w.stmts == nil {
		_, err := w.tx.ExecContext(ctx, query, args...)
		return err
	}
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
	if err := write(ctx, w, rows, t.upsertSQL, t.fields); err != nil {
		return fmt.Errorf("write %s: %w", t.name, err)
	}
	return nil
}

// add appends rows; a key that is there already is an error.
func add[T any](ctx context.Context, w *writer, t *table[T], rows []T) error {
	if err := write(ctx, w, rows, t.insertSQL, t.fields); err != nil {
		return fmt.Errorf("write %s: %w", t.name, err)
	}
	return nil
}

// remove deletes the rows with the keys of the given ones.
func remove[T any](ctx context.Context, w *writer, t *table[T], rows []T) error {
	var scratch []any
	key := func(dst []any, x *T) []any {
		scratch = t.fields(scratch[:0], x)
		return append(dst, scratch[0])
	}
	if err := write(ctx, w, rows, t.deleteSQL, key); err != nil {
		return fmt.Errorf("delete from %s: %w", t.name, err)
	}
	return nil
}

// write runs a statement for all rows: text gives that for n of them, and fields
// appends the arguments of one.
func write[T any](ctx context.Context, w *writer, rows []T, text func(n int) string, fields func([]any, *T) []any) error {
	for len(rows) > 0 {
		n := 1
		if len(rows) >= w.chunk {
			n = w.chunk
		}
		query := text(n)
		for len(rows) >= n {
			w.args = w.args[:0]
			for i := range n {
				w.args = fields(w.args, &rows[i])
			}
			if err := w.exec(ctx, query, w.args); err != nil {
				return err
			}
			rows = rows[n:]
		}
	}
	return nil
}
