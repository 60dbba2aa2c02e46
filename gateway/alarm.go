package gateway

import (
	"slices"
	"strings"
	"time"

	"perch/discovery"
	"perch/sip"
)

// Alarm is who learns of calls for help, and for how long they are kept. 47 CFR
// 9.16(b)(2) wants that told where somebody is likely to hear or see it.
type Alarm struct {
	Contacts  []Contact
	Repeat    time.Duration // until acknowledged; 0: DefaultAlarm's
	Retention time.Duration // of what was sent on each call; 0: DefaultAlarm's
}

// Contact is who learns of the calls from one site. A site that none names has the
// one without a site, and without that its admins.
type Contact struct {
	Site     string
	To       []string // emails: told at once, and reminded
	Escalate []string // emails: told with the reminders
}

// DefaultAlarm is what holds if nothing else is said.
func DefaultAlarm() Alarm { return Alarm{Repeat: 2 * time.Minute, Retention: 365 * 24 * time.Hour} }

func (a *Alarm) repeat() time.Duration {
	if a.Repeat <= 0 {
		return DefaultAlarm().Repeat
	}
	return a.Repeat
}

func (a *Alarm) retention() time.Duration {
	if a.Retention <= 0 {
		return DefaultAlarm().Retention
	}
	return a.Retention
}

// maxReminders is how often a call is reminded of that nobody acknowledges: half an
// hour, as Repeat is by default.
const maxReminders = 15

// contacts returns who learns of calls from a site.
func (e *Engine) contacts(site string) Contact {
	var other *Contact
	for i := range e.cfg.Alarm.Contacts {
		switch c := &e.cfg.Alarm.Contacts[i]; c.Site {
		case site:
			return *c
		case "":
			other = c
		}
	}
	if other != nil {
		return *other
	}
	return Contact{Site: site, To: e.dir.Admins(site)}
}

// has reports whether somebody is among the contacts.
func (c *Contact) has(email string) bool {
	return slices.Contains(c.To, email) || slices.Contains(c.Escalate, email)
}

// alarmReaders are all for whom a link to the alerts may have been made.
func (e *Engine) alarmReaders() []string {
	var all []string
	for _, c := range e.cfg.Alarm.Contacts {
		all = slices.Concat(all, c.To, c.Escalate)
	}
	if !slices.ContainsFunc(e.cfg.Alarm.Contacts, func(c Contact) bool { return c.Site == "" }) {
		for _, s := range e.alarmSites() {
			all = append(all, e.contacts(s).To...)
		}
	}
	return sorted(all)
}

// alarmSites are the sites that calls can come from, the unknown one among them.
func (e *Engine) alarmSites() []string {
	sites := []string{""}
	for _, s := range e.dir.Sites() {
		sites = append(sites, s.ID)
	}
	return sites
}

// alarm tells the contacts of a call that came in.
func (e *Engine) alarm(x *Emergency) {
	c := e.contacts(x.Site)
	if len(c.To)+len(c.Escalate) == 0 {
		e.log().Error("nobody is told of an emergency call by mail: no contact is configured for its site, and no admin listed", "call", x.Name, "site", x.Site)
		return
	}
	e.mailEmergency(x, c.To)
	e.planReminder(x)
}

func (e *Engine) planReminder(x *Emergency) {
	e.remindAt(x, e.instant().Add(e.cfg.Alarm.repeat()))
}

func (e *Engine) remindAt(x *Emergency, at discovery.Instant) {
	x.Next = at.Time()
	e.agenda.add(due{at: at, what: dueRemind, prompt: x.ID})
	e.batch.emergencies[x.ID] = true
}

// remind tells of a call again that nobody has acknowledged, and others as well.
// After a time in which nothing was reminded of, since serve was down or its machine
// slept, it is told once, not for each time that was missed.
func (e *Engine) remind(x *Emergency) {
	if e.until.Sub(e.now) > e.cfg.Alarm.repeat() {
		e.remindAt(x, discovery.InstantOf(e.until))
		return
	}
	x.Reminders++
	c := e.contacts(x.Site)
	e.mailEmergency(x, sorted(slices.Concat(c.To, c.Escalate)))
	if x.Reminders < maxReminders {
		e.planReminder(x)
		return
	}
	x.Next = time.Time{}
	e.batch.emergencies[x.ID] = true
	e.emit(e.phoneCalling(x), "emergency.unanswered", func(l *Line) { l.Emergency = x.line() })
	e.log().Error("nobody has acknowledged an emergency call; its contacts are reminded no more", "emergency", x.ID, "call", x.Name, "reminders", x.Reminders)
}

func (e *Engine) mailEmergency(x *Emergency, to []string) {
	p := e.phoneCalling(x)
	for _, email := range to {
		l := e.letter(p, MailEmergency, email)
		held := *x
		l.Emergency, l.Callback = &held, e.callback(x.AOR)
		e.post(p, l)
	}
}

// Acknowledgement says that somebody has learned of a call for help.
type Acknowledgement struct {
	Emergency int64
	Name      string    // of who has, as they give it
	By        string    // whose link it came by: email, or cli:NAME
	At        time.Time // zero: engine time
}

// maxAckName bounds the name of who acknowledges, in octets.
const maxAckName = 200

// Acknowledge takes in that somebody sees to a call: nobody is reminded of it any
// more. What cannot be taken gives a *Refusal and changes nothing.
func (e *Engine) Acknowledge(a Acknowledgement) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.checkTime(a.At); err != nil {
		return err
	}
	const list = "list the calls: perch alerts list -all"
	x := e.emergency(a.Emergency)
	a.Name = cut(strings.TrimSpace(plainText(a.Name)), maxAckName)
	switch {
	case x == nil:
		return refuse(list, "emergency call %d: no such call", a.Emergency)
	case x.Test:
		return refuse(list, "emergency call %d was a test, which nobody need acknowledge", x.ID)
	case !x.Acknowledged.IsZero():
		return refuse(list, "emergency call %d was acknowledged by %s already", x.ID, x.By)
	case a.Name == "":
		return refuse("say who acknowledges it: -by NAME", "emergency call %d is acknowledged by name", x.ID)
	}
	if c := e.contacts(x.Site); !strings.HasPrefix(a.By, "cli:") && !c.has(a.By) {
		return refuse("name them in alarm: {contacts: ...}", "%s is no contact for emergency call %d", a.By, x.ID)
	}
	if !a.At.IsZero() {
		e.advance(a.At)
	}
	e.begin()
	defer e.end()
	x.Acknowledged, x.By, x.Via, x.Next = e.now, a.Name, a.By, time.Time{}
	e.batch.emergencies[x.ID] = true
	e.emit(e.phoneCalling(x), "emergency.acknowledged", func(l *Line) { l.Emergency = x.line() })
	return nil
}

// Emergencies returns all records, by ID.
func (e *Engine) Emergencies() []Emergency {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]Emergency, len(e.emergencies))
	for i, x := range e.emergencies {
		out[i] = *x
	}
	return out
}

// Alerts are the calls for help that one reader learns of.
type Alerts struct {
	Sites   []string    // IDs of the sites that the reader is a contact of, sorted; empty text: of calls whose site is not known
	Waiting []Emergency // to be acknowledged, the latest first
	Recent  []Emergency // the others, the latest first

	Callbacks map[string]string // numbers of their lines that are listed, by Emergency.AOR
}

// recentAlerts is how many calls are shown that need nothing any more.
const recentAlerts = 20

// Alerts returns what a reader learns of, durable or not; false if the reader is
// nobody's contact.
func (e *Engine) Alerts(reader string) (Alerts, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out Alerts
	of := map[string]bool{} // by site, whether the reader is its contact
	learns := func(site string) bool {
		is, known := of[site]
		if !known {
			c := e.contacts(site)
			is = c.has(reader)
			of[site] = is
		}
		return is
	}
	sites := e.alarmSites()
	for _, c := range e.cfg.Alarm.Contacts {
		sites = append(sites, c.Site) // which the directory may not list yet
	}
	out.Sites = slices.DeleteFunc(sorted(sites), func(site string) bool { return !learns(site) })
	out.Callbacks = map[string]string{}
	for _, x := range slices.Backward(e.emergencies) {
		switch {
		case !learns(x.Site):
			continue
		case x.Waits():
			out.Waiting = append(out.Waiting, *x)
		case len(out.Recent) < recentAlerts:
			out.Recent = append(out.Recent, *x)
		}
		if number := e.callback(x.AOR); number != "" {
			out.Callbacks[x.AOR] = number
		}
	}
	return out, len(out.Sites) > 0
}

// callback is the number by which a line is reached from outside; empty if the directory
// does not list one.
func (e *Engine) callback(line string) string {
	aor, err := sip.ParseAOR(line)
	if err != nil {
		return ""
	}
	l, _ := e.dir.Line(aor)
	return l.Callback
}

// AlarmReaches reports whether anybody is told of calls from a site by mail.
func (e *Engine) AlarmReaches(site string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.contacts(site)
	return len(c.To)+len(c.Escalate) > 0
}

// remindedAt reports whether a call is to be reminded of at a time.
func (x *Emergency) remindedAt(at discovery.Instant) bool {
	return x != nil && !x.Next.IsZero() && discovery.InstantOf(x.Next) == at
}
