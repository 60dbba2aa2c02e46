package sip

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	sipgo "github.com/emiago/sipgo/sip"
)

// ErrNotSIP reports that the bytes do not begin with a SIP message.
var ErrNotSIP = errors.New("not a SIP message")

// Message is a REGISTER request or the response to one. Of any other SIP
// message both fields are nil.
type Message struct {
	Register *Register
	Response *RegisterResponse
}

// Parser reads SIP messages. It is safe for concurrent use.
type Parser struct {
	split *sipgo.Parser
}

// NewParser returns a Parser.
func NewParser() *Parser {
	// No header is given to sipgo's typed parsers: they lose what stands behind
	// the first value that they refuse, do not give back Contact and Via as
	// they stood, and take a Via without a host.
	return &Parser{split: sipgo.NewParser(sipgo.WithHeadersParsers(map[string]sipgo.HeaderParser{}))}
}

// Parse reads the first message of a datagram and returns how many bytes it
// takes with its body. Without a Content-Length that is all of them (RFC 3261
// section 18.3). The error is ErrNotSIP, or says why a REGISTER or a response to
// one was read only in part; what could be read is in the message.
func (p *Parser) Parse(b []byte) (m Message, n int, err error) {
	// RFC 3261 section 7.5 lets a message begin after empty lines.
	start := bytes.TrimLeft(b, "\r\n")
	skipped := len(b) - len(start)
	request := bytes.HasPrefix(start, []byte("REGISTER "))
	if !looksLikeSIP(start) {
		return Message{}, len(b), ErrNotSIP
	}
	split, n, err := p.split.ParseHeaders(start, false)
	if split == nil {
		if request {
			return Message{Register: &Register{Expires: -1}}, len(b), fmt.Errorf("bad request line")
		}
		return Message{}, len(b), ErrNotSIP
	}
	var r reader
	if err != nil {
		r.fault("headers cut or broken after %d bytes", n)
		n = len(start)
	}
	r.readHeaders(split)
	end := r.bodyEnd(n, len(start))
	switch s := split.(type) {
	case *sipgo.Request:
		if request {
			m.Register = r.request(s)
		}
	case *sipgo.Response:
		if r.method == "REGISTER" {
			m.Response = r.response(s)
		}
	}
	if m == (Message{}) {
		r.err = nil
	}
	return m, skipped + end, r.err
}

// looksLikeSIP reports whether the first line ends in the SIP version, as a
// request's does, or begins with it, as a response's does.
func looksLikeSIP(b []byte) bool {
	if bytes.HasPrefix(b, []byte("SIP/2.0 ")) {
		return true
	}
	line, _, _ := bytes.Cut(b, []byte("\r\n"))
	return bytes.HasSuffix(line, []byte(" SIP/2.0")) || bytes.HasPrefix(line, []byte("REGISTER "))
}

// reader collects the headers of one message.
type reader struct {
	err    error // the first fault
	seen   map[string]bool
	method string // of CSeq
	length int    // Content-Length; -1 if absent

	reg Register // what requests and responses share is kept here, too
}

func (r *reader) fault(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// readHeaders reads all headers, in their order and whatever their form.
func (r *reader) readHeaders(m sipgo.Message) {
	r.length, r.reg.Expires = -1, -1
	var hs []sipgo.Header
	switch m := m.(type) {
	case *sipgo.Request:
		hs = m.Headers()
	case *sipgo.Response:
		hs = m.Headers()
	}
	for _, h := range hs {
		r.header(strings.ToLower(h.Name()), h.Value())
	}
}

// header reads one header; its name is in lower case. Compact forms are those
// of RFC 3261 section 7.3.3.
func (r *reader) header(name, value string) {
	g := &r.reg
	switch name {
	case "via", "v":
		r.via(value)
	case "path":
		for v := range splitOutside(value, ',') {
			g.Path = append(g.Path, v)
		}
	case "contact", "m":
		r.contact(value)
	case "to", "t":
		if r.once("To") {
			r.to(value)
		}
	case "call-id", "i":
		if r.once("Call-ID") {
			g.CallID = value
		}
	case "cseq":
		if r.once("CSeq") {
			r.cseq(value)
		}
	case "content-length", "l":
		if n, err := strconv.ParseUint(value, 10, 31); err != nil {
			r.fault("Content-Length: not a number")
		} else if r.once("Content-Length") {
			r.length = int(n)
		}
	case "expires":
		if g.Expires = deltaSeconds(value); g.Expires < 0 {
			r.fault("Expires: not a number of seconds")
		}
	case "user-agent":
		g.UserAgent = value
	case "mac", "aastra-mac":
		g.MACHeader = value
	case "x-serialnumber":
		g.SerialNumber = value
	}
}

// once notes a header that may stand once only (RFC 3261 section 7.3.1). The
// first one counts.
func (r *reader) once(name string) bool {
	if r.seen[name] {
		r.fault("%s: repeated", name)
		return false
	}
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	r.seen[name] = true
	return true
}

func (r *reader) to(value string) {
	addr, _ := splitAddress(value)
	aor, err := ParseAOR(addr)
	if err != nil {
		r.fault("To: no SIP URI")
		return
	}
	r.reg.AOR = aor
}

func (r *reader) cseq(value string) {
	f := strings.Fields(value)
	if len(f) != 2 {
		r.fault("CSeq: want a number and a method")
		return
	}
	r.method = f[1]
	// RFC 3261 section 8.1.1.5: less than 2^31.
	n, err := strconv.ParseUint(f[0], 10, 31)
	if err != nil {
		r.fault("CSeq: bad number")
		return
	}
	r.reg.CSeq = uint32(n)
}

func (r *reader) contact(value string) {
	for v := range splitOutside(value, ',') {
		c := parseContact(v)
		r.reg.Contacts = append(r.reg.Contacts, c)
		if r.reg.Instance == "" {
			id, _ := c.Param("+sip.instance")
			r.reg.Instance = strings.TrimSuffix(strings.TrimPrefix(id, "<"), ">")
		}
	}
}

// via keeps the values of a Via header and checks their form (RFC 3261 section
// 20.42): SIP/2.0/UDP host[:port], with white space allowed around the slashes.
func (r *reader) via(value string) {
	for v := range splitOutside(value, ',') {
		r.reg.Via = append(r.reg.Via, v)
		p := strings.SplitN(v, "/", 3)
		if len(p) != 3 || strings.TrimSpace(p[0]) != "SIP" || strings.TrimSpace(p[1]) != "2.0" {
			r.fault("Via: not SIP/2.0")
			continue
		}
		f := strings.Fields(strings.TrimSpace(p[2]))
		if len(f) < 2 {
			r.fault("Via: no host")
			continue
		}
		sentBy, _, _ := strings.Cut(strings.Join(f[1:], ""), ";")
		if _, _, err := splitHostPort(sentBy); err != nil {
			r.fault("Via: %w", err)
		}
	}
}

// bodyEnd returns where the message ends, given where its headers do.
func (r *reader) bodyEnd(headers, all int) int {
	if r.length < 0 {
		return all
	}
	if r.length > all-headers {
		r.fault("body: %d bytes of %d", all-headers, r.length)
		return all
	}
	return headers + r.length
}

func (r *reader) request(m *sipgo.Request) *Register {
	r.mandatory(m.SipVersion)
	if r.method != "" && r.method != "REGISTER" {
		r.fault("CSeq: method is not REGISTER")
	}
	if len(r.reg.Via) == 0 {
		r.fault("no Via")
	}
	g := r.reg
	return &g
}

func (r *reader) response(m *sipgo.Response) *RegisterResponse {
	r.mandatory(m.SipVersion)
	if m.StatusCode < 100 || m.StatusCode > 699 {
		r.fault("bad status code")
	}
	g := &r.reg
	return &RegisterResponse{Status: m.StatusCode, CallID: g.CallID, CSeq: g.CSeq, AOR: g.AOR, Contacts: g.Contacts, Expires: g.Expires}
}

// mandatory checks for what each message must have (RFC 3261 section 8.1.1).
func (r *reader) mandatory(version string) {
	if version != "SIP/2.0" {
		r.fault("version is not SIP/2.0")
	}
	for _, name := range [...]string{"To", "Call-ID", "CSeq"} {
		if !r.seen[name] {
			r.fault("no %s", name)
		}
	}
}
