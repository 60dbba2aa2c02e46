package gateway

import (
	"fmt"

	"perch/discovery"
	"perch/location"
	"perch/matcher"
)

// open asks the users of a phone about a network, by one mail to each, which may
// have to wait.
func (e *Engine) open(p *phone, k *known, kind PromptKind, loc location.ID, m matcher.Match, to []string, from *discovery.Network, left Assignment) {
	e.ids.Prompt++
	q := &Prompt{
		ID: e.ids.Prompt, Phone: p.id(), Kind: kind, Attachment: k.at(), Location: loc, To: to, Opened: e.now,
	}
	e.prompts[q.ID] = q
	e.batch.prompts[q.ID] = true
	p.Prompt, k.Prompt = q.ID, q.ID
	k.Departure = nil
	if from != nil {
		k.Departure = &Departure{from, left.Location}
	}
	e.touch(p)
	e.agenda.add(due{at: discovery.InstantOf(q.Opened.Add(e.cfg.Policy.PromptExpiry)), what: dueExpiry, prompt: q.ID})
	e.emit(p, "prompt.opened", func(l *Line) { l.Prompt = line(q) })
	if p.Later = e.putOff(p, k, q); p.Later.IsZero() {
		e.mailQuestion(p, k, q, m)
		return
	}
	e.agenda.add(due{at: p.Later, what: dueMail, prompt: q.ID})
}

// mailQuestion asks each recipient of a prompt by mail.
func (e *Engine) mailQuestion(p *phone, k *known, q *Prompt, m matcher.Match) {
	p.noteAsked(q, k, e.instant())
	inForce := e.decide(p, k, m)
	for _, email := range q.To {
		e.post(p, e.question(p, k, q, email, inForce, m))
	}
}

// question is what a prompt tells one of those who are asked, in its mail and on
// its page. k is the network asked about; nil if it is not known any more.
func (e *Engine) question(p *phone, k *known, q *Prompt, email string, inForce Assignment, m matcher.Match) Letter {
	l := e.letter(p, MailPrompt, email)
	l.Prompt, l.Kind, l.Recipient = q.ID, q.Kind, q.To
	if e.cfg.NoMails {
		if at, ok := e.dir.Location(q.Location); ok && !hidden(&at, email) {
			l.Location = &at
		}
		return l
	}
	l.Location = e.visible(q.Location, email)
	l.InForce = e.placeFor(inForce.Location, email)
	l.Expires = q.Opened.Add(e.cfg.Policy.PromptExpiry)
	l.Evidence = p.evidenceOf(q.Attachment)
	if k != nil && k.Departure != nil {
		l.From, l.FromPlace = *k.From, e.placeFor(k.Left, email)
	}
	if m.Found() {
		l.Rule = m.Rule.String()
	}
	return l
}

func line(q *Prompt) *LinePrompt { return &LinePrompt{q.ID, q.Kind, q.Location, q.To} }

// closePrompt closes the phone's open prompt, if there is one.
func (e *Engine) closePrompt(p *phone, why CloseReason) {
	q := e.prompts[p.Prompt]
	if q == nil || !q.Open() {
		return
	}
	q.Closed, q.Reason = e.now, why
	e.batch.prompts[q.ID] = true
	p.Prompt, p.Later = 0, 0
	e.touch(p)
	e.emit(p, "prompt.closed", func(l *Line) { l.Prompt, l.Reason = line(q), why })
}

// expire closes a prompt that nobody answered; its network stays known.
func (e *Engine) expire(q *Prompt) {
	p := e.phones.Of(q.Phone)
	if p == nil || p.Prompt != q.ID {
		return
	}
	e.closePrompt(p, Expired)
	e.agenda.add(due{at: e.instant().Add(e.cfg.Policy.AskAgain), what: dueAskAgain, prompt: q.ID})
}

// overdue reports whether the network acted on is to be asked about once more: a
// phone that was silent when its time came is asked when it is heard again.
func (e *Engine) overdue(p *phone, k *known) bool {
	q := e.prompts[k.Prompt]
	return q != nil && q.Reason == Expired && p.Prompt == 0 && !p.track.Gone && e.standing(p, k) == nil &&
		!e.now.Before(q.Closed.Add(e.cfg.Policy.AskAgain))
}

// askAgain asks about a network once more if the phone is still there.
func (e *Engine) askAgain(q *Prompt) {
	p := e.phones.Of(q.Phone)
	if p == nil || p.Prompt != 0 || p.track.Gone {
		return
	}
	k := p.acted()
	if k == nil || k.Prompt != q.ID || e.standing(p, k) != nil {
		return
	}
	e.askAnew(p, k, e.matchOf(p, k), e.cfg.Policy.NoBootstrap)
}

// letter begins a mail about a phone.
func (e *Engine) letter(p *phone, why Purpose, email string) Letter {
	l := Letter{
		Time: e.now, Purpose: why, Phone: p.id(), Attachment: p.track.Attachment(),
	}
	if !e.cfg.NoMails {
		l.Model, l.Evidence = model(p.track), p.track.Evidence()
	}
	l.To, _ = e.dir.User(email)
	l.To.Email = email
	if listed, ok := e.dir.Phone(p.id().MAC); ok {
		l.Label = listed.Label
	}
	for _, aor := range p.track.AORs(e.now) {
		l.AORs = append(l.AORs, string(aor))
	}
	return l
}

// model names what the phone says that it is.
func model(tr *discovery.Track) string {
	id := tr.Identity()
	return id.Name()
}

// evidenceOf is what a network is believed for, as long as the phone is on it.
func (p *phone) evidenceOf(at discovery.Attachment) []discovery.Evidence {
	if discovery.Compare(at, p.track.Attachment()) == discovery.Different {
		return nil
	}
	return p.track.Evidence()
}

// about begins a mail or a page about what was said of one network of a phone.
func (e *Engine) about(p *phone, why Purpose, email string, at discovery.Attachment, said location.ID) Letter {
	l := e.letter(p, why, email)
	l.Attachment, l.Location = at, e.visible(said, email)
	l.InForce = e.placeFor(p.Assignment.Location, email)
	return l
}

// visible returns a location for one reader: a personal one only to its owner.
func (e *Engine) visible(id location.ID, email string) *location.Location {
	l := e.place(id)
	if l == nil || hidden(l, email) {
		return nil
	}
	return l
}

// hidden reports whether a location is a personal one of somebody else.
func hidden(l *location.Location, email string) bool {
	return l.Kind == location.Personal && l.Owner != email
}

// placeFor names a location in one line for one reader.
func (e *Engine) placeFor(id location.ID, email string) string {
	if id == "" {
		return ""
	}
	l := e.visible(id, email)
	if l == nil {
		return "a personal location of " + e.place(id).Owner
	}
	if l.Name != "" {
		return fmt.Sprintf("%s (%s)", l.Name, l.Address.String())
	}
	return l.Address.String()
}

// post queues one mail.
func (e *Engine) post(p *phone, l Letter) {
	e.ids.Mail++
	l.ID = e.ids.Mail
	var subject, id string
	var body []byte
	var err error
	if e.cfg.NoMails {
		subject, id, err = e.cfg.Renderer.Subject(l)
	} else {
		subject, id, body, err = e.cfg.Renderer.Render(l)
	}
	if err != nil {
		// A renderer is a pure function of the letter: this is a defect in a
		// template, and no phone may be lost to it.
		e.log().Error("a mail could not be written", "mail", l.ID, "error", err)
		subject, body = "Perch: a message could not be written", []byte("Subject: Perch: a message could not be written\r\n\r\n"+err.Error()+"\r\n")
	}
	m := Mail{ID: l.ID, Time: e.now, Purpose: l.Purpose, To: l.To.Email, Subject: subject, MessageID: id, Prompt: l.Prompt, Body: body}
	if l.Claim != nil {
		m.Claim = l.Claim.ID
	}
	if l.Answer != nil {
		m.Answer = l.Answer.ID
	}
	if l.Emergency != nil {
		m.Emergency = l.Emergency.ID
	}
	if !e.cfg.NoMails {
		e.batch.mails = append(e.batch.mails, m)
	}
	e.emit(p, "mail.queued", func(x *Line) { x.Mail = &LineMail{m.ID, m.To, m.Subject, m.MessageID, m.Purpose} })
}
