// Package location holds registered places: their civic addresses, how they
// contain each other, and which of them are company data and which personal.
//
// A civic address is the kind of address that a dispatcher can be sent to:
// street, house number, building, floor, room. The Internet standards split it
// into elements (RFC 4776, RFC 5139) rather than lines of text, because only
// separate elements can be checked, compared and put into a PIDF-LO document
// (RFC 4119). This package keeps them separate everywhere.
//
// The package decides nothing: it does not know phones, networks or users, and
// it never guesses a missing element.
package location

import (
	"fmt"
)

// ID names a location. It is chosen by the admin (or derived from a claim) and
// never reused.
type ID string

// Kind says whose a location is.
type Kind uint8

// The kinds of location.
const (
	Company  Kind = iota // registered by the company, reviewed by admins
	Personal             // belongs to Location.Owner and is shown to nobody else
)

// String returns "company" or "personal", the words of the CSV files.
func (k Kind) String() string {
	if k == Personal {
		return "personal"
	}
	return "company"
}

// MarshalText writes the word that String returns.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads "company" or "personal"; empty means company.
func (k *Kind) UnmarshalText(b []byte) error {
	switch string(b) {
	case "", "company":
		*k = Company
	case "personal":
		*k = Personal
	default:
		return fmt.Errorf("kind %q: want company or personal", b)
	}
	return nil
}

// CivicAddress is an address in the elements of RFC 5139 section 3.1, named
// here as in the CSV files. The zero value is no address.
type CivicAddress struct {
	Country           string `json:"country,omitempty"`             // ISO 3166-1 alpha-2, upper case
	State             string `json:"state,omitempty"`               // A1
	County            string `json:"county,omitempty"`              // A2
	City              string `json:"city,omitempty"`                // A3
	PreDirectional    string `json:"pre_directional,omitempty"`     // PRD
	Street            string `json:"street,omitempty"`              // RD (A6 in RFC 4119)
	StreetSuffix      string `json:"street_suffix,omitempty"`       // STS
	PostDirectional   string `json:"post_directional,omitempty"`    // POD
	HouseNumber       string `json:"house_number,omitempty"`        // HNO
	HouseNumberSuffix string `json:"house_number_suffix,omitempty"` // HNS
	Landmark          string `json:"landmark,omitempty"`            // LMK
	Building          string `json:"building,omitempty"`            // BLD
	Floor             string `json:"floor,omitempty"`               // FLR
	Room              string `json:"room,omitempty"`                // ROOM
	Unit              string `json:"unit,omitempty"`                // UNIT
	PostalCode        string `json:"postal_code,omitempty"`         // PC
	Additional        string `json:"additional,omitempty"`          // LOC
}

// Location is one registered place, also called an ERL (emergency response
// location). Locations are retired, never deleted; an edit makes a new version.
type Location struct {
	ID      ID           `json:"id"`
	Parent  ID           `json:"parent_id,omitempty"` // empty at the top
	Kind    Kind         `json:"kind"`
	Owner   string       `json:"owner,omitempty"` // email; personal locations only
	Name    string       `json:"name,omitempty"`
	Site    string       `json:"site,omitempty"`
	Address CivicAddress `json:"address"`
	ELIN    string       `json:"elin,omitempty"` // emergency location identification number
	Version int          `json:"version,omitempty"`
	Pending bool         `json:"pending,omitempty"` // proposed by a user, its claim still open
	Retired bool         `json:"retired,omitempty"`
}

// Live reports whether the location may be chosen and matched.
func (l Location) Live() bool { return !l.Retired && !l.Pending }
