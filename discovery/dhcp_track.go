package discovery

import (
	"time"
)

// request is the last DHCP message of a client that waits for its ACK.
type request struct {
	XID     uint32
	At      time.Time
	Remote  Hex  // what a relay put in, if it is believed
	Circuit Hex  //
	Forged  bool // the client itself sent an option 82, heard on its own link
}

// requestLife is how long a DHCP exchange may take.
const requestLife = time.Minute

// dhcp follows the exchange of one client (RFC 2131 section 3).
func (t *Tracker) dhcp(s *sight) {
	d := s.DHCP
	t.learnGateway(s, d)
	if d.Chaddr.Nobody() {
		return
	}
	switch d.Type {
	case DHCPDiscover, DHCPRequest, DHCPInform:
		t.dhcpRequest(s, d)
	case DHCPAck:
		if d.Op == 2 && usable(d.Yiaddr) {
			t.dhcpAck(s, d)
		}
	case DHCPRelease:
		if tr := t.tracks[PhoneID{MAC: d.Chaddr}]; tr != nil && !s.late {
			t.dhcpRelease(tr, s)
		}
	}
	if DeskPhoneVendorClass(d.VendorClass) && d.Op == 1 && !t.isRouter(d.Chaddr, s.now) {
		t.promote(t.device(d.Chaddr), s, true)
	}
	if tr := t.tracks[PhoneID{MAC: d.Chaddr}]; tr != nil && d.Op == 1 {
		t.saysDHCP(tr, s, d)
	}
}

// dhcpRequest remembers what a relay added, and boots.
func (t *Tracker) dhcpRequest(s *sight, d *DHCP) {
	r := t.requests[d.Chaddr]
	if r.XID != d.XID || s.Time.Sub(r.At) > requestLife {
		r = request{XID: d.XID}
	}
	r.At = s.Time
	relayed := d.Giaddr.IsValid() && s.SrcIP == d.Giaddr && s.MAC != d.Chaddr
	if d.CircuitID != "" && relayed {
		r.Remote, r.Circuit = d.RemoteID, d.CircuitID
	}
	if d.CircuitID != "" && !relayed && s.wire.isLink(s.now) {
		r.Forged = true
	}
	t.requests[d.Chaddr] = r

	tr := t.device(d.Chaddr)
	if s.late {
		return
	}
	// RFC 2131 section 4.3.2: INIT-REBOOT names the address it had and neither a
	// server nor a ciaddr; RENEWING and REBINDING fill ciaddr.
	initReboot := d.Type == DHCPRequest && !d.Ciaddr.IsValid() && !d.ServerID.IsValid() && d.RequestedIP.IsValid()
	if d.Type != DHCPDiscover && !initReboot {
		return
	}
	if !tr.BootOpen || s.now.Sub(tr.Booted) > requestLife {
		tr.Booted = s.now
	}
	tr.BootOpen = true
	t.report(tr, Touched)
}

// dhcpAck takes a lease: the client's IP, its subnet, and the relay's word on
// its port. It may end the stay.
func (t *Tracker) dhcpAck(s *sight, d *DHCP) {
	tr := t.device(d.Chaddr)
	if t.isPhone(d.Chaddr) && !t.isRouter(d.Chaddr, s.now) {
		t.promote(tr, s, DeskPhoneOUI(d.Chaddr))
	}
	if r := t.routers[d.Chaddr]; r != nil {
		r.Sources = r.Sources[:0] // the new address replaces the earlier ones
	}
	r := t.requests[d.Chaddr]
	if r.XID != d.XID {
		r = request{}
	}
	remote, circuitID := d.RemoteID, d.CircuitID
	if circuitID == "" {
		remote, circuitID = r.Remote, r.Circuit
	}
	if r.Forged {
		remote, circuitID = "", ""
	}
	if tr.Lease.IP == d.Yiaddr && !tr.BootOpen && s.Time.Sub(tr.Lease.At) < requestLife && circuitID == "" {
		// The same ACK on another wire, or a retransmission.
		t.alive(tr, s)
		return
	}

	sub, assumed := t.subnetOf(s.site, d.Yiaddr, d.SubnetBits)
	p := place{ip: d.Yiaddr, subnet: sub, assumed: assumed, source: SourceServer}
	c := t.circuitOf(remote, circuitID)
	if s.late && tr.Lease.IP.IsValid() {
		t.alive(tr, s)
		return
	}
	before := tr.Stay.Circuit.circuit
	ended, counted := t.takeLease(tr, s, p, c)
	if tr.Arrived.IsZero() {
		tr.Arrived = s.now
	}
	if old := tr.Lease.IP; old != d.Yiaddr {
		t.unbind(s.site, old, d.Chaddr)
	}
	tr.Lease = lease{
		IP: d.Yiaddr, At: s.Time, Until: s.Time.Add(time.Duration(d.LeaseSeconds) * time.Second),
		Untagged: len(s.VLANs) == 0, Boot: tr.BootOpen, Before: ended, Counted: counted,
	}
	t.bind(s, d.Yiaddr, d.Chaddr, tr.Lease.Until)
	if c != (circuit{}) && (tr.BootOpen || tr.Stay.Circuit.circuit == circuit{} || tr.Stay.Circuit.circuit == c) {
		tr.Stay.Circuit = circuitEvidence{circuit: c, RawRemote: remote, RawCircuit: circuitID, Heard: s.Time}
	}
	t.settleIn(tr, s, p)
	t.noteVLAN(tr, s)
	tr.BootOpen, tr.Hopping = false, false
	t.hold(tr, before, s.now)
	t.alive(tr, s)
	t.refresh(tr, s.now)
}

// takeLease decides what a new lease means for the stay. It returns the stay
// that it ended, if it did, and whether that counts towards flapping.
func (t *Tracker) takeLease(tr *Track, s *sight, p place, c circuit) (before *stay, counted bool) {
	old := tr.Stay.Circuit.circuit
	otherCircuit := c != (circuit{}) && old != (circuit{}) && old != c
	if tr.hops(s, p) && !otherCircuit {
		t.hop(tr, p)
		return nil, false
	}
	if tr.Hopping { // it released its first lease because it left
		return nil, t.endStay(tr, s, tr.boot())
	}
	// A renewal that a server at another site answers is no move.
	renewal := !tr.BootOpen && tr.Stay.Net.IP == p.ip && !tr.Stay.Net.PublicIP.IsValid()
	if tr.elsewhere(p, s.site) && !renewal || otherCircuit && tr.BootOpen {
		ended := tr.Stay
		return &ended, t.endStay(tr, s, tr.boot())
	}
	return nil, false
}

// hops reports whether a lease is that of the voice VLAN, to which the phone
// hopped from the untagged VLAN of the lease before, at one boot.
func (tr *Track) hops(s *sight, p place) bool {
	l := &tr.Lease
	return len(s.VLANs) > 0 && l.Untagged && l.Boot && l.IP != p.ip && s.now.Sub(l.At) <= hopWindow && tr.Registered.Before(l.At)
}

// hop voids the lease of the data VLAN. It ended no stay: what was known of the
// port goes on, and it does not count as a change.
func (t *Tracker) hop(tr *Track, p place) {
	tr.Stay.Net, tr.Stay.Site = netEvidence{}, siteEvidence{}
	before := tr.Lease.Before
	if before == nil {
		return
	}
	if n := len(tr.Moves); tr.Lease.Counted && n > 0 {
		tr.Moves = tr.Moves[:n-1]
	}
	if before.Net.Subnet != p.subnet {
		return
	}
	if tr.Stay.Link.Chassis == "" {
		tr.Stay.Link = before.Link
	}
	if tr.Stay.Circuit.circuit == (circuit{}) {
		tr.Stay.Circuit = before.Circuit
	}
}

// dhcpRelease ends the stay: the phone says that it leaves (RFC 2131 section
// 4.4.6). But a phone that hops to its voice VLAN at boot releases the data
// VLAN's lease without leaving: what is known of its port goes on until its next
// lease tells.
func (t *Tracker) dhcpRelease(tr *Track, s *sight) {
	t.unbind(s.site, tr.Lease.IP, tr.ID.MAC)
	tr.Lease.Until = s.now
	if l := &tr.Lease; l.Boot && l.Untagged && tr.Registered.Before(l.At) && s.now.Sub(l.At) <= hopWindow {
		tr.Hopping = true
		tr.Stay.Net, tr.Stay.Site = netEvidence{}, siteEvidence{}
		t.refresh(tr, s.now)
		return
	}
	before := tr.Stay.Circuit.circuit
	tr.Stay = stay{}
	tr.Registered = time.Time{}
	t.hold(tr, before, s.now)
	t.refresh(tr, s.now)
}
