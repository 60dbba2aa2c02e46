package gateway

import (
	"net/netip"
	"slices"
	"time"

	"perch/discovery"
	"perch/location"
	"perch/provisioning"
	"perch/sip"
)

// Caller is what an emergency call from a phone needs to be told of it. It is told
// before, so that nobody is asked at the call.
type Caller struct {
	Phone    discovery.PhoneID
	Label    string
	Site     string
	Sources  []netip.Addr // that its REGISTERs come from: behind NAT the public IP
	AORs     []sip.AOR
	Contacts []string // URIs

	Location   location.ID // in force; empty: none
	Address    location.CivicAddress
	ELIN       string
	Assignment Assignment
	Network    discovery.Network // the one last acted on
	Since      time.Time         // when that was
	Heard      time.Time         // the phone's last sign of life
	Moving     bool              // it is not on that network, and what it is on has not settled
}

// WatchCallers makes the engine keep in mind which phones TakeCallers is to tell of:
// all, the first time.
func (e *Engine) WatchCallers() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.watchAll()
}

func (e *Engine) watchAll() {
	e.callers = map[discovery.PhoneID]bool{}
	for id := range e.phones.All() {
		e.callers[id] = true
	}
}

// concern notes that what is told of a caller may have changed.
func (e *Engine) concern(id discovery.PhoneID) {
	if e.callers != nil {
		e.callers[id] = true
	}
}

// TakeCallers tells of the phones whose lines, address or location may have changed
// since the last time, at most so many and in no order, since all that comes of it is
// what is known of each; of one that is none any more, gone. More reports whether
// there are others.
func (e *Engine) TakeCallers(most int, tell func(c Caller, gone bool)) (more bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id := range e.callers {
		if most == 0 {
			return true
		}
		most--
		delete(e.callers, id)
		p := e.phones.Of(id)
		if p == nil || p.track == nil || len(p.track.Lines) == 0 {
			tell(Caller{Phone: id}, true)
			continue
		}
		tell(e.caller(p), false)
	}
	return false
}

func (e *Engine) caller(p *phone) Caller {
	tr, at := p.track, p.track.Attachment()
	c := Caller{Phone: p.id(), Site: at.Site, Assignment: p.Assignment, Location: p.Assignment.Location, Heard: tr.Heard().Time()}
	if listed, ok := e.dir.Phone(p.id().MAC); ok && !p.id().Provisional() {
		c.Label = listed.Label
	}
	switch {
	case at.PublicIP.IsValid():
		c.Sources = append(c.Sources, at.PublicIP)
	case at.IP.IsValid():
		c.Sources = append(c.Sources, at.IP)
	}
	for i := range tr.Lines {
		contact := tr.Lines[i].Contact()
		c.AORs = append(c.AORs, tr.Lines[i].AOR)
		c.Contacts = append(c.Contacts, contact)
		// Of two families it may register by the other one.
		if a := sip.HostAddr(contact); a.IsValid() && !at.PublicIP.IsValid() && !slices.Contains(c.Sources, a) {
			c.Sources = append(c.Sources, a)
		}
	}
	if c.Location != "" {
		c.Address = e.dir.Tree().Complete(c.Location)
		l, _ := e.dir.Location(c.Location)
		c.ELIN = l.ELIN
	}
	c.Moving = e.moving(p)
	if k := p.acted(); k != nil {
		c.Network, c.Since = k.at().Network(), k.InForce.Time()
	}
	return c
}

// Lines returns the listed lines, and a number by which it is known that they are
// the same the next time; then there are none, and false.
func (e *Engine) Lines(since uint64) (list []provisioning.Line, now uint64, changed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now = e.lines + 1; now == since {
		return nil, now, false
	}
	return e.dir.Lines(), now, true
}

// AORs returns all that phones, users and lines list, with a number as Lines does.
func (e *Engine) AORs(since uint64) (list []sip.AOR, now uint64, changed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now = e.aors + 1; now == since {
		return nil, now, false
	}
	return e.dir.AORs(), now, true
}
