package sip

import (
	"net/netip"
	"net/url"
	"strings"
)

// Via is what of a Via header says where a message came from (RFC 3261 section
// 20.42).
type Via struct {
	Host     string     // of sent-by, without brackets around IPv6: what the sender takes for its address
	Received netip.Addr // the source that the next hop saw, where that is another (RFC 3261 section 18.2.1)
	RPort    uint16     // and its port (RFC 3581 section 4); 0 if absent
}

// ParseVia reads a value of a Via header. It is false for one that names no host.
func ParseVia(raw string) (v Via, ok bool) {
	sentBy, params, _ := strings.Cut(raw, ";")
	_, rest, _ := strings.Cut(sentBy, "/")
	_, rest, _ = strings.Cut(rest, "/")
	rest = strings.TrimSpace(rest) // the transport, white space, host[:port]
	i := strings.IndexAny(rest, " \t")
	if i < 0 {
		return v, false
	}
	host := strings.Join(strings.FieldsFunc(rest[i:], func(r rune) bool { return r == ' ' || r == '\t' }), "")
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		v.Host = ip.String() // IPv6, which some write without its brackets
	} else if v.Host, _, err = splitHostPort(strings.ToLower(host)); err != nil {
		return v, false
	}
	for p := range splitOutside(params, ';') {
		switch name, value := cutParam(p); {
		case strings.EqualFold(name, "received"):
			v.Received, _ = netip.ParseAddr(strings.Trim(value, "[]"))
		case strings.EqualFold(name, "rport"):
			v.RPort = port(value)
		}
	}
	return v, true
}

// port reads a port; 0 if it is none.
func port(s string) uint16 {
	if _, n, err := splitHostPort("x:" + s); err == nil {
		return n
	}
	return 0
}

// PathReceived returns the address that a proxy wrote into its Path (RFC 3327) for
// the source that it saw, in the parameter received of the URI, where Kamailio and
// OpenSIPS put it: <sip:edge;lr;received=sip:203.0.113.5:40012>. The value is a
// URI, escaped. It is the zero Addr without one.
func PathReceived(raw string) netip.Addr {
	addr, _ := splitAddress(raw)
	_, params, _ := strings.Cut(addr, ";")
	for p := range strings.SplitSeq(params, ";") {
		name, value := cutParam(p)
		if !strings.EqualFold(name, "received") {
			continue
		}
		value, err := url.PathUnescape(value)
		if err != nil {
			return netip.Addr{}
		}
		if u, err := parseURI(value); err == nil {
			value = u.host
		}
		ip, _ := netip.ParseAddr(strings.Trim(value, "[]"))
		return ip
	}
	return netip.Addr{}
}
