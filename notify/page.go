package notify

import (
	"slices"
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
	Headline     string // first line of the mail, of which the subject is made
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

	Answered bool     // notice: somebody answered
	Objected bool     // notice: somebody objected to the reader's answer
	NotMine  bool     // notice: somebody says that it is not their phone
	Personal bool     // the answer is a personal address of who gave it
	Asked    []string // who is asked about the phone, the reader included

	Claim    int64
	By       string // who answered, objected or said so
	ByMail   bool   // and can be told of the decision
	Approved bool
	Decider  string // who approved or rejected
	Reason   string // of a rejection
	Wide     bool   // the network is wider than one desk

	Call     *words.Call // for help
	Reminder int         // the how many-th; 0: none
}

// page puts a letter into words.
func (r *Renderer) page(l gateway.Letter) page {
	p := page{Organization: r.organization, Language: contentLanguage, Phone: words.PhoneOf(l), Place: words.PlaceOf(l.Location)}
	p.facts(&l)
	p.Link = r.link(l)
	p.Before, p.PlaceThen, p.Now = words.Network(l.From), words.Clean(l.FromPlace, words.MaxLine), words.Network(l.Attachment.Network())
	p.Evidence = words.Seen(l.Evidence)
	p.Rule, p.InForce, p.Expires = words.Clean(l.Rule, words.MaxLine), words.Clean(l.InForce, words.MaxLine), words.Minute(l.Expires)
	others := slices.DeleteFunc(slices.Clone(l.Recipient), func(s string) bool { return s == l.To.Email })
	p.AlsoAsks, p.Asked = words.CleanAll(others, words.MaxWord), words.CleanAll(l.Recipient, words.MaxWord)
	return p
}

// facts fills in what happened: all that the heading needs beside the names of
// the phone and the place.
func (p *page) facts(l *gateway.Letter) {
	p.Add, p.Reason = l.Kind == gateway.Add, words.Clean(l.Reason, words.MaxReason)
	if l.Claim != nil {
		p.claim(l.Claim)
	}
	if l.By != "" {
		p.by(l.By)
	}
	if l.Answer != nil {
		p.Personal = l.Answer.Kind == gateway.AnswerPersonal || l.Answer.Kind == gateway.AnswerAddPersonal
	}
	if x := l.Emergency; x != nil {
		p.Call, p.Reminder = words.CallOf(x, l.Callback, words.Second), x.Reminders
		p.Phone = p.Call.Phone
	}
	p.Answered, p.Objected, p.NotMine = l.Notice == gateway.NoticeAnswered, l.Notice == gateway.NoticeObjected, l.Notice == gateway.NoticeNotMine
}

func (p *page) by(who string) {
	p.By, p.ByMail = words.By(who), !strings.HasPrefix(who, "cli:")
}

// claim adds what a mail says of a claim.
func (p *page) claim(c *gateway.Claim) {
	level := c.Attachment.Level()
	p.Claim, p.Decider = c.ID, words.By(c.Decider)
	p.by(c.By)
	p.Approved = c.State == gateway.ClaimApproved
	p.Wide = level == discovery.LevelSubnet || level == discovery.LevelPublicIP
	if n := words.Network(c.Attachment.Network()); n != "" {
		p.Now = n
	}
	if p.Reason == "" {
		p.Reason = words.Clean(c.Reason, words.MaxReason)
	}
}

// Unchanged reports whether the place that the mail shows is what an emergency call
// says already.
func (p page) Unchanged() bool {
	return p.Place != nil && p.InForce == words.Clean(p.Place.Line, words.MaxLine)
}

// link returns where the mail's one button leads, by a token that opens one thing
// for one person. It must give none where gateway.Mail.Link gives none, since
// nothing would then replace the mark.
func (r *Renderer) link(l gateway.Letter) string {
	path := ""
	switch l.Purpose {
	case gateway.MailPrompt:
		path = "/p/"
	case gateway.MailClaim:
		if l.Claim != nil {
			path = "/c/"
		}
	case gateway.MailReceipt:
		if l.Answer != nil {
			path = "/a/"
		}
	case gateway.MailNotice:
		if l.Answer != nil && l.Notice == gateway.NoticeAnswered {
			path = "/a/"
		}
	case gateway.MailEmergency:
		path = "/e/"
	}
	if path == "" {
		return ""
	}
	return r.url + path + gateway.TokenMark
}
