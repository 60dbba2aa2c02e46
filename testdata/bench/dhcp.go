package main

import "strconv"

// DHCP message types (RFC 2132 section 9.6), in the order of an exchange.
const (
	dhcpDiscover = 1
	dhcpOffer    = 2
	dhcpRequest  = 3
	dhcpAck      = 5
)

// appendDHCP appends a message between the relay of a phone's switch and the
// server (RFC 2131), with what the relay says of the port (RFC 3046).
func appendDHCP(b []byte, p, xid int, kind byte) []byte {
	answer := kind == dhcpOffer || kind == dhcpAck
	op := byte(1)
	if answer {
		op = 2
	}
	b = append(b, op, 1, 6, 1) // Ethernet, one relay
	b = be.AppendUint32(b, uint32(xid))
	b = append(b, make([]byte, 8)...) // secs, flags, ciaddr
	if answer {
		b = appendIP4(b, addressOf(p))
	} else {
		b = append(b, 0, 0, 0, 0)
	}
	b = append(b, 0, 0, 0, 0)
	b = appendIP4(b, gatewayOf(p))
	b = appendMAC(b, phoneMAC(p))
	b = append(b, make([]byte, 10+64+128)...) // rest of chaddr, sname, file
	b = append(b, 0x63, 0x82, 0x53, 0x63)
	b = append(b, 53, 1, kind)
	if answer {
		b = append(b, 54, 4)
		b = appendIP4(b, dhcpServer)
		b = append(b, 51, 4, 0, 1, 0x51, 0x80) // a day
		b = append(b, 1, 4, 255, 255, 255, 0, 3, 4)
		b = appendIP4(b, gatewayOf(p))
	} else {
		b = appendRequest(b, p, kind)
	}
	return append(appendRelay(b, p), 255)
}

// appendRequest appends the options of a client's message.
func appendRequest(b []byte, p int, kind byte) []byte {
	if kind == dhcpRequest {
		b = append(b, 50, 4)
		b = appendIP4(b, addressOf(p))
		b = append(b, 54, 4)
		b = appendIP4(b, dhcpServer)
	}
	b = append(b, 12, 4+12)
	b = appendHexMAC(append(b, "edge"...), phoneMAC(p))
	b = append(append(b, 60, 13), "PolyEdge-E350"...)
	return append(b, 55, 6, 1, 3, 6, 15, 42, 66)
}

// appendRelay appends option 82: the switch, and its port and VLAN in text.
func appendRelay(b []byte, p int) []byte {
	remote := switchName(switchOf(p))
	vlan := max(vlanOf(p), 1)
	circuit := portName(p) + ":" + strconv.Itoa(vlan)
	b = append(b, 82, byte(4+len(circuit)+len(remote)))
	b = append(append(b, 1, byte(len(circuit))), circuit...)
	return append(append(b, 2, byte(len(remote))), remote...)
}
