package main

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

const (
	typeIPv4 = 0x0800
	typeARP  = 0x0806
	typeVLAN = 0x8100
	typeLLDP = 0x88cc

	protoTCP = 6
	protoUDP = 17
)

// route is how a packet travels between a phone and what is behind the router.
type route struct {
	srcMAC, dstMAC mac
	vlan           int // 0 is untagged
	src, dst       netip.Addr
	srcPort        uint16
	dstPort        uint16
}

// toServer is the way from a phone to a server; the ports are the caller's.
func toServer(p int, server netip.Addr) route {
	return route{srcMAC: phoneMAC(p), dstMAC: routerMAC, vlan: vlanOf(p), src: addressOf(p), dst: server}
}

// reply is the way back.
func (r route) reply() route {
	return route{r.dstMAC, r.srcMAC, r.vlan, r.dst, r.src, r.dstPort, r.srcPort}
}

// appendEthernet appends an Ethernet II header, with an IEEE 802.1Q tag unless
// vlan is 0.
func appendEthernet(b []byte, dst, src mac, vlan int, etherType uint16) []byte {
	b = appendMAC(appendMAC(b, dst), src)
	if vlan != 0 {
		b = be.AppendUint16(be.AppendUint16(b, typeVLAN), uint16(vlan))
	}
	return be.AppendUint16(b, etherType)
}

// appendIPv4 appends an IPv4 header (RFC 791) for a payload of n octets, and
// returns the checksum's start value for that payload: the pseudo header's sum.
func appendIPv4(b []byte, proto byte, src, dst netip.Addr, n int) ([]byte, uint64) {
	at := len(b)
	b = append(b, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, proto, 0, 0) // don't fragment, TTL 64
	b = appendIP4(appendIP4(b, src), dst)
	be.PutUint16(b[at+2:], uint16(20+n))
	be.PutUint16(b[at+10:], fold(sum(0, b[at:])))
	return b, sum(uint64(proto)+uint64(n), b[at+12:])
}

// appendUDP appends a frame with a datagram (RFC 768) of the given payload.
func appendUDP(b []byte, r route, payload []byte) []byte {
	n := 8 + len(payload)
	b = appendEthernet(b, r.dstMAC, r.srcMAC, r.vlan, typeIPv4)
	b, pseudo := appendIPv4(b, protoUDP, r.src, r.dst, n)
	at := len(b)
	b = be.AppendUint16(be.AppendUint16(b, r.srcPort), r.dstPort)
	b = be.AppendUint16(be.AppendUint16(b, uint16(n)), 0)
	b = append(b, payload...)
	c := fold(sum(pseudo, b[at:]))
	if c == 0 {
		c = 0xffff // RFC 768: zero would mean that none was computed
	}
	be.PutUint16(b[at+6:], c)
	return b
}

// appendTCP appends a frame with a segment (RFC 9293) of the given payload,
// whose own sum is known.
func appendTCP(b []byte, r route, seq uint32, payload []byte, payloadSum uint64) []byte {
	b = appendEthernet(b, r.dstMAC, r.srcMAC, r.vlan, typeIPv4)
	b, pseudo := appendIPv4(b, protoTCP, r.src, r.dst, 20+len(payload))
	at := len(b)
	b = be.AppendUint16(be.AppendUint16(b, r.srcPort), r.dstPort)
	b = be.AppendUint32(be.AppendUint32(b, seq), 1)
	b = append(b, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0) // 20 octets of header, ACK, full window
	be.PutUint16(b[at+16:], fold(add(sum(pseudo, b[at:]), payloadSum)))
	return append(b, payload...)
}

// sum adds the 16-bit words of b to s in one's complement (RFC 1071); an odd
// octet at the end counts as the upper half of a word. The sum is kept in 64
// bits, since carries may be folded in at any width.
func sum(s uint64, b []byte) uint64 {
	for ; len(b) >= 8; b = b[8:] {
		s = add(s, binary.BigEndian.Uint64(b))
	}
	var rest [8]byte
	copy(rest[:], b)
	return add(s, binary.BigEndian.Uint64(rest[:]))
}

func add(a, b uint64) uint64 {
	s, carry := bits.Add64(a, b, 0)
	return s + carry
}

// fold returns the checksum of a sum.
func fold(s uint64) uint16 {
	s = s>>32 + s&0xffffffff
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}
