package sip

import (
	"strconv"
	"strings"
)

// Contact is one value of a Contact header.
type Contact struct {
	Raw     string // as it stood in the message
	URI     string // without angle brackets and header parameters; "*" for all
	Host    string // host of the URI, without brackets around IPv6
	Port    uint16 // 0 if absent
	Expires int    // expires parameter in seconds; -1 if absent
}

// Param returns the value of a header parameter without its quotes, and whether
// the parameter is there. Names compare without case (RFC 3261 section 7.3.1).
func (c Contact) Param(name string) (string, bool) {
	_, params := splitAddress(c.Raw)
	for p := range splitOutside(params, ';') {
		if k, v := cutParam(p); strings.EqualFold(k, name) {
			return v, true
		}
	}
	return "", false
}

// ParseContact reads one value of a Contact header and its instance ID (RFC 5626
// section 4.1), without <>. A URI that is no SIP URI is kept, without host and port.
func ParseContact(raw string) (c Contact, instance string) {
	addr, params := splitAddress(raw)
	c = Contact{Raw: raw, URI: addr, Expires: -1}
	if u, err := parseURI(addr); err == nil {
		c.Host, c.Port = u.host, u.port
	}
	for p := range splitOutside(params, ';') {
		switch name, value := cutParam(p); {
		case strings.EqualFold(name, "expires"):
			c.Expires = deltaSeconds(value)
		case strings.EqualFold(name, "+sip.instance"):
			instance = strings.TrimSuffix(strings.TrimPrefix(value, "<"), ">")
		}
	}
	return c, instance
}

// splitAddress cuts a name-addr or addr-spec (RFC 3261 section 20.10) into its
// URI and its header parameters. Without angle brackets all parameters are the
// header's.
func splitAddress(s string) (addr, params string) {
	if i := IndexOutside(s, '<'); i >= 0 {
		addr, params, _ = strings.Cut(s[i+1:], ">")
		return strings.TrimSpace(addr), params
	}
	addr, params, _ = strings.Cut(s, ";")
	return strings.TrimSpace(addr), params
}

// cutParam cuts a parameter into name and value, the value without its quotes.
func cutParam(p string) (name, value string) {
	name, value, _ = strings.Cut(p, "=")
	return strings.TrimSpace(name), unquote(strings.TrimSpace(value))
}

// unquote drops the quotes around a quoted string and resolves its escapes.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// deltaSeconds reads a number of seconds; -1 if it is none (RFC 3261 section
// 20.19: 0 to 2^32-1).
func deltaSeconds(s string) int {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 32)
	if err != nil {
		return -1
	}
	return int(n)
}

// splitOutside yields the parts of s between separators that stand outside of
// quotes and angle brackets, trimmed, empty ones left out.
func splitOutside(s string, sep byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for {
			i := strings.IndexByte(s, sep)
			if i >= 0 {
				i = IndexOutside(s, sep)
			}
			part := s
			if i >= 0 {
				part = s[:i]
			}
			if part = strings.TrimSpace(part); part != "" && !yield(part) {
				return
			}
			if i < 0 {
				return
			}
			s = s[i+1:]
		}
	}
}

// IndexOutside returns the index of the first c outside of quotes and angle
// brackets, or -1.
func IndexOutside[T string | []byte](s T, c byte) int {
	if len(s) > 0 && s[0] == c && c != '"' && c != '<' && c != '>' {
		return 0
	}
	quoted, angle := false, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case quoted:
		case s[i] == c && !angle:
			return i
		case s[i] == '<':
			angle = true
		case s[i] == '>':
			angle = false
		}
	}
	return -1
}
