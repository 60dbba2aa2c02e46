package discovery

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// MAC is an EUI-48 hardware address. The zero value is nobody.
type MAC [6]byte

// ParseMAC reads a MAC in every usual form: aa:bb:cc:dd:ee:ff,
// aa-bb-cc-dd-ee-ff, aabb.ccdd.eeff and aabbccddeeff, in either case.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	digits := s
	switch {
	case len(s) == 17 && strings.Count(s, ":") == 5, len(s) == 17 && strings.Count(s, "-") == 5:
		for i := 2; i < 17; i += 3 {
			if s[i] != s[2] {
				return m, fmt.Errorf("mac %q: mixed separators", s)
			}
		}
		digits = strings.ReplaceAll(s, s[2:3], "")
	case len(s) == 14 && strings.Count(s, ".") == 2 && s[4] == '.' && s[9] == '.':
		digits = strings.ReplaceAll(s, ".", "")
	}
	if len(digits) != 12 {
		return m, fmt.Errorf("mac %q: want 12 hex digits", s)
	}
	if _, err := hex.Decode(m[:], []byte(digits)); err != nil {
		return MAC{}, fmt.Errorf("mac %q: want 12 hex digits", s)
	}
	return m, nil
}

// String returns the lower-case form with colons.
func (m MAC) String() string {
	const digits = "0123456789abcdef"
	b := make([]byte, 17)
	for i, v := range m {
		b[3*i], b[3*i+1] = digits[v>>4], digits[v&15]
		if i < 5 {
			b[3*i+2] = ':'
		}
	}
	return string(b)
}

// IsZero reports whether m is unset.
func (m MAC) IsZero() bool { return m == MAC{} }

// IsGroup reports whether m is a multicast or broadcast address.
func (m MAC) IsGroup() bool { return m[0]&1 != 0 }

// Nobody reports whether m can name no device: zero and group addresses.
func (m MAC) Nobody() bool { return m.IsZero() || m.IsGroup() }

// OUI returns the vendor half of the address.
func (m MAC) OUI() [3]byte { return [3]byte(m[:3]) }

// MarshalText writes String; the zero MAC writes nothing.
func (m MAC) MarshalText() ([]byte, error) {
	if m.IsZero() {
		return nil, nil
	}
	return []byte(m.String()), nil
}

// UnmarshalText reads what ParseMAC reads; empty text is the zero MAC.
func (m *MAC) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*m = MAC{}
		return nil
	}
	v, err := ParseMAC(string(b))
	*m = v
	return err
}

// Hex is a string of raw bytes whose text form is lower-case hex: circuit and
// remote IDs are opaque bytes (RFC 3046 section 2.0).
type Hex string

// String returns the bytes in lower-case hex.
func (h Hex) String() string { return hex.EncodeToString([]byte(h)) }

// MarshalText writes the bytes in hex.
func (h Hex) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads hex.
func (h *Hex) UnmarshalText(b []byte) error {
	v, err := hex.DecodeString(string(b))
	*h = Hex(v)
	return err
}
