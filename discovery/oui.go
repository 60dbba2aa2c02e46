package discovery

import "strings"

// vendorClasses are the beginnings of the vendor class (DHCP option 60) of desk
// phones, in lower case. Where a maker sells gateways or access points as well,
// its phones' families are named.
var vendorClasses = [...]string{
	"yealink",
	"polycom", "poly-", "\x00\x00\x36\x3d", // RFC 3925 form, enterprise 13885
	"cisco systems, inc. ip phone", "cp-", "cisco spa3", "cisco spa5", "cisco spa9", "linksys spa-9",
	"grandstream gxp", "grandstream grp", "grandstream gxv", "grandstream ghp", "grandstream dp", "grandstream wp",
	"snom",
	"fanvil",
	"aastraipphone", "mitelipphone", "ipphone.mitel.com",
	"ccp.avaya.com",
	"panasonic",
	"gigaset",
	"algo",
	"htek",
}

// DeskPhoneVendorClass reports whether a DHCP vendor class (option 60) is a desk
// phone's.
func DeskPhoneVendorClass(s string) bool { return hasPrefixFold(s, vendorClasses[:]) }

// userAgents are the beginnings of the SIP User-Agent of desk phones, in lower
// case. Some makers have softphones and gateways whose names begin alike.
var userAgents = [...]string{
	"yealink",
	"polycom", "polyedge",
	"cisco-cp", "cisco/spa3", "cisco/spa5", "cisco/spa9", "linksys/spa9",
	"grandstream gxp", "grandstream grp", "grandstream gxv", "grandstream ghp", "grandstream dp", "grandstream wp",
	"snom",
	"fanvil",
	"aastra", "mitel-", "mitel5", "mitel6",
	"avaya one-x deskphone", "avaya h1", "avaya j1", "avaya/j1",
	"panasonic_",
	"gigaset", "n510 ip pro", "n670 ip pro", "n720 ip pro", "n870 ip pro",
	"algo",
	"htek",
}

// DeskPhoneUserAgent reports whether a SIP User-Agent is a desk phone's. Anybody
// can send one, so it is a hint of what a device is and never of who it is.
func DeskPhoneUserAgent(s string) bool { return hasPrefixFold(s, userAgents[:]) }

// hasPrefixFold reports whether s begins with one of the prefixes, whatever its
// case.
func hasPrefixFold(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if len(s) >= len(p) && strings.EqualFold(s[:len(p)], p) {
			return true
		}
	}
	return false
}
