package proxy

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"net/netip"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

// worker handles the messages of one socket or connection, in the order in which
// they came: a CANCEL does not overtake its INVITE.
type worker struct {
	*Proxy
	m       message
	key     txn // of the request at hand
	mark    [markLen]byte
	legMark byte // of the Via that is written next: see marks
	edits   edits
	sealer  *sealer
	asked   message // another one, that an answer belongs to
	md5     hash.Hash
	sha256  hash.Hash
	text    []byte // room for headers
	found   []Binding
	out     []byte // room for the next message that is sent
	sent    []batch
	host    []byte // for looking up
	now     int64  // when what is at hand came, by clock
	plea    plea   // by which it is read, if its source is not heard
}

func (p *Proxy) newWorker() *worker {
	return &worker{
		Proxy: p, legMark: marks[0], sealer: newSealer(p.cfg.Key[:]), md5: md5.New(), sha256: sha256.New(), sent: make([]batch, len(p.legs)),
		now: p.clock(),
	}
}

// handle handles one message, in a datagram or cut out of a stream. It is false
// for what is no SIP. A panic, of which there should be none, costs the message.
func (w *worker) handle(in flow, b []byte, datagram bool) (isSIP bool) {
	defer func() {
		if v := recover(); v != nil {
			w.panicked(b, v)
		}
	}()
	f, ok := w.m.read(b)
	if !ok {
		w.count.notSIP.Add(1)
		return false
	}
	f = first(f, w.m.validate(datagram))
	if w.plea != noPlea && w.m.request && (f != nil || !w.deserves(in.peer.Addr())) {
		w.count.crowded.Add(1)
		return true
	}
	switch {
	case f == nil && w.m.request:
		w.request(in)
	case f == nil:
		w.response(in)
	case w.m.request:
		w.count.malformed.Add(1)
		w.answer(in, f)
	default:
		w.count.malformed.Add(1)
	}
	return true
}

// maxPanics is how many are told of: whoever can make one can make many.
const maxPanics = 100

// panicked counts a panic and tells of it, by the hash of the message, which may be
// somebody's.
func (w *worker) panicked(b []byte, v any) {
	n := w.count.panics.Add(1)
	w.legMark = marks[0]
	what := fmt.Sprintf("%T", v) // its text may hold what the message does
	if err, ok := v.(runtime.Error); ok {
		what = err.Error()
	}
	if n <= maxPanics {
		w.log.Error("a message made the SIP path panic, which costs that message; please report it",
			"sha256", fmt.Sprintf("%x", sha256.Sum256(b)), "what", what, "where", string(debug.Stack()))
	}
}

// request forwards a request (RFC 3261 section 16), or answers it.
func (w *worker) request(in flow) {
	m := &w.m
	w.edits.reset()
	w.identify()
	upstream := w.upstreams.from(in, m)
	if !upstream && !m.is("REGISTER") {
		w.signOfLife(in)
	}
	if m.is("OPTIONS") && w.isOwnProbe() {
		w.loopToldOnce()
		return
	}
	if !w.hop(in) {
		return
	}
	toward, routed := w.route(in, upstream)
	switch {
	case !routed:
		return
	case toward.peer.IsValid():
	case m.is("OPTIONS") && w.addressed(m.requestURI()):
		w.answer(in, &fault{200, "OK", ""}) // somebody asks whether we are there
		return
	case w.regNotified(in, upstream):
		return
	case upstream && w.callBack(in):
		return
	case upstream:
		w.answer(in, &fault{404, "Not Found", ""}) // of whom the PBX speaks nobody knows
		return
	case w.emergency(in), w.emergencyRest(), w.forked(in), w.here(in):
		return
	default:
		now, key := time.Now(), w.key
		t := w.pending.of(key)
		if t == nil && m.is("REGISTER") && !w.mayRegister(in) {
			w.answer(in, &fault{503, "Service Unavailable", retryLater})
			return
		}
		if t == nil {
			t = w.upstreams.choose(m, nil, now)
		}
		if t == nil {
			w.answer(in, &fault{503, "Service Unavailable", ""})
			return
		}
		if !m.is("ACK") && !m.is("CANCEL") {
			var says saying
			if m.is("REGISTER") {
				says = m.saying()
			}
			w.pending.add(key, in, m.raw, says, t, now)
		}
		w.toPBX(in, t, now) // behind that: over a connection it may be answered at once
		return
	}
	if !m.is("REGISTER") {
		phone := toward
		if !upstream {
			phone = in
		}
		w.recordRoute(in, toward, phone)
	}
	w.via(in, toward)
	w.pass(in, toward)
}

// pass sends the request at hand as it was edited. Over UDP it is sent again if
// whoever sent it does not do that.
func (w *worker) pass(in, toward flow) {
	b := w.edits.apply(w.out[:0], w.m.raw)
	if in.transport != udp && toward.transport == udp && !w.m.is("ACK") {
		if w.m.is("CANCEL") {
			w.pending.take(w.key) // its INVITE, which nobody heard
		}
		w.pending.repeat(w.key, in, toward, b, time.Now())
	}
	w.send(toward, b)
}

// toPBX sends the request at hand, whose Routes were looked at, to a PBX.
func (w *worker) toPBX(in flow, t *target, now time.Time) {
	toward := t.flow()
	if w.m.is("REGISTER") {
		w.path(in, toward)
	} else {
		w.recordRoute(in, toward, in)
	}
	w.via(in, toward)
	if !w.m.is("ACK") {
		t.asked(now)
	}
	if w.credentials() {
		w.admission.carried(w.key)
	}
	w.send(toward, w.edits.apply(w.out[:0], w.m.raw))
}

// hop counts the request's hops and looks for loops (RFC 3261 section 16.3, RFC
// 5393). It is false if the request was answered.
func (w *worker) hop(in flow) bool {
	m := &w.m
	h, ok := m.find(maxForwards)
	if !ok {
		w.edits.insert(m.headers[0].at, func(b []byte) []byte { return append(b, "Max-Forwards: 70\r\n"...) })
	} else {
		at := m.trim(span{h.value, h.end})
		n, _ := strconv.Atoi(string(m.text(at)))
		if n == 0 {
			w.answer(in, &fault{483, "Too Many Hops", ""})
			return false
		}
		w.edits.replace(at, func(b []byte) []byte { return strconv.AppendInt(b, int64(min(n, 71)-1), 10) })
	}
	if tags := m.get(proxyRequire); len(tags) > 0 && !w.forHelp(in) {
		w.answer(in, &fault{420, "Bad Extension", "Unsupported: " + string(tags)})
		return false
	}
	loop := false
	for i := range m.vias {
		v := &m.vias[i]
		loop = loop || bytes.Equal(markOf(v.branch), w.mark[:]) && w.isOurs(v.host, v.port, v.transport)
	}
	if loop {
		w.answer(in, &fault{482, "Loop Detected", ""})
		return false
	}
	return true
}

// forHelp reports whether the request at hand calls for help, or belongs to one that does.
func (w *worker) forHelp(in flow) bool {
	_, help := w.dialled(w.siteOf(in.peer.Addr()))
	return help && ofCall(w.m.method)
}

// The branch of a Via of ours: the cookie of RFC 3261, the transaction, the mark by
// which a loop is known, that of the leg, and the token of where answers go.
const (
	cookie  = "z9hG4bK"
	markLen = 6
	txnLen  = 11
)

// identify tells what the request at hand is. Its key is what is the same for all
// messages of a transaction: of the branch below ours, or of what RFC 2543 told
// transactions by. Its mark is of what makes it the same when it comes again (RFC
// 5393 section 4.2): its Request-URI, its Route and its transaction.
func (w *worker) identify() {
	m, h := &w.m, fnv.New64a()
	v := &m.vias[0]
	number, _ := m.sequence()
	h.Write(w.cfg.Key[:])
	h.Write(v.branch)
	h.Write(m.raw[v.at.at:v.end])
	h.Write(m.get(callID))
	h.Write(number)
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], h.Sum64())
	base64.RawURLEncoding.Encode(w.key[:], sum[:])

	loop := fnv.New32a()
	loop.Write(m.requestURI())
	for _, x := range m.headers {
		if x.name == route {
			loop.Write(m.value(x))
		}
	}
	loop.Write(m.get(callID))
	loop.Write(number)
	base64.RawURLEncoding.Encode(w.mark[:], loop.Sum(sum[:0]))
}

// markOf is the mark in a branch of ours; nil if it has none.
func markOf(branch []byte) []byte {
	if len(branch) < len(cookie)+txnLen+markLen || !bytes.HasPrefix(branch, []byte(cookie)) {
		return nil
	}
	return branch[len(cookie)+txnLen:][:markLen]
}

// via puts our Via before the others, and into the one before it where the request
// came from (RFC 3261 section 18.2.1, RFC 3581 section 4). Its branch is a function
// of the request's: what is sent again is the same again, and a CANCEL, and an ACK
// for a refusal, have their INVITE's (section 16.11).
func (w *worker) via(in, toward flow) {
	m := &w.m
	w.edits.insert(m.vias[0].line.at, func(b []byte) []byte {
		l := w.leg(toward)
		b = append(b, "Via: SIP/2.0/"...)
		b = append(b, viaTransports[toward.transport]...)
		b = append(b, ' ')
		b = append(b, l.advertised...)
		b = append(b, ";branch="...)
		b = append(b, cookie...)
		b = append(b, w.key[:]...)
		b = append(b, w.mark[:]...)
		b = append(b, w.legMark)
		b = w.sealer.seal(b, back, in, toward.peer.Addr())
		return append(b, ";rport\r\n"...)
	})
	w.received(in, &w.edits)
}

// received tells in the topmost Via where the request came from.
func (w *worker) received(in flow, e *edits) {
	if len(w.m.vias) == 0 {
		return // what has none is answered, at most
	}
	v, source := &w.m.vias[0], in.peer.Addr()
	said, err := netip.ParseAddr(string(v.host))
	if v.rport.end == 0 && err == nil && said == source && v.received.end == 0 {
		return
	}
	if v.received.end > 0 {
		e.replace(v.received, nil)
	}
	if v.rport.end > 0 {
		e.replace(v.rport, nil)
	}
	e.insert(v.at.end, func(b []byte) []byte {
		if v.rport.end > 0 {
			b = append(b, ";rport="...)
			b = strconv.AppendUint(b, uint64(in.peer.Port()), 10)
		}
		b = append(b, ";received="...)
		return source.AppendTo(b)
	})
}
