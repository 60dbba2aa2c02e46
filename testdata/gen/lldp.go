package main

import (
	"encoding/binary"
	"net/netip"
)

// System capabilities (IEEE 802.1AB §8.5.8).
const (
	capBridge    = 1 << 2
	capRouter    = 1 << 4
	capTelephone = 1 << 5
)

// An announcement is what an LLDPDU says.
type announcement struct {
	chassis      []byte // subtype first
	port         []byte // subtype first
	ttl          uint16 // seconds
	portText     string
	name, text   string // the system's
	capabilities uint16 // supported and enabled
	management   netip.Addr
	medClass     byte // 0: no LLDP-MED; 3: endpoint, 4: network connectivity device
	voiceVLAN    int
	maker, model string
}

// bytes composes the LLDPDU (IEEE 802.1AB §8; LLDP-MED: ANSI/TIA-1057 §10.2).
func (a announcement) bytes() []byte {
	b := tlv(nil, 1, a.chassis)
	b = tlv(b, 2, a.port)
	b = tlv(b, 3, binary.BigEndian.AppendUint16(nil, a.ttl))
	b = tlvText(b, 4, a.portText)
	b = tlvText(b, 5, a.name)
	b = tlvText(b, 6, a.text)
	caps := binary.BigEndian.AppendUint16(nil, a.capabilities)
	b = tlv(b, 7, binary.BigEndian.AppendUint16(caps, a.capabilities))
	if a.management.IsValid() {
		m := append([]byte{5, 1}, a.management.AsSlice()...)
		b = tlv(b, 8, append(m, 2, 0, 0, 0, 1, 0)) // ifIndex 1, no OID
	}
	if a.medClass != 0 {
		b = tlv(b, 127, med(1, []byte{0, 0x33, a.medClass})) // capabilities, policy, PD, inventory
		if a.voiceVLAN != 0 {
			// Voice, tagged, priority 5, DSCP 46.
			v := uint32(1)<<24 | 1<<22 | uint32(a.voiceVLAN)<<9 | 5<<6 | 46
			b = tlv(b, 127, med(2, binary.BigEndian.AppendUint32(nil, v)))
		}
		if a.model != "" {
			b = tlv(b, 127, med(9, []byte(a.maker)))
			b = tlv(b, 127, med(10, []byte(a.model)))
		}
	}
	return tlv(b, 0, nil)
}

// signOff composes a shutdown LLDPDU: no TTL, and nothing but what must be.
func (a announcement) signOff() []byte {
	b := tlv(nil, 1, a.chassis)
	b = tlv(b, 2, a.port)
	return tlv(tlv(b, 3, []byte{0, 0}), 0, nil)
}

func tlv(b []byte, kind int, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(kind)<<9|uint16(len(value)))
	return append(b, value...)
}

func tlvText(b []byte, kind int, text string) []byte {
	if text == "" {
		return b
	}
	return tlv(b, kind, []byte(text))
}

// med composes an organisationally specific value of TIA TR-41.
func med(subtype byte, value []byte) []byte {
	return append([]byte{0x00, 0x12, 0xbb, subtype}, value...)
}

// subtype puts a subtype before an identifier: chassis 4 MAC, 5 address; port 3 MAC, 5 interface name, 7 local.
func subtype(n byte, id ...byte) []byte { return append([]byte{n}, id...) }

// subtypeIPv4 is a network address: the IANA address family comes first.
func subtypeIPv4(n byte, a netip.Addr) []byte {
	if !a.IsValid() {
		a = netip.IPv4Unspecified()
	}
	return append([]byte{n, 1}, a.AsSlice()...)
}
