package notify

import (
	"slices"
	"strconv"
	"strings"

	"perch/discovery"
	"perch/gateway"
	"perch/gateway/words"
)

// page is what the templates see: the facts of a letter in words, each of them
// clean. A template never sees the letter.
type page struct {
	Organization string
	Language     string
	Headline     string // first line of the mail, made by the template's own "headline"
	Link         string // of the one button; empty if the mail has none

	Phone     words.Phone
	Before    string // network that was left; empty if none was
	PlaceThen string // address in force there; empty if none was
	Now       string // network the mail is about; empty if not known
	Evidence  []words.Evidence

	Add      bool         // asks for an address; else to confirm one
	Place    *words.Place // detected or claimed; nil if there is none, or it may not be shown
	Rule     string       // of the wiremap, that gave the place
	InForce  string       // what an emergency call says now; empty: nothing
	Expires  string       // when the question expires
	AlsoAsks []string     // other people who were asked

	Claim    int64
	By       string // who answered
	ByMail   bool   // and can be told of the decision
	Approved bool
	Decider  string // who approved or rejected
	Reason   string // of a rejection
	Wide     bool   // the network is wider than one desk
}

// page puts a letter into words.
func (r *Renderer) page(l gateway.Letter) page {
	p := r.heading(l)
	p.Link = r.link(l)
	p.Before, p.PlaceThen, p.Now = words.Network(l.From), words.Clean(l.FromPlace, words.MaxLine), words.Network(l.Attachment.Network())
	p.Evidence = words.Seen(l.Evidence)
	p.Rule, p.InForce, p.Expires = words.Clean(l.Rule, words.MaxLine), words.Clean(l.InForce, words.MaxLine), words.Minute(l.Expires)
	others := slices.DeleteFunc(slices.Clone(l.Recipient), func(s string) bool { return s == l.To.Email })
	p.AlsoAsks = words.CleanAll(others, words.MaxWord)
	return p
}

// heading is as much of a page as its headline and its subject need.
func (r *Renderer) heading(l gateway.Letter) page {
	p := page{
		Organization: r.organization, Language: contentLanguage,
		Phone: words.PhoneOf(l), Add: l.Kind == gateway.Add, Place: words.PlaceOf(l.Location), Reason: words.Clean(l.Reason, words.MaxReason),
	}
	if l.Claim != nil {
		p.claim(l.Claim)
	}
	return p
}

// claim adds what a mail says of a claim.
func (p *page) claim(c *gateway.Claim) {
	level := c.Attachment.Level()
	p.Claim, p.By, p.Decider = c.ID, words.By(c.By), words.By(c.Decider)
	p.ByMail = !strings.HasPrefix(c.By, "cli:")
	p.Approved = c.State == gateway.ClaimApproved
	p.Wide = level == discovery.LevelSubnet || level == discovery.LevelPublicIP
	if n := words.Network(c.Attachment.Network()); n != "" {
		p.Now = n
	}
	if p.Reason == "" {
		p.Reason = words.Clean(c.Reason, words.MaxReason)
	}
}

// Unchanged reports whether the place asked about is what an emergency call
// says already.
func (p page) Unchanged() bool {
	return p.Place != nil && p.InForce == words.Clean(p.Place.Line, words.MaxLine)
}

// link returns where the mail's one button leads. The question's link opens that
// question and nothing else, by its token; a reviewer signs in.
func (r *Renderer) link(l gateway.Letter) string {
	switch l.Purpose {
	case gateway.MailPrompt:
		return r.url + "/p/" + gateway.TokenMark
	case gateway.MailClaim:
		if l.Claim != nil {
			return r.url + "/claims/" + strconv.FormatInt(l.Claim.ID, 10)
		}
	}
	return ""
}
