package discovery

import (
	"strings"

	"perch/sip"
)

// claimedMAC returns the MAC that a REGISTER states in one of the forms that
// phones are known to use, or zero. The stricter the form, the earlier it is
// asked: the headers that vendors made for it, Cisco's device name, an instance
// ID made of the MAC, and the User-Agent.
func claimedMAC(r *sip.Register) MAC {
	if m, ok := phoneMAC(r.MACHeader); ok {
		return m
	}
	// snom numbers its phones by their MACs; other makers' numbers may look like one.
	if m, ok := phoneMAC(r.SerialNumber); ok && m.OUI() == ouiSnom {
		return m
	}
	for _, c := range r.Contacts {
		name, _ := c.Param("+u.sip!devicename.ccm.cisco.com")
		if s, ok := strings.CutPrefix(name, "SEP"); ok {
			if m, ok := phoneMAC(s); ok {
				return m
			}
		}
	}
	if m, ok := instanceMAC(r.Instance); ok {
		return m
	}
	m, _ := userAgentMAC(r.UserAgent)
	return m
}

// ouiSnom is snom technology's.
var ouiSnom = [3]byte{0x00, 0x04, 0x13}

// phoneMAC reads a MAC that can name a device.
func phoneMAC(s string) (MAC, bool) {
	if len(s) < 2*len(MAC{}) {
		return MAC{}, false // most often it is empty
	}
	m, err := ParseMAC(strings.TrimSpace(s))
	return m, err == nil && !m.Nobody()
}

// instanceMAC reads the MAC of an instance ID that was made of one: Cisco fills
// up with zeros, Grandstream in the form of an ISO UUID. The node part of any
// other UUID is random (RFC 9562 section 5.4), or a MAC nobody vouches for.
func instanceMAC(id string) (MAC, bool) {
	const urn = "urn:uuid:"
	if len(id) < len(urn) || !strings.EqualFold(id[:len(urn)], urn) {
		return MAC{}, false
	}
	id = id[len(urn):]
	for _, prefix := range [...]string{"00000000-0000-0000-0000-", "00000000-0000-1000-8000-"} {
		if node, ok := strings.CutPrefix(id, prefix); ok && len(node) == 12 {
			return phoneMAC(node)
		}
	}
	return MAC{}, false
}

// userAgentMAC finds a MAC in a User-Agent: behind MAC= or MAC:, as its last word,
// behind an underscore or semicolon, or in brackets. Twelve bare hex digits may
// as well be a build number, so they count only if the vendor is known.
func userAgentMAC(ua string) (MAC, bool) {
	before := ""
	for word, rest := "", ua; rest != ""; before = word {
		word, rest = cutWord(rest)
		labelled := strings.EqualFold(before, "MAC")
		if len(word) > 4 && strings.EqualFold(word[:4], "MAC:") {
			word, labelled = word[4:], true
		}
		if len(word) != 12 && len(word) != 17 {
			continue
		}
		if m, ok := phoneMAC(word); ok && (labelled || len(word) == 17 || DeskPhoneOUI(m) || DeskPhoneUserAgent(ua)) {
			return m, true
		}
	}
	return MAC{}, false
}

// cutWord cuts a User-Agent at the first character that parts its words.
func cutWord(s string) (word, rest string) {
	if i := strings.IndexAny(s, " \t_;,()="); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}
