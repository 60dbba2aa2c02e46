package proxy

import (
	"crypto/md5" //nolint:gosec // RFC 3261 section 22.4: what most PBXs speak
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
)

// prove returns the header by which the PBX that refused a request of ours with the
// answer at hand is told who we are (RFC 7616 section 3.4): for the first of its
// challenges that we can answer, as it prefers (RFC 8760 section 2.4). Stale reports
// that only the nonce was wrong. Empty: there is none.
func (m *message) prove(method, uri, user, password string) (header string, stale bool) {
	kind, name := authenticate, "Authorization"
	if m.status == 407 {
		kind, name = proxyAuthenticate, "Proxy-Authorization"
	}
	for _, h := range m.headers {
		if h.name != kind {
			continue
		}
		d, ok := readDigest(m.value(h))
		if !ok || len(d.nonce) == 0 || strings.ContainsAny(string(m.value(h)), "\r\n\\") {
			continue
		}
		if answer := d.answer(method, uri, user, password); answer != "" {
			return name + ": " + answer + "\r\n", strings.EqualFold(string(d.stale), "true")
		}
	}
	return "", false
}

// answer is what answers a challenge; empty for one that has an algorithm or a quality
// of protection of which nothing is known here.
func (d *digest) answer(method, uri, user, password string) string {
	var h hash.Hash
	switch algorithm := string(d.algorithm); {
	case algorithm == "" || strings.EqualFold(algorithm, "MD5"):
		h = md5.New()
	case strings.EqualFold(algorithm, "SHA-256"):
		h = sha256.New()
	default:
		return ""
	}
	sum := func(parts ...string) string {
		h.Reset()
		h.Write([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(h.Sum(nil))
	}
	a1, a2 := sum(user, string(d.realm), password), sum(method, uri)
	out := `Digest username="` + user + `", realm="` + string(d.realm) + `", nonce="` + string(d.nonce) + `", uri="` + uri + `"`
	if len(d.algorithm) > 0 {
		out += ", algorithm=" + string(d.algorithm)
	}
	if len(d.opaque) > 0 {
		out += `, opaque="` + string(d.opaque) + `"`
	}
	if len(d.qop) == 0 { // RFC 2617 section 3.2.2.1
		return out + `, response="` + sum(a1, string(d.nonce), a2) + `"`
	}
	for q := range strings.SplitSeq(string(d.qop), ",") {
		if !strings.EqualFold(strings.TrimSpace(q), "auth") {
			continue
		}
		const count = "00000001" // each nonce is used once
		var random [8]byte
		_, _ = rand.Read(random[:]) // never fails
		ours := hex.EncodeToString(random[:])
		return out + `, qop=auth, nc=` + count + `, cnonce="` + ours + `", response="` + sum(a1, string(d.nonce), count, ours, "auth", a2) + `"`
	}
	return ""
}
