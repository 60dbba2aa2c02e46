package sip

// class is a set of sets of octets.
type class uint8

const (
	isDigit class = 1 << iota
	inName        // a host name or IPv4 address, as the RFC has them (RFC 3261 section 25.1)
	inHost        // the same, and the underscore, which is in use
	inURI         // stands in a URI unescaped, in some part of it
)

// classes are the sets that an octet is in. Those of UTF-8 are in none.
var classes = func() (t [256]class) {
	for c := range t {
		digit := '0' <= c && c <= '9'
		if digit {
			t[c] |= isDigit
		}
		if digit || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || c == '.' {
			t[c] |= inName | inHost
		}
		if c > ' ' && c < 0x7f {
			t[c] |= inURI
		}
	}
	t['_'] |= inHost
	for _, c := range []byte("\"<>\\^{|}`") {
		t[c] &^= inURI
	}
	return t
}()

// only reports whether s has no other octets than those of a set.
func only[T string | []byte](s T, set class) bool { return count(s, set) == len(s) }

// count returns how many octets at the head of s are in a set.
func count[T string | []byte](s T, set class) int {
	for i := range len(s) {
		if classes[s[i]]&set == 0 {
			return i
		}
	}
	return len(s)
}
