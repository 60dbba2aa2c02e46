package discovery

import (
	"encoding/binary"
	"fmt"
)

// decodeARP reads an ARP message (RFC 826). Addresses of other lengths than
// Ethernet's and IPv4's are left out.
//
// gopacket's reader adds the lengths up in eight bits and panics where they
// overflow; hence our own.
func decodeARP(b []byte, a *ARP) error {
	if len(b) < 8 {
		return fmt.Errorf("arp: %d bytes, want at least 8", len(b))
	}
	hw, proto := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	hlen, plen := int(b[4]), int(b[5])
	a.Op = binary.BigEndian.Uint16(b[6:])
	// Hardware types 1 and 6 are both MACs: Ethernet and IEEE 802.
	isMAC, isIPv4 := (hw == 1 || hw == 6) && hlen == 6, proto == etherIPv4 && plen == 4
	fields := b[8:]
	for i, n := range [4]int{hlen, plen, hlen, plen} {
		if len(fields) < n {
			return fmt.Errorf("arp: %d bytes, want %d", len(b), 8+2*hlen+2*plen)
		}
		v := fields[:n]
		fields = fields[n:]
		switch {
		case i == 0 && isMAC:
			a.SenderMAC = MAC(v)
		case i == 1 && isIPv4:
			a.SenderIP = ipAddr(v)
		case i == 3 && isIPv4:
			a.TargetIP = ipAddr(v)
		}
	}
	return nil
}
