package store_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"perch/gateway"
	"perch/store"
	"perch/store/storetest"
)

func TestSQLiteConforms(t *testing.T) {
	storetest.Run(t, func(t *testing.T) (gateway.Store, func() gateway.Store) {
		path := filepath.Join(t.TempDir(), "perch.db")
		s := openSQLite(t, path)
		return s, func() gateway.Store {
			if err := s.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
			s = openSQLite(t, path)
			return s
		}
	})
}

func TestPostgresConforms(t *testing.T) {
	database := postgres.Server(t).NewURL(t)
	schemas := 0
	storetest.Run(t, func(t *testing.T) (gateway.Store, func() gateway.Store) {
		schemas++ // quicker than new databases
		name := fmt.Sprintf("case_%d", schemas)
		statement(t, database, "CREATE SCHEMA "+name)
		url := database + "?search_path=" + name
		p := openPostgres(t, url)
		return p, func() gateway.Store {
			if err := p.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
			p = openPostgres(t, url)
			return p
		}
	})
}

func TestMemoryConforms(t *testing.T) {
	storetest.Run(t, func(*testing.T) (gateway.Store, func() gateway.Store) {
		m := new(gateway.Memory)
		return m, func() gateway.Store { return m }
	})
}

// postgres is the server of this package's tests.
var postgres storetest.Postgres

// openPostgres opens a database until the end of the test.
func openPostgres(t testing.TB, url string) *store.Postgres {
	t.Helper()
	p, err := store.OpenPostgres(t.Context(), url)
	if err != nil {
		t.Fatalf("OpenPostgres: %v", err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return p
}

// openSQLite opens a database until the end of the test.
func openSQLite(t testing.TB, path string) *store.SQLite {
	t.Helper()
	s, err := store.OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatalf("OpenSQLite: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}
