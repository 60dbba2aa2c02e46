package location

import (
	"errors"
	"strings"
	"testing"
)

func TestString(t *testing.T) {
	tests := []struct {
		name string
		a    CivicAddress
		want string
	}{
		{"none", CivicAddress{}, ""},
		{
			"United States",
			CivicAddress{Country: "US", State: "IL", City: "Springfield", PreDirectional: "N", Street: "Main", StreetSuffix: "St", HouseNumber: "100", Building: "A", Floor: "3", Room: "307", PostalCode: "62701"},
			"100 N Main St, Building A, Floor 3, Room 307, Springfield, IL 62701, US",
		},
		{
			"Germany",
			CivicAddress{Country: "DE", City: "Berlin", Street: "Hauptstraße", HouseNumber: "7", HouseNumberSuffix: "a", Floor: "2. OG links", PostalCode: "10115"},
			"Hauptstraße 7a, 2. OG links, 10115 Berlin, DE",
		},
		{"no country", CivicAddress{Street: "Main St", HouseNumber: "7", HouseNumberSuffix: "1/2", City: "Springfield"}, "7 1/2 Main St, Springfield"},
		{"names as they are", CivicAddress{Building: "Main Building", Floor: "ground floor", Room: "Kilimanjaro"}, "Main Building, ground floor, Room Kilimanjaro"},
		{"landmark first", CivicAddress{Landmark: "Gate 5", Street: "Main St", Additional: "by the lift"}, "Gate 5, Main St, by the lift"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.a.String(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := strings.Join(test.a.Lines(), ", "); got != test.want {
				t.Errorf("lines: got %q, want %q", got, test.want)
			}
		})
	}
}

func TestParseRecord(t *testing.T) {
	tests := []struct {
		name, record string
		want         Location
		err          string
	}{
		{"a comma inside", `"street=Main Street, East",house_number=7,city=Springfield`, Location{Address: CivicAddress{Street: "Main Street, East", HouseNumber: "7", City: "Springfield"}}, ""},
		{"name and country", `name=Annex, country=us,additional=a=b`, Location{Name: "Annex", Address: CivicAddress{Country: "US", Additional: "a=b"}}, ""},
		{"unknown column", "street=Main,zip=62701", Location{}, `unknown column "zip"`},
		{"repeated column", "street=Main,street=Oak", Location{}, `column "street" is given twice`},
		{"no equals sign", "Main Street", Location{}, `"Main Street": want column=value`},
		{"empty", "", Location{}, "empty address"},
		{"blank", "street= ,city=", Location{}, "empty address"},
		{"name only", "name=Annex", Location{}, "empty address"},
		{"two records", "street=Main\ncity=Springfield", Location{}, "more than one line"},
		{"line end in a cell", "\"street=Main\nStreet\"", Location{}, "control character"},
		{"country by name", "country=Germany", Location{}, "want two letters"},
		{"open quote", `"street=Main`, Location{}, "quote"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseRecord(test.record)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %+v, %v, want the error %q", got, err, test.err)
				}
				return
			}
			if err != nil || got != test.want {
				t.Errorf("got %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
	if _, err := ParseRecord("name=x"); !errors.Is(err, ErrNoAddress) {
		t.Errorf("got %v, want ErrNoAddress", err)
	}
}

// FuzzParseRecord: what is read is written so that it is read back the same.
func FuzzParseRecord(f *testing.F) {
	for _, s := range []string{`"street=Main Street, East",house_number=7`, "name=\"x\",city=y", "a", ",", "country=de", "floor=\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseRecord(s)
		if err != nil {
			return
		}
		if len(l.Address.Cells()) == 0 {
			t.Fatalf("%q: an empty address without an error", s)
		}
		again, err := ParseRecord(FormatRecord(l))
		if err != nil || again != l {
			t.Fatalf("%q: got %+v, %v, want %+v", FormatRecord(l), again, err, l)
		}
	})
}

func TestCAtypes(t *testing.T) {
	a := ParseCAtypes("us", []CAtype{{1, "IL"}, {3, "Springfield"}, {6, "Old Road"}, {34, "Main"}, {19, "100"}, {27, "3"}, {3, "again"}, {200, "unknown"}, {28, "ba\nd"}})
	want := CivicAddress{Country: "US", State: "IL", City: "Springfield", Street: "Main", HouseNumber: "100", Floor: "3"}
	if a != want {
		t.Errorf("got %+v, want %+v", a, want)
	}
	if got := ParseCAtypes("US", []CAtype{{6, "Old Road"}}).Street; got != "Old Road" {
		t.Errorf("got street %q of A6 alone, want Old Road", got)
	}
	if got := ParseCAtypes("US", want.CAtypes()); got != want {
		t.Errorf("got %+v back, want %+v", got, want)
	}
}
