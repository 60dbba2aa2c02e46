package discovery

import (
	"net/netip"
)

// A phone with IPv4 and IPv6 is at one place. One of its addresses names the
// network that it is on, and the others are signs of life (docs/decisions/0018).

// addressClass is the kind of an address, as far as it says which of a phone's
// addresses names its network. Greater ones are preferred.
type addressClass uint8

const (
	classNone   addressClass = iota
	classLocal6              // unique local IPv6 (RFC 4193)
	classGlobal6
	classIPv4
)

func classOf(ip netip.Addr) addressClass {
	switch {
	case !ip.IsValid():
		return classNone
	case ip.Unmap().Is4():
		return classIPv4
	case ip.IsPrivate(): // fc00::/7
		return classLocal6
	}
	return classGlobal6
}

// otherEvidence is the subnet on which the phone has addresses that do not name
// its network.
type otherEvidence struct {
	IP      netip.Addr   `json:",omitzero"`
	Subnet  netip.Prefix `json:",omitzero"`
	Assumed bool         `json:",omitempty"`
	Since   Instant      `json:",omitzero"` // first heard on this subnet
}

// prefers reports whether an address of class c names the phone's network rather
// than one of class d: the class that it registers from, else the greater one.
func (tr *Track) prefers(c, d addressClass) bool {
	if tr.SIPClass != classNone && (c == tr.SIPClass) != (d == tr.SIPClass) {
		return c == tr.SIPClass
	}
	return c > d
}

// aside takes evidence of an address that does not name the phone's network, and
// reports whether it was that. Where the address is preferred to the one that
// named the network up to now, it takes that one's place: the phone did not move.
func (t *Tracker) aside(tr *Track, s *sight, p place) bool {
	n := &tr.Stay.Net
	c, d := classOf(p.ip), classOf(n.IP)
	switch {
	case d == classNone:
		return false
	case c == d:
		return t.sameLink(tr, s, p)
	case !tr.prefers(c, d) || s.late:
		tr.noteOther(s, p)
		return true
	case tr.Booted.After(n.Heard):
		t.endStay(tr, s, tr.Booted) // it booted since: perhaps somewhere else
	default:
		tr.stepAside()
	}
	return false
}

// sameLink reports whether an address is of another prefix of the same link: the
// network goes on being named as it is.
func (t *Tracker) sameLink(tr *Track, s *sight, p place) bool {
	n := &tr.Stay.Net
	if !t.oneLink(s.site, n.Subnet(), p.subnet) {
		return false
	}
	if s.at.After(n.Heard) {
		n.Heard = s.at
	}
	return true
}

// noteOther remembers the subnet of an address that does not name the network.
func (tr *Track) noteOther(s *sight, p place) {
	o := *tr.Stay.Other()
	if s.late || classOf(p.ip) < classOf(o.IP) {
		return
	}
	if o.Subnet != p.subnet {
		o = otherEvidence{Subnet: p.subnet, Assumed: p.assumed, Since: s.now}
	}
	o.IP = p.ip
	tr.Stay.other = &o
}

// stepAside makes room for an address that names the network from now on.
func (tr *Track) stepAside() {
	n := &tr.Stay.Net
	tr.Stay.other = &otherEvidence{IP: n.IP, Subnet: n.Subnet(), Assumed: n.Assumed, Since: n.Heard}
	*n = netEvidence{}
}

// otherSubnet returns the subnet of the phone's other addresses, if what names
// its network was heard since they appeared: both are of one place then.
func (s *stay) otherSubnet() netip.Prefix {
	other := s.Other()
	if other.Since.After(s.Net.Heard) {
		return netip.Prefix{}
	}
	return other.Subnet
}

// registersFrom takes the address that a counted REGISTER came from where it is
// of another class than the one that names the network. It reports whether the
// network stays named as it is.
func (t *Tracker) registersFrom(tr *Track, s *sight, p place) bool {
	n := &tr.Stay.Net
	if !n.IP.IsValid() || n.publicIP != nil || p.publicIP.IsValid() || s.late {
		return false
	}
	if classOf(p.ip) == classOf(n.IP) {
		return t.sameLink(tr, s, p)
	}
	if site := tr.Stay.Site.Site; site != "" && s.site != "" && site != s.site {
		return false
	}
	other := tr.Stay.otherSubnet()
	together := other.IsValid() && other.Contains(p.ip)
	switch {
	case together && !tr.Registered.IsZero():
		return true // it takes now the one, now the other address
	case together, tr.Registered.IsZero() && !tr.Booted.After(n.Heard) && s.now.Sub(n.Heard) <= hopWindow:
		tr.stepAside()
	}
	return false
}

// registersOver remembers the class of address that the phone registers from.
func (tr *Track) registersOver(s *sight, conflict bool) {
	if s.late || conflict {
		return
	}
	if tr.SIPClass = classOf(tr.Stay.Net.IP); tr.SIPClass == classIPv4 {
		tr.SIPClass = classNone // preferred anyhow
	}
}
