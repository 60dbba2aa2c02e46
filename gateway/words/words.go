package words

import (
	"strings"
	"time"

	"perch/discovery"
	"perch/location"
	"perch/matcher"
)

// Network says where a network is for somebody who knows what a socket in
// the wall is, and no more.
func Network(n discovery.Network) string {
	circuit := circuitWords(n.RemoteID, n.CircuitID)
	var s string
	switch n.Level {
	case discovery.LevelPort:
		s = "port " + n.PortID + " of switch " + n.ChassisID
		if n.CircuitID != "" {
			s = circuit
		}
	case discovery.LevelBSSID:
		s = "Wi-Fi access point " + n.BSSID.String()
	case discovery.LevelChassis:
		s = "switch " + n.ChassisID + " (port not known)"
	case discovery.LevelSubnet:
		switch {
		case n.CircuitID == "":
			s = "network " + n.Subnet.String()
		case n.Subnet.IsValid():
			s = "network " + n.Subnet.String() + ", " + circuit
		default:
			s = circuit
		}
	case discovery.LevelPublicIP:
		s = "a network behind the internet address " + n.PublicIP.String()
		if n.Subnet.IsValid() {
			s += " (" + n.Subnet.String() + ")"
		}
	default:
		return ""
	}
	if n.Site != "" {
		s += ", site " + n.Site
	}
	return Clean(s, MaxLine)
}

// circuitWords shows relay identifiers as the wiremap writes them.
func circuitWords(remote, circuit discovery.Hex) string {
	s := "circuit " + matcher.FormatRelayID(circuit)
	if remote != "" {
		s += " of relay " + matcher.FormatRelayID(remote)
	}
	return s
}

// fieldWords names a field of an attachment.
func fieldWords(field string) string {
	switch field {
	case "chassis_id":
		return "switch"
	case "port_id":
		return "port"
	case "circuit_id":
		return "circuit"
	case "remote_id":
		return "relay"
	case "bssid":
		return "Wi-Fi access point"
	case "vlan":
		return "VLAN"
	case "subnet":
		return "network"
	case "ip":
		return "IP address"
	case "public_ip":
		return "internet address"
	}
	return strings.ReplaceAll(Clean(field, MaxWord), "_", " ")
}

// sourceWords says who vouches for evidence.
func sourceWords(s discovery.Source) string {
	switch s {
	case discovery.SourceSwitch:
		return "The switch itself says"
	case discovery.SourceRelay:
		return "The relay of its DHCP requests says"
	case discovery.SourceServer:
		return "The DHCP server says"
	case discovery.SourceFrame:
		return "Its network traffic shows"
	case discovery.SourceClaim:
		return "The phone itself says"
	}
	return "Perch noted"
}

// Evidence is what one source said of a phone's place.
type Evidence struct {
	Source string // "The switch itself says"
	Facts  string // "switch sw-4fl, port Gi1/0/2"
	Seen   string // when it was last heard; empty if not known
}

// Seen puts what one source said at one time into one line.
func Seen(all []discovery.Evidence) []Evidence {
	var out []Evidence
	for i, e := range all {
		fact := fieldWords(e.Field) + " " + Clean(e.Value, MaxWord)
		if last := len(out) - 1; i > 0 && all[i-1].Source == e.Source && all[i-1].Seen.Equal(e.Seen) {
			out[last].Facts += ", " + fact
			continue
		}
		if len(out) == MaxList {
			break
		}
		out = append(out, Evidence{Source: sourceWords(e.Source), Facts: fact, Seen: Second(e.Seen)})
	}
	return out
}

// Minute writes a time for people: "Monday, 16 March 2026, 08:01 UTC".
func Minute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("Monday, 2 January 2006, 15:04 UTC")
}

// Second writes the time of an observation, to be found again in a capture.
func Second(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006, 15:04:05 UTC")
}

// By names who answered or decided: an email, or somebody at the command
// line.
func By(by string) string {
	if name, ok := strings.CutPrefix(by, "cli:"); ok {
		return Clean(name, MaxName) + " (on the command line)"
	}
	return Clean(by, MaxWord)
}

// Place is a location as a mail shows it.
type Place struct {
	ID       string
	Name     string   // may be empty
	Lines    []string // of the address, as on an envelope
	Line     string   // name and address in one line
	Personal bool
	Pending  bool // a new address, not yet company data
	Deep     bool // deeper than a floor
}

// PlaceOf puts a location into words; nil stays nil.
func PlaceOf(l *location.Location) *Place {
	if l == nil {
		return nil
	}
	p := Place{
		ID: Clean(string(l.ID), MaxWord), Name: Clean(l.Name, MaxName), Lines: CleanAll(l.Address.Lines(), MaxLine),
		Personal: l.Kind == location.Personal, Pending: l.Pending, Deep: l.Address.Rank() > location.Floor,
	}
	p.Line = strings.Join(p.Lines, ", ")
	switch {
	case p.Name != "" && p.Line != "":
		p.Line = p.Name + " (" + p.Line + ")"
	case p.Line == "":
		p.Line = p.Name
	}
	return &p
}
