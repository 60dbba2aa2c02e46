package discovery

import (
	"cmp"
	"net/netip"
	"strconv"
	"time"

	"perch/sip"
)

// Track is what the tracker knows of one phone. Its fields are for reading; the
// tracker alone changes them. There is one for each phone of a campus, so what few
// phones have is behind a pointer; how it is stored is told by storedTrack.
type Track struct {
	ID   PhoneID
	Said sayings  // what it says of itself: see Identity
	wire wireName // the interface that it was first heard on

	attached   *Attached // where it is: see Attachment
	Changed    Instant   // when a level or the site last changed
	Arrived    Instant   // when the stay began
	Registered Instant   // last counted REGISTER of this stay
	Booted     Instant   // last DISCOVER or INIT-REBOOT

	Lines []Line // registered on it, in order of AOR

	Stay  stay
	Lease lease

	Life     Instant       // last sign of life, and behind that the time in which none could be heard
	Held     time.Duration // that time: see Heard
	lifeWire wireName      // the interface that it came from
	Expires  time.Duration // of its last REGISTER
	TTL      time.Duration // of its last announcement
	unrest   *unrest       // nil: it never moved
	wake     Instant       // when the tracker looks at it next; zero: never

	IsPhone   bool         // false: a device that may turn out to be one
	Desk      bool         // there is evidence that it is a desk phone
	Confirmed bool         // a REGISTER of its was accepted
	Gone      bool         // all its evidence is stale
	Hopping   bool         // released its first lease at boot: to hop to its voice VLAN, or to leave
	BootOpen  bool         // booted, and no ACK or REGISTER since
	SIPClass  addressClass // of the IPv6 address that it registers from; none: IPv4, or unknown
}

// What stands for what is not known of a phone. None of it is ever changed.
var (
	nowhere Attached
	calm    unrest
	noLink  linkEvidence
	noOther otherEvidence
	noWord  toldEvidence
)

// NewTrack returns a track of which only the name is known.
func NewTrack(id PhoneID) *Track { return &Track{ID: id, attached: &nowhere} }

// Heard is when the last sign of life of the phone was heard.
func (tr *Track) Heard() Instant { return tr.Life.Add(-tr.Held) }

// unrest is what is known of a phone that moved, or of which evidence disagrees.
type unrest struct {
	FlapUntil Instant    // it changes too often; nothing is acted on before
	WasPublic netip.Addr // the public IP before the line was renumbered
	Moves     []Instant  // ends of stays, the last three
	Older     portName   // the port before the current one
	Disputed  Instant    // since when the older port is heard again
	Disputing Instant    // last time that it was
	Claim     MAC        // the MAC that disagreed with the binding
}

// past returns the phone's unrest, to be read.
func (tr *Track) past() *unrest { return cmp.Or(tr.unrest, &calm) }

// stir returns the phone's unrest, to be changed.
func (tr *Track) stir() *unrest {
	if tr.unrest == nil {
		tr.unrest = &unrest{}
	}
	return tr.unrest
}

// stay is the evidence of one stay. Evidence is never carried into another. What
// is behind a pointer is replaced as a whole, since the stay that ended may have
// it, too.
type stay struct {
	link    *linkEvidence
	Circuit circuitEvidence
	Net     netEvidence
	Site    siteEvidence
	VLAN    vlanEvidence
	other   *otherEvidence
	told    *toldEvidence
}

// Link returns the phone's switch port, if it is known, to be read.
func (s *stay) Link() *linkEvidence { return cmp.Or(s.link, &noLink) }

// Other returns the subnet of the phone's other addresses, to be read.
func (s *stay) Other() *otherEvidence { return cmp.Or(s.other, &noOther) }

// Told returns where the DHCP server says that the phone is, to be read.
func (s *stay) Told() *toldEvidence { return cmp.Or(s.told, &noWord) }

// toldEvidence is where the DHCP server says that the phone is.
type toldEvidence struct {
	Text  string  `json:",omitempty"`
	Heard Instant `json:",omitzero"`
}

// portName names a switch port as the switch does, in LLDP or in CDP.
type portName struct {
	Chassis, Port string `json:",omitempty"`
}

// linkEvidence is the switch port on whose link the phone announced itself.
type linkEvidence struct {
	portName
	Alias portName `json:",omitzero"`  // the same port's names in CDP
	Told  string   `json:",omitempty"` // where the switch says that its port is
	Wire  string   `json:",omitempty"`
	Heard Instant  `json:",omitzero"` // the phone's own last announcement there
	Until Instant  `json:",omitzero"` // its TTL
}

// circuitEvidence is what a DHCP relay said.
type circuitEvidence struct {
	circuit
	Raw   Hex // the circuit ID as it was said
	Heard Instant
	IPv6  bool // it was said in DHCPv6
}

// netEvidence is the phone's IP network.
type netEvidence struct {
	IP       netip.Addr
	Heard    Instant
	publicIP *netip.Addr // nil: not behind NAT
	bits     int16       // length of the prefix that is the subnet; -1: unknown
	Assumed  bool
	Source   Source
}

func newNetEvidence(p place, heard Instant) netEvidence {
	n := netEvidence{IP: p.ip, Heard: heard, bits: int16(p.subnet.Bits()), Assumed: p.assumed, Source: p.source}
	n.setPublicIP(p.publicIP)
	return n
}

// Subnet returns the subnet that the IP is in.
func (n *netEvidence) Subnet() netip.Prefix {
	p, _ := n.IP.Prefix(int(n.bits))
	return p
}

// PublicIP returns the address behind which the phone is, if it is behind NAT.
func (n *netEvidence) PublicIP() netip.Addr {
	if n.publicIP == nil {
		return netip.Addr{}
	}
	return *n.publicIP
}

func (n *netEvidence) setPublicIP(ip netip.Addr) {
	n.publicIP = nil
	if ip.IsValid() {
		n.publicIP = &ip
	}
}

type siteEvidence struct {
	Site  string
	Heard Instant
}

type vlanEvidence struct {
	VLAN  uint16
	Heard Instant
}

// lease is the last DHCP lease, which outlives stays: a phone has one at most.
type lease struct {
	IP        netip.Addr
	At, Until Instant
	Before    *stay // the stay that taking it ended
	Counted   bool  // and that counted towards flapping
	Untagged  bool  // the ACK carried no VLAN tag
	Boot      bool  // the phone had booted
}

// Attachment returns where the phone is plugged in, as far as it is known.
func (tr *Track) Attachment() Attachment { return tr.attached.Attachment() }

// Attached returns Attachment as it is kept.
func (tr *Track) Attached() *Attached { return tr.attached }

// Leased reports whether a lease on the phone's current IP is in force; of IPv6
// one on its subnet, since it makes addresses of its own beside (RFC 8981).
func (tr *Track) Leased(now time.Time) bool {
	l := tr.Lease.IP
	current := l == tr.attached.ip || l.Is6() && tr.attached.subnet.Contains(l)
	return l.IsValid() && current && InstantOf(now).Before(tr.Lease.Until)
}

// Flapping reports whether the phone changes too often to be acted on.
func (tr *Track) Flapping(now time.Time) bool { return tr.flapping(InstantOf(now)) }

func (tr *Track) flapping(now Instant) bool { return now.Before(tr.FlapUntil()) }

// FlapUntil returns until when the phone changes too often to be acted on; zero if
// it never did.
func (tr *Track) FlapUntil() Instant { return tr.past().FlapUntil }

// WasPublic returns the public IP before the line was renumbered.
func (tr *Track) WasPublic() netip.Addr { return tr.past().WasPublic }

// AORs returns the lines registered on the phone at a time, in order; if all
// bindings have run out, the one that did last.
func (tr *Track) AORs(at time.Time) []sip.AOR {
	var last Instant
	now := InstantOf(at)
	for _, l := range tr.Lines {
		if l.Until.After(last) {
			last = l.Until
		}
	}
	if now.Before(last) {
		last = now
	}
	var out []sip.AOR
	for _, l := range tr.Lines {
		if !l.Until.Before(last) {
			out = append(out, l.AOR)
		}
	}
	return out
}

// Evidence returns what the attachment is believed for, strongest first.
func (tr *Track) Evidence() []Evidence {
	var out []Evidence
	add := func(field, value string, src Source, seen Instant) {
		if value != "" {
			out = append(out, Evidence{Field: field, Value: value, Source: src, Seen: seen.Time()})
		}
	}
	a, s := tr.Attachment(), &tr.Stay
	link, other, told := s.Link(), s.Other(), s.Told()
	add("chassis_id", a.ChassisID, SourceSwitch, link.Heard)
	add("port_id", a.PortID, SourceSwitch, link.Heard)
	if a.CircuitID != "" {
		add("circuit_id", circuitText(a.RemoteID, a.CircuitID), SourceRelay, s.Circuit.Heard)
	}
	if a.Subnet.IsValid() {
		add("subnet", a.Subnet.String(), s.Net.Source, s.Net.Heard)
	}
	if a.IP.IsValid() {
		add("ip", a.IP.String(), s.Net.Source, s.Net.Heard)
	}
	if a.PublicIP.IsValid() {
		add("public_ip", a.PublicIP.String(), SourceFrame, s.Net.Heard)
	}
	if a.VLAN != 0 {
		add("vlan", strconv.Itoa(int(a.VLAN)), SourceFrame, s.VLAN.Heard)
	}
	if other.Subnet.IsValid() {
		add("other_subnet", other.Subnet.String()+" ("+other.IP.String()+")", SourceFrame, other.Since)
	}
	add("site", a.Site, SourceFrame, s.Site.Heard)
	add("told", link.Told, SourceSwitch, link.Heard)
	add("told", told.Text, SourceServer, told.Heard)
	return out
}
