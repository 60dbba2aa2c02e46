package discovery

import (
	"net/netip"
	"slices"
	"time"
)

// bindingLife is how long an address is taken for the sender's after ARP said
// so: hosts that are alive repeat it within hours.
const bindingLife = 4 * time.Hour

// router is what is known of a MAC that may be a router's.
type router struct {
	Since   Instant  // when it was last proved to be one; zero if never
	Sources []source // IPv4 sources that it sent for
}

type source struct {
	IP netip.Addr
	At Instant
}

// A MAC that sends for routerSources IPv4 addresses within routerWindow is a
// router's; the verdict decays after routerMemory without proof.
const (
	routerSources = 3
	routerWindow  = time.Minute
	routerMemory  = 24 * time.Hour
)

// isRouter reports whether the MAC is a router's. A phone that the directory
// lists never is.
func (t *Tracker) isRouter(m MAC, now Instant) bool {
	r := t.routers[m]
	return r != nil && !r.Since.IsZero() && now.Sub(r.Since) <= routerMemory && !t.dir.PhoneListed(m)
}

// noteSender watches for which IPs a MAC sends.
func (t *Tracker) noteSender(s *sight) {
	if s.MAC.Nobody() || !usable(s.SrcIP) || !s.SrcIP.Is4() {
		return
	}
	if b, _ := t.bindings.of(address{s.site, s.SrcIP}); b.MAC == s.MAC {
		if t.isGateway(s.site, s.SrcIP, s.now) {
			t.proveRouter(s.MAC, s.now)
		}
	}
	r := t.sender(s.MAC, s.now)
	r.Sources = slices.DeleteFunc(r.Sources, func(x source) bool { return x.IP == s.SrcIP || s.now.Sub(x.At) > routerWindow })
	r.Sources = append(r.Sources, source{s.SrcIP, s.now})
	if len(r.Sources) >= routerSources {
		t.proveRouter(s.MAC, s.now)
		r.Sources = r.Sources[len(r.Sources)-routerSources+1:]
	}
}

// learnGateway learns which IPs are routers' from giaddr and option 3, and
// which MAC owns a giaddr from the relay's own frames.
func (t *Tracker) learnGateway(s *sight, d *DHCP) {
	if d.Giaddr.IsValid() {
		t.gateway(s, d.Giaddr)
		if s.SrcIP == d.Giaddr && s.MAC != d.Chaddr && !s.MAC.Nobody() {
			t.proveRouter(s.MAC, s.now)
		}
	}
	if d.Op == 2 && d.Router.IsValid() {
		t.gateway(s, d.Router)
	}
}

// gateway notes that an IP is a router's, and so is the MAC bound to it.
func (t *Tracker) gateway(s *sight, ip netip.Addr) {
	a := address{s.site, ip}
	t.gateways[a] = s.now
	note(t.bounds.gateways, t.gateways, a, s.now, maxGateways, func(at Instant) worth { return worth{at: at} }, &t.stats.Gateways)
	if b, ok := t.bindings.of(a); ok {
		t.proveRouter(b.MAC, s.now)
	}
}

// proveRouter marks a MAC as a router's; what was taken for a phone by that MAC
// is none.
func (t *Tracker) proveRouter(m MAC, now Instant) {
	r := t.sender(m, now)
	r.Since = now
	if !t.isRouter(m, now) {
		return
	}
	tr := t.tracks.OfMAC(m)
	if tr == nil {
		return
	}
	t.dismiss(tr, now)
}

// forget drops all that is known of a phone.
func (t *Tracker) forget(tr *Track, now Instant) {
	before := tr.Stay.Circuit.circuit
	tr.Stay = stay{}
	t.hold(tr, before, now)
	t.discharge(tr)
	t.tracks.Delete(tr.ID)
}

// isGateway reports whether an IP was a router's within the last day.
func (t *Tracker) isGateway(site string, ip netip.Addr, now Instant) bool {
	at, ok := t.gateways[address{site, ip}]
	return ok && now.Sub(at) <= routerMemory
}

// bind notes that an IP belongs to a MAC until a time. An older observation does
// not replace a newer one.
func (t *Tracker) bind(s *sight, ip netip.Addr, m MAC, until Instant) {
	a := address{s.site, ip}
	old, ok := t.bindings.of(a)
	if ok && old.At.After(s.at) {
		return
	}
	firm := s.DHCP != nil || s.DHCP6 != nil
	if ok && old.Firm && !firm && s.at.Before(old.Until) {
		// ARP and ND are anybody's word: they refresh nothing that the DHCP server
		// or the registrar has vouched for, and displace it even less.
		if old.MAC != m {
			t.stats.Displaced++
		}
		return
	}
	t.bindings.set(a, binding{m, firm, s.at, until})
	if firm {
		t.bounds.loose.remove(a)
	} else {
		t.loosely(a, s.at)
	}
	if t.isGateway(s.site, ip, s.now) {
		t.proveRouter(m, s.now)
	}
}

// unbind notes that a MAC gave an IP up.
func (t *Tracker) unbind(site string, ip netip.Addr, m MAC) {
	a := address{site, ip}
	if b, _ := t.bindings.of(a); b.MAC == m {
		t.bindings.delete(a)
		t.bounds.loose.remove(a)
	}
}

// bound returns the MAC that an IP belongs to; a router's MAC is no binding.
func (t *Tracker) bound(site string, ip netip.Addr, now Instant) (MAC, bool) {
	b, ok := t.bindings.of(address{site, ip})
	if !ok || now.After(b.Until) || b.MAC.Nobody() || t.isRouter(b.MAC, now) {
		return MAC{}, false
	}
	return b.MAC, true
}

// arp takes the sender's word for its own address (RFC 826).
func (t *Tracker) arp(s *sight) {
	a := s.ARP
	if a.SenderMAC.Nobody() || a.SenderMAC != s.MAC || !usable(a.SenderIP) {
		return // probes (RFC 5227) and proxies name no owner
	}
	if a.SenderIP == a.TargetIP { // gratuitous: the address replaces earlier ones
		if r := t.routers[a.SenderMAC]; r != nil {
			r.Sources = r.Sources[:0]
		}
	}
	t.ownsAddress(s, a.SenderMAC, a.SenderIP)
}

// ownsAddress takes the word of a frame's sender that an address is its own.
func (t *Tracker) ownsAddress(s *sight, m MAC, ip netip.Addr) {
	t.bind(s, ip, m, s.at.Add(bindingLife))
	tr := t.tracks.OfMAC(m)
	if tr == nil || t.isRouter(m, s.now) {
		if tr != nil || !t.isPhone(m) || t.isRouter(m, s.now) {
			return
		}
		tr = t.device(s, m)
		t.promote(tr, s, DeskPhoneOUI(m))
	}
	sub, assumed := t.subnetOf(s.site, ip, 0, s.now)
	t.at(tr, s, place{ip: ip, subnet: sub, assumed: assumed, source: SourceFrame})
}

// at takes an address that the phone has, without a lease, as evidence of where
// it is.
func (t *Tracker) at(tr *Track, s *sight, p place) {
	if t.aside(tr, s, p) {
		t.alive(tr, s)
		t.refresh(tr, s.now)
		return
	}
	if tr.elsewhere(p, s.site) {
		if s.late {
			return
		}
		t.endStay(tr, s, tr.boot())
	}
	if tr.Arrived.IsZero() {
		tr.Arrived = s.now
	}
	if n := &tr.Stay.Net; p.ip.Is6() && p.ip != n.IP && p.subnet == n.Subnet() && t.holds(tr, s.site, n.IP, s.now) {
		n.Heard = s.at // an address of its own making beside the one that is known
	} else {
		t.settleIn(tr, s, p)
	}
	t.noteVLAN(tr, s)
	t.alive(tr, s)
	t.refresh(tr, s.now)
}

// holds reports whether an address is still bound to the phone.
func (t *Tracker) holds(tr *Track, site string, ip netip.Addr, now Instant) bool {
	m, ok := t.bound(site, ip, now)
	return ok && m == tr.ID.MAC
}
