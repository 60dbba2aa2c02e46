package main

import (
	"encoding/binary"
	"net/netip"
)

// A cdpMessage is what a CDPv2 announcement says.
type cdpMessage struct {
	device, port       string
	capabilities       uint32 // router 0x01, switch 0x08, IGMP 0x20, phone 0x80
	software, platform string
	address            netip.Addr
	nativeVLAN         int
	voiceVLAN          int
}

// frame composes the message in an 802.3 frame: LLC, SNAP with Cisco's OUI, type 0x2000.
func (m cdpMessage) frame(src mac) []byte {
	b := []byte{2, 180, 0, 0} // version, TTL in seconds, checksum
	b = cdpTLV(b, 1, []byte(m.device))
	if m.address.IsValid() {
		v := []byte{0, 0, 0, 1, 1, 1, 0xcc, 0, 4} // one address, NLPID, IP
		b = cdpTLV(b, 2, append(v, m.address.AsSlice()...))
	}
	b = cdpTLV(b, 3, []byte(m.port))
	b = cdpTLV(b, 4, binary.BigEndian.AppendUint32(nil, m.capabilities))
	b = cdpTLV(b, 5, []byte(m.software))
	b = cdpTLV(b, 6, []byte(m.platform))
	if m.nativeVLAN != 0 {
		b = cdpTLV(b, 10, binary.BigEndian.AppendUint16(nil, uint16(m.nativeVLAN)))
	}
	if m.voiceVLAN != 0 {
		b = cdpTLV(b, 14, []byte{1, byte(m.voiceVLAN >> 8), byte(m.voiceVLAN)})
	}
	binary.BigEndian.PutUint16(b[2:], cdpChecksum(b))

	llc := []byte{0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x20, 0x00}
	f := append(toCDP[:], src[:]...)
	f = binary.BigEndian.AppendUint16(f, uint16(len(llc)+len(b)))
	return append(append(f, llc...), b...)
}

func cdpTLV(b []byte, kind uint16, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)+4))
	return append(b, value...)
}

// cdpChecksum is the Internet checksum, but an odd last byte counts as the low half of its word.
func cdpChecksum(b []byte) uint16 {
	if len(b)%2 == 1 {
		last := b[len(b)-1]
		b = append(append([]byte(nil), b[:len(b)-1]...), 0, last)
	}
	return checksum(b)
}
