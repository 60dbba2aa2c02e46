package proxy

import (
	"bytes"

	"perch/sip"
)

// message is a SIP message as it came, and where its parts stand. What a proxy has
// no business with is never taken apart, so that it passes as it was written.
type message struct {
	raw     []byte // start line, headers and body
	head    int    // where the body begins
	request bool
	method  []byte // of the start line; nil in a response
	uri     span   // the Request-URI
	status  int
	headers []header
	vias    []viaValue // of a valid message, the topmost first
}

// span is raw[at:end].
type span struct{ at, end int }

// header is one header with its continuation lines (RFC 3261 section 7.3.1).
type header struct {
	name  name
	at    int // where the line begins
	value int // where its value begins
	end   int // behind its last line
}

// name is a header that the proxy reads.
type name uint8

// The headers that the proxy reads, compact forms among them (RFC 3261 section 7.3.3).
const (
	other name = iota
	via
	route
	recordRoute
	path
	maxForwards
	from
	to
	callID
	cseq
	contact
	contentLength
	contentType
	proxyRequire
	supported
	retryAfter
	geolocation
	expires
	userAgent
	authorization
	proxyAuthorization
	geolocationRouting
	assertedIdentity
	preferredIdentity
	privacy
	authenticate
	proxyAuthenticate
	event
	subscriptionState
	minimumExpires
	maxBreadth
	names
)

// spelling is how a header is written, in lower case.
type spelling struct {
	text string
	name name
}

// spellings are all of them by their length.
var spellings = func() (out [maxName + 1][]spelling) {
	for text, n := range map[string]name{
		"via": via, "v": via, "route": route, "record-route": recordRoute, "path": path, "max-forwards": maxForwards,
		"from": from, "f": from, "to": to, "t": to, "call-id": callID, "i": callID, "cseq": cseq, "contact": contact, "m": contact,
		"content-length": contentLength, "l": contentLength, "content-type": contentType, "c": contentType,
		"proxy-require": proxyRequire, "supported": supported, "k": supported, "retry-after": retryAfter, "geolocation": geolocation,
		"expires": expires, "user-agent": userAgent,
		"authorization": authorization, "proxy-authorization": proxyAuthorization,
		"geolocation-routing": geolocationRouting, "p-asserted-identity": assertedIdentity, "p-preferred-identity": preferredIdentity, "privacy": privacy,
		"www-authenticate": authenticate, "proxy-authenticate": proxyAuthenticate,
		"event": event, "o": event, "subscription-state": subscriptionState, "min-expires": minimumExpires, "max-breadth": maxBreadth,
	} {
		out[len(text)] = append(out[len(text)], spelling{text, n})
	}
	return out
}()

// maxName is how long the name of a header is that is read.
const maxName = len("p-preferred-identity")

// once are the headers of which a message has one at most (RFC 3261 section 20).
var once = [names]bool{maxForwards: true, from: true, to: true, callID: true, cseq: true, contentLength: true, contentType: true}

const version = "SIP/2.0"

// maxHeaders is how many headers a message may have.
const maxHeaders = 256

// read reads a message, whose octets it keeps. It is false for what is no SIP
// message, which nobody can be answered about; fault tells what is wrong with one
// that is, in a request the answer that is owed for it.
func (m *message) read(b []byte) (fault *fault, ok bool) {
	b = bytes.TrimLeft(b, "\r\n") // RFC 3261 section 7.5
	*m = message{raw: b, headers: m.headers[:0], vias: m.vias[:0]}
	line, next, whole := cutLine(b, 0)
	if !whole {
		return nil, false
	}
	if fault, ok = m.startLine(line); !ok {
		return nil, false
	}
	for {
		at := next
		line, next, whole = cutLine(b, at)
		switch {
		case !whole:
			m.head = len(b)
			return first(fault, bad("headers without an end")), true
		case len(line) == 0:
			m.head = next
			return fault, true
		case len(m.headers) == maxHeaders:
			return first(fault, bad("too many headers")), true
		}
		for next < len(b) && (b[next] == ' ' || b[next] == '\t') {
			if _, next, whole = cutLine(b, next); !whole {
				break
			}
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			fault = first(fault, bad("a header without colon"))
			continue
		}
		h := header{name: lookUp(bytes.TrimRight(line[:colon], " \t")), at: at, value: at + colon + 1, end: next}
		m.headers = append(m.headers, h)
	}
}

// startLine reads the start line. Several spaces, and brackets around the URI, are
// faults that are answered.
func (m *message) startLine(line []byte) (f *fault, ok bool) {
	if rest, isResponse := bytes.CutPrefix(line, []byte(version+" ")); isResponse {
		if len(rest) < 4 || rest[3] != ' ' {
			return nil, false
		}
		for _, c := range rest[:3] {
			if c < '0' || c > '9' {
				return nil, false
			}
			m.status = m.status*10 + int(c-'0')
		}
		return nil, m.status >= 100 && m.status <= 699
	}
	first, last := bytes.IndexByte(line, ' '), bytes.LastIndexByte(line, ' ')
	if first < 1 || last == first || !sip.IsToken(line[:first]) {
		return nil, false
	}
	trimmed := bytes.TrimRight(line, " ")
	if len(trimmed) < len(line) {
		f = bad("space behind the version")
		last = bytes.LastIndexByte(trimmed, ' ')
	}
	if v := trimmed[last+1:]; !bytes.EqualFold(v, []byte(version)) {
		if !bytes.HasPrefix(v, []byte("SIP/")) {
			return nil, false
		}
		f = &fault{505, "Version Not Supported", ""}
	}
	m.request, m.method = true, line[:first]
	m.uri = span{first + 1, last}
	if last <= first {
		return bad("no Request-URI"), true
	}
	if u := line[first+1 : last]; f == nil && bytes.ContainsAny(u, " \t<>") {
		f = bad("space or brackets in the Request-URI")
	}
	return f, true
}

// cutLine returns the line that begins at and where the next one does; without the
// end of a line it is not whole.
func cutLine(b []byte, at int) (line []byte, next int, whole bool) {
	i := bytes.IndexByte(b[at:], '\n')
	if i < 0 {
		return b[at:], len(b), false
	}
	line = b[at : at+i]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	}
	return line, at + i + 1, true
}

// lookUp returns the header of a name, in any case.
func lookUp(s []byte) name {
	if len(s) == 0 || len(s) > maxName {
		return other
	}
next:
	for _, x := range spellings[len(s)] {
		for i := range len(s) {
			c := s[i]
			if 'A' <= c && c <= 'Z' {
				c |= 0x20
			}
			if c != x.text[i] {
				continue next
			}
		}
		return x.name
	}
	return other
}

// value returns the value of a header without the space around it. Where it is
// folded the folds are in it.
func (m *message) value(h header) []byte { return bytes.TrimSpace(m.raw[h.value:h.end]) }

// find returns the first header of a name.
func (m *message) find(n name) (header, bool) {
	for _, h := range m.headers {
		if h.name == n {
			return h, true
		}
	}
	return header{}, false
}

// get returns the value of the first header of a name; nil if there is none.
func (m *message) get(n name) []byte {
	if h, ok := m.find(n); ok {
		return m.value(h)
	}
	return nil
}

// requestURI returns the Request-URI.
func (m *message) requestURI() []byte { return m.raw[m.uri.at:m.uri.end] }

// is reports whether the message is a request of a method.
func (m *message) is(method string) bool { return string(m.method) == method }

// values calls f with each value of the headers of a name, those in one line one
// by one (RFC 3261 section 7.3.1), and where it stands; f ends it by false.
func (m *message) values(n name, f func(h header, at span) bool) {
	for _, h := range m.headers {
		if h.name != n {
			continue
		}
		for at := h.value; at < h.end; {
			end := h.end
			if i := bytes.IndexByte(m.raw[at:h.end], ','); i >= 0 { // most have no other
				if i = sip.IndexOutside(m.raw[at:h.end], ','); i >= 0 {
					end = at + i
				}
			}
			s := m.trim(span{at, end})
			if s.at < s.end && !f(h, s) {
				return
			}
			at = end + 1
		}
	}
}

// trim takes the space around a span off.
func (m *message) trim(s span) span {
	for s.at < s.end && isSpace(m.raw[s.at]) {
		s.at++
	}
	for s.at < s.end && isSpace(m.raw[s.end-1]) {
		s.end--
	}
	return s
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// text is raw[at:end].
func (m *message) text(s span) []byte { return m.raw[s.at:s.end] }
