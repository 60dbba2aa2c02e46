package notify

import (
	"slices"
	"strconv"
	"strings"

	"perch/discovery"
	"perch/gateway"
)

// page is what the templates see: the facts of a letter in words, each of them
// clean. A template never sees the letter.
type page struct {
	Organization string
	Language     string
	Headline     string // first line of the mail, made by the template's own "headline"
	Link         string // of the one button; empty if the mail has none

	Phone     phone
	Before    string // network that was left; empty if none was
	PlaceThen string // address in force there; empty if none was
	Now       string // network the mail is about; empty if not known
	Evidence  []evidence

	Add      bool     // asks for an address; else to confirm one
	Place    *place   // detected or claimed; nil if there is none, or it may not be shown
	Rule     string   // of the wiremap, that gave the place
	InForce  string   // what an emergency call says now; empty: nothing
	Expires  string   // when the question expires
	AlsoAsks []string // other people who were asked

	Claim    int64
	By       string // who answered
	ByMail   bool   // and can be told of the decision
	Approved bool
	Decider  string // who approved or rejected
	Reason   string // of a rejection
	Wide     bool   // the network is wider than one desk
}

// phone is how a mail speaks of a phone.
type phone struct {
	Name  string // label in quotes, else a line, else the MAC
	Label string
	Model string
	Lines []string // AORs without their scheme
	MAC   string   // empty for a provisional phone
}

// page puts a letter into words.
func (r *Renderer) page(l gateway.Letter) page {
	p := r.heading(l)
	p.Link = r.link(l)
	p.Before, p.PlaceThen, p.Now = networkWords(l.From), clean(l.FromPlace, maxLine), networkWords(l.Attachment.Network())
	p.Evidence = evidenceWords(l.Evidence)
	p.Rule, p.InForce, p.Expires = clean(l.Rule, maxLine), clean(l.InForce, maxLine), minuteWords(l.Expires)
	others := slices.DeleteFunc(slices.Clone(l.Recipient), func(s string) bool { return s == l.To.Email })
	p.AlsoAsks = cleanAll(others, maxWord)
	return p
}

// heading is as much of a page as its headline and its subject need.
func (r *Renderer) heading(l gateway.Letter) page {
	p := page{
		Organization: r.organization, Language: contentLanguage,
		Phone: phoneWords(l), Add: l.Kind == gateway.Add, Place: placeWords(l.Location), Reason: clean(l.Reason, maxReason),
	}
	if l.Claim != nil {
		p.claim(l.Claim)
	}
	return p
}

// claim adds what a mail says of a claim.
func (p *page) claim(c *gateway.Claim) {
	level := c.Attachment.Level()
	p.Claim, p.By, p.Decider = c.ID, byWords(c.By), byWords(c.Decider)
	p.ByMail = !strings.HasPrefix(c.By, "cli:")
	p.Approved = c.State == gateway.ClaimApproved
	p.Wide = level == discovery.LevelSubnet || level == discovery.LevelPublicIP
	if n := networkWords(c.Attachment.Network()); n != "" {
		p.Now = n
	}
	if p.Reason == "" {
		p.Reason = clean(c.Reason, maxReason)
	}
}

// Unchanged reports whether the place asked about is what an emergency call
// says already.
func (p page) Unchanged() bool { return p.Place != nil && p.InForce == clean(p.Place.Line, maxLine) }

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

func phoneWords(l gateway.Letter) phone {
	p := phone{Label: clean(l.Label, maxName), Model: clean(l.Model, maxName)}
	if !l.Phone.Provisional() && !l.Phone.MAC.IsZero() {
		p.MAC = l.Phone.MAC.String()
	}
	lines := make([]string, 0, len(l.AORs)+1)
	for _, aor := range append(slices.Clone(l.AORs), string(l.Phone.AOR)) {
		line := strings.TrimPrefix(strings.TrimPrefix(aor, "sips:"), "sip:")
		if line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	p.Lines = cleanAll(lines, maxWord)
	switch {
	case p.Label != "":
		p.Name = "“" + p.Label + "”"
	case len(p.Lines) > 0:
		p.Name = p.Lines[0]
	default:
		p.Name = p.MAC
	}
	return p
}
