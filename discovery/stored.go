package discovery

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unique"
)

// Stored reads JSON as Perch stores it: the keys of an object in the order of its
// fields, no spaces, UTC. A campus of a million phones is read at each start, and
// encoding/json takes most of a minute for it: it goes over each value several
// times, and looks up what each key means.
//
// Nothing else is read: a key that is not known, another order, a null or a value
// that is malformed makes Done false, and all of it is for encoding/json. What Stored
// reads it reads as that does. The zero value is to be Reset.
type Stored struct {
	b     string // what is left; short parts of it are cloned: a row is long
	first bool   // no member of the object at hand was read yet
	bad   bool

	// What neighbours have in common they share, and it is read once.
	site, chassis, id string
	said, wire        unique.Handle[string]
	remote            Hex
	remoteText        string
	day               string // as 2006-01-02
	dayUnix           int64  // its start

	// The networks that are known for a phone mostly are the one that it is on.
	at     *Attached
	atText string
}

// Reset makes the reader read a text.
func (r *Stored) Reset(text string) { r.b, r.first, r.bad, r.atText = text, false, false, "" }

// Done reports whether all of the text was read and was as expected.
func (r *Stored) Done() bool { return !r.bad && len(r.b) == 0 }

func (r *Stored) fail() { r.b, r.bad = "", true }

// take steps over a sign, if it is the next one.
func (r *Stored) take(sign byte) bool {
	if len(r.b) > 0 && r.b[0] == sign {
		r.b = r.b[1:]
		return true
	}
	return false
}

// takeWord steps over a literal, if it is the next one.
func (r *Stored) takeWord(word string) bool {
	rest, found := strings.CutPrefix(r.b, word)
	if found {
		r.b = rest
	}
	return found
}

// Open steps into an object.
func (r *Stored) Open() {
	if !r.take('{') {
		r.fail()
	}
	r.first = true
}

// Close steps out of an object, all of which was read.
func (r *Stored) Close() {
	if !r.take('}') {
		r.fail()
	}
	r.first = false
}

// Key steps over the key of a member, if that is the next one.
func (r *Stored) Key(name string) bool {
	b, n := r.b, len(name)
	if !r.first {
		if len(b) == 0 || b[0] != ',' {
			return false
		}
		b = b[1:]
	}
	if len(b) < n+3 || b[0] != '"' || b[n+1] != '"' || b[n+2] != ':' || b[1:n+1] != name {
		return false
	}
	r.b, r.first = b[n+3:], false
	return true
}

// StoredList reads a list, of which read reads one value; null is nil.
func StoredList[T any](r *Stored, read func(*Stored, *T)) []T {
	if r.takeWord("null") {
		return nil
	}
	if !r.take('[') {
		r.fail()
		return nil
	}
	out := []T{}
	if r.take(']') {
		return out
	}
	for !r.bad {
		var zero T
		out = append(out, zero)
		read(r, &out[len(out)-1])
		if r.take(']') {
			return out
		}
		if !r.take(',') {
			r.fail()
		}
	}
	return nil
}

// StoredOther reads a value as encoding/json does: one that few phones have.
func StoredOther[T any](r *Stored) (v T) {
	raw := r.value()
	if r.bad || json.Unmarshal([]byte(raw), &v) != nil {
		r.fail()
	}
	return v
}

// value steps over the next value, which may be malformed.
func (r *Stored) value() string {
	depth, quoted := 0, false
	for i := range len(r.b) {
		switch c := r.b[i]; {
		case quoted && c == '\\' || quoted && c == '"' && escaped(r.b[:i]):
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && (c == '}' || c == ']' || c == ','):
			raw := r.b[:i]
			r.b = r.b[i:]
			return raw
		case c == '}' || c == ']':
			depth--
		}
	}
	r.fail()
	return ""
}

// escaped reports whether what follows s stands behind an odd number of backslashes.
func escaped(s string) bool {
	n := len(s) - len(strings.TrimRight(s, `\`))
	return n%2 == 1
}

// plain reads a string that stands for itself, and returns a part of the text.
func (r *Stored) plain() string {
	b, i := r.b, 1
	if len(b) == 0 || b[0] != '"' {
		r.fail()
		return ""
	}
	for i < len(b) && itself[b[i]] {
		i++
	}
	if i == len(b) || b[i] != '"' {
		r.fail()
		return ""
	}
	r.b = b[i+1:]
	return b[1:i]
}

// itself tells the octets that stand for themselves in a string.
var itself = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// part reads a string, which may have escapes and other letters than ASCII's. It may
// be a part of the text.
func (r *Stored) part() string {
	before := r.b
	s := r.plain()
	if r.bad && len(before) > 0 && before[0] == '"' {
		r.b, r.bad = before, false
		s = StoredOther[string](r)
	}
	return s
}

// Text reads a string.
func (r *Stored) Text() string { return strings.Clone(r.part()) }

// shared reads a string that neighbours have in common.
func (r *Stored) shared(last *string) string {
	if s := r.part(); s != *last {
		*last = strings.Clone(s)
	}
	return *last
}

// handle reads a string that few others differ from.
func (r *Stored) handle(last *unique.Handle[string]) unique.Handle[string] {
	if s := r.part(); *last == (unique.Handle[string]{}) || s != last.Value() {
		*last = unique.Make(s) // a clone of it
	}
	return *last
}

// Shared is Text for an identifier that the phone before may have, too.
func (r *Stored) Shared() string { return r.shared(&r.id) }

// Int reads a whole number of at most 18 digits.
func (r *Stored) Int() int64 {
	negative := r.take('-')
	b, i, n := r.b, 0, int64(0)
	for ; i < len(b) && i < 19 && '0' <= b[i] && b[i] <= '9'; i++ {
		n = 10*n + int64(b[i]-'0')
	}
	if i == 0 || i == 19 || b[0] == '0' && i > 1 {
		r.fail()
		return 0
	}
	if r.b = b[i:]; negative {
		n = -n
	}
	return n
}

// number reads a number from 0 to most.
func (r *Stored) number(most int64) int64 {
	n := r.Int()
	if n < 0 || n > most {
		r.fail()
	}
	return n
}

// Bool reads true or false.
func (r *Stored) Bool() bool {
	if r.takeWord("true") {
		return true
	}
	if !r.takeWord("false") {
		r.fail()
	}
	return false
}

// Instant reads what Instant.MarshalJSON writes. A row has some twenty of them.
func (r *Stored) Instant() Instant {
	const seconds = len(`"2006-01-02T15:04:05`)
	b := r.b
	if len(b) < seconds+2 || b[0] != '"' || b[11] != 'T' || b[14] != ':' || b[17] != ':' {
		r.fail()
		return 0
	}
	hour, minute, second := twoDigits(b[12:]), twoDigits(b[15:]), twoDigits(b[18:])
	nanos, end := int64(0), seconds
	if b[end] == '.' {
		unit := int64(time.Second)
		for end++; end < len(b) && b[end]-'0' <= 9 && unit > 1; end++ {
			unit /= 10
			nanos += int64(b[end]-'0') * unit
		}
		if end == seconds+1 {
			r.fail()
			return 0
		}
	}
	if len(b) < end+2 || b[end] != 'Z' || b[end+1] != '"' || hour > 23 || minute > 59 || second > 59 {
		r.fail()
		return 0
	}
	if b[1:11] != r.day && !r.newDay(b[1:11]) {
		if b[:end+2] != `"0001-01-01T00:00:00Z"` {
			r.fail()
			return 0
		}
		r.b = b[end+2:]
		return 0
	}
	r.b = b[end+2:]
	return Instant((r.dayUnix+int64(hour*3600+minute*60+second))*int64(time.Second)+nanos) + epoch
}

// newDay takes note of a day, all of which an Instant can tell.
func (r *Stored) newDay(day string) bool {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil || t.Year() < 1678 || t.Year() > 2261 {
		return false
	}
	r.day, r.dayUnix = strings.Clone(day), t.Unix()
	return true
}

// twoDigits returns the number that s begins with; more than 99 if that is none.
func twoDigits(s string) int {
	tens, ones := s[0]-'0', s[1]-'0'
	if tens > 9 || ones > 9 {
		return 100
	}
	return int(tens)*10 + int(ones)
}

// Flag reads a member that is true or false; false if it is absent.
func (r *Stored) Flag(name string) bool { return r.Key(name) && r.Bool() }

// Count reads a member that is a whole number; zero if it is absent.
func (r *Stored) Count(name string) int64 {
	if !r.Key(name) {
		return 0
	}
	return r.Int()
}

// InstantOf reads a member that is an Instant; zero if it is absent.
func (r *Stored) InstantOf(name string) Instant {
	if !r.Key(name) {
		return 0
	}
	return r.Instant()
}

// wordOf reads one of several words; another one is the first, as it is for the
// types whose words these are.
func wordOf[T ~uint8](r *Stored, words []string) T {
	q := r.plain()
	for i, word := range words {
		if q == word {
			return T(i)
		}
	}
	return 0
}

func (r *Stored) mac() (m MAC) {
	q := r.plain()
	if len(q) != 17 {
		if r.bad || m.UnmarshalText([]byte(q)) != nil {
			r.fail()
		}
		return m
	}
	for i := range m {
		high, low := hexDigit(q[3*i]), hexDigit(q[3*i+1])
		if high > 15 || low > 15 || i < 5 && q[3*i+2] != ':' {
			if m.UnmarshalText([]byte(q)) != nil {
				r.fail()
			}
			return m
		}
		m[i] = high<<4 | low
	}
	return m
}

func (r *Stored) phoneID() (id PhoneID) {
	if b := r.b; len(b) > 18 && b[3] == ':' && b[18] == '"' {
		id.MAC = r.mac()
		return id
	}
	if q := r.Text(); r.bad || id.UnmarshalText([]byte(q)) != nil {
		r.fail()
	}
	return id
}

func (r *Stored) hex() Hex {
	q := r.plain()
	if len(q)%2 != 0 {
		r.fail()
		return ""
	}
	var most [64]byte
	out := most[:0]
	for i := 0; i < len(q); i += 2 {
		high, low := hexDigit(q[i]), hexDigit(q[i+1])
		if high > 15 || low > 15 {
			r.fail()
			return ""
		}
		out = append(out, high<<4|low)
	}
	return Hex(out)
}

// relay reads a remote ID, of which a relay has one for all its phones.
func (r *Stored) relay() Hex {
	if r.remoteText != "" && r.takeWord(r.remoteText) {
		return r.remote
	}
	before := r.b
	h := r.hex()
	if !r.bad {
		r.remote, r.remoteText = h, strings.Clone(before[:len(before)-len(r.b)])
	}
	return h
}

func (r *Stored) addr() (ip netip.Addr) {
	q := r.plain()
	ip, ok := fourOf(q)
	if !ok && (r.bad || ip.UnmarshalText([]byte(q)) != nil) {
		r.fail()
	}
	return ip
}

func (r *Stored) prefix() (p netip.Prefix) {
	q := r.plain()
	if i := strings.IndexByte(q, '/'); i > 0 {
		bits, err := strconv.ParseUint(q[i+1:], 10, 8)
		ip, ok := fourOf(q[:i])
		if ok && err == nil && bits <= 32 && q[i+1] != '0' {
			return netip.PrefixFrom(ip, int(bits))
		}
	}
	if r.bad || p.UnmarshalText([]byte(q)) != nil {
		r.fail()
	}
	return p
}

// fourOf reads an IPv4 address.
func fourOf(q string) (netip.Addr, bool) {
	var four [4]byte
	field, value, digits := 0, 0, 0
	for i := range len(q) {
		switch c := q[i]; {
		case '0' <= c && c <= '9':
			if digits > 0 && value == 0 { // it begins with a zero
				return netip.Addr{}, false
			}
			value, digits = 10*value+int(c-'0'), digits+1
			if value > 255 {
				return netip.Addr{}, false
			}
		case c == '.' && field < 3 && digits > 0:
			four[field] = byte(value)
			field, value, digits = field+1, 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	if field != 3 || digits == 0 {
		return netip.Addr{}, false
	}
	four[3] = byte(value)
	return netip.AddrFrom4(four), true
}
