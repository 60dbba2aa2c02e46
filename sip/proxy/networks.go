package proxy

import (
	"net/netip"
)

// PrivateNetworks are those that nobody on the internet is in (RFC 1918, 3927, 4193,
// 4291, 6598).
var PrivateNetworks = func() (out []netip.Prefix) {
	for _, s := range []string{
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128",
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}()

// admits reports whether anything is taken from an address, and whether a PBX is there,
// to which no limit applies.
func (p *Proxy) admits(a netip.Addr) (ok, pbx bool) {
	a = a.WithZone("")
	if p.upstreams.at(a) {
		return true, true
	}
	for _, n := range p.allow {
		if n.Contains(a) {
			return true, false
		}
	}
	p.count.strangers.Add(1)
	return false, false
}
