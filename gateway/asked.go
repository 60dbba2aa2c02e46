package gateway

import (
	"slices"
	"time"

	"perch/discovery"
)

// Whoever was asked about a phone and did not answer before it moved on has a mail
// whose link leads to the question that is open. So a phone that goes to and fro,
// or on and on, gives one mail in each mailsApart, about where it is by then:
// whether it is carried about or somebody speaks with its MAC.
const (
	mailsApart = 24 * time.Hour
	askedFor   = 7 * 24 * time.Hour // how long it is remembered what was asked
	mostAsked  = 16
)

// asked is a question that was mailed.
type asked struct {
	Prompt int64
	At     *discovery.Attached
	When   discovery.Instant
	First  bool `json:",omitempty"` // where the phone appeared first, from no other network
	Denied bool `json:",omitempty"` // answered: it has not moved
}

// putOff returns until when the mail of a question waits; zero: it goes out now.
// It waits for a day after the last one about a move, if nobody answered that, or
// somebody that the phone has not moved. Where the phone appeared first keeps no
// mail about its first move; only one that asks the same again, about where the
// phone is back, waits for it.
func (e *Engine) putOff(p *phone, k *known, q *Prompt) discovery.Instant {
	before := p.Asked.all()
	if len(before) == 0 {
		return 0
	}
	until := before[len(before)-1].When.Add(mailsApart)
	if !e.instant().Before(until) {
		return 0
	}
	for _, a := range slices.Backward(before) {
		if !a.Denied && !e.unanswered(a) {
			break
		}
		if !a.First || k.again && e.asksTheSame(a, q) {
			return until
		}
	}
	return 0
}

// unanswered reports whether the phone moved on before anybody answered.
func (e *Engine) unanswered(a asked) bool {
	q := e.prompts[a.Prompt]
	return q != nil && (q.Reason == Superseded || q.Reason == Returned)
}

// denied notes that a question was answered with: it has not moved.
func (p *phone) denied(prompt int64) {
	all := slices.Clone(p.Asked.all())
	for i := range all {
		if all[i].Prompt == prompt {
			all[i].Denied = true
		}
	}
	p.Asked.set(all)
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

// noteAsked remembers a question that is mailed, about k.
func (p *phone) noteAsked(q *Prompt, k *known, now discovery.Instant) {
	kept := slices.DeleteFunc(p.Asked.all(), func(a asked) bool { return now.Sub(a.When) >= askedFor })
	if len(kept) >= mostAsked {
		kept = slices.Delete(kept, 0, 1)
	}
	p.Asked.set(append(kept, asked{Prompt: q.ID, At: k.At, When: now, First: k.Departure == nil || k.From == nil}))
}
