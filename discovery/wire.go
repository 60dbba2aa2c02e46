package discovery

import (
	"cmp"
	"fmt"
	"slices"
	"time"
	"unique"
)

// wireName is the name of an interface in 8 octets: there are few interfaces, and
// each phone tells two.
type wireName struct{ text unique.Handle[string] }

func nameWire(s string) wireName {
	if s == "" {
		return wireName{}
	}
	return wireName{unique.Make(s)}
}

// String returns the name.
func (n wireName) String() string {
	if n == (wireName{}) {
		return ""
	}
	return n.text.Value()
}

// name returns the interface's name.
func (w *wire) name() wireName {
	if w.named == (wireName{}) {
		w.named = nameWire(w.Name)
	}
	return w.named
}

// Wire is what a captured interface shows at a time.
type Wire struct {
	Name     string   `json:"name"`
	Role     string   `json:"role"`               // as configured: auto, link, mirror
	Link     bool     `json:"link"`               // it is taken for one access link
	Why      string   `json:"why"`                // in one sentence
	Switches []string `json:"switches,omitempty"` // ports that announce themselves, as "sw-3fl Gi1/0/7"
	Phones   []MAC    `json:"phones,omitempty"`   // that announce themselves
}

// Wires returns what each interface shows, in order of name.
func (t *Tracker) Wires(at time.Time) []Wire {
	var all []Wire
	now := InstantOf(at)
	for _, w := range t.wires {
		all = append(all, w.report(now))
	}
	slices.SortFunc(all, func(a, b Wire) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func (w *wire) report(now Instant) Wire {
	out := Wire{Name: w.Name, Role: w.Role.String(), Link: w.isLink(now)}
	for _, p := range w.Phones {
		if !now.After(p.Until) {
			out.Phones = append(out.Phones, p.MAC)
		}
	}
	for i := range w.Switches {
		if n := &w.Switches[i]; !now.After(n.Until) {
			out.Switches = append(out.Switches, n.String())
		}
	}
	slices.SortFunc(out.Phones, compareMACs)
	slices.Sort(out.Switches)
	out.Why = w.why(len(out.Phones), len(out.Switches))
	return out
}

// why gives the reason of the verdict, as isLink finds it.
func (w *wire) why(phones, switches int) string {
	switch {
	case w.Role != RoleAuto:
		return "configured"
	case phones > maxPhonesOnLink:
		return fmt.Sprintf("%d phones announce themselves, more than an access link has", phones)
	case switches > 1:
		return fmt.Sprintf("%d switch ports announce themselves, so many links are heard", switches)
	case phones == 0 && switches == 0:
		return "neither a phone nor a switch port announces itself"
	case phones == 0:
		return "a switch port announces itself, but no phone beside it"
	case switches == 0:
		return "a phone announces itself, but no switch port beside it"
	case phones == 1:
		return "a phone and exactly one switch port announce themselves"
	}
	return fmt.Sprintf("%d phones and exactly one switch port announce themselves", phones)
}

// String names the port as the switch does, in LLDP if it speaks it.
func (n *neighbor) String() string {
	name := n.LLDP
	if name == (portName{}) {
		name = n.CDP
	}
	chassis := name.Chassis
	if n.System != "" && n.System != chassis {
		chassis = n.System + " (" + chassis + ")"
	}
	return chassis + " " + name.Port
}
