package discovery

import (
	"net/netip"
	"strconv"
)

type lldpJSON struct {
	ChassisIDSubtype    uint8    `json:"chassis_id_subtype,omitempty"`
	ChassisID           string   `json:"chassis_id,omitempty"`
	PortIDSubtype       uint8    `json:"port_id_subtype,omitempty"`
	PortID              string   `json:"port_id,omitempty"`
	TTL                 *uint16  `json:"ttl,omitempty"`
	PortDescription     string   `json:"port_description,omitempty"`
	SystemName          string   `json:"system_name,omitempty"`
	SystemDescription   string   `json:"system_description,omitempty"`
	Capabilities        []string `json:"capabilities,omitzero"` // [] if there are none enabled
	ManagementAddresses []string `json:"management_addresses,omitempty"`

	PVID          uint16     `json:"pvid,omitempty"`
	ProtocolVLANs []uint16   `json:"protocol_vlans,omitempty"`
	VLANNames     []VLANName `json:"vlan_names,omitempty"`
	MED           *medJSON   `json:"med,omitempty"`
}

// newLLDPJSON takes a TTL of zero for a shutdown only in a frame that is whole.
func newLLDPJSON(l *LLDP, whole bool) *lldpJSON {
	j := &lldpJSON{
		ChassisIDSubtype: l.ChassisIDSubtype, ChassisID: l.ChassisID, PortIDSubtype: l.PortIDSubtype, PortID: l.PortID,
		PortDescription: l.PortDescription, SystemName: l.SystemName, SystemDescription: l.SystemDescription,
		ManagementAddresses: l.ManagementAddresses, PVID: l.PVID, ProtocolVLANs: l.ProtocolVLANs, VLANNames: l.VLANNames,
		MED: (*medJSON)(l.MED),
	}
	if l.TTL != 0 || whole {
		j.TTL = &l.TTL
	}
	if l.HasCapabilities {
		j.Capabilities = l.Capabilities.names()
	}
	return j
}

var capabilityNames = [...]string{"other", "repeater", "bridge", "wlan-ap", "router", "telephone", "docsis", "station"}

// names lists the capabilities, by bit; it is not nil. Bits that no name is for
// are left out.
func (c Capability) names() []string {
	list := []string{}
	for i, name := range capabilityNames {
		if c>>i&1 == 1 {
			list = append(list, name)
		}
	}
	return list
}

// medJSON has the fields of MED in its order.
type medJSON struct {
	Class        uint8       `json:"class,omitempty"`
	Hardware     string      `json:"hardware,omitempty"`
	Firmware     string      `json:"firmware,omitempty"`
	Software     string      `json:"software,omitempty"`
	Serial       string      `json:"serial,omitempty"`
	Manufacturer string      `json:"manufacturer,omitempty"`
	Model        string      `json:"model,omitempty"`
	Asset        string      `json:"asset,omitempty"`
	Policies     []MEDPolicy `json:"policies,omitempty"`
	ELIN         string      `json:"elin,omitempty"`
	Civic        *Civic      `json:"civic,omitempty"`
	Latitude     *float64    `json:"latitude,omitempty"`
	Longitude    *float64    `json:"longitude,omitempty"`
}

// MarshalJSON writes the country and then the elements in their order, keyed by
// CAtype. Where one stands several times, as in several languages, its values
// are joined with a comma.
func (c *Civic) MarshalJSON() ([]byte, error) {
	b := []byte(`{`)
	member := func(key, value string) error {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(strconv.AppendQuote(b, key), ':')
		v, err := encode(value)
		b = append(b, v...)
		return err
	}
	if c.Country != "" {
		if err := member("country", c.Country); err != nil {
			return nil, err
		}
	}
	var done [256]bool
	for i, e := range c.Elements {
		if done[e.Type] {
			continue
		}
		done[e.Type] = true
		value := e.Value
		for _, more := range c.Elements[i+1:] {
			if more.Type == e.Type {
				value += ", " + more.Value
			}
		}
		if err := member(strconv.Itoa(int(e.Type)), value); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// cdpJSON has the fields of CDP in its order.
type cdpJSON struct {
	Version      uint8        `json:"version"`
	TTL          uint8        `json:"-"`
	DeviceID     string       `json:"device_id,omitempty"`
	PortID       string       `json:"port_id,omitempty"`
	Platform     string       `json:"platform,omitempty"`
	Software     string       `json:"software,omitempty"`
	Capabilities uint32       `json:"capabilities,omitempty"`
	Addresses    []netip.Addr `json:"addresses,omitempty"`
	NativeVLAN   uint16       `json:"native_vlan,omitempty"`
	VoiceVLAN    uint16       `json:"voice_vlan,omitempty"`
	Appliance    uint8        `json:"appliance,omitempty"`
}

// arpJSON has the fields of ARP in its order.
type arpJSON struct {
	Op        uint16     `json:"op"`
	SenderMAC MAC        `json:"sender_mac,omitzero"`
	SenderIP  netip.Addr `json:"sender_ip,omitzero"`
	TargetIP  netip.Addr `json:"target_ip,omitzero"`
}
