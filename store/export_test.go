package store

import (
	"database/sql"
	"strconv"
	"testing"
	"time"
)

// LimitPages makes the database full at n pages, as a disk without space would.
func LimitPages(t *testing.T, s *SQLite, n int64) {
	t.Helper()
	if _, err := s.sql.Exec("PRAGMA max_page_count = " + strconv.FormatInt(n, 10)); err != nil {
		t.Fatal(err)
	}
}

// BusyTimeout sets how long the store waits for another program's lock.
func BusyTimeout(t *testing.T, s *SQLite, d time.Duration) {
	t.Helper()
	if _, err := s.sql.Exec("PRAGMA busy_timeout = " + strconv.FormatInt(d.Milliseconds(), 10)); err != nil {
		t.Fatal(err)
	}
}

// Pragma returns a setting of the store's own connection.
func Pragma(t *testing.T, s *SQLite, name string) string {
	t.Helper()
	var v string
	if err := s.sql.QueryRow("PRAGMA " + name).Scan(&v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

// Setting returns a setting of the store's own session.
func Setting(t *testing.T, p *Postgres, name string) string {
	t.Helper()
	var v string
	if err := p.sql.QueryRow("SELECT current_setting($1)", name).Scan(&v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

// Conn returns the store's own connection, to look at its plans.
func (d *db) Conn() *sql.DB { return d.sql }

// OutboxStatements are those that run while a service works, with arguments.
var OutboxStatements = map[string]struct {
	SQL  string
	Args []any
}{
	"lease":  {leaseSQL, []any{int64(3), int64(1 << 40), int64(16)}},
	"record": {recordSQL, []any{sent, int64(0), int64(1), "250", int64(7), int64(1)}},
	"free":   {freeSQL, nil},
	"next":   {nextSQL, nil},
}

// AtLeast compares versions.
func AtLeast(version, want string) bool { return atLeast(version, want) }
