package discovery

// nd takes a Neighbor Discovery message: as ARP does for IPv4, it says whose an
// address is; and it shows who is a router, and which prefixes are on the link.
//
// None of these messages is forwarded (RFC 4861 section 3.1), so that the source
// of the frame is the sender. One that names another sender is a proxy's.
func (t *Tracker) nd(s *sight) {
	m := s.ND
	if s.MAC.Nobody() {
		return
	}
	ip, mac := m.SenderIP, m.SenderMAC
	switch m.Type {
	case NDRouterAdvertisement:
		t.routerAdvertised(s)
		return
	case NDNeighborAdvertisement:
		ip, mac = m.TargetIP, m.TargetMAC
	}
	if !mac.IsZero() && mac != s.MAC {
		return
	}
	if !usable(ip) {
		// Link-local addresses are of every network. Who tests an address before
		// taking it (RFC 4862 section 5.4) has none yet.
		if tr := t.Phone(PhoneID{MAC: s.MAC}); tr != nil && !s.late {
			t.alive(tr, s)
		}
		return
	}
	if m.Type == NDNeighborAdvertisement && !m.Override {
		// RFC 4861 section 7.2.5: it does not replace what is known.
		if owner, ok := t.bound(s.site, ip, s.now); ok && owner != s.MAC {
			return
		}
	}
	t.ownsAddress(s, s.MAC, ip)
}

// routerAdvertised takes an RA. Only from a link-local address it is a router's
// (RFC 4861 section 6.1.2).
func (t *Tracker) routerAdvertised(s *sight) {
	m := s.ND
	if !m.SenderIP.IsLinkLocalUnicast() || !m.SenderMAC.IsZero() && m.SenderMAC != s.MAC {
		return
	}
	t.proveRouter(s.MAC, s.now)
	t.announced(s, m.Prefixes)
}
