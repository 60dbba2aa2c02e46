package discovery

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
	"unique"
)

// Stored reads JSON as Perch stores it: the keys of an object in the order of its
// fields, no spaces, UTC. A campus of a million phones is read at each start, and
// encoding/json takes most of a minute for it: it goes over each value several
// times, and looks up what each key means.
//
// Nothing else is read: a key that is not known, another order or a value that is
// malformed makes Done false, and all of it is for encoding/json. What Stored
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
