package discovery_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// capturesDir returns the directory of captures beside the repository, or skips.
func capturesDir(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test's directory")
		}
		dir = up
	}
	captures := filepath.Join(dir, "..", "shared", "captures")
	if _, err := os.Stat(captures); err != nil {
		t.Skip("no captures in ../shared beside the repository")
	}
	return captures
}

// deviations are the known differences from the table.
type deviations struct {
	used map[deviation]bool
}

type deviation struct {
	file  string
	frame string
	kind  string
	field string // a column, or "row" where one of us has no such message
}

// readDeviations reads testdata/deviations.tsv: file, frame, kind, field, reason.
func readDeviations(t *testing.T) *deviations {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "deviations.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	d := &deviations{used: map[deviation]bool{}}
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 5 || f[4] == "" {
			t.Fatalf("deviations.tsv:%d: want file, frame, kind, field and reason", i+1)
		}
		d.used[deviation{f[0], f[1], f[2], f[3]}] = false
	}
	return d
}

// explains reports whether a difference is listed.
func (d *deviations) explains(file string, k rowKey, field string) bool {
	key := deviation{file, strconv.Itoa(k.frame), k.kind, field}
	_, ok := d.used[key]
	if ok {
		d.used[key] = true
	}
	return ok
}

// checkUsed fails for each entry that explained nothing.
func (d *deviations) checkUsed(t *testing.T) {
	t.Helper()
	for key, used := range d.used {
		if !used {
			t.Errorf("deviations.tsv: %s frame %s: %s %s: there is no such difference", key.file, key.frame, key.kind, key.field)
		}
	}
}
