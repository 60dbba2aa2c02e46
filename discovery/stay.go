package discovery

import (
	"net/netip"
	"time"
)

// hopWindow is how long after an untagged lease a tagged one is still the voice
// VLAN hop of one boot: a phone learns its VLAN, releases and starts again.
const hopWindow = 5 * time.Minute

// flapMoves ends of stays within flapWindow make a phone flap; it is acted on
// again after as long a quiet time.
const (
	flapMoves  = 3
	flapWindow = 10 * time.Minute
)

// attachment joins the evidence of the stay.
func (tr *Track) attachment(shared bool) Attachment {
	s := &tr.Stay
	link := s.Link()
	return Attachment{
		Site:      s.Site.Site,
		ChassisID: link.Chassis, PortID: link.Port,
		AliasChassisID: link.Alias.Chassis, AliasPortID: link.Alias.Port,
		RemoteID: s.Circuit.Remote, CircuitID: s.Circuit.Raw, Shared: shared,
		VLAN:   s.VLAN.VLAN,
		Subnet: s.Net.Subnet(), Assumed: s.Net.Assumed,
		IP: s.Net.IP, PublicIP: s.Net.PublicIP(),
		OtherSubnet: s.otherSubnet(),
	}
}

// identity is the part of an attachment whose change may be a move.
func (a Attachment) identity() Attachment {
	a.IP, a.VLAN, a.AliasChassisID, a.AliasPortID = netip.Addr{}, 0, "", ""
	a.OtherSubnet = netip.Prefix{}
	return a
}

// refresh makes the attachment follow the evidence and reports what changed.
func (t *Tracker) refresh(tr *Track, now Instant) {
	next := tr.attachment(t.shared(tr.Stay.Circuit.circuit))
	what := Touched
	if next != tr.Attachment() {
		if was := tr.Attachment(); was.IP != next.IP || was.PublicIP != next.PublicIP {
			what = Readdressed
		}
		if tr.Changed.IsZero() || next.identity() != tr.Attachment().identity() {
			tr.Changed = now
			what = Reattached
		}
		tr.attached = Attach(next)
		t.report(tr, what)
	}
}

// alive notes a sign of life of a phone.
func (t *Tracker) alive(tr *Track, s *sight) {
	if s.at.After(tr.Life) {
		tr.Life, tr.lifeWire, tr.Held = s.at, s.wire.name(), 0
	}
	tr.Gone = false
	t.report(tr, Touched)
	t.lapse(tr, s.now)
	t.watch(tr)
}

// endStay begins a new stay. Evidence heard at or after since, when the phone
// booted into the new stay, belongs to it; all other evidence is left behind.
//
// It reports whether that counts towards flapping.
func (t *Tracker) endStay(tr *Track, s *sight, since Instant) (counted bool) {
	if since.IsZero() {
		since = s.now.Add(time.Nanosecond) // nothing is
	}
	old := tr.Stay
	transit := s.Kind == KindDHCP && tr.Registered.IsZero() && s.now.Sub(tr.Arrived) <= hopWindow
	tr.Stay = stay{}
	if tr.unrest != nil {
		tr.unrest.Claim = MAC{}
	}
	if !old.Link().Heard.Before(since) {
		tr.Stay.link = old.link
	}
	if !old.Circuit.Heard.Before(since) {
		tr.Stay.Circuit = old.Circuit
	}
	if !old.Net.Heard.Before(since) {
		tr.Stay.Net, tr.Stay.Site, tr.Stay.VLAN = old.Net, old.Site, old.VLAN
	}
	if !old.Other().Since.Before(since) {
		tr.Stay.other = old.other
	}
	if !old.Told().Heard.Before(since) {
		tr.Stay.told = old.told
	}
	if tr.Registered.Before(since) {
		tr.Registered = Instant(0)
	}
	tr.Arrived = s.now
	if since.Before(s.now) {
		tr.Arrived = since
	}
	if !transit { // a VLAN that was only passed through at boot is no change
		t.countMove(tr, s.now)
	}
	return !transit
}

// countMove remembers the end of a stay and notices flapping.
func (t *Tracker) countMove(tr *Track, now Instant) {
	u := tr.stir()
	u.Moves = append(u.Moves, now)
	if n := len(u.Moves); n > flapMoves {
		u.Moves = append(u.Moves[:0], u.Moves[n-flapMoves:]...)
	}
	switch {
	case tr.flapping(now):
		u.FlapUntil = now.Add(flapWindow)
	case len(u.Moves) == flapMoves && now.Sub(u.Moves[0]) <= flapWindow:
		u.FlapUntil = now.Add(flapWindow)
		t.report(tr, Flapped)
	}
}

// boot is when the phone booted into what it does now, or zero if it did not.
func (tr *Track) boot() Instant {
	if tr.BootOpen {
		return tr.Booted
	}
	return Instant(0)
}

// place says on which IP network a phone was seen.
type place struct {
	ip, publicIP netip.Addr
	subnet       netip.Prefix
	assumed      bool
	source       Source
}

// elsewhere reports whether p or site is another network than the stay's.
func (tr *Track) elsewhere(p place, site string) bool {
	s := &tr.Stay
	if s.Site.Site != "" && site != "" && s.Site.Site != site {
		return true
	}
	if !s.Net.Subnet().IsValid() {
		return false
	}
	if s.Net.PublicIP() != p.publicIP {
		return true
	}
	return !s.Net.Subnet().Contains(p.ip) && !(s.Net.Assumed && p.subnet.Contains(s.Net.IP))
}

// settleIn takes p as evidence of the current stay. A weaker source does not
// replace what a stronger one said of the same IP, and a late observation only
// fills what is missing.
func (t *Tracker) settleIn(tr *Track, s *sight, p place) {
	if s.at.Before(tr.Arrived) && s.late {
		return // evidence of the stay before
	}
	n := &tr.Stay.Net
	switch {
	case s.late && n.IP.IsValid():
	case n.IP == p.ip && n.PublicIP() == p.publicIP && n.Source > p.source && !n.Assumed:
		n.Heard = s.at
	case n.Subnet().IsValid() && !n.Assumed && p.assumed && n.PublicIP() == p.publicIP && n.Subnet().Contains(p.ip):
		n.IP, n.Source, n.Heard = p.ip, p.source, s.at // a new IP in the same subnet
	default:
		*n = newNetEvidence(p, s.at)
	}
	if s.site != "" && (tr.Stay.Site.Site == "" || tr.Stay.Site.Site == s.site) {
		tr.Stay.Site = siteEvidence{s.site, s.at}
	}
}

// noteVLAN takes the tag of a frame that the phone itself sent or was sent.
func (t *Tracker) noteVLAN(tr *Track, s *sight) {
	if s.late || s.MAC != tr.ID.MAC && s.Dst != tr.ID.MAC {
		return
	}
	tr.Stay.VLAN = vlanEvidence{s.VLAN(), s.at}
}

// subnetOf returns the subnet of an IP: from the mask if there is one, of IPv6
// from what a router announced, else as the site is configured, else a /24 or
// /64. Only the first two are the network's word: the others are assumed, and
// give way to it.
func (t *Tracker) subnetOf(site string, ip netip.Addr, bits int, now Instant) (p netip.Prefix, assumed bool) {
	if bits > 0 && bits <= ip.BitLen() {
		p, _ = ip.Prefix(bits)
		return p, false
	}
	if p, ok := t.onLink(site, ip, now); ok && ip.Is6() {
		return p, false
	}
	if p, ok := t.dir.SiteSubnet(site, ip); ok {
		return p, true
	}
	if ip.Is4() {
		p, _ = ip.Prefix(24)
	} else {
		p, _ = ip.Prefix(64)
	}
	return p, true
}

// usable reports whether an IP says anything about a network: loopback,
// link-local and multicast addresses do not.
func usable(ip netip.Addr) bool {
	return ip.IsValid() && !ip.IsUnspecified() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() &&
		!ip.IsMulticast() && ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
