package discovery

import (
	"errors"
	"fmt"
	"net/netip"

	"perch/sip"
)

// messages reads the SIP messages of a datagram: usually one. Another follows
// only where a Content-Length says that the one before has ended.
func (d *Decoder) messages(b []byte, envelope *Observation) {
	w := way{
		transport: "udp",
		src:       netip.AddrPortFrom(envelope.SrcIP, uint16(d.udp.SrcPort)),
		dst:       netip.AddrPortFrom(envelope.DstIP, uint16(d.udp.DstPort)),
	}
	for len(b) > 0 {
		b = b[d.message(b, w, envelope):]
	}
}

// way is how a message travelled.
type way struct {
	transport string
	src, dst  netip.AddrPort
}

// message reads the first SIP message of b and returns where the next may begin.
// The envelope is what is the same for all of them; it becomes the observation of
// the last. What is not about a REGISTER leaves none.
func (d *Decoder) message(b []byte, w way, envelope *Observation) (n int) {
	m, n, err := d.sip.Parse(b)
	if errors.Is(err, sip.ErrNotSIP) {
		return len(b)
	}
	o := envelope
	if n < len(b) {
		o = new(*envelope)
	}
	if err != nil {
		o.fault(fmt.Errorf("sip: %w", err))
	}
	switch {
	case m.Register != nil:
		o.Kind = KindRegister
		o.Register = &Register{Transport: w.transport, Source: w.src, Destination: w.dst, Register: *m.Register, octets: n}
		o.Register.ClaimedMAC = claimedMAC(m.Register)
	case m.Response != nil:
		o.Kind = KindRegisterResponse
		o.Response = &RegisterResponse{Source: w.src, Destination: w.dst, RegisterResponse: *m.Response}
	default:
		return n
	}
	d.add(o)
	return n
}
