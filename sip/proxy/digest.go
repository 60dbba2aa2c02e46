package proxy

import (
	"bytes"
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"hash/fnv"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"perch/sip"
	"perch/sip/digest"
)

// Line is an address of record that may register here, and what proves that.
type Line struct {
	AOR  sip.AOR `json:"aor"`
	User string  `json:"user"` // of the digest
	// MD5 and SHA256 are H(user:realm:password) in hex (RFC 8760 section 2.6), one for
	// each algorithm. Whoever has them can register the line.
	MD5    string `json:"md5,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// HashLine returns the line of a password in a realm.
func HashLine(aor sip.AOR, user, realm, password string) Line {
	a1 := func(algorithm string) string { return digest.A1(digest.Hash([]byte(algorithm)), user, realm, password) }
	return Line{AOR: aor, User: user, MD5: a1("MD5"), SHA256: a1("SHA-256")}
}

// listed are the lines that may register here, as they are looked for.
type listed struct {
	byAOR    map[sip.AOR]*Line
	byNumber map[string][]*Line // by the user part of the AOR
}

// SetLines replaces the lines that may register here.
func (p *Proxy) SetLines(list []Line) {
	l := &listed{map[sip.AOR]*Line{}, map[string][]*Line{}}
	for i := range list {
		x := &list[i]
		l.byAOR[x.AOR] = x
		l.byNumber[userOf(x.AOR)] = append(l.byNumber[userOf(x.AOR)], x)
	}
	p.lines.Store(l)
}

// of returns a line: by its AOR, or by its user part if the host is one of ours and
// no other line has it. Nil: there is none.
func (l *listed) of(aor sip.AOR, ours bool) *Line {
	if l == nil {
		return nil
	}
	if x := l.byAOR[aor]; x != nil || !ours {
		return x
	}
	if same := l.byNumber[userOf(aor)]; len(same) == 1 {
		return same[0]
	}
	return nil
}

// proof is what credentials are.
type proof uint8

const (
	unproved   proof = iota // there are none, or they are not for us
	proofStale              // right, but of a nonce that is too old
	proved
	disproved
)

// How long a nonce is good, and how many are known for which one has answered.
const (
	nonceLife = 5 * time.Minute
	maxNonces = 1 << 16
)

// nonces are those that were answered, each with how often: what is heard twice is
// no proof (RFC 7616 section 5.6). There are those of now and those of before.
type nonces struct {
	mu        sync.Mutex
	now, past map[[nonceLen]byte]nonceUse
	turned    time.Time
}

type nonceUse struct {
	count uint32
	sum   uint64 // of the request, which may come again as it was
}

// use notes a nonce's count. It is false for one that was there before, unless the
// request is the same.
func (n *nonces) use(nonce [nonceLen]byte, count uint32, sum uint64, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.now == nil || len(n.now) >= maxNonces || now.Sub(n.turned) > nonceLife {
		n.past, n.now, n.turned = n.now, map[[nonceLen]byte]nonceUse{}, now
	}
	last, ok := n.now[nonce]
	if !ok {
		last = n.past[nonce]
	}
	if count < last.count || count == last.count && sum != last.sum {
		return false
	}
	n.now[nonce] = nonceUse{count, sum}
	return true
}

// nonceLen is its time and its seal.
const nonceLen = 8 + 12

// nonce appends a new one. It says when it was made and for which address, so that
// nothing is kept of those to whom it is given.
func (w *worker) nonce(b []byte, source netip.Addr, now time.Time) []byte {
	n := w.sealNonce(uint64(now.UnixMicro()), source)
	return base64.RawURLEncoding.AppendEncode(b, n[:])
}

func (w *worker) sealNonce(micro uint64, source netip.Addr) (n [nonceLen]byte) {
	binary.BigEndian.PutUint64(n[:], micro)
	copy(n[8:], w.sealer.sign(forNonce, n[:8], source))
	return n
}

// openNonce reads one: whether it was made here, for the address, and when.
func (w *worker) openNonce(b []byte, source netip.Addr) (n [nonceLen]byte, at time.Time, ok bool) {
	if base64.RawURLEncoding.DecodedLen(len(b)) != nonceLen {
		return n, at, false
	}
	if _, err := base64.RawURLEncoding.Decode(n[:], b); err != nil {
		return n, at, false
	}
	micro := binary.BigEndian.Uint64(n[:])
	want := w.sealNonce(micro, source)
	return n, time.UnixMicro(int64(micro)), hmac.Equal(n[:], want[:])
}

// Algorithms are those that a digest may have (RFC 8760 section 2.3).
var Algorithms = []string{"MD5", "SHA-256"}

// defaultAlgorithms are those that are offered unless Config says otherwise. There are
// phones that know MD5 alone and do not register at all when another one is offered
// beside it, in any order (docs/decisions/0029).
var defaultAlgorithms = Algorithms[:1]

// challenge is the header that asks for credentials, one for each algorithm.
func (w *worker) challenge(header string, in flow, old bool, now time.Time) string {
	var b strings.Builder
	nonce := string(w.nonce(nil, in.peer.Addr(), now))
	for i, algorithm := range w.cfg.Algorithms {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(header + `: Digest realm="` + w.cfg.Realm + `", nonce="` + nonce + `", algorithm=` + algorithm + `, qop="auth"`)
		if old {
			b.WriteString(", stale=true")
		}
	}
	return b.String()
}

// authorized reports whether the request at hand proves that it is of a line. If it does
// not it was answered: by a challenge (RFC 3261 sections 22.2, 22.3) or by a refusal. Nil
// is a line that there is not, which nobody is.
func (w *worker) authorized(in flow, line *Line, now time.Time) bool {
	kind, code, reason, ask := proxyAuthorization, 407, "Proxy Authentication Required", "Proxy-Authenticate"
	register := w.m.is("REGISTER")
	if register {
		kind, code, reason, ask = authorization, 401, "Unauthorized", "WWW-Authenticate"
	}
	switch v := w.check(kind, in, line, now); v {
	case proved:
		return true
	case disproved:
		w.admission.refuse(sourceOf(in.peer.Addr()), w.target(), register, w.now)
		w.answer(in, &fault{403, "Forbidden", ""})
	default:
		w.answer(in, &fault{code, reason, w.challenge(ask, in, v == proofStale, now)})
	}
	return false
}

// check looks at the credentials that the request at hand has for our realm: whether
// they are a line's.
func (w *worker) check(kind name, in flow, line *Line, now time.Time) proof {
	m := &w.m
	for _, h := range m.headers {
		if h.name != kind {
			continue
		}
		d, ok := digest.Read(m.value(h))
		if !ok || string(d.Realm) != w.cfg.Realm {
			continue
		}
		if line != nil && line.User != string(d.User) {
			line = nil
		}
		if !w.proves(&d, line) {
			return disproved
		}
		n, at, ours := w.openNonce(d.Nonce, in.peer.Addr())
		age := now.Sub(at)
		if !ours || age > nonceLife || age < -nonceLife {
			return proofStale
		}
		count, err := strconv.ParseUint(string(d.NC), 16, 32)
		sum := fnv.New64a()
		sum.Write(w.m.raw) // a digest says nothing of Contact, so all of it must be the same
		if err != nil || count == 0 || !w.nonces.use(n, uint32(count), sum.Sum64(), now) {
			return proofStale
		}
		return proved
	}
	return unproved
}

// proves reports whether a digest is that of the line's password (RFC 7616 section
// 3.4.1). For a line that is none as much is done.
func (w *worker) proves(d *digest.Fields, l *Line) bool {
	h, a1 := hash.Hash(w.md5), ""
	switch {
	case !w.offers(d.Algorithm):
		return false
	case len(d.Algorithm) == 0 || bytes.EqualFold(d.Algorithm, []byte("MD5")):
		if l != nil {
			a1 = l.MD5
		}
	default:
		if h = w.sha256; l != nil {
			a1 = l.SHA256
		}
	}
	if !bytes.EqualFold(d.QOP, []byte("auth")) || !sameTarget(d.URI, w.m.requestURI()) && !w.addressed(d.URI) { // some name whom they send to
		return false
	}
	return d.Proves(h, a1, string(w.m.method)) && l != nil && a1 != ""
}

// offers reports whether an algorithm is among those that are offered; one that is not
// named is MD5 (RFC 7616 section 3.3).
func (w *worker) offers(algorithm []byte) bool {
	if len(algorithm) == 0 {
		algorithm = []byte("MD5")
	}
	return slices.ContainsFunc(w.cfg.Algorithms, func(a string) bool { return bytes.EqualFold([]byte(a), algorithm) })
}

// sameTarget reports whether the URI of a digest is the request's, parameters aside,
// which phones do not always repeat.
func sameTarget(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	u, ok := parseURI(a)
	v, also := parseURI(b)
	return ok && also && bytes.Equal(u.user, v.user) && bytes.EqualFold(u.host, v.host) && u.port == v.port
}
