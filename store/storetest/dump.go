package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// DumpOf returns the dump of the database at a path or a URL. It only reads, and
// needs no lock: a process that was killed may have left the database. A
// PostgreSQL server may be committing for such a process still, for a moment;
// whoever opens the database waits until it has.
func DumpOf(t testing.TB, name string) string {
	t.Helper()
	d, err := openReadOnly(name)
	if err != nil {
		t.Fatalf("dump: %v", err)
	}
	defer d.Close()
	return Dump(t, d)
}

func openReadOnly(name string) (*sql.DB, error) {
	if strings.HasPrefix(name, "postgres://") || strings.HasPrefix(name, "postgresql://") {
		u, err := url.Parse(name)
		if err != nil {
			return nil, err
		}
		q := u.Query()
		q.Set("default_transaction_read_only", "on")
		u.RawQuery = q.Encode()
		return sql.Open("pgx", u.String())
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	return sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro"}).String())
}

// Dump returns all tables as text, table by table, in order of their keys. Equal
// contents give equal dumps, whichever database holds them. The table of
// migrations is left out, and the secret of a live database is not told: no two
// have the same.
func Dump(t testing.TB, d *sql.DB) string {
	t.Helper()
	text, err := dump(t.Context(), d)
	if err != nil {
		t.Fatalf("dump: %v", err)
	}
	return text
}

// The columns of all tables in order; the first column is the table's name. That
// which fails is the other database's.
const (
	sqliteColumns = `SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND t.name <> 'goose_db_version'
		ORDER BY t.name, c.cid`
	postgresColumns = `SELECT table_name, column_name FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name <> 'goose_db_version'
		ORDER BY table_name COLLATE "C", ordinal_position`
)

func dump(ctx context.Context, d *sql.DB) (string, error) {
	columns := postgresColumns
	if d.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(new(string)) == nil {
		columns = sqliteColumns
	}
	tx, err := d.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: isolation(columns)})
	if err != nil {
		return "", err
	}
	defer tx.Rollback()
	var names []string
	of := map[string][]string{}
	err = rows(ctx, tx, columns, func(v []any) {
		table, column := v[0].(string), v[1].(string)
		if of[table] == nil {
			names = append(names, table)
		}
		of[table] = append(of[table], column)
	})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, table := range names {
		if err := dumpTable(ctx, tx, &b, table, of[table]); err != nil {
			return "", fmt.Errorf("%s: %w", table, err)
		}
	}
	return b.String(), nil
}

// isolation makes all tables of one moment; SQLite knows nothing else.
func isolation(columns string) sql.IsolationLevel {
	if columns == postgresColumns {
		return sql.LevelRepeatableRead
	}
	return sql.LevelDefault
}

func dumpTable(ctx context.Context, tx *sql.Tx, b *strings.Builder, table string, columns []string) error {
	var order []string
	for i := range columns { // keys come first; a table without one is in order of all that it has
		order = append(order, strconv.Itoa(i+1))
	}
	list := strings.Join(columns, ", ")
	fmt.Fprintf(b, "%s (%s)\n", table, list)
	query := "SELECT " + list + " FROM " + table + " ORDER BY " + strings.Join(order, ", ")
	return rows(ctx, tx, query, func(v []any) {
		if table == "meta" && v[0] == "instance_key" {
			v[1] = "secret"
		}
		for i, x := range v {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(literal(x))
		}
		b.WriteByte('\n')
	})
}

// literal writes a value the same way for every database.
func literal(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case []byte:
		return "b" + strconv.Quote(string(v))
	case bool:
		if v {
			return "1"
		}
		return "0"
	}
	return fmt.Sprint(v)
}

// rows calls f for each row of a query.
func rows(ctx context.Context, tx *sql.Tx, query string, f func([]any)) error {
	r, err := tx.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer r.Close()
	names, err := r.Columns()
	if err != nil {
		return err
	}
	values, into := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for r.Next() {
		if err := r.Scan(into...); err != nil {
			return err
		}
		f(values)
	}
	return r.Err()
}
