package portal

import (
	"slices"
	"strings"

	"perch/gateway/words"
	"perch/location"
)

// exact is the choice of a place within the detected one.
type exact struct {
	Rows   []exactRow
	Chosen bool // one of Rows is; else the detected place itself
	Search bool // there are too many for a list
	Query  string
	Total  int
	More   int // found, but not shown
}

type exactRow struct {
	ID, Name, Line string
	Depth          int // at most maxDepth
	Chosen         bool
}

const (
	maxExact = 20 // rows of a list without a search
	maxDepth = 4  // levels of indentation that a telephone has room for
)

func newExact(within []location.Location, at location.CivicAddress, query string, chosen location.ID) exact {
	e := exact{Total: len(within), Search: len(within) > maxExact, Query: words.Clean(query, words.MaxWord)}
	wanted := newSearch(query)
	depth := map[location.ID]int{}
	for _, l := range within {
		if d, ok := depth[l.Parent]; ok {
			depth[l.ID] = min(d+1, maxDepth)
		} else {
			depth[l.ID] = 0
		}
		is := l.ID == chosen
		found := !e.Search || !wanted.empty() && wanted.matches(l.Name+" "+l.Address.String())
		switch {
		case !found && !is:
			continue
		case !is && len(e.Rows) >= maxExact:
			e.More++
			continue
		}
		row := exactRow{ID: string(l.ID), Name: words.Clean(nameOf(l), words.MaxName), Chosen: is, Depth: depth[l.ID]}
		if e.Search {
			row.Depth = 0 // what stands above it may not be shown
		}
		if line := words.Clean(inside(l.Address, at), words.MaxLine); l.Name != "" && line != row.Name {
			row.Line = line
		}
		e.Chosen = e.Chosen || is
		e.Rows = append(e.Rows, row)
	}
	return e
}

// inside is the part of an address within the building, without what the place
// around it says already.
func inside(a, around location.CivicAddress) string {
	in := location.CivicAddress{Building: a.Building, Floor: a.Floor, Room: a.Room, Unit: a.Unit, Additional: a.Additional}
	for _, c := range around.Cells() {
		if v, _ := in.Get(c.Column); v == c.Value {
			_ = in.Set(c.Column, "") // emptying is never refused
		}
	}
	return in.String()
}

// search is what somebody looks for: words, all of which must be there.
type search []string

func newSearch(query string) search { return strings.Fields(strings.ToLower(tidy(query))) }

func (s search) empty() bool { return len(s) == 0 }

func (s search) matches(text string) bool {
	text = strings.ToLower(text)
	return !slices.ContainsFunc(s, func(word string) bool { return !strings.Contains(text, word) })
}
