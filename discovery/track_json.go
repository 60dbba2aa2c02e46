package discovery

import (
	"encoding/json"
	"net/netip"
	"time"
)

// storedTrack is a Track as it is stored. In memory it is laid out to be small.
type storedTrack struct {
	ID         PhoneID
	IsPhone    bool    `json:",omitempty"`
	Desk       bool    `json:",omitempty"`
	Said       sayings `json:"Model,omitempty"` // named for the one text that earlier versions kept
	Confirmed  bool    `json:",omitempty"`
	Wire       string  `json:",omitempty"`
	Attachment Attachment
	Changed    Instant      `json:",omitzero"`
	Arrived    Instant      `json:",omitzero"`
	Registered Instant      `json:",omitzero"`
	Booted     Instant      `json:",omitzero"`
	FlapUntil  Instant      `json:",omitzero"`
	Gone       bool         `json:",omitempty"`
	Lines      []storedLine `json:",omitempty"`
	Stay       storedStay
	Lease      storedLease   `json:",omitzero"`
	Life       Instant       `json:",omitzero"`
	LifeWire   string        `json:",omitempty"`
	Held       time.Duration `json:",omitempty"`
	Expires    time.Duration `json:",omitempty"`
	TTL        time.Duration `json:",omitempty"`
	WasPublic  netip.Addr    `json:",omitzero"`
	Hopping    bool          `json:",omitempty"`
	BootOpen   bool          `json:",omitempty"`
	Moves      []Instant     `json:",omitempty"`
	Older      portName      `json:",omitzero"`
	Disputed   Instant       `json:",omitzero"`
	Disputing  Instant       `json:",omitzero"`
	Claim      MAC           `json:",omitzero"`
	SIPClass   addressClass  `json:",omitempty"`
}

type storedStay struct {
	Link    *linkEvidence  `json:",omitempty"`
	Circuit circuitSaid    `json:",omitzero"`
	Net     storedNet      `json:",omitzero"`
	Site    siteEvidence   `json:",omitzero"`
	VLAN    vlanEvidence   `json:",omitzero"`
	Other   *otherEvidence `json:",omitempty"`
	Told    *toldEvidence  `json:",omitempty"`
}

type circuitSaid struct {
	circuit
	RawRemote  Hex     `json:",omitempty"` // as Remote
	RawCircuit Hex     `json:",omitempty"`
	Heard      Instant `json:",omitzero"`
	IPv6       bool    `json:",omitempty"`
}

type storedNet struct {
	IP, PublicIP netip.Addr
	Subnet       netip.Prefix
	Assumed      bool    `json:",omitempty"`
	Source       Source  `json:",omitempty"`
	Heard        Instant `json:",omitzero"`
}

type storedLease struct {
	IP        netip.Addr
	At, Until Instant
	Untagged  bool
	Boot      bool
	Before    *storedStay `json:",omitempty"`
	Counted   bool        `json:",omitempty"`
}

// MarshalJSON writes what is stored of a phone.
func (tr *Track) MarshalJSON() ([]byte, error) {
	u, l := tr.past(), &tr.Lease
	out := storedTrack{
		ID: tr.ID, IsPhone: tr.IsPhone, Desk: tr.Desk, Said: tr.Said, Confirmed: tr.Confirmed, Wire: tr.wire.String(),
		Attachment: tr.Attachment(),
		Changed:    tr.Changed, Arrived: tr.Arrived, Registered: tr.Registered, Booted: tr.Booted, FlapUntil: u.FlapUntil,
		Gone: tr.Gone, Lines: storeLines(tr.Lines), Stay: tr.Stay.stored(),
		Lease: storedLease{IP: l.IP, At: l.At, Until: l.Until, Untagged: l.Untagged, Boot: l.Boot, Counted: l.Counted},
		Life:  tr.Life, LifeWire: tr.lifeWire.String(), Held: tr.Held, Expires: tr.Expires, TTL: tr.TTL,
		WasPublic: u.WasPublic, Hopping: tr.Hopping, BootOpen: tr.BootOpen, Moves: u.Moves, Older: u.Older,
		Disputed: u.Disputed, Disputing: u.Disputing, Claim: u.Claim, SIPClass: tr.SIPClass,
	}
	if l.Before != nil {
		before := l.Before.stored()
		out.Lease.Before = &before
	}
	return json.Marshal(&out)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (tr *Track) UnmarshalJSON(b []byte) error {
	var in storedTrack
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	in.restore(tr, Attach(in.Attachment))
	return nil
}

// restore makes a track of what is stored, at an attachment.
func (in *storedTrack) restore(tr *Track, at *Attached) {
	l := &in.Lease
	*tr = Track{
		ID: in.ID, IsPhone: in.IsPhone, Desk: in.Desk, Said: in.Said, Confirmed: in.Confirmed, wire: nameWire(in.Wire),
		attached: at,
		Changed:  in.Changed, Arrived: in.Arrived, Registered: in.Registered, Booted: in.Booted,
		Gone: in.Gone, Lines: restoreLines(in.Lines), Stay: in.Stay.stay(),
		Lease: lease{IP: l.IP, At: l.At, Until: l.Until, Untagged: l.Untagged, Boot: l.Boot, Counted: l.Counted},
		Life:  in.Life, lifeWire: nameWire(in.LifeWire), Held: in.Held, Expires: in.Expires, TTL: in.TTL,
		Hopping: in.Hopping, BootOpen: in.BootOpen, SIPClass: in.SIPClass,
	}
	if l.Before != nil {
		before := l.Before.stay()
		tr.Lease.Before = &before
	}
	u := unrest{
		FlapUntil: in.FlapUntil, WasPublic: in.WasPublic, Moves: in.Moves, Older: in.Older,
		Disputed: in.Disputed, Disputing: in.Disputing, Claim: in.Claim,
	}
	if u.Moves != nil || u.Older != (portName{}) || u.FlapUntil != 0 || u.WasPublic.IsValid() || u.Claim != (MAC{}) {
		tr.unrest = &u
	}
}

func (s *stay) stored() storedStay {
	c, n := &s.Circuit, &s.Net
	return storedStay{
		Link:    s.link,
		Circuit: circuitSaid{circuit: c.circuit, RawRemote: c.Remote, RawCircuit: c.Raw, Heard: c.Heard, IPv6: c.IPv6},
		Net:     storedNet{IP: n.IP, PublicIP: n.PublicIP(), Subnet: n.Subnet(), Assumed: n.Assumed, Source: n.Source, Heard: n.Heard},
		Site:    s.Site, VLAN: s.VLAN, Other: s.other, Told: s.told,
	}
}

func (x *storedStay) stay() stay {
	c, n := &x.Circuit, &x.Net
	return stay{
		link:    x.Link,
		Circuit: circuitEvidence{circuit: c.circuit, Raw: c.RawCircuit, Heard: c.Heard, IPv6: c.IPv6},
		Net:     newNetEvidence(place{ip: n.IP, publicIP: n.PublicIP, subnet: n.Subnet, assumed: n.Assumed, source: n.Source}, n.Heard),
		Site:    x.Site, VLAN: x.VLAN, other: x.Other, told: x.Told,
	}
}
