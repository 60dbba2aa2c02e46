package discovery

import (
	"encoding/hex"
	"fmt"
)

// MAC is an EUI-48 hardware address. The zero value is nobody.
type MAC [6]byte

// ParseMAC reads a MAC in every usual form: aa:bb:cc:dd:ee:ff,
// aa-bb-cc-dd-ee-ff, aabb.ccdd.eeff and aabbccddeeff, in either case.
func ParseMAC(s string) (MAC, error) {
	var digits [12]byte
	n := 0
	for i := range len(s) {
		switch {
		case len(s) == 17 && i%3 == 2 && (s[i] == ':' || s[i] == '-'):
			if s[i] != s[2] {
				return MAC{}, fmt.Errorf("mac %q: mixed separators", s)
			}
		case len(s) == 14 && i%5 == 4 && s[i] == '.':
		case n == len(digits):
			return MAC{}, errDigits(s)
		default:
			digits[n] = s[i]
			n++
		}
	}
	var m MAC
	if _, err := hex.Decode(m[:], digits[:n]); err != nil || n < len(digits) {
		return MAC{}, errDigits(s)
	}
	return m, nil
}

func errDigits(s string) error { return fmt.Errorf("mac %q: want 12 hex digits", s) }

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

// Hex returns the address as twelve digits, "001565aabbcc", as phones put it into names.
func (m MAC) Hex() string { return hex.EncodeToString(m[:]) }

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
