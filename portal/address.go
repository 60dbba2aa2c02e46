package portal

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"perch/location"
)

// element is what the form knows of one element of RFC 5139, wherever it is
// asked for. A country may call it otherwise.
type element struct {
	column   string
	label    string
	hint     string
	complete string // HTML autocomplete token
	max      int    // characters
	width    string // CSS class: tiny, short or wide
}

// longest is how long an element may be: a CAtype has 255 octets on the wire (RFC
// 4776 section 3.3), and a character up to three that people use.
const longest = 80

var elements = [...]element{
	{"country", "Country", "", "country", 2, "wide"},
	{"state", "State", "", "address-level1", longest, "short"},
	{"county", "County", "", "off", longest, "wide"},
	{"city", "City", "", "address-level2", longest, "wide"},
	{"pre_directional", "Direction before the street name", "Such as N or West", "off", 20, "short"},
	{"street", "Street", "", "address-line1", longest, "wide"},
	{"street_suffix", "Street type", "If it is not part of the street: Street, Avenue", "off", 30, "short"},
	{"post_directional", "Direction after the street name", "Such as SW", "off", 20, "short"},
	{"house_number", "House number", "", "off", 30, "tiny"},
	{"house_number_suffix", "House number suffix", "Such as 1/2 or bis", "off", 20, "short"},
	{"landmark", "Landmark", "A name that everybody knows the place by, such as Main Station", "off", longest, "wide"},
	{"building", "Building", "Its name or letter, if there are several", "off", longest, "wide"},
	{"floor", "Floor", "", "off", 30, "short"},
	{"room", "Room or desk", "", "off", longest, "short"},
	{"unit", "Apartment or unit", "", "address-line2", longest, "short"},
	{"postal_code", "Postcode", "", "postal-code", 20, "short"},
	{"additional", "Additional", "Whatever helps to find it, such as “entrance in the yard”", "off", longest, "wide"},
}

func elementOf(column string) element {
	return elements[slices.IndexFunc(elements[:], func(e element) bool { return e.column == column })]
}

// maxName bounds the name of a place, in characters.
const maxName = 60

// purpose says whose address a form asks for.
type purpose uint8

const (
	forCompany purpose = iota // a proposal, to be reviewed
	forPerson                 // somebody's own place
	forReview                 // a reviewer's edit of a proposal
)

// inside lists the columns of the form about the place within the building.
func (p purpose) inside() []string {
	if p == forPerson {
		return []string{"unit", "floor"}
	}
	return []string{"building", "floor room"}
}

// entry is an address as it was typed, by column; "name" is that of the place.
type entry map[string]string

// entryOf fills a form with an address.
func entryOf(a location.CivicAddress) entry {
	e := entry{}
	for _, c := range a.Cells() {
		e[c.Column] = c.Value
	}
	return e
}

// readEntry takes what was typed out of a form, as it was.
func readEntry(form url.Values) entry {
	e := entry{}
	for _, c := range append(location.Columns(), "name") {
		if v := form.Get(c); v != "" {
			e[c] = v
		}
	}
	return e
}

// fault is what is wrong with one field: "City" and "please fill this in.".
type fault struct {
	Column  string
	Label   string
	Message string
}

// check returns the location that an entry describes, and all that is wrong
// with it.
func (e entry) check() (location.Location, []fault) {
	c := checker{entry: entry{}, country: countryOf(strings.ToUpper(tidy(e["country"])))}
	for column, v := range e {
		c.entry[column] = tidy(v)
	}
	c.splitStreet()
	var l location.Location
	for _, column := range location.Columns() {
		c.column(&l.Address, column)
	}
	c.street()
	l.Name = c.entry["name"]
	if err := location.CheckText(l.Name); err != nil {
		c.add("name", "please use letters, numbers and punctuation only.")
	} else if n := utf8.RuneCountInString(l.Name); n > maxName {
		c.add("name", "at most %d characters. This has %d.", maxName, n)
	}
	return l, c.faults
}

// tidy drops what people cannot see in what they typed or pasted: format
// characters, and space around it, of unusual kinds and lengths.
// What is not UTF-8 stays, to be refused.
func tidy(s string) string {
	if !utf8.ValidString(s) {
		return s
	}
	return strings.Join(strings.Fields(visible(s)), " ")
}

// visible leaves format characters out, which could turn a text's neighbours
// around. The two joiners stay, since Persian and Hindi cannot be written without
// them.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d' {
			return -1
		}
		return r
	}, s)
}

// checker checks an entry by the customs of its country.
type checker struct {
	entry   entry
	country country
	faults  []fault
}

func (c *checker) add(column, format string, args ...any) {
	c.faults = append(c.faults, fault{column, c.country.label(column), fmt.Sprintf(format, args...)})
}

// splitStreet takes "1 Main Street" apart, as browsers fill it in: the house
// number would be missing otherwise, and nothing is guessed.
func (c *checker) splitStreet() {
	if c.entry["house_number"] != "" {
		return
	}
	if name, number, ok := c.country.split(c.entry["street"]); ok {
		c.entry["street"], c.entry["house_number"] = name, number
	}
}

// column checks and sets one element.
func (c *checker) column(a *location.CivicAddress, column string) {
	v := c.entry[column]
	switch n := utf8.RuneCountInString(v); {
	case location.CheckText(v) != nil:
		c.add(column, "please use letters, numbers and punctuation only.")
		return
	case column == "country":
		if v = strings.ToUpper(v); v == "" {
			c.add(column, "choose one.")
		} else if !isNation(v) {
			c.add(column, "choose one from the list.")
			return
		}
	case n > elementOf(column).max:
		c.add(column, "at most %d characters. This has %d.", elementOf(column).max, n)
		return
	case v == "" && c.country.needs(column):
		c.add(column, "please fill this in.")
		return
	case v == "":
		return
	case column == "postal_code":
		code, ok := c.country.postalCode(v)
		if !ok {
			c.add(column, "please write it like %s.", c.country.example)
		}
		v = code
	case column == "state":
		code, ok := c.country.state(v)
		if !ok {
			c.add(column, "please write the %s’s short form, such as %s.", c.country.stateIs, c.country.states[0].Code)
		}
		v = code
	}
	_ = a.Set(column, v) // the country's form and the text are checked above
}

const noStreet = "please fill this in. If there is none, describe the place under “Landmark” or “Additional”."

// street asks for a street and house number, or for words that lead there just
// as well: not every place has them.
func (c *checker) street() {
	if c.entry["landmark"] != "" || c.entry["additional"] != "" {
		return
	}
	if c.entry["street"] == "" {
		c.add("street", noStreet)
	}
	if c.entry["house_number"] == "" {
		c.add("house_number", noStreet)
	}
}
