package notify

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"perch/gateway"
)

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
	w.ready()
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
		if !sleep(w.cut, outboxRetry(n)) {
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
