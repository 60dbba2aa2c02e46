package provisioning

import (
	"fmt"
	"slices"
	"strings"
)

// Vendor is who makes a phone, in lower case; empty: not known, or nobody whose files are
// known here.
type Vendor string

// The vendors whose configuration files are known.
const (
	Yealink     Vendor = "yealink"
	Poly        Vendor = "poly"
	Cisco       Vendor = "cisco" // MPP, which Cisco calls 3PCC, and SPA
	Grandstream Vendor = "grandstream"
	Snom        Vendor = "snom"
	Fanvil      Vendor = "fanvil"
)

// Vendors are all of them.
var Vendors = []Vendor{Yealink, Poly, Cisco, Grandstream, Snom, Fanvil}

// ParseVendor reads the word of the CSV files, in any case. Polycom is Poly.
func ParseVendor(s string) (Vendor, error) {
	v := Vendor(strings.ToLower(strings.TrimSpace(s)))
	if v == "polycom" {
		v = Poly
	}
	if !slices.Contains(Vendors, v) {
		var names []string
		for _, x := range Vendors {
			names = append(names, string(x))
		}
		return "", fmt.Errorf("vendor %q: want %s, or nothing", s, strings.Join(names, ", "))
	}
	return v, nil
}

// CheckModel refuses what cannot be a model: it stands in names of files.
func CheckModel(s string) error {
	for _, c := range s {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-_.+ ", c)) {
			return fmt.Errorf("model %q: want letters, digits, spaces and - _ . +", s)
		}
	}
	if len(s) > maxModel || strings.HasPrefix(s, ".") {
		return fmt.Errorf("model %q: want %d letters at most, the first no dot", s, maxModel)
	}
	return nil
}

const maxModel = 40
