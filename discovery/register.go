package discovery

import (
	"errors"
	"fmt"
	"net/netip"

	"perch/sip"
)

// messages reads the SIP messages of a datagram: usually one. Another follows
// only where a Content-Length says that the one before has ended. The envelope
// is what is the same for all of them.
func (d *Decoder) messages(b []byte, envelope *Observation, emit func(*Observation)) {
	src := netip.AddrPortFrom(envelope.SrcIP, uint16(d.udp.SrcPort))
	dst := netip.AddrPortFrom(envelope.DstIP, uint16(d.udp.DstPort))
	for len(b) > 0 {
		m, n, err := d.sip.Parse(b)
		if errors.Is(err, sip.ErrNotSIP) {
			return
		}
		b = b[n:]
		o := envelope
		if len(b) > 0 {
			o = new(*envelope)
		}
		if err != nil {
			o.fault(fmt.Errorf("sip: %w", err))
		}
		switch {
		case m.Register != nil:
			o.Kind = KindRegister
			o.Register = &Register{Transport: "udp", Source: src, Destination: dst, Register: *m.Register}
			o.Register.ClaimedMAC = claimedMAC(m.Register)
		case m.Response != nil:
			o.Kind = KindRegisterResponse
			o.Response = &RegisterResponse{Source: src, Destination: dst, RegisterResponse: *m.Response}
		default:
			continue
		}
		emit(o)
	}
}
