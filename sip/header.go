package sip

import (
	"fmt"
	"strconv"
	"strings"
)

// reader collects the headers of one message.
type reader struct {
	answer bool   // the message is no REGISTER: its Via and Path are not kept
	err    error  // the first fault
	seen   uint8  // bits of hasTo and so on
	method string // of CSeq
	length int    // Content-Length; -1 if absent

	reg Register // what requests and responses share is kept here, too
}

func (r *reader) fault(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// field is a header that is read.
type field uint8

// The headers that are read, compact forms and other spellings aside.
const (
	noField field = iota
	viaField
	plainViaField // a Via of which plainVia knows that it is as it should be
	pathField
	contactField
	toField
	callIDField
	cseqField
	lengthField
	expiresField
	userAgentField
	macField
	serialField
)

// header reads one header.
func (r *reader) header(name field, value string) {
	g := &r.reg
	switch name {
	case viaField:
		r.via(value)
	case plainViaField:
		if !r.answer {
			g.Via = append(g.Via, value)
		}
	case pathField:
		if r.answer {
			return
		}
		for v := range splitOutside(value, ',') {
			g.Path = append(g.Path, v)
		}
	case contactField:
		r.contact(value)
	case toField:
		if r.once(hasTo, "To") {
			r.to(value)
		}
	case callIDField:
		if r.once(hasCallID, "Call-ID") {
			g.CallID = value
		}
	case cseqField:
		if r.once(hasCSeq, "CSeq") {
			r.cseq(value)
		}
	case lengthField:
		if n, err := strconv.ParseUint(value, 10, 31); err != nil {
			r.fault("Content-Length: not a number")
		} else if r.once(hasLength, "Content-Length") {
			r.length = int(n)
		}
	case expiresField:
		if g.Expires = deltaSeconds(value); g.Expires < 0 {
			r.fault("Expires: not a number of seconds")
		}
	case userAgentField:
		g.UserAgent = value
	case macField:
		g.MACHeader = value
	case serialField:
		g.SerialNumber = value
	}
}

// The headers that may stand once only, as bits.
const (
	hasTo uint8 = 1 << iota
	hasCallID
	hasCSeq
	hasLength
)

// once notes a header that may stand once only (RFC 3261 section 7.3.1). The
// first one counts.
func (r *reader) once(bit uint8, name string) bool {
	if r.seen&bit != 0 {
		r.fault("%s: repeated", name)
		return false
	}
	r.seen |= bit
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
	i := strings.IndexAny(value, " \t")
	if i < 0 {
		r.fault("CSeq: want a number and a method")
		return
	}
	r.method = strings.TrimSpace(value[i:])
	// RFC 3261 section 8.1.1.5: less than 2^31.
	n, err := strconv.ParseUint(value[:i], 10, 31)
	if err != nil {
		r.fault("CSeq: bad number")
		return
	}
	r.reg.CSeq = uint32(n)
}

func (r *reader) contact(value string) {
	for v := range splitOutside(value, ',') {
		c, instance := ParseContact(v)
		r.reg.Contacts = append(r.reg.Contacts, c)
		if r.reg.Instance == "" {
			r.reg.Instance = instance
		}
	}
}

// via keeps the values of a REGISTER's Via header, and checks the form of all.
func (r *reader) via(value string) {
	for v := range splitOutside(value, ',') {
		if !r.answer {
			r.reg.Via = append(r.reg.Via, v)
		}
		if err := checkVia(v); err != nil {
			r.fault("Via: %w", err)
		}
	}
}

// checkVia checks a value of a Via header (RFC 3261 section 20.42):
// SIP/2.0/UDP host[:port], with white space allowed around slashes and colon.
func checkVia(v string) error {
	v, _, _ = strings.Cut(v, ";")
	name, rest, _ := strings.Cut(v, "/")
	version, rest, _ := strings.Cut(rest, "/")
	if strings.TrimSpace(name) != "SIP" || strings.TrimSpace(version) != "2.0" {
		return fmt.Errorf("not SIP/2.0")
	}
	rest = strings.TrimSpace(rest)
	i := strings.IndexAny(rest, " \t")
	if i < 0 {
		return fmt.Errorf("no host")
	}
	sentBy := strings.TrimSpace(rest[i:])
	if strings.ContainsAny(sentBy, " \t") {
		host, port, _ := strings.Cut(sentBy, ":")
		sentBy = strings.TrimSpace(host) + ":" + strings.TrimSpace(port)
	}
	_, _, err := splitHostPort(sentBy)
	return err
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

// request checks a REGISTER request as a whole.
func (r *reader) request(version string) {
	r.mandatory(version)
	if r.method != "" && r.method != methodRegister {
		r.fault("CSeq: method is not REGISTER")
	}
	if len(r.reg.Via) == 0 {
		r.fault("no Via")
	}
}

// response checks the response to a REGISTER as a whole and returns it.
func (r *reader) response(version string, status int) RegisterResponse {
	r.mandatory(version)
	if status < 100 || status > 699 {
		r.fault("bad status code")
	}
	g := &r.reg
	return RegisterResponse{Status: status, CallID: g.CallID, CSeq: g.CSeq, AOR: g.AOR, Contacts: g.Contacts, Expires: g.Expires}
}

// mandatory checks for what each message must have (RFC 3261 section 8.1.1).
func (r *reader) mandatory(version string) {
	if version != "SIP/2.0" {
		r.fault("version is not SIP/2.0")
	}
	switch {
	case r.seen&hasTo == 0:
		r.fault("no To")
	case r.seen&hasCallID == 0:
		r.fault("no Call-ID")
	case r.seen&hasCSeq == 0:
		r.fault("no CSeq")
	}
}
