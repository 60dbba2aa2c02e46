package discovery

import (
	"net/netip"
)

// Level is how precisely a network is known, from weak to strong. Levels
// compare with < and >.
type Level uint8

// The levels of a network (docs: "Network: same or not?").
const (
	LevelNone     Level = iota
	LevelPublicIP       // public IP with the private subnet behind it
	LevelSubnet         // subnet, or a circuit that many phones share
	LevelChassis        // a switch, its port unknown
	LevelBSSID          // a radio of an access point
	LevelPort           // chassis ID + port ID, or a circuit that ranks as a port
)

var levelNames = [...]string{"", "public_ip", "subnet", "chassis", "bssid", "port"}

// String returns the level's name in events, or "" for none.
func (l Level) String() string { return levelNames[l] }

// ParseLevel reads the name of a level.
func ParseLevel(s string) (Level, bool) {
	for l, name := range levelNames {
		if l > 0 && name == s {
			return Level(l), true
		}
	}
	return LevelNone, false
}

// MarshalText writes the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the level's name; unknown names are no level.
func (l *Level) UnmarshalText(b []byte) error {
	*l, _ = ParseLevel(string(b))
	return nil
}

// Attachment is where a phone is plugged in, as far as it is known. ChassisID
// and PortID are always the switch's, never the phone's own. It is comparable,
// and a zero field is unknown.
type Attachment struct {
	Site      string       `json:"site,omitempty"`
	ChassisID string       `json:"chassis_id,omitempty"`
	PortID    string       `json:"port_id,omitempty"` // in canonical form, see CanonicalPort
	RemoteID  Hex          `json:"remote_id,omitempty"`
	CircuitID Hex          `json:"circuit_id,omitempty"`
	BSSID     MAC          `json:"bssid,omitzero"`
	VLAN      uint16       `json:"vlan,omitempty"`
	Subnet    netip.Prefix `json:"subnet,omitzero"`
	IP        netip.Addr   `json:"ip,omitzero"`
	PublicIP  netip.Addr   `json:"public_ip,omitzero"` // set only behind NAT

	// AliasChassisID and AliasPortID are the names by which the same port was
	// announced in CDP while LLDP gave the primary ones.
	AliasChassisID string `json:"alias_chassis_id,omitempty"`
	AliasPortID    string `json:"alias_port_id,omitempty"`

	// OtherSubnet is the subnet of the phone's other addresses: of IPv6 where
	// Subnet is of IPv4, or the other way round.
	OtherSubnet netip.Prefix `json:"other_subnet,omitzero"`

	// Shared reports that the circuit serves many phones and so ranks as a
	// subnet. Assumed reports that Subnet was made up from the IP (/24, /64).
	Shared  bool `json:"shared,omitempty"`
	Assumed bool `json:"assumed,omitempty"`
}

// Has reports whether the attachment has the level l. Behind NAT a private
// subnet alone is no level: only the pair with the public IP is.
func (a Attachment) Has(l Level) bool {
	switch l {
	case LevelPort:
		return a.ChassisID != "" && a.PortID != "" || a.CircuitID != "" && !a.Shared
	case LevelBSSID:
		return !a.BSSID.IsZero()
	case LevelChassis:
		return a.ChassisID != ""
	case LevelSubnet:
		return !a.PublicIP.IsValid() && a.Subnet.IsValid() || a.CircuitID != "" && a.Shared
	case LevelPublicIP:
		return a.PublicIP.IsValid()
	}
	return false
}

// Level returns the strongest level that the attachment has.
func (a Attachment) Level() Level {
	for l := LevelPort; l > LevelNone; l-- {
		if a.Has(l) {
			return l
		}
	}
	return LevelNone
}
