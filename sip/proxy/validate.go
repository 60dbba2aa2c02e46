package proxy

import (
	"bytes"
	"strconv"

	"perch/sip"
)

// fault is what is wrong with a request, as the answer that is owed for it.
type fault struct {
	status int
	reason string
	header string // a header of the answer that says more, whole; or empty
}

// challenge reports whether the header is what the answer is for.
func (f *fault) challenge() bool { return f.status == 401 || f.status == 407 }

// bad is a request that is not as the RFC wants it. What says why; nobody but a
// programmer will read it.
func bad(what string) *fault { return &fault{400, "Bad Request (" + what + ")", ""} }

func first(f, g *fault) *fault {
	if f != nil {
		return f
	}
	return g
}

// maxCSeq is the greatest sequence number (RFC 3261 section 8.1.1.5).
const maxCSeq = 1<<31 - 1

// validate returns what is wrong with a message as far as a proxy is concerned
// (RFC 3261 section 16.3; RFC 4475); nil if nothing. Of a datagram the body ends
// where Content-Length says, and what stands behind is cut off (section 18.3).
func (m *message) validate(datagram bool) *fault {
	valid := true
	m.values(via, func(line header, at span) bool {
		var v viaValue
		if v, valid = m.parseVia(line, at); valid {
			m.vias = append(m.vias, v)
		}
		return valid
	})
	var count [names]int
	for _, h := range m.headers {
		if count[h.name]++; once[h.name] && count[h.name] > 1 {
			return bad("a header repeated")
		}
	}
	for _, n := range [...]name{via, from, to, callID, cseq} {
		if count[n] == 0 {
			return bad("a header is missing")
		}
	}
	if f := m.checkLength(datagram); f != nil {
		return f
	}
	if len(m.get(callID)) == 0 || bytes.ContainsAny(m.get(callID), " \t") {
		return bad("Call-ID")
	}
	number, method := m.sequence()
	if n, err := strconv.ParseUint(string(number), 10, 32); err != nil || n > maxCSeq {
		return bad("CSeq")
	}
	if !sip.IsToken(method) || m.request && !bytes.Equal(method, m.method) {
		return bad("the method of CSeq")
	}
	if !m.validAddress(m.get(from)) || !m.validAddress(m.get(to)) {
		return bad("From or To")
	}
	if !valid || len(m.vias) == 0 {
		return bad("Via")
	}
	if !m.request {
		return nil
	}
	if v, ok := m.find(maxForwards); ok {
		if n, err := strconv.ParseUint(string(m.value(v)), 10, 32); err != nil || n > 255 {
			return bad("Max-Forwards")
		}
	}
	if m.is("REGISTER") {
		m.values(contact, func(_ header, at span) bool {
			b := m.text(at)
			valid = sip.IndexOutside(b, '<') >= 0 || !bytes.ContainsAny(b, "?") // RFC 3261 section 20: it would be the URI's or the header's
			return valid
		})
		if !valid {
			return bad("Contact")
		}
	}
	return m.checkURI()
}

// sequence returns the number and the method of CSeq, between which there may be
// any space.
func (m *message) sequence() (number, method []byte) {
	b := m.get(cseq)
	i := bytes.IndexAny(b, " \t\r\n")
	if i < 0 {
		return b, nil
	}
	return b[:i], bytes.TrimSpace(b[i:])
}

// sequenceNumber is the number of CSeq, of a message that is valid.
func (m *message) sequenceNumber() uint32 {
	number, _ := m.sequence()
	n, _ := strconv.ParseUint(string(number), 10, 32) // as validate has done
	return uint32(n)
}

// checkLength holds Content-Length to the body that came.
func (m *message) checkLength(datagram bool) *fault {
	h, ok := m.find(contentLength)
	if !ok {
		return nil
	}
	n, err := strconv.ParseUint(string(m.value(h)), 10, 31)
	switch {
	case err != nil:
		return bad("Content-Length")
	case int(n) > len(m.raw)-m.head:
		return bad("the body is shorter than its length")
	case datagram:
		m.raw = m.raw[:m.head+int(n)]
	}
	return nil
}

// schemes are those of a Request-URI that a PBX may be asked for. An emergency
// service is a URN (RFC 5031).
var schemes = [...]string{"sip", "sips", "tel", "urn"}

// checkURI checks the Request-URI (RFC 3261 section 16.3; RFC 4475 section 3.3).
func (m *message) checkURI() *fault {
	u := m.requestURI()
	scheme, rest, ok := bytes.Cut(u, []byte(":"))
	if !ok || !sip.IsToken(scheme) {
		return bad("Request-URI")
	}
	known := false
	for _, s := range schemes {
		known = known || bytes.EqualFold(scheme, []byte(s))
	}
	if !known {
		return &fault{416, "Unsupported URI Scheme", ""}
	}
	if bytes.EqualFold(scheme, []byte("sip")) || bytes.EqualFold(scheme, []byte("sips")) {
		p, ok := parseURI(u)
		if !ok || p.headers {
			return bad("Request-URI")
		}
	} else if len(rest) == 0 {
		return bad("Request-URI")
	}
	return nil
}

// validAddress reports whether b is a name-addr or addr-spec with parameters (RFC
// 3261 section 25.1): quotes and brackets closed, no space in the URI, a display
// name of tokens or quoted.
func (m *message) validAddress(b []byte) bool {
	open := sip.IndexOutside(b, '<')
	if open < 0 {
		addr, _, _ := bytes.Cut(b, []byte(";"))
		return balanced(b) && bytes.IndexByte(addr, ':') > 0 && !bytes.ContainsAny(bytes.TrimSpace(addr), " \t\"<>?,")
	}
	display := bytes.TrimSpace(b[:open])
	addr, _, closed := bytes.Cut(b[open+1:], []byte(">"))
	if !closed || !balanced(b) || bytes.IndexByte(addr, ':') < 1 || bytes.ContainsAny(addr, " \t") {
		return false
	}
	if len(display) > 0 && display[0] == '"' {
		return display[len(display)-1] == '"' && len(display) > 1
	}
	for _, word := range bytes.Fields(display) {
		if !sip.IsToken(word) && !utf8Word(word) {
			return false
		}
	}
	return true
}

// utf8Word reports whether a word of a display name has octets beyond ASCII, which
// phones write without quotes; all others are tokens.
func utf8Word(b []byte) bool {
	high := false
	for _, c := range b {
		if c >= 0x80 {
			high = true
		} else if !sip.IsToken([]byte{c}) {
			return false
		}
	}
	return high
}

// balanced reports whether quotes are closed.
func balanced(b []byte) bool {
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case quoted && b[i] == '\\':
			i++
		case b[i] == '"':
			quoted = !quoted
		}
	}
	return !quoted
}
