package main

import "fmt"

var (
	toLLDP = mac{0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e} // nearest bridge, IEEE 802.1AB §7.1
	toCDP  = mac{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc}
)

// appendARP appends a phone's question for its router (RFC 826).
func appendARP(b []byte, p int) []byte {
	b = appendEthernet(b, broadcast, phoneMAC(p), vlanOf(p), typeARP)
	b = append(b, 0, 1, 8, 0, 6, 4, 0, 1)
	b = appendIP4(appendMAC(b, phoneMAC(p)), addressOf(p))
	b = appendIP4(append(b, 0, 0, 0, 0, 0, 0), gatewayOf(p))
	return append(b, make([]byte, max(0, 60-len(b)))...) // the shortest frame
}

// appendPhoneLLDP appends a phone's LLDPDU (IEEE 802.1AB) with LLDP-MED
// capabilities and voice policy (ANSI/TIA-1057).
func appendPhoneLLDP(b []byte, p int) []byte {
	m := phoneMAC(p)
	b = appendEthernet(b, toLLDP, m, 0, typeLLDP)
	b = appendTLV(b, 1, string(appendIP4([]byte{5, 1}, addressOf(p)))) // network address
	b = appendTLV(b, 2, "\x03"+string(m[:]))                           // MAC
	b = appendTLV(b, 3, "\x00\x78")
	b = appendTLV(b, 5, "edge"+string(appendHexMAC(nil, m)))
	b = appendTLV(b, 6, "Poly Edge E350, 8.1.2.0741")
	b = appendTLV(b, 7, "\x00\x24\x00\x24") // bridge and telephone
	b = appendTLV(b, 127, "\x00\x12\xbb\x01\x00\x33\x03")
	b = appendTLV(b, 127, "\x00\x12\xbb\x02\x01\x40\xc9\x6e")
	return append(b, 0, 0)
}

// appendSwitchLLDP appends what the switch says on a phone's port.
func appendSwitchLLDP(b []byte, p int) []byte {
	chassis := switchMAC(switchOf(p))
	port := chassis
	port[5] = byte(portOf(p))
	b = appendEthernet(b, toLLDP, port, 0, typeLLDP)
	b = appendTLV(b, 1, "\x04"+string(chassis[:])) // MAC
	b = appendTLV(b, 2, "\x05"+portName(p))        // interface name
	b = appendTLV(b, 3, "\x00\x78")
	b = appendTLV(b, 5, switchName(switchOf(p)))
	b = appendTLV(b, 7, "\x00\x14\x00\x04") // bridge and router, bridge enabled
	return append(b, 0, 0)
}

// appendTLV appends a TLV of LLDP: 7 bits of type, 9 of length.
func appendTLV(b []byte, kind int, value string) []byte {
	return append(be.AppendUint16(b, uint16(kind<<9|len(value))), value...)
}

// appendCDP appends a phone's CDP version 2 announcement in IEEE 802.2 SNAP.
func appendCDP(b []byte, p int) []byte {
	m := phoneMAC(p)
	body := []byte{2, 180, 0, 0}
	for _, tlv := range []struct {
		kind  uint16
		value string
	}{
		{1, fmt.Sprintf("edge%x", m[:])},
		{3, "Port 1"},
		{4, "\x00\x00\x00\x90"}, // host and phone
		{5, "8.1.2.0741"},
		{6, "Poly Edge E350"},
	} {
		body = be.AppendUint16(body, tlv.kind)
		body = be.AppendUint16(body, uint16(4+len(tlv.value)))
		body = append(body, tlv.value...)
	}
	be.PutUint16(body[2:], cdpChecksum(body))
	b = appendEthernet(b, toCDP, m, 0, uint16(8+len(body)))
	b = append(b, 0xaa, 0xaa, 3, 0x00, 0x00, 0x0c, 0x20, 0x00)
	return append(b, body...)
}

// cdpChecksum is the Internet checksum, but an odd octet at the end counts as
// the lower half of a word.
func cdpChecksum(b []byte) uint16 {
	if n := len(b) - 1; n%2 == 0 {
		return fold(add(sum(0, b[:n]), uint64(b[n])))
	}
	return fold(sum(0, b))
}
