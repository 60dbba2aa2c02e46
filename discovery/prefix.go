package discovery

import (
	"cmp"
	"math/bits"
	"net/netip"
	"time"
)

// link6 is what a router said of a prefix: that it is on the link.
type link6 struct {
	Group netip.Prefix // the least of the prefixes that were announced together
	Until Instant
}

// subnet6 is a prefix within a site.
type subnet6 struct {
	Site   string
	Prefix netip.Prefix
}

func (a subnet6) compare(b subnet6) int {
	return cmp.Or(cmp.Compare(a.Site, b.Site), a.Prefix.Compare(b.Prefix))
}

// Prefixes of these lengths are taken for subnets when a router announces them.
// A shorter one would join networks that are told apart without it: nobody who
// can send an RA is to hide that phones move.
const (
	shortestLink = 64
	longestLink  = 126
)

// maxLinks bounds the prefixes that are remembered; a site has as many as VLANs.
const maxLinks = 4096

// announced takes the prefixes that a router says are on the link (RFC 4861
// section 6.3.4).
func (t *Tracker) announced(s *sight, prefixes []NDPrefix) {
	var group netip.Prefix
	counts := func(p *NDPrefix) bool {
		n := p.Prefix.Bits()
		return p.OnLink && p.Valid > 0 && shortestLink <= n && n <= longestLink && usable(p.Prefix.Addr())
	}
	for i := range prefixes {
		if p := &prefixes[i]; counts(p) && (!group.IsValid() || p.Prefix.Compare(group) < 0) {
			group = p.Prefix
		}
	}
	for i := range prefixes {
		p := &prefixes[i]
		k := subnet6{s.site, p.Prefix}
		if _, known := t.links[k]; !counts(p) || !known && len(t.links) >= maxLinks {
			continue
		}
		life := min(time.Duration(p.Valid)*time.Second, routerMemory)
		t.links[k] = link6{group, s.now.Add(life)}
		t.linkBits |= 1 << (p.Prefix.Bits() - shortestLink)
	}
}

// onLink returns the narrowest prefix that a router announced and that contains
// the address.
func (t *Tracker) onLink(site string, ip netip.Addr, now Instant) (netip.Prefix, bool) {
	for left := t.linkBits; left != 0; {
		n := bits.Len64(left) - 1
		left &^= 1 << n
		p, _ := ip.Prefix(shortestLink + n)
		if l, ok := t.links[subnet6{site, p}]; ok && !now.After(l.Until) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// oneLink reports whether two subnets are of one link: a router announced them
// together.
func (t *Tracker) oneLink(site string, a, b netip.Prefix) bool {
	if a == b || !a.IsValid() || !b.IsValid() {
		return false
	}
	x, y := t.links[subnet6{site, a}], t.links[subnet6{site, b}]
	return x.Group.IsValid() && x.Group == y.Group
}
