package provisioning

import (
	"perch/location"
	"perch/matcher"
)

// Content is all rows of a directory, each list sorted by its key: id, email,
// MAC, and of a rule all its fields but the location.
type Content struct {
	Sites     []Site
	Locations []location.Location
	Rules     []matcher.Rule
	Users     []User
	Phones    []Phone
}

// Changes are rows that were added or replaced, and keys of rows that are gone.
// Locations are never gone, only retired.
type Changes struct {
	Put        Content
	GoneSites  []string
	GoneRules  []matcher.Rule // by key: their Location is empty
	GoneUsers  []string
	GonePhones []Phone // by key: only MAC is set
}
