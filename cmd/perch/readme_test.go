package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadmeSession runs the README's session and compares what it prints.
func TestReadmeSession(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, session, found := strings.Cut(string(b), "## A session\n")
	if !found {
		t.Fatal("the README has no session")
	}
	session, _, _ = strings.Cut(session, "\n## ")
	var script, want strings.Builder
	commands := 0
	for line := range strings.Lines(session) {
		text, ok := strings.CutPrefix(line, "    ")
		if !ok {
			continue
		}
		want.WriteString(text)
		if command, ok := strings.CutPrefix(text, "$ "); ok {
			commands++
			script.WriteString("cat <<'END'\n" + text + "END\n" + command)
		}
	}
	if commands < 6 {
		t.Fatalf("found only %d commands in the README's session", commands)
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := filepath.Abs(filepath.Join(root, "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"perch": self, "testdata": data} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-e", "-c", script.String())
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), asPerch+"=1")
	got, err := cmd.CombinedOutput() // as at a terminal
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	if string(got) != want.String() {
		t.Errorf("the session prints:\n%s\nthe README says:\n%s", got, want.String())
	}
}
