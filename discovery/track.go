package discovery

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"perch/sip"
)

// Track is what the tracker knows of one phone. Its fields are for reading; the
// tracker alone changes them.
type Track struct {
	ID      PhoneID
	IsPhone bool `json:",omitempty"` // false: a device that may turn out to be one
	Desk    bool `json:",omitempty"` // there is evidence that it is a desk phone
	// Said is what it says of itself: see Identity. Stored under the name of the
	// one text that earlier versions kept.
	Said sayings `json:"Model,omitempty"`

	Confirmed bool   `json:",omitempty"` // a REGISTER of its was accepted
	Wire      string `json:",omitempty"` // the interface that it was first heard on

	Attachment Attachment
	Changed    Instant `json:",omitzero"`  // when a level or the site last changed
	Arrived    Instant `json:",omitzero"`  // when the stay began
	Registered Instant `json:",omitzero"`  // last counted REGISTER of this stay
	Booted     Instant `json:",omitzero"`  // last DISCOVER or INIT-REBOOT
	FlapUntil  Instant `json:",omitzero"`  // it changes too often; nothing is acted on before
	Gone       bool    `json:",omitempty"` // all its evidence is stale

	Lines []Line `json:",omitempty"` // registered on it, in order of AOR

	Stay  stay
	Lease lease `json:",omitzero"`

	Life      Instant       `json:",omitzero"` // last sign of life
	LifeWire  string        `json:",omitempty"`
	Expires   time.Duration `json:",omitempty"` // of its last REGISTER
	TTL       time.Duration `json:",omitempty"` // of its last announcement
	WasPublic netip.Addr    `json:",omitzero"`  // the public IP before the line was renumbered
	Hopping   bool          `json:",omitempty"` // released its first lease at boot: to hop to its voice VLAN, or to leave
	BootOpen  bool          `json:",omitempty"` // booted, and no ACK or REGISTER since
	Moves     []Instant     `json:",omitempty"` // ends of stays, the last three
	Older     portName      `json:",omitzero"`  // the port before the current one
	Disputed  Instant       `json:",omitzero"`  // since when the older port is heard again
	Disputing Instant       `json:",omitzero"`  // last time that it was
	Claim     MAC           `json:",omitzero"`  // the MAC that disagreed with the binding
	SIPClass  addressClass  `json:",omitempty"` // of the IPv6 address that it registers from; none: IPv4, or unknown
	wake      Instant       // when the tracker looks at it next; zero: never
}

// Line is one AOR registered on a phone.
type Line struct {
	AOR      sip.AOR
	CallID   string  `json:",omitempty"`
	Contact  string  `json:",omitempty"` // URI
	Instance string  `json:",omitempty"`
	Until    Instant `json:",omitzero"` // when the binding runs out
}

// stay is the evidence of one stay. Evidence is never carried into another.
type stay struct {
	Link    linkEvidence    `json:",omitzero"`
	Circuit circuitEvidence `json:",omitzero"`
	Net     netEvidence     `json:",omitzero"`
	Site    siteEvidence    `json:",omitzero"`
	VLAN    vlanEvidence    `json:",omitzero"`
	Other   otherEvidence   `json:",omitzero"`
	Told    toldEvidence    `json:",omitzero"`
}

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
	RawRemote  Hex     `json:",omitempty"`
	RawCircuit Hex     `json:",omitempty"`
	Heard      Instant `json:",omitzero"`
	IPv6       bool    `json:",omitempty"` // it was said in DHCPv6
}

// netEvidence is the phone's IP network.
type netEvidence struct {
	IP, PublicIP netip.Addr
	Subnet       netip.Prefix
	Assumed      bool    `json:",omitempty"`
	Source       Source  `json:",omitempty"`
	Heard        Instant `json:",omitzero"`
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
	IP       netip.Addr
	At       Instant
	Until    Instant
	Untagged bool  // the ACK carried no VLAN tag
	Boot     bool  // the phone had booted
	Before   *stay `json:",omitempty"` // the stay that taking it ended
	Counted  bool  `json:",omitempty"` // and that counted towards flapping
}

// Leased reports whether a lease on the phone's current IP is in force; of IPv6
// one on its subnet, since it makes addresses of its own beside (RFC 8981).
func (tr *Track) Leased(now time.Time) bool {
	l := tr.Lease.IP
	current := l == tr.Attachment.IP || l.Is6() && tr.Attachment.Subnet.Contains(l)
	return l.IsValid() && current && InstantOf(now).Before(tr.Lease.Until)
}

// Flapping reports whether the phone changes too often to be acted on.
func (tr *Track) Flapping(now time.Time) bool { return tr.flapping(InstantOf(now)) }

func (tr *Track) flapping(now Instant) bool { return now.Before(tr.FlapUntil) }

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
	a, s := tr.Attachment, &tr.Stay
	add("chassis_id", a.ChassisID, SourceSwitch, s.Link.Heard)
	add("port_id", a.PortID, SourceSwitch, s.Link.Heard)
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
	if s.Other.Subnet.IsValid() {
		add("other_subnet", s.Other.Subnet.String()+" ("+s.Other.IP.String()+")", SourceFrame, s.Other.Since)
	}
	add("site", a.Site, SourceFrame, s.Site.Heard)
	add("told", s.Link.Told, SourceSwitch, s.Link.Heard)
	add("told", s.Told.Text, SourceServer, s.Told.Heard)
	return out
}

// Registers reports whether a line is registered on the phone.
func (tr *Track) Registers(aor sip.AOR) bool {
	return slices.ContainsFunc(tr.Lines, func(l Line) bool { return l.AOR == aor })
}
