package portal

import (
	"perch/discovery"
	"perch/gateway"
	"perch/gateway/words"
)

// maxTouched is how many phones of a choice are listed one by one.
const maxTouched = 20

// choiceView is what approving at one level does.
type choiceView struct {
	Level    string
	Chosen   bool
	What     string // "The whole switch"
	Network  string
	Made     bool
	Rule     string // in the wiremap's notation
	Place    *words.Place
	Wider    bool // Place is one that the claimed place lies in
	Replaces *words.Place
	Phones   []touchedView
	Count    int
	More     int // phones that are not listed
	Changes  int
}

type touchedView struct {
	Name      string
	Users     []string
	Now, Then string // Then is empty if nothing changes
}

// choiceViews puts the levels to choose from into words.
func choiceViews(r gateway.Review, chosen discovery.Level) []choiceView {
	if chosen == discovery.LevelNone {
		chosen = r.Default
	}
	var out []choiceView
	for _, c := range r.Choices {
		out = append(out, choiceOf(r, c, c.Level == chosen))
	}
	return out
}

func choiceOf(r gateway.Review, c gateway.Choice, chosen bool) choiceView {
	x := choiceView{
		Level: c.Level.String(), Chosen: chosen, What: levelWords(c.Level, r.Attachment),
		Network: words.Network(atLevel(r.Attachment, c.Level)), Made: c.Made, Count: len(c.Phones),
		Place: words.PlaceOf(c.Place), Replaces: words.PlaceOf(c.Replaces),
	}
	if !c.Made {
		return x
	}
	x.Rule = words.Clean(c.Rule.String(), words.MaxLine)
	x.Wider = c.Place != nil && c.Place.ID != r.Claim.Location
	for i, t := range c.Phones {
		if t.Changes {
			x.Changes++
		}
		if i >= maxTouched {
			x.More++
			continue
		}
		seen := touchedView{
			Name:  words.PhoneOf(gateway.Letter{Phone: t.Phone, Label: t.Label}).Name,
			Users: words.CleanAll(t.Users, words.MaxWord), Now: words.Clean(t.Now, words.MaxLine),
		}
		if t.Changes && x.Place != nil {
			seen.Then = x.Place.Line
		}
		x.Phones = append(x.Phones, seen)
	}
	return x
}

// levelWords says how much of the network a level is.
func levelWords(l discovery.Level, a discovery.Attachment) string {
	switch l {
	case discovery.LevelPort:
		if a.PortID == "" || a.ChassisID == "" {
			return "This circuit only"
		}
		return "This socket only"
	case discovery.LevelBSSID:
		return "This Wi-Fi access point"
	case discovery.LevelChassis:
		return "The whole switch"
	case discovery.LevelSubnet:
		return "The whole network"
	case discovery.LevelPublicIP:
		return "All behind this internet address"
	}
	return ""
}

// atLevel is a network as seen at one of its levels: what is stronger is left
// out.
func atLevel(a discovery.Attachment, l discovery.Level) discovery.Network {
	if l < discovery.LevelPort {
		a.PortID = ""
		if !a.Shared {
			a.RemoteID, a.CircuitID = "", ""
		}
	}
	if l < discovery.LevelBSSID {
		a.BSSID = discovery.MAC{}
	}
	if l < discovery.LevelChassis {
		a.ChassisID = ""
	}
	return a.Network()
}
