package sip

import "bytes"

// splitter cuts messages of the form that phones and registrars send into the
// values of the headers that are read.
type splitter struct {
	values []byte // one behind the other
	found  []value
}

// value is where the value of a header stands.
type value struct {
	field   field
	at, end int
}

// cut cuts a message and returns where its headers end. It is false for a form
// that it does not know: folded headers, a request URI with more than a host, a
// start line or headers that are cut or broken. Of those sipgo says what they
// mean; of all others it would say the same, with an object for each header.
func (x *splitter) cut(b []byte) (s startLine, headers int, ok bool) {
	x.values, x.found = x.values[:0], x.found[:0]
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
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			return s, 0, false
		}
		if f := fieldOf(bytes.TrimSpace(line[:colon])); f != noField {
			x.add(s, f, bytes.TrimSpace(line[colon+1:]))
		}
	}
}

// add notes a value. The Via of an answer that is as it should be is not kept.
func (x *splitter) add(s startLine, f field, b []byte) {
	if f == viaField && plainVia(b) {
		if f = plainViaField; !s.request {
			return
		}
	}
	at := len(x.values)
	x.values = append(x.values, b...)
	x.found = append(x.found, value{f, at, len(x.values)})
}

// read reads the values into r. They are parts of one string. Of an answer to
// something else than a REGISTER it reads only where it ends.
func (x *splitter) read(r *reader, s startLine) {
	if !s.request && !x.answersRegister() {
		for _, v := range x.found {
			if v.field == lengthField {
				r.header(v.field, string(x.values[v.at:v.end]))
			}
		}
		return
	}
	values := string(x.values)
	for _, v := range x.found {
		r.header(v.field, values[v.at:v.end])
	}
}

// answersRegister reports whether the first CSeq names the method REGISTER.
func (x *splitter) answersRegister() bool {
	for _, v := range x.found {
		if v.field == cseqField {
			b := x.values[v.at:v.end]
			i := bytes.IndexAny(b, " \t")
			return i >= 0 && string(bytes.TrimSpace(b[i:])) == methodRegister
		}
	}
	return false
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
		return ok && len(host) > 0 && only(host, inName) && (!hasPort || only(port, isDigit) && 0 < len(port) && len(port) < 6)
	}
	code, ok := bytes.CutPrefix(line, []byte("SIP/2.0 "))
	if !ok || len(code) < 4 || code[3] != ' ' || !only(code[:3], isDigit) {
		return false
	}
	s.status = int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
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

// plainVia reports whether the value of a Via header is a single one in its usual
// form, SIP/2.0/UDP host[:port][;parameters], of which checkVia has no complaint.
func plainVia(b []byte) bool {
	const form = len("SIP/2.0/UDP ")
	if len(b) <= form || string(b[:8]) != "SIP/2.0/" || b[form-1] != ' ' {
		return false
	}
	switch string(b[8 : form-1]) {
	case "UDP", "TCP", "TLS":
	default:
		return false
	}
	b = b[form:]
	n := count(b, inHost)
	if n == 0 {
		return false
	}
	if b = b[n:]; len(b) > 0 && b[0] == ':' {
		b = b[1:]
		n, port := count(b, isDigit), 0
		if n > 5 {
			return false
		}
		for _, c := range b[:n] {
			port = 10*port + int(c-'0')
		}
		if b = b[n:]; port == 0 || port > 0xffff {
			return false
		}
	}
	return len(b) == 0 || b[0] == ';' && bytes.IndexByte(b, ',') < 0
}

// fieldOf returns which header a name is that of.
func fieldOf(name []byte) field {
	if len(name) == 0 {
		return noField
	}
	known, f := "", noField
	switch first := name[0] | 0x20; len(name) { // a letter in lower case
	case 1:
		switch first {
		case 'v':
			return viaField
		case 'm':
			return contactField
		case 't':
			return toField
		case 'i':
			return callIDField
		case 'l':
			return lengthField
		}
		return noField
	case 2:
		known, f = "to", toField
	case 3:
		if known, f = "via", viaField; first == 'm' {
			known, f = "mac", macField
		}
	case 4:
		if known, f = "path", pathField; first == 'c' {
			known, f = "cseq", cseqField
		}
	case 7:
		switch {
		case first == 'e':
			known, f = "expires", expiresField
		case name[4] == '-':
			known, f = "call-id", callIDField
		default:
			known, f = "contact", contactField
		}
	case 10:
		if known, f = "user-agent", userAgentField; first == 'a' {
			known, f = "aastra-mac", macField
		}
	case 14:
		if known, f = "content-length", lengthField; first == 'x' {
			known, f = "x-serialnumber", serialField
		}
	}
	if len(known) != len(name) || !equalFold(name, known) {
		return noField
	}
	return f
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
