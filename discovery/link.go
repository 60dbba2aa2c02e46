package discovery

import (
	"slices"
	"strings"
	"time"
)

// wire is one captured interface: what announces itself there, and therefore
// whose switch ports are heard.
type wire struct {
	Name     string
	File     string     `json:",omitempty"` // the capture that it is in
	Site     string     `json:",omitempty"`
	Role     Role       `json:",omitempty"` // as configured
	Phones   []speaker  `json:",omitempty"` // that announced themselves here, by MAC
	Switches []neighbor `json:",omitempty"` // switch ports heard here
	PausedAt Instant    `json:",omitzero"`  // since when its source is not listening
	Held     bool       `json:",omitempty"` // paused until ResumeInterface, whatever is heard
	Asks     bool       `json:",omitempty"` // DHCP clients are heard here, not servers alone
	Asks6    bool       `json:",omitempty"` // DHCPv6's are
	named    wireName   // as Name, once it was asked for
	tries    tryQueue
}

// speaker is a phone that announced itself.
type speaker struct {
	MAC          MAC
	Heard, Until Instant
}

// neighbor is one switch port that announced itself, by LLDP, CDP or both.
type neighbor struct {
	LLDP         portName `json:",omitzero"`
	CDP          portName `json:",omitzero"`
	MACs         []MAC    `json:",omitempty"` // sources of its frames
	System       string   `json:",omitempty"` // LLDP system name
	Description  string   `json:",omitempty"` // LLDP port description
	Told         string   `json:",omitempty"` // where the switch says that the port is
	Heard, Until Instant
}

// maxPhonesOnLink is how many phones may announce themselves on one access
// link: two, behind an unmanaged switch. More means that many links are heard.
const maxPhonesOnLink = 2

// wire returns an interface in a capture, or a live one of no file, which is heard
// (again).
func (t *Tracker) wire(file, iface string, heard Instant) *wire {
	w := t.wireOf(file, iface)
	if w.paused() && !w.Held {
		t.resume(w, heard)
	}
	return w
}

// wireOf returns an interface in a capture, or a live one of no file, made if
// need be.
func (t *Tracker) wireOf(file, iface string) *wire {
	name := file
	if iface != "" {
		if name != "" {
			name += "/"
		}
		name += iface
	}
	w := t.wires[name]
	if w == nil {
		site, role := t.cfg.ForInterface(iface, file)
		w = &wire{Name: name, File: file, Site: site, Role: role}
		t.wires[name] = w
	}
	return w
}

// isLink reports whether the interface is one access link.
func (w *wire) isLink(now Instant) bool {
	switch w.Role {
	case RoleLink:
		return true
	case RoleMirror:
		return false
	}
	phones, switches := 0, 0
	for _, p := range w.Phones {
		if !now.After(p.Until) {
			phones++
		}
	}
	for _, n := range w.Switches {
		if !now.After(n.Until) {
			switches++
		}
	}
	return phones >= 1 && phones <= maxPhonesOnLink && switches == 1
}

// port returns the switch port whose link this is: the one heard last.
func (w *wire) port(now Instant) *neighbor {
	var best *neighbor
	for i := range w.Switches {
		n := &w.Switches[i]
		if !now.After(n.Until) && (best == nil || n.Heard.After(best.Heard)) {
			best = n
		}
	}
	return best
}

// Announcer says whom an LLDP or CDP frame speaks about.
type Announcer uint8

// The announcers.
const (
	OtherAnnouncer Announcer = iota
	PhoneAnnouncer
	SwitchAnnouncer
)

// Announcer tells a phone's frame from a switch's. A phone with a PC port is a
// bridge too, so what makes a phone is checked first (TIA-1057 10.2.2.3: class
// III; IEEE 802.1AB 8.5.8).
func (o *Observation) Announcer() Announcer {
	switch {
	case o.LLDP != nil:
		l := o.LLDP
		class := uint8(0)
		if l.MED != nil {
			class = l.MED.Class
		}
		switch {
		case class == 3, l.Capabilities&CapTelephone != 0:
			return PhoneAnnouncer
		case l.Capabilities&(CapBridge|CapRouter) != 0, class == 4:
			return SwitchAnnouncer
		}
	case o.CDP != nil:
		c := o.CDP
		switch {
		case c.Capabilities&CDPPhone != 0, strings.HasPrefix(c.DeviceID, "SEP"):
			return PhoneAnnouncer
		case c.Capabilities&(CDPRouter|CDPSwitch) != 0:
			return SwitchAnnouncer
		}
	}
	if DeskPhoneOUI(o.MAC) {
		return PhoneAnnouncer
	}
	return OtherAnnouncer
}

// leastTTL is how long an announcement counts at least: the standard's default,
// four times the interval of 30 s (IEEE 802.1AB 9.2.5). A phone that announces
// itself more often is no sooner given up: a reboot takes a minute.
const leastTTL = 120 * time.Second

// announcement takes an LLDP or CDP frame.
func (t *Tracker) announcement(s *sight) {
	ttl := time.Duration(0)
	if s.LLDP != nil {
		ttl = time.Duration(s.LLDP.TTL) * time.Second
	} else {
		ttl = time.Duration(s.CDP.TTL) * time.Second
	}
	if s.late {
		return
	}
	if ttl == 0 {
		s.wire.shutdown(s)
		return
	}
	ttl = max(ttl, leastTTL)
	wasLink := s.wire.isLink(s.now)
	switch s.Announcer() {
	case PhoneAnnouncer:
		t.phoneAnnounced(s, ttl)
	case SwitchAnnouncer:
		t.switchAnnounced(s, ttl)
	default:
		return
	}
	if wasLink && !s.wire.isLink(s.now) {
		t.withdraw(s)
	}
}

func (t *Tracker) phoneAnnounced(s *sight, ttl time.Duration) {
	if s.MAC.Nobody() || t.isRouter(s.MAC, s.now) {
		return
	}
	w, behind := s.wire, s.pcPort()
	if !behind {
		w.Phones = slices.DeleteFunc(w.Phones, func(p speaker) bool { return p.MAC == s.MAC || s.now.After(p.Until) })
		if len(w.Phones) >= maxSpeakers { // the first was heard longest ago
			w.Phones = slices.Delete(w.Phones, 0, 1)
			t.stats.Speakers++
		}
		w.Phones = append(w.Phones, speaker{s.MAC, s.now, s.now.Add(ttl)})
	}

	tr := t.device(s, s.MAC)
	t.saysAnnounced(tr, s)
	t.promote(tr, s, true)
	tr.TTL = ttl
	if n := w.port(s.now); n != nil && !behind && w.isLink(s.now) {
		t.attribute(tr, s, n, s.now.Add(ttl))
	}
	t.alive(tr, s)
}

func (t *Tracker) switchAnnounced(s *sight, ttl time.Duration) {
	w := s.wire
	w.Switches = slices.DeleteFunc(w.Switches, func(n neighbor) bool { return s.now.After(n.Until) })
	n := w.neighbor(s.Observation)
	n.Heard, n.Until = s.now, s.now.Add(ttl)
	if !slices.Contains(n.MACs, s.MAC) && len(n.MACs) < maxSources {
		n.MACs = append(n.MACs, s.MAC)
	}
	if !w.isLink(s.now) {
		return
	}
	for _, p := range w.Phones {
		tr := t.tracks.OfMAC(p.MAC)
		// The phone may have gone to another link since it was heard here, or to a
		// place where it is heard on none; and only its own announcement can say
		// that it is at another port.
		if tr == nil {
			continue
		}
		link := tr.Stay.Link()
		if s.now.After(p.Until) || p.Heard.Before(link.Heard) || tr.left(p.Heard) ||
			link.Chassis != "" && !link.is(n) {
			continue
		}
		t.attribute(tr, s, n, p.Until)
	}
}

// left reports whether the phone has left, for another stay, where it was then.
func (tr *Track) left(then Instant) bool { return len(tr.past().Moves) > 0 && then.Before(tr.Arrived) }

// neighbor returns the entry of the announcing switch port. One port's LLDP and
// CDP come from the same MAC, or name the same port of the same system.
func (w *wire) neighbor(o *Observation) *neighbor {
	var name portName
	if o.LLDP != nil {
		name = portName{o.LLDP.ChassisID, CanonicalPort(o.LLDP.PortID)}
	} else {
		name = portName{o.CDP.DeviceID, CanonicalPort(o.CDP.PortID)}
	}
	for i := range w.Switches {
		n := &w.Switches[i]
		if o.LLDP != nil && (n.LLDP == name || n.LLDP == portName{} && n.sameAs(o)) ||
			o.CDP != nil && (n.CDP == name || n.CDP == portName{} && n.sameAs(o)) {
			n.take(o, name)
			return n
		}
	}
	if len(w.Switches) >= maxNeighbors {
		oldest := 0
		for i := range w.Switches {
			if w.Switches[i].Heard.Before(w.Switches[oldest].Heard) {
				oldest = i
			}
		}
		w.Switches = slices.Delete(w.Switches, oldest, oldest+1)
	}
	w.Switches = append(w.Switches, neighbor{})
	n := &w.Switches[len(w.Switches)-1]
	n.take(o, name)
	return n
}

func (n *neighbor) take(o *Observation, name portName) {
	if o.CDP != nil {
		n.CDP = name
		return
	}
	n.LLDP, n.System, n.Description = name, o.LLDP.SystemName, CanonicalPort(o.LLDP.PortDescription)
	if m := o.LLDP.MED; m != nil {
		told := Told{m.Civic, m.Latitude, m.Longitude}
		n.Told = told.text()
	}
}

// sameAs reports whether a frame of the other protocol is of the same port.
func (n *neighbor) sameAs(o *Observation) bool {
	if slices.Contains(n.MACs, o.MAC) {
		return true
	}
	if o.CDP != nil {
		port := CanonicalPort(o.CDP.PortID)
		return sameSystem(n.System, o.CDP.DeviceID) && (port == n.LLDP.Port || port == n.Description)
	}
	port := n.CDP.Port
	return sameSystem(o.LLDP.SystemName, n.CDP.Chassis) &&
		(port == CanonicalPort(o.LLDP.PortID) || port == CanonicalPort(o.LLDP.PortDescription))
}

// sameSystem compares an LLDP system name with a CDP device ID, which may carry
// a domain or a serial number in parentheses.
func sameSystem(system, device string) bool {
	short := func(s string) string {
		return strings.ToLower(strings.FieldsFunc(s+".", func(r rune) bool { return r == '.' || r == '(' })[0])
	}
	return strings.Trim(system, ".(") != "" && strings.Trim(device, ".(") != "" && short(system) == short(device)
}

// is reports whether the evidence names the port of n, by LLDP's or CDP's names.
func (l *linkEvidence) is(n *neighbor) bool {
	for _, name := range [...]portName{n.LLDP, n.CDP} {
		if name != (portName{}) && (l.portName == name || l.Alias == name) {
			return true
		}
	}
	return false
}

// attribute gives a phone the switch port of the link that it announced itself
// on. Another port than before ends the stay.
func (t *Tracker) attribute(tr *Track, s *sight, n *neighbor, until Instant) {
	name, alias := n.LLDP, n.CDP
	if name == (portName{}) {
		name, alias = n.CDP, portName{}
	}
	l := tr.Stay.Link()
	if l.Chassis != "" && !l.is(n) {
		t.dispute(tr, name, s.now)
		since := Instant(0)
		if tr.Booted.After(l.Heard) {
			since = tr.Booted
		}
		tr.stir().Older = l.portName
		t.endStay(tr, s, since)
		l = tr.Stay.Link()
	}
	if l.Chassis != "" && name == l.Alias {
		name, alias = l.portName, l.Alias // LLDP's names stay primary while only CDP is heard
	}
	if tr.Arrived.IsZero() {
		tr.Arrived = s.now
	}
	if s.site != "" {
		tr.Stay.Site = siteEvidence{s.site, s.now}
	}
	heard := l.Heard
	for _, p := range s.wire.Phones {
		if p.MAC == tr.ID.MAC {
			heard = p.Heard
		}
	}
	tr.Stay.link = &linkEvidence{portName: name, Alias: alias, Wire: s.wire.Name, Heard: heard, Until: until, Told: n.Told}
	t.report(tr, Touched)
	t.refresh(tr, s.now)
	t.watch(tr)
}

// disputeTime is how long the older port must go on being heard after the newer
// before it is a conflict rather than a move back.
const disputeTime = 15 * time.Minute

// dispute notices a phone that is heard on two ports in turn.
func (t *Tracker) dispute(tr *Track, name portName, now Instant) {
	u := tr.unrest
	if u == nil || u.Older != name {
		return
	}
	if u.Disputed.IsZero() || now.Sub(u.Disputing) > disputeTime {
		u.Disputed = now
	}
	was := u.Disputing
	u.Disputing = now
	if now.Sub(u.Disputed) > disputeTime && was.Sub(u.Disputed) <= disputeTime {
		t.report(tr, Conflicting)
	}
}

// withdraw takes back what was attributed on an interface that turned out not
// to be one link.
func (t *Tracker) withdraw(s *sight) {
	for _, p := range s.wire.Phones {
		tr := t.tracks.OfMAC(p.MAC)
		if tr == nil || tr.Stay.Link().Wire != s.wire.Name {
			continue
		}
		tr.Stay.link = nil
		t.refresh(tr, s.now)
	}
}
