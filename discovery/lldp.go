package discovery

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/mdlayher/lldp"
)

// decodeLLDP reads an LLDPDU (IEEE 802.1AB) TLV by TLV, so that those before a
// fault are kept; the library's reader of whole frames gives nothing then, and
// takes a trailing FCS for a fault. Of a TLV that must not be repeated the first
// one counts. A fault within an optional TLV is that TLV's alone (9.2.7.7): where
// the next one begins is known all the same.
func decodeLLDP(b []byte, l *LLDP) error {
	r := lldpReader{LLDP: l}
	var fault error
	for n := 1; len(b) > 0; n++ {
		var t lldp.TLV
		if t.UnmarshalBinary(b) != nil {
			fault = cmp.Or(fault, fmt.Errorf("lldp: TLV %d cut short", n))
			break
		}
		if t.Type == lldp.TLVTypeEnd {
			break // IEEE 802.1AB 8.5.1: what follows is padding
		}
		b = b[2+len(t.Value):]
		err := r.read(&t)
		fault = cmp.Or(fault, err)
		if err != nil && t.Type <= lldp.TLVTypeTTL {
			return fault // without a mandatory TLV it is no LLDPDU
		}
	}
	// IEEE 802.1AB 8.2: every LLDPDU has these three.
	switch {
	case fault != nil:
	case !r.hasChassisID:
		fault = fmt.Errorf("lldp: no chassis ID")
	case !r.hasPortID:
		fault = fmt.Errorf("lldp: no port ID")
	case !r.hasTTL:
		fault = fmt.Errorf("lldp: no time to live")
	}
	return fault
}

// lldpReader fills an LLDP from TLVs.
type lldpReader struct {
	*LLDP
	hasChassisID, hasPortID, hasTTL bool
}

// read takes over one TLV.
func (l *lldpReader) read(t *lldp.TLV) error {
	v := t.Value
	switch t.Type {
	case lldp.TLVTypeChassisID:
		return l.chassisID(v)
	case lldp.TLVTypePortID:
		return l.portID(v)
	case lldp.TLVTypeTTL:
		if len(v) < 2 {
			return errShort("time to live", v, 2)
		}
		if !l.hasTTL {
			l.TTL, l.hasTTL = binary.BigEndian.Uint16(v), true
		}
	case lldp.TLVTypePortDescription:
		setText(&l.PortDescription, v)
	case lldp.TLVTypeSystemName:
		setText(&l.SystemName, v)
	case lldp.TLVTypeSystemDescription:
		setText(&l.SystemDescription, v)
	case lldp.TLVTypeSystemCapabilities:
		if len(v) < 4 {
			return errShort("system capabilities", v, 4)
		}
		if !l.HasCapabilities {
			// 8.5.8: what the system can do, then what of it is enabled.
			l.Capabilities, l.HasCapabilities = Capability(binary.BigEndian.Uint16(v[2:])), true
		}
	case lldp.TLVTypeManagementAddress:
		return l.managementAddress(v)
	case lldp.TLVTypeOrganizationSpecific:
		return l.organization(v)
	}
	return nil
}

// chassisID reads the chassis ID (8.5.2).
func (l *lldpReader) chassisID(v []byte) error {
	var id lldp.ChassisID
	if len(v) < 2 || id.UnmarshalBinary(v) != nil {
		return errShort("chassis ID", v, 2)
	}
	if l.hasChassisID {
		return nil
	}
	l.hasChassisID = true
	l.ChassisIDSubtype = uint8(id.Subtype)
	switch {
	case id.Subtype == lldp.ChassisIDSubtypeMACAddress && len(id.ID) == 6:
		l.ChassisID = MAC(id.ID).String()
	case id.Subtype == lldp.ChassisIDSubtypeNetworkAddress:
		l.ChassisID = networkAddress(id.ID)
	default:
		l.ChassisID = identifier(id.ID)
	}
	return nil
}

// portID reads the port ID (8.5.3).
func (l *lldpReader) portID(v []byte) error {
	var id lldp.PortID
	if len(v) < 2 || id.UnmarshalBinary(v) != nil {
		return errShort("port ID", v, 2)
	}
	if l.hasPortID {
		return nil
	}
	l.hasPortID = true
	l.PortIDSubtype = uint8(id.Subtype)
	switch {
	case id.Subtype == lldp.PortIDSubtypeMACAddress && len(id.ID) == 6:
		l.PortID = MAC(id.ID).String()
	case id.Subtype == lldp.PortIDSubtypeNetworkAddress:
		l.PortID = networkAddress(id.ID)
	default:
		l.PortID = identifier(id.ID)
	}
	return nil
}

// managementAddress reads one of the addresses at which the system is managed
// (8.5.9): the length of the family with the address, these, and more.
func (l *lldpReader) managementAddress(v []byte) error {
	if len(v) < 1 || len(v) < 1+int(v[0]) || v[0] < 2 {
		return fmt.Errorf("lldp: management address cut short")
	}
	if a := networkAddress(v[1 : 1+int(v[0])]); a != "" {
		l.ManagementAddresses = append(l.ManagementAddresses, a)
	}
	return nil
}

// organization reads an organizationally specific TLV (8.6): LLDP-MED's, and
// those of IEEE 802.1.
func (l *lldpReader) organization(v []byte) error {
	if len(v) < 4 {
		return errShort("organization", v, 4)
	}
	switch string(v[:3]) {
	case vlanOUI:
		return l.vlan(v[3], v[4:])
	case medOUI:
	default:
		return nil
	}
	if l.MED == nil {
		l.MED = &MED{}
	}
	return l.MED.read(v[3], v[4:])
}

// vlanOUI marks the TLVs of IEEE 802.1 (802.1Q annex D.2).
const vlanOUI = "\x00\x80\xc2"

// Their subtypes that are read.
const (
	vlanPort     = 1 // the VLAN of untagged frames
	vlanProtocol = 2
	vlanName     = 3
)

// vlan reads a TLV of IEEE 802.1. VLAN 0 stands for none.
func (l *lldpReader) vlan(subtype uint8, v []byte) error {
	switch subtype {
	case vlanPort:
		if len(v) < 2 {
			return errShort("port VLAN ID", v, 2)
		}
		if l.PVID == 0 {
			l.PVID = binary.BigEndian.Uint16(v)
		}
	case vlanProtocol: // flags, then the VLAN
		if len(v) < 3 {
			return errShort("port and protocol VLAN ID", v, 3)
		}
		if id := binary.BigEndian.Uint16(v[1:]); id != 0 && !slices.Contains(l.ProtocolVLANs, id) {
			l.ProtocolVLANs = append(l.ProtocolVLANs, id)
		}
	case vlanName: // VLAN, length of the name, name
		if len(v) < 3 || len(v) < 3+int(v[2]) {
			return fmt.Errorf("lldp: VLAN name cut short")
		}
		id := binary.BigEndian.Uint16(v)
		if !slices.ContainsFunc(l.VLANNames, func(n VLANName) bool { return n.VLAN == id }) {
			l.VLANNames = append(l.VLANNames, VLANName{id, text(v[3 : 3+int(v[2])])})
		}
	}
	return nil
}

// setText takes over a text TLV that was not there yet.
func setText(s *string, v []byte) {
	if *s == "" {
		*s = text(v)
	}
}

// errShort reports a TLV that is too short for what it holds.
func errShort(name string, v []byte, want int) error {
	return fmt.Errorf("lldp: %s: %d bytes, want at least %d", name, len(v), want)
}
