package location

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Cell is one filled element of a civic address under its CSV column name.
type Cell struct {
	Column, Value string
}

// scope orders elements from the wide to the narrow. A place that names a wider
// element of its own has no use for its parent's narrower ones.
type scope uint8

const (
	inCountry scope = iota
	inState
	inCounty
	inCity
	inStreet
	atNumber
	inBuilding
	onFloor
	inRoom
)

// element is one row of RFC 5139 section 3.1: a CSV column, the CAtype that
// carries the same element on the wire (RFC 4776 section 3.4), and its field.
type element struct {
	column string
	catype uint8
	scope  scope
	field  func(*CivicAddress) *string
}

// elements stand in the order of the CSV columns.
var elements = [...]element{
	{"country", caNone, inCountry, func(a *CivicAddress) *string { return &a.Country }},
	{"state", 1, inState, func(a *CivicAddress) *string { return &a.State }},
	{"county", 2, inCounty, func(a *CivicAddress) *string { return &a.County }},
	{"city", 3, inCity, func(a *CivicAddress) *string { return &a.City }},
	{"pre_directional", 16, inStreet, func(a *CivicAddress) *string { return &a.PreDirectional }},
	{"street", caRoad, inStreet, func(a *CivicAddress) *string { return &a.Street }},
	{"street_suffix", 18, inStreet, func(a *CivicAddress) *string { return &a.StreetSuffix }},
	{"post_directional", 17, inStreet, func(a *CivicAddress) *string { return &a.PostDirectional }},
	{"house_number", 19, atNumber, func(a *CivicAddress) *string { return &a.HouseNumber }},
	{"house_number_suffix", 20, atNumber, func(a *CivicAddress) *string { return &a.HouseNumberSuffix }},
	{"landmark", 21, inBuilding, func(a *CivicAddress) *string { return &a.Landmark }},
	{"building", 25, inBuilding, func(a *CivicAddress) *string { return &a.Building }},
	{"floor", 27, onFloor, func(a *CivicAddress) *string { return &a.Floor }},
	{"room", 28, inRoom, func(a *CivicAddress) *string { return &a.Room }},
	{"unit", 26, inRoom, func(a *CivicAddress) *string { return &a.Unit }},
	{"postal_code", 24, inCity, func(a *CivicAddress) *string { return &a.PostalCode }},
	{"additional", 22, inRoom, func(a *CivicAddress) *string { return &a.Additional }},
}

// Columns returns the CSV column names of a civic address, in their usual
// order.
func Columns() []string {
	names := make([]string, len(elements))
	for i, e := range elements {
		names[i] = e.column
	}
	return names
}

// Cells returns the filled elements in the order of Columns.
func (a CivicAddress) Cells() []Cell {
	var cells []Cell
	for _, e := range elements {
		if v := *e.field(&a); v != "" {
			cells = append(cells, Cell{e.column, v})
		}
	}
	return cells
}

// Get returns the element of a column; false if there is no such column.
func (a CivicAddress) Get(column string) (string, bool) {
	for _, e := range elements {
		if e.column == column {
			return *e.field(&a), true
		}
	}
	return "", false
}

// Set fills the element of a column. Surrounding space is dropped and a country
// put in upper case. It fails on an unknown column, on a country that is not
// two letters, and on text that CheckText refuses.
func (a *CivicAddress) Set(column, value string) error {
	i := slices.IndexFunc(elements[:], func(e element) bool { return e.column == column })
	if i < 0 {
		return fmt.Errorf("unknown column %q", column)
	}
	value = strings.TrimSpace(value)
	if err := CheckText(value); err != nil {
		return fmt.Errorf("%s: %w", column, err)
	}
	if column == "country" && value != "" {
		value = strings.ToUpper(value)
		if len(value) != 2 || strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return fmt.Errorf("country %q: want two letters, such as US", value)
		}
	}
	*elements[i].field(a) = value
	return nil
}

// CheckText refuses text that may not stand in a mail header or on a
// dispatcher's screen: invalid UTF-8 and control characters, line ends included.
func CheckText(s string) error {
	if printable(s) {
		return nil
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%q is not UTF-8", s)
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("%q has a control character", s)
	}
	return nil
}

// printable reports whether a text is ASCII without control characters, as most
// cells are.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// inherit fills blank elements from a parent's address, from the wide to the
// narrow, and stops where the two differ: a building in Oak Avenue does not get
// the house number that its campus has in Main Street.
func (a CivicAddress) inherit(parent CivicAddress) CivicAddress {
	differ := inRoom + 1 // the widest scope in which both are filled and differ
	for _, e := range elements {
		own, theirs := *e.field(&a), *e.field(&parent)
		if own != "" && theirs != "" && own != theirs && e.scope < differ {
			differ = e.scope
		}
	}
	for _, e := range elements {
		// Elements of one scope go together: another street has another suffix.
		if own := e.field(&a); *own == "" && e.scope < differ {
			*own = *e.field(&parent)
		}
	}
	return a
}

// Rank says how narrow a place is. Ranks compare with < and >.
type Rank uint8

// The ranks, from the wide to the narrow.
const (
	Site Rank = iota
	Building
	Floor
	Room // a room or a unit
)

var rankNames = [...]string{"site", "building", "floor", "room"}

// String returns "site", "building", "floor" or "room".
func (r Rank) String() string { return rankNames[r] }

// Rank returns the rank of the deepest filled element.
func (a CivicAddress) Rank() Rank {
	switch {
	case a.Room != "" || a.Unit != "":
		return Room
	case a.Floor != "":
		return Floor
	case a.Building != "":
		return Building
	}
	return Site
}
