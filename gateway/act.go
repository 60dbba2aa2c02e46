package gateway

import (
	"perch/discovery"
	"perch/location"
	"perch/matcher"
	"perch/provisioning"
)

// act does what a settled attachment calls for.
func (e *Engine) act(p *phone) {
	a := p.track.Attachment()
	if a.Level() == discovery.LevelNone || p.kind(e) == provisioning.Ignore {
		return
	}
	e.touch(p)
	k, rel := e.find(p, a)
	switch {
	case k == nil:
		if p.track.Registered.IsZero() && !p.track.Leased(e.now) {
			return // the lease ran out meanwhile
		}
		e.arrive(p)
	case k != p.acted():
		e.returned(p, k, rel)
	case k.gains(rel, a):
		e.upgrade(p, k)
	case rel == discovery.Degraded && !p.Degraded:
		p.Degraded = true
		k.Since = e.instant()
		k.merge(p.track)
		e.emit(p, "phone.degraded", nil)
		e.amend(p, k)
	default:
		k.merge(p.track)
		if p.Degraded { // the level is back, and with it what the map says of it
			p.Degraded = false
			e.amend(p, k)
		}
		if e.overdue(p, k) {
			e.askAgain(e.prompts[k.Prompt])
		}
	}
}

// arrive acts on a network that is not known: it is asked about, unless it is
// matched silently or there is nobody to ask.
func (e *Engine) arrive(p *phone) {
	from := p.from()
	if from == nil {
		e.emit(p, "phone.appeared", nil)
	} else {
		e.emit(p, "phone.moved", func(l *Line) { l.From = from })
	}
	e.closePrompt(p, Superseded)
	k := &known{At: p.track.Attached()}
	p.Known = append(p.Known, k)
	e.enter(p, k)
	left := p.Assignment
	m := e.matchOf(p, k)
	k.Match = m.Location
	k.again = true
	e.ask(p, k, m, from, left, e.cfg.Policy.NoBootstrap)
	k.again = false
	e.assign(p, e.decide(p, k, m))
	e.prune(p)
}

// from returns the network last acted on, known or not; nil if there is none.
func (p *phone) from() *discovery.Network {
	if k := p.acted(); k != nil {
		n := k.at().Network()
		return &n
	}
	return nil
}

// enter makes k the network acted on.
func (e *Engine) enter(p *phone, k *known) {
	p.setActed(k)
	p.Degraded = false
	k.Since = e.instant()
	k.InForce = k.Since
}

// ask opens a prompt for a network that has none, if it must be asked about; a
// company location that matches is taken without asking if silent.
func (e *Engine) ask(p *phone, k *known, m matcher.Match, from *discovery.Network, left Assignment, silent bool) {
	k.Silent, k.Nobody = false, false
	to := e.recipients(p)
	switch {
	case m.Ignored.IsValid(), p.kind(e) != provisioning.Desk, len(to) == 0:
		k.Nobody = true
	case silent && m.Found() && !m.Personal:
		k.Silent = true
	case m.Found():
		e.open(p, k, Confirm, m.Location, m, to, from, left)
	default:
		e.open(p, k, Add, "", m, to, from, left)
	}
}

// returned acts on a known network after another one.
func (e *Engine) returned(p *phone, k *known, rel discovery.Relation) {
	e.emit(p, "phone.returned", nil)
	e.closePrompt(p, Returned)
	k.merge(p.track)
	e.enter(p, k)
	p.Degraded = rel == discovery.Degraded
	m := e.matchOf(p, k)
	k.Match = m.Location
	e.assign(p, e.decide(p, k, m))
	e.prune(p)
}

// upgrade gives the network acted on a level that it never had.
func (e *Engine) upgrade(p *phone, k *known) {
	stronger := p.track.Attachment().Level() > k.at().Level() || p.track.Attachment().CircuitID != "" && k.at().CircuitID == ""
	// A phone that booted since the level was missing may have been carried
	// here; one that did not was here all the time.
	booted := stronger && p.track.Booted.After(k.Since)
	from := k.at().Network()
	k.merge(p.track)
	k.Since = e.instant()
	p.Degraded = false
	e.emit(p, "phone.upgraded", nil)
	m := e.matchOf(p, k)
	agrees := !m.Found() || e.agrees(p.Assignment.Location, m.Location)
	k.Match = m.Location
	if e.prompts[k.Prompt] != nil && e.prompts[k.Prompt].Open() {
		e.amend(p, k)
		return
	}
	if e.standing(p, k) == nil {
		e.assign(p, e.decide(p, k, m))
		return
	}
	if booted || !agrees {
		e.reconfirm(p, k, m, &from)
	}
}

// agrees reports whether a location in force is what the wiremap says, or lies
// within it.
func (e *Engine) agrees(inForce, match location.ID) bool {
	return inForce == match || e.dir.Tree().Below(inForce, match)
}

// reconfirm asks once whether an answer still holds; it stays in force.
func (e *Engine) reconfirm(p *phone, k *known, m matcher.Match, from *discovery.Network) {
	to := e.recipients(p)
	if len(to) == 0 || p.kind(e) != provisioning.Desk || p.Prompt != 0 {
		return
	}
	loc := m.Location
	if loc == "" {
		loc = p.Assignment.Location
	}
	e.open(p, k, Confirm, loc, m, to, from, p.Assignment)
}

// amend changes an open prompt in place, without a new mail, when its network
// or its match is known better.
func (e *Engine) amend(p *phone, k *known) {
	q := e.prompts[k.Prompt]
	m := e.matchOf(p, k)
	k.Match = m.Location
	if q != nil && q.Open() {
		q.Attachment = k.at()
		a := e.standing(p, k)
		switch {
		case a != nil && m.Found() && q.Location != a.Location && e.agrees(a.Location, m.Location):
			e.closePrompt(p, Withdrawn) // the map says again what was answered
		case m.Found():
			q.Kind, q.Location = Confirm, m.Location
		case a != nil:
			q.Location = a.Location
		default:
			q.Kind, q.Location = Add, ""
		}
		e.batch.prompts[q.ID] = true
	}
	e.touch(p)
	e.assign(p, e.decide(p, k, m))
}

// recipientsChanged asks about the network a phone is on once there is somebody
// to ask.
func (e *Engine) recipientsChanged(p *phone) {
	k := p.acted()
	if q := e.prompts[p.Prompt]; q != nil && q.Open() {
		// Who has logged off can answer until somebody else has logged in.
		if asked := p.asked(q); asked != nil && len(e.recipients(p)) > 0 {
			e.renewRecipients(p, asked, q)
		}
		return
	}
	if k == nil || !k.Nobody || e.standing(p, k) != nil || p.kind(e) != provisioning.Desk || len(e.recipients(p)) == 0 {
		return
	}
	m := e.matchOf(p, k)
	if m.Ignored.IsValid() {
		return
	}
	e.askAnew(p, k, m, e.cfg.Policy.NoBootstrap)
	e.touch(p)
}

// askAnew asks about the network that a phone is on, as if it had come there
// only now, and puts in force what holds meanwhile.
func (e *Engine) askAnew(p *phone, k *known, m matcher.Match, silent bool) {
	k.Match = m.Location
	e.ask(p, k, m, nil, p.Assignment, silent)
	e.assign(p, e.decide(p, k, m))
}
