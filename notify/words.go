package notify

import (
	"strings"
	"time"

	"perch/discovery"
	"perch/location"
	"perch/matcher"
)

// networkWords says where a network is for somebody who knows what a socket in
// the wall is, and no more.
func networkWords(n discovery.Network) string {
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
	return clean(s, maxLine)
}

// circuitWords shows relay identifiers as the wiremap writes them.
func circuitWords(remote, circuit discovery.Hex) string {
	s := "circuit " + matcher.FormatRelayID(circuit)
	if remote != "" {
		s += " of relay " + matcher.FormatRelayID(remote)
	}
	return s
}

// fieldWords names the fields of an attachment.
var fieldWords = map[string]string{
	"site": "site", "chassis_id": "switch", "port_id": "port", "remote_id": "relay", "circuit_id": "circuit",
	"bssid": "Wi-Fi access point", "vlan": "VLAN", "subnet": "network", "ip": "IP address",
	"public_ip": "internet address",
}

// sourceWords says who vouches for evidence.
var sourceWords = map[discovery.Source]string{
	discovery.SourceSwitch: "The switch itself says",
	discovery.SourceRelay:  "The relay of its DHCP requests says",
	discovery.SourceServer: "The DHCP server says",
	discovery.SourceFrame:  "Its network traffic shows",
	discovery.SourceClaim:  "The phone itself says",
}

// evidence is what one source said of a phone's place.
type evidence struct {
	Source string // "The switch itself says"
	Facts  string // "switch sw-4fl, port Gi1/0/2"
	Seen   string // when it was last heard; empty if not known
}

// evidenceWords puts what one source said at one time into one line.
func evidenceWords(all []discovery.Evidence) []evidence {
	var out []evidence
	for i, e := range all {
		name, ok := fieldWords[e.Field]
		if !ok {
			name = strings.ReplaceAll(clean(e.Field, maxWord), "_", " ")
		}
		fact := name + " " + clean(e.Value, maxWord)
		if last := len(out) - 1; i > 0 && all[i-1].Source == e.Source && all[i-1].Seen.Equal(e.Seen) {
			out[last].Facts += ", " + fact
			continue
		}
		if len(out) == maxList {
			break
		}
		source := sourceWords[e.Source]
		if source == "" {
			source = "Perch noted"
		}
		out = append(out, evidence{Source: source, Facts: fact, Seen: secondWords(e.Seen)})
	}
	return out
}

// minuteWords writes a time for people: "Monday, 16 March 2026, 08:01 UTC".
func minuteWords(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("Monday, 2 January 2006, 15:04 UTC")
}

// secondWords writes the time of an observation, to be found again in a capture.
func secondWords(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006, 15:04:05 UTC")
}

// byWords names who answered or decided: an email, or somebody at the command
// line.
func byWords(by string) string {
	if name, ok := strings.CutPrefix(by, "cli:"); ok {
		return clean(name, maxName) + " (on the command line)"
	}
	return clean(by, maxWord)
}

// place is a location as a mail shows it.
type place struct {
	ID       string
	Name     string   // may be empty
	Lines    []string // of the address, as on an envelope
	Line     string   // name and address in one line
	Personal bool
	Pending  bool // a new address, not yet company data
	Deep     bool // deeper than a floor
}

func placeWords(l *location.Location) *place {
	if l == nil {
		return nil
	}
	p := place{
		ID: clean(string(l.ID), maxWord), Name: clean(l.Name, maxName), Lines: cleanAll(l.Address.Lines(), maxLine),
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
