package matcher

import (
	"fmt"
	"strconv"
	"strings"

	"perch/discovery"
)

// chassisID is a chassis ID in the form in which they compare: a MAC, whatever
// its spelling, is its value under macBit; other text is the symbol of the text
// with its ASCII letters in lower case, under textBit. 0 is none.
type chassisID uint64

const (
	macBit         chassisID = 1 << 48
	textBit        chassisID = 1 << 63
	unknownChassis           = textBit | chassisID(unknown)
)

// chassisOf finds a chassis ID by what gives folded texts their symbols.
func chassisOf(s string, sym func([]byte) symbol) chassisID {
	if s == "" {
		return 0
	}
	if v, ok := macValue(s); ok {
		return macBit | chassisID(v)
	}
	var buf [64]byte // on the stack; longer IDs allocate
	return textBit | chassisID(sym(lower(buf[:0], s)))
}

// canonicalChassis returns the text in which chassis IDs compare.
func canonicalChassis(s string) string {
	if m, err := discovery.ParseMAC(s); err == nil {
		return m.String()
	}
	return string(lower(nil, s))
}

func lower(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// macValue is discovery.ParseMAC as a number, and without an error to allocate
// for what is no MAC.
func macValue(s string) (v uint64, ok bool) {
	var sep byte
	every := 12 // digits from separator to separator
	switch {
	case len(s) == 17 && (s[2] == ':' || s[2] == '-'):
		sep, every = s[2], 2
	case len(s) == 14 && s[4] == '.':
		sep, every = '.', 4
	case len(s) != 12:
		return 0, false
	}
	digits := 0
	for i := range len(s) {
		c := s[i]
		switch {
		case digits == every && c == sep:
			digits = 0
			continue
		case digits == every:
			return 0, false
		case '0' <= c && c <= '9':
			v = v<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		case 'A' <= c && c <= 'F':
			v = v<<4 | uint64(c-'A'+10)
		default:
			return 0, false
		}
		digits++
	}
	return v, true
}

// canonicalPort is discovery.CanonicalPort, but quick about the names that are
// canonical already, such as Gi1/0/7: up to three letters, the first a capital,
// and a number behind them.
func canonicalPort(s string) string {
	n := 0
	for n < len(s) && (n == 0 && 'A' <= s[n] && s[n] <= 'Z' || n > 0 && 'a' <= s[n] && s[n] <= 'z') {
		n++
	}
	if 0 < n && n <= 3 && n < len(s) && '0' <= s[n] && s[n] <= '9' && s[len(s)-1] > ' ' && s[len(s)-1] <= '~' {
		return s
	}
	return discovery.CanonicalPort(s)
}

// port is a port of a switch, or a range of ports whose names differ in their
// last number alone: Gi1/0/1-24 is name "Gi1/0/" from 1 to 24.
type port struct {
	name   string // canonical; of a range without the number
	lo, hi uint32 // hi is 0 if it is no range
}

// portID is a canonical port name: up to eight ASCII characters in one word, as
// most have; a longer name is a symbol under longBit, and the name of a range
// one under rangeBit. 0 is none.
type portID uint64

const (
	longBit  portID = 1 << 63
	rangeBit portID = 1<<63 | 1<<62
	noRange         = rangeBit | portID(unknown)
)

func portIDOf(name string, sym func(string) symbol) portID {
	if len(name) > 8 {
		return longBit | portID(sym(name))
	}
	var p portID
	for i := range len(name) {
		if name[i] == 0 || name[i] > '~' {
			return longBit | portID(sym(name))
		}
		p |= portID(name[i]) << (56 - 8*i)
	}
	return p
}

// id returns what records hold of a port, or of the name of a range.
func (p port) id(sym func(string) symbol) portID {
	if p.hi == 0 {
		return portIDOf(p.name, sym)
	}
	return rangeBit | portID(sym(p.name))
}

// parsePort reads the port cell of a rule. What ends in two numbers, the second
// one greater, joined by a hyphen is a range: "ge-0/0/1" and "2-1" are not.
func parsePort(s string) port {
	if i := strings.LastIndexByte(s, '-'); i > 0 {
		hi, errHi := strconv.ParseUint(s[i+1:], 10, 31)
		first := canonicalPort(s[:i])
		name, lo, ok := cutNumber(first)
		if errHi == nil && ok && uint64(lo) < hi {
			return port{name, lo, uint32(hi)}
		}
	}
	return port{name: canonicalPort(s)}
}

// String returns the canonical spelling.
func (p port) String() string {
	if p.hi == 0 {
		return p.name
	}
	return fmt.Sprintf("%s%d-%d", p.name, p.lo, p.hi)
}

// cutNumber splits a port name before its last number.
func cutNumber(s string) (name string, n uint32, ok bool) {
	i := len(s)
	for i > 0 && '0' <= s[i-1] && s[i-1] <= '9' && len(s)-i < 9 {
		i--
	}
	for _, c := range []byte(s[i:]) {
		n = n*10 + uint32(c-'0')
	}
	return s[:i], n, i < len(s)
}

// bssid is a radio, or all radios whose address begins alike. The zero value
// is none.
type bssid struct {
	value   uint64 // 48 bits, those behind the digits given are 0
	nibbles uint8  // hex digits given, 12 for one radio
}

// parseBSSID reads a BSSID in the forms of discovery.ParseMAC, or the beginning
// of one followed by an asterisk.
func parseBSSID(s string) (bssid, error) {
	begin, wild := strings.CutSuffix(s, "*")
	if s == "" {
		return bssid{}, nil
	}
	if !wild {
		m, err := discovery.ParseMAC(s)
		if err != nil {
			return bssid{}, fmt.Errorf("bssid %q: want a MAC, or its beginning and *", s)
		}
		if m.Nobody() {
			return bssid{}, fmt.Errorf("bssid %q: no radio has this address", s)
		}
		return bssidOf(m), nil
	}
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune(":-.", r) {
			return -1
		}
		return r
	}, begin)
	v, err := strconv.ParseUint(digits, 16, 48)
	if err != nil || len(digits) >= 12 || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return bssid{}, fmt.Errorf("bssid %q: want 1 to 11 hex digits before the *", s)
	}
	return bssid{v << (48 - 4*len(digits)), uint8(len(digits))}, nil
}

func bssidOf(m discovery.MAC) bssid {
	var v uint64
	for _, b := range m {
		v = v<<8 | uint64(b)
	}
	return bssid{v, 12}
}

// contains reports whether the radio m is meant.
func (b bssid) contains(m bssid) bool { return m.nibbles == 12 && m.cut(b.nibbles) == b }

// cut keeps the first n digits.
func (b bssid) cut(n uint8) bssid {
	return bssid{b.value >> (48 - 4*n) << (48 - 4*n), n}
}

func (b bssid) key() uint64 { return uint64(b.nibbles)<<48 | b.value }

// String returns the canonical spelling.
func (b bssid) String() string {
	if b.nibbles == 0 {
		return ""
	}
	digits := fmt.Sprintf("%012x", b.value)[:b.nibbles]
	var out strings.Builder
	for i, c := range []byte(digits) {
		if i > 0 && i%2 == 0 {
			out.WriteByte(':')
		}
		out.WriteByte(c)
	}
	if b.nibbles < 12 {
		out.WriteByte('*')
	}
	return out.String()
}
