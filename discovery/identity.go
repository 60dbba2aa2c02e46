package discovery

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
	"unique"
)

// Sayer is how a device says what it is, from least to most trusted. None of it
// proves anything: all but the OUI is free text, and a MAC can be cloned. What
// devices say of themselves is shown to people, and is never used to tell which
// phone it is or where.
type Sayer uint8

// The ways in which a device says what it is. The order is that of how much a
// maker means the field to be read by machines, and how much it tells.
const (
	SayerUnknown     Sayer = iota // kept by an earlier version of Perch, which did not note it
	SayerOUI                      // whom the MAC's OUI was given to: only the vendor
	SayerParamList                // DHCP option 55: only a family, of few lists
	SayerVendorClass              // DHCP option 60
	SayerUserAgent                // of a counted REGISTER
	SayerFetch                    // the User-Agent by which it fetched its configuration
	SayerLLDP                     // the system description
	SayerCDP                      // platform and software
	SayerMED                      // LLDP-MED's inventory
)

var sayerNames = [...]string{"unknown", "OUI", "parameter list", "vendor class", "User-Agent", "fetch of its configuration", "LLDP", "CDP", "LLDP-MED"}

// String names the sayer in explanations.
func (s Sayer) String() string { return sayerNames[s] }

// MarshalText writes String.
func (s Sayer) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String writes; other names are SayerUnknown.
func (s *Sayer) UnmarshalText(b []byte) error {
	*s = Sayer(max(0, slices.Index(sayerNames[:], string(b))))
	return nil
}

// maxSaid bounds what is kept of what a device says in one way, in bytes. It is
// LLDP-MED's inventory in full, and more than any phone's User-Agent.
const maxSaid = inventoryFields * (maxInventory + 1)

// saying is what a device last said in one way. The text is kept rather than what
// is read out of it: it is read when somebody asks, by a version of Perch that may
// know more shapes than the one that heard it. A million phones are of few models
// with few firmwares, so the text is shared.
type saying struct {
	by    Sayer
	text  unique.Handle[string]
	since int64 // vendor and model are as they are; microseconds, Unix
	last  int64 // the text changed
}

// sayings are what a device says, a saying for each way at most, most trusted
// first.
type sayings []saying

// storedSaying is how a saying is stored.
type storedSaying struct {
	By    Sayer
	Text  string
	Since int64 `json:",omitempty"`
	Last  int64 `json:",omitempty"`
}

// MarshalJSON writes the sayings as a list.
func (s sayings) MarshalJSON() ([]byte, error) {
	out := make([]storedSaying, len(s))
	for i, x := range s {
		out[i] = storedSaying{x.by, x.text.Value(), x.since, x.last}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes, and the one text that versions
// before that stored.
func (s *sayings) UnmarshalJSON(b []byte) error {
	*s = nil
	if len(b) > 0 && b[0] == '"' {
		var text string
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
		if text = clean(vendorClassText(text), maxSaid); text != "" {
			*s = sayings{{by: SayerUnknown, text: unique.Make(text)}}
		}
		return nil
	}
	var in []storedSaying
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	for _, x := range in {
		*s = append(*s, saying{x.By, unique.Make(x.Text), x.Since, x.Last})
	}
	return nil
}

// says notes what a device said in one way. The newest word of each counts: an
// update of its firmware is no contradiction. A late one only fills. A refresh
// changes nothing.
func (t *Tracker) says(tr *Track, by Sayer, text string, s *sight) {
	if by != SayerMED && by != SayerCDP { // whose lines are clean already
		text = clean(text, maxSaid)
	}
	if text == "" {
		return
	}
	i := slices.IndexFunc(tr.Said, func(x saying) bool { return x.by == by })
	if i >= 0 && (tr.Said[i].text.Value() == text || s.late) {
		return
	}
	now := s.Time.UnixMicro()
	x := saying{by, unique.Make(text), now, now}
	if i >= 0 {
		was, is := tr.Said[i].device(), x.device()
		if was.Vendor == is.Vendor && was.Model == is.Model {
			x.since = tr.Said[i].since
		}
		tr.Said[i] = x
	} else {
		tr.Said = slices.DeleteFunc(tr.Said, func(x saying) bool { return x.by == SayerUnknown })
		tr.Said = slices.Concat(tr.Said, sayings{x}) // of just that size
		slices.SortFunc(tr.Said, func(a, b saying) int { return cmp.Compare(b.by, a.by) })
	}
	t.report(tr, Touched)
}

// saysAnnounced notes what a phone's LLDP or CDP says.
func (t *Tracker) saysAnnounced(tr *Track, s *sight) {
	if c := s.CDP; c != nil {
		text := clean(c.Platform, maxField) + "\n" + clean(c.Software, maxField)
		t.says(tr, SayerCDP, strings.TrimRight(text, "\n"), s)
		return
	}
	t.says(tr, SayerLLDP, s.LLDP.SystemDescription, s)
	if s.LLDP.MED != nil {
		t.says(tr, SayerMED, inventoryText(s.LLDP.MED), s)
	}
}

// saysDHCP notes what a client says in DHCP: all that a phone says, and of a
// device that is none yet only what a phone's is known to be.
func (t *Tracker) saysDHCP(tr *Track, s *sight, d *DHCP) {
	if p := printOf(d.ParamList); p != nil {
		t.says(tr, SayerParamList, p.text, s)
	}
	if d.VendorClass != "" && (tr.IsPhone || DeskPhoneVendorClass(d.VendorClass)) {
		t.says(tr, SayerVendorClass, vendorClassText(d.VendorClass), s)
	}
}

// saysUserAgent notes the User-Agent of a counted REGISTER. The phone's own MAC at
// its end is left out, so that phones of one model say the same.
func (t *Tracker) saysUserAgent(tr *Track, s *sight, agent string) {
	t.says(tr, SayerUserAgent, withoutMAC(agent, tr.ID.MAC), s)
}

// withoutMAC cuts a MAC off the end of a text, in any of its forms, and the sign
// before it.
func withoutMAC(s string, m MAC) string {
	rest := strings.TrimSuffix(s, ")")
	for k := 11; k >= 0; k-- {
		n := len(rest)
		if k%2 == 1 && k < 11 && n > 0 && (rest[n-1] == ':' || rest[n-1] == '-') {
			n--
		}
		digit := m[k/2] >> 4
		if k%2 == 1 {
			digit = m[k/2] & 15
		}
		if n == 0 || hexDigit(rest[n-1]) != digit {
			return s
		}
		rest = rest[:n-1]
	}
	return strings.TrimRight(rest, " _;(")
}

// hexDigit returns the value of a hex digit, or 255.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return (c | 0x20) - 'a' + 10
	}
	return 255
}

// clean makes text from the wire fit to be shown: valid UTF-8, printable
// characters and single-byte spaces, at most max bytes. Of what is clean already it
// makes no copy.
func clean(s string, max int) string {
	ok := len(s) <= max
	for i := 0; ok && i < len(s); i++ {
		ok = s[i] >= ' ' && s[i] < 0x7f
	}
	if ok {
		return strings.Trim(s, " ")
	}
	var b strings.Builder
	for _, r := range s {
		if r == '\n' || r == '\r' || r == '\t' {
			r = ' '
		}
		if !unicode.IsPrint(r) {
			continue
		}
		if b.Len()+utf8.RuneLen(r) > max {
			break
		}
		b.WriteRune(r)
	}
	return strings.Trim(b.String(), " ")
}
