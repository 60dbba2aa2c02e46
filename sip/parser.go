package sip

import (
	"bytes"
	"errors"

	sipgo "github.com/emiago/sipgo/sip"
)

// ErrNotSIP reports that the bytes do not begin with a SIP message.
var ErrNotSIP = errors.New("not a SIP message")

// Message is a REGISTER request or the response to one. Of any other SIP
// message both fields are nil. What they point to is the parser's and valid
// until its next message; a copy of it stays valid.
type Message struct {
	Register *Register
	Response *RegisterResponse
}

// Parser reads SIP messages. It is for one goroutine at a time.
type Parser struct {
	split    *sipgo.Parser
	in       reader // the message at hand
	response RegisterResponse
}

// NewParser returns a Parser.
func NewParser() *Parser {
	p := &Parser{}
	// sipgo cuts the message into headers and hands each to a function of ours.
	// Its own readers of values are not used: they lose what stands behind the
	// first value that they refuse, do not give back Contact and Via as they
	// stood, and take a Via without a host.
	ours := map[string]sipgo.HeaderParser{}
	take := func(name []byte, value string) (sipgo.Header, error) {
		p.in.header(string(name), value)
		return taken, nil
	}
	for _, name := range readHeaders {
		ours[name] = take
	}
	skip := func([]byte, string) (sipgo.Header, error) { return taken, nil }
	for _, name := range skippedHeaders {
		ours[name] = skip
	}
	p.split = sipgo.NewParser(sipgo.WithHeadersParsers(ours))
	return p
}

// taken stands in sipgo's message for each header that was seen to here.
var taken = sipgo.NewHeader("Taken", "")

// readHeaders are the headers that are read, skippedHeaders others that phones
// and registrars send: naming those saves copying their values. Those of one
// letter are compact forms (RFC 3261 section 7.3.3), but for To, From and Via,
// which sipgo writes out.
var (
	readHeaders = [...]string{
		"via", "v", "path", "contact", "m", "to", "t", "call-id", "i", "cseq", "content-length", "l", "expires",
		"user-agent", "mac", "aastra-mac", "x-serialnumber",
	}
	skippedHeaders = [...]string{
		"from", "f", "max-forwards", "content-type", "c", "allow", "allow-events", "u", "supported", "k", "accept",
		"authorization", "proxy-authorization", "www-authenticate", "server", "date", "event", "o", "require",
		"route", "record-route", "session-id", "p-preferred-identity", "x-real-ip",
	}
)

// Parse reads the first message of a datagram and returns how many bytes it
// takes with its body. Without a Content-Length that is all of them (RFC 3261
// section 18.3). The error is ErrNotSIP, or says why a REGISTER or a response to
// one was read only in part; what could be read is in the message.
func (p *Parser) Parse(b []byte) (m Message, n int, err error) {
	// RFC 3261 section 7.5 lets a message begin after empty lines.
	start := bytes.TrimLeft(b, "\r\n")
	if !looksLikeSIP(start) {
		return Message{}, len(b), ErrNotSIP
	}
	request := bytes.HasPrefix(start, []byte(methodRegister+" "))
	p.in = reader{length: -1, reg: Register{Expires: -1}}
	r := &p.in
	split, headers, err := p.split.ParseHeaders(start, false)
	switch {
	case split == nil && request:
		r.fault("bad request line")
	case split == nil:
		return Message{}, len(b), ErrNotSIP
	case err != nil:
		r.fault("headers cut or broken after %d bytes", headers)
		headers = len(start)
	}
	end := len(b) - len(start) + r.bodyEnd(headers, len(start))
	switch s := split.(type) {
	case *sipgo.Response:
		if r.method == methodRegister {
			p.response = r.response(s.SipVersion, s.StatusCode)
			m.Response = &p.response
		}
	case *sipgo.Request:
		if request {
			r.request(s.SipVersion)
			m.Register = &r.reg
		}
	default:
		m.Register = &r.reg
	}
	if m == (Message{}) {
		return m, end, nil // somebody else's; its faults are, too
	}
	return m, end, r.err
}

const methodRegister = "REGISTER"

// looksLikeSIP reports whether the first line ends in the SIP version, as a
// request's does, or begins with it, as a response's does.
func looksLikeSIP(b []byte) bool {
	if bytes.HasPrefix(b, []byte("SIP/2.0 ")) {
		return true
	}
	line, _, _ := bytes.Cut(b, []byte("\r\n"))
	return bytes.HasSuffix(line, []byte(" SIP/2.0")) || bytes.HasPrefix(line, []byte(methodRegister+" "))
}
