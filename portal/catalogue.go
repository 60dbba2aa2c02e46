package portal

import (
	"cmp"
	"slices"
	"strings"

	"perch/location"
	"perch/provisioning"
)

// catalogue is the company's list as the users of one site see it. Addresses are
// as they stand in the list, not complete.
type catalogue struct {
	all    map[location.ID]*location.Location // retired ones too
	listed map[location.ID]bool               // live, of the site
	under  map[location.ID][]*location.Location
}

// found is a place of the list.
type found struct {
	*location.Location
	depth int
	below int
}

// catalogue reads the list. Where the site of a phone is not known, and for
// places without a site, all count. The directory is held no longer than it takes
// to copy it.
func (h *Handler) catalogue(site string) catalogue {
	c := catalogue{
		all: map[location.ID]*location.Location{}, listed: map[location.ID]bool{}, under: map[location.ID][]*location.Location{},
	}
	var all []location.Location
	h.office.Read(func(d *provisioning.Directory) {
		all = make([]location.Location, 0, d.Tree().Len())
		for l := range d.Tree().All() {
			if l.Kind == location.Company {
				all = append(all, l)
			}
		}
	})
	for i := range all {
		c.all[all[i].ID] = &all[i]
	}
	for i := range all {
		if of := c.siteOf(&all[i]); all[i].Live() && (site == "" || of == "" || of == site) {
			c.listed[all[i].ID] = true
		}
	}
	for i := range all { // by id, as the tree has them
		if c.listed[all[i].ID] {
			parent := c.parent(all[i].ID)
			c.under[parent] = append(c.under[parent], &all[i])
		}
	}
	return c
}

// siteOf returns the site of a location, or that of the nearest above it that
// names one.
func (c catalogue) siteOf(l *location.Location) string {
	for l.Site == "" && c.all[l.Parent] != nil {
		l = c.all[l.Parent]
	}
	return l.Site
}

// parent returns the nearest listed location above one, or "" at the top.
func (c catalogue) parent(id location.ID) location.ID {
	for l := c.all[id]; l != nil && l.Parent != ""; l = c.all[l.Parent] {
		if c.listed[l.Parent] {
			return l.Parent
		}
	}
	return ""
}

// above returns the listed locations above one, the widest first.
func (c catalogue) above(id location.ID) []*location.Location {
	var out []*location.Location
	for id = c.parent(id); id != ""; id = c.parent(id) {
		out = append(out, c.all[id])
	}
	slices.Reverse(out)
	return out
}

// find returns what a page below a location lists: what a search finds there,
// else all, indented, if that fits on one page, else those directly below it.
func (c catalogue) find(at location.ID, s search) []found {
	if !s.empty() {
		return c.findText(at, s)
	}
	var all []found
	c.walk(at, 0, func(f found) bool {
		all = append(all, f)
		return len(all) <= pageRows
	})
	if len(all) <= pageRows {
		return all
	}
	var out []found
	for _, l := range c.below(at) {
		out = append(out, found{l, 0, len(c.under[l.ID])})
	}
	return out
}

// findText returns the places below one that have all words of a search in their
// own texts or those of what they lie in.
func (c catalogue) findText(at location.ID, s search) []found {
	texts := map[location.ID]string{}
	text := func(l *location.Location) string { return l.Name + " " + l.Address.String() + " " }
	if l := c.all[at]; l != nil {
		for _, above := range append(c.above(at), l) {
			texts[at] += text(above)
		}
	}
	var out []found
	c.walk(at, 0, func(f found) bool {
		own := texts[c.parent(f.ID)] + text(f.Location)
		if len(c.under[f.ID]) > 0 {
			texts[f.ID] = own
		}
		if s.matches(own) {
			out = append(out, found{f.Location, 0, len(c.under[f.ID])})
		}
		return true
	})
	return out
}

// walk goes through the places below one, each before those below it, until visit
// returns false.
func (c catalogue) walk(at location.ID, depth int, visit func(found) bool) bool {
	for _, l := range c.below(at) {
		if !visit(found{l, depth, 0}) || !c.walk(l.ID, depth+1, visit) {
			return false
		}
	}
	return true
}

// below returns the listed locations directly below one, as people order them.
func (c catalogue) below(id location.ID) []*location.Location {
	slices.SortStableFunc(c.under[id], func(a, b *location.Location) int { return compareNatural(nameOf(*a), nameOf(*b)) })
	return c.under[id]
}

// compareNatural orders names as people do: room 9 before room 10.
func compareNatural(a, b string) int {
	for a != "" && b != "" {
		x, y := leadingNumber(a), leadingNumber(b)
		if x != "" && y != "" {
			nx, ny := strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if c := cmp.Or(cmp.Compare(len(nx), len(ny)), cmp.Compare(nx, ny)); c != 0 {
				return c
			}
			a, b = a[len(x):], b[len(y):]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func leadingNumber(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
}
