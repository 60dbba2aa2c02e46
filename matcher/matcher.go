// Package matcher answers one question: which registered location does the
// wiremap give for this attachment, and why?
//
// A wiremap is a list of rules, each tying a network (a switch port, a BSSID, a
// chassis, a subnet, a public IP) to a location. A rule is a conjunction: every
// field it names must hold. The strongest level wins, then the longest prefix,
// then the rule that names more, then company data before a user's own, then
// the deeper location. There are no scores: the same wiremap, attachment and
// users give the same match and the same explanation.
//
// The package remembers nothing about phones, asks nobody and never reads the
// clock.
package matcher

import (
	"net/netip"

	"perch/discovery"
	"perch/location"
)

// Rule is one row of the wiremap. A zero field is not named by the rule. A
// rule needs at least one field that is a level: site and vlan alone are not.
type Rule struct {
	Location  location.ID   `json:"location_id"`
	Site      string        `json:"site,omitempty"`
	ChassisID string        `json:"chassis_id,omitempty"`
	Port      string        `json:"port,omitempty"` // one port, or a range such as Gi1/0/1-24
	RemoteID  discovery.Hex `json:"remote_id,omitempty"`
	CircuitID discovery.Hex `json:"circuit_id,omitempty"`
	BSSID     string        `json:"bssid,omitempty"` // may end in *
	VLAN      uint16        `json:"vlan,omitempty"`
	Subnet    netip.Prefix  `json:"subnet,omitzero"`
	PublicIP  netip.Prefix  `json:"public_ip,omitzero"` // an address is a /32 or /128

	Line int `json:"-"` // line of the CSV file, for error messages; 0 if none
}

// Match is an opinion: the location that the wiremap gives for an attachment.
// The zero value is no match.
type Match struct {
	Location location.ID
	Personal bool            // the location is a user's own
	Rule     Rule            // the rule that won
	Level    discovery.Level // the level at which it won
	Ignored  netip.Prefix    // valid: the attachment lies in an ignored subnet, and has no location
}

// Found reports whether a location matched.
func (m Match) Found() bool { return m.Location != "" }
