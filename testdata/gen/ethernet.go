package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
)

// mac is an EUI-48 address, written "00:04:13:aa:00:01".
type mac [6]byte

var (
	broadcast = hw("ff:ff:ff:ff:ff:ff")
	toLLDP    = hw("01:80:c2:00:00:0e") // nearest bridge, IEEE 802.1AB §7.1
	toCDP     = hw("01:00:0c:cc:cc:cc")
)

func hw(s string) mac {
	b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(b) != 6 {
		panic(fmt.Sprintf("timeline: %q is no MAC", s)) // a typing error in a case
	}
	return mac(b)
}

// plain is the MAC without colons, as User-Agents and host names carry it.
func (m mac) plain() string { return hex.EncodeToString(m[:]) }

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

const (
	typeIPv4 = 0x0800
	typeARP  = 0x0806
	typeVLAN = 0x8100
	typeLLDP = 0x88cc
)

// ethernet composes an Ethernet II frame, with an 802.1Q tag unless vlan is 0.
func ethernet(dst, src mac, vlan int, etherType uint16, payload []byte) []byte {
	b := append(dst[:], src[:]...)
	if vlan != 0 {
		b = binary.BigEndian.AppendUint16(b, typeVLAN)
		b = binary.BigEndian.AppendUint16(b, uint16(vlan))
	}
	b = binary.BigEndian.AppendUint16(b, etherType)
	return append(b, payload...)
}

// arp composes an ARP packet for IPv4 over Ethernet (RFC 826); op 1 asks, 2 answers.
func arp(op uint16, sender mac, senderIP netip.Addr, target mac, targetIP netip.Addr) []byte {
	b := []byte{0, 1, 8, 0, 6, 4}
	b = binary.BigEndian.AppendUint16(b, op)
	b = append(append(b, sender[:]...), senderIP.AsSlice()...)
	return append(append(b, target[:]...), targetIP.AsSlice()...)
}

// udp composes an IP packet with a UDP datagram in it (RFC 791, RFC 8200, RFC 768).
func udp(src, dst netip.AddrPort, payload []byte) []byte {
	if src.Addr().Is6() {
		return udp6(src, dst, payload)
	}
	size := 8 + len(payload)
	d := binary.BigEndian.AppendUint16(nil, src.Port())
	d = binary.BigEndian.AppendUint16(d, dst.Port())
	d = binary.BigEndian.AppendUint16(d, uint16(size))
	d = append(append(d, 0, 0), payload...)
	sum := transportSum(src, dst, 17, d)
	if sum == 0 {
		sum = 0xffff // RFC 768: zero means that none was computed
	}
	binary.BigEndian.PutUint16(d[6:], sum)
	return ipv4(src, dst, 17, d)
}

// transportSum is the checksum of a datagram or segment with its pseudo header.
func transportSum(src, dst netip.AddrPort, protocol byte, d []byte) uint16 {
	pseudo := append(src.Addr().AsSlice(), dst.Addr().AsSlice()...)
	pseudo = append(pseudo, 0, protocol, byte(len(d)>>8), byte(len(d)))
	return checksum(append(pseudo, d...))
}

// ipv4 composes an IPv4 packet.
func ipv4(src, dst netip.AddrPort, protocol byte, payload []byte) []byte {
	h := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0} // don't fragment, TTL 64
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(payload)))
	h = append(append(h, src.Addr().AsSlice()...), dst.Addr().AsSlice()...)
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	return append(h, payload...)
}

// mtu is Ethernet's.
const mtu = 1500

// fragments cuts an IPv4 packet that is longer than the MTU (RFC 791 §2.3).
func fragments(packet []byte, id int) [][]byte {
	if len(packet) <= mtu {
		return [][]byte{packet}
	}
	var out [][]byte
	const size = (mtu - 20) / 8 * 8
	for at := 20; at < len(packet); at += size {
		part := packet[at:min(at+size, len(packet))]
		p := append(append([]byte{}, packet[:20]...), part...)
		field := (at - 20) / 8
		if at+size < len(packet) {
			field |= 0x2000
		}
		binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
		binary.BigEndian.PutUint16(p[4:], uint16(id))
		binary.BigEndian.PutUint16(p[6:], uint16(field))
		binary.BigEndian.PutUint16(p[10:], 0)
		binary.BigEndian.PutUint16(p[10:], checksum(p[:20]))
		out = append(out, p)
	}
	return out
}

// checksum is the Internet checksum (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
