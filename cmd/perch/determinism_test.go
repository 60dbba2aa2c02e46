package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// digest is the SHA-256 of what one run printed and mailed.
func digest(t *testing.T, out []byte, mails string) string {
	t.Helper()
	h := sha256.New()
	h.Write(out)
	names, err := filepath.Glob(filepath.Join(mails, "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(h, "%s %d\n", filepath.Base(n), len(b))
		h.Write(b)
	}
	return fmt.Sprintf("%x (%d mails)", h.Sum(nil), len(names))
}

// environments are of the processes that must print the same bytes.
func environments(i int) []string {
	zones := []string{"UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Chatham"}
	locales := []string{"C", "de_DE.UTF-8", "tr_TR.UTF-8"}
	return []string{
		fmt.Sprintf("GOMAXPROCS=%d", 1+i%2), "TZ=" + zones[i%len(zones)],
		"LC_ALL=" + locales[i%len(locales)], "LANG=" + locales[i%len(locales)],
	}
}

// TestSameBytes runs two interleaved captures in 20 processes of different
// environments, without a database and, with a decision in between, with one: events
// and mails must be the same bytes.
func TestSameBytes(t *testing.T) {
	replays, err := filepath.Abs(filepath.Join(root, "testdata", "replay"))
	if err != nil {
		t.Fatal(err)
	}
	captures := []string{filepath.Join(replays, "two-users", "in.pcapng"), filepath.Join(replays, "wiremap-changed", "in.pcapng")}
	flags := []string{"-json", "-config", filepath.Join(replays, "wiremap-changed", "perch.yaml")}
	replay := func(mails string, extra ...string) []string {
		args := append([]string{"replay", "-mail", mails, "-map", filepath.Join(replays, "wiremap-changed", "map")}, flags...)
		return append(append(args, extra...), captures...)
	}
	for _, tt := range []struct {
		name  string
		steps func(dir, mails string) [][]string
	}{
		{"without a database", func(_, mails string) [][]string { return [][]string{replay(mails)} }},
		{"SQLite, with a decision", func(dir, mails string) [][]string {
			db := []string{"-db", filepath.Join(dir, "perch.db")}
			answer := append(append([]string{"prompts", "answer"}, flags...), db...)
			return [][]string{
				replay(mails, append(db, "-until", "2026-03-02T08:04:00Z")...),
				append(answer, "1", "-confirm", "-by", "alice@example.com", "-at", "2026-03-02T08:04:30Z"),
				replay(mails, db...),
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var want string
			for i := range 20 {
				dir := t.TempDir()
				mails := filepath.Join(dir, "mails")
				var out bytes.Buffer
				for _, args := range tt.steps(dir, mails) {
					cmd := perchProcess(t, environments(i), args...)
					var errs strings.Builder
					cmd.Stdout, cmd.Stderr = &out, &errs
					if err := cmd.Run(); err != nil {
						t.Fatalf("%q: %v\n%s", args, err, errs.String())
					}
				}
				got := digest(t, out.Bytes(), mails)
				if i == 0 {
					want = got
				}
				if n := bytes.Count(out.Bytes(), []byte("\n")); n < 8 {
					t.Fatalf("only %d events: this proves nothing", n)
				}
				if got != want {
					t.Errorf("run %d (%v): got %s, want %s", i, environments(i), got, want)
				}
			}
		})
	}
}

// TestReplayedTwice replays captures into a database that has them already:
// nothing is printed and not a byte of the database changes.
func TestReplayedTwice(t *testing.T) {
	for _, s := range stories(t) {
		if len(s.steps) > 1 {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			db := filepath.Join(t.TempDir(), "perch.db")
			if len(s.tell(t, db, "")) == 0 && s.name != "scanner" {
				t.Fatal("no events")
			}
			before, err := os.ReadFile(db)
			if err != nil {
				t.Fatal(err)
			}
			if again := s.tell(t, db, ""); len(again) > 0 {
				t.Errorf("replayed again it says:\n%s", again)
			}
			after, err := os.ReadFile(db)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, after) {
				t.Errorf("replaying again changed the database: %d bytes before, %d after", len(before), len(after))
			}
		})
	}
}
