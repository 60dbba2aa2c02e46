package main

import (
	"bytes"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perch/discovery/capture"
)

// wantTwoLines runs a command that must fail with one error and one hint.
func wantTwoLines(t *testing.T, what string, args ...string) {
	t.Helper()
	code, _, errs := command(t, t.TempDir(), args...)
	var lines []string
	for line := range strings.Lines(errs) {
		if strings.HasPrefix(line, "error: ") || strings.HasPrefix(line, "hint: ") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if code != exitFailed || len(lines) != 2 || !strings.Contains(lines[0], what) || !strings.HasPrefix(lines[1], "hint: ") {
		t.Errorf("%q: exit %d, got:\n%s\nwant exit 1, an error with %q, and a hint", args, code, errs, what)
	}
}

// TestUnknownLinkType: a capture of something else than a network says so.
func TestUnknownLinkType(t *testing.T) {
	name := filepath.Join(t.TempDir(), "radio.pcap")
	var b bytes.Buffer
	w := capture.NewWriter(&b, 127)
	if err := w.WriteFrame(time.Unix(0, 0), []byte("frame"), 5); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	wantTwoLines(t, "802.11", "decode", name)
	wantTwoLines(t, "802.11", "replay", name)
}

// TestNewerDatabase: a database of a newer version is refused and left as it is.
func TestNewerDatabase(t *testing.T) {
	db := filepath.Join(t.TempDir(), "perch.db")
	replays := filepath.Join(root, "testdata", "replay", "return")
	replays, err := filepath.Abs(replays)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, errs := command(t, t.TempDir(), "replay", "-db", db, filepath.Join(replays, "in.pcapng")); code != exitDone {
		t.Fatal(errs)
	}
	d, err := sql.Open("sqlite", db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	wantTwoLines(t, "newer version", "prompts", "list", "-db", db)
	wantTwoLines(t, "newer version", "replay", "-db", db, filepath.Join(replays, "in.pcapng"))
	after, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("the refused database was changed")
	}
}

// TestCrossCompiles: one static binary, without cgo, also for linux/arm64.
func TestCrossCompiles(t *testing.T) {
	cmd := exec.Command("go", "build", "-o", os.DevNull, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
