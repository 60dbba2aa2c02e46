package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"perch/gateway"
	"perch/store"
)

func TestRefused(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(t *testing.T, dir string) (path string)
		want string
		is   error
	}{
		{
			name: "no such directory",
			make: func(_ *testing.T, dir string) string { return filepath.Join(dir, "missing", "perch.db") },
			want: "missing: no such file or directory",
			is:   os.ErrNotExist,
		},
		{
			name: "a directory",
			make: func(_ *testing.T, dir string) string { return dir },
			want: "not a file",
		},
		{
			name: "no name",
			make: func(*testing.T, string) string { return "" },
			want: "empty file name",
		},
		{
			name: "a text file",
			make: func(t *testing.T, dir string) string { return write(t, dir, []byte("id,name\nhq,Headquarters\n")) },
			want: "not a SQLite database",
		},
		{
			name: "a file of 3 bytes",
			make: func(t *testing.T, dir string) string { return write(t, dir, []byte("SQL")) },
			want: "not a SQLite database",
		},
		{
			name: "garbage behind a database's first bytes",
			make: func(t *testing.T, dir string) string {
				return write(t, dir, append([]byte("SQLite format 3\x00"), bytes.Repeat([]byte{0xa5}, 8192)...))
			},
			want: "not a database",
		},
		{
			name: "a database of another program",
			make: func(t *testing.T, dir string) string {
				path := filepath.Join(dir, "other.db")
				if _, err := raw(t, path).Exec("CREATE TABLE moz_places (id INTEGER)"); err != nil {
					t.Fatal(err)
				}
				return path
			},
			want: "another program",
		},
		{
			name: "a newer schema",
			make: func(t *testing.T, dir string) string {
				path := filepath.Join(dir, "perch.db")
				openSQLite(t, path).Close()
				if _, err := raw(t, path).Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (90000, 1)"); err != nil {
					t.Fatal(err)
				}
				return path
			},
			want: "schema version 90000",
			is:   gateway.ErrNewerSchema,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := test.make(t, t.TempDir())
			before, _ := os.ReadFile(path)
			s, err := store.OpenSQLite(t.Context(), path)
			if err == nil {
				s.Close()
				t.Fatalf("opened, want an error with %q", test.want)
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %q, want the path and %q", err, test.want)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %q is not %q", err, test.is)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

func write(t *testing.T, dir string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOneHolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "perch.db")
	alias := filepath.Join(dir, "alias.db")
	s := openSQLite(t, path)
	if err := os.Symlink(path, alias); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, alias} {
		_, err := store.OpenSQLite(t.Context(), name)
		if !errors.Is(err, gateway.ErrInUse) || !strings.Contains(err.Error(), path) {
			t.Errorf("a second open of %s gave %v, want ErrInUse and the file", filepath.Base(name), err)
		}
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
			t.Errorf("error %v does not name the holder", err)
		}
	}
	if err := s.Commit(t.Context(), batch(1)); err != nil {
		t.Errorf("the holder cannot commit any more: %v", err)
	}
	s.Close()
	openSQLite(t, alias)
}

func TestNoPermission(t *testing.T) {
	for _, test := range []struct {
		name     string
		dir      os.FileMode
		existing os.FileMode // of a database that is there; 0: none is
	}{
		{name: "a new database in a directory that is read only", dir: 0o555},
		{name: "a database that is read only", dir: 0o777, existing: 0o444},
		{name: "a database that cannot be read", dir: 0o777, existing: 0o200},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
				if err := os.Chmod(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(dir, "perch.db")
			if test.existing != 0 {
				openSQLite(t, path).Close()
				if err := os.Chmod(path, test.existing); err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(path + ".lock"); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(dir, test.dir); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Chmod(dir, 0o755) })
			c := startChild(t, holdDatabase, path, nobody())
			if !strings.Contains(c.said, "permission denied") || !strings.Contains(c.said, path) {
				t.Errorf("open said %q, want the path and permission denied", c.said)
			}
		})
	}
}

// nobody is the user to be when root, whom no permission stops; nil otherwise.
func nobody() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
}

func TestVersions(t *testing.T) {
	for _, test := range []struct {
		version, want string
		ok            bool
	}{
		{"3.51.3", "3.51.3", true},
		{"3.54.0", "3.51.3", true},
		{"4.0", "3.51.3", true},
		{"3.51.2", "3.51.3", false},
		{"3.9.9", "3.51.3", false},
		{"3.51", "3.51.3", false},
		{"", "3.51.3", false},
	} {
		if got := store.AtLeast(test.version, test.want); got != test.ok {
			t.Errorf("%q at least %s: got %v, want %v", test.version, test.want, got, test.ok)
		}
	}
}
