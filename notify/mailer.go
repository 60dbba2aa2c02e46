package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"strings"
	"sync"
	"time"

	"perch/gateway"
)

// MailerConfig is what a mailer needs. Zero values stand for the defaults.
type MailerConfig struct {
	Server Server
	From   string // envelope sender: an ASCII address, without a name
	Outbox gateway.Outbox
	// Token returns the token of a mail's link; false if it has none. It is asked
	// at each attempt, and must always give the same mail the same token.
	Token func(gateway.Mail) (string, bool)
	Log   *slog.Logger                                                         // default: slog.Default()
	Now   func() time.Time                                                     // the outbox's time, as fast as real time; default: time.Now
	Dial  func(ctx context.Context, network, address string) (net.Conn, error) // default: a net.Dialer's
	// Journal names a file in which it is noted that a mail was taken before the
	// outbox is told; empty: none, and a process that is killed while it tells the
	// outbox makes a copy. It belongs to one outbox.
	Journal string

	Timeouts    Timeouts      // of the steps of a session
	Connections int           // at most so many at once: 2
	Group       int           // mails leased at once: 10
	Lease       time.Duration // 45 min: more than an attempt can take, which is 18 min
	Idle        time.Duration // how long a connection waits for more: 10 s
	Grace       time.Duration // what is being handed over at the end may take so long: 15 s

	Retry     Backoff       // of a mail: 30 s, 1 h, ±20 %
	Reconnect Backoff       // of the server: 5 s, 5 min, ±20 %
	AuthRetry time.Duration // while credentials are refused: 5 min, or at once if the password's file changes
}

func (c MailerConfig) orDefaults() MailerConfig {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	c.Timeouts = c.Timeouts.orDefaults()
	orDefault(&c.Connections, 2)
	orDefault(&c.Group, 10)
	orDefault(&c.Lease, 45*time.Minute)
	orDefault(&c.Idle, 10*time.Second)
	orDefault(&c.Grace, 15*time.Second)
	orDefault(&c.Retry, Backoff{First: 30 * time.Second, Max: time.Hour, Jitter: 0.2})
	orDefault(&c.Reconnect, Backoff{First: 5 * time.Second, Max: 5 * time.Minute, Jitter: 0.2})
	orDefault(&c.AuthRetry, 5*time.Minute)
	return c
}

func orDefault[T comparable](v *T, d T) {
	if *v == *new(T) {
		*v = d
	}
}

// Mailer takes mails from an outbox and hands them to an SMTP server (RFC 5321).
// It is made by NewMailer, and all its methods may be called at any time.
type Mailer struct {
	cfg MailerConfig

	mu      sync.Mutex
	plan    plan
	journal *journal      // nil: none
	changed chan struct{} // closed, and made anew, when the plan changes
	wakes   int
	status  Status
	// Outcomes that the outbox could not be told of yet, by mail: should such a
	// mail be leased again it is not sent again.
	unrecorded map[int64]gateway.Outcome
	denied     map[int64]time.Time // mails whose recipient a policy refuses, since when
	logged     time.Time           // when trouble was last logged
	unlogged   int                 // troubles since
	down       bool                // the operator was told, and not yet that it is over
}

// NewMailer checks a configuration and opens the journal. It connects to nothing.
func NewMailer(c MailerConfig) (*Mailer, error) {
	switch {
	case c.Server.IsZero():
		return nil, errors.New("mailer: no server")
	case c.Outbox == nil || c.Token == nil:
		return nil, errors.New("mailer: no outbox, or nobody to make tokens")
	}
	if !deliverable(c.From) || !ascii(c.From) {
		return nil, fmt.Errorf("mailer: sender %q: want an ASCII address, such as perch@example.com", c.From)
	}
	c = c.orDefaults()
	if need := c.Timeouts.setup() + c.Timeouts.attempt(); c.Lease < need {
		return nil, fmt.Errorf("mailer: a lease of %s is shorter than an attempt may take, %s", c.Lease, need)
	}
	var j *journal
	if c.Journal != "" {
		var err error
		if j, err = openJournal(c.Journal); err != nil {
			return nil, err
		}
	}
	return &Mailer{cfg: c, journal: j, changed: make(chan struct{}), unrecorded: map[int64]gateway.Outcome{}, denied: map[int64]time.Time{}}, nil
}

// deliverable reports whether an address can stand in MAIL and RCPT: a bare
// addr-spec without quotes, not longer than RFC 5321 section 4.5.3.1.3 has it.
func deliverable(address string) bool {
	a, err := mail.ParseAddress(address)
	return err == nil && a.Address == address && len(address) <= 254 && !strings.ContainsAny(address, " <>\r\n\x00")
}

// Run delivers until its context is done; then it leases nothing more, gives
// what is being handed over the time of Grace, and returns, at the latest some
// seconds after that. It is called once.
func (m *Mailer) Run(ctx context.Context) error {
	if m.journal != nil {
		defer m.journal.close()
	}
	if !m.free(ctx) {
		return nil
	}
	cut, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if sleep(cut, m.cfg.Grace) {
			cancel()
		}
	})()
	var workers sync.WaitGroup
	for range m.cfg.Connections {
		workers.Go(func() { (&worker{Mailer: m, cut: cut}).run(ctx) })
	}
	workers.Wait()
	return nil
}

// free ends the leases of whoever held the outbox before, when what they noted is
// told; false if the context ended first.
func (m *Mailer) free(ctx context.Context) bool {
	for n := 1; ; n++ {
		var err error
		if m.journal != nil {
			err = m.journal.settle(ctx, m.cfg.Outbox, gateway.Outcome{At: m.cfg.Now()})
		}
		if err == nil {
			err = m.cfg.Outbox.Free(ctx)
		}
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		m.mu.Lock()
		m.outboxTrouble("leases could not be ended", err)
		m.mu.Unlock()
		if !sleep(ctx, outboxRetry(n)) {
			return false
		}
	}
}

// outboxRetry is how soon an outbox that failed so many times is tried again,
// from 200 ms to 5 s: its database is on this machine or near it, and what was
// sent wants to be written down.
func outboxRetry(failures int) time.Duration {
	return Backoff{First: 200 * time.Millisecond, Max: 5 * time.Second}.Delay(0, failures)
}

// maxOutboxTries is when outboxRetry is at its longest.
const maxOutboxTries = 10

// Wake says that there may be new mails. It never blocks, and costs little.
func (m *Mailer) Wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wakes++
	m.plan.known = false
	m.tell()
}

// tell lets all workers decide anew. The mutex is held.
func (m *Mailer) tell() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// sleep waits; false if the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
