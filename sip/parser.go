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
	sipgo    *sipgo.Parser
	split    splitter
	in       reader // the message at hand
	response RegisterResponse
}

// NewParser returns a Parser.
func NewParser() *Parser {
	p := &Parser{}
	// What split does not read, sipgo cuts into headers and hands each to a
	// function of ours. Its own readers of values are not used: they lose what
	// stands behind the first value that they refuse, do not give back Contact
	// and Via as they stood, and take a Via without a host.
	ours := map[string]sipgo.HeaderParser{}
	for name, field := range fields {
		ours[name] = func(_ []byte, value string) (sipgo.Header, error) {
			p.in.header(field, value)
			return taken, nil
		}
	}
	p.sipgo = sipgo.NewParser(sipgo.WithHeadersParsers(ours))
	return p
}

// taken stands in sipgo's message for each header that was seen to here.
var taken = sipgo.NewHeader("Taken", "")

// fields are the headers that are read, by their names in lower case. Those of one
// letter are compact forms (RFC 3261 section 7.3.3).
var fields = map[string]field{
	"via": viaField, "v": viaField, "path": pathField, "contact": contactField, "m": contactField, "to": toField, "t": toField,
	"call-id": callIDField, "i": callIDField, "cseq": cseqField, "content-length": lengthField, "l": lengthField,
	"expires": expiresField, "user-agent": userAgentField, "mac": macField, "aastra-mac": macField, "x-serialnumber": serialField,
}

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
	s, headers, ok := p.split.cut(start)
	if ok {
		p.split.read(p.begin(request), s)
	} else {
		if s, headers, ok = p.library(p.begin(request), start); !ok {
			return Message{}, len(b), ErrNotSIP
		}
	}
	m, n, err = p.message(s, headers, len(start))
	return m, len(b) - len(start) + n, err
}

// message returns what was read of a message whose headers end at headers, and
// where it ends, of so many octets.
func (p *Parser) message(s startLine, headers, all int) (m Message, n int, err error) {
	r := &p.in
	end := r.bodyEnd(headers, all)
	switch {
	case s.request:
		if s.version != "" {
			r.request(s.version)
		}
		m.Register = &r.reg
	case r.method == methodRegister && s.version != "":
		p.response = r.response(s.version, s.status)
		m.Response = &p.response
	default:
		return m, end, nil // somebody else's; its faults are, too
	}
	return m, end, r.err
}

// begin empties what the message before left.
func (p *Parser) begin(request bool) *reader {
	p.in = reader{length: -1, answer: !request, reg: Register{Expires: -1}}
	return &p.in
}

// library splits a message with sipgo. Its start is that of a REGISTER, without
// a version if the request line is bad, that of a response, or empty.
func (p *Parser) library(r *reader, b []byte) (s startLine, headers int, ok bool) {
	request := !r.answer
	split, headers, err := p.sipgo.ParseHeaders(b, false)
	switch {
	case split == nil && request:
		r.fault("bad request line")
		return startLine{request: true}, headers, true
	case split == nil:
		return startLine{}, 0, false
	case err != nil:
		r.fault("headers cut or broken after %d bytes", headers)
		headers = len(b)
	}
	switch m := split.(type) {
	case *sipgo.Response:
		s = startLine{version: m.SipVersion, status: m.StatusCode}
	case *sipgo.Request:
		if request {
			s = startLine{request: true, version: m.SipVersion}
		}
	}
	return s, headers, true
}

const methodRegister = "REGISTER"

// looksLikeSIP reports whether the first line ends in the SIP version, as a
// request's does, or begins with it, as a response's does.
func looksLikeSIP(b []byte) bool {
	if bytes.HasPrefix(b, []byte("SIP/2.0 ")) || bytes.HasPrefix(b, []byte(methodRegister+" ")) {
		return true
	}
	line, _, _ := bytes.Cut(b, []byte("\r\n"))
	return bytes.HasSuffix(line, []byte(" SIP/2.0"))
}
