// Package words puts facts into words for people who know what a telephone and a
// socket in the wall are, and no more. The mails and the pages of the portal use
// the same ones.
//
// Much of what is said of a phone was read from the wire, where anybody may have
// written it: every text leaves this package clean, which is what makes it
// harmless in a header, in plain text and, after escaping, in HTML.
package words

import (
	"strings"
	"unicode"

	"perch/gateway"
)

// How long a text may be in a mail or on a page, in characters. What is longer is cut.
const (
	MaxName   = 64  // of people, phones, places
	MaxWord   = 80  // identifiers, models, addresses of record
	MaxLine   = 200 // one line of a postal address, a rule
	MaxReason = 1000
	MaxList   = 8 // entries of a list
)

// Clean makes a text from the wire, a file or a form harmless in a header, in
// plain text and (after html/template's escaping) in HTML, and cuts it to max
// characters:
//
//   - line ends, tabs and all control characters become spaces, so that no text
//     can add a header field or a line of its own (RFC 5322 section 2.2);
//   - format characters go, so that no text can turn its neighbours around
//     (U+202E) or hide parts of itself (U+200B); the two joiners stay, since
//     Persian and Hindi cannot be written without them;
//   - the mark of the link's token, "=?" of RFC 2047 and "://" are broken up:
//     nobody may have the token put into a link of his own, have headers decoded
//     into what was taken out here, or put a link into Perch's mouth.
func Clean(s string, limit int) string {
	if clean(s, limit) {
		return s
	}
	return scrub(s, limit)
}

func scrub(s string, limit int) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range s {
		switch {
		case r == '\u200c' || r == '\u200d': // zero width non-joiner, joiner
		case unicode.IsSpace(r) || unicode.IsControl(r): // Zl and Zp are spaces too
			space = true
			continue
		case unicode.Is(unicode.Cf, r):
			continue
		}
		if n >= limit {
			b.WriteRune('…')
			break
		}
		if space && n > 0 {
			b.WriteByte(' ')
			n++
		}
		space = false
		b.WriteRune(r) // invalid UTF-8 arrives here as U+FFFD
		n++
	}
	return breakUp.Replace(b.String())
}

// clean reports whether a text is clean as it stands, as most are: printable
// ASCII, no longer than the limit, with single spaces inside of it and nothing
// that breakUp breaks up.
func clean(s string, limit int) bool {
	if len(s) > limit || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c > '~', c == ' ' && s[i+1] == ' ':
			return false
		case c == '=' && strings.HasPrefix(s[i:], "=?"), c == ':' && strings.HasPrefix(s[i:], "://"):
			return false
		case c == tokenWord[0] && strings.HasPrefix(s[i:], tokenWord):
			return false
		}
	}
	return true
}

// breakUp replaces from left to right and never looks at what it wrote; none of
// the texts taken apart can come together again from the pieces.
var breakUp = strings.NewReplacer(
	tokenWord, strings.ReplaceAll(tokenWord, "-", " "),
	"=?", "= ?",
	"://", "[:]//",
)

var tokenWord = strings.Trim(gateway.TokenMark, "@")

// CleanAll cleans the entries of a list and cuts the list.
func CleanAll(list []string, limit int) []string {
	var out []string
	for _, s := range list {
		if s = Clean(s, limit); s == "" {
			continue
		}
		if len(out) == MaxList {
			return append(out, "…")
		}
		out = append(out, s)
	}
	return out
}
