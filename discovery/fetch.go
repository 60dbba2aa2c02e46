package discovery

import "net/netip"

// Fetch is a phone that fetched its own configuration from us, having proved which phone it
// is: by its vendor's certificate, or by its own password.
type Fetch struct {
	MAC       MAC
	Source    netip.Addr // of the connection
	UserAgent string     // of HTTP
}

// fetched takes in that a phone has the address that it fetched its configuration from, and
// what it calls itself. That is a sign of life where it is known to be, and tells whose a
// REGISTER without a MAC is that comes from there; a network by itself it is not, as nothing
// says whether the address is the phone's or that of a router which translates it. Where two
// phones come from one address it is nobody's.
func (t *Tracker) fetched(s *sight) {
	f := s.Fetch
	if f.MAC.Nobody() || t.isRouter(f.MAC, s.now) {
		return
	}
	tr := t.device(s, f.MAC)
	t.promote(tr, s, DeskPhoneOUI(f.MAC))
	t.says(tr, SayerFetch, withoutMAC(f.UserAgent, f.MAC), s)
	ip := f.Source.Unmap()
	if !usable(ip) {
		return
	}
	owner := f.MAC
	if b, ok := t.bindings.of(address{s.site, ip}); ok && !b.Firm && b.MAC != f.MAC && !s.now.After(b.Until) {
		owner = MAC{}
	}
	t.bind(s, ip, owner, s.at.Add(bindingLife))
	if n := &tr.Stay.Net; n.IP == ip || n.PublicIP() == ip {
		t.alive(tr, s)
	}
}
