package gateway

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"perch/discovery"
	"perch/location"
)

// EmergencyCall is a call for help as the SIP path tells of it: when it goes out,
// and again when more is known.
type EmergencyCall struct {
	Name    string    // the call's own, the same each time
	Time    time.Time // when it went out, by the SIP path's clock
	Dialled string
	Test    bool   // 933: the location is read back, and nobody needs help
	Site    string // empty: not known
	AOR     string // by which the caller is called back
	From    netip.AddrPort
	Found   string // how the phone was found: "source", "line"; empty: it is not known

	Phone   discovery.PhoneID // zero: not known
	Label   string
	Network string // the one last acted on, in short
	Since   time.Time
	Heard   time.Time // the phone's last sign of life

	Location   location.ID
	Address    string // of the location, a line each as on an envelope; empty: none is known
	Source     AssignmentSource
	Moving     bool
	Unapproved bool
	Unlocated  bool

	Sent   string // the PIDF-LO that went along; empty: none ever did
	Why    string // why none, or none any more
	ELIN   string // that was put in the place of the caller's number
	PBX    netip.AddrPort
	Status int // of the answer, RFC 3261 section 21; 0: none yet
}

// Emergency is what is kept of a call for help.
type Emergency struct {
	ID int64
	EmergencyCall
	Opened  time.Time // when the engine was first told of it
	Changed time.Time // and last, with something new

	// Version is that of the location whose address was sent; 0 if the location was
	// changed between the call and the engine's being told of it, or there is none.
	Version int
	Place   string            // name of the location
	On      discovery.Network // what Network says; zero if the phone has gone on

	Acknowledged time.Time
	By           string // who acknowledged it, by name
	Via          string // whose link that came by: email, or cli:NAME

	Reminders int
	Next      time.Time // when it is reminded of next; zero: not any more
}

// Waits reports whether somebody has to acknowledge the call.
func (x *Emergency) Waits() bool { return !x.Test && x.Acknowledged.IsZero() }

// What an emergency is bounded by. A name is the same call's for a while after it
// was last told of: the SIP path knows one for five minutes, and some phones count
// their calls from the same number each time they start.
const (
	emergencyLife  = 10 * time.Minute
	maxEmergencies = 10_000 // kept; the oldest go first
	maxWaiting     = 50     // unacknowledged at a site with mails of their own
	maxText        = 512    // octets of what stands in the call's own headers
	maxDocument    = 16 << 10
)

// Emergency takes in what the SIP path tells of a call for help, at a told time: it
// opens a record, or updates that of the same call. It returns the record's ID.
//
// Who looks at Alerts sees the call from then on, whether or not it is durable. Its
// mails wait for the commit, as all do: what a mail tells must not be forgotten.
func (e *Engine) Emergency(c EmergencyCall, at time.Time) int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(at)
	c.tidy()
	e.begin()
	defer e.end()
	if x := e.calls[c.Name]; x != nil && e.now.Sub(x.Changed) < emergencyLife {
		e.updateEmergency(x, c)
		return x.ID
	}
	return e.openEmergency(c).ID
}

// tidy makes of texts from the wire such that every database holds, and of times
// what a database gives back.
func (c *EmergencyCall) tidy() {
	for _, s := range []*string{&c.Name, &c.Dialled, &c.Site, &c.AOR, &c.Found, &c.Label, &c.Network, &c.Why, &c.ELIN} {
		*s = cut(plainText(*s), maxText)
	}
	for _, s := range []*string{&c.Address, &c.Sent} {
		*s = cut(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				return -1
			}
			return r
		}, strings.ToValidUTF8(*s, "\ufffd")), maxDocument)
	}
	for _, t := range []*time.Time{&c.Time, &c.Since, &c.Heard} {
		if !t.IsZero() {
			*t = t.UTC().Truncate(time.Microsecond)
		}
	}
}

// cut leaves at most n octets of a text, whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

func (e *Engine) openEmergency(c EmergencyCall) *Emergency {
	e.ids.Emergency++
	x := &Emergency{ID: e.ids.Emergency, EmergencyCall: c, Opened: e.now, Changed: e.now}
	e.fixPlace(x)
	alarmed := !x.Test && e.waiting(x.Site) < maxWaiting
	e.emergencies = append(e.emergencies, x)
	e.calls[x.Name] = x
	e.batch.emergencies[x.ID] = true
	if len(e.emergencies) > maxEmergencies {
		e.forgetEmergencies(1)
	}
	e.planForgetting()
	e.emit(e.phoneCalling(x), "emergency.opened", func(l *Line) { l.Emergency = x.line() })
	switch {
	case alarmed:
		e.alarm(x)
	case !x.Test:
		e.log().Error("an emergency call is shown, and told of by no mail: too many others at its site wait to be acknowledged", "call", x.Name, "site", x.Site)
	}
	return x
}

// fixPlace notes of which version the address is, and what its place is called.
func (e *Engine) fixPlace(x *Emergency) {
	x.Version, x.Place, x.On = 0, "", discovery.Network{}
	if l, ok := e.dir.Location(x.Location); ok {
		x.Place = l.Name
		if strings.Join(e.dir.Tree().Complete(l.ID).Lines(), "\n") == x.Address {
			x.Version = l.Version
		}
	}
	if p := e.phones.Of(x.Phone); p != nil && p.acted() != nil {
		if n := p.acted().at().Network(); n.String() == x.Network {
			x.On = n
		}
	}
}

// updateEmergency takes in what else is known of a call. A location that was sent
// stays sent, also if the call then had to go out without it.
func (e *Engine) updateEmergency(x *Emergency, c EmergencyCall) {
	c.Time = x.Time
	if c.Sent == "" {
		c.Sent = x.Sent
	}
	if c == x.EmergencyCall {
		return
	}
	placed := c.Location != x.Location || c.Address != x.Address || c.Phone != x.Phone
	x.EmergencyCall, x.Changed = c, e.now
	if placed {
		e.fixPlace(x)
	}
	e.batch.emergencies[x.ID] = true
}

// phoneCalling returns the phone of a call; one that is not known stands for itself.
func (e *Engine) phoneCalling(x *Emergency) *phone {
	if p := e.phones.Of(x.Phone); p != nil && p.track != nil {
		return p
	}
	return unknownPhone(x.Phone)
}

// emergency returns a record by its ID; nil if there is none.
func (e *Engine) emergency(id int64) *Emergency {
	i, ok := slices.BinarySearchFunc(e.emergencies, id, func(x *Emergency, id int64) int { return int(x.ID - id) })
	if !ok {
		return nil
	}
	return e.emergencies[i]
}

// waiting counts the calls of a site that nobody has acknowledged.
func (e *Engine) waiting(site string) (n int) {
	for _, x := range e.emergencies {
		if x.Waits() && x.Site == site {
			n++
		}
	}
	return n
}

// How the oldest records go: so many at a step, and the rest soon after.
const (
	forgetMost  = 100
	forgetAgain = time.Second
)

// planForgetting sets when the oldest record has been kept for long enough.
func (e *Engine) planForgetting() {
	if len(e.emergencies) == 0 || !e.forgetting.IsZero() {
		return
	}
	at := e.emergencies[0].Opened.Add(e.cfg.Alarm.retention())
	if !at.After(e.now) {
		at = e.now.Add(forgetAgain)
	}
	e.forgetting = discovery.InstantOf(at)
	e.agenda.add(due{at: e.forgetting, what: dueForget})
}

// forgetOld removes the records that have been kept for long enough, some at a time.
func (e *Engine) forgetOld() {
	e.forgetting = 0
	n := 0
	for n < len(e.emergencies) && n < forgetMost && !e.emergencies[n].Opened.Add(e.cfg.Alarm.retention()).After(e.now) {
		n++
	}
	e.forgetEmergencies(n)
	e.planForgetting()
}

// forgetEmergencies removes the n oldest records.
func (e *Engine) forgetEmergencies(n int) {
	for _, x := range e.emergencies[:n] {
		e.batch.emergencies[x.ID] = true // a row that is gone
		if e.calls[x.Name] == x {
			delete(e.calls, x.Name)
		}
	}
	e.emergencies = slices.Delete(e.emergencies, 0, n)
}

// loadEmergencies takes over the records, and goes on to remind of them.
func (e *Engine) loadEmergencies(all []Emergency) {
	for i := range all {
		x := &all[i]
		e.emergencies = append(e.emergencies, x)
		e.calls[x.Name] = x
		if !x.Next.IsZero() {
			e.agenda.add(due{at: discovery.InstantOf(x.Next), what: dueRemind, prompt: x.ID})
		}
	}
	e.planForgetting()
}
