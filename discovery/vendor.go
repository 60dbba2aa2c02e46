package discovery

import (
	"slices"
	"strings"
)

// Vendor is a maker of devices by the one name that Perch uses for it, whatever
// names it has or had: Polycom and Plantronics are Poly, Aastra is Mitel. A maker
// that Perch does not know goes by the name that its device gives. The zero value
// is unknown.
type Vendor string

// The makers of the desk phones whose ways of naming themselves Perch knows.
const (
	Algo        Vendor = "Algo"
	Avaya       Vendor = "Avaya"
	Cisco       Vendor = "Cisco"
	Fanvil      Vendor = "Fanvil"
	Gigaset     Vendor = "Gigaset"
	Grandstream Vendor = "Grandstream"
	Htek        Vendor = "Htek"
	Mitel       Vendor = "Mitel"
	Panasonic   Vendor = "Panasonic"
	Poly        Vendor = "Poly"
	Snom        Vendor = "snom"
	Yealink     Vendor = "Yealink"
)

// vendorNames are the words by which makers are named on the wire, in lower case.
// A text names a maker if it begins with one and the word ends there, but for
// those words that makers glue to what follows: snomD785, AastraIPPhone6867i.
var vendorNames = [...]struct {
	name   string
	glued  bool
	vendor Vendor
}{
	{"yealink", false, Yealink},
	{"polycom", true, Poly}, {"polyedge", true, Poly}, {"poly", false, Poly}, {"plantronics", false, Poly},
	{"enterprise 13885;", true, Poly},
	{"cisco", false, Cisco}, {"linksys spa", true, Cisco}, {"linksys/spa", true, Cisco}, {"sipura", false, Cisco},
	{"grandstream", false, Grandstream},
	{"snom", true, Snom},
	{"fanvil", false, Fanvil},
	{"aastra", true, Mitel}, {"mitel", true, Mitel}, {"ipphone.mitel.com", true, Mitel},
	{"avaya", false, Avaya}, {"ccp.avaya.com", true, Avaya},
	{"panasonic", false, Panasonic},
	{"gigaset", false, Gigaset},
	{"algo", false, Algo},
	{"htek", false, Htek}, {"hanlong", false, Htek},
	{"hewlett-packard", false, "HP"}, {"hewlett packard", false, "HP"}, {"hp", false, "HP"},
	{"audiocodes", false, "AudioCodes"},
	{"alcatel", false, "Alcatel-Lucent"},
	{"unify", false, "Unify"}, {"openstage", false, "Unify"}, {"openscape", false, "Unify"},
}

// vendorOf returns the maker that a text begins with, or "".
func vendorOf(s string) Vendor {
	for i := range vendorNames {
		n := &vendorNames[i]
		if len(s) < len(n.name) || !strings.EqualFold(s[:len(n.name)], n.name) {
			continue
		}
		if n.glued || len(s) == len(n.name) || !letterOrDigit(s[len(n.name)]) {
			return n.vendor
		}
	}
	return ""
}

func letterOrDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= 0x80
}

// OUIVendor returns the maker that a MAC's OUI was given to, of those in the
// table, or "". The table has no group addresses and none that an administrator or
// a computer made up (IEEE 802 8.2.2, the bits of value 1 and 2). It allocates
// nothing.
func OUIVendor(m MAC) Vendor {
	if v, ok := findOUI(m); ok {
		return ouiVendors[v>>1&0x7f]
	}
	return ""
}

// DeskPhoneOUI reports whether the MAC belongs to a maker of desk phones. Cisco's
// many OUIs are not among them: its phones are told by CDP, LLDP and option 60.
func DeskPhoneOUI(m MAC) bool {
	v, ok := findOUI(m)
	return ok && v&1 != 0
}

// findOUI finds the table's row of a MAC; the zero MAC is nobody's, its OUI Xerox's.
func findOUI(m MAC) (uint32, bool) {
	if m.IsZero() {
		return 0, false
	}
	key := uint32(m[0])<<24 | uint32(m[1])<<16 | uint32(m[2])<<8
	i, _ := slices.BinarySearch(ouiTable[:], key)
	if i == len(ouiTable) || ouiTable[i]&^0xff != key {
		return 0, false
	}
	return ouiTable[i], true
}
