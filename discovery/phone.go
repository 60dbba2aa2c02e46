package discovery

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"perch/sip"
)

// PhoneID names a phone: by its MAC, or, while no MAC is known, as the n-th
// provisional phone of an AOR. The zero value is nobody. It is comparable.
type PhoneID struct {
	MAC MAC
	AOR sip.AOR // only of a provisional phone
	N   int     // from 1 for each AOR
}

// Provisional reports whether no MAC is known for the phone.
func (p PhoneID) Provisional() bool { return p.AOR != "" }

// String returns the MAC, or "sip:aor;n".
func (p PhoneID) String() string {
	if p.Provisional() {
		return string(p.AOR) + ";" + strconv.Itoa(p.N)
	}
	if p.MAC.IsZero() {
		return ""
	}
	return p.MAC.String()
}

// ParsePhoneID reads what String writes.
func ParsePhoneID(s string) (PhoneID, error) {
	if aor, n, ok := strings.Cut(s, ";"); ok {
		i, err := strconv.Atoi(n)
		if err != nil || i < 1 || aor == "" {
			return PhoneID{}, fmt.Errorf("phone %q: want a MAC or sip:aor;n", s)
		}
		return PhoneID{AOR: sip.AOR(aor), N: i}, nil
	}
	m, err := ParseMAC(s)
	return PhoneID{MAC: m}, err
}

// MarshalText writes String.
func (p PhoneID) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what String writes; empty text is nobody.
func (p *PhoneID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*p = PhoneID{}
		return nil
	}
	v, err := ParsePhoneID(string(b))
	*p = v
	return err
}

// Compare orders phones for effects of one instant: MACs first, ascending, then
// provisional phones by line and number.
func (p PhoneID) Compare(q PhoneID) int {
	return cmp.Or(cmp.Compare(p.AOR, q.AOR), cmp.Compare(p.N, q.N), slices.Compare(p.MAC[:], q.MAC[:]))
}
