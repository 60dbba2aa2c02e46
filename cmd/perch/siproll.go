package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"perch/sip/proxy"
)

// roll is who may call for help, as the SIP path keeps it: in memory, and in a file
// that serves from its start until serve tells of something newer.
type roll struct {
	file string
	use  located
	log  *slog.Logger

	mu      sync.Mutex
	all     map[string]proxy.Caller
	places  []proxy.Place
	next    map[string]proxy.Caller // between Begin and End; else nil
	changed bool                    // since it was written
}

// fileEvery is how often what the SIP path keeps is written, if it changed.
const fileEvery = 5 * time.Second

// located is who is told of it: the proxy.
type located interface {
	SetCallers(list []proxy.Caller)
	SetPlaces(list []proxy.Place)
}

// rollFile is what the file holds.
type rollFile struct {
	Callers []proxy.Caller `json:"callers"`
	Places  []proxy.Place  `json:"places"`
}

// newRoll reads the file, if there is one.
func newRoll(file string, use located, log *slog.Logger) *roll {
	r := &roll{file: file, use: use, log: log, all: map[string]proxy.Caller{}}
	var was rollFile
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &was)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("who may call for help is not known until serve tells it", "error", err)
	}
	for _, c := range was.Callers {
		r.all[c.Phone] = c
	}
	r.places = was.Places
	use.SetCallers(was.Callers)
	use.SetPlaces(was.Places)
	return r
}

// take takes in what changed.
func (r *roll) take(n *callerNews) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n.Places != nil {
		r.places = *n.Places
		r.use.SetPlaces(r.places)
	}
	if n.Begin {
		r.next = map[string]proxy.Caller{}
	}
	to := r.all
	if r.next != nil {
		to = r.next
	}
	for _, c := range n.Put {
		to[c.Phone] = c
	}
	for _, phone := range n.Gone {
		delete(to, phone)
	}
	if n.End && r.next != nil {
		r.all, r.next = r.next, nil
	}
	if r.next == nil {
		r.changed = true
		r.use.SetCallers(r.list())
	}
}

func (r *roll) list() []proxy.Caller {
	list := make([]proxy.Caller, 0, len(r.all))
	for _, phone := range slices.Sorted(maps.Keys(r.all)) {
		list = append(list, r.all[phone])
	}
	return list
}

// keepFile has a file written now and then, until ctx ends, and then once more.
func keepFile(ctx context.Context, write func()) {
	tick := time.NewTicker(fileEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			write()
			return
		case <-tick.C:
			write()
		}
	}
}

// write writes the file if something changed.
func (r *roll) write() {
	r.mu.Lock()
	if !r.changed {
		r.mu.Unlock()
		return
	}
	list := rollFile{r.list(), r.places}
	r.changed = false
	r.mu.Unlock()
	if err := writeSynced(r.file, list); err != nil {
		r.log.Warn("who may call for help cannot be written; it is in memory", "error", err)
		r.mu.Lock()
		r.changed = true
		r.mu.Unlock()
	}
}

// writeSynced replaces a file by JSON, for nobody else to read: the old one is there until the
// new one is whole and on the disk.
func writeSynced(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
