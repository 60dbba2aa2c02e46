package notify

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"perch/gateway"
)

// memory is an outbox in memory, as gateway.Outbox describes it.
type memory struct {
	mu       sync.Mutex
	rows     []*row
	outcomes []gateway.Outcome // all that were offered, in order
	taken    []bool            // and whether they were
	calls    map[string]int
	fails    map[string]error // by method: what it fails with
	unaware  bool             // Next counts leased mails too
	changed  chan struct{}    // closed and made anew at each outcome
}

// row is a mail and how far its delivery got.
type row struct {
	gateway.Mail
	state   gateway.DeliveryState
	attempt int
	due     time.Time
	leased  time.Time // until when; zero: not
	reply   string
	since   time.Time
}

func newMemory(mails ...gateway.Mail) *memory {
	m := &memory{calls: map[string]int{}, fails: map[string]error{}, changed: make(chan struct{})}
	m.add(mails...)
	return m
}

func (m *memory) add(mails ...gateway.Mail) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mail := range mails {
		m.rows = append(m.rows, &row{Mail: mail, state: gateway.DeliveryWaiting, due: mail.Time})
	}
}

// enter counts a call; the mutex stays held.
func (m *memory) enter(method string) error {
	m.mu.Lock()
	m.calls[method]++
	return m.fails[method]
}

func (m *memory) fail(method string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails[method] = err
}

func (m *memory) Lease(_ context.Context, now, until time.Time, n int) ([]gateway.Delivery, error) {
	defer m.mu.Unlock()
	if err := m.enter("Lease"); err != nil {
		return nil, err
	}
	var out []gateway.Delivery
	for _, r := range m.rows {
		if len(out) < n && r.state == gateway.DeliveryWaiting && !r.due.After(now) && !r.leased.After(now) {
			r.attempt++
			r.leased = until
			out = append(out, gateway.Delivery{Mail: r.Mail, Attempt: r.attempt})
		}
	}
	return out, nil
}

func (m *memory) Record(_ context.Context, o gateway.Outcome) (bool, error) {
	defer m.mu.Unlock()
	if err := m.enter("Record"); err != nil {
		return false, err
	}
	i := slices.IndexFunc(m.rows, func(r *row) bool { return r.ID == o.Mail })
	ok := i >= 0 && m.rows[i].attempt == o.Attempt && m.rows[i].state == gateway.DeliveryWaiting && !m.rows[i].leased.IsZero()
	if ok {
		r := m.rows[i]
		r.state, r.due, r.leased, r.reply, r.since = o.State, o.Next, time.Time{}, o.Reply, o.At
	}
	m.outcomes, m.taken = append(m.outcomes, o), append(m.taken, ok)
	close(m.changed)
	m.changed = make(chan struct{})
	return ok, nil
}

func (m *memory) Free(context.Context) error {
	defer m.mu.Unlock()
	if err := m.enter("Free"); err != nil {
		return err
	}
	for _, r := range m.rows {
		r.leased = time.Time{}
	}
	return nil
}

func (m *memory) Backlog(context.Context) (gateway.Backlog, error) {
	defer m.mu.Unlock()
	if err := m.enter("Backlog"); err != nil {
		return gateway.Backlog{}, err
	}
	var b gateway.Backlog
	for _, r := range m.rows {
		switch r.state {
		case gateway.DeliverySent:
			b.Sent++
		case gateway.DeliveryRefused:
			b.Refused++
		default:
			b.Waiting++
			due := r.due
			if !m.unaware {
				due = later(due, r.leased)
			}
			if b.Next.IsZero() || due.Before(b.Next) {
				b.Next = due
			}
		}
	}
	return b, nil
}

func (m *memory) Undeliverable(context.Context) ([]gateway.Undeliverable, error) {
	defer m.mu.Unlock()
	if err := m.enter("Undeliverable"); err != nil {
		return nil, err
	}
	last := map[string]*row{}
	for _, r := range m.rows {
		if r.state != gateway.DeliveryWaiting {
			last[r.To] = r
		}
	}
	var out []gateway.Undeliverable
	for to, r := range last {
		if r.state == gateway.DeliveryRefused {
			out = append(out, gateway.Undeliverable{Email: to, Since: r.since, Reply: r.reply})
		}
	}
	return out, nil
}

// story is what was recorded, one outcome a line: mail, attempt, state, wait, reply.
func (m *memory) story() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for i, o := range m.outcomes {
		s := fmt.Sprintf("%d.%d %s", o.Mail, o.Attempt, o.State)
		if !o.Next.IsZero() {
			s += fmt.Sprintf(" +%s", o.Next.Sub(o.At).Round(time.Second))
		}
		if !m.taken[i] {
			s += " (not taken)"
		}
		out = append(out, s+": "+o.Reply)
	}
	return out
}

func (m *memory) count(method string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[method]
}

// await waits, in real time, until so many outcomes were recorded.
func (m *memory) await(t *testing.T, n int) []gateway.Outcome {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		m.mu.Lock()
		got, changed := slices.Clone(m.outcomes), m.changed
		m.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("outcomes: got %d, want %d: %q", len(got), n, m.story())
		}
	}
}
