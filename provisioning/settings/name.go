package settings

import (
	"path"
	"strings"

	"perch/discovery"
	"perch/provisioning"
)

// Name is a file that phones ask for. In its pattern {mac} is the MAC in lower case, {MAC}
// in upper case, and {any} is anything that is not a slash.
type name struct {
	vendor  provisioning.Vendor
	pattern string
	kind    Kind
}

// names are all of them, with the ones first that are more exact (PHONES of
// docs/provisioning.md). The first of a vendor whose kind is Own is what its phones are told.
var names = []name{
	{provisioning.Yealink, "y000000000000.boot", Start},
	{provisioning.Yealink, "{mac}.boot", Master},
	{provisioning.Yealink, "y{any}.cfg", Common},
	{provisioning.Poly, "000000000000.cfg", Start},
	{provisioning.Poly, "perch-common.cfg", Common},
	{provisioning.Poly, "perch-{mac}.cfg", Own},
	{provisioning.Poly, "{mac}-phone.cfg", Absent}, // what was set on the phone itself
	{provisioning.Poly, "{mac}-web.cfg", Absent},
	{provisioning.Poly, "{mac}-license.cfg", Absent},
	{provisioning.Poly, "000000000000-license.cfg", Absent},
	{provisioning.Poly, "{mac}-directory.xml", Absent},
	{provisioning.Poly, "000000000000-directory.xml", Absent},
	{provisioning.Poly, "{mac}-calls.xml", Absent},
	{provisioning.Yealink, "{mac}-local.cfg", Absent},
	{provisioning.Cisco, "CP-{any}-3PCC.xml", Common},
	{provisioning.Cisco, "spa{any}.cfg", Common},
	{provisioning.Cisco, "init.cfg", Common},
	{provisioning.Grandstream, "cfg{mac}.xml", Own},
	{provisioning.Grandstream, "cfg{mac}", Absent}, // in binary
	{provisioning.Grandstream, "cfg{any}.xml", Common},
	{provisioning.Grandstream, "cfg.xml", Common},
	{provisioning.Snom, "{MAC}.xml", Own},
	{provisioning.Snom, "snom{any}-{MAC}.htm", Own},
	{provisioning.Snom, "snom{any}.htm", Common},
	{provisioning.Fanvil, "f{any}.cfg", Common},

	// Those of which the name alone does not tell the vendor.
	{provisioning.Yealink, "{mac}.cfg", Own},
	{provisioning.Fanvil, "{mac}.cfg", Own},
	{provisioning.Poly, "{mac}.cfg", Master},
	{provisioning.Cisco, "{mac}.xml", Own},
	{provisioning.Cisco, "{mac}.cfg", Own},
}

// Asked is what a name asks for.
type Asked struct {
	Kind   Kind
	Vendor provisioning.Vendor // empty if only the phone tells
	MAC    discovery.MAC       // zero of Common
}

// Parse reads the name of a file that a phone asks for, without or with a path before it.
// Vendor is that of the phone, where it is known.
func Parse(file string, vendor provisioning.Vendor) (a Asked, ok bool) {
	base := path.Base(file)
	if strings.HasSuffix(file, "/") {
		return a, false
	}
	for _, n := range names {
		if vendor != "" && vendor != n.vendor {
			continue
		}
		if m, ok := match(n.pattern, base); ok {
			return Asked{n.kind, n.vendor, m}, true
		}
	}
	return a, false
}

// OwnName is the name of a phone's own file.
func OwnName(d *Device) string {
	for _, n := range names {
		if n.vendor == d.Vendor && n.kind == Own {
			return strings.NewReplacer("{mac}", d.Hex(), "{MAC}", strings.ToUpper(d.Hex())).Replace(n.pattern)
		}
	}
	return ""
}

// commonName is the name of the common file of a vendor whose phones are told it.
func commonName(v provisioning.Vendor) string {
	if v == provisioning.Yealink {
		return "y000000000000.cfg"
	}
	return "perch-common.cfg"
}

// match reports whether a name is of a pattern, and the MAC in it.
func match(pattern, s string) (m discovery.MAC, ok bool) {
	for pattern != "" {
		switch {
		case strings.HasPrefix(pattern, "{mac}"), strings.HasPrefix(pattern, "{MAC}"):
			if len(s) < 12 {
				return m, false
			}
			text := s[:12]
			upper := pattern[1] == 'M'
			if strings.ToLower(text) != text && !upper || strings.ToUpper(text) != text && upper {
				return m, false
			}
			var err error
			if m, err = discovery.ParseMAC(text); err != nil || m.Nobody() {
				return m, false
			}
			pattern, s = pattern[len("{mac}"):], s[12:]
		case strings.HasPrefix(pattern, "{any}"):
			pattern = pattern[len("{any}"):]
			for i := 1; i <= len(s); i++ {
				if found, ok := match(pattern, s[i:]); ok {
					return found, true
				}
			}
			return m, false
		case s == "" || pattern[0] != s[0]:
			return m, false
		default:
			pattern, s = pattern[1:], s[1:]
		}
	}
	return m, s == ""
}
