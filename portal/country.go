package portal

import (
	"regexp"
	"slices"
	"strings"
)

// country is how people in one country write an address: which elements of RFC
// 5139 are asked for, in which order, what they are called there, and what is
// known of their form. Elements that it does not name are asked for under "More
// about this place", so that nothing typed is lost when the country changes.
type country struct {
	code     string
	rows     []string // columns of one line of the form, separated by spaces
	labels   map[string]string
	hints    map[string]string
	required string // columns, beside country, city, street and house number
	postal   *regexp.Regexp
	spell    string // how postal's groups are written
	example  string // of a postal code, for messages
	states   []nation
	stateIs  string // what a state is called in messages
	numberIn *regexp.Regexp
}

// A street line that holds the house number, as browsers fill it in: "1 Main
// Street" and "Hauptstraße 7a".
var (
	numberFirst = regexp.MustCompile(`^(?P<number>\d{1,6}[A-Za-z]?(?:-\d{1,6})?),? +(?P<street>\S.*)$`)
	numberLast  = regexp.MustCompile(`^(?P<street>.*[^\d\s,]),? +(?P<number>\d{1,5} ?[A-Za-z]?(?:[-/]\d{1,5})?)$`)
)

// countries are those whose customs the form knows; general is for all others.
var countries = [...]country{
	{
		code: "US", rows: []string{"house_number street", "unit", "city", "state postal_code"},
		labels:   map[string]string{"house_number": "Number", "unit": "Suite or apartment", "postal_code": "ZIP code"},
		hints:    map[string]string{"state": "Two letters, such as IL"},
		required: "state postal_code", postal: regexp.MustCompile(`^(\d{5})(-\d{4})?$`), spell: "$1$2", example: "62701 or 62701-1234",
		states: usStates, stateIs: "state", numberIn: numberFirst,
	},
	{
		code: "CA", rows: []string{"house_number street", "unit", "city", "state postal_code"},
		labels:   map[string]string{"house_number": "Number", "unit": "Suite or apartment", "state": "Province or territory", "postal_code": "Postal code"},
		hints:    map[string]string{"state": "Two letters, such as ON"},
		required: "state postal_code", postal: regexp.MustCompile(`^([ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z]) ?-?(\d[ABCEGHJ-NPRSTV-Z]\d)$`), spell: "$1 $2", example: "K1A 0B1",
		states: caProvinces, stateIs: "province or territory", numberIn: numberFirst,
	},
	{
		code: "GB", rows: []string{"house_number street", "unit", "city", "postal_code"},
		labels:   map[string]string{"house_number": "Number or name", "unit": "Flat or unit", "city": "Town or city", "postal_code": "Postcode"},
		required: "postal_code", postal: regexp.MustCompile(`^([A-Z]{1,2}\d[A-Z\d]?) ?(\d[ABD-HJLNP-UW-Z]{2})$`), spell: "$1 $2", example: "SW1A 2AA",
		numberIn: numberFirst,
	},
	{
		code: "IE", rows: []string{"house_number street", "unit", "city", "county", "postal_code"},
		labels: map[string]string{"house_number": "Number or name", "unit": "Apartment or unit", "city": "Town or city", "postal_code": "Eircode"},
		postal: regexp.MustCompile(`^([AC-FHKNPRTV-Y](?:\d\d|6W)) ?([\dAC-FHKNPRTV-Y]{4})$`), spell: "$1 $2", example: "D02 X285",
		numberIn: numberFirst,
	},
	{
		code: "DE", rows: []string{"street house_number", "postal_code city"},
		labels:   map[string]string{"house_number": "Number", "postal_code": "Postcode (PLZ)", "city": "Town or city (Ort)"},
		required: "postal_code", postal: regexp.MustCompile(`^(\d{5})$`), spell: "$1", example: "10115",
		numberIn: numberLast,
	},
	{
		code: "AT", rows: []string{"street house_number", "unit", "postal_code city"},
		labels:   map[string]string{"house_number": "Number", "unit": "Staircase and door (Stiege, Tür)", "postal_code": "Postcode (PLZ)", "city": "Town or city (Ort)"},
		required: "postal_code", postal: regexp.MustCompile(`^([1-9]\d{3})$`), spell: "$1", example: "1010",
		numberIn: numberLast,
	},
	{
		code: "CH", rows: []string{"street house_number", "postal_code city"},
		labels:   map[string]string{"house_number": "Number", "postal_code": "Postcode (PLZ, NPA)", "city": "Town or city", "state": "Canton"},
		required: "postal_code", postal: regexp.MustCompile(`^([1-9]\d{3})$`), spell: "$1", example: "8001",
		numberIn: numberLast,
	},
	{
		code: "FR", rows: []string{"house_number street", "postal_code city"},
		labels:   map[string]string{"house_number": "Number", "postal_code": "Postcode (code postal)", "city": "Town or city (commune)", "house_number_suffix": "Number suffix (bis, ter)"},
		required: "postal_code", postal: regexp.MustCompile(`^(\d{2}) ?(\d{3})$`), spell: "$1$2", example: "75001",
		numberIn: numberFirst,
	},
	{
		code: "NL", rows: []string{"street house_number", "postal_code city"},
		labels:   map[string]string{"house_number": "Number", "house_number_suffix": "Number suffix (toevoeging)", "postal_code": "Postcode", "city": "Town or city"},
		required: "postal_code", postal: regexp.MustCompile(`^([1-9]\d{3}) ?([A-Z]{2})$`), spell: "$1 $2", example: "1012 AB",
		numberIn: numberLast,
	},
	{
		code: "AU", rows: []string{"house_number street", "unit", "city", "state postal_code"},
		labels:   map[string]string{"house_number": "Number", "unit": "Unit", "city": "Suburb or town", "state": "State or territory", "postal_code": "Postcode"},
		hints:    map[string]string{"state": "Such as NSW"},
		required: "state postal_code", postal: regexp.MustCompile(`^(\d{4})$`), spell: "$1", example: "2000",
		states: auStates, stateIs: "state or territory", numberIn: numberFirst,
	},
}

// general is the form of all other countries, in which either order is usual.
var general = country{
	rows:   []string{"street house_number", "unit", "postal_code city", "state"},
	labels: map[string]string{"house_number": "Number", "unit": "Apartment or unit", "city": "Town or city", "state": "State, province or region", "postal_code": "Postcode"},
}

// countryOf returns the customs of a country by its code.
func countryOf(code string) country {
	i := slices.IndexFunc(countries[:], func(c country) bool { return c.code == code })
	if i < 0 {
		c := general
		c.code = code
		return c
	}
	return countries[i]
}

// isNation reports whether ISO 3166-1 has a code.
func isNation(code string) bool {
	return slices.ContainsFunc(nations[:], func(n nation) bool { return n.Code == code })
}

// needs reports whether a column must be filled.
func (c country) needs(column string) bool {
	return column == "country" || column == "city" || slices.Contains(strings.Fields(c.required), column)
}

// postalCode returns a postal code as it is written in the country; false if it
// cannot be one there.
func (c country) postalCode(s string) (string, bool) {
	if c.postal == nil {
		return s, true
	}
	up := strings.ToUpper(s)
	if !c.postal.MatchString(up) {
		return s, false
	}
	return c.postal.ReplaceAllString(up, c.spell), true
}

// state returns the code of a state that is given by code or by name; false if
// the country has no such state.
func (c country) state(s string) (string, bool) {
	if c.states == nil || s == "" {
		return s, true
	}
	bare := strings.ReplaceAll(s, ".", "")
	for _, n := range c.states {
		if strings.EqualFold(bare, n.Code) || strings.EqualFold(s, n.Name) {
			return n.Code, true
		}
	}
	return s, false
}

// split takes the house number out of a street line, where the number was not
// given by itself.
func (c country) split(street string) (name, number string, ok bool) {
	if c.numberIn == nil {
		return street, "", false
	}
	m := c.numberIn.FindStringSubmatch(street)
	if m == nil {
		return street, "", false
	}
	return m[c.numberIn.SubexpIndex("street")], m[c.numberIn.SubexpIndex("number")], true
}

// usStates are the states, the district and the territories (USPS Publication 28,
// appendix B). Nobody can be sent to its military "states".
var usStates = []nation{
	{"AL", "Alabama"}, {"AK", "Alaska"}, {"AZ", "Arizona"}, {"AR", "Arkansas"}, {"CA", "California"}, {"CO", "Colorado"},
	{"CT", "Connecticut"}, {"DE", "Delaware"}, {"DC", "District of Columbia"}, {"FL", "Florida"}, {"GA", "Georgia"},
	{"HI", "Hawaii"}, {"ID", "Idaho"}, {"IL", "Illinois"}, {"IN", "Indiana"}, {"IA", "Iowa"}, {"KS", "Kansas"},
	{"KY", "Kentucky"}, {"LA", "Louisiana"}, {"ME", "Maine"}, {"MD", "Maryland"}, {"MA", "Massachusetts"},
	{"MI", "Michigan"}, {"MN", "Minnesota"}, {"MS", "Mississippi"}, {"MO", "Missouri"}, {"MT", "Montana"},
	{"NE", "Nebraska"}, {"NV", "Nevada"}, {"NH", "New Hampshire"}, {"NJ", "New Jersey"}, {"NM", "New Mexico"},
	{"NY", "New York"}, {"NC", "North Carolina"}, {"ND", "North Dakota"}, {"OH", "Ohio"}, {"OK", "Oklahoma"},
	{"OR", "Oregon"}, {"PA", "Pennsylvania"}, {"RI", "Rhode Island"}, {"SC", "South Carolina"}, {"SD", "South Dakota"},
	{"TN", "Tennessee"}, {"TX", "Texas"}, {"UT", "Utah"}, {"VT", "Vermont"}, {"VA", "Virginia"}, {"WA", "Washington"},
	{"WV", "West Virginia"}, {"WI", "Wisconsin"}, {"WY", "Wyoming"},
	{"AS", "American Samoa"}, {"GU", "Guam"}, {"MP", "Northern Mariana Islands"}, {"PR", "Puerto Rico"}, {"VI", "Virgin Islands"},
}

var caProvinces = []nation{
	{"AB", "Alberta"}, {"BC", "British Columbia"}, {"MB", "Manitoba"}, {"NB", "New Brunswick"},
	{"NL", "Newfoundland and Labrador"}, {"NT", "Northwest Territories"}, {"NS", "Nova Scotia"}, {"NU", "Nunavut"},
	{"ON", "Ontario"}, {"PE", "Prince Edward Island"}, {"QC", "Quebec"}, {"QC", "Québec"}, {"SK", "Saskatchewan"}, {"YT", "Yukon"},
}

var auStates = []nation{
	{"ACT", "Australian Capital Territory"}, {"NSW", "New South Wales"}, {"NT", "Northern Territory"}, {"QLD", "Queensland"},
	{"SA", "South Australia"}, {"TAS", "Tasmania"}, {"VIC", "Victoria"}, {"WA", "Western Australia"},
}
