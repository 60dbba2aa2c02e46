package words

import (
	"slices"
	"strings"

	"perch/gateway"
)

// Phone is how mails and pages speak of a phone.
type Phone struct {
	Name  string // label in quotes, else a line, else the MAC
	Label string
	Model string
	Lines []string // AORs without their scheme
	MAC   string   // empty for a provisional phone
}

// PhoneOf puts the phone of a letter into words.
func PhoneOf(l gateway.Letter) Phone {
	p := Phone{Label: Clean(l.Label, MaxName), Model: Clean(l.Model, MaxName)}
	if !l.Phone.Provisional() && !l.Phone.MAC.IsZero() {
		p.MAC = l.Phone.MAC.String()
	}
	lines := make([]string, 0, len(l.AORs)+1)
	for _, aor := range append(slices.Clone(l.AORs), string(l.Phone.AOR)) {
		line := strings.TrimPrefix(strings.TrimPrefix(aor, "sips:"), "sip:")
		if line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	p.Lines = CleanAll(lines, MaxWord)
	switch {
	case p.Label != "":
		p.Name = "“" + p.Label + "”"
	case len(p.Lines) > 0:
		p.Name = p.Lines[0]
	default:
		p.Name = p.MAC
	}
	return p
}
