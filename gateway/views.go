package gateway

import (
	"slices"

	"perch/discovery"
	"perch/location"
	"perch/matcher"
	"perch/provisioning"
)

// Question returns a prompt as one of its readers sees it; false if there is no
// such prompt, or the reader has nothing to do with it.
func (e *Engine) Question(prompt int64, reader string) (Question, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	q := e.prompts[prompt]
	if q == nil {
		return Question{}, false
	}
	p := e.phones.Of(q.Phone)
	if !slices.Contains(e.readersOf(p, q.To...), reader) {
		return Question{}, false
	}
	if p == nil {
		p = unknownPhone(q.Phone)
	}
	k := p.asked(q)
	at := &known{At: discovery.Attach(q.Attachment)}
	if k != nil {
		at = k
	}
	out := Question{
		Letter: e.question(p, k, q, reader, p.Assignment, e.matchOf(p, at)),
		State:  q.Reason, Closed: q.Closed,
		There:    k != nil && p.acted() == k,
		Declined: slices.Contains(p.Declined.all(), reader),
		Askable:  e.askable(p, q) && slices.Contains(e.recipients(p), reader),
	}
	out.Letter.Attachment = q.Attachment
	if open := e.prompts[p.Prompt]; open != nil && open != q && slices.Contains(open.To, reader) {
		out.Current = open.ID
	}
	if a := e.answers[e.replies[q.ID]]; a != nil {
		if by := e.phones.Of(a.Phone); by != nil {
			p, k = by, by.answered(a)
			out.There = k != nil && p.acted() == k
		}
		out.Letter.Location = e.visible(a.Location, reader)
		out.Standing, out.Object = e.said(&out.Letter, p, k, a, reader)
	}
	if q.Open() {
		e.choices(&out, p, q, reader)
	}
	return out, true
}

// choices adds what an open prompt can be answered with.
func (e *Engine) choices(out *Question, p *phone, q *Prompt, reader string) {
	tree := e.dir.Tree()
	if l, ok := e.dir.Location(q.Location); ok && l.Kind == location.Company {
		out.Within = e.within(q.Location, nil)
	}
	for l := range tree.All() {
		if l.Kind == location.Personal && l.Owner == reader && l.Live() {
			l.Address = tree.Complete(l.ID)
			out.Personal = append(out.Personal, l)
		}
	}
	if a := e.lastReported(p, q); a != nil {
		if l := e.visible(a.Location, reader); l != nil {
			out.Unmoved = e.placeFor(a.Location, reader)
		}
	}
}

// within lists the live locations below one, each before those below it.
func (e *Engine) within(id location.ID, to []location.Location) []location.Location {
	for _, l := range e.dir.Tree().Children(id) {
		if l.Live() {
			l.Address = e.dir.Tree().Complete(l.ID)
			to = e.within(l.ID, append(to, l))
		}
	}
	return to
}

// Told returns an answer as one of the phone's users sees it; false if there is
// no such answer, or the reader has nothing to do with it.
func (e *Engine) Told(answer int64, reader string) (Told, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.answers[answer]
	if a == nil {
		return Told{}, false
	}
	p := e.phones.Of(a.Phone)
	if !slices.Contains(e.readersOf(p, a.By), reader) {
		return Told{}, false
	}
	if p == nil {
		p = unknownPhone(a.Phone)
	}
	k := p.answered(a)
	at := p.track.Attachment()
	if k != nil {
		at = k.at()
	} else if q := e.prompts[a.Prompt]; q != nil {
		at = q.Attachment
	}
	out := Told{Letter: e.about(p, MailNotice, reader, at, a.Location), There: k != nil && p.acted() == k}
	out.Prompt, out.Notice = a.Prompt, NoticeAnswered
	out.Standing, out.Object = e.said(&out.Letter, p, k, a, reader)
	return out, true
}

// said adds an answer to what a page shows, with the claim that came of it. It
// reports whether the answer stands for the network k, and whether the reader may
// object to it.
func (e *Engine) said(l *Letter, p *phone, k *known, a *Answer, reader string) (standing, object bool) {
	answer := *a
	l.Answer, l.By = &answer, a.By
	if c := e.claims[a.Claim]; c != nil {
		claim := *c
		l.Claim, l.Reason = &claim, c.Reason
	}
	standing = k != nil && e.standing(p, k) == a
	return standing, standing && e.mayObject(p, k, reader)
}

// ReviewOf returns a claim as a reviewer sees it; false if there is no such
// claim, or the reader does not review it.
func (e *Engine) ReviewOf(claim int64, reader string) (Review, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.claims[claim]
	if c == nil || !slices.Contains(e.dir.Reviewers(c.Attachment.Site), reader) {
		return Review{}, false
	}
	p := e.phoneOf(c)
	out := Review{Letter: e.about(p, MailClaim, reader, c.Attachment, c.Location), Default: c.Attachment.Level()}
	held := *c
	out.Claim, out.Prompt, out.By, out.Reason, out.Evidence = &held, c.Prompt, c.By, c.Reason, c.Evidence
	if a := e.answers[c.Answer]; a != nil {
		c := *a
		out.Answer = &c
	}
	for l := discovery.LevelPort; l > discovery.LevelNone && c.State == ClaimOpen; l-- {
		if c.Attachment.Has(l) {
			out.Choices = append(out.Choices, e.choice(c, l, reader))
		}
	}
	return out, true
}

// choice tells what approving a claim at a level would do.
func (e *Engine) choice(c *Claim, l discovery.Level, reader string) Choice {
	rule, made, old, exists := e.ruleOf(c, l, nil)
	out := Choice{Level: l, Made: made, Rule: rule}
	if !made {
		return out
	}
	out.Place = e.visible(rule.Location, reader)
	if exists && old.Location != rule.Location {
		out.Replaces = e.visible(old.Location, reader)
	}
	out.Phones = e.touched(rule, reader)
	return out
}

// touched lists the phones on the network that a rule names.
func (e *Engine) touched(rule matcher.Rule, reader string) []Touched {
	// The rule alone, leading to a place that is live, is a map by itself: what it
	// matches is what it names, by the same code as ever.
	const anywhere = "anywhere"
	tree, err := location.NewTree([]location.Location{{ID: anywhere}})
	if err != nil {
		return nil
	}
	probe := rule
	probe.Location = anywhere
	alone, err := matcher.NewWiremap([]matcher.Rule{probe}, tree, nil)
	if err != nil {
		return nil // approving it says what is wrong
	}
	var out []Touched
	for _, p := range e.sortedPhones() {
		k := p.acted()
		if k == nil || p.kind(e) == provisioning.Ignore || !alone.Match(k.at(), nil).Found() {
			continue
		}
		t := Touched{Phone: p.id(), Users: e.recipients(p), Now: e.placeFor(p.Assignment.Location, reader)}
		if listed, ok := e.dir.Phone(p.id().MAC); ok {
			t.Label = listed.Label
		}
		t.Changes = p.Assignment.Location != rule.Location && e.standing(p, k) == nil && !e.outranks(e.matchOf(p, k), rule)
		out = append(out, t)
	}
	return out
}

// outranks reports whether a match would stand beside a new rule, since it is
// more precise.
func (e *Engine) outranks(m matcher.Match, rule matcher.Rule) bool {
	switch l := rule.Level(); {
	case !m.Found() || m.Level != l:
		return m.Found() && m.Level > l
	case l == discovery.LevelSubnet:
		return m.Rule.Subnet.Bits() > rule.Subnet.Bits()
	}
	return false
}

// Read lets f look at the directory while nothing changes it. f keeps nothing of
// it and does not call the engine.
func (e *Engine) Read(f func(*provisioning.Directory)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(e.dir)
}
