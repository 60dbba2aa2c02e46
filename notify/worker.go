package notify

import (
	"context"
	"time"

	"perch/gateway"
)

// worker holds at most one session, and does one thing after the other.
type worker struct {
	*Mailer
	cut context.Context // ends when sessions are to be cut

	session   *session
	uncut     func() bool // takes back that the end of cut closes the session
	idleSince time.Time
	holdOff   time.Time // no new session before, while others have one
}

func (w *worker) run(ctx context.Context) {
	defer w.hangUp(true)
	for {
		switch d, h := w.next(ctx); d {
		case wait:
			return // the context is done
		case connect:
			w.connect(ctx)
		case look:
			w.look(ctx)
		case lease:
			w.lease(ctx)
		case handOver:
			w.deliver(h)
		case giveBack:
			w.giveBack(h)
		case closeIdle:
			w.hangUp(true)
		}
	}
}

// next waits until there is something to do, and notes in the plan that this
// worker does it. It returns wait when the context is done.
func (w *worker) next(ctx context.Context) (deed, held) {
	for ctx.Err() == nil {
		w.watchSecret()
		w.mu.Lock()
		now := w.cfg.Now()
		p := &w.plan
		if h, ok := p.stale(now, w.cfg.Timeouts.attempt()); ok {
			defer w.mu.Unlock()
			w.begin(giveBack)
			return giveBack, h
		}
		pace := pace{look: 50 * time.Millisecond, idle: w.cfg.Idle, watch: 5 * time.Second}
		d, until := p.decide(now, w.session != nil, w.idleSince, w.holdOff, pace)
		if d != wait {
			defer w.mu.Unlock()
			return d, w.begin(d)
		}
		changed := w.changed
		w.mu.Unlock()
		w.rest(ctx, changed, now, until)
	}
	return wait, held{}
}

// begin notes what is begun. The mutex is held.
func (w *worker) begin(d deed) (h held) {
	p := &w.plan
	if w.session != nil {
		p.ready--
		w.tell() // whoever left things to this worker must not any more
	}
	switch d {
	case connect:
		p.dialing++
	case look, lease:
		p.asking = true
		p.looked = w.cfg.Now()
	case handOver:
		p.busy++
		h = p.take()
	case closeIdle:
		if p.spoke() { // for what little it was asked
			w.answers()
		}
	}
	return h
}

// ready notes that what was begun is done. The mutex is held.
func (w *worker) ready() {
	if w.session != nil {
		w.plan.ready++
	}
	w.tell()
}

// rest waits for a change, a time or the end.
func (w *worker) rest(ctx context.Context, changed <-chan struct{}, now, until time.Time) {
	var due <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(until.Sub(now))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-changed:
	case <-due:
	case <-ctx.Done():
	}
}

// watchSecret lets refused credentials be tried at once when their file changed.
func (w *worker) watchSecret() {
	w.mu.Lock()
	refused := w.plan.refused
	w.mu.Unlock()
	if !refused {
		return
	}
	stamp := w.cfg.Server.secret.stamp()
	w.mu.Lock()
	defer w.mu.Unlock()
	if stamp != w.plan.secretWas {
		w.plan.secretWas, w.plan.openAt = stamp, time.Time{}
	}
}

// connect opens a session.
func (w *worker) connect(ctx context.Context) {
	stamp := w.cfg.Server.secret.stamp() // before it is read: a change in between is seen
	s, f := open(ctx, w.cfg.Server, w.cfg.Timeouts, w.cfg.Dial)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plan.dialing--
	if f != nil {
		if ctx.Err() == nil {
			w.plan.secretWas = stamp
			w.failed(f)
		}
		w.ready()
		return
	}
	w.session, w.idleSince = s, w.cfg.Now()
	w.uncut = context.AfterFunc(w.cut, func() { s.wire.Close() })
	w.plan.live++
	w.plan.refused = false
	w.ready()
}

// failed notes that there is no session with the server, or none that is of use.
// The mutex is held, and this worker's session not counted as live any more.
func (w *worker) failed(f *failure) {
	now := w.cfg.Now()
	if w.plan.live > 0 {
		// Others are served: it is rather us who ask too much.
		w.holdOff = now.Add(crowded)
		w.cfg.Log.Debug("one connection fewer to the mail server", "server", w.cfg.Server.Addr(), "what", f.String())
		return
	}
	w.plan.failed(now, w.cfg.Reconnect)
	if w.plan.refused = f.credentials(); w.plan.refused {
		w.plan.openAt = now.Add(w.cfg.AuthRetry)
	}
	w.trouble(f.String(), f.hint)
}

// hangUp closes the session, if there is one.
func (w *worker) hangUp(polite bool) {
	s := w.session
	if s == nil {
		return
	}
	w.session = nil
	s.close(polite)
	w.uncut()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plan.live--
	w.tell()
}

// look asks the outbox when the next mail is due.
func (w *worker) look(ctx context.Context) {
	w.mu.Lock()
	wakes := w.wakes
	w.mu.Unlock()
	b, err := w.cfg.Outbox.Backlog(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plan.asking = false
	w.learned(ctx, b, err, wakes)
	w.ready()
}

// emptyPause is how soon an outbox is asked again that has mails due and leases
// none, since somebody else holds them.
const emptyPause = 10 * time.Second

// learned takes in what the outbox said of its backlog. The mutex is held.
func (w *worker) learned(ctx context.Context, b gateway.Backlog, err error, wakes int) {
	now := w.cfg.Now()
	if err != nil {
		if ctx.Err() == nil {
			w.outboxTrouble("its backlog could not be read", err)
		}
		w.plan.next, w.plan.known = now.Add(outboxRetry(maxOutboxTries)), true
		return
	}
	w.plan.next, w.plan.known = b.Next, wakes == w.wakes
}

// lease takes mails that are due; if none are, it learns when the next one is.
func (w *worker) lease(ctx context.Context) {
	w.mu.Lock()
	now, wakes, n := w.cfg.Now(), w.wakes, w.plan.group(w.cfg.Group)
	w.mu.Unlock()
	until := now.Add(w.cfg.Lease)
	mails, err := w.cfg.Outbox.Lease(ctx, now, until, n)
	var b gateway.Backlog
	if err == nil && len(mails) == 0 {
		b, err = w.cfg.Outbox.Backlog(ctx)
		if b.Waiting > 0 && !b.Next.IsZero() && !b.Next.After(now) {
			b.Next = now.Add(emptyPause)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plan.asking = false
	if err != nil || len(mails) == 0 {
		w.learned(ctx, b, err, wakes)
	} else {
		w.plan.known = false
		if len(mails) == n {
			w.plan.looked = time.Time{} // there are more: no need to wait for them
		}
	}
	for _, d := range mails {
		w.plan.queue = append(w.plan.queue, held{d, until})
	}
	w.ready()
}

// giveBack makes a mail due at once that was leased and that the server was never
// asked to take, since it did not answer for so long.
func (w *worker) giveBack(h held) {
	w.mu.Lock()
	now, why := w.cfg.Now(), w.status.LastError
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(w.cut, recordTimeout)
	defer cancel()
	_, err := w.cfg.Outbox.Record(ctx, gateway.Outcome{
		Mail: h.ID, Attempt: h.Attempt, To: h.To, State: gateway.DeliveryWaiting, At: now, Next: now,
		Reply: oneLine("not tried yet: " + why),
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil { // it is due when its lease ends
		w.outboxTrouble("a lease could not be given back", err)
	}
	w.plan.known = false
	w.ready()
}
