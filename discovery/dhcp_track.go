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
		tr := t.device(d.Chaddr)
		tr.Model = d.VendorClass
		t.promote(tr, true)
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

	tr := t.tracks[PhoneID{MAC: d.Chaddr}]
	if tr == nil {
		tr = t.device(d.Chaddr)
	}
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
		t.promote(tr, DeskPhoneOUI(d.Chaddr))
	}
	t.bind(s.site, d.Yiaddr, d.Chaddr, s.now)
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
	seconds := time.Duration(d.LeaseSeconds) * time.Second
	untagged := len(s.VLANs) == 0
	hop := !untagged && tr.Lease.Untagged && s.now.Sub(tr.Lease.At) <= hopWindow && tr.Lease.IP != d.Yiaddr
	ended := false
	switch {
	case s.late:
	case hop:
		// The lease of the data VLAN is void; it ends no stay, and having ended
		// one does not count as a change.
		if n := len(tr.Moves); tr.Lease.EndsStay && n > 0 {
			tr.Moves = tr.Moves[:n-1]
		}
		tr.Stay.Net, tr.Stay.Site = netEvidence{}, siteEvidence{}
		if c == (circuit{}) {
			tr.Stay.Circuit.Heard = s.Time
		}
	case tr.elsewhere(p, s.site),
		c != circuit{} && tr.Stay.Circuit.circuit != (circuit{}) && tr.Stay.Circuit.circuit != c:
		t.endStay(tr, s, tr.boot())
		ended = true
	}
	if tr.Arrived.IsZero() {
		tr.Arrived = s.now
	}
	if s.late && tr.Lease.IP.IsValid() {
		t.alive(tr, s)
		return
	}
	before := tr.Stay.Circuit.circuit
	tr.Lease = lease{IP: d.Yiaddr, At: s.Time, Until: s.Time.Add(seconds), Untagged: untagged, EndsStay: ended}
	tr.Patience = max(tr.Patience, seconds)
	if c != (circuit{}) {
		tr.Stay.Circuit = circuitEvidence{circuit: c, RawRemote: remote, RawCircuit: circuitID, Heard: s.Time}
	}
	t.settleIn(tr, s, p)
	t.noteVLAN(tr, s)
	tr.BootOpen = false
	t.hold(tr, before, s.now)
	t.alive(tr, s)
	t.refresh(tr, s.now)
}

// dhcpRelease ends the stay: the phone says that it leaves (RFC 2131 section
// 4.4.6). But a phone that hops to its voice VLAN at boot releases the data
// VLAN's lease without leaving: what is known of its port goes on.
func (t *Tracker) dhcpRelease(tr *Track, s *sight) {
	tr.Lease.Until = s.now
	if tr.Lease.Untagged && s.now.Sub(tr.Lease.At) <= hopWindow {
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
