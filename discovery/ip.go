package discovery

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/gopacket"
)

// IPv6 extension headers that are walked over (RFC 8200 section 4).
const (
	ip6Header      = 40 // bytes
	ip6HopByHop    = 0
	ip6Routing     = 43
	ip6Fragment    = 44
	ip6Destination = 60
)

// maxExtensions bounds the walk. RFC 8200 section 4.1 knows each header once, but
// for the destination options, which may stand twice.
const maxExtensions = 8

// isExtension reports whether another header stands in front of the transport's.
func isExtension(next uint8) bool {
	return next == ip6HopByHop || next == ip6Routing || next == ip6Fragment || next == ip6Destination
}

// extended is what stands behind the extension headers of an IPv6 packet.
type extended struct {
	next     uint8 // its protocol
	at       int   // where it begins
	fragment bool  // it is a part of something
	id       uint32
	offset   int // within that, in bytes
	more     bool
}

// walkIPv6 walks over the extension headers of a packet whose fixed header is
// whole. Behind a fragment header that stands for a real fragment nothing is
// looked at, since it may be in another fragment; one that stands for the whole
// (RFC 6946) is passed over. It is false for what is cut or has too many headers.
func walkIPv6(b []byte) (x extended, ok bool) {
	x.next, x.at = b[6], ip6Header
	for range maxExtensions {
		if !isExtension(x.next) {
			return x, true
		}
		if len(b) < x.at+8 {
			return x, false
		}
		h := b[x.at:]
		if x.next == ip6Fragment { // RFC 8200 section 4.5
			part := binary.BigEndian.Uint16(h[2:])
			x.next, x.at = h[0], x.at+8
			if part&^6 != 0 {
				x.fragment, x.id, x.offset, x.more = true, binary.BigEndian.Uint32(h[4:]), int(part&^7), part&1 != 0
				return x, true
			}
			continue
		}
		n := 8 * (1 + int(h[1]))
		if len(b) < x.at+n {
			return x, false
		}
		x.next, x.at = h[0], x.at+n
	}
	return x, false
}

// header is what of an IP packet matters to what it carries.
type header struct {
	ip4      bool
	src, dst netip.Addr
	payload  []byte // UDP or TCP, as far as it was captured
	length   int    // of the payload on the wire

	id     uint32 // of the datagram that the payload is a part of
	offset int    // where in it the payload stands, in bytes
	more   bool   // others stand behind it
}

// header reads an IP header, and those of IPv6 extensions: gopacket counts the
// length of one of these twice. It is false for what is no packet.
func (d *Decoder) header(b []byte) (h header, ok bool) {
	if b[0]>>4 == 4 {
		if d.ip4.DecodeFromBytes(b, gopacket.NilDecodeFeedback) != nil {
			return h, false
		}
		h.src, h.dst = ipAddr(d.ip4.SrcIP), ipAddr(d.ip4.DstIP)
		h.payload, h.length = d.ip4.Payload, int(d.ip4.Length)-int(d.ip4.IHL)*4
		part := binary.BigEndian.Uint16(b[6:])
		h.ip4 = true
		h.id, h.offset, h.more = uint32(d.ip4.Id), int(part&0x1fff)*8, part&0x2000 != 0
		return h, true
	}
	x, ok := walkIPv6(b)
	if !ok {
		return h, false
	}
	h.src, h.dst = ipAddr(b[8:24]), ipAddr(b[24:40])
	h.payload, h.length = b[x.at:], int(binary.BigEndian.Uint16(b[4:]))-(x.at-ip6Header)
	if b[4]|b[5] == 0 { // handed to the card in one piece, as jumbograms are (RFC 2675)
		h.length = len(h.payload)
	}
	if h.length < 0 {
		return h, false
	}
	h.payload = h.payload[:min(h.length, len(h.payload))]
	h.id, h.offset, h.more = x.id, x.offset, x.more
	return h, true
}
