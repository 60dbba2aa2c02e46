package portal

import (
	"slices"
	"strings"

	"perch/location"
)

// addressForm is the form for an address as the template shows it.
type addressForm struct {
	Rows      [][]field // a line of the form each
	Inside    [][]field // where in the building
	More      []field   // rarely needed
	MoreOpen  bool      // something in More is filled in or wrong
	Countries []option
	Country   field
	Name      field
	Faults    []fault // in the order of the form
}

// field is one input.
type field struct {
	Column, Label, Hint, Value string
	Complete                   string // autocomplete
	Mode                       string // inputmode
	Width                      string
	Needed                     bool
	Quiet                      bool   // not needed, and the heading above says so
	Wrong                      string // what is wrong with it
}

// Described names the elements that describe the input, for aria-describedby.
func (f field) Described() string {
	var ids []string
	if f.Hint != "" {
		ids = append(ids, "h-"+f.Column)
	}
	if f.Wrong != "" {
		ids = append(ids, "e-"+f.Column)
	}
	return strings.Join(ids, " ")
}

// option is a choice of a list.
type option struct {
	Value, Text string
	Chosen      bool
}

// newAddressForm lays a form out by the customs of the entry's country.
func newAddressForm(e entry, p purpose, faults []fault) addressForm {
	code := strings.ToUpper(tidy(e["country"]))
	l := layout{entry: e, purpose: p, country: countryOf(code), faults: faults, used: map[string]bool{"country": true}}
	f := addressForm{Country: l.field("country")}
	inside := p.inside()
	f.Rows = l.rows(l.country.rows, strings.Fields(strings.Join(inside, " ")))
	l.quiet = true
	f.Inside = l.rows(inside, nil)
	l.quiet = false
	for _, column := range location.Columns() {
		if !l.used[column] {
			in := l.field(column)
			f.MoreOpen = f.MoreOpen || in.Value != "" || in.Wrong != ""
			f.More = append(f.More, in)
		}
	}
	f.Name = field{
		Column: "name", Label: "Name for this place", Value: shown(e["name"]), Complete: "off", Width: "wide", Wrong: wrong(faults, "name"),
	}
	if p == forPerson {
		f.Name.Hint = "Such as Home"
	}
	for _, n := range nations {
		f.Countries = append(f.Countries, option{n.Code, n.Name, n.Code == code})
	}
	f.Faults = f.inOrder(faults)
	return f
}

// layout builds the fields of a form.
type layout struct {
	entry   entry
	purpose purpose
	country country
	faults  []fault
	used    map[string]bool
	quiet   bool // the heading says that what follows may be left out
}

// rows lays out lines of fields, without those that come later.
func (l *layout) rows(rows, later []string) [][]field {
	var out [][]field
	for _, row := range rows {
		var fields []field
		for _, column := range strings.Fields(row) {
			if l.used[column] || slices.Contains(later, column) {
				continue
			}
			l.used[column] = true
			fields = append(fields, l.field(column))
		}
		if fields != nil {
			out = append(out, fields)
		}
	}
	return out
}

func (l *layout) field(column string) field {
	e := elementOf(column)
	f := field{
		Column: column, Label: l.country.label(column), Hint: e.hint, Value: shown(l.entry[column]),
		Complete: e.complete, Width: e.width, Wrong: wrong(l.faults, column),
		Quiet:  l.quiet,
		Needed: l.country.needs(column) || column == "street" || column == "house_number",
	}
	if h, ok := l.country.hints[column]; ok {
		f.Hint = h
	}
	if column == "postal_code" {
		f.Mode = l.country.digits()
	}
	if l.purpose != forPerson && f.Complete != "country" {
		f.Complete = "off" // browsers know where people live, not where they sit
	}
	return f
}

// shown is what was typed, as it may stand on a page.
func shown(typed string) string { return visible(strings.ToValidUTF8(typed, "\ufffd")) }

// label returns what an element is called in a country.
func (c country) label(column string) string {
	if column == "name" {
		return "Name"
	}
	if s, ok := c.labels[column]; ok {
		return s
	}
	return elementOf(column).label
}

// digits returns the keyboard for postal codes: the numeric one where they are
// numbers.
func (c country) digits() string {
	if c.example != "" && strings.Trim(c.example, "0123456789") == "" {
		return "numeric"
	}
	return ""
}

func wrong(faults []fault, column string) string {
	i := slices.IndexFunc(faults, func(f fault) bool { return f.Column == column })
	if i < 0 {
		return ""
	}
	return faults[i].Message
}

// inOrder sorts faults as their fields stand on the page.
func (f addressForm) inOrder(faults []fault) []fault {
	order := []string{"country", "name"}
	for _, row := range append(slices.Clone(f.Rows), f.Inside...) {
		for _, in := range row {
			order = append(order, in.Column)
		}
	}
	for _, in := range f.More {
		order = append(order, in.Column)
	}
	faults = slices.Clone(faults)
	slices.SortStableFunc(faults, func(a, b fault) int {
		return slices.Index(order, a.Column) - slices.Index(order, b.Column)
	})
	return faults
}
