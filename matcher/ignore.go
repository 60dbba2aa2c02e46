package matcher

import (
	"net/netip"

	"github.com/gaissmai/bart"

	"perch/discovery"
)

// Ignore is a network without a location, such as a VPN pool. An empty site
// means every site.
type Ignore struct {
	Site   string
	Prefix netip.Prefix
}

// ignored finds ignored networks. anywhere holds those of all sites, for
// attachments whose site is not known.
type ignored struct {
	list     []Ignore
	sites    map[string]*bart.Lite
	anywhere bart.Lite
}

func (g *ignored) add(list []Ignore) {
	g.list = append(g.list, list...)
	for _, n := range list {
		if g.sites == nil {
			g.sites = map[string]*bart.Lite{}
		}
		if g.sites[n.Site] == nil {
			g.sites[n.Site] = new(bart.Lite)
		}
		g.sites[n.Site].Insert(canonicalPrefix(n.Prefix))
		g.anywhere.Insert(canonicalPrefix(n.Prefix))
	}
}

func (g *ignored) find(site string, ip netip.Addr) (netip.Prefix, bool) {
	if len(g.list) == 0 || !ip.IsValid() {
		return netip.Prefix{}, false
	}
	p := netip.PrefixFrom(ip, ip.BitLen())
	if site == "" {
		return g.anywhere.LookupPrefixLPM(p)
	}
	for _, s := range [...]string{site, ""} {
		if t := g.sites[s]; t != nil {
			if found, ok := t.LookupPrefixLPM(p); ok {
				return found, true
			}
		}
	}
	return netip.Prefix{}, false
}

// Ignored returns the longest ignored network of the site that contains an
// address. Where the site is not known, the networks of all sites count: a VPN
// pool is one, whoever sees it.
func (w *Wiremap) Ignored(site string, ip netip.Addr) (netip.Prefix, bool) {
	return w.ignored.find(site, ip.Unmap())
}

// SetIgnored replaces the ignored networks of a site.
func (w *Wiremap) SetIgnored(site string, prefixes []netip.Prefix) {
	var list []Ignore
	for _, n := range w.ignored.list {
		if n.Site != site {
			list = append(list, n)
		}
	}
	for _, p := range prefixes {
		list = append(list, Ignore{site, p})
	}
	w.ignored = ignored{}
	w.ignored.add(list)
}

// ignores applies Ignored to an attachment. Behind NAT only the public address
// is looked at: somebody's home may use the addresses of our VPN.
func (w *Wiremap) ignores(a *discovery.Attachment) (netip.Prefix, bool) {
	if a.PublicIP.IsValid() {
		return w.Ignored(a.Site, a.PublicIP)
	}
	return w.Ignored(a.Site, a.IP)
}
