package proxy

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// answer answers a request without keeping anything of it (RFC 3261 section 16.11).
// An ACK is never answered. Over UDP whoever nobody registers from may be somebody else
// than it says: what is sent there is no larger than what came. What can be done without
// is left out of it then, and if that is not enough it is not sent.
func (w *worker) answer(in flow, f *fault) {
	if w.m.is("ACK") {
		return
	}
	b := w.compose(w.out[:0], in, f, full, nil)
	if in.transport == udp && len(b) > len(w.m.raw) && !f.challenge() && !w.trusted(in.peer.Addr()) {
		for left := full + 1; left <= leastOfAll && len(b) > len(w.m.raw); left++ {
			b = w.compose(b[:0], in, f, left, nil)
		}
		if w.out = b; len(b) > len(w.m.raw) {
			w.count.unanswered.Add(1)
			return
		}
	}
	w.count.answered.Add(1)
	w.send(in, b)
}

// trusted reports whether somebody at an address was heard by a PBX, or is one.
func (w *worker) trusted(a netip.Addr) bool {
	return w.upstreams.at(a) || w.admission.knows(sourceOf(a), w.now)
}

// How much of an answer is left out, one after the other.
const (
	full       = iota
	lengthless // a datagram ends where it ends (RFC 3261 section 18.3)
	undetailed // what is wrong with the request
	reasonless // the reason phrase, which may be empty (section 25.1)
	headerless // the header that says more
	leastOfAll // the tag of who answers, by which forked answers are told apart
)

// reply is an answer as a whole, for who has proved who it is; more are whole headers.
func (w *worker) reply(in flow, f *fault, more []byte) []byte {
	w.count.answered.Add(1)
	return w.compose(w.out[:0], in, f, full, more)
}

// compose appends the answer to the request at hand; more are whole headers.
func (w *worker) compose(b []byte, in flow, f *fault, left int, more []byte) []byte {
	m := &w.m
	w.edits.reset()
	w.received(in, &w.edits)
	reason := f.reason
	if left >= undetailed {
		reason, _, _ = strings.Cut(reason, " (")
	}
	if left >= reasonless {
		reason = ""
	}
	b = append(b, version+" "...)
	b = strconv.AppendInt(b, int64(f.status), 10)
	b = append(append(append(b, ' '), reason...), "\r\n"...)
	for _, h := range m.headers {
		switch h.name {
		case via, from, callID, cseq:
			b = w.line(b, h)
		case to:
			b = w.line(b, h)
			if _, tagged := tagOf(m.value(h)); !tagged && left < leastOfAll {
				b = w.tag(bytes.TrimRight(b, "\r\n"))
				b = append(b, "\r\n"...)
			}
		}
	}
	if f.header != "" && left < headerless {
		b = append(append(b, f.header...), "\r\n"...)
	}
	b = append(b, more...)
	if left < lengthless {
		b = append(b, "Content-Length: 0\r\n"...)
	}
	return append(b, "\r\n"...)
}

// line appends a header as it came, with what is changed in it and the end of its line.
func (w *worker) line(b []byte, h header) []byte {
	at := h.at
	for _, x := range w.edits.list {
		if x.cut.at < h.at || x.cut.at >= h.end {
			continue
		}
		b = append(b, w.m.raw[at:x.cut.at]...)
		b = append(b, w.edits.text[x.text.at:x.text.end]...)
		at = x.cut.end
	}
	b = append(b, w.m.raw[at:h.end]...)
	if b[len(b)-1] != '\n' { // the request ends in the middle of it
		b = append(bytes.TrimRight(b, "\r"), "\r\n"...)
	}
	return b
}

// tag appends the tag of who answers, the same for each copy of a request.
func (w *worker) tag(b []byte) []byte {
	h := fnv.New64a()
	h.Write(w.cfg.Key[:])
	h.Write(w.m.get(callID))
	h.Write(w.m.get(cseq))
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], h.Sum64())
	return base64.RawURLEncoding.AppendEncode(append(b, ";tag="...), sum[:])
}

// response sends a response back to where its request came from, which our Via in
// it says (RFC 3261 section 16.7). One whose request did not go to whom it comes
// from is dropped.
func (w *worker) response(in flow) {
	m := &w.m
	v := &m.vias[0]
	var to flow
	ok := w.isOurs(v.host, v.port, v.transport) && markOf(v.branch) != nil
	if ok {
		token := v.branch[len(cookie)+txnLen+markLen:]
		if ok = len(token) > 0 && strings.IndexByte(marks, token[0]) >= 0; ok {
			to, ok = w.sealer.open(token[1:], back, in.peer.Addr())
		}
	}
	if !ok {
		w.count.forged.Add(1)
		return
	}
	t := w.upstreams.target(in)
	if t != nil && (t.silent.Load() != 0 || t.down.Load()) {
		if t.down.Load() {
			w.log.Info("a PBX answers again", "address", t.addr)
		}
		t.answered()
	}
	if t == nil {
		w.signOfLife(in)
	}
	key := txn(v.branch[len(cookie):][:txnLen])
	if to == nowhere {
		w.ownAnswered(key) // what we asked ourselves
		return
	}
	mark := v.branch[len(cookie)+txnLen+markLen]
	if f := w.forks.of(key); f != nil { // also of a call for help that no PBX was there for
		if !w.forkAnswer(f, in, mark) {
			w.hand(to)
		}
		return
	}
	if e := w.emergencies.of(key); e != nil {
		if !w.emergencyAnswer(e, mark) {
			w.hand(to)
		}
		return
	}
	_, method := m.sequence()
	if t != nil {
		w.judge(to, key, method)
	}
	if string(method) == "REGISTER" && m.status < 200 {
		w.hand(to)
		return // its end is still owed
	}
	o := w.pending.take(key)
	if o != nil && o.to != nil && m.status == 503 && w.elsewhere(key, o) {
		return
	}
	if string(method) == "REGISTER" {
		w.registered(to, o)
	}
	w.hand(to)
}

// elsewhere tries another PBX for a request that one has no room for (RFC 3261
// section 21.5.4). It is false if there is none; the answer is at hand again then.
func (w *worker) elsewhere(key txn, o *owed) bool {
	now := time.Now()
	answer := bytes.Clone(w.m.raw)
	if wait, ok := w.m.retryAfter(); ok {
		o.to.until.Store(now.Add(wait).UnixNano())
	}
	if w.again(key, o, now) {
		return true
	}
	w.m.read(answer) // it was valid before
	w.m.validate(false)
	return false
}

// retryAfter is how long who sent the answer wants nothing (RFC 3261 section 20.33). It
// is false if that is not said.
func (m *message) retryAfter() (time.Duration, bool) {
	n, err := strconv.ParseUint(string(bytes.TrimSpace(firstWord(m.get(retryAfter)))), 10, 31)
	return time.Duration(n) * time.Second, err == nil
}

// firstWord is what stands before a comment or a parameter.
func firstWord(b []byte) []byte {
	if i := bytes.IndexAny(b, " ;("); i >= 0 {
		return b[:i]
	}
	return b
}

// hand hands the response at hand on.
func (w *worker) hand(to flow) {
	if w.unwrap() {
		w.send(to, w.edits.apply(w.out[:0], w.m.raw))
	}
}

// unwrap takes our Via off the response at hand. It is false if nobody asked.
func (w *worker) unwrap() bool {
	m := &w.m
	if len(m.vias) == 1 {
		w.count.forged.Add(1)
		return false
	}
	w.edits.reset()
	top, next := &m.vias[0], &m.vias[1]
	if next.line.at == top.line.at {
		w.edits.replace(span{top.at.at, next.at.at}, nil)
	} else {
		w.edits.replace(span{top.line.at, top.line.end}, nil)
	}
	return true
}

// addressed reports whether a Request-URI is of ourselves.
func (w *worker) addressed(b []byte) bool {
	u, ok := parseURI(b)
	return ok && len(u.user) == 0 && w.isOurs(u.host, u.port, u.transport)
}

// isOurs reports whether a host and port of a URI or Via are ours.
func (w *worker) isOurs(host []byte, port uint16, transport []byte) bool {
	if port == 0 {
		port = defaultPorts[udp]
		if bytes.EqualFold(transport, []byte("tls")) {
			port = defaultPorts[tls]
		}
	}
	w.host = append(append(w.host[:0], host...), ':')
	w.host = strconv.AppendUint(w.host, uint64(port), 10)
	if w.ours[string(w.host)] {
		return true
	}
	a, err := netip.ParseAddr(string(host))
	return err == nil && a.Is6() && w.ours[netip.AddrPortFrom(a, port).String()]
}
