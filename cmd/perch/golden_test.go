package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"perch/gateway"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// command runs one command line as main would and returns what it printed.
func command(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Chdir(dir)
	var out, errs bytes.Buffer
	code = run(args, &environment{strings.NewReader(""), &out, &errs})
	return code, out.String(), errs.String()
}

// story is a case of testdata/replay: captures, a directory of CSVs, decisions
// and the story that they must tell.
type story struct {
	name, dir string
	captures  []string
	base      []string // flags that all commands share
	steps     [][]string
}

func stories(t *testing.T) []story {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(root, "testdata", "replay", "*", "want.txt"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no stories in testdata/replay (%v)", err)
	}
	var out []story
	for _, d := range dirs {
		d, err := filepath.Abs(filepath.Dir(d))
		if err != nil {
			t.Fatal(err)
		}
		s := story{name: filepath.Base(d), dir: d, steps: [][]string{{"replay"}}}
		for _, pattern := range []string{"*.pcap", "*.pcapng", "*.gz"} {
			found, _ := filepath.Glob(filepath.Join(d, pattern))
			s.captures = append(s.captures, found...)
		}
		slices.Sort(s.captures)
		if exists(filepath.Join(d, "perch.yaml")) {
			s.base = []string{"-config", filepath.Join(d, "perch.yaml")}
		}
		if b, err := os.ReadFile(filepath.Join(d, "decisions")); err == nil {
			s.steps = nil
			for _, line := range strings.Split(string(b), "\n") {
				if words := splitWords(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") {
					s.steps = append(s.steps, words)
				}
			}
		}
		out = append(out, s)
	}
	return out
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// splitWords splits a line of a decisions script; double quotes keep blanks.
func splitWords(line string) []string {
	var out []string
	var word strings.Builder
	quoted, any := false, false
	for _, r := range line + " " {
		switch {
		case r == '"':
			quoted, any = !quoted, true
		case r == ' ' && !quoted:
			if any {
				out = append(out, word.String())
			}
			word.Reset()
			any = false
		default:
			word.WriteRune(r)
			any = true
		}
	}
	return out
}

// tell runs the steps of a story over one database, or in memory, and returns
// its events.
func (s *story) tell(t *testing.T, db string, mail string) []byte {
	t.Helper()
	var events bytes.Buffer
	first := true
	for _, step := range s.steps {
		fails := step[0] == "!"
		if fails {
			step = step[1:]
		}
		words := 1
		if step[0] == "prompts" || step[0] == "claims" {
			words = 2
		}
		args := append(slices.Clone(step[:words]), s.base...)
		if db != "" {
			args = append(args, "-db", db)
		}
		args = append(args, "-json")
		switch step[0] {
		case "replay":
			if first && exists(filepath.Join(s.dir, "map")) {
				args = append(args, "-map", filepath.Join(s.dir, "map"))
			}
			if mail != "" {
				args = append(args, "-mail", mail)
			}
			first = false
			args = append(append(args, step[words:]...), s.captures...)
		default:
			args = append(args, step[words:]...)
		}
		code, out, errs := command(t, s.dir, args...)
		if (code != 0) != fails {
			t.Fatalf("%s: %q: exit %d\n%s", s.name, args, code, errs)
		}
		events.WriteString(out)
	}
	return events.Bytes()
}

// storyOf turns printed events into the text of a golden.
func storyOf(t *testing.T, events []byte) string {
	t.Helper()
	var b bytes.Buffer
	st := gateway.NewStory(&b)
	dec := json.NewDecoder(bytes.NewReader(events))
	for {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		st.Add(gateway.Event{Data: raw})
	}
	if err := st.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// withoutComments drops the lines of a golden that explain it.
func withoutComments(s string) (text, comments string) {
	var a, b strings.Builder
	for _, line := range strings.SplitAfter(s, "\n") {
		if strings.HasPrefix(line, "#") {
			b.WriteString(line)
		} else {
			a.WriteString(line)
		}
	}
	return a.String(), b.String()
}

// TestStories replays every case and compares its story, in a SQLite database, in
// a PostgreSQL one and, where no decision needs one, in memory: the same bytes,
// mails included.
func TestStories(t *testing.T) {
	for _, s := range stories(t) {
		t.Run(s.name, func(t *testing.T) {
			golden := filepath.Join(s.dir, "want.txt")
			b, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			want, comments := withoutComments(string(b))
			mails := []string{t.TempDir(), t.TempDir()}
			sqlite := s.tell(t, filepath.Join(t.TempDir(), "perch.db"), mails[0])
			got := storyOf(t, sqlite)
			if *update {
				if err := os.WriteFile(golden, []byte(comments+got), 0o666); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("got:\n%s\nwant:\n%s%s", got, comments, want)
			}
			if p := s.tell(t, postgres.Server(t).NewURL(t), mails[1]); !bytes.Equal(p, sqlite) {
				t.Errorf("in PostgreSQL:\n%s\nin SQLite:\n%s", p, sqlite)
			}
			if a, b := digest(t, nil, mails[0]), digest(t, nil, mails[1]); a != b {
				t.Errorf("mails: %s of SQLite, %s of PostgreSQL", a, b)
			}
			if len(s.steps) == 1 {
				if memory := s.tell(t, "", ""); !bytes.Equal(memory, sqlite) {
					t.Errorf("in memory:\n%s\nin SQLite:\n%s", memory, sqlite)
				}
			}
		})
	}
}
