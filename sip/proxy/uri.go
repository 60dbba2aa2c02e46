package proxy

import (
	"bytes"
	"net/netip"
	"strconv"

	"perch/sip"
)

// uri is what a proxy reads of a SIP URI (RFC 3261 section 19.1.1): parts of the
// message, which it does not change.
type uri struct {
	user      []byte // with its password and parameters; nil if there is none
	host      []byte // without the brackets of IPv6
	port      uint16 // 0 if absent
	transport []byte // of the parameter; nil if absent
	lr        bool   // loose routing (RFC 3261 section 16.12)
	headers   bool   // there is a ? behind it
}

// parseURI reads a sip: or sips: URI.
func parseURI(b []byte) (u uri, ok bool) {
	scheme, rest, found := bytes.Cut(b, []byte(":"))
	if !found || !bytes.EqualFold(scheme, []byte("sip")) && !bytes.EqualFold(scheme, []byte("sips")) {
		return u, false
	}
	if i := bytes.IndexByte(rest, '@'); i >= 0 {
		u.user, rest = rest[:i], rest[i+1:]
	}
	if i := bytes.IndexByte(rest, '?'); i >= 0 {
		u.headers, rest = true, rest[:i]
	}
	hostport, params, _ := bytes.Cut(rest, []byte(";"))
	if u.host, u.port, ok = parseHostPort(hostport); !ok {
		return u, false
	}
	for len(params) > 0 {
		var p []byte
		p, params, _ = bytes.Cut(params, []byte(";"))
		key, value, _ := bytes.Cut(p, []byte("="))
		switch {
		case bytes.EqualFold(key, []byte("lr")):
			u.lr = true
		case bytes.EqualFold(key, []byte("transport")):
			u.transport = value
		}
	}
	return u, true
}

// parseHostPort reads host[:port], the host a name, an IPv4 address, or an IPv6
// address in brackets.
func parseHostPort(b []byte) (host []byte, port uint16, ok bool) {
	b = bytes.TrimSpace(b)
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 {
			return nil, 0, false
		}
		host, b = b[1:end], b[end+1:]
		if a, err := netip.ParseAddr(string(host)); err != nil || !a.Is6() {
			return nil, 0, false
		}
		if len(b) > 0 && b[0] != ':' {
			return nil, 0, false
		}
	} else {
		i := bytes.IndexByte(b, ':')
		if i < 0 {
			i = len(b)
		}
		host, b = bytes.TrimSpace(b[:i]), b[i:]
		if !isHost(host) {
			return nil, 0, false
		}
	}
	if len(b) == 0 {
		return host, 0, true
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(b[1:])), 10, 16)
	return host, uint16(n), err == nil
}

// isHost reports whether b may be a host name or IPv4 address; underscores are in use.
func isHost(b []byte) bool {
	for _, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return len(b) > 0
}

// address returns the URI within a name-addr, or an addr-spec without its parameters.
func address(b []byte) []byte {
	if i := sip.IndexOutside(b, '<'); i >= 0 {
		b, _, _ = bytes.Cut(b[i+1:], []byte(">"))
		return bytes.TrimSpace(b)
	}
	b, _, _ = bytes.Cut(b, []byte(";"))
	return bytes.TrimSpace(b)
}

// viaValue is what a proxy reads of a value of Via (RFC 3261 section 20.42).
type viaValue struct {
	at        span // the value
	line      header
	transport []byte
	host      []byte
	port      uint16
	branch    []byte
	end       int  // where its sent-by ends and its parameters begin
	rport     span // the parameter rport, with its semicolon; none if it ends at 0
	received  span // likewise
}

// parseVia reads a value of Via: SIP/2.0/UDP host[:port];parameters, where there may
// be space around each slash and colon (RFC 4475 section 3.1.1.1).
func (m *message) parseVia(line header, at span) (v viaValue, ok bool) {
	v.at, v.line = at, line
	b := m.text(at)
	var part [2][]byte
	rest := b
	for i := range part {
		var found bool
		if part[i], rest, found = bytes.Cut(rest, []byte("/")); !found {
			return v, false
		}
		part[i] = bytes.TrimSpace(part[i])
	}
	if !bytes.EqualFold(part[0], []byte("SIP")) || string(part[1]) != "2.0" {
		return v, false
	}
	rest = bytes.TrimLeft(rest, " \t\r\n")
	i := bytes.IndexAny(rest, " \t\r\n")
	if i < 0 || !sip.IsToken(rest[:i]) {
		return v, false
	}
	v.transport, rest = rest[:i], rest[i:]
	semi := bytes.IndexByte(rest, ';')
	if semi < 0 {
		semi = len(rest)
	}
	if v.host, v.port, ok = parseHostPort(rest[:semi]); !ok {
		return v, false
	}
	v.end = at.end - len(rest) + semi
	for p := v.end; p < at.end; {
		end := at.end
		if i := bytes.IndexByte(m.raw[p+1:at.end], ';'); i >= 0 {
			if i = sip.IndexOutside(m.raw[p+1:at.end], ';'); i >= 0 {
				end = p + 1 + i
			}
		}
		key, value, _ := bytes.Cut(m.raw[p+1:end], []byte("="))
		switch key = bytes.TrimSpace(key); {
		case len(key) == 0 || !sip.IsToken(key):
			return v, false
		case bytes.EqualFold(key, []byte("branch")):
			v.branch = bytes.TrimSpace(value)
		case bytes.EqualFold(key, []byte("rport")):
			v.rport = span{p, end}
		case bytes.EqualFold(key, []byte("received")):
			v.received = span{p, end}
		}
		p = end
	}
	return v, true
}
