package provisioning

import (
	"bytes"
	"cmp"

	"perch/location"
	"perch/matcher"
)

// Content is all rows of a directory, each list sorted by its key: id, email,
// MAC, AOR, and of a rule all its fields but the location.
type Content struct {
	Sites     []Site
	Locations []location.Location
	Rules     []matcher.Rule // in the order of matcher.Compare
	Users     []User
	Phones    []Phone
	Lines     []Line
}

// Changes are rows that were added or replaced, and keys of rows that are gone.
// Rows go before others are put. Locations are never gone, only retired.
//
// A rule that is put replaces all rules of its key (matcher.Rule.Key). Two rules
// of one key are put together, if the location of one is above the other's, or
// if both are personal.
type Changes struct {
	Put        Content
	GoneSites  []string
	GoneRules  []matcher.Rule // by key: their Location is empty
	GoneUsers  []string
	GonePhones []Phone // by key: only MAC is set
	GoneLines  []string
}

// Empty reports whether nothing changes.
func (c Changes) Empty() bool {
	return len(c.Put.Sites)+len(c.Put.Locations)+len(c.Put.Rules)+len(c.Put.Users)+len(c.Put.Phones)+len(c.Put.Lines)+
		len(c.GoneSites)+len(c.GoneRules)+len(c.GoneUsers)+len(c.GonePhones)+len(c.GoneLines) == 0
}

func compareSites(a, b Site) int                  { return cmp.Compare(a.ID, b.ID) }
func compareLocations(a, b location.Location) int { return cmp.Compare(a.ID, b.ID) }
func compareUsers(a, b User) int                  { return cmp.Compare(a.Email, b.Email) }
func comparePhones(a, b Phone) int                { return bytes.Compare(a.MAC[:], b.MAC[:]) }
func compareLines(a, b Line) int                  { return cmp.Compare(a.AOR, b.AOR) }

// Sort puts all rows into the order of their keys.
func (c *Content) Sort() {
	sortRows(c.Sites, compareSites)
	sortRows(c.Locations, compareLocations)
	sortRows(c.Rules, matcher.Compare)
	sortRows(c.Users, compareUsers)
	sortRows(c.Phones, comparePhones)
	sortRows(c.Lines, compareLines)
}
