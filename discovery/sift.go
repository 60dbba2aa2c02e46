package discovery

import (
	"bytes"
	"encoding/binary"
)

// Link types of the pcap file header (draft-ietf-opsawg-pcaplinktype).
const (
	linkNull     = 0   // BSD loopback: address family in the byte order of the capturing host
	linkEthernet = 1   //
	linkRawBSD   = 12  // raw IP
	linkRaw      = 101 // raw IP
	linkLoop     = 108 // OpenBSD loopback: address family in network byte order
	linkSLL      = 113 // Linux cooked v1
	linkIPv4     = 228 // raw IPv4
	linkIPv6     = 229 // raw IPv6
	linkSLL2     = 276 // Linux cooked v2
)

// Ethertypes, and the lengths of IEEE 802.3 frames that stand in their place.
const (
	etherIPv4   = 0x0800
	etherARP    = 0x0806
	etherVLAN   = 0x8100 // IEEE 802.1Q
	etherQinQ   = 0x88a8 // IEEE 802.1ad
	etherQinQ91 = 0x9100 // 802.1ad before it was a standard
	etherQinQ92 = 0x9200
	etherIPv6   = 0x86dd
	etherLLDP   = 0x88cc
	etherMin    = 0x0600 // below, an IEEE 802.2 frame follows
)

const (
	ipTCP      = 6
	ipUDP      = 17
	ipICMP6    = 58
	tcpHeader  = 20 // bytes, without options
	udpHeader  = 8  // bytes
	snapHeader = 8  // bytes: DSAP, SSAP, control, OUI, protocol
)

// proto is what a first look takes a frame for.
type proto uint8

const (
	protoNone proto = iota // not ours: most frames
	protoARP
	protoLLDP
	protoCDP
	protoDHCP
	protoSIP
	protoDHCP6
	protoND
	protoSegment  // TCP on a port of SIP
	protoFragment // a part of a UDP datagram
	protos        = iota
)

var protoNames = [protos]string{
	protoARP: "arp", protoLLDP: "lldp", protoCDP: "cdp", protoDHCP: "dhcp", protoDHCP6: "dhcpv6", protoND: "nd",
	protoSIP: "sip over udp", protoSegment: "sip over tcp", protoFragment: "udp fragment",
}

var register = []byte("REGISTER")

// maxTags is how many VLAN tags are followed; networks use two.
const maxTags = 4

// sift takes a first look at a frame and returns what it holds and where that
// begins: the ARP, LLDP or IEEE 802.2 header, or the IP header of the others.
// It allocates nothing, since most frames of a trunk are not ours.
func (d *Decoder) sift(linkType uint16, b []byte) (p proto, off int) {
	typ, off := etherType(linkType, b)
	if off < 0 {
		return protoNone, 0
	}
	for n := 0; typ == etherVLAN || typ == etherQinQ || typ == etherQinQ91 || typ == etherQinQ92; n++ {
		if n == maxTags || len(b) < off+4 {
			return protoNone, 0
		}
		typ = binary.BigEndian.Uint16(b[off+2:])
		off += 4
	}
	switch b = b[off:]; {
	case typ == etherIPv4:
		return d.siftIPv4(b), off
	case typ == etherIPv6:
		return d.siftIPv6(b), off
	case typ == etherARP:
		return protoARP, off
	case typ == etherLLDP:
		return protoLLDP, off
	case typ < etherMin && isCDP(b):
		return protoCDP, off
	}
	return protoNone, 0
}

// etherType returns the ethertype of a frame, or what stands for it, and where
// its payload begins: at the first VLAN tag, if any. The offset is -1 if the
// frame is too short or the link type is not known.
func etherType(linkType uint16, b []byte) (typ uint16, off int) {
	off = linkLength(linkType)
	if off < 0 || len(b) <= off {
		return 0, -1
	}
	switch linkType {
	case linkEthernet:
		return binary.BigEndian.Uint16(b[12:]), off
	case linkSLL:
		return binary.BigEndian.Uint16(b[14:]), off
	case linkSLL2:
		return binary.BigEndian.Uint16(b), off
	case linkNull, linkLoop:
		// The family says little: its byte order and its value for IPv6 are
		// those of the capturing system. It must only be small.
		if b[0]|b[1]|b[2] != 0 && b[1]|b[2]|b[3] != 0 {
			return 0, -1
		}
	}
	switch b[off] >> 4 {
	case 4:
		return etherIPv4, off
	case 6:
		return etherIPv6, off
	}
	return 0, -1
}

// linkLength returns the length of the link header, or -1 for a link type that
// is not known.
func linkLength(linkType uint16) int {
	switch linkType {
	case linkEthernet:
		return 14
	case linkSLL:
		return 16
	case linkSLL2:
		return 20
	case linkNull, linkLoop:
		return 4
	case linkRaw, linkRawBSD, linkIPv4, linkIPv6:
		return 0
	}
	return -1
}

// siftIPv4 looks for UDP and TCP in an IPv4 packet (RFC 791). TCP makes segments
// small enough not to be fragmented; fragments of it are not read.
func (d *Decoder) siftIPv4(b []byte) proto {
	if len(b) < 20 || b[9] != ipUDP && b[9] != ipTCP || b[0]>>4 != 4 {
		return protoNone
	}
	n := int(b[0]&15) * 4
	if n < 20 || len(b) < n {
		return protoNone
	}
	part := binary.BigEndian.Uint16(b[6:]) & 0x3fff // more fragments, or behind others
	switch {
	case part != 0 && b[9] == ipUDP:
		return protoFragment
	case part != 0:
		return protoNone
	case b[9] == ipTCP:
		return d.siftTCP(b[n:])
	}
	return d.siftUDP(b[n:], true)
}

// siftIPv6 looks for UDP, TCP and Neighbor Discovery in an IPv6 packet (RFC 8200),
// usually right behind its header.
func (d *Decoder) siftIPv6(b []byte) proto {
	if len(b) < ip6Header || b[0]>>4 != 6 {
		return protoNone
	}
	next, at := b[6], ip6Header
	if isExtension(next) {
		x, ok := walkIPv6(b)
		if !ok {
			return protoNone
		}
		if x.fragment {
			if x.next != ipUDP {
				return protoNone
			}
			return protoFragment
		}
		next, at = x.next, x.at
	}
	switch next {
	case ipUDP:
		return d.siftUDP(b[at:], false)
	case ipTCP:
		return d.siftTCP(b[at:])
	case ipICMP6:
		if len(b) > at && isND(b[at]) {
			return protoND
		}
	}
	return protoNone
}

// siftTCP tells SIP by its ports. What segments hold shows in their streams only.
func (d *Decoder) siftTCP(b []byte) proto {
	if len(b) >= tcpHeader && d.isSIP(binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])) {
		return protoSegment
	}
	return protoNone
}

// isSIP reports whether one of two ports is for SIP.
func (d *Decoder) isSIP(src, dst uint16) bool {
	for _, port := range d.sipPorts {
		if src == port || dst == port {
			return true
		}
	}
	return false
}

// siftUDP tells DHCP and SIP by their ports. Of SIP only messages that name
// the method REGISTER are ours; keep-alives and calls are not.
func (d *Decoder) siftUDP(b []byte, ip4 bool) proto {
	if len(b) < udpHeader {
		return protoNone
	}
	src, dst := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if ip4 && (isDHCPPort(src) || isDHCPPort(dst)) {
		return protoDHCP
	}
	if !ip4 && (isDHCP6Port(src) || isDHCP6Port(dst)) {
		return protoDHCP6
	}
	if d.isSIP(src, dst) && bytes.Contains(b[udpHeader:], register) {
		return protoSIP
	}
	return protoNone
}

// isDHCPPort reports whether a port is a server's or a client's (RFC 2131
// section 4.1).
func isDHCPPort(p uint16) bool { return p == 67 || p == 68 }

// isDHCP6Port reports whether a port is a client's or a server's (RFC 8415
// section 7.2).
func isDHCP6Port(p uint16) bool { return p == 546 || p == 547 }

// isCDP reports whether an IEEE 802.2 frame is SNAP with Cisco's OUI and the
// protocol CDP.
func isCDP(b []byte) bool {
	return len(b) >= snapHeader && string(b[:snapHeader]) == "\xaa\xaa\x03\x00\x00\x0c\x20\x00"
}
