package discovery

import "encoding/binary"

// linkHeader reads the addresses and VLAN tags in front of payload offset off.
// Link types without addresses give zero MACs; cooked ones know the sender only.
func linkHeader(linkType uint16, b []byte, off int) (src, dst MAC, vlans []uint16) {
	switch linkType {
	case linkEthernet:
		dst, src = MAC(b[0:6]), MAC(b[6:12])
	case linkSLL:
		if binary.BigEndian.Uint16(b[4:]) == 6 {
			src = MAC(b[6:12])
		}
	case linkSLL2:
		if b[11] == 6 {
			src = MAC(b[12:18])
		}
	}
	// IEEE 802.1Q 9.6: the VID is the lower 12 bits of a tag.
	for i := linkLength(linkType); i < off; i += 4 {
		vlans = append(vlans, binary.BigEndian.Uint16(b[i:])&0x0fff)
	}
	return src, dst, vlans
}

// snapPayload returns what stands behind the SNAP header at off, without the
// padding of a short frame: in an IEEE 802.3 frame, and behind a tag in one, the
// length stands in place of the ethertype.
func snapPayload(linkType uint16, b []byte, off int) ([]byte, error) {
	rest := b[off:]
	if linkType == linkEthernet {
		n := int(binary.BigEndian.Uint16(b[off-2:]))
		if n > len(rest) {
			return rest[snapHeader:], errCut("802.3", len(rest), n)
		}
		rest = rest[:max(n, snapHeader)]
	}
	return rest[snapHeader:], nil
}
