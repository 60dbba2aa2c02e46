package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"perch/store"
)

// mountTmpfs returns a directory that is a file system of n octets. It takes
// root's rights; TestFullDisk needs none.
func mountTmpfs(t *testing.T, options string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("cannot mount a file system here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// The file system fills up under the database. Commits and the outbox fail with
// a reason, lose nothing, and go on once there is space.
func TestFullFileSystem(t *testing.T) {
	dir := mountTmpfs(t, "size=2m")
	path := filepath.Join(dir, "perch.db")
	s := openSQLite(t, path)
	if err := s.Commit(t.Context(), batch(1)); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(dir, "filler")
	fill(t, filler)

	n := int64(2)
	var err error
	for ; err == nil && n < 1000; n++ { // the log may have room left
		err = s.Commit(t.Context(), batch(n))
	}
	n--
	if err == nil || !strings.Contains(err.Error(), "full") && !strings.Contains(err.Error(), "disk I/O error") {
		t.Fatalf("commit on a full disk gave %v, want an error that says so", err)
	}
	now := time.Unix(1_800_000_000, 0)
	if got, err := s.Lease(t.Context(), now, now.Add(time.Minute), 1000); err == nil {
		t.Errorf("leased %d mails, whose attempts are not durable", len(got))
	}
	holdsBatches(t, s, n-1)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), batch(n)); err != nil {
		t.Fatalf("the same batch, with space again: %v", err)
	}
	holdsBatches(t, s, n)
	got, err := s.Lease(t.Context(), now, now.Add(time.Minute), 1000)
	if err != nil || len(got) != int(n) {
		t.Errorf("leased %d mails, want %d (%v)", len(got), n, err)
	}
	s.Close()
	if got := query(t, path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity check: %s", got)
	}
}

// fill writes a file until its file system has no space left.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for b := make([]byte, 4096); err == nil; {
		_, err = f.Write(b)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

func TestReadOnlyFileSystem(t *testing.T) {
	dir := mountTmpfs(t, "size=4m")
	path := filepath.Join(dir, "perch.db")
	openSQLite(t, path).Close()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, filepath.Join(dir, "new.db")} {
		_, err := store.OpenSQLite(t.Context(), name)
		if !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), name) {
			t.Errorf("open gave %v, want the path and a read-only file system", err)
		}
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	if err := openSQLite(t, path).Commit(t.Context(), batch(1)); err != nil {
		t.Error(err)
	}
}

// A server does not outlive the process that started it, however that ends, nor
// does it need root.
func TestPostgresEndsWithItsProcess(t *testing.T) {
	postgres.Server(t) // or else the test is skipped
	for _, test := range []struct {
		name string
		as   *syscall.Credential
	}{
		{"as we are", nil},
		{"as an ordinary user", nobody()},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := startChild(t, servePostgres, "", test.as)
			if !strings.HasPrefix(c.said, "postgres://") {
				t.Fatalf("the other process: %s", c.said)
			}
			p := openPostgres(t, c.said)
			if err := p.Commit(t.Context(), batch(1)); err != nil {
				t.Fatal(err)
			}
			dir := c.line(t)
			defer os.RemoveAll(dir)
			pid, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(pid), "\n")
			c.kill(t)
			deadline := time.Now().Add(patience)
			for err := error(nil); err == nil; _, err = os.Readlink("/proc/" + first + "/exe") {
				if time.Now().After(deadline) {
					t.Fatal("the server runs still")
				}
			}
			if err := p.Commit(t.Context(), batch(2)); err == nil {
				t.Error("a commit without a server succeeded")
			}
		})
	}
}
