package discovery

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"unicode"
	"unicode/utf8"
)

// text reads a text field up to its first NUL: devices end it with one (RFC 2132
// section 2), pad it with many, or leave in the field what their buffer held.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

// identifier reads an identifier as text, without NULs behind it, or as hex if
// it is not printable.
func identifier(b []byte) string {
	s := string(bytes.TrimRight(b, "\x00"))
	if !utf8.ValidString(s) {
		return hex.EncodeToString(b)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return hex.EncodeToString(b)
		}
	}
	return s
}

// Address family numbers (IANA) that LLDP uses.
const (
	familyIPv4 = 1
	familyIPv6 = 2
	familyMAC  = 6 // IEEE 802, "all 802 media"
)

// networkAddress reads an address that stands behind its family number: an IP
// or a MAC, else as an identifier without the family; "" if unspecified.
func networkAddress(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	family, v := b[0], b[1:]
	switch {
	case family == familyIPv4 && len(v) == 4, family == familyIPv6 && len(v) == 16:
		a, _ := netip.AddrFromSlice(v)
		if a.IsUnspecified() {
			return ""
		}
		return a.String()
	case family == familyMAC && len(v) == 6:
		return MAC(v).String()
	}
	return identifier(v)
}
