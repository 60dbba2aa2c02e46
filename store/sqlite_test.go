package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/location"
	"perch/matcher"
	"perch/provisioning"
	"perch/store"
	"perch/store/storetest"
)

// batch is a small batch in which n tells one from another.
func batch(n int64) *gateway.Batch {
	id := discovery.PhoneID{MAC: discovery.MAC{0, 0x15, 0x65, byte(n >> 16), byte(n >> 8), byte(n)}}
	at := time.Unix(1_772_438_400+n, 0).UTC()
	return &gateway.Batch{
		Type: gateway.Live, Time: at, Counters: gateway.Counters{Event: n, Mail: n},
		Phones: []gateway.PhoneRecord{{Phone: id, State: json.RawMessage(`{}`)}},
		Events: []gateway.Event{{ID: n, Time: at, Name: "phone.moved", Phone: id.String(), Data: json.RawMessage(`{}`)}},
		Mails:  []gateway.Mail{{ID: n, Time: at, Purpose: gateway.MailPrompt, Body: []byte("Subject: x\r\n\r\n")}},
	}
}

func countMails(t *testing.T, s gateway.Store) int {
	t.Helper()
	n := 0
	if err := s.Mails(t.Context(), 0, func(gateway.Mail) error { n++; return nil }); err != nil {
		t.Fatalf("Mails: %v", err)
	}
	return n
}

// raw opens a database file as any other program would.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	d, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func query(t *testing.T, path, text string) string {
	t.Helper()
	var v string
	d := raw(t, path)
	defer d.Close()
	if err := d.QueryRow(text).Scan(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestSQLiteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perch.db")
	s := openSQLite(t, path)
	if err := s.Commit(t.Context(), batch(1)); err != nil {
		t.Fatal(err)
	}
	if got := query(t, path, "PRAGMA journal_mode"); got != "wal" {
		t.Errorf("journal mode %q, want wal", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path + "-wal", path + "-shm"} {
		if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("after Close %s is there still (%v)", filepath.Base(name), err)
		}
	}
	for _, name := range []string{path, path + ".lock"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600: it holds home addresses", filepath.Base(name), info.Mode())
		}
	}
	if got := query(t, path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity check: %s", got)
	}
}

func TestOpenWritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perch.db")
	s := openSQLite(t, path)
	if err := s.Commit(t.Context(), batch(1)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s = openSQLite(t, path)
	if _, err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if countMails(t, s) != 1 {
		t.Error("the mail is gone")
	}
	s.Close()
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("opening, reading and closing changed the file")
	}
}

// Committing what is stored already changes no row, and in particular none of
// meta: a refresh that changes nothing writes nothing.
func TestCommitWritesOnlyItsRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perch.db")
	s := openSQLite(t, path)
	b := batch(1)
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	d := raw(t, path)
	for _, table := range []string{"meta", "phone_state", "sites", "prompts"} {
		trigger := fmt.Sprintf("CREATE TRIGGER refuse_%[1]s BEFORE UPDATE ON %[1]s BEGIN SELECT raise(ABORT, '%[1]s'); END", table)
		if _, err := d.Exec(trigger); err != nil {
			t.Fatal(err)
		}
	}
	d.Close()
	same := &gateway.Batch{Type: b.Type, Time: b.Time, Counters: b.Counters}
	if err := s.Commit(t.Context(), same); err != nil {
		t.Errorf("an empty batch wrote: %v", err)
	}
	same.Time = same.Time.Add(time.Microsecond)
	if err := s.Commit(t.Context(), same); err == nil || !strings.Contains(err.Error(), "meta") {
		t.Errorf("a new engine time gave %v, want the trigger's error", err)
	}
}

func TestReaderMayUseTheStore(t *testing.T) {
	s := openSQLite(t, filepath.Join(t.TempDir(), "perch.db"))
	for n := range int64(3) {
		if err := s.Commit(t.Context(), batch(n+1)); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Mails(t.Context(), 0, func(m gateway.Mail) error { return s.Commit(t.Context(), batch(m.ID+100)) })
	if err != nil {
		t.Fatal(err)
	}
	if got := countMails(t, s); got != 6 {
		t.Errorf("%d mails, want 6", got)
	}
}

func TestOddFileNames(t *testing.T) {
	for _, name := range []string{"a b.db", "50%.db", "x?mode=memory", "#1.db", "ü.db", "file:x", "a&b=c.db", ":memory:", "%41.db"} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			s := openSQLite(t, name)
			if err := s.Commit(t.Context(), batch(1)); err != nil {
				t.Fatal(err)
			}
			s.Close()
			if info, err := os.Stat(name); err != nil || info.Size() == 0 {
				t.Errorf("no database under its name: %v", err)
			}
			if got := countMails(t, openSQLite(t, name)); got != 1 {
				t.Errorf("%d mails when opened again, want 1", got)
			}
		})
	}
}

// A first start may be killed between goose's own table and the first migration.
func TestHalfMadeDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perch.db")
	d := raw(t, path)
	_, err := d.Exec(`CREATE TABLE goose_db_version (
			id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL,
			tstamp TIMESTAMP DEFAULT (datetime('now')));
		INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1)`)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	s := openSQLite(t, path)
	if err := s.Commit(t.Context(), batch(1)); err != nil {
		t.Error(err)
	}
}

// A copy made with VACUUM INTO is not in WAL mode; it must work all the same.
func TestRestoredCopy(t *testing.T) {
	dir := t.TempDir()
	s := openSQLite(t, filepath.Join(dir, "perch.db"))
	if err := s.Commit(t.Context(), batch(1)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	copied := filepath.Join(dir, "copy.db")
	if _, err := raw(t, filepath.Join(dir, "perch.db")).Exec("VACUUM INTO ?", copied); err != nil {
		t.Fatal(err)
	}
	s = openSQLite(t, copied)
	if got := query(t, copied, "PRAGMA journal_mode"); got != "wal" {
		t.Errorf("journal mode of the copy is %q, want wal", got)
	}
	if got := countMails(t, s); got != 1 {
		t.Errorf("%d mails in the copy, want 1", got)
	}
}

func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perch.db")
	s := openSQLite(t, path)
	if err := s.Commit(t.Context(), batch(1)); err != nil {
		t.Fatal(err)
	}
	want, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	store.LimitPages(t, s, 60)
	big := batch(2)
	big.Mails[0].Body = bytes.Repeat([]byte("no space left "), 40_000)
	if err := s.Commit(t.Context(), big); err == nil || !strings.Contains(err.Error(), "full") {
		t.Fatalf("commit on a full disk gave %v, want an error that says so", err)
	}
	if got, err := s.Load(t.Context()); err != nil || got.Time != want.Time || len(got.Phones) != 1 {
		t.Errorf("after the failure the state is of %v with %d phones (%v)", got.Time, len(got.Phones), err)
	}
	if got := countMails(t, s); got != 1 {
		t.Errorf("%d mails after the failure, want 1", got)
	}
	store.LimitPages(t, s, 1<<30)
	if err := s.Commit(t.Context(), big); err != nil {
		t.Fatalf("the same batch, with space again: %v", err)
	}
	if got := countMails(t, s); got != 2 {
		t.Errorf("%d mails, want 2", got)
	}
	s.Close()
	if got := query(t, path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity check: %s", got)
	}
}

// While another program writes to the file a commit waits, for as long as its
// context lasts; it can be tried again.
func TestOtherWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perch.db")
	s := openSQLite(t, path)
	tx, err := raw(t, path).Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("UPDATE meta SET value = value"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Commit(ctx, batch(1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("commit beside another writer gave %v, want to wait until the deadline", err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), batch(1)); err != nil {
		t.Errorf("commit after the other writer: %v", err)
	}
}

// Another program holds the lock for longer than a commit waits. The batch is
// committed once the lock is free, and so is what the outbox notes.
func TestLockedBeyondPatience(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perch.db")
	s := openSQLite(t, path)
	if err := s.Commit(t.Context(), batch(1)); err != nil {
		t.Fatal(err)
	}
	store.BusyTimeout(t, s, 10*time.Millisecond)
	tx, err := raw(t, path).Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("UPDATE mails SET subject = subject"); err != nil {
		t.Fatal(err)
	}
	now := batch(1).Time
	for range 3 {
		if err := s.Commit(t.Context(), batch(2)); err == nil || !strings.Contains(err.Error(), "locked") {
			t.Errorf("commit gave %v, want an error that says why", err)
		}
		if _, err := s.Lease(t.Context(), now, now.Add(time.Hour), 1); err == nil || !strings.Contains(err.Error(), "locked") {
			t.Errorf("lease gave %v, want an error that says why", err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), batch(2)); err != nil {
		t.Errorf("the same batch: %v", err)
	}
	if got, err := s.Lease(t.Context(), now, now.Add(time.Hour), 9); err != nil || len(got) != 1 || got[0].Attempt != 1 {
		t.Errorf("leased %+v, want mail 1 for the first time (%v)", got, err)
	}
	holdsBatches(t, s, 2)
	if got := query(t, path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity check: %s", got)
	}
}

// Somebody else has written to the database in spite of the lock. No more is
// written then, until the new state was loaded.
func TestAnotherHand(t *testing.T) {
	for _, change := range []string{
		"UPDATE meta SET value = '7' WHERE key = 'last_event'",
		"UPDATE meta SET value = '1' WHERE key = 'time'",
		"INSERT INTO meta VALUES ('last_change', '1')",
		"DELETE FROM meta WHERE key = 'last_claim'",
	} {
		path := filepath.Join(t.TempDir(), "perch.db")
		s := openSQLite(t, path)
		if _, err := s.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(t.Context(), batch(1)); err != nil {
			t.Fatal(err)
		}
		if _, err := raw(t, path).Exec(change); err != nil {
			t.Fatal(err)
		}
		before := storetest.DumpOf(t, path)
		for range 2 {
			if err := s.Commit(t.Context(), batch(2)); !errors.Is(err, gateway.ErrOtherWriter) {
				t.Errorf("%s: commit gave %v, want ErrOtherWriter", change, err)
			}
		}
		if storetest.DumpOf(t, path) != before {
			t.Errorf("%s: the commit wrote something", change)
		}
		if _, err := s.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := batch(8)
		if err := s.Commit(t.Context(), b); err != nil {
			t.Errorf("%s: commit after Load: %v", change, err)
		}
	}
}

func TestConnectionSettings(t *testing.T) {
	s := openSQLite(t, filepath.Join(t.TempDir(), "perch.db"))
	for pragma, want := range map[string]string{
		"journal_mode": "wal",
		"synchronous":  "2", // full
		"busy_timeout": "5000",
		"mmap_size":    "0",
		"cache_size":   "-65536", // KiB
	} {
		if got := store.Pragma(t, s, pragma); got != want {
			t.Errorf("%s is %s, want %s", pragma, got, want)
		}
	}
}

// What cannot be read is an error that names its table, not a zero value.
func TestDamagedRows(t *testing.T) {
	for name, damage := range map[string]string{
		"answers":     "INSERT INTO answers VALUES (1, '', 0, 'perhaps', '', '', 0, 0, '{}')",
		"phone_state": "UPDATE phone_state SET phone = 'nobody'",
		"sites":       "INSERT INTO sites VALUES ('hq', '', '', '', '[\"10.0.0.0/33\"]', '[]')",
		"meta":        "UPDATE meta SET value = 'soon' WHERE key = 'time'",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "perch.db")
			s := openSQLite(t, path)
			if err := s.Commit(t.Context(), batch(1)); err != nil {
				t.Fatal(err)
			}
			if _, err := raw(t, path).Exec(damage); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "read "+name) {
				t.Errorf("Load gave %v, want an error that names %s", err, name)
			}
		})
	}
}

// importOf returns a batch that imports a wiremap of n rules.
func importOf(n int) *gateway.Batch {
	rules := make([]matcher.Rule, n)
	for i := range rules {
		rules[i] = matcher.Rule{
			Location: location.ID(fmt.Sprintf("room-%d", i%5000)), Site: "hq",
			ChassisID: fmt.Sprintf("00:1b:%02x:%02x:00:01", i/48>>8&255, i/48&255), Port: fmt.Sprintf("Gi%d/0/%02d", i/48>>16, i%48),
		}
	}
	return &gateway.Batch{Directory: []provisioning.Changes{{Put: provisioning.Content{Rules: rules}}}}
}
