package discovery

import (
	"encoding/binary"
	"fmt"
)

// medOUI marks the TLVs of LLDP-MED (ANSI/TIA-1057 10.2.1).
const medOUI = "\x00\x12\xbb"

// LLDP-MED TLV subtypes (ANSI/TIA-1057 10.2).
const (
	medCapabilities = 1
	medPolicy       = 2
	medLocation     = 3
	medHardware     = 5
	medFirmware     = 6
	medSoftware     = 7
	medSerial       = 8
	medManufacturer = 9
	medModel        = 10
	medAsset        = 11
)

// Location data formats (10.2.4.2).
const (
	locationCoordinate = 1
	locationCivic      = 2
	locationELIN       = 3
)

// read takes over one LLDP-MED TLV.
func (m *MED) read(subtype uint8, v []byte) error {
	switch subtype {
	case medCapabilities:
		if len(v) < 3 {
			return errShort("MED capabilities", v, 3)
		}
		m.Class = v[2]
	case medPolicy:
		if len(v) < 4 {
			return errShort("MED network policy", v, 4)
		}
		m.Policies = append(m.Policies, readPolicy(binary.BigEndian.Uint32(v)))
	case medLocation:
		if len(v) < 1 {
			return errShort("MED location", v, 1)
		}
		return m.location(v[0], v[1:])
	case medHardware:
		setText(&m.Hardware, v)
	case medFirmware:
		setText(&m.Firmware, v)
	case medSoftware:
		setText(&m.Software, v)
	case medSerial:
		setText(&m.Serial, v)
	case medManufacturer:
		setText(&m.Manufacturer, v)
	case medModel:
		setText(&m.Model, v)
	case medAsset:
		setText(&m.Asset, v)
	}
	return nil
}

// readPolicy reads a network policy (10.2.3): application 8 bits, unknown flag
// 1, tagged flag 1, reserved 1, VLAN 12, priority 3, DSCP 6. Where the flag says
// that the policy is not known yet, the values are zero by the standard.
func readPolicy(v uint32) MEDPolicy {
	return MEDPolicy{
		Application: uint8(v >> 24),
		Tagged:      v>>22&1 == 1,
		VLAN:        uint16(v >> 9 & 0xfff),
		Priority:    uint8(v >> 6 & 7),
		DSCP:        uint8(v & 0x3f),
	}
}

// location reads where the switch says that its port is.
func (m *MED) location(format uint8, v []byte) error {
	switch format {
	case locationCoordinate:
		lat, lon, err := readCoordinate(v)
		if err != nil {
			return fmt.Errorf("lldp: MED %w", err)
		}
		m.Latitude, m.Longitude = &lat, &lon
	case locationCivic:
		return m.civic(v)
	case locationELIN:
		setText(&m.ELIN, v)
	}
	return nil
}

// civic reads a civic address behind its length; padding may follow it.
func (m *MED) civic(v []byte) error {
	if len(v) < 1 {
		return errShort("MED civic location", v, 1)
	}
	n, v := int(v[0]), v[1:]
	var cut error
	if n > len(v) {
		n, cut = len(v), fmt.Errorf("lldp: MED civic location cut short")
	}
	c := &Civic{}
	err := c.read(v[:n])
	if c.Country != "" || len(c.Elements) > 0 {
		m.Civic = c
	}
	if cut == nil && err != nil {
		cut = fmt.Errorf("lldp: MED %w", err)
	}
	return cut
}
