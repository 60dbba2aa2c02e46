package proxy

import (
	"fmt"
	"net/netip"
	"slices"

	"perch/location"
)

// Site is where phones are, and what is different there when help is called.
type Site struct {
	Name     string
	Prefixes []netip.Prefix // of its phones; the longest counts
	// Numbers are what is dialled for help there; nil: Config.Numbers.
	Numbers []string
	// Geolocation is what becomes of a location; empty: KeepGeolocation.
	Geolocation string
	// ELIN says that a call goes out with the location's ELIN as the caller's number,
	// which is what some trunks tell a dispatcher's place and call-back number by.
	ELIN bool
}

// What becomes of the location of a call for help.
const (
	KeepGeolocation    = "keep"    // one that the phone sends passes; else ours is added
	ReplaceGeolocation = "replace" // ours takes the place of the phone's
	NoGeolocation      = "none"    // the call passes as the phone wrote it
)

// check reports what is wrong with a site.
func (s *Site) check() error {
	switch {
	case s.Name == "":
		return fmt.Errorf("a site without a name")
	case !slices.Contains([]string{"", KeepGeolocation, ReplaceGeolocation, NoGeolocation}, s.Geolocation):
		return fmt.Errorf("site %s: geolocation %q: want %s, %s or %s", s.Name, s.Geolocation, KeepGeolocation, ReplaceGeolocation, NoGeolocation)
	case s.Numbers != nil && len(s.Numbers) == 0:
		return fmt.Errorf("site %s: no number for help", s.Name)
	}
	return nil
}

// Place is where a caller is who is not known: what is in force for a site by default.
type Place struct {
	Site     string                `json:"site"`
	Location string                `json:"location"`
	Address  location.CivicAddress `json:"address"`
	ELIN     string                `json:"elin,omitempty"`
}

// SetPlaces replaces all places.
func (p *Proxy) SetPlaces(list []Place) {
	m := map[string]Place{}
	for _, x := range list {
		m[x.Site] = x
	}
	p.places.Store(&m)
}

// unknownCaller is who calls from a site without being known: what is known of the
// site.
func (p *Proxy) unknownCaller(site string) *Caller {
	m := p.places.Load()
	if m == nil {
		return nil
	}
	x, ok := (*m)[site]
	if !ok {
		return nil
	}
	return &Caller{Site: site, Location: x.Location, Address: x.Address, ELIN: x.ELIN, Source: "default", Unlocated: true}
}

// siteOf returns the site of an address; the zero Site with the numbers of all if
// none is known for it.
func (p *Proxy) siteOf(a netip.Addr) *Site {
	best, found := -1, &p.elsewhereSite
	for i := range p.cfg.Sites {
		for _, n := range p.cfg.Sites[i].Prefixes {
			if n.Bits() > best && n.Contains(a) {
				best, found = n.Bits(), &p.cfg.Sites[i]
			}
		}
	}
	return found
}

// siteNamed returns the site of a name; nil if nothing is said of it.
func (p *Proxy) siteNamed(name string) *Site {
	for i := range p.cfg.Sites {
		if s := &p.cfg.Sites[i]; name != "" && s.Name == name {
			return s
		}
	}
	return nil
}

// numbersOf are what is dialled for help at a site.
func (p *Proxy) numbersOf(s *Site) []string {
	if s.Numbers != nil {
		return s.Numbers
	}
	return p.numbers
}
