package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// recordings joins the parts of what was recorded on each interface, one for each
// time that Perch ran, to one file, and returns the files.
func (w *watch) recordings() ([]string, error) {
	var files []string
	for _, name := range w.interfaces() {
		file := filepath.Join(w.site.dir, name+".pcap")
		if err := join(file, w.parts[name]); err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// join writes captures of one machine one after the other.
func join(file string, parts []string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	for i, part := range parts {
		in, err := os.ReadFile(part)
		if err != nil {
			return err
		}
		if i > 0 {
			in = in[min(pcapHeader, len(in)):]
		}
		if _, err := out.Write(in); err != nil {
			return err
		}
	}
	return out.Close()
}

// replay replays the recordings with the users' decisions over a new database, and
// returns its story.
func (w *watch) replay(files []string) ([]event, error) {
	db := filepath.Join(w.site.dir, "replayed.db")
	base := []string{"-config", w.config, "-db", db}
	if _, err := w.run(slices.Concat([]string{"import"}, base, []string{w.mapDir()})...); err != nil {
		return nil, err
	}
	replay := func(flags ...string) error {
		_, err := w.run(slices.Concat([]string{"replay"}, base, []string{"-json"}, flags, files)...)
		return err
	}
	slices.SortFunc(w.decisions, func(a, b decision) int { return a.at.Compare(b.at) })
	for _, d := range w.decisions {
		at := d.at.Format(time.RFC3339Nano)
		if err := replay("-until", at); err != nil {
			return nil, err
		}
		id, err := w.openPrompt(base, d.phone)
		if err != nil {
			return nil, err
		}
		if _, err := w.run(append([]string{"prompts", "answer", fmt.Sprint(id), "-confirm", "-by", d.by, "-at", at}, base...)...); err != nil {
			return nil, err
		}
	}
	// What had not settled when Perch was stopped has not here either.
	if err := replay("-until", w.stopped.Format(time.RFC3339Nano)); err != nil {
		return nil, err
	}
	return storyOf(db, 0)
}

// openPrompt returns the number of a phone's open prompt. Phones that settle within
// the same few milliseconds may have taken turns.
func (w *watch) openPrompt(base []string, phone string) (int64, error) {
	out, err := w.run(slices.Concat([]string{"prompts", "list", "-json"}, base)...)
	if err != nil {
		return 0, err
	}
	d := json.NewDecoder(strings.NewReader(out))
	for {
		var p struct {
			ID    int64
			Phone string
		}
		if err := d.Decode(&p); err != nil {
			return 0, fmt.Errorf("the replay has no open prompt of %s: %w", phone, err)
		}
		if p.Phone == phone {
			return p.ID, nil
		}
	}
}

// agree compares the story that was heard live with that of the recordings: for
// each phone the same events in the same order, times and what is made of them
// aside. It writes what differs.
func agree(out io.Writer, live, replayed []event) (bool, error) {
	a, err := timeless(live)
	if err != nil {
		return false, err
	}
	b, err := timeless(replayed)
	if err != nil {
		return false, err
	}
	same := true
	for _, phone := range slices.Sorted(phonesOf(a, b)) {
		x, y := a[phone], b[phone]
		i := 0
		for i < min(len(x), len(y)) && x[i] == y[i] {
			i++
		}
		if i < max(len(x), len(y)) {
			same = false
			fmt.Fprintf(out, "%s: from event %d on live and replay differ\n  live:   %s\n  replay: %s\n", phone, i+1, line(x[i:], 0), line(y[i:], 0))
		}
	}
	return same, nil
}

// phonesOf ranges over the keys of both, those of both once.
func phonesOf(a, b map[string][]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range a {
			if !yield(k) {
				return
			}
		}
		for k := range b {
			if _, seen := a[k]; !seen && !yield(k) {
				return
			}
		}
	}
}

// timeless returns the events of each phone without their times and numbers: two
// phones that move at the same moment may take turns.
func timeless(events []event) (map[string][]string, error) {
	all := map[string][]string{}
	for _, ev := range events {
		var m map[string]any
		d := json.NewDecoder(bytes.NewReader([]byte(ev.line)))
		d.UseNumber()
		if err := d.Decode(&m); err != nil {
			return nil, err
		}
		delete(m, "time")
		delete(m, "id")
		for _, part := range []string{"prompt", "mail", "claim"} {
			if p, ok := m[part].(map[string]any); ok {
				delete(p, "id")
				delete(p, "message_id")
			}
		}
		b, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		all[ev.Phone] = append(all[ev.Phone], string(b))
	}
	return all, nil
}
