package discovery

import (
	"regexp"
	"strings"
)

// polyEnterprise begins the vendor class of older Poly phones, which has the form
// of RFC 3925 section 3 in an option of RFC 2132: the enterprise number 13885, a
// length, and sub-options.
const polyEnterprise = "\x00\x00\x36\x3d"

// polyClass begins vendorClassText of such a vendor class.
const polyClass = "enterprise 13885;"

// vendorClassText returns a vendor class as text. Of Poly's binary form it is the
// enterprise and the sub-options that are text, parted by semicolons.
func vendorClassText(class string) string {
	if !strings.HasPrefix(class, polyEnterprise) || len(class) < len(polyEnterprise)+1 {
		return class
	}
	rest := class[len(polyEnterprise)+1:] // the length is not relied on: trailing NULs may be gone
	var texts []string
	for len(rest) >= 2 {
		n := min(int(rest[1]), len(rest)-2)
		if v := strings.Trim(clean(strings.TrimRight(rest[2:2+n], "\x00"), maxField), " "); v != "" {
			texts = append(texts, v)
		}
		rest = rest[2+n:]
	}
	return polyClass + strings.Join(texts, ";")
}

// vendorClassNames are vendor classes that say more than a model, or less.
var vendorClassNames = compile([]shape{
	{vendor: Poly, text: `Poly-(?P<line>Edge|Trio|CCX|Rove)(?P<model>[A-Z]?\d{2,4})`, model: "$line $model"},
	{vendor: Cisco, text: `(?:.* )?CP-(?P<model>\d{4}[A-Z]*(?:-3PCC)?)`, model: "CP-$model"},
	{vendor: Cisco, text: `Cisco Systems, Inc\. IP Phone (?P<model>\d{4}[A-Z]*)`, model: "CP-$model"},
})

// partNumber is how Poly writes part numbers: "2345-12500-001".
var partNumber = regexp.MustCompile(`^\d{4}-\d{5}-\d{3}$`)

// ParseVendorClass reads a DHCP vendor class (option 60) of a phone. Of one that
// has no known shape it tells the maker at most.
func ParseVendorClass(s string) Device {
	s = clean(vendorClassText(strings.TrimRight(s, "\x00")), maxSaid)
	if parts, ok := strings.CutPrefix(s, polyClass); ok {
		d := Device{Vendor: Poly}
		// The order of the sub-options is not documented for all models; the
		// BootROM's version among them is not the firmware's.
		for _, p := range strings.Split(parts, ";") {
			if partNumber.MatchString(p) {
				d.Hardware = p
			} else if m, ok := modelNames().read(p, Poly); ok {
				d.Model = m.Model
			}
		}
		return d
	}
	if d, ok := vendorClassNames().read(s, ""); ok {
		return d
	}
	if vendorOf(s) == "" {
		return Device{}
	}
	if d, ok := modelNames().read(s, ""); ok {
		return d
	}
	return Device{Vendor: vendorOf(s)}
}
