package discovery

import (
	"net/netip"
	"time"
)

// request6 is the last DHCPv6 message of a client that waits for its answer.
type request6 struct {
	exchange
	MAC     MAC  `json:",omitzero"`
	Remote  Hex  `json:",omitempty"` // what a relay put in
	Circuit Hex  `json:",omitempty"`
	Relayed bool `json:",omitempty"` // the relay itself was heard saying so
	Forged  bool `json:",omitempty"` // the client itself sent it, heard on its own link
}

// maxRequests6 bounds what a flood of made-up clients can cost. A DUID has at most
// maxDUID octets (RFC 8415 section 11.1). What a relay says of a port has no limit
// there; longer than the same in DHCPv4 can be, it is not a switch's.
const (
	maxRequests6 = 1 << 14
	maxDUID      = 130
	maxOpaque    = 255
)

// dhcp6 follows the exchange of one client (RFC 8415 section 18).
func (t *Tracker) dhcp6(s *sight) {
	d := s.DHCP6
	switch d.Type {
	case DHCP6Solicit, DHCP6Request, DHCP6Confirm, DHCP6Renew, DHCP6Rebind, DHCP6Information:
		s.wire.Asks6 = true
		t.dhcp6Request(s, d)
	case DHCP6Reply:
		t.dhcp6Reply(s, d)
	case DHCP6Release, DHCP6Decline:
		t.dhcp6Return(s, d)
	}
}

// client6 returns the MAC of a message's client: as a relay next to it says
// (RFC 6939), as the frame says on its own link, as it is in the client's
// link-local address, else as its DUID says, which may be made of another
// interface (RFC 8415 section 11).
func (t *Tracker) client6(s *sight, d *DHCP6) MAC {
	for i := len(d.Relays) - 1; i >= 0; i-- {
		if m := d.Relays[i].ClientMAC; !m.Nobody() {
			return m
		}
	}
	if len(d.Relays) == 0 {
		m, ip := s.MAC, s.SrcIP
		if d.Type == DHCP6Reply {
			m, ip = s.Dst, s.DstIP
		}
		if ip.IsLinkLocalUnicast() && !m.Nobody() {
			return m
		}
	} else if m := interfaceMAC(d.Relays[len(d.Relays)-1].PeerAddress); !m.Nobody() {
		return m
	}
	return d.ClientMAC
}

// interfaceMAC returns the MAC that a link-local address was made of (RFC 4291
// appendix A), or zero.
func interfaceMAC(ip netip.Addr) MAC {
	if !ip.Is6() || !ip.IsLinkLocalUnicast() {
		return MAC{}
	}
	b := ip.As16()
	if b[11] != 0xff || b[12] != 0xfe {
		return MAC{}
	}
	return MAC{b[8] ^ 2, b[9], b[10], b[13], b[14], b[15]}
}

// circuit6 returns the relay's word on the client's port in a request: the
// interface ID of the relay next to the client that gives one, and its remote ID.
// Without that the relay is known by its address on the client's link; an LDRA
// that has neither cannot be told from others, and its interface IDs name no port
// (docs/decisions/0019).
func circuit6(d *DHCP6, client MAC) (remote, id Hex) {
	r := d.portRelay()
	if r == nil {
		return "", ""
	}
	if remote = relayName(r.RemoteID, client); remote == "" && usable(r.LinkAddress) {
		remote = Hex(r.LinkAddress.String())
	}
	if remote == "" {
		return "", ""
	}
	return remote, r.InterfaceID
}

// portRelay returns the relay next to the client that gives an interface ID; nil if
// there is none, or what it gives is no switch's.
func (d *DHCP6) portRelay() *Relay6 {
	for i := len(d.Relays) - 1; i >= 0; i-- {
		r := &d.Relays[i]
		if len(r.InterfaceID) > maxOpaque || len(r.RemoteID) > maxOpaque {
			return nil
		}
		if r.InterfaceID != "" {
			return r
		}
	}
	return nil
}

// circuit returns the relay's word on the client's port as the server's answer d
// bears it out. A server gives back the interface ID (RFC 8415 section 18.3.10)
// but mostly no remote ID: that of the request stands, if it was about the same
// interface. An interface ID whose request was not heard names no port.
func (r *request6) circuit(d *DHCP6, client MAC) (remote, id Hex) {
	back := d.portRelay()
	switch {
	case r.Forged:
		return "", ""
	case back != nil && back.InterfaceID == r.Circuit, back == nil && r.Relayed:
		return r.Remote, r.Circuit
	case back != nil && relayName(back.RemoteID, client) != "":
		return back.RemoteID, back.InterfaceID
	}
	return "", ""
}

// dhcp6Request remembers what a relay added, and boots.
func (t *Tracker) dhcp6Request(s *sight, d *DHCP6) {
	mac := t.client6(s, d)
	if d.ClientDUID != "" && len(d.ClientDUID) <= maxDUID {
		t.remember6(s, d, mac)
	}
	if mac.Nobody() || t.isRouter(mac, s.now) {
		return
	}
	for _, class := range d.VendorClass {
		if DeskPhoneVendorClass(class) {
			tr := t.device(s, mac)
			t.promote(tr, s, true)
			break
		}
	}
	// A phone without an address asks again and again where no server answers:
	// beside IPv4 that is no boot.
	tr := t.device(s, mac)
	if boots := d.Type == DHCP6Solicit || d.Type == DHCP6Confirm; !s.late && boots && classOf(tr.Stay.Net.IP) != classIPv4 {
		t.boots(tr, s)
	}
}

// remember6 keeps what is known of a request until its answer comes.
func (t *Tracker) remember6(s *sight, d *DHCP6, mac MAC) {
	for len(t.order6) > 0 {
		x, ok := t.requests6[t.order6[0]]
		if ok && len(t.order6) < maxRequests6 && s.now.Sub(x.At) <= requestLife {
			break
		}
		delete(t.requests6, t.order6[0])
		t.order6 = t.order6[1:]
	}
	r, known := t.requests6[d.ClientDUID]
	if !known {
		t.order6 = append(t.order6, d.ClientDUID)
	}
	if !r.includes(d.XID, s.at) {
		r = request6{}
	}
	r.exchange = exchange{d.XID, s.at}
	if !mac.Nobody() {
		r.MAC = mac
	}
	if n := len(d.Relays); n > 0 {
		// RFC 8415 section 19.1: a relay sends in its own name. An LDRA does not (RFC
		// 6221 section 5.3): its word needs the server's answer to bear it out.
		own := s.MAC == mac || s.SrcIP == d.Relays[n-1].PeerAddress
		if remote, id := circuit6(d, mac); id != "" && !(own && r.Relayed) {
			r.Remote, r.Circuit, r.Relayed = remote, id, !own
		}
		r.Forged = r.Forged || own && s.wire.isLink(s.now)
	}
	t.requests6[d.ClientDUID] = r
}

// dhcp6Reply takes a lease. Of several addresses the most preferred one names
// the network.
func (t *Tracker) dhcp6Reply(s *sight, d *DHCP6) {
	r := t.requests6[d.ClientDUID]
	asked := r.includes(d.XID, s.at)
	if !asked {
		r = request6{}
	}
	unasked := (s.wire.Asks || s.wire.Asks6) && !asked // who hears clients hears those of DHCPv6, too
	mac := r.MAC
	if mac.Nobody() {
		mac = t.client6(s, d)
	}
	if mac.Nobody() || t.isRouter(mac, s.now) {
		return
	}
	var best *Address6
	for i := range d.Addresses {
		a := &d.Addresses[i]
		switch {
		case !usable(a.IP):
		case unasked && !t.vouched(s, mac, a.IP):
			t.stats.Unasked++
			return
		case a.Valid == 0: // RFC 8415 section 18.3.4: no longer the client's
			if !unasked {
				t.unbind(s.site, a.IP, mac)
			}
		case best == nil || classOf(a.IP) > classOf(best.IP):
			best = a
		}
	}
	if best == nil || d.Status != 0 {
		return
	}
	for _, a := range d.Addresses {
		if usable(a.IP) && a.Valid > 0 {
			t.bind(s, a.IP, mac, s.at.Add(seconds32(a.Valid)))
		}
	}
	remote, id := r.circuit(d, mac)
	if unasked {
		remote, id = "", ""
	}
	tr := t.device(s, mac)
	if t.isPhone(mac) {
		t.promote(tr, s, DeskPhoneOUI(mac))
	}
	t.leased(tr, s, grant{ip: best.IP, life: seconds32(best.Valid), remote: remote, circuit: id, told: d.Told.text()})
}

// dhcp6Return takes addresses that a client gives back: it leaves, or found that
// they are another's (RFC 8415 section 18.2.7, 18.2.8).
func (t *Tracker) dhcp6Return(s *sight, d *DHCP6) {
	tr := t.tracks.OfMAC(t.client6(s, d))
	if tr == nil || s.late {
		return
	}
	for _, a := range d.Addresses {
		t.unbind(s.site, a.IP, tr.ID.MAC)
		if a.IP != tr.Lease.IP {
			continue
		}
		if d.Type == DHCP6Release {
			t.dhcpRelease(tr, s)
		} else {
			t.voidLease(tr, s)
		}
	}
}

// seconds32 is a lifetime; the greatest stands for ever (RFC 8415 section 7.7).
func seconds32(n uint32) time.Duration { return time.Duration(n) * time.Second }
