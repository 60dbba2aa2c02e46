package notify

import (
	"fmt"
	"log/slog"
	"time"
)

// State is what a mailer is doing.
type State uint8

// The states.
const (
	StateIdle    State = iota // nothing is due
	StateSending              // at least one mail is being handed over
	StateWaiting              // the server does not answer, or takes no mail at all; it is tried again
	StateRefused              // the server refuses our credentials, or they cannot be read; rarely tried again
)

var stateWords = [...]string{"idle", "sending", "waiting for the server", "authentication refused"}

// String returns the state in words.
func (s State) String() string { return stateWords[s] }

// Status is what a mailer did since it was made, and what it does.
type Status struct {
	State    State
	Attempts int64 // that spoke of a mail: Sent + Deferred + Refused
	Sent     int64
	Deferred int64 // temporary failures: the mail is tried again
	Refused  int64 // for good
	Late     int64 // outcomes that came after their lease, and that the outbox did not take

	LastSent  time.Time // zero: never
	LastError string    // what last kept mail from being delivered; empty: nothing did
	LastHint  string    // what to do about it
	LastAt    time.Time // when that was
	NextTry   time.Time // when the server is tried again; zero while it answers
}

// Status returns what the mailer does at this moment.
func (m *Mailer) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.status
	p := &m.plan
	switch {
	case p.busy > 0 && p.failures == 0:
		s.State = StateSending
	case p.refused:
		s.State, s.NextTry = StateRefused, p.openAt
	case p.failures > 0:
		s.State, s.NextTry = StateWaiting, p.openAt
	default:
		s.State = StateIdle
	}
	return s
}

// logPause is how often the operator is told of what goes wrong all the time.
const logPause = time.Minute

// trouble notes what the operator should know, and logs it unless something of
// the kind was logged less than a minute ago. The mutex is held.
func (m *Mailer) trouble(what, hint string) {
	now := m.cfg.Now()
	m.status.LastError, m.status.LastHint, m.status.LastAt = what, hint, now
	if since := now.Sub(m.logged); !m.logged.IsZero() && since >= 0 && since < logPause {
		m.unlogged++
		return
	}
	more := []any{"server", m.cfg.Server.Addr(), "what", what, "hint", hint}
	if m.unlogged > 0 {
		more = append(more, "unlogged", m.unlogged)
	}
	m.cfg.Log.Error("mail is not being delivered", more...)
	m.logged, m.unlogged, m.down = now, 0, true
}

// answers logs that the server takes mail again, if it was logged that it did
// not. The mutex is held.
func (m *Mailer) answers() {
	if m.down {
		m.cfg.Log.Info("the mail server takes mail again", "server", m.cfg.Server.Addr())
	}
	m.down = false
}

// outboxTrouble notes that the outbox failed: its database's matter, not the
// server's. The mutex is held.
func (m *Mailer) outboxTrouble(what string, err error) {
	m.trouble(fmt.Sprintf("outbox: %s: %v", what, err), "the database is at fault, not the mail server; it is tried again by itself")
}

// mailAttrs names a mail in the log; its text and its link stay out of it.
func mailAttrs(h held) slog.Attr {
	return slog.Group("mail", "id", h.ID, "purpose", h.Purpose.String(), "to", h.To, "attempt", h.Attempt)
}
