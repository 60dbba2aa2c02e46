package proxy

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// carried notes that a request of a transaction carries credentials, for its answer.
// Of two at one place the later one is kept.
func (a *admission) carried(key txn) {
	n := binary.LittleEndian.Uint64(key[:8])
	a.tried[n%uint64(len(a.tried))].Store(n)
}

// didCarry reports whether it did.
func (a *admission) didCarry(key txn) bool {
	n := binary.LittleEndian.Uint64(key[:8])
	return a.tried[n%uint64(len(a.tried))].Load() == n
}

// target is the AOR that the message at hand is for, or about, as a number. A port, a
// password or a header in it makes no other of it.
func (w *worker) target() uint64 {
	uri := address(w.m.get(to))
	u, ok := parseURI(uri)
	w.host = w.host[:0]
	if !ok {
		w.host = appendLower(w.host, uri)
		return maphash.Bytes(w.admission.seed, w.host)
	}
	user, _, _ := bytes.Cut(u.user, []byte(":"))
	user, _, _ = bytes.Cut(user, []byte(";"))
	w.host = append(w.host, "sip:"...)
	w.host = append(appendLower(w.host, user), '@')
	w.host = appendLower(w.host, u.host)
	return maphash.Bytes(w.admission.seed, w.host)
}

// appendLower appends text in lower case.
func appendLower(b, text []byte) []byte {
	for _, c := range text {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		b = append(b, c)
	}
	return b
}

// credentials reports whether the request at hand carries some.
func (w *worker) credentials() bool {
	for i := range w.m.headers {
		if n := w.m.headers[i].name; n == authorization || n == proxyAuthorization {
			return true
		}
	}
	return false
}

// mayRegister reports whether the REGISTER at hand is passed on. One that is sent
// again is no new try.
func (w *worker) mayRegister(in flow) bool {
	addr := in.peer.Addr()
	if w.upstreams.at(addr) {
		return true
	}
	s, aor := sourceOf(addr), w.target()
	if w.admission.try(s, aor, w.credentials(), w.now) {
		return true
	}
	if w.callers.Load().holds(addr, string(w.host)) {
		return true
	}
	w.count.guesses.Add(1)
	if !w.admission.knows(s, w.now) {
		w.admission.refuse(s, aor, true, w.now) // or it would go on for ever at one in a minute
	}
	return false
}

// judge takes the answer of a PBX at hand as what it says of who is answered.
func (w *worker) judge(to flow, key txn, method []byte) {
	addr := to.peer.Addr()
	if w.m.status < 200 || w.upstreams.at(addr) {
		return
	}
	register := string(method) == "REGISTER"
	switch {
	case register && w.m.status < 300:
		w.admission.accept(sourceOf(addr), w.target(), w.now)
	case w.refuses(key):
		target := w.target()
		if !register || !w.callers.Load().holds(addr, string(w.host)) {
			w.admission.refuse(sourceOf(addr), target, register, w.now)
		}
	}
}

// refuses reports whether the answer at hand says that somebody is nobody, or may
// not, or that a password was wrong. A first challenge is none, nor is one for an old
// nonce (RFC 7616 section 3.3).
func (w *worker) refuses(key txn) bool {
	switch w.m.status {
	case 403, 404:
		return true
	case 401, 407:
		if !w.admission.didCarry(key) {
			return false
		}
		for _, n := range [...]name{authenticate, proxyAuthenticate} {
			if isStale(w.m.get(n)) {
				return false
			}
		}
		return true
	}
	return false
}

// isStale reports whether a challenge has stale=true.
func isStale(b []byte) bool {
	const stale = "stale="
	for i := range b {
		if len(b)-i >= len(stale) && bytes.EqualFold(b[i:i+len(stale)], []byte(stale)) {
			rest := bytes.TrimLeft(b[i+len(stale):], `"`)
			return len(rest) >= 4 && bytes.EqualFold(rest[:4], []byte("true"))
		}
	}
	return false
}
