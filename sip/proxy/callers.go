package proxy

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"perch/location"
)

// Caller is a phone that may call for help, and where it is. Nobody is asked for it
// at the call: it was told before.
type Caller struct {
	Phone    string       `json:"phone"` // its MAC, or "sip:aor;n"
	Site     string       `json:"site,omitempty"`
	Label    string       `json:"label,omitempty"`
	Sources  []netip.Addr `json:"sources,omitempty"`  // that its REGISTERs come from
	AORs     []string     `json:"aors,omitempty"`     // that it registers
	Contacts []string     `json:"contacts,omitempty"` // their URIs

	Location   string                `json:"location,omitempty"` // ID of the location in force
	Address    location.CivicAddress `json:"address,omitzero"`   // none: nobody knows
	ELIN       string                `json:"elin,omitempty"`
	Source     string                `json:"source,omitempty"` // of the assignment, as "wiremap" or "confirmed"
	Network    string                `json:"network,omitempty"`
	Since      time.Time             `json:"since,omitzero"` // when the network was last acted on
	Heard      time.Time             `json:"heard,omitzero"` // last sign of life
	Moving     bool                  `json:"moving,omitempty"`
	Unapproved bool                  `json:"unapproved,omitempty"`
	Unlocated  bool                  `json:"unlocated,omitempty"`
}

// How a caller was found.
const (
	foundBySource = "source"          // one phone alone registers from the address
	foundByLine   = "source and line" // of several behind one address, the one with the line
	foundByAOR    = "line"            // one phone alone has the line
	foundBySite   = "site"            // it was not: what is known of the site is told
)

// callers are all of them, as they can be looked for.
type callers struct {
	bySource map[netip.Addr][]*Caller
	byAOR    map[string][]*Caller
	all      map[string]*Caller
	sources  map[source]bool
}

// SetCallers replaces all callers.
func (p *Proxy) SetCallers(list []Caller) {
	c := &callers{map[netip.Addr][]*Caller{}, map[string][]*Caller{}, map[string]*Caller{}, map[source]bool{}}
	for i := range list {
		x := &list[i]
		c.all[x.Phone] = x
		for _, a := range x.Sources {
			c.bySource[a] = append(c.bySource[a], x)
			c.sources[sourceOf(a)] = true
		}
		for _, a := range x.AORs {
			a = strings.ToLower(a)
			c.byAOR[a] = append(c.byAOR[a], x)
		}
	}
	p.callers.Store(c)
}

// find returns the caller that a request is from, and how it was found: by where it
// comes from first, by its line only if no other phone has that.
func (c *callers) find(source netip.Addr, aor, contact string) (*Caller, string) {
	if c == nil {
		return nil, ""
	}
	aor = strings.ToLower(aor)
	here := c.bySource[source]
	if len(here) == 1 {
		return here[0], foundBySource
	}
	fits := func(x *Caller) bool {
		return slices.ContainsFunc(x.AORs, func(a string) bool { return strings.EqualFold(a, aor) })
	}
	var found []*Caller
	for _, x := range here {
		if fits(x) {
			found = append(found, x)
		}
	}
	if len(found) > 1 {
		found = slices.DeleteFunc(found, func(x *Caller) bool { return !slices.Contains(x.Contacts, contact) })
	}
	if len(found) == 1 {
		return found[0], foundByLine
	}
	if all := c.byAOR[aor]; len(all) == 1 && len(found) == 0 {
		return all[0], foundByAOR
	}
	return nil, ""
}

// from reports whether a phone registers from a source.
func (c *callers) from(s source) bool { return c != nil && c.sources[s] }

// holds reports whether a phone registers an AOR, in lower case, from an address.
func (c *callers) holds(a netip.Addr, aor string) bool {
	return c != nil && slices.ContainsFunc(c.byAOR[aor], func(x *Caller) bool { return slices.Contains(x.Sources, a) })
}
