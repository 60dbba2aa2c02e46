package discovery

import (
	"net/netip"
	"time"
)

// exchange is a DHCP client's last message, of either family, and when it came.
type exchange struct {
	XID uint32
	At  Instant
}

// requestLife is how long a DHCP exchange may take.
const requestLife = time.Minute

// includes reports whether a message that came at a time belongs to the exchange.
func (x exchange) includes(xid uint32, at Instant) bool {
	return x.XID == xid && at.Sub(x.At) <= requestLife
}

// request is the last DHCP message of a client that waits for its ACK.
type request struct {
	exchange
	Remote  Hex  // what a relay put in, if it is believed
	Circuit Hex  //
	Forged  bool // the client itself sent an option 82, heard on its own link
}

// dhcp follows the exchange of one client (RFC 2131 section 3).
func (t *Tracker) dhcp(s *sight) {
	d := s.DHCP
	t.learnGateway(s, d)
	if d.Chaddr.Nobody() || d.Type > DHCPInform {
		// FORCERENEW is the server's wish (RFC 3203), and a lease query is somebody
		// else's question about the client (RFC 4388).
		return
	}
	switch d.Type {
	case DHCPDiscover, DHCPRequest, DHCPInform:
		t.dhcpRequest(s, d)
	case DHCPAck:
		switch {
		case d.Op == 2 && usable(d.Yiaddr):
			t.dhcpAck(s, d)
		case d.Op == 2 && usable(d.Ciaddr):
			t.dhcpInformed(s, d)
		}
	case DHCPRelease:
		if tr := t.tracks.OfMAC(d.Chaddr); tr != nil && !s.late {
			if tr.Lease.IP.Is6() { // it does not leave by giving up its other address
				t.unbind(s.site, d.Ciaddr, d.Chaddr)
				break
			}
			t.dhcpRelease(tr, s)
		}
	case DHCPDecline, DHCPNak:
		t.dhcpRefused(s, d)
	}
	if DeskPhoneVendorClass(d.VendorClass) && d.Op == 1 && !t.isRouter(d.Chaddr, s.now) {
		t.promote(t.device(s, d.Chaddr), s, true)
	}
	if tr := t.tracks.OfMAC(d.Chaddr); tr != nil && d.Op == 1 {
		t.saysDHCP(tr, s, d)
	}
}

// dhcpRequest remembers what a relay added, and boots.
func (t *Tracker) dhcpRequest(s *sight, d *DHCP) {
	s.wire.Asks = true
	r := t.requests[d.Chaddr]
	if !r.includes(d.XID, s.at) {
		r = request{}
	}
	r.exchange = exchange{d.XID, s.at}
	relayed := d.Giaddr.IsValid() && s.SrcIP == d.Giaddr && s.MAC != d.Chaddr
	if d.CircuitID != "" && relayed {
		r.Remote, r.Circuit = d.RemoteID, d.CircuitID
	}
	if d.CircuitID != "" && !relayed && s.wire.isLink(s.now) {
		r.Forged = true
	}
	t.requests[d.Chaddr] = r
	note(t.bounds.requests, t.requests, d.Chaddr, r.At, maxRequests, func(r request) worth { return worth{at: r.At} }, &t.stats.Requests)

	tr := t.device(s, d.Chaddr)
	if s.late {
		return
	}
	// RFC 2131 section 4.3.2: INIT-REBOOT names the address it had and neither a
	// server nor a ciaddr; RENEWING and REBINDING fill ciaddr.
	initReboot := d.Type == DHCPRequest && !d.Ciaddr.IsValid() && !d.ServerID.IsValid() && d.RequestedIP.IsValid()
	if d.Type != DHCPDiscover && !initReboot {
		return
	}
	t.boots(tr, s)
}

// boots notes that the phone starts, or that it looks for an address anew. The
// messages of one start count once.
func (t *Tracker) boots(tr *Track, s *sight) {
	if !tr.BootOpen || s.now.Sub(tr.Booted) > requestLife {
		tr.Booted = s.now
	}
	tr.BootOpen = true
	t.report(tr, Touched)
}

// dhcpAck takes a lease: the client's IP, its subnet, and the relay's word on
// its port. It may end the stay.
func (t *Tracker) dhcpAck(s *sight, d *DHCP) {
	r := t.requests[d.Chaddr]
	unasked := s.wire.Asks && !r.includes(d.XID, s.at)
	if unasked && !t.vouched(s, d.Chaddr, d.Yiaddr) {
		t.stats.Unasked++
		return
	}
	tr := t.device(s, d.Chaddr)
	if t.isPhone(d.Chaddr) && !t.isRouter(d.Chaddr, s.now) {
		t.promote(tr, s, DeskPhoneOUI(d.Chaddr))
	}
	if r := t.routers[d.Chaddr]; r != nil {
		r.Sources = r.Sources[:0] // the new address replaces the earlier ones
	}
	if r.XID != d.XID {
		r = request{}
	}
	remote, circuitID := d.RemoteID, d.CircuitID
	if circuitID == "" {
		remote, circuitID = r.Remote, r.Circuit
	}
	if r.Forged || unasked {
		remote, circuitID = "", ""
	}
	t.leased(tr, s, grant{
		ip: d.Yiaddr, bits: d.SubnetBits, life: time.Duration(d.LeaseSeconds) * time.Second,
		remote: relayName(remote, d.Chaddr), circuit: circuitID, told: d.Told.text(),
	})
}

// vouched reports whether a lease that nobody was heard to ask for, where others
// are heard to ask, agrees with what is known. Anybody can make up an ACK or a
// REPLY: it may renew and fill, but neither name a port, move a phone nor take an
// address from another.
func (t *Tracker) vouched(s *sight, m MAC, ip netip.Addr) bool {
	holder, bound := t.bound(s.site, ip, s.now)
	if bound && holder != m {
		return false
	}
	tr := t.tracks.OfMAC(m)
	if tr == nil || !tr.Stay.Net.IP.IsValid() || tr.Stay.Net.IP == ip {
		return true
	}
	// Another address of the phone: of the other family, or beside the one that names
	// its network. One that it had elsewhere would move it back.
	n := &tr.Stay.Net
	return bound && (n.IP.Is4() != ip.Is4() || n.Subnet().Contains(ip))
}

// grant is what a DHCP server gave to a client, of either family.
type grant struct {
	ip              netip.Addr
	bits            int // of the subnet; 0 if it was not said
	life            time.Duration
	remote, circuit Hex    // the relay's word on the client's port
	told            string // where the server says that the client is
}

// leased takes a lease.
func (t *Tracker) leased(tr *Track, s *sight, g grant) {
	if tr.Lease.IP == g.ip && !tr.BootOpen && s.at.Sub(tr.Lease.At) < requestLife && g.circuit == "" {
		// The same ACK on another wire, or a retransmission.
		t.alive(tr, s)
		return
	}
	sub, assumed := t.subnetOf(s.site, g.ip, g.bits, s.now)
	p := place{ip: g.ip, subnet: sub, assumed: assumed, source: SourceServer}
	c := t.circuitOf(g.remote, g.circuit)
	if s.late && tr.Lease.IP.IsValid() {
		t.alive(tr, s)
		return
	}
	if t.aside(tr, s, p) {
		t.leasedAside(tr, s, g, c)
		return
	}
	before := tr.Stay.Circuit.circuit
	ended, counted := t.takeLease(tr, s, p, c)
	if tr.Arrived.IsZero() {
		tr.Arrived = s.now
	}
	if old := tr.Lease.IP; old != g.ip && old.Is4() == g.ip.Is4() {
		t.unbind(s.site, old, tr.ID.MAC)
	}
	tr.Lease = lease{
		IP: g.ip, At: s.at, Until: s.at.Add(g.life),
		Untagged: len(s.VLANs) == 0, Boot: tr.BootOpen, Before: ended, Counted: counted,
	}
	t.bind(s, g.ip, tr.ID.MAC, tr.Lease.Until)
	known := &tr.Stay.Circuit
	if c != (circuit{}) && (tr.BootOpen || known.circuit == circuit{} || known.circuit == c || known.IPv6 != g.ip.Is6()) {
		tr.Stay.Circuit = g.evidence(c, s)
	}
	if g.told != "" {
		tr.Stay.told = &toldEvidence{g.told, s.at}
	}
	t.settleIn(tr, s, p)
	t.noteVLAN(tr, s)
	tr.BootOpen, tr.Hopping = false, false
	t.hold(tr, before, s.now)
	t.alive(tr, s)
	t.refresh(tr, s.now)
}

// leasedAside takes a lease on an address that does not name the phone's
// network. What the relay says of the port fills a gap; and where it named
// another port before, and the phone booted since, the phone moved.
func (t *Tracker) leasedAside(tr *Track, s *sight, g grant, c circuit) {
	t.bind(s, g.ip, tr.ID.MAC, s.at.Add(g.life))
	known, before := &tr.Stay.Circuit, tr.Stay.Circuit.circuit
	six := g.ip.Is6()
	moved := known.circuit != circuit{} && known.IPv6 == six && known.circuit != c && tr.Booted.After(known.Heard)
	if c != (circuit{}) && !s.late && (moved || known.circuit == circuit{} || known.IPv6 == six && known.circuit == c) {
		if moved {
			t.endStay(tr, s, tr.Booted)
		}
		tr.Stay.Circuit = g.evidence(c, s)
		if before != c {
			t.setHolders(before, tr.ID.MAC, 0, s.now)
		}
		if tr.IsPhone {
			t.setHolders(c, tr.ID.MAC, s.at.Add(g.life), s.now)
		}
	}
	if g.told != "" && !s.late {
		tr.Stay.told = &toldEvidence{g.told, s.at}
	}
	t.alive(tr, s)
	t.refresh(tr, s.now)
}

func (g *grant) evidence(c circuit, s *sight) circuitEvidence {
	return circuitEvidence{circuit: c, Raw: g.circuit, Heard: s.at, IPv6: g.ip.Is6()}
}

// dhcpInformed takes the answer to an INFORM (RFC 2131 section 4.3.5). It leases
// nothing: that the address is the client's is the client's word, and only the
// mask is the server's.
func (t *Tracker) dhcpInformed(s *sight, d *DHCP) {
	tr := t.tracks.OfMAC(d.Chaddr)
	if r := t.requests[d.Chaddr]; tr == nil || r.XID != d.XID || t.isRouter(d.Chaddr, s.now) {
		return
	}
	t.bind(s, d.Ciaddr, d.Chaddr, s.at.Add(bindingLife))
	if text := d.Told.text(); text != "" && !s.late {
		tr.Stay.told = &toldEvidence{text, s.at}
	}
	sub, assumed := t.subnetOf(s.site, d.Ciaddr, d.SubnetBits, s.now)
	t.at(tr, s, place{ip: d.Ciaddr, subnet: sub, assumed: assumed, source: SourceFrame})
}

// dhcpRefused takes a NAK or a DECLINE: the address is not the client's, which
// starts over (RFC 2131 section 3.1.5, 3.2.4). Where it is, the next lease says.
// A NAK counts as the answer to a request that was seen.
func (t *Tracker) dhcpRefused(s *sight, d *DHCP) {
	tr := t.tracks.OfMAC(d.Chaddr)
	if tr == nil || s.late || !tr.Lease.IP.Is4() {
		return
	}
	r := t.requests[d.Chaddr]
	switch {
	case d.Type == DHCPNak && d.Op == 2 && r.includes(d.XID, s.at),
		d.Type == DHCPDecline && d.Op == 1 && d.RequestedIP == tr.Lease.IP:
		t.voidLease(tr, s)
	}
}

// voidLease ends the phone's lease, and nothing else of its stay.
func (t *Tracker) voidLease(tr *Track, s *sight) {
	t.unbind(s.site, tr.Lease.IP, tr.ID.MAC)
	if tr.Lease.Until.After(s.now) {
		tr.Lease.Until = s.now
	}
	t.hold(tr, tr.Stay.Circuit.circuit, s.now)
	t.report(tr, Touched)
	t.refresh(tr, s.now)
}

// takeLease decides what a new lease means for the stay. It returns the stay
// that it ended, if it did, and whether that counts towards flapping.
func (t *Tracker) takeLease(tr *Track, s *sight, p place, c circuit) (before *stay, counted bool) {
	old := tr.Stay.Circuit.circuit
	otherCircuit := c != (circuit{}) && old != (circuit{}) && old != c && tr.Stay.Circuit.IPv6 == p.ip.Is6()
	if tr.hops(s, p) && !otherCircuit {
		t.hop(tr, p)
		return nil, false
	}
	if tr.Hopping { // it released its first lease because it left
		return nil, t.endStay(tr, s, tr.boot())
	}
	// A renewal that a server at another site answers is no move.
	renewal := !tr.BootOpen && tr.Stay.Net.IP == p.ip && tr.Stay.Net.publicIP == nil
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
	if n := len(tr.past().Moves); tr.Lease.Counted && n > 0 {
		tr.unrest.Moves = tr.unrest.Moves[:n-1]
	}
	if before.Net.Subnet() != p.subnet {
		return
	}
	if tr.Stay.Link().Chassis == "" {
		tr.Stay.link = before.link
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
	tr.Registered = Instant(0)
	t.hold(tr, before, s.now)
	t.refresh(tr, s.now)
}
