package discovery

import (
	"strings"
)

// portAbbreviations are the names of interface types as switches write them out,
// in lower case, and as they abbreviate them.
var portAbbreviations = [...]struct{ long, short string }{
	{"twentyfivegigabitethernet", "Twe"},
	{"twentyfivegige", "Twe"},
	{"hundredgigabitethernet", "Hu"},
	{"hundredgige", "Hu"},
	{"fortygigabitethernet", "Fo"},
	{"fortygige", "Fo"},
	{"tengigabitethernet", "Te"},
	{"tengige", "Te"},
	{"fivegigabitethernet", "Fi"},
	{"twogigabitethernet", "Tw"},
	{"gigabitethernet", "Gi"},
	{"gige", "Gi"},
	{"fastethernet", "Fa"},
	{"ethernet", "Et"},
	{"port-channel", "Po"},
	{"twe", "Twe"},
	{"gi", "Gi"},
	{"te", "Te"},
	{"fa", "Fa"},
	{"et", "Et"},
	{"fo", "Fo"},
	{"hu", "Hu"},
	{"fi", "Fi"},
	{"tw", "Tw"},
	{"po", "Po"},
}

// CanonicalPort returns the form in which port names compare: the type of a
// Cisco-like interface abbreviated, without a space before its number, such as
// "Gi1/0/3" for "GigabitEthernet1/0/3" and "gi 1/0/3". Any other name is only
// trimmed. It does not change what it returned.
func CanonicalPort(s string) string {
	s = strings.TrimSpace(s)
	for _, a := range portAbbreviations {
		if len(s) <= len(a.long) || !strings.EqualFold(s[:len(a.long)], a.long) {
			continue
		}
		number := strings.TrimLeft(s[len(a.long):], " ")
		if isPortNumber(number) {
			return a.short + number
		}
	}
	return s
}

// isPortNumber reports whether s is an interface number such as 3, 1/0/3, 1/3.110
// or 0/1:2.
func isPortNumber(s string) bool {
	return s != "" && '0' <= s[0] && s[0] <= '9' && strings.Trim(s, "0123456789/.:") == ""
}
