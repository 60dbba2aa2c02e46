package gateway

import (
	"slices"
	"strings"
	"time"

	"perch/discovery"
	"perch/location"
	"perch/matcher"
	"perch/provisioning"
)

// Disown takes in that a phone is not that of somebody who was asked: they are
// not asked about it any more, and the admins are told. When nobody is left to
// ask, its prompt is withdrawn. It lasts until an import lists them anew.
func (e *Engine) Disown(prompt int64, by string, at time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	q, p, err := e.decideOn(prompt, at)
	if err != nil {
		return err
	}
	if err := e.checkUser(p, q, by); err != nil { // nobody else was asked
		return err
	}
	e.begin()
	defer e.end()
	p.Declined.set(sorted(append(p.Declined.all(), by)))
	e.touch(p)
	for _, email := range e.dir.Admins(q.Attachment.Site) {
		l := e.letter(p, MailNotice, email)
		l.Notice, l.By, l.Prompt, l.Attachment = NoticeNotMine, by, q.ID, q.Attachment
		l.Recipient = e.recipients(p)
		l.InForce = e.placeFor(p.Assignment.Location, email)
		e.post(p, l)
	}
	e.rematchPhone(p)
	return nil
}

// AskAgain asks anew about the network of a prompt that expired, at the wish of
// somebody who was asked, if the phone is still there.
func (e *Engine) AskAgain(prompt int64, by string, at time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	q, p, err := e.decideOn(prompt, at)
	if err != nil {
		return err
	}
	if !slices.Contains(e.recipients(p), by) {
		return notUser(p, by)
	}
	if !e.askable(p, q) {
		return refuse("list the open prompts: perch prompts list", "prompt %d did not expire, or its phone is elsewhere, or was asked about since", q.ID)
	}
	e.begin()
	defer e.end()
	k := p.acted()
	e.askAnew(p, k, e.matchOf(p, k), false)
	e.touch(p)
	return nil
}

// askable reports whether the network of an expired prompt may be asked about
// again before its time.
func (e *Engine) askable(p *phone, q *Prompt) bool {
	k := p.acted()
	return q.Reason == Expired && k != nil && k.Prompt == q.ID && p.Prompt == 0 && e.standing(p, k) == nil &&
		p.kind(e) == provisioning.Desk && len(e.recipients(p)) > 0 && !e.matchOf(p, k).Ignored.IsValid()
}

// decideOn lets what is due happen before a decision about a prompt, and returns
// the prompt and its phone.
func (e *Engine) decideOn(prompt int64, at time.Time) (*Prompt, *phone, error) {
	if err := e.decideAt(at); err != nil {
		return nil, nil, err
	}
	q := e.prompts[prompt]
	if q == nil {
		return nil, nil, refuse("list the open prompts: perch prompts list", "prompt %d: no such prompt", prompt)
	}
	p := e.phones.Of(q.Phone)
	if p == nil {
		return nil, nil, refuse("list the open prompts: perch prompts list", "prompt %d: its phone is not known any more", prompt)
	}
	return q, p, nil
}

// Object withdraws an answer at the word of one of the phone's users, who may be
// the one who gave it, and asks all of them once more. A claim that is open on it
// is rejected; company data that was approved stays.
func (e *Engine) Object(answer int64, by string, at time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.decideAt(at); err != nil {
		return err
	}
	a := e.answers[answer]
	if a == nil {
		return refuse("perch explain PHONE tells which answers stand", "answer %d: no such answer", answer)
	}
	p := e.phones.Of(a.Phone)
	k := p.answered(a)
	if k == nil || e.standing(p, k) != a {
		return refuse("perch explain PHONE tells which answers stand", "answer %d does not stand any more", answer)
	}
	if !e.mayObject(p, k, by) {
		return notUser(p, by)
	}
	e.begin()
	defer e.end()
	e.dropClaim(p, a, by, e.objection(p, a, by))
	k.Answer = 0
	e.dropOwnRule(a)
	m := e.matchOf(p, k)
	k.Match = m.Location
	if q := e.prompts[k.Prompt]; q != nil && q.Open() {
		e.closePrompt(p, Withdrawn) // it asked whether the answer still holds
	}
	k.Prompt = 0 // an expired question was about the answer too
	if p.acted() == k {
		e.askAnew(p, k, m, false)
	}
	e.tellObjected(p, k, a, by)
	e.touch(p)
	e.rematch()
	return nil
}

// answered returns the known network for which an answer was given, or nil.
func (p *phone) answered(a *Answer) *known {
	return p.network(func(k *known) bool { return k.Answer == a.ID })
}

// mayObject reports whether somebody may withdraw the answer of a network: a user
// of the phone, who may be the one who gave it, an admin of the network's site, or
// who is at the command line.
func (e *Engine) mayObject(p *phone, k *known, by string) bool {
	return strings.HasPrefix(by, "cli:") || slices.Contains(e.recipients(p), by) || slices.Contains(e.dir.Admins(k.at().Site), by) ||
		by == e.answers[k.Answer].By && e.isUser(p, by)
}

// objection is the reason of a claim that is rejected for one.
func (e *Engine) objection(p *phone, a *Answer, by string) string {
	switch {
	case by == a.By:
		return "taken back"
	case slices.Contains(e.recipients(p), by):
		return "another user of the phone says that it is not right"
	}
	return "an administrator says that it is not right"
}

// dropOwnRule takes back the rule that a personal answer made for its owner's
// other phones. One that was there before stays, and so does one on which the
// answer for another phone rests: that is its keeper then.
func (e *Engine) dropOwnRule(a *Answer) {
	if a.Rule == (matcher.Rule{}) {
		return
	}
	rule := a.Rule
	a.Rule = matcher.Rule{}
	e.batch.answers[a.ID] = true
	for _, p := range e.sortedPhones() {
		for _, k := range p.Known {
			b := e.standing(p, k)
			if b == nil || b.Location != rule.Location {
				continue
			}
			if r, ok := ruleFor(k.at(), rule.Level()); ok && r.Key() == rule.Key() {
				b.Rule = rule
				e.batch.answers[b.ID] = true
				return
			}
		}
	}
	var left []matcher.Rule
	found := false
	for _, old := range e.dir.Wiremap().FindAll(rule) {
		if old.Location == rule.Location {
			found = true
		} else {
			left = append(left, old)
		}
	}
	if !found {
		return
	}
	// Rules of one key go and come together.
	if err := e.change(provisioning.Changes{GoneRules: []matcher.Rule{rule}, Put: provisioning.Content{Rules: left}}); err != nil {
		e.log().Error("the rule of an answer that was taken back could not be removed", "location", a.Location, "error", err)
	}
}

// tellObjected tells who gave the answer, if somebody else objected.
func (e *Engine) tellObjected(p *phone, k *known, a *Answer, by string) {
	if _, listed := e.dir.User(a.By); !listed || a.By == by {
		return
	}
	l := e.about(p, MailNotice, a.By, k.at(), a.Location)
	l.Notice, l.By, l.Answer, l.Prompt = NoticeObjected, by, a, a.Prompt
	e.post(p, l)
}

// closeClaim decides a claim; a location that it proposed and that is not taken
// is retired.
func (e *Engine) closeClaim(p *phone, c *Claim, s ClaimState, by, reason string) {
	c.State, c.Closed, c.Decider, c.Reason = s, e.now, by, reason
	e.batch.claims[c.ID] = true
	event := "claim.approved"
	if s == ClaimRejected {
		event = "claim.rejected"
		e.retireProposed(c)
	}
	e.emit(p, event, func(l *Line) {
		l.Claim = &LineClaim{ID: c.ID, Location: c.Location, By: by, Reason: reason}
	})
}

func (e *Engine) retireProposed(c *Claim) {
	l, ok := e.dir.Location(c.Location)
	if !ok || !l.Pending {
		return
	}
	l.Retired = true
	change := provisioning.Changes{Put: provisioning.Content{Locations: []location.Location{l}}}
	// Nothing but its claim refers to a pending location, or an import's rules do.
	if e.dir.Wiremap().Leading(l.ID) > 0 {
		for _, r := range e.dir.Wiremap().Rules() {
			if r.Location == l.ID {
				change.GoneRules = append(change.GoneRules, r)
			}
		}
	}
	if err := e.change(change); err != nil {
		e.log().Error("a rejected location could not be retired", "location", l.ID, "error", err)
	}
}

// Readers returns the emails of those for whom a link to a prompt, a claim, an
// answer or the alerts may have been made.
func (e *Engine) Readers(purpose Purpose, id int64) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch purpose {
	case MailPrompt:
		q := e.prompts[id]
		if q == nil {
			return nil
		}
		return e.readersOf(e.phones.Of(q.Phone), q.To...)
	case MailClaim:
		c := e.claims[id]
		if c == nil {
			return nil
		}
		return e.dir.Reviewers(c.Attachment.Site)
	case MailNotice:
		a := e.answers[id]
		if a == nil {
			return nil
		}
		return e.readersOf(e.phones.Of(a.Phone), a.By)
	case MailEmergency:
		return e.alarmReaders()
	case PhonesPage:
		return e.dir.AllAdmins()
	}
	return nil
}

// readersOf returns who has to do with a phone: its users, those who said that it
// is not theirs, and of others only those who are users of it still.
func (e *Engine) readersOf(p *phone, also ...string) []string {
	if p == nil {
		return slices.DeleteFunc(sorted(also), func(email string) bool { _, listed := e.dir.User(email); return !listed })
	}
	also = slices.DeleteFunc(slices.Clone(also), func(email string) bool { return !e.isUser(p, email) })
	declined := slices.DeleteFunc(slices.Clone(p.Declined.all()), func(email string) bool { _, listed := e.dir.User(email); return !listed })
	return sorted(slices.Concat(also, e.recipients(p), declined))
}

// unknownPhone stands for a phone that was forgotten.
func unknownPhone(id discovery.PhoneID) *phone {
	return &phone{track: discovery.NewTrack(id)}
}
