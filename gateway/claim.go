package gateway

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"perch/discovery"
	"perch/location"
	"perch/matcher"
	"perch/provisioning"
)

// openClaim makes an answer pending company data.
func (e *Engine) openClaim(p *phone, k *known, q *Prompt, a *Answer) *Claim {
	e.ids.Claim++
	c := &Claim{
		ID: e.ids.Claim, Phone: p.id(), Prompt: q.ID, Answer: a.ID, Attachment: k.at(), Evidence: p.evidenceOf(k.at()),
		Location: a.Location, By: a.By, Opened: e.now, State: ClaimOpen,
	}
	a.Claim = c.ID
	e.claims[c.ID] = c
	e.batch.claims[c.ID] = true
	e.emit(p, "claim.opened", func(l *Line) { l.Claim = &LineClaim{ID: c.ID, Location: c.Location, By: c.By} })
	return c
}

// tell mails somebody about a claim; who answered on the command line is no
// mail address.
func (e *Engine) tell(p *phone, c *Claim, why Purpose, email string) {
	if _, ok := e.dir.User(email); !ok {
		return
	}
	l := e.about(p, why, email, c.Attachment, c.Location)
	l.Claim, l.Prompt, l.By, l.Reason = c, c.Prompt, c.By, c.Reason
	e.post(p, l)
}

// Decision is a review of a claim.
type Decision struct {
	Claim   int64
	Approve bool
	Level   discovery.Level        // of the rule to make; none: the network's own
	Edit    *location.CivicAddress // approve with this address instead of the proposed one; nil: as it is
	Reason  string                 // of a rejection
	By      string                 // email, or cli:NAME
	At      time.Time              // zero: engine time
}

// Review approves or rejects a claim. An approval makes its network, and an
// address that was proposed, company data, and re-matches all phones. A decision
// that cannot be taken gives a *Refusal and changes nothing.
func (e *Engine) Review(d Decision) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.checkTime(d.At); err != nil {
		return err
	}
	c := e.claims[d.Claim]
	if c == nil {
		return refuse("list the open claims: perch claims list", "claim %d: no such claim", d.Claim)
	}
	if c.State != ClaimOpen {
		return refuse("list the open claims: perch claims list", "claim %d is %s already", c.ID, c.State)
	}
	if !strings.HasPrefix(d.By, "cli:") && !slices.Contains(e.dir.Reviewers(c.Attachment.Site), d.By) {
		return refuse("give the email of a reviewer or admin of the site with -by, or leave it away", "%s may not review claim %d", d.By, c.ID)
	}
	if l, ok := e.dir.Location(c.Location); d.Approve && (!ok || l.Retired) {
		return refuse(fmt.Sprintf("reject it: perch claims reject %d -reason TEXT", c.ID), "location %s of claim %d is retired", c.Location, c.ID)
	}
	if l, _ := e.dir.Location(c.Location); d.Edit != nil && !l.Pending {
		return refuse("approve it as it is, or reject it and say why", "location %s of claim %d is in the list already", c.Location, c.ID)
	}
	if d.Edit != nil {
		if err := checkTexts("", *d.Edit); err != nil {
			return untaken(err)
		}
	}
	d.Reason = plainText(d.Reason)
	if d.Level == discovery.LevelNone {
		d.Level = c.Attachment.Level()
	}
	if d.Approve && !c.Attachment.Has(d.Level) {
		return refuse("leave -level away for the network's own level, "+c.Attachment.Level().String(),
			"the network of claim %d has no level %s", c.ID, d.Level)
	}
	if !d.At.IsZero() {
		e.advance(d.At)
	}
	e.begin()
	defer e.end()
	if d.Approve {
		return e.approve(c, d)
	}
	e.reject(c, d)
	return nil
}

// RuleOf returns the rule that approving a claim at a level makes, and the one
// that it would replace.
func (e *Engine) RuleOf(c Claim, l discovery.Level) (rule matcher.Rule, made bool, replaced matcher.Rule, exists bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ruleOf(&c, l, nil)
}

// ruleOf maps a wide network at most to a floor: a deeper answer makes the rule
// for its nearest such ancestor, and without one no rule. A reviewer's edit of the
// address decides how deep it is.
func (e *Engine) ruleOf(c *Claim, l discovery.Level, edit *location.CivicAddress) (rule matcher.Rule, made bool, replaced matcher.Rule, exists bool) {
	if l == discovery.LevelNone {
		l = c.Attachment.Level()
	}
	rule, made = ruleFor(c.Attachment, l)
	if !made {
		return rule, false, replaced, false
	}
	rule.Location = c.Location
	if l == discovery.LevelSubnet || l == discovery.LevelPublicIP {
		from := c.Location
		if edit != nil {
			at, _ := e.dir.Location(c.Location)
			if max(edit.Rank(), e.dir.Tree().Rank(at.Parent)) > location.Floor {
				from = at.Parent
			}
		}
		if edit == nil || from != c.Location {
			if rule.Location, made = e.dir.Tree().NearestAtMost(from, location.Floor); !made {
				return rule, false, replaced, false
			}
		}
	}
	if l, ok := e.dir.Location(rule.Location); !ok || l.Retired {
		return rule, false, replaced, false
	}
	for _, old := range e.dir.Wiremap().FindAll(rule) {
		if l, ok := e.dir.Location(old.Location); ok && l.Kind == location.Company {
			return rule, true, old, true
		}
	}
	return rule, true, replaced, false
}

func (e *Engine) approve(c *Claim, d Decision) error {
	p := e.phoneOf(c)
	var change provisioning.Changes
	if l, ok := e.dir.Location(c.Location); ok && l.Pending {
		l.Pending = false
		if d.Edit != nil && *d.Edit != l.Address {
			l.Address = *d.Edit
			l.Version++
		}
		change.Put.Locations = []location.Location{l}
	}
	// A company rule for the same network is replaced, personal ones stay.
	if rule, made, _, _ := e.ruleOf(c, d.Level, d.Edit); made {
		change.Put.Rules = []matcher.Rule{rule}
		for _, old := range e.dir.Wiremap().FindAll(rule) {
			if l, ok := e.dir.Location(old.Location); ok && l.Kind == location.Personal {
				change.Put.Rules = append(change.Put.Rules, old)
			}
		}
		c.Level = d.Level
	}
	if err := e.change(change); err != nil {
		c.Level = discovery.LevelNone
		return refuse("approve at another -level, or correct the wiremap first", "claim %d: %v", c.ID, err)
	}
	e.closeClaim(p, c, ClaimApproved, d.By, "")
	e.tell(p, c, MailDecision, c.By)
	e.rematch()
	return nil
}

func (e *Engine) reject(c *Claim, d Decision) {
	p := e.phoneOf(c)
	e.closeClaim(p, c, ClaimRejected, d.By, d.Reason)
	e.rematch() // the mail says what holds now
	e.tell(p, c, MailDecision, c.By)
}

// phoneOf returns the phone of a claim; of one that was forgotten, its name.
func (e *Engine) phoneOf(c *Claim) *phone {
	if p := e.phones.Of(c.Phone); p != nil {
		return p
	}
	return unknownPhone(c.Phone)
}

// plainText makes a reason that somebody wrote one that every database and mail can
// hold: UTF-8 without control characters, line ends as spaces.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}
