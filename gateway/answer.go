package gateway

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"perch/discovery"
	"perch/location"
	"perch/matcher"
	"perch/provisioning"
)

// Refusal is a decision that cannot be carried out. Nothing was changed by it.
type Refusal struct {
	What string // what is wrong
	Do   string // what to do about it
}

// Error returns what is wrong.
func (r *Refusal) Error() string { return r.What }

// Hint returns what to do about it.
func (r *Refusal) Hint() string { return r.Do }

func refuse(do, what string, args ...any) error {
	return &Refusal{What: fmt.Sprintf(what, args...), Do: do}
}

// Reply is an answer to a prompt.
type Reply struct {
	Prompt   int64
	Kind     AnswerKind
	Location location.ID       // of AnswerCompany and AnswerPersonal; of AnswerConfirm a child, or empty
	Address  location.Location // of AnswerPropose and AnswerAddPersonal: name and address
	By       string            // email, or cli:NAME
	At       time.Time         // zero: engine time
}

// Answer takes a user's reply. Its effects are events and mails; a reply that
// cannot be taken gives a *Refusal and changes nothing.
func (e *Engine) Answer(r Reply) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.decideAt(r.At); err != nil {
		return err
	}
	q := e.prompts[r.Prompt]
	if q == nil {
		return refuse("list the open prompts: perch prompts list", "prompt %d: no such prompt", r.Prompt)
	}
	if !q.Open() {
		return e.refuseClosed(q)
	}
	p := e.phones.Of(q.Phone)
	k := p.asked(q)
	if k == nil {
		return refuse("list the open prompts: perch prompts list", "prompt %d: its phone is not known any more", q.ID)
	}
	notMoved := r.Kind == AnswerNotMoved
	if err := e.check(p, q, &r); err != nil {
		return err
	}
	e.begin()
	defer e.end()
	loc, rule, err := e.locate(k, q, r)
	if err != nil {
		return err
	}
	e.ids.Answer++
	a := &Answer{ID: e.ids.Answer, Phone: p.id(), Prompt: q.ID, Kind: r.Kind, Location: loc, By: r.By, Time: e.now, Rule: rule}
	e.answers[a.ID], e.replies[q.ID] = a, a.ID
	e.batch.answers[a.ID] = true
	if notMoved {
		p.denied(q.ID)
	}
	claim := e.replace(p, k, a)
	told := claim != nil // its reviewers were, when it was opened
	k.Answer = a.ID
	e.closePrompt(p, Answered)
	if claim == nil && (r.Kind == AnswerCompany || r.Kind == AnswerPropose) {
		claim = e.openClaim(p, k, q, a)
	}
	if p.acted() == k {
		e.assign(p, e.decide(p, k, e.matchOf(p, k)))
	}
	e.tellAnswered(p, k, a, claim, q.To)
	if claim != nil && !told {
		e.tellReviewers(p, claim)
	}
	e.touch(p)
	if rule != (matcher.Rule{}) {
		e.rematch() // the owner's other phones there
	}
	return nil
}

// replace ends what a network's earlier answer has left open: its claim, unless the
// new answer says the same, which then goes on with it.
func (e *Engine) replace(p *phone, k *known, a *Answer) *Claim {
	old := e.answers[k.Answer]
	c := e.openClaimOf(old)
	if c != nil && a.Location == old.Location {
		a.Claim, c.Answer = c.ID, a.ID
		e.batch.claims[c.ID] = true
		return c
	}
	e.dropClaim(p, old, a.By, "replaced by another answer")
	return nil
}

// tellAnswered mails a receipt to who answered, and a notice to the phone's other
// users.
func (e *Engine) tellAnswered(p *phone, k *known, a *Answer, c *Claim, asked []string) {
	letter := func(why Purpose, email string) Letter {
		l := e.about(p, why, email, k.at(), a.Location)
		l.Prompt, l.Answer, l.Claim, l.By = a.Prompt, a, c, a.By
		return l
	}
	if _, listed := e.dir.User(a.By); listed {
		e.post(p, letter(MailReceipt, a.By))
	}
	for _, email := range sorted(append(e.recipients(p), asked...)) {
		if email != a.By && e.isUser(p, email) {
			l := letter(MailNotice, email)
			l.Notice = NoticeAnswered
			e.post(p, l)
		}
	}
}

// tellReviewers mails a claim to who reviews it.
func (e *Engine) tellReviewers(p *phone, c *Claim) {
	for _, email := range e.dir.Reviewers(c.Attachment.Site) {
		e.tell(p, c, MailClaim, email)
	}
}

// asked returns the known network that a prompt asks about; nil if the phone or
// the network is not known any more.
func (p *phone) asked(q *Prompt) *known {
	return p.network(func(k *known) bool { return k.Prompt == q.ID })
}

// network returns the first known network of which something is so, or nil; a
// phone that is not known any more has none.
func (p *phone) network(is func(*known) bool) *known {
	if p == nil {
		return nil
	}
	if i := slices.IndexFunc(p.Known, is); i >= 0 {
		return p.Known[i]
	}
	return nil
}

// decideAt lets what falls due before a decision happen first, which may close a
// prompt. A decision in the engine's past is refused; the zero time is now.
func (e *Engine) decideAt(at time.Time) error {
	if err := e.checkTime(at); err != nil {
		return err
	}
	if !at.IsZero() {
		e.advance(at)
	}
	return nil
}

func (e *Engine) checkTime(at time.Time) error {
	if !at.IsZero() && at.Before(e.now) {
		return refuse("give a time at or after engine time, or leave -at away",
			"-at %s is before engine time %s", at.UTC().Format(time.RFC3339), e.now.UTC().Format(time.RFC3339))
	}
	return nil
}

func (e *Engine) refuseClosed(q *Prompt) error {
	do := "list the open prompts: perch prompts list"
	if p := e.phones.Of(q.Phone); p != nil && p.Prompt != 0 {
		do = fmt.Sprintf("answer the current one: prompt %d", p.Prompt)
	}
	return refuse(do, "prompt %d is closed (%s)", q.ID, q.Reason)
}

// check refuses what does not fit the prompt. An answer that names the detected
// location as a company location confirms it.
func (e *Engine) check(p *phone, q *Prompt, r *Reply) error {
	if err := e.checkAnswerer(p, q, r.By); err != nil {
		return err
	}
	if r.Kind == AnswerNotMoved {
		if err := e.asBefore(p, q, r); err != nil {
			return err
		}
	}
	if r.Kind == AnswerCompany && q.Kind == Confirm && r.Location == q.Location {
		r.Kind, r.Location = AnswerConfirm, ""
	}
	if a := e.standing(p, p.asked(q)); a != nil && a.Location == r.Location && r.Kind == AnswerCompany {
		return nil // said again, though it may wait for its review still
	}
	switch r.Kind {
	case AnswerConfirm:
		if q.Kind != Confirm {
			return refuse("choose a location (-company, -personal) or add one (-propose, -add-personal)",
				"prompt %d has no detected location to confirm", q.ID)
		}
		if r.Location != "" && !e.dir.Tree().Below(r.Location, q.Location) {
			return refuse("name a child of it, or answer with -company alone to claim another location",
				"location %s does not lie within %s", r.Location, q.Location)
		}
		if r.Location != "" {
			return e.checkLive(r.Location, location.Company)
		}
		if a := e.standing(p, p.asked(q)); a != nil && a.Location == q.Location {
			if l, _ := e.dir.Location(a.Location); l.Kind == location.Company {
				return nil // said again
			}
		}
		return e.checkConfirm(q, r.By)
	case AnswerCompany:
		return e.checkLive(r.Location, location.Company)
	case AnswerPersonal:
		if err := e.checkUser(p, q, r.By); err != nil {
			return err
		}
		if err := e.checkLive(r.Location, location.Personal); err != nil {
			return err
		}
		if l, _ := e.dir.Location(r.Location); l.Owner != r.By {
			return refuse("choose one of your own personal locations, or add one with -add-personal",
				"location %s does not belong to %s", r.Location, r.By)
		}
	case AnswerAddPersonal:
		return e.checkUser(p, q, r.By)
	}
	return nil
}

// asBefore turns "I have not moved" into the answer of the phone's last reported
// network.
func (e *Engine) asBefore(p *phone, q *Prompt, r *Reply) error {
	a := e.lastReported(p, q)
	if a == nil {
		return refuse("say where it is: -confirm, -company, -propose, -personal or -add-personal",
			"%s has no reported network that it could still be on", p.id())
	}
	r.Location = a.Location
	switch l, _ := e.dir.Location(a.Location); {
	case l.Kind == location.Personal:
		r.Kind = AnswerPersonal
	case q.Kind == Confirm && (l.ID == q.Location || e.dir.Tree().Below(l.ID, q.Location)):
		r.Kind = AnswerConfirm
		if l.ID == q.Location {
			r.Location = ""
		}
	default:
		r.Kind = AnswerCompany
	}
	return nil
}

// lastReported returns the answer of the phone's last reported network: that which
// a prompt asks about if its own answer stands, else the one last in force before
// it. Of other networks an answer counts if its location can be chosen.
func (e *Engine) lastReported(p *phone, q *Prompt) *Answer {
	if a := e.standing(p, p.asked(q)); a != nil {
		return a
	}
	var last *known
	for _, k := range p.Known {
		a := e.standing(p, k)
		if k.Prompt == q.ID || a == nil || last != nil && !k.InForce.After(last.InForce) {
			continue
		}
		if l, _ := e.dir.Location(a.Location); l.Live() {
			last = k
		}
	}
	if last == nil {
		return nil
	}
	return e.standing(p, last)
}

// checkConfirm refuses to confirm what is no location any more, and somebody
// else's personal one.
func (e *Engine) checkConfirm(q *Prompt, by string) error {
	l, _ := e.dir.Location(q.Location)
	if l.Kind == location.Personal && l.Owner != by {
		return refuse("give another answer, or let "+l.Owner+" confirm it with -by", "the detected location is a personal one of %s", l.Owner)
	}
	return e.checkLive(q.Location, l.Kind)
}

// checkAnswerer refuses an answer in the name of somebody who was not asked.
func (e *Engine) checkAnswerer(p *phone, q *Prompt, by string) error {
	if strings.HasPrefix(by, "cli:") || slices.Contains(q.To, by) || slices.Contains(e.recipients(p), by) || slices.Contains(e.dir.Admins(q.Attachment.Site), by) {
		return nil
	}
	return refuse("give the email of a user of the phone with -by, or leave it away", "%s is not a user of %s", by, p.id())
}

// checkUser refuses somebody who is no user of the phone. Who was asked at a hot
// desk and has logged off since still is one.
func (e *Engine) checkUser(p *phone, q *Prompt, by string) error {
	if !slices.Contains(e.recipients(p), by) && !(slices.Contains(q.To, by) && e.isUser(p, by)) {
		return notUser(p, by)
	}
	return nil
}

func notUser(p *phone, by string) error {
	return refuse("give the email of a user of the phone with -by", "%s is not a user of %s", by, p.id())
}

func (e *Engine) checkLive(id location.ID, kind location.Kind) error {
	l, ok := e.dir.Location(id)
	switch {
	case !ok:
		return refuse("list them: perch export locations", "location %s: no such location", id)
	case !l.Live():
		return refuse("choose a live location: perch export locations", "location %s is not live", id)
	case l.Kind != kind:
		return refuse(fmt.Sprintf("choose a %s location", kind), "location %s is %s", id, l.Kind)
	}
	return nil
}

// locate returns the location that a reply names, made if it is new, and the rule
// that ties a personal one to the network, if it was made for this answer. All of
// it is one change of the directory, or none.
func (e *Engine) locate(k *known, q *Prompt, r Reply) (location.ID, matcher.Rule, error) {
	switch r.Kind {
	case AnswerConfirm:
		if r.Location == "" {
			return q.Location, matcher.Rule{}, nil
		}
		return r.Location, matcher.Rule{}, nil
	case AnswerCompany:
		return r.Location, matcher.Rule{}, nil
	case AnswerPersonal:
		l, _ := e.dir.Location(r.Location) // checked
		rule, err := e.choosePersonal(k, l, nil)
		return l.ID, rule, err
	}
	l := r.Address
	if err := checkTexts(l.Name, l.Address); err != nil {
		return "", matcher.Rule{}, untaken(err)
	}
	l.Kind, l.Version = location.Company, 1
	if l.Site == "" {
		l.Site = k.at().Site
	}
	if r.Kind == AnswerPropose {
		l.ID, l.Pending = e.freeID("claim", e.ids.Claim+1), true
		err := e.change(provisioning.Changes{Put: provisioning.Content{Locations: []location.Location{l}}})
		return l.ID, matcher.Rule{}, untaken(err)
	}
	l.ID = e.freeID("personal", e.ids.Location+1)
	l.Kind, l.Owner, l.Site = location.Personal, r.By, ""
	rule, err := e.choosePersonal(k, l, []location.Location{l})
	if err == nil {
		e.ids.Location++
	}
	return l.ID, rule, err
}

// checkTexts refuses what cannot stand in an address, nor in every database.
func checkTexts(name string, a location.CivicAddress) error {
	if err := location.CheckText(name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	for _, c := range a.Cells() {
		if err := location.CheckText(c.Value); err != nil {
			return fmt.Errorf("%s: %w", c.Column, err)
		}
	}
	return nil
}

// untaken turns the directory's objection into a refusal.
func untaken(err error) error {
	if err == nil {
		return nil
	}
	return refuse("correct it; perch export sites and perch export locations list what exists", "the address cannot be taken: %v", err)
}

// freeID returns "prefix-n", or if that was imported from elsewhere, the first
// of "prefix-n-2", "prefix-n-3" and so on that nobody has.
func (e *Engine) freeID(prefix string, n int64) location.ID {
	id := fmt.Sprintf("%s-%d", prefix, n)
	for i := 2; ; i++ {
		if _, taken := e.dir.Location(location.ID(id)); !taken {
			return location.ID(id)
		}
		id = fmt.Sprintf("%s-%d-%d", prefix, n, i)
	}
}

// choosePersonal ties a network to a personal location, for the owner's other
// phones, and puts the location if it is new. The rule replaces the owner's earlier
// one for that network and leaves the others'; what is returned is zero if it was
// there already.
func (e *Engine) choosePersonal(k *known, l location.Location, put []location.Location) (matcher.Rule, error) {
	c := provisioning.Changes{Put: provisioning.Content{Locations: put}}
	r, ok := ruleFor(k.at(), k.at().Level())
	if ok {
		r.Location = l.ID
		c.Put.Rules = []matcher.Rule{r}
		for _, other := range e.dir.Wiremap().FindAll(r) {
			if other.Location == l.ID {
				ok = false // it is there
			}
			if at, found := e.dir.Location(other.Location); found && (at.Kind != location.Personal || at.Owner != l.Owner) {
				c.Put.Rules = append(c.Put.Rules, other)
			}
		}
	}
	if !ok {
		c.Put.Rules, r = nil, matcher.Rule{}
	}
	if c.Empty() {
		return r, nil
	}
	return r, untaken(e.change(c))
}

// ruleFor makes the rule that ties an attachment's level to a location.
func ruleFor(a discovery.Attachment, l discovery.Level) (matcher.Rule, bool) {
	r := matcher.Rule{Site: a.Site}
	if !a.Has(l) {
		return r, false
	}
	switch l {
	case discovery.LevelPort:
		if a.PortID != "" {
			r.ChassisID, r.Port = a.ChassisID, a.PortID
		} else {
			r.RemoteID, r.CircuitID = a.RemoteID, a.CircuitID
		}
	case discovery.LevelBSSID:
		r.BSSID = a.BSSID.String()
	case discovery.LevelChassis:
		r.ChassisID = a.ChassisID
	case discovery.LevelSubnet:
		if a.Subnet.IsValid() {
			r.Subnet = a.Subnet
		} else {
			r.RemoteID, r.CircuitID = a.RemoteID, a.CircuitID
		}
	case discovery.LevelPublicIP:
		r.PublicIP, _ = a.PublicIP.Prefix(a.PublicIP.BitLen())
		r.Subnet = a.Subnet
	}
	return r, true
}

// change applies changes to the directory and queues them.
func (e *Engine) change(c provisioning.Changes) error {
	if err := e.dir.Apply(c); err != nil {
		return err
	}
	e.batch.directory(c)
	return nil
}
