package sip

import (
	"bytes"
	"strings"
)

// split reads a message of the form that phones and registrars send, into r, and
// returns where its headers end. It is false for every other form, of which r
// may then hold a part: folded headers, a request URI with more than a host, a
// start line or headers that are cut or broken. Of those sipgo says what they
// mean; of all others it would say the same as split, with an object for each
// header.
func (r *reader) split(b []byte) (s startLine, headers int, ok bool) {
	line, rest, ok := cutLine(b)
	if !ok || !s.read(line) {
		return s, 0, false
	}
	for {
		line, after, ok := cutLine(rest)
		if !ok || len(after) > 0 && (after[0] == ' ' || after[0] == '\t') {
			return s, 0, false
		}
		if rest = after; len(line) == 0 {
			return s, len(b) - len(rest), true
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return s, 0, false
		}
		if known := headerName(bytes.TrimSpace(name)); known != "" {
			r.header(known, string(bytes.TrimSpace(value)))
		}
	}
}

// startLine is what a start line says: of a request or, with a status, of a response.
type startLine struct {
	request bool
	version string
	status  int
}

// read reads a start line of the form "REGISTER sip:host[:port] SIP/2.0", or that
// of a response.
func (s *startLine) read(line []byte) bool {
	s.version = "SIP/2.0"
	if uri, ok := bytes.CutPrefix(line, []byte(methodRegister+" sip:")); ok {
		s.request = true
		hostport, ok := bytes.CutSuffix(uri, []byte(" SIP/2.0"))
		host, port, hasPort := bytes.Cut(hostport, []byte(":"))
		return ok && len(host) > 0 && only(host, hostBytes) && (!hasPort || only(port, digits) && 0 < len(port) && len(port) < 6)
	}
	code, ok := bytes.CutPrefix(line, []byte("SIP/2.0 "))
	if !ok || len(code) < 4 || code[3] != ' ' || !only(code[:3], digits) {
		return false
	}
	s.status = int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
	return true
}

const (
	digits    = "0123456789"
	hostBytes = digits + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-"
)

// only reports whether b has no other bytes than those of set.
func only(b []byte, set string) bool {
	for _, c := range b {
		if strings.IndexByte(set, c) < 0 {
			return false
		}
	}
	return true
}

// cutLine cuts a line at its CRLF. It is false if there is none, or if a CR stands
// alone before it.
func cutLine(b []byte) (line, after []byte, ok bool) {
	i := bytes.IndexByte(b, '\r')
	if i < 0 || i+1 >= len(b) || b[i+1] != '\n' {
		return nil, nil, false
	}
	return b[:i], b[i+2:], true
}

// headerName returns the lower-case name of a header that is read, else "".
func headerName(name []byte) string {
	for _, known := range readHeaders {
		if len(known) == len(name) && equalFold(name, known) {
			return known
		}
	}
	return ""
}

// equalFold reports whether b is the lower-case ASCII text in some case. Unlike
// bytes.EqualFold it takes no other letters for those of ASCII.
func equalFold(b []byte, lower string) bool {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
