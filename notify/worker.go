package notify

import (
	"bytes"
	"context"
	"fmt"
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
		p.spoke() // it answers, for what little it was asked
	}
	return h
}

// idle notes that a worker with a session has nothing to do yet. The mutex is held.
func (w *worker) idle() {
	w.plan.ready++
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
		w.tell()
		return
	}
	w.session, w.idleSince = s, w.cfg.Now()
	w.uncut = context.AfterFunc(w.cut, func() { s.wire.Close() })
	w.plan.live++
	w.plan.refused = false
	w.idle()
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
	w.tell()
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
		w.plan.next, w.plan.known = now.Add(outboxRetry.Max), true
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
	w.idle()
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
	if w.session != nil {
		w.plan.ready++
	}
	w.tell()
}

// deliver hands one mail over and makes the outcome durable before anything else
// happens to the connection: a crash in between makes a copy.
func (w *worker) deliver(h held) {
	before := w.session.used
	outcome, f := w.attempt(h)
	spoken := w.session.used > before
	server := f != nil && f.verdict() == verdictServer
	if !server {
		w.record(h, outcome)
	}
	broken := f != nil && (server || f.broken())
	if f != nil && !broken && spoken {
		broken = !w.session.reset()
	}
	if broken {
		w.hangUp(false)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plan.busy--
	w.idleSince = w.cfg.Now()
	switch {
	case server:
		w.plan.putBack(h)
		// Servers hang up on who was idle, or has sent enough: a new connection
		// tells more.
		if before == 0 {
			w.failed(f)
		}
	case f != nil && f.lost():
		w.failed(f)
	case spoken && w.plan.spoke():
		w.answers()
	}
	if w.session != nil {
		w.plan.ready++
	}
	w.tell()
}

// attempt makes one attempt, and says how it went. An outcome is of no account
// if the failure is the server's.
func (w *worker) attempt(h held) (gateway.Outcome, *failure) {
	o := gateway.Outcome{Mail: h.ID, Attempt: h.Attempt, To: h.To, State: gateway.DeliveryWaiting}
	w.mu.Lock()
	known, done := w.unrecorded[h.ID]
	w.mu.Unlock()
	if done { // the server spoke, but the outbox did not hear of it
		known.Attempt = h.Attempt
		return known, nil
	}
	body, token, err := w.body(h.Mail)
	if err != nil {
		o.Reply = oneLine(err.Error())
		w.mu.Lock()
		w.trouble(o.Reply, "the key of the database does not belong to its mails")
		w.mu.Unlock()
		return w.later(o), nil
	}
	if !deliverable(h.To) {
		o.State, o.At, o.Reply = gateway.DeliveryRefused, w.cfg.Now(), oneLine(fmt.Sprintf("not sent: %q is not a mail address", h.To))
		return o, nil
	}
	reply, f := w.session.hand(w.cfg.From, h.To, body)
	if f == nil {
		o.State, o.At, o.Reply = gateway.DeliverySent, w.cfg.Now(), hide(reply, token)
		return o, nil
	}
	f.reply = hide(f.reply, token)
	if f.code == 0 && w.cut.Err() != nil {
		f.reply = "cut off: perch was stopped while the server had not answered"
	}
	o.Reply = f.reply
	v := f.verdict()
	if v == verdictPolicy {
		w.mu.Lock()
		w.trouble(f.String(), f.hint)
		v = w.policy(h)
		w.mu.Unlock()
	}
	if v == verdictRefused {
		o.State, o.At = gateway.DeliveryRefused, w.cfg.Now()
		return o, f
	}
	return w.later(o), f
}

// policyPatience is when a policy's refusal of a recipient is taken for good: by
// then the operator was told many times, and could have let the server relay.
const policyPatience = 24 * time.Hour

// policy says what the refusal of a recipient by a policy means: first that the
// mail waits. The mutex is held.
func (w *worker) policy(h held) verdict {
	now := w.cfg.Now()
	since, ok := w.denied[h.ID]
	switch {
	case !ok:
		w.denied[h.ID] = now
	case now.Sub(since) >= policyPatience:
		return verdictRefused
	}
	return verdictWait
}

// later puts a mail's next attempt off.
func (w *worker) later(o gateway.Outcome) gateway.Outcome {
	o.At = w.cfg.Now()
	o.Next = o.At.Add(w.cfg.Retry.Delay(o.Mail, o.Attempt))
	return o
}

// body returns the mail's bytes: those of the outbox, with the token in its
// mark's place, which are the same at each attempt.
func (w *worker) body(m gateway.Mail) (body []byte, token string, err error) {
	mark := []byte(gateway.TokenMark)
	if !bytes.Contains(m.Body, mark) {
		return m.Body, "", nil
	}
	token, ok := w.cfg.Token(m)
	if !ok || token == "" {
		return nil, "", fmt.Errorf("not sent: mail %d has a link, and no token was made for it", m.ID)
	}
	return bytes.ReplaceAll(m.Body, mark, []byte(token)), token, nil
}

// record makes an outcome durable, for as long as that takes: the server has
// spoken, and a second attempt would be a copy.
func (w *worker) record(h held, o gateway.Outcome) {
	noted := w.noted(o)
	w.mu.Lock()
	if _, again := w.unrecorded[o.Mail]; !again {
		w.count(h, o)
	}
	w.mu.Unlock()
	for n := 1; ; n++ {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.cut), recordTimeout)
		taken, err := w.cfg.Outbox.Record(ctx, o)
		cancel()
		w.mu.Lock()
		if err == nil {
			delete(w.unrecorded, o.Mail)
			// After an error, what is there already may well be this outcome.
			if !taken && n == 1 {
				w.status.Late++
				w.cfg.Log.Warn("the outcome of an attempt came after its lease", mailAttrs(h), "state", o.State.String(), "reply", o.Reply)
			}
			w.mu.Unlock()
			if noted {
				w.journalTrouble(w.journal.told())
			}
			return
		}
		w.unrecorded[o.Mail] = o
		w.outboxTrouble("an outcome could not be recorded", err)
		w.mu.Unlock()
		if !sleep(w.cut, outboxRetry.Delay(0, n)) {
			w.cfg.Log.Error("the outcome of an attempt is lost: the mail is sent again", mailAttrs(h), "state", o.State.String())
			return
		}
	}
}

// noted writes down that a mail was taken, before anything else is done.
func (w *worker) noted(o gateway.Outcome) bool {
	if w.journal == nil || o.State != gateway.DeliverySent {
		return false
	}
	w.journalTrouble(w.journal.took(o))
	return true
}

// journalTrouble tells of a journal that fails: nothing is lost for it.
func (w *worker) journalTrouble(err error) {
	if err != nil {
		w.cfg.Log.Warn("the journal of mails fails; a mail may be sent twice if this process is killed", "error", err)
	}
}

// recordTimeout is for one try to record an outcome.
const recordTimeout = 10 * time.Second

// count counts and logs an outcome. The mutex is held.
func (w *worker) count(h held, o gateway.Outcome) {
	s := &w.status
	s.Attempts++
	switch o.State {
	case gateway.DeliverySent:
		delete(w.denied, o.Mail)
		s.Sent++
		s.LastSent = o.At
		w.cfg.Log.Info("mail sent", mailAttrs(h), "reply", o.Reply)
	case gateway.DeliveryRefused:
		delete(w.denied, o.Mail)
		s.Refused++
		w.cfg.Log.Warn("mail refused for good", mailAttrs(h), "reply", o.Reply)
	default:
		s.Deferred++
		w.cfg.Log.Info("mail is tried again later", mailAttrs(h), "next", o.Next, "reply", o.Reply)
	}
}
