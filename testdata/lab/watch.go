package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// watch is the Perch that watches the site, and the users who answer it.
type watch struct {
	site    *site
	program string // ./perch
	config  string
	inbox   *inbox
	answers bool // users answer what they are asked

	serve   *program
	stopped time.Time           // when it was stopped last
	parts   map[string][]string // interface: the parts of its recording
	rec     []*recording

	mu        sync.Mutex
	events    []event
	decisions []decision
	deciding  int // answers under way
	failed    error
	group     sync.WaitGroup
}

// event is one line of Perch's story, as DESIGN calls it (5.3).
type event struct {
	ID      int64     `json:"id"`
	Time    time.Time `json:"time"`
	Event   string    `json:"event"`
	Phone   string    `json:"phone"`
	Network struct {
		Level string `json:"level"`
	} `json:"network"`
	Prompt *struct {
		ID       int64    `json:"id"`
		Kind     string   `json:"kind"`
		Location string   `json:"location"`
		To       []string `json:"to"`
	} `json:"prompt"`
	Mail *struct {
		Purpose string `json:"purpose"`
	} `json:"mail"`

	line string
}

// decision is an answer that a user gave, and when.
type decision struct {
	at    time.Time
	phone string
	by    string
}

// newWatch prepares Perch: its configuration, its map, its mail server.
func newWatch(s *site, program, url string, answers bool) (*watch, error) {
	w := &watch{site: s, program: program, parts: map[string][]string{}, answers: answers}
	var err error
	w.config, err = s.perch.config("perch.yaml", map[string]string{
		"dir": s.dir, "url": url, "settle": s.pace.settle.String(), "settle_unregistered": s.pace.settleUnregistered.String(),
	})
	if err != nil {
		return nil, err
	}
	maps, err := fs.Sub(configs, "config/map")
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(w.mapDir(), maps); err != nil {
		return nil, err
	}
	if _, err := w.run("import", "-config", w.config, w.mapDir()); err != nil {
		return nil, err
	}
	w.inbox, err = newInbox(s.perch)
	return w, err
}

func (w *watch) mapDir() string   { return filepath.Join(w.site.dir, "map") }
func (w *watch) database() string { return filepath.Join(w.site.dir, "perch.db") }

// run runs a command of Perch and returns what it printed.
func (w *watch) run(args ...string) (string, error) {
	var out, errs bytes.Buffer
	c := exec.Command(w.program, args...)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return out.String(), fmt.Errorf("perch %s: %w\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

// interfaces are what Perch listens on.
func (w *watch) interfaces() []string {
	names := []string{"mirror0"}
	for i := range taps {
		names = append(names, fmt.Sprint("tap", i+1))
	}
	return names
}

// start starts serve, and tcpdump beside it on each interface. It returns when
// both hear.
func (w *watch) start(ctx context.Context) error {
	for _, name := range w.interfaces() {
		part := filepath.Join(w.site.dir, fmt.Sprintf("%s.part%d", name, len(w.parts[name])+1))
		r, err := record(ctx, w.site.perch, name, part)
		if err != nil {
			return err
		}
		w.parts[name] = append(w.parts[name], part)
		w.rec = append(w.rec, r)
	}
	before := 0
	log := filepath.Join(w.site.dir, "logs", "perch."+filepath.Base(w.program))
	if b, err := os.ReadFile(log); err == nil {
		before = len(b)
	}
	var err error
	if w.serve, err = w.site.perch.spawn(w.program, "serve", "-config", w.config); err != nil {
		return err
	}
	return await(ctx, "perch serve", func() bool {
		b, err := os.ReadFile(log)
		return err == nil && strings.Count(string(b[before:]), "state=listening") == len(w.interfaces())
	})
}

// stop ends serve by a signal, and the recordings with it.
func (w *watch) stop(sig syscall.Signal) error {
	var errs []error
	if w.serve != nil {
		errs = append(errs, w.serve.stop(sig))
	}
	for _, r := range w.rec {
		errs = append(errs, r.run.stop(syscall.SIGINT))
	}
	w.serve, w.rec, w.stopped = nil, nil, time.Now().UTC()
	return errors.Join(errs...)
}

// follow reads the story until ctx ends and lets the users answer.
func (w *watch) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if err := w.look(ctx); err != nil && ctx.Err() == nil {
			w.fail(err)
		}
		_ = pass(ctx, 200*time.Millisecond)
	}
	w.group.Wait()
}

// look takes in what is new in the story.
func (w *watch) look(ctx context.Context) error {
	w.mu.Lock()
	last := int64(0)
	if n := len(w.events); n > 0 {
		last = w.events[n-1].ID
	}
	w.mu.Unlock()
	news, err := storyOf(w.database(), last)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, news...)
	for _, ev := range news {
		if w.answers && ev.Event == "prompt.opened" && ev.Prompt.Kind == "confirm" {
			w.deciding++
			w.group.Go(func() { w.answer(ctx, ev) })
		}
	}
	return nil
}

// storyOf reads a database's events after one.
func storyOf(database string, after int64) ([]event, error) {
	db, err := sql.Open("sqlite", "file:"+database+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.Query("SELECT data FROM events WHERE id > ? ORDER BY id", after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []event
	for rows.Next() {
		var ev event
		if err := rows.Scan(&ev.line); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(ev.line), &ev); err != nil {
			return nil, err
		}
		all = append(all, ev)
	}
	return all, rows.Err()
}

// answer lets the first user whom a prompt went to confirm it, a second later.
func (w *watch) answer(ctx context.Context, ev event) {
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.deciding--
	}()
	if pass(ctx, time.Second) != nil {
		return
	}
	var out string
	err := await(ctx, "answer to a prompt", func() bool { // serve may be away just now
		var err error
		out, err = w.run("prompts", "answer", fmt.Sprint(ev.Prompt.ID), "-confirm", "-by", ev.Prompt.To[0], "-json", "-config", w.config)
		return err == nil
	})
	if ctx.Err() != nil {
		return
	}
	var first event
	if err == nil {
		err = json.NewDecoder(strings.NewReader(out)).Decode(&first)
	}
	if err != nil {
		w.fail(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.decisions = append(w.decisions, decision{first.Time, ev.Phone, ev.Prompt.To[0]})
}

func (w *watch) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = errors.Join(w.failed, err)
}

// since returns the events from the nth on, how many there are in all, and
// whether users are about to answer.
func (w *watch) since(n int) ([]event, int, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]event(nil), w.events[n:]...), len(w.events), w.deciding > 0
}
