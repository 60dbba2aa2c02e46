package discovery

import (
	"net/netip"

	"perch/sip"
)

// placeOf says from where a REGISTER came. Behind NAT the source of the phone's
// datagrams differs from what Contact or Via say. The place has no IP if nothing
// tells where the phone is: the message then says nothing of its network.
func (t *Tracker) placeOf(s *sight, r *Register, c sip.Contact) place {
	src, said := phoneSource(r)
	if !usable(src) && src != r.Source.Addr().Unmap() {
		return place{}
	}
	inner := src
	for _, host := range append(said, c.Host) {
		ip, err := netip.ParseAddr(host)
		ip = ip.Unmap()
		if err == nil && ip == src {
			inner = src // one of them is the source: there is no NAT
			break
		}
		if err == nil && usable(ip) && translated(src, ip) {
			inner = ip
		}
	}
	p := place{ip: src, source: SourceFrame}
	if inner != src {
		p.ip, p.publicIP, p.source = inner, src, SourceClaim
	}
	p.subnet, p.assumed = t.subnetOf(s.site, p.ip, 0, s.now)
	return p
}

// translated reports whether a phone that takes inner for its address can be one
// that is seen as src through NAT. IPv6 is not translated: a host has several
// addresses there, changes some of them day by day (RFC 8981), and may name one of
// them, or an IPv4 address, in a message that it sends from another. An inner
// address that is public is what STUN told the phone, if src is private.
func translated(src, inner netip.Addr) bool {
	return src.Is4() && inner.Is4() && (inner.IsPrivate() || !src.IsPrivate())
}

// phoneSource returns the source of the phone's own datagrams, as the first to
// take them saw it, and which address the phone said that it has in its Via, the
// last one. Straight from the phone the source is that of the frame. Behind a
// proxy, which put its own Via on top (RFC 3261 section 16.6), that is the proxy's
// address; the phone's stands in its Via, as sent-by, and where it came from
// another address in received (section 18.2.1; RFC 3581 section 4). A proxy that
// hides the phone's Via may have it in its Path (RFC 3327). It is invalid if
// nobody said.
//
// The answer's Via says no more: it has the request's values, and the source of
// this frame.
func phoneSource(r *Register) (src netip.Addr, said []string) {
	var own sip.Via
	isOwn := false
	if n := len(r.Via); n > 0 {
		own, isOwn = sip.ParseVia(r.Via[n-1])
	}
	var path netip.Addr
	if n := len(r.Path); n > 0 { // each proxy writes in front: the last is the phone's first
		path = sip.PathReceived(r.Path[n-1]).Unmap()
	}
	src = r.Source.Addr().Unmap()
	switch {
	case len(r.Via) < 2 && usable(path):
		return path, nil // the Via is the proxy's
	case len(r.Via) < 2 && isOwn:
		return src, []string{own.Host}
	case len(r.Via) < 2:
		return src, nil
	case !isOwn:
		return path, nil
	}
	if src = own.Received.Unmap(); !src.IsValid() {
		ip, err := netip.ParseAddr(own.Host)
		if err != nil {
			return path, nil
		}
		src = ip.Unmap()
	}
	if src.IsPrivate() && src.Is4() {
		src = pastProxies(r, src)
	}
	return src, []string{own.Host}
}

// pastProxies follows a private source through the proxies between the phone and
// the frame. Those of its own site have private addresses, too, and the first
// that comes from a public one came through the site's NAT, which is the phone's.
// A public proxy that took a private source for the phone's, without a word of
// where that came from, leaves the phone anywhere.
func pastProxies(r *Register, src netip.Addr) netip.Addr {
	for i := len(r.Via) - 2; i >= 0; i-- {
		v, ok := sip.ParseVia(r.Via[i])
		if !ok {
			continue
		}
		said, _ := netip.ParseAddr(v.Host)
		from := v.Received.Unmap()
		switch {
		case i == 0:
			from = r.Source.Addr().Unmap()
		case !from.IsValid():
			from = said.Unmap()
		}
		if !from.Is4() || from.IsPrivate() {
			continue
		}
		if said.IsPrivate() {
			return from
		}
		return netip.Addr{}
	}
	return src
}
