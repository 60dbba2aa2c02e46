package discovery

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// CDP TLV types. There is no standard; these are the numbers that devices send.
const (
	cdpDeviceID            = 0x0001
	cdpAddresses           = 0x0002
	cdpPortID              = 0x0003
	cdpCapabilities        = 0x0004
	cdpSoftware            = 0x0005
	cdpPlatform            = 0x0006
	cdpNativeVLAN          = 0x000a
	cdpVoiceVLAN           = 0x000e // the switch tells the phone
	cdpVoiceVLANQuery      = 0x000f // the phone asks for it
	cdpManagementAddresses = 0x0016
)

// cdpHeader is version, time to live and checksum. The checksum is not looked
// at: some senders reckon it wrongly, and so do switches that take off a tag.
const cdpHeader = 4

// decodeCDP reads a CDP frame of version 1 or 2, from its version on. A fault within
// a TLV is that TLV's alone.
func decodeCDP(b []byte, c *CDP) error {
	if len(b) < cdpHeader {
		return fmt.Errorf("cdp: %d bytes, want at least %d", len(b), cdpHeader)
	}
	c.Version, c.TTL = b[0], b[1]
	if c.Version != 1 && c.Version != 2 {
		return fmt.Errorf("cdp: version %d is not known", c.Version)
	}
	if b = b[cdpHeader:]; len(b) == 0 {
		return fmt.Errorf("cdp: no TLV")
	}
	var fault error
	for len(b) > 0 {
		if len(b) < 4 {
			return cmp.Or(fault, fmt.Errorf("cdp: TLV header cut short"))
		}
		typ, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			return cmp.Or(fault, fmt.Errorf("cdp: TLV %#04x: length %d, %d bytes left", typ, n, len(b)))
		}
		fault = cmp.Or(fault, c.read(typ, b[4:n]))
		b = b[n:]
	}
	return fault
}

// read takes over one TLV.
func (c *CDP) read(typ uint16, v []byte) error {
	switch typ {
	case cdpDeviceID:
		c.DeviceID = identifier(v)
	case cdpPortID:
		c.PortID = identifier(v)
	case cdpSoftware:
		c.Software = text(v)
	case cdpPlatform:
		c.Platform = text(v)
	case cdpAddresses, cdpManagementAddresses:
		return c.addresses(v)
	case cdpCapabilities:
		if len(v) < 4 {
			return fmt.Errorf("cdp: capabilities: %d bytes, want 4", len(v))
		}
		c.Capabilities = binary.BigEndian.Uint32(v)
	case cdpNativeVLAN:
		if len(v) < 2 {
			return fmt.Errorf("cdp: native VLAN: %d bytes, want 2", len(v))
		}
		c.NativeVLAN = binary.BigEndian.Uint16(v)
	case cdpVoiceVLAN, cdpVoiceVLANQuery:
		// The kind of appliance stands first. A phone that knows no VLAN yet
		// sends only that.
		if len(v) >= 1 {
			c.Appliance = v[0]
		}
		if len(v) >= 3 {
			c.VoiceVLAN = binary.BigEndian.Uint16(v[1:])
		}
	}
	return nil
}

// addresses reads a list of addresses: their number, and for each the protocol
// as NLPID or IEEE 802.2 header, and the address, each behind its length.
func (c *CDP) addresses(v []byte) error {
	short := fmt.Errorf("cdp: address list cut short")
	if len(v) < 4 {
		return short
	}
	n := binary.BigEndian.Uint32(v)
	for v = v[4:]; n > 0; n-- {
		if len(v) < 2 || len(v) < 2+int(v[1])+2 {
			return short
		}
		v = v[2+int(v[1]):]
		size := int(binary.BigEndian.Uint16(v))
		if v = v[2:]; len(v) < size {
			return short
		}
		// Only IPv4 and IPv6 have addresses of these lengths here.
		a, _ := netip.AddrFromSlice(v[:size])
		if a.IsValid() && !a.IsUnspecified() && !slices.Contains(c.Addresses, a) {
			c.Addresses = append(c.Addresses, a)
		}
		v = v[size:]
	}
	return nil
}
