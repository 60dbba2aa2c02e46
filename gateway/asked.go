package gateway

import (
	"slices"
	"time"

	"perch/discovery"
)

// Whoever was asked about a phone and did not answer before it moved on has a mail
// whose link leads to the question that is open. So a phone that goes to and fro,
// or on and on, gives mailsAtOnce of them at once and then one in each mailsApart,
// about where it is by then: whether it is carried about or somebody speaks with
// its MAC. One that is back where that was asked waits at once.
const (
	mailsAtOnce = 2
	mailsApart  = 24 * time.Hour
	askedFor    = 7 * 24 * time.Hour // how long it is remembered what was asked
	mostAsked   = 16
)

// asked is a question that was mailed.
type asked struct {
	Prompt int64
	At     *discovery.Attached
	When   time.Time
}

// putOff returns until when the mail of a question waits; zero: it goes out now.
// Nothing waits if somebody answered meanwhile.
func (e *Engine) putOff(p *phone, k *known, q *Prompt) discovery.Instant {
	before := p.Asked.all()
	if len(before) == 0 {
		return 0
	}
	until := before[len(before)-1].When.Add(mailsApart)
	if !e.now.Before(until) {
		return 0
	}
	unanswered := 0
	for _, a := range slices.Backward(before) {
		if !e.unanswered(a) {
			break
		}
		if unanswered++; unanswered >= mailsAtOnce || k.again && e.asksTheSame(a, q) {
			return discovery.InstantOf(until)
		}
	}
	return 0
}

// unanswered reports whether the phone moved on before anybody answered.
func (e *Engine) unanswered(a asked) bool {
	q := e.prompts[a.Prompt]
	return q != nil && (q.Reason == Superseded || q.Reason == Returned)
}

// asksTheSame reports whether everybody was asked the same about the same network.
func (e *Engine) asksTheSame(a asked, q *Prompt) bool {
	old := e.prompts[a.Prompt]
	return old.Kind == q.Kind && old.Location == q.Location && slices.Equal(old.To, q.To) &&
		discovery.Compare(a.At.Attachment(), q.Attachment) == discovery.Same
}

// mailLater mails a question that waited, unless the phone has moved on.
func (e *Engine) mailLater(q *Prompt) {
	p := e.phones.Of(q.Phone)
	p.Later = 0
	e.touch(p)
	if k := p.acted(); k != nil && k.Prompt == q.ID {
		e.mailQuestion(p, k, q, e.matchOf(p, k))
	}
}

// noteAsked remembers a question that is mailed.
func (p *phone) noteAsked(q *Prompt, now time.Time) {
	kept := slices.DeleteFunc(p.Asked.all(), func(a asked) bool { return now.Sub(a.When) >= askedFor })
	if len(kept) >= mostAsked {
		kept = slices.Delete(kept, 0, 1)
	}
	p.Asked.set(append(kept, asked{q.ID, discovery.Attach(q.Attachment), now}))
}
