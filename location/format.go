package location

import "strings"

// numberAfterStreet lists the countries that write "Hauptstraße 7, 10115
// Berlin". All others are written "7 Main Street, Springfield, IL 62701".
const numberAfterStreet = " AT BE CH CZ DE DK ES FI HR HU IS IT LI NL NO PL PT SE SI SK "

// String returns the address in one line, for tables, mails and logs. It is
// empty for the zero address.
func (a CivicAddress) String() string { return strings.Join(a.Lines(), ", ") }

// Lines returns the address as on an envelope, in the order of its country:
// landmark, street, the place inside the building, city, country. Blank lines
// are left out.
func (a CivicAddress) Lines() []string {
	after := a.Country != "" && strings.Contains(numberAfterStreet, " "+a.Country+" ")
	number := a.HouseNumber + a.HouseNumberSuffix
	if len(a.HouseNumberSuffix) > 1 { // 1/2, bis
		number = words(a.HouseNumber, a.HouseNumberSuffix)
	}
	street := words(a.PreDirectional, a.Street, a.StreetSuffix, a.PostDirectional)
	if after {
		street = words(street, number)
	} else {
		street = words(number, street)
	}
	inside := list(labelled("Building", a.Building), labelled("Floor", a.Floor),
		labelled("Room", a.Room), labelled("Unit", a.Unit), a.Additional)
	city := list(a.City, a.County, words(a.State, a.PostalCode))
	if after {
		city = list(words(a.PostalCode, a.City), a.County, a.State)
	}
	var lines []string
	for _, line := range []string{a.Landmark, street, inside, city, a.Country} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// labelled puts the kind of thing in front of a bare name: "Floor 3", but
// "Ground floor" and "Main Building" as they are.
func labelled(label, value string) string {
	if value == "" || strings.Contains(value, " ") || strings.Contains(strings.ToLower(value), strings.ToLower(label)) {
		return value
	}
	return label + " " + value
}

func words(s ...string) string { return join(s, " ") }
func list(s ...string) string  { return join(s, ", ") }

func join(s []string, sep string) string {
	var b strings.Builder
	for _, v := range s {
		if v == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(sep)
		}
		b.WriteString(v)
	}
	return b.String()
}
