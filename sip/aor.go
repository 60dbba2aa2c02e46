package sip

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// AOR is an address of record: a SIP or SIPS URI without parameters, its scheme
// and host in lower case, such as "sip:alice@example.com" (RFC 3261 section 6).
//
// A port stands in it if it was written, even the default one: RFC 3261 section
// 19.1.4 holds sip:bob@example.com and sip:bob@example.com:5060 for different.
// A password is dropped, since an AOR goes into tables and logs.
type AOR string

// ParseAOR reads an AOR from a SIP or SIPS URI, without angle brackets; its
// parameters and headers are dropped. What it returns, it reads back unchanged.
func ParseAOR(s string) (AOR, error) {
	u, err := parseURI(s)
	if err != nil {
		return "", fmt.Errorf("aor %q: %w", s, err)
	}
	if n := len(u.scheme) + 1 + len(u.user) + 1 + len(u.hostport); u.user != "" && len(s) >= n {
		// Most AORs stand there as they are meant, and need not be put together.
		if as := s[:n]; as[len(u.scheme)] == ':' && as[n-len(u.hostport)-1] == '@' &&
			as[:len(u.scheme)] == u.scheme && strings.HasPrefix(as[len(u.scheme)+1:], u.user) && strings.HasSuffix(as, u.hostport) {
			return AOR(as), nil
		}
	}
	var b strings.Builder
	b.Grow(len(s))
	b.WriteString(u.scheme)
	b.WriteByte(':')
	if u.user != "" {
		b.WriteString(u.user)
		b.WriteByte('@')
	}
	b.WriteString(u.hostport)
	return AOR(b.String()), nil
}

// uri is a SIP or SIPS URI (RFC 3261 section 19.1.1).
type uri struct {
	scheme   string // "sip" or "sips"
	user     string // as written, without password; may be empty
	host     string // in lower case, without the brackets of IPv6
	hostport string // in lower case, as written
	port     uint16 // 0 if absent
}

// HostAddr returns the address that is the host of a SIP URI; the zero Addr if that is
// a name.
func HostAddr(s string) netip.Addr {
	u, err := parseURI(s)
	if err != nil {
		return netip.Addr{}
	}
	a, _ := netip.ParseAddr(u.host)
	return a
}

// parseURI reads a SIP or SIPS URI. The errors do not repeat s.
func parseURI(s string) (uri, error) {
	var u uri
	scheme, rest, ok := strings.Cut(s, ":")
	u.scheme = strings.ToLower(scheme)
	if !ok || u.scheme != "sip" && u.scheme != "sips" {
		return uri{}, fmt.Errorf("want a sip: or sips: URI")
	}
	// The user part may hold ; and ?, so it is cut off before parameters are.
	if user, after, ok := strings.Cut(rest, "@"); ok {
		u.user, _, _ = strings.Cut(user, ":")
		if u.user == "" || !only(u.user, inURI) {
			return uri{}, fmt.Errorf("bad user part")
		}
		rest = after
	}
	for i := range len(rest) {
		if rest[i] == ';' || rest[i] == '?' {
			rest = rest[:i]
			break
		}
	}
	u.hostport = strings.ToLower(rest)
	host, port, err := splitHostPort(u.hostport)
	if err != nil {
		return uri{}, err
	}
	u.host, u.port = host, port
	return u, nil
}

// splitHostPort reads host[:port]; the host may be an IPv6 reference in
// brackets, which are dropped.
func splitHostPort(s string) (host string, port uint16, err error) {
	digits, hasPort := "", false
	if after, ok := strings.CutPrefix(s, "["); ok {
		host, digits, ok = strings.Cut(after, "]")
		if !ok || strings.Trim(host, "0123456789abcdefABCDEF:.") != "" || !strings.Contains(host, ":") {
			return "", 0, fmt.Errorf("bad IPv6 reference")
		}
		if digits, hasPort = strings.CutPrefix(digits, ":"); !hasPort && digits != "" {
			return "", 0, fmt.Errorf("text after the IPv6 reference")
		}
	} else {
		host, digits, hasPort = strings.Cut(s, ":")
		if host == "" || !only(host, inHost) {
			return "", 0, fmt.Errorf("bad host")
		}
	}
	if hasPort {
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil || n == 0 {
			return "", 0, fmt.Errorf("bad port")
		}
		port = uint16(n)
	}
	return host, port, nil
}
