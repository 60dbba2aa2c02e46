package portal

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"perch/location"
)

// with returns an address that is right, with changes: column, value, column,
// value and so on.
func with(country string, change ...string) entry {
	right := map[string]entry{
		"US": {"house_number": "100", "street": "Main Street", "city": "Springfield", "state": "IL", "postal_code": "62701"},
		"CA": {"house_number": "111", "street": "Wellington Street", "city": "Ottawa", "state": "ON", "postal_code": "K1A 0A9"},
		"GB": {"house_number": "10", "street": "Downing Street", "city": "London", "postal_code": "SW1A 2AA"},
		"IE": {"house_number": "24", "street": "Kildare Street", "city": "Dublin"},
		"DE": {"street": "Lindwurmstraße", "house_number": "7", "city": "München", "postal_code": "80337"},
		"AT": {"street": "Ballhausplatz", "house_number": "2", "city": "Wien", "postal_code": "1010"},
		"CH": {"street": "Bahnhofstrasse", "house_number": "1", "city": "Zürich", "postal_code": "8001"},
		"FR": {"house_number": "55", "street": "rue du Faubourg Saint-Honoré", "city": "Paris", "postal_code": "75008"},
		"NL": {"street": "Damrak", "house_number": "1", "city": "Amsterdam", "postal_code": "1012 LG"},
		"AU": {"house_number": "1", "street": "Macquarie Street", "city": "Sydney", "state": "NSW", "postal_code": "2000"},
		"JP": {"street": "Marunouchi", "house_number": "1-9-1", "city": "Chiyoda"},
	}
	e := entry{"country": country}
	for k, v := range right[country] {
		e[k] = v
	}
	for i := 0; i < len(change); i += 2 {
		e[change[i]] = change[i+1]
	}
	return e
}

// TestCheck: what an address form takes, and which fields it names.
func TestCheck(t *testing.T) {
	long := strings.Repeat("x", longest+1)
	tests := []struct {
		name  string
		entry entry
		wrong string // columns, in the order of the elements
		want  string // the address in one line, where nothing is wrong
	}{
		{"nothing", entry{}, "country city street house_number", ""},
		{"US", with("US"), "", "100 Main Street, Springfield, IL 62701, US"},
		{"US, the state's name, ZIP+4", with("US", "state", "illinois", "postal_code", "62701-1234"), "", "100 Main Street, Springfield, IL 62701-1234, US"},
		{"US, a state with points", with("US", "state", "N.Y."), "", "100 Main Street, Springfield, NY 62701, US"},
		{"US, no such state", with("US", "state", "XX"), "state", ""},
		{"US, no state", with("US", "state", " "), "state", ""},
		{"US, short ZIP", with("US", "postal_code", "6270"), "postal_code", ""},
		{"US, no ZIP", with("US", "postal_code", ""), "postal_code", ""},
		{"US, no city", with("US", "city", ""), "city", ""},
		{"US, as a browser fills it in", with("US", "street", "100 Main Street", "house_number", ""), "", "100 Main Street, Springfield, IL 62701, US"},
		{"US, a numbered street", with("US", "street", "42nd Street", "house_number", ""), "house_number", ""},
		{"US, a number twice", with("US", "street", "5 Points Road", "house_number", "12"), "", "12 5 Points Road, Springfield, IL 62701, US"},
		{"US, no street", with("US", "street", "", "house_number", ""), "street house_number", ""},
		{"US, a landmark", with("US", "street", "", "house_number", "", "landmark", "Union Station"), "", "Union Station, Springfield, IL 62701, US"},
		{"US, in words", with("US", "house_number", "", "additional", "corner of Third Street"), "", "Main Street, corner of Third Street, Springfield, IL 62701, US"},
		{"US, inside", with("US", "building", "A", "floor", "3", "room", "307"), "", "100 Main Street, Building A, Floor 3, Room 307, Springfield, IL 62701, US"},
		{"CA", with("CA", "postal_code", "k1a0a9", "state", "Québec"), "", "111 Wellington Street, Ottawa, QC K1A 0A9, CA"},
		{"CA, ZIP", with("CA", "postal_code", "62701", "state", "IL"), "state postal_code", ""},
		{"GB", with("GB", "postal_code", "sw1a2aa"), "", "10 Downing Street, London, SW1A 2AA, GB"},
		{"GB, a house with a name", with("GB", "house_number", "Rose Cottage", "street", "Mill Lane"), "", "Rose Cottage Mill Lane, London, SW1A 2AA, GB"},
		{"GB, no such postcode", with("GB", "postal_code", "12345"), "postal_code", ""},
		{"IE, without Eircode", with("IE"), "", "24 Kildare Street, Dublin, IE"},
		{"IE", with("IE", "postal_code", "d02x285"), "", "24 Kildare Street, Dublin, D02 X285, IE"},
		{"IE, no such Eircode", with("IE", "postal_code", "Dublin 2"), "postal_code", ""},
		{"DE", with("DE"), "", "Lindwurmstraße 7, 80337 München, DE"},
		{"DE, number in the street", with("DE", "street", "Lindwurmstraße 7 a", "house_number", ""), "", "Lindwurmstraße 7 a, 80337 München, DE"},
		{"DE, a street with a number", with("DE", "street", "Straße des 17. Juni", "house_number", "135"), "", "Straße des 17. Juni 135, 80337 München, DE"},
		{"DE, four digits", with("DE", "postal_code", "8033"), "postal_code", ""},
		{"AT", with("AT", "unit", "Stiege 2, Tür 5"), "", "Ballhausplatz 2, Stiege 2, Tür 5, 1010 Wien, AT"},
		{"AT, five digits", with("AT", "postal_code", "10100"), "postal_code", ""},
		{"CH", with("CH"), "", "Bahnhofstrasse 1, 8001 Zürich, CH"},
		{"CH, a zero", with("CH", "postal_code", "0800"), "postal_code", ""},
		{"FR", with("FR", "postal_code", "75 008"), "", "55 rue du Faubourg Saint-Honoré, Paris, 75008, FR"},
		{"NL", with("NL", "postal_code", "1012lg"), "", "Damrak 1, 1012 LG Amsterdam, NL"},
		{"NL, digits only", with("NL", "postal_code", "1012"), "postal_code", ""},
		{"AU", with("AU", "state", "new south wales"), "", "1 Macquarie Street, Sydney, NSW 2000, AU"},
		{"AU, a US state", with("AU", "state", "IL"), "state", ""},
		{"another country", with("JP", "postal_code", "100-0005"), "", "1-9-1 Marunouchi, Chiyoda, 100-0005, JP"},
		{"lower case", with("JP", "country", "jp"), "", "1-9-1 Marunouchi, Chiyoda, JP"},
		{"no such country", with("JP", "country", "XX"), "country", ""},
		{"no country's code", with("JP", "country", "Japan"), "country", ""},
		{"too long", with("US", "city", long, "street", long, "floor", strings.Repeat("x", 31), "additional", long), "city street floor additional", ""},
		{"as long as may be", with("JP", "city", strings.Repeat("é", longest)), "", "1-9-1 Marunouchi, " + strings.Repeat("é", longest) + ", JP"},
		{"control characters", with("US", "city", "Spring\x00field", "room", "3\x1b[31m", "name", "a\x07b"), "city room name", ""},
		{"not UTF-8", with("US", "city", "Spring\xfffield"), "city", ""},
		{"a name that is too long", with("US", "name", strings.Repeat("x", maxName+1)), "name", ""},
		{"what nobody sees", with("US", "city", " Spring\u200bfield\t ", "street", "Main\u00a0 Street\u202e"), "", "100 Main Street, Springfield, IL 62701, US"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, faults := tt.entry.check()
			var wrong []string
			for _, f := range faults {
				wrong = append(wrong, f.Column)
				if f.Label == "" || f.Message == "" || strings.Contains(f.Message, "%!") {
					t.Errorf("fault %+v", f)
				}
			}
			if got := strings.Join(wrong, " "); got != tt.wrong {
				t.Errorf("wrong: %q, want %q", got, tt.wrong)
			}
			if got := l.Address.String(); tt.wrong == "" && got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestFormKeepsAll: in the form of every country, for every purpose, each
// element stands once, with what was typed.
func TestFormKeepsAll(t *testing.T) {
	e := entry{"name": "typed name"}
	for _, column := range location.Columns() {
		e[column] = "typed " + column
	}
	for _, c := range append(countries[:], country{code: "JP"}, country{code: ""}) {
		for _, p := range []purpose{forCompany, forPerson, forReview} {
			e["country"] = c.code
			f := newAddressForm(e, p, nil)
			got := []string{f.Country.Column}
			for _, in := range slices.Concat(append(slices.Concat(f.Rows, f.Inside), f.More)...) {
				got = append(got, in.Column)
				if in.Value != "typed "+in.Column {
					t.Errorf("%s: %s has %q", c.code, in.Column, in.Value)
				}
				if in.Label == "" {
					t.Errorf("%s: %s has no label", c.code, in.Column)
				}
			}
			want := slices.Sorted(slices.Values(location.Columns()))
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: elements (-want +got):\n%s", c.code, diff)
			}
			if p != forPerson && (len(f.Inside) != 2 || f.Inside[1][0].Label != "Floor" || f.Inside[1][1].Label != "Room or desk") {
				t.Errorf("%s: a company's form does not ask plainly for floor and room", c.code)
			}
		}
	}
}

// TestElements: the form knows all elements that addresses have, and countries
// name no others.
func TestElements(t *testing.T) {
	var got []string
	for _, e := range elements {
		got = append(got, e.column)
	}
	if diff := cmp.Diff(location.Columns(), got); diff != "" {
		t.Errorf("elements (-want +got):\n%s", diff)
	}
	for _, c := range append(countries[:], general) {
		columns := strings.Fields(strings.Join(c.rows, " ") + " " + c.required)
		for column := range c.labels {
			columns = append(columns, column)
		}
		for column := range c.hints {
			columns = append(columns, column)
		}
		for _, column := range columns {
			if !slices.Contains(got, column) {
				t.Errorf("%s names %q", c.code, column)
			}
		}
		if c.code != "" && !isNation(c.code) {
			t.Errorf("%s is not in the list", c.code)
		}
		if c.example != "" {
			first, _, _ := strings.Cut(c.example, " or ")
			if spelled, ok := c.postalCode(strings.ToLower(first)); !ok || spelled != first {
				t.Errorf("%s: its own example %q is read as %q, %v", c.code, first, spelled, ok)
			}
		}
	}
	if len(nations) != 249 {
		t.Errorf("%d countries, ISO 3166-1 has 249", len(nations))
	}
}

// TestAddressFaults: each fault is named on top and at its field, and nothing
// typed is lost.
func TestAddressFaults(t *testing.T) {
	w := newWorld(t)
	id := w.unknownPort()
	p := w.browser()
	path := p.asked(id, alice)
	p.get(path+"/address").has(t, 200, `value="100"`, `value="Main Street"`, `value="Springfield"`, `value="IL"`, `value="62701"`, `<option value="US" selected>`, "ZIP code", "!aria-invalid")
	p.get(path+"/own").has(t, 200, `<option value="US" selected>`, `value=""`, `!value="Main Street"`, `autocomplete="postal-code"`, `autocomplete="address-level2"`)
	before := w.snapshot()
	page := p.post(path+"/address", "do", "save", "country", "US", "street", "Oak \u201cold\u201d <Lane>", "state", "ZZ", "postal_code", "123", "room", "7", "landmark", "", "elin", "ignored")
	page.has(t, 422, "<title>Error: ", "Please correct 4 things", `role="alert"`,
		`<a href="#f-house_number">Number: please fill this in.`, `<a href="#f-city">City: please`, `<a href="#f-state">State: please write`, `<a href="#f-postal_code">ZIP code: please write`,
		`id="f-city"`, `aria-invalid="true" aria-describedby="e-city"`, `aria-describedby="h-state e-state"`, `id="e-state"`,
		`value="Oak “old” &lt;Lane&gt;"`, `value="ZZ"`, `value="123"`, `value="7"`)
	order := []int{}
	for _, c := range []string{"house_number", "city", "state", "postal_code"} {
		order = append(order, strings.Index(page.body, `href="#f-`+c))
	}
	if !slices.IsSorted(order) {
		t.Error("the faults are not in the order of the fields")
	}
	p.post(path+"/address", "do", "save", "country", "US", "landmark", strings.Repeat("x", 81)).has(t, 422, "<details open>", "at most 80 characters. This has 81.")
	if w.snapshot() != before {
		t.Error("a wrong address had an effect")
	}
}

// TestChangeCountry: the button lays the form out anew and loses nothing; a
// changed country without the button is checked by its own customs.
func TestChangeCountry(t *testing.T) {
	w := newWorld(t)
	id := w.unknownPort()
	p := w.browser()
	path := p.asked(id, alice)
	typed := []string{"state", "IL", "county", "Sangamon", "city", "Springfield", "street", "Main", "house_number", "1", "postal_code", "6270", "floor", "3", "name", "My place"}
	for _, sub := range []string{"/address", "/own"} {
		page := p.post(path+sub, append([]string{"do", "country", "country", "DE"}, typed...)...)
		page.has(t, 200, "Postcode (PLZ)", "!ZIP code", "!aria-invalid", `<option value="DE" selected>`, `value="IL"`, `value="Sangamon"`, `value="3"`, "<details open>")
		p.post(path+sub, append([]string{"do", "save", "country", "DE"}, typed...)...).has(t, 422, "Postcode (PLZ): please write it like 10115.", `value="IL"`)
		p.post(path+sub, append([]string{"do", "country", "country", ""}, typed...)...).has(t, 200, "Choose a country", `value="6270"`)
	}
	if n := len(w.office.Claims()); n != 0 {
		t.Errorf("%d claims", n)
	}
	for _, c := range countries {
		p.post(path+"/own", "do", "country", "country", c.code).has(t, 200, fmt.Sprintf(`<option value="%s" selected>`, c.code))
	}
}
