package proxy

import (
	"encoding/binary"
	"net/netip"
)

// Of STUN (RFC 8489) what keeps a flow alive over UDP: a Binding request to the SIP port
// is answered with the address that it came from (RFC 5626 section 8).
const (
	stunHead       = 20
	stunCookie     = 0x2112a442
	stunBinding    = 0x0001
	stunSuccess    = 0x0101
	stunXORAddress = 0x0020
)

// isSTUN reports whether a datagram is a STUN message: no SIP message begins with two
// zero bits and has the cookie.
func isSTUN(b []byte) bool {
	return len(b) >= stunHead && b[0]&0xc0 == 0 && binary.BigEndian.Uint32(b[4:]) == stunCookie
}

// stun answers one, if its source may be heard.
func (w *worker) stun(in flow, b []byte) {
	if w.admission.admit(sourceOf(in.peer.Addr()), w.now) != admitted {
		w.count.crowded.Add(1)
		return
	}
	if answer := stunAnswer(w.out[:0], b, in.peer); len(answer) > 0 {
		w.send(in, answer)
		w.signOfLife(in)
	}
}

// stunAnswer appends the answer to a Binding request; nothing for any other message,
// nor for one with an attribute that must be understood (RFC 8489 section 6.3.1), which
// no keep-alive has. What is longer than its length is none.
func stunAnswer(dst, b []byte, from netip.AddrPort) []byte {
	if binary.BigEndian.Uint16(b) != stunBinding || int(binary.BigEndian.Uint16(b[2:])) != len(b)-stunHead {
		return dst
	}
	for a := b[stunHead:]; len(a) > 0; {
		if len(a) < 4 || binary.BigEndian.Uint16(a) < 0x8000 {
			return dst
		}
		n := 4 + (int(binary.BigEndian.Uint16(a[2:]))+3)&^3
		if n > len(a) {
			return dst
		}
		a = a[n:]
	}
	ip, family := from.Addr().AsSlice(), byte(1)
	if from.Addr().Is6() {
		family = 2
	}
	dst = binary.BigEndian.AppendUint16(dst, stunSuccess)
	dst = binary.BigEndian.AppendUint16(dst, uint16(8+len(ip)))
	dst = append(dst, b[4:stunHead]...) // cookie and transaction
	dst = binary.BigEndian.AppendUint16(dst, stunXORAddress)
	dst = binary.BigEndian.AppendUint16(dst, uint16(4+len(ip)))
	dst = append(dst, 0, family)
	dst = binary.BigEndian.AppendUint16(dst, from.Port()^uint16(stunCookie>>16))
	for i, x := range ip { // section 14.2: with the cookie, and in IPv6 the transaction behind it
		dst = append(dst, x^b[4+i])
	}
	return dst
}
