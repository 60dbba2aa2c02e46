package main

import (
	"fmt"
	"net/netip"
	"strings"
)

// A register is a REGISTER and what its responses repeat (RFC 3261 §10).
type register struct {
	aor      string // sip:101@example.com
	local    netip.AddrPort
	callID   string
	cseq     int
	expires  int // seconds; 0 removes the Contact
	agent    string
	instance string         // urn:uuid:..., or none
	nonce    string         // set once challenged
	received netip.AddrPort // where the registrar saw it come from, if not local
	former   netip.AddrPort // an older Contact to remove, if any
	query    bool           // no Contact: a question (RFC 3261 §10.2.3)
	tcp      bool
	padding  int    // bytes of headers that nobody needs, in front of the Contact
	tail     int    // and behind it
	edge     *proxy // through which the registrar is reached, if any
}

// protocol is the transport's name in a Via.
func (r register) protocol() string {
	if r.tcp {
		return "TCP"
	}
	return "UDP"
}

// domain is the AOR's host, the Request-URI of its REGISTER.
func (r register) domain() string { return r.aor[strings.Index(r.aor, "@")+1:] }

// user is the AOR's user part.
func (r register) user() string {
	return strings.TrimPrefix(r.aor[:strings.Index(r.aor, "@")], "sip:")
}

func (r register) contact() string {
	c := fmt.Sprintf("<sip:%s@%s>", r.user(), r.local)
	if r.tcp {
		c = fmt.Sprintf("<sip:%s@%s;transport=tcp>", r.user(), r.local)
	}
	if r.instance != "" {
		c += fmt.Sprintf(";reg-id=1;+sip.instance=\"<%s>\"", r.instance)
	}
	return c
}

// branch is the transaction's: a token, so it takes no @ from the Call-ID.
func (r register) branch() string { return fmt.Sprintf("z9hG4bK%s%d", tag(r.callID), r.cseq) }

// request composes the REGISTER.
func (r register) request() []byte {
	lines := []string{
		"REGISTER sip:" + r.domain() + " SIP/2.0",
		fmt.Sprintf("Via: SIP/2.0/%s %s;branch=%s;rport", r.protocol(), r.local, r.branch()),
		"Max-Forwards: 70",
		fmt.Sprintf("From: <%s>;tag=%s", r.aor, tag(r.callID)),
		fmt.Sprintf("To: <%s>", r.aor),
		"Call-ID: " + r.callID,
		fmt.Sprintf("CSeq: %d REGISTER", r.cseq),
	}
	if r.edge != nil {
		lines = r.edge.forward(r, lines)
	}
	lines = append(lines, padding(r.padding)...)
	if r.former.IsValid() {
		lines = append(lines, fmt.Sprintf("Contact: <sip:%s@%s>;expires=0", r.user(), r.former))
	}
	if !r.query {
		lines = append(lines, "Contact: "+r.contact(), fmt.Sprintf("Expires: %d", r.expires))
	}
	lines = append(append(lines, "User-Agent: "+r.agent), padding(r.tail)...)
	if r.nonce != "" {
		lines = append(lines, fmt.Sprintf(`Authorization: Digest username="%s", realm="%s", nonce="%s", uri="sip:%s", response="%s", algorithm=MD5`,
			r.user(), r.domain(), r.nonce, r.domain(), strings.Repeat("0a1b2c3d", 4)))
	}
	return message(lines)
}

// padding is n bytes of headers that nobody needs.
func padding(n int) []string {
	if n == 0 {
		return nil
	}
	return []string{"X-Padding: " + strings.Repeat("perch ", n/6)}
}

// response composes the registrar's answer: 200 lists the binding, 401 challenges.
func (r register) response(status int, reason string) []byte {
	via := fmt.Sprintf("Via: SIP/2.0/%s %s;branch=%s;rport", r.protocol(), r.local, r.branch())
	if r.received.IsValid() {
		via += fmt.Sprintf("=%d;received=%s", r.received.Port(), r.received.Addr())
	}
	lines := []string{
		fmt.Sprintf("SIP/2.0 %d %s", status, reason),
		via,
		fmt.Sprintf("From: <%s>;tag=%s", r.aor, tag(r.callID)),
		fmt.Sprintf("To: <%s>;tag=pbx-%s-%d", r.aor, tag(r.callID), r.cseq),
		"Call-ID: " + r.callID,
		fmt.Sprintf("CSeq: %d REGISTER", r.cseq),
	}
	switch {
	case status == 401:
		lines = append(lines, fmt.Sprintf(`WWW-Authenticate: Digest realm="%s", nonce="%s", algorithm=MD5`, r.domain(), "5e1f"+tag(r.callID)))
	case status == 200 && r.expires > 0:
		lines = append(lines, fmt.Sprintf("Contact: %s;expires=%d", r.contact(), r.expires))
	}
	return message(lines)
}

// tag derives a From tag from the Call-ID, so that bytes never vary.
func tag(callID string) string {
	sum := checksum([]byte(callID))
	return fmt.Sprintf("%04x%04x", sum, sum^0x5a5a)
}

func message(lines []string) []byte {
	return []byte(strings.Join(lines, "\r\n") + "\r\nContent-Length: 0\r\n\r\n")
}

// A proxy stands between phones and their registrar (RFC 3261 §16).
type proxy struct {
	addr netip.AddrPort
	path bool // it wants the calls, too (RFC 3327)
}

// forward is what the proxy does to a request: its own Via on top, received and
// rport in the phone's (RFC 3581 §4), and its Path.
func (p *proxy) forward(r register, lines []string) []string {
	lines[1] += fmt.Sprintf("=%d;received=%s", r.received.Port(), r.received.Addr())
	out := append([]string{lines[0], fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=%sp", p.addr, r.branch())}, lines[1:]...)
	if p.path {
		out = append(out, fmt.Sprintf("Path: <sip:%s;lr>", p.addr))
	}
	return out
}
