package main

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// DHCP message types (RFC 2132 §9.6).
const (
	dhcpDiscover = 1
	dhcpOffer    = 2
	dhcpRequest  = 3
	dhcpACK      = 5
	dhcpNAK      = 6
	dhcpRelease  = 7
	dhcpInform   = 8
)

// A dhcpMessage is what the timelines need of a DHCPv4 message (RFC 2131 §2).
type dhcpMessage struct {
	kind        byte
	xid         uint32
	chaddr      mac
	ciaddr      netip.Addr
	yiaddr      netip.Addr
	giaddr      netip.Addr
	requested   netip.Addr // option 50
	server      netip.Addr // option 54
	mask        int        // option 1, in bits
	router      netip.Addr // option 3
	lease       time.Duration
	hostname    string
	vendorClass string
	agent       circuit // option 82
}

// bytes composes the message, options in ascending order with 82 last before the end (RFC 3046 §2.1).
func (m dhcpMessage) bytes() []byte {
	op := byte(1)
	if m.kind == dhcpOffer || m.kind == dhcpACK || m.kind == dhcpNAK {
		op = 2
	}
	b := make([]byte, 236)
	b[0], b[1], b[2] = op, 1, 6
	if m.giaddr.IsValid() {
		b[3] = 1 // hops
	}
	binary.BigEndian.PutUint32(b[4:], m.xid)
	for i, a := range []netip.Addr{m.ciaddr, m.yiaddr, {}, m.giaddr} {
		if a.IsValid() {
			copy(b[12+4*i:], a.AsSlice())
		}
	}
	copy(b[28:], m.chaddr[:])
	b = append(b, 0x63, 0x82, 0x53, 0x63) // magic cookie
	if m.mask > 0 {
		b = option(b, 1, binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-m.mask)))
	}
	b = optionIP(b, 3, m.router)
	b = option(b, 12, []byte(m.hostname))
	b = optionIP(b, 50, m.requested)
	if m.lease > 0 {
		b = option(b, 51, binary.BigEndian.AppendUint32(nil, uint32(m.lease/time.Second)))
	}
	b = option(b, 53, []byte{m.kind})
	b = optionIP(b, 54, m.server)
	if op == 1 && m.kind != dhcpRelease {
		b = option(b, 55, []byte{1, 3, 6, 15, 42, 66, 160})
	}
	b = option(b, 60, []byte(m.vendorClass))
	b = option(b, 82, m.agent.option())
	return append(b, 255)
}

func option(b []byte, code byte, value []byte) []byte {
	if len(value) == 0 {
		return b
	}
	return append(append(b, code, byte(len(value))), value...)
}

func optionIP(b []byte, code byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return b
	}
	return option(b, code, a.AsSlice())
}

// A circuit is what a relay tells of a switch port: option 82's remote ID and circuit ID.
type circuit struct{ remote, circuit string }

// option composes the sub-options: circuit ID is 1, remote ID is 2 (RFC 3046 §2.0).
func (c circuit) option() []byte {
	return option(option(nil, 1, []byte(c.circuit)), 2, []byte(c.remote))
}

// ciscoCircuit is the layout of Cisco's DHCP snooping: VLAN, module and port; the switch's MAC.
func ciscoCircuit(bridge mac, vlan int, module, port byte) circuit {
	return circuit{
		remote:  "\x00\x06" + string(bridge[:]),
		circuit: string([]byte{0, 4, byte(vlan >> 8), byte(vlan), module, port}),
	}
}
