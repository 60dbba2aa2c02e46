package location

// CAtypes with a meaning of their own here (RFC 4776 section 3.4; 34 is added
// by RFC 5139 for what RFC 4119 called A6).
const (
	caNone = 0  // the element has no CAtype: the country stands in the header
	caA6   = 6  // group of streets; old senders put the street here
	caRoad = 34 // RD, primary road or street
)

// CAtype is one element of a civic address as DHCP option 99 and LLDP-MED
// carry it.
type CAtype struct {
	Type  uint8
	Value string
}

// ParseCAtypes makes a civic address of a country code and wire elements. Types
// that CivicAddress has no element for, and text that Set refuses, are left
// out: what a switch sends is evidence, not a record. Of a repeated type the
// first counts; A6 is the street only where RD is missing.
func ParseCAtypes(country string, elems []CAtype) CivicAddress {
	var a CivicAddress
	_ = a.Set("country", country) // refused means left out
	for _, ca := range elems {
		a.setCAtype(ca.Type, ca.Value)
	}
	if a.Street == "" {
		for _, ca := range elems {
			if ca.Type == caA6 {
				a.setCAtype(caRoad, ca.Value)
			}
		}
	}
	return a
}

func (a *CivicAddress) setCAtype(t uint8, value string) {
	for _, e := range elements {
		if e.catype == t && t != caNone && *e.field(a) == "" {
			_ = a.Set(e.column, value) // refused means left out
		}
	}
}

// CAtypes returns the filled elements in the order of Columns, without the
// country, which the wire formats carry apart.
func (a CivicAddress) CAtypes() []CAtype {
	var elems []CAtype
	for _, e := range elements {
		if v := *e.field(&a); v != "" && e.catype != caNone {
			elems = append(elems, CAtype{e.catype, v})
		}
	}
	return elems
}
