package gateway

import (
	"slices"

	"perch/discovery"
	"perch/location"
	"perch/matcher"
	"perch/provisioning"
)

// phone is what the engine remembers of one phone beside its track.
type phone struct {
	track *discovery.Track

	Known      []*known          // networks that are known for it
	Acted      int               // index+1 in Known of the network last acted on; 0 if none
	Due        discovery.Instant `json:",omitzero"`  // when its attachment has settled
	Degraded   bool              `json:",omitempty"` // it lacks the level of the network it is on
	Assignment Assignment        `json:"-"`
	Prompt     int64             `json:",omitempty"` // open prompt
	Declined   few[string]       `json:",omitzero"`  // who said that it is not their phone, sorted
	Asked      few[asked]        `json:",omitzero"`  // the networks asked about by mail lately, oldest first
	Later      discovery.Instant `json:",omitzero"`  // when the open prompt's mail goes out; zero: it has gone
	Heir       discovery.MAC     `json:",omitzero"`  // the phone in its place, which was not heard yet
}

func (p *phone) id() discovery.PhoneID { return p.track.ID }

// known is one network that is known for a phone: reported, asked about, matched
// silently, or with nobody to ask.
type known struct {
	At      *discovery.Attached // all values ever known of it
	Since   discovery.Instant   // when it was last acted on, or gained or lost a level
	InForce discovery.Instant   // when it was last the network acted on
	Answer  int64               `json:",omitempty"` // of a user; stands while it stands
	Prompt  int64               `json:",omitempty"` // open or expired
	Silent  bool                `json:",omitempty"` // matched, and nobody need be asked
	Nobody  bool                `json:",omitempty"` // nobody to ask
	again   bool                // the phone is back there: see putOff
	Match   location.ID         `json:",omitempty"` // last opinion of the wiremap
	*Departure
}

// Departure is where a phone was when a network was asked about.
type Departure struct {
	From *discovery.Network `json:",omitempty"` // the network that was left
	Left location.ID        `json:",omitempty"` // what was in force there
}

// phone returns the engine's side of a track, made if need be.
func (e *Engine) phone(tr *discovery.Track) *phone {
	p := e.phones.Of(tr.ID)
	if p == nil {
		p = &phone{}
		e.phones.Set(tr.ID, p)
	}
	p.track = tr
	return p
}

// touch marks a phone to be stored with the next batch.
func (e *Engine) touch(p *phone) {
	e.batch.phones[p.id()] = true
	e.concern(p.id())
}

// kind returns what the phone is: as listed, else by evidence.
func (p *phone) kind(e *Engine) provisioning.PhoneKind {
	if listed, ok := e.dir.Phone(p.id().MAC); ok && !p.id().Provisional() {
		return listed.Kind
	}
	if p.track.Desk {
		return provisioning.Desk
	}
	return provisioning.Softphone
}

// acted returns the network last acted on, or nil.
func (p *phone) acted() *known {
	if p.Acted == 0 {
		return nil
	}
	return p.Known[p.Acted-1]
}

// setActed makes k, which is in Known, the network last acted on.
func (p *phone) setActed(k *known) {
	for i, x := range p.Known {
		if x == k {
			p.Acted = i + 1
		}
	}
}

// isKnown reports whether a network is still known: an answer may have fallen,
// or its prompt been closed without one.
func (e *Engine) isKnown(p *phone, k *known) bool {
	switch {
	case e.standing(p, k) != nil:
		return true
	case k.Silent && e.matchOf(p, k).Found():
		return true
	case k.Nobody && (p.kind(e) != provisioning.Desk || len(e.recipients(p)) == 0 || e.matchOf(p, k).Ignored.IsValid()):
		return true
	}
	q := e.prompts[k.Prompt]
	return q != nil && (q.Open() || q.Reason == Expired)
}

// standing returns the answer that stands for a network, or nil. An answer
// stands while its location is live, its claim not rejected and, if personal,
// its owner still a user of the phone.
func (e *Engine) standing(p *phone, k *known) *Answer {
	if k == nil {
		return nil
	}
	a := e.answers[k.Answer]
	if a == nil {
		return nil
	}
	l, ok := e.dir.Location(a.Location)
	if !ok || l.Retired {
		return nil
	}
	if c := e.claims[a.Claim]; c != nil && c.State == ClaimRejected {
		return nil
	}
	if l.Pending && e.claims[a.Claim] == nil {
		return nil
	}
	if l.Kind == location.Personal && !e.isUser(p, l.Owner) {
		return nil
	}
	return a
}

// isUser reports whether somebody is a user of the phone. Where the directory
// lists none, that is whoever logged in on it and still exists: the next login
// at a hot desk changes who is asked, never the location.
func (e *Engine) isUser(p *phone, email string) bool {
	if slices.Contains(p.Declined.all(), email) {
		return false
	}
	if listed, ok := e.dir.Phone(p.id().MAC); ok && !p.id().Provisional() && len(listed.Users) > 0 {
		return slices.Contains(listed.Users, email)
	}
	_, exists := e.dir.User(email)
	return exists
}

// find relates the attachment to the phone's known networks, and to the one last
// acted on whether it is still known or not. Of several that are the same, the
// one last in force counts; one that would only gain a level is passed over for
// one that has it.
func (e *Engine) find(p *phone, a discovery.Attachment) (*known, discovery.Relation) {
	var best *known
	rel := discovery.Different
	for _, k := range p.Known {
		r := discovery.Compare(k.at(), a)
		if r == discovery.Different || k != p.acted() && !e.isKnown(p, k) {
			continue
		}
		worse := best != nil && (r == discovery.Upgraded && rel != discovery.Upgraded ||
			(r == discovery.Upgraded) == (rel == discovery.Upgraded) && !k.InForce.After(best.InForce))
		if !worse {
			best, rel = k, r
		}
	}
	return best, rel
}

// prune forgets networks that are no longer known, so that they are asked about
// again when the phone comes back.
func (e *Engine) prune(p *phone) {
	acted := p.acted()
	kept := p.Known[:0]
	for _, k := range p.Known {
		if k == acted || e.isKnown(p, k) {
			kept = append(kept, k)
		}
	}
	clear(p.Known[len(kept):])
	p.Known = kept
	p.Acted = 0
	if acted != nil {
		p.setActed(acted)
	}
}

// moving reports whether the network that the phone is on is not the one last acted on.
func (e *Engine) moving(p *phone) bool {
	a := p.track.Attachment()
	k, _ := e.find(p, a)
	return a.Level() != discovery.LevelNone && (k == nil || k != p.acted())
}

// evaluate sets when the phone's attachment is to be acted on, if it is.
func (e *Engine) evaluate(p *phone) {
	before := p.Due
	p.Due = 0
	a := p.track.Attachment()
	if a.Level() == discovery.LevelNone || p.kind(e) == provisioning.Ignore {
		return
	}
	k, rel := e.find(p, a)
	settled := p.track.Changed.Add(e.cfg.Policy.Settle)
	switch {
	case k != nil && k == p.acted():
		if !k.gains(rel, a) && (rel == discovery.Degraded) == p.Degraded && !k.renamed(a) {
			k.merge(p.track)
			if !e.overdue(p, k) {
				return
			}
			settled = e.instant()
		}
	case k != nil: // known, and another one was acted on: it returned
	case !p.track.Registered.IsZero():
	case p.track.Leased(e.now):
		settled = p.track.Changed.Add(e.cfg.Policy.SettleUnregistered)
	default:
		return
	}
	// Not before now, and not while flapping.
	p.Due = max(settled, e.instant(), p.track.FlapUntil())
	if p.Due != before { // else it is on the agenda already
		e.agenda.add(due{at: p.Due, what: dueSettle, phone: p})
	}
}

// at returns all values ever known of the network.
func (k *known) at() discovery.Attachment { return k.At.Attachment() }

// merge takes in where the phone is now. Most networks are known as their phone is
// attached: then both have one attachment in common.
func (k *known) merge(tr *discovery.Track) {
	now := tr.Attachment()
	if merged := k.at().Merge(now); merged == now {
		k.At = tr.Attached()
	} else if merged != k.at() {
		k.At = discovery.Attach(merged)
	}
}

// gains reports whether the attachment knows the network better: by a level, or
// by the DHCP server's word on a subnet that was assumed.
func (k *known) gains(rel discovery.Relation, a discovery.Attachment) bool {
	return rel == discovery.Upgraded || k.at().Assumed && !a.Assumed && a.Subnet.IsValid() && a.Subnet != k.at().Subnet
}

// renamed reports whether the attachment gives the network's port a name of
// another kind: a switch's where a relay's is known, or the other way round. That
// is taken in only when it has settled. A phone that was carried off may announce
// itself on its new link before its new lease tells that its circuit is the old
// one's no more.
func (k *known) renamed(a discovery.Attachment) bool {
	return a.PortID != "" && k.at().PortID == "" || a.CircuitID != "" && k.at().CircuitID == ""
}

// matchOf asks the wiremap about a network of a phone. A circuit that many
// phones share now is matched as one, whatever it was before.
func (e *Engine) matchOf(p *phone, k *known) matcher.Match {
	at := k.at()
	if now := p.track.Attachment(); now.Shared && now.CircuitID == at.CircuitID && now.RemoteID == at.RemoteID {
		at.Shared = true
	}
	return e.dir.Wiremap().Match(at, e.recipients(p))
}

// decide returns the location in force on a network: a standing answer, else
// the match, else the site's default, else none.
func (e *Engine) decide(p *phone, k *known, m matcher.Match) Assignment {
	if a := e.standing(p, k); a != nil {
		c := e.claims[a.Claim]
		out := Assignment{Location: a.Location, Unapproved: c != nil && c.State == ClaimOpen}
		switch a.Kind {
		case AnswerConfirm:
			out.Source = FromConfirmed
		case AnswerPersonal, AnswerAddPersonal:
			out.Source = FromPersonal
		default:
			out.Source = FromChosen
		}
		return out
	}
	switch {
	case m.Found():
		return Assignment{Location: m.Location, Source: FromWiremap}
	case m.Ignored.IsValid():
		return Assignment{Source: FromDefault, Unlocated: true}
	}
	id := k.at().Site
	if listed, ok := e.dir.Phone(p.id().MAC); ok && id == "" {
		id = listed.Site
	}
	out := Assignment{Source: FromDefault, Unlocated: true}
	if s, ok := e.dir.Site(id); ok {
		out.Location = s.DefaultLocation
	}
	return out
}

// assign puts a location in force and says so if that changes anything.
func (e *Engine) assign(p *phone, a Assignment) {
	if a == p.Assignment {
		return
	}
	p.Assignment = a
	e.touch(p)
	e.emit(p, "assignment.changed", func(l *Line) {
		l.Assignment = &LineAssignment{a.Location, a.Source, a.Unapproved, a.Unlocated}
	})
}

// drop forgets a phone whose MAC turned out to be a router's.
func (e *Engine) drop(tr *discovery.Track) {
	p := e.phones.Of(tr.ID)
	if p == nil {
		return
	}
	p.track = tr
	e.closePrompt(p, Withdrawn)
	for _, k := range p.Known {
		e.dropClaim(p, e.answers[k.Answer], "", "the device is no phone")
	}
	e.touch(p)
	p.Due = 0
	e.phones.Delete(tr.ID)
}

// dropClaim rejects the open claim of an answer, if it has one; a may be nil.
func (e *Engine) dropClaim(p *phone, a *Answer, by, why string) {
	if c := e.openClaimOf(a); c != nil {
		e.closeClaim(p, c, ClaimRejected, by, why)
	}
}

// openClaimOf returns the claim of an answer while it waits for review, or nil.
func (e *Engine) openClaimOf(a *Answer) *Claim {
	if a == nil {
		return nil
	}
	if c := e.claims[a.Claim]; c != nil && c.State == ClaimOpen {
		return c
	}
	return nil
}

// inherit takes over a network that was known for the phone under another name,
// with its answer if there is none yet.
func (e *Engine) inherit(p *phone, k *known) {
	for _, own := range p.Known {
		if discovery.Compare(own.at(), k.at()) == discovery.Same {
			if own.Answer == 0 {
				own.Answer = k.Answer
			} else {
				e.dropClaim(p, e.answers[k.Answer], "", "the phone has another answer")
			}
			return
		}
	}
	p.Known = append(p.Known, k)
}

// absorb passes on what is known of a provisional phone to the phone that it
// turned out to be.
func (e *Engine) absorb(p *phone, from discovery.PhoneID) {
	q := e.phones.Of(from)
	if q == nil {
		return
	}
	e.closePrompt(q, Withdrawn)
	p.Declined.set(sorted(slices.Concat(p.Declined.all(), q.Declined.all())))
	e.prune(q)
	acted := q.acted()
	if p.acted() == nil && acted != nil && e.isKnown(q, acted) {
		p.Known = append(p.Known, q.Known...)
		p.setActed(acted)
		e.emit(p, "phone.appeared", nil)
		e.assign(p, q.Assignment)
	} else {
		for _, k := range q.Known {
			if k != acted || e.isKnown(q, k) {
				e.inherit(p, k)
			}
		}
	}
	for _, id := range sortedKeys(e.prompts) {
		if x := e.prompts[id]; x.Phone == from {
			x.Phone = p.id()
			e.batch.prompts[id] = true
		}
	}
	for _, id := range sortedKeys(e.answers) {
		if a := e.answers[id]; a.Phone == from {
			a.Phone = p.id()
			e.batch.answers[id] = true
		}
	}
	for _, id := range sortedKeys(e.claims) {
		if c := e.claims[id]; c.Phone == from {
			c.Phone = p.id()
			e.batch.claims[id] = true
		}
	}
	e.batch.phones[from] = true
	e.concern(from)
	q.Due = 0
	e.phones.Delete(from)
}
