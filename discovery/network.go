package discovery

import "net/netip"

// Network is the identifying part of an attachment: its strongest level and
// that level's value, within a site. It is comparable.
type Network struct {
	Level     Level        `json:"level"`
	Site      string       `json:"site,omitempty"`
	ChassisID string       `json:"chassis_id,omitempty"`
	PortID    string       `json:"port_id,omitempty"`
	RemoteID  Hex          `json:"remote_id,omitempty"`
	CircuitID Hex          `json:"circuit_id,omitempty"`
	BSSID     MAC          `json:"bssid,omitzero"`
	Subnet    netip.Prefix `json:"subnet,omitzero"`
	PublicIP  netip.Addr   `json:"public_ip,omitzero"`
}

// Network returns the attachment's strongest level with its value.
func (a Attachment) Network() Network {
	n := Network{Level: a.Level(), Site: a.Site}
	switch n.Level {
	case LevelPort:
		if a.ChassisID != "" && a.PortID != "" {
			n.ChassisID, n.PortID = a.ChassisID, a.PortID
		} else {
			n.RemoteID, n.CircuitID = a.RemoteID, a.CircuitID
		}
	case LevelBSSID:
		n.BSSID = a.BSSID
	case LevelChassis:
		n.ChassisID = a.ChassisID
	case LevelSubnet:
		n.Subnet = a.Subnet
		if a.Shared {
			n.RemoteID, n.CircuitID = a.RemoteID, a.CircuitID
		}
	case LevelPublicIP:
		n.PublicIP, n.Subnet = a.PublicIP, a.Subnet
	}
	return n
}

// String returns the network as the stories and mails write it:
// "sw-3fl/Gi1/0/7", "circuit 0006aabb/0004", "10.1.2.0/24",
// "203.0.113.5+192.168.1.0/24", with the site in front if it is known.
func (n Network) String() string {
	var s string
	switch n.Level {
	case LevelPort:
		s = n.ChassisID + "/" + n.PortID
		if n.CircuitID != "" {
			s = "circuit " + circuitText(n.RemoteID, n.CircuitID)
		}
	case LevelBSSID:
		s = "bssid " + n.BSSID.String()
	case LevelChassis:
		s = "switch " + n.ChassisID
	case LevelSubnet:
		if n.Subnet.IsValid() {
			s = n.Subnet.String()
		}
		if n.CircuitID != "" {
			s += " circuit " + circuitText(n.RemoteID, n.CircuitID)
		}
	case LevelPublicIP:
		s = n.PublicIP.String() + "+" + n.Subnet.String()
	default:
		s = "nowhere"
	}
	if n.Site != "" {
		s = n.Site + " " + s
	}
	return s
}

// circuitText shows relay identifiers as text if both are printable, else in
// hex, since no vendor's layout may be assumed (RFC 3046 section 2.0).
func circuitText(remote, circuit Hex) string {
	if printable(string(remote)) && printable(string(circuit)) {
		return string(remote) + "/" + string(circuit)
	}
	return remote.String() + "/" + circuit.String()
}

// printable reports whether s is ASCII text without control characters.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
