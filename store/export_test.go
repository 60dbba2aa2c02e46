package store

import (
	"strconv"
	"testing"
)

// LimitPages makes the database full at n pages, as a disk without space would.
func LimitPages(t *testing.T, s *SQLite, n int64) {
	t.Helper()
	if _, err := s.sql.Exec("PRAGMA max_page_count = " + strconv.FormatInt(n, 10)); err != nil {
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

// AtLeast compares versions.
func AtLeast(version, want string) bool { return atLeast(version, want) }
