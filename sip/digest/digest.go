// Package digest reads and makes the headers by which somebody proves that they have a
// password without saying it: digest access authentication.
//
// Who is asked gets a challenge with a nonce (WWW-Authenticate), and answers with a hash
// of the password, the nonce and what it asks for (Authorization). SIP took it over from
// HTTP (RFC 3261 section 22.4), and phones speak all that there was of it: RFC 2069 without
// qop, RFC 2617, and RFC 7616 with its second algorithm (RFC 8760 for SIP). Nothing here
// makes a nonce or says whether one is still good: that is for who gave it out. Of qop only
// auth is known: auth-int would hash bodies, which no phone does.
//
//	f, ok := digest.Read([]byte(r.Header.Get("Authorization")))
//	h := digest.Hash(f.Algorithm)
//	right := f.Proves(h, digest.A1(h, user, realm, password), r.Method)
package digest

import (
	"bytes"
	"crypto/md5" //nolint:gosec // RFC 3261 section 22.4: what most phones speak
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"strings"
)

// Fields are what is read of a header (RFC 7616 sections 3.3, 3.4), without quotes.
type Fields struct{ User, Realm, Nonce, URI, Response, Algorithm, CNonce, NC, QOP, Opaque, Stale []byte }

// Read reads a value of Authorization, WWW-Authenticate or one of a proxy's. The fields are
// parts of it. It is false for another scheme, and for a quote without its end.
func Read(b []byte) (f Fields, ok bool) {
	const scheme = "digest "
	if len(b) < len(scheme) || !bytes.EqualFold(b[:len(scheme)], []byte(scheme)) {
		return f, false
	}
	for b = b[len(scheme):]; len(b) > 0; {
		equals := bytes.IndexByte(b, '=')
		if equals < 0 {
			break
		}
		key, value := bytes.Trim(b[:equals], ", \t\r\n"), bytes.TrimLeft(b[equals+1:], " \t\r\n")
		end := -1
		if len(value) > 0 && value[0] == '"' { // no name or password of a line has an escape
			value = value[1:]
			end = bytes.IndexByte(value, '"')
		} else if end = bytes.IndexByte(value, ','); end < 0 {
			end = len(value)
		}
		if end < 0 {
			return f, false
		}
		if to := f.field(key); to != nil {
			*to = bytes.TrimRight(value[:end], " \t\r\n")
		}
		b = value[end:]
		if len(b) > 0 {
			b = b[1:] // the quote or the comma
		}
	}
	return f, true
}

// field is where a parameter is kept; nil if it is not read.
func (f *Fields) field(key []byte) *[]byte {
	var name [len("algorithm")]byte
	if len(key) > len(name) {
		return nil
	}
	for i, c := range key {
		name[i] = c | 0x20 // letters in lower case
	}
	switch string(name[:len(key)]) {
	case "username":
		return &f.User
	case "realm":
		return &f.Realm
	case "nonce":
		return &f.Nonce
	case "uri":
		return &f.URI
	case "response":
		return &f.Response
	case "algorithm":
		return &f.Algorithm
	case "cnonce":
		return &f.CNonce
	case "nc":
		return &f.NC
	case "qop":
		return &f.QOP
	case "opaque":
		return &f.Opaque
	case "stale":
		return &f.Stale
	}
	return nil
}

// Hash is an algorithm's: MD5 if none is named (RFC 7616 section 3.3), SHA-256, or nil for
// another one.
func Hash(algorithm []byte) hash.Hash {
	switch {
	case len(algorithm) == 0, bytes.EqualFold(algorithm, []byte("MD5")):
		return md5.New()
	case bytes.EqualFold(algorithm, []byte("SHA-256")):
		return sha256.New()
	}
	return nil
}

// A1 is the hash of a user's password in a realm, in hex: whoever has it can answer as the
// user (RFC 8760 section 2.6).
func A1(h hash.Hash, user, realm, password string) string { return sum(h, user, realm, password) }

func sum(h hash.Hash, parts ...string) string {
	h.Reset()
	h.Write([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h.Sum(nil))
}

// Proves reports whether the response is that of who has the password of A1, for a method
// (RFC 7616 section 3.4.1). It takes as long for a wrong one.
func (f *Fields) Proves(h hash.Hash, a1, method string) bool {
	var sum, text [2 * sha256.Size]byte
	write := func(parts ...[]byte) {
		for _, p := range parts {
			h.Write([]byte{':'})
			h.Write(p)
		}
	}
	h.Reset()
	h.Write([]byte(method))
	write(f.URI)
	a2 := hex.AppendEncode(text[:0], h.Sum(sum[:0]))
	h.Reset()
	h.Write([]byte(a1))
	if len(f.QOP) == 0 { // RFC 2617 section 3.2.2.1
		write(f.Nonce, a2)
	} else {
		write(f.Nonce, f.NC, f.CNonce, f.QOP, a2)
	}
	want := hex.AppendEncode(text[:0], h.Sum(sum[:0]))
	return subtle.ConstantTimeCompare(want, bytes.ToLower(f.Response)) == 1
}

// Answer is the value of Authorization that answers a challenge; empty for one that has an
// algorithm or a quality of protection of which nothing is known here.
func (f *Fields) Answer(method, uri, user, password string) string {
	h := Hash(f.Algorithm)
	if h == nil {
		return ""
	}
	a1, a2 := A1(h, user, string(f.Realm), password), sum(h, method, uri)
	out := `Digest username="` + user + `", realm="` + string(f.Realm) + `", nonce="` + string(f.Nonce) + `", uri="` + uri + `"`
	if len(f.Algorithm) > 0 {
		out += ", algorithm=" + string(f.Algorithm)
	}
	if len(f.Opaque) > 0 {
		out += `, opaque="` + string(f.Opaque) + `"`
	}
	if len(f.QOP) == 0 { // RFC 2617 section 3.2.2.1
		return out + `, response="` + sum(h, a1, string(f.Nonce), a2) + `"`
	}
	for q := range strings.SplitSeq(string(f.QOP), ",") {
		if !strings.EqualFold(strings.TrimSpace(q), "auth") {
			continue
		}
		const count = "00000001" // each nonce is used once
		var random [8]byte
		_, _ = rand.Read(random[:]) // never fails
		ours := hex.EncodeToString(random[:])
		return out + `, qop=auth, nc=` + count + `, cnonce="` + ours + `", response="` + sum(h, a1, string(f.Nonce), count, ours, "auth", a2) + `"`
	}
	return ""
}
