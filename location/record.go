package location

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrNoAddress reports that a record fills no element of an address.
var ErrNoAddress = errors.New("empty address")

// ParseRecord reads an address as it is given on a command line: one CSV record
// of column=value cells, such as
//
//	"street=Main Street, East",house_number=7,city=Springfield
//
// Columns are those of Columns, and name, site and elin. An unknown or repeated
// column is an error, and so is a record without any element (ErrNoAddress). The
// location has no ID, and its kind is Company.
func ParseRecord(s string) (Location, error) {
	r := csv.NewReader(strings.NewReader(s))
	r.FieldsPerRecord = -1
	cells, err := r.Read()
	if errors.Is(err, io.EOF) {
		return Location{}, ErrNoAddress
	}
	if err != nil {
		return Location{}, csvReason(err)
	}
	if _, err := r.Read(); !errors.Is(err, io.EOF) {
		return Location{}, errors.New("more than one line")
	}
	var l Location
	given := make(map[string]bool, len(cells))
	for _, cell := range cells {
		column, value, found := strings.Cut(cell, "=")
		column = strings.TrimSpace(column)
		switch {
		case !found:
			return Location{}, fmt.Errorf("%q: want column=value", cell)
		case given[column]:
			return Location{}, fmt.Errorf("column %q is given twice", column)
		}
		given[column] = true
		if err := l.setCell(column, value); err != nil {
			return Location{}, err
		}
	}
	if l.Address == (CivicAddress{}) {
		return Location{}, ErrNoAddress
	}
	return l, nil
}

func (l *Location) setCell(column, value string) error {
	value = strings.TrimSpace(value)
	var field *string
	switch column {
	case "name":
		field = &l.Name
	case "site":
		field = &l.Site
	case "elin":
		field = &l.ELIN
	default:
		return l.Address.Set(column, value)
	}
	if err := CheckText(value); err != nil {
		return fmt.Errorf("%s: %w", column, err)
	}
	*field = value
	return nil
}

// csvReason leaves out line and column, which say nothing about one record.
func csvReason(err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return parse.Err
	}
	return err
}

// FormatRecord writes what ParseRecord reads of a location.
func FormatRecord(l Location) string {
	var cells []string
	own := []Cell{{"name", l.Name}, {"site", l.Site}, {"elin", l.ELIN}}
	for _, c := range append(own, l.Address.Cells()...) {
		if c.Value == "" {
			continue
		}
		cells = append(cells, c.Column+"="+c.Value)
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write(cells) // a strings.Builder does not fail
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}
