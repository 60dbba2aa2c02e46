package discovery

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

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

// Handed is a SIP message that was not heard, but handed over by who forwards it.
type Handed struct {
	Time        time.Time
	Interface   string // by which the configuration tells the site
	Number      int    // of the messages of this interface, from 1
	Transport   string // "udp", "tcp", "tls"
	Source      netip.AddrPort
	Destination netip.AddrPort
	Message     []byte
}

// Handed reads a message that was handed over, as Decode reads a frame.
func (d *Decoder) Handed(h *Handed, emit func(*Observation)) {
	d.out = d.out[:0]
	d.readHanded(h)
	for _, o := range d.out {
		d.stats.observed(o)
		emit(o)
	}
}

func (d *Decoder) readHanded(h *Handed) {
	d.stats.frames[protoSIP]++
	defer func() {
		if v := recover(); v != nil {
			d.caught(&Frame{Time: h.Time, Interface: h.Interface, Number: h.Number, Data: h.Message}, protoSIP, v)
		}
	}()
	o := &Observation{Time: h.Time, Frame: h.Number, Interface: h.Interface, SrcIP: h.Source.Addr(), DstIP: h.Destination.Addr()}
	d.message(h.Message, way{h.Transport, h.Source, h.Destination}, o)
}

// Kept is a sign of life of a phone that registered, handed over like a message.
type Kept struct {
	Time      time.Time
	Interface string
	Number    int // of what came by this interface, from 1
	Transport string
	Source    netip.AddrPort
	AOR       sip.AOR
	Contact   string // with its parameters
	CallID    string
	UserAgent string
}

// Kept reads it.
func (d *Decoder) Kept(k *Kept, emit func(*Observation)) {
	c, instance := sip.ParseContact(k.Contact)
	r := &Register{Transport: k.Transport, Source: k.Source, Register: sip.Register{
		CallID: k.CallID, AOR: k.AOR, Contacts: []sip.Contact{c}, Expires: -1, UserAgent: k.UserAgent, Instance: instance,
	}}
	r.ClaimedMAC = claimedMAC(&r.Register)
	o := &Observation{Time: k.Time, Frame: k.Number, Interface: k.Interface, SrcIP: k.Source.Addr(), Kind: KindKeepAlive, KeepAlive: r}
	d.stats.frames[protoSIP]++
	d.stats.observed(o)
	emit(o)
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
