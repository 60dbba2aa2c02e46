package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"perch/discovery"
	"perch/provisioning/serve"
)

// auditFile is the log of what was handed to phones, and of what admins changed in that.
func (s *session) auditFile() string { return s.beside + ".audit.jsonl" }

// record writes what an admin did into the audit log. The error says that it was done.
func (s *session) record(entries ...serve.Entry) error {
	for i := range entries {
		entries[i].Time = time.Now()
	}
	if s.beside == "" {
		return nil
	}
	err := func() error {
		if s.audit != nil {
			for _, e := range entries {
				s.audit.took(e)
			}
			return s.audit.file.Append(entries...)
		}
		a, err := serve.OpenAudit(s.auditFile())
		if err != nil {
			return err
		}
		return errors.Join(a.Append(entries...), a.Close())
	}()
	if err != nil {
		return withHint(errors.Join(errors.New("it is done, but the audit log cannot be written"), err), "see that the directory of the database can be written")
	}
	return nil
}

// keepAudit opens the audit log and the windows of a serve, once for all that changes them.
func (s *session) keepAudit(log *slog.Logger) (err error) {
	if s.beside == "" {
		return nil
	}
	if s.windows, err = s.openWindows(); err != nil {
		return err
	}
	s.audit, err = newAuditor(s.auditFile(), log)
	return err
}

// auditor writes into the audit log what phones do; they do not wait for the disk.
type auditor struct {
	file  *serve.Audit
	log   *slog.Logger
	queue chan serve.Entry

	mu     sync.Mutex
	last   map[discovery.MAC]serve.Entry // what each phone fetched last
	recent map[fetchKey]time.Time        // what was written of a minute
	since  time.Time                     // of recent
	lost   int                           // of what did not fit
}

// fetchKey is what counts as one fetch: a phone that asks again and again fills no log.
type fetchKey struct {
	mac          discovery.MAC
	name, source string
	level        serve.Level
	sum          [8]byte
}

const fetchAgain = time.Minute

// maxAudited is how much waits for the disk. A power cut lets tens of thousands of phones
// fetch at once.
const maxAudited = 1 << 17

func newAuditor(name string, log *slog.Logger) (*auditor, error) {
	f, err := serve.OpenAudit(name)
	if err != nil {
		return nil, withHint(err, "see that the directory of the database can be written")
	}
	a := &auditor{file: f, log: log, queue: make(chan serve.Entry, maxAudited), last: map[discovery.MAC]serve.Entry{}}
	altered, err := serve.ReadAudit(name, a.took)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if altered != nil {
		log.Error("the audit log was altered", "error", altered, "hint", "perch provision audit -verify")
	}
	return a, nil
}

// took notes what a phone fetched.
func (a *auditor) took(e serve.Entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch e.What {
	case serve.Fetched:
		a.last[e.MAC] = e
	case serve.Removed:
		delete(a.last, e.MAC)
	}
}

// lastOf returns what a phone fetched last.
func (a *auditor) lastOf(m discovery.MAC) (serve.Entry, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e, ok := a.last[m]
	return e, ok
}

// fetched takes in what was handed out: the same once more within a minute is not written, but
// in a window, of which each use is.
func (a *auditor) fetched(h serve.Handed) {
	e := entryOf(serve.Fetched, h)
	if e.Level != serve.Opened && !a.isNew(fetchKey{e.MAC, e.Name, e.Source, e.Level, h.Sum}, e.Time) {
		a.took(e)
		return
	}
	a.note(e)
}

// note takes something in, and never waits.
func (a *auditor) note(e serve.Entry) {
	a.took(e)
	select {
	case a.queue <- e:
	default:
		a.mu.Lock()
		a.lost++
		a.mu.Unlock()
	}
}

// isNew reports whether a fetch was not written within the minute.
func (a *auditor) isNew(k fetchKey, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.since) > fetchAgain || a.recent == nil {
		a.recent, a.since = map[fetchKey]time.Time{}, now
	}
	_, was := a.recent[k]
	a.recent[k] = now
	return !was
}

// tellLost tells of what is not in the log.
func (a *auditor) tellLost() {
	a.mu.Lock()
	n := a.lost
	a.lost = 0
	a.mu.Unlock()
	if n > 0 {
		a.log.Error("the audit log does not keep up: some of it is not there", "entries", n)
	}
}

// auditRetry is how long it waits after the disk failed.
const auditRetry = time.Second

// run writes until ctx ends, and then what is left.
func (a *auditor) run(ctx context.Context) error {
	failing := false
	for {
		var batch []serve.Entry
		select {
		case e := <-a.queue:
			batch = append(batch, e)
		case <-ctx.Done():
		}
		for more := true; more && len(batch) < 4096; {
			select {
			case e := <-a.queue:
				batch = append(batch, e)
			default:
				more = false
			}
		}
		a.tellLost()
		if len(batch) == 0 {
			return a.file.Close()
		}
		for {
			err := a.file.Append(batch...)
			if err == nil {
				failing = false
				break
			}
			if !failing {
				a.log.Error("the audit log cannot be written; it is tried again", "error", err)
			}
			failing = true
			select {
			case <-ctx.Done():
				return errors.Join(err, a.file.Close())
			case <-time.After(auditRetry):
			}
		}
	}
}
