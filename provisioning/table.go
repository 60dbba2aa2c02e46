package provisioning

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Table is a kind of row, and of CSV file.
type Table uint8

// The tables, in the order in which they refer to each other.
const (
	Sites Table = iota
	Locations
	Wiremap
	Users
	Phones
	Lines
)

var tableNames = [...]string{"sites", "locations", "wiremap", "users", "phones", "lines"}

// String returns the table's name, such as "wiremap".
func (t Table) String() string { return tableNames[t] }

// FileName returns the base name of the table's CSV file, such as "wiremap.csv".
func (t Table) FileName() string { return t.String() + ".csv" }

// ParseTable reads a table's name.
func ParseTable(s string) (Table, error) {
	if i := slices.Index(tableNames[:], s); i >= 0 {
		return Table(i), nil
	}
	return 0, fmt.Errorf("%q: want %s", s, strings.Join(tableNames[:], ", "))
}

// TableOf returns the table of a CSV file by its base name.
func TableOf(name string) (Table, error) {
	base := path.Base(strings.ReplaceAll(name, `\`, "/"))
	for i, table := range tableNames {
		if strings.EqualFold(base, table+".csv") {
			return Table(i), nil
		}
	}
	return 0, fmt.Errorf("%s: the base name says what is in a file: want %s", name, strings.Join(tableNames[:], ".csv, ")+".csv")
}

// File is the content of one CSV file: rows of one table.
type File struct {
	Name    string // as given
	Table   Table
	Content Content
}
