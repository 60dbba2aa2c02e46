package proxy

import (
	"bytes"
	"hash/fnv"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"perch/location"
)

// DefaultEmergencyNumbers are the numbers that mean help, as they are dialled. 933
// reads back the location, and is treated alike.
var DefaultEmergencyNumbers = []string{"911", "9911", "933", "9933", "112", "9112"}

// How long a PBX may be silent about an emergency call until it is sent as the phone
// wrote it, and until the next PBX is tried.
const (
	plainAfter = 500 * time.Millisecond
	nextAfter  = time.Second
	hurries    = 12 // so often
	// emergencyKept is how long a call that is being set up is known: longer than any
	// phone rings (RFC 3261 section 16.6, timer C).
	emergencyKept = 5 * time.Minute
)

// EmergencyCall is a call for help, and what was sent on it. It is told of at the
// moment the call goes out, and again when more is known.
type EmergencyCall struct {
	ID      string         `json:"id"` // the same each time
	Time    time.Time      `json:"time"`
	Dialled string         `json:"dialled"`
	AOR     string         `json:"aor"`  // of From
	From    netip.AddrPort `json:"from"` // where it came from
	Caller  *Caller        `json:"caller,omitempty"`
	Found   string         `json:"found,omitempty"` // how the caller was
	Sent    string         `json:"sent,omitempty"`  // the PIDF-LO that went along; empty: none
	Why     string         `json:"why,omitempty"`   // why none, or none any more
	To      netip.AddrPort `json:"to"`              // the PBX
	Status  int            `json:"status,omitempty"`
}

// emergencies are the calls for help that are being set up.
type emergencies struct {
	mu    sync.Mutex
	byKey map[txn]*emergency
}

// emergency is one. It has legs: the same INVITE with the location, as the phone
// wrote it, and at other PBXs. What is answered on one of them is passed; the phone
// has one call.
type emergency struct {
	key txn
	in  flow
	raw []byte // as it came

	mu     sync.Mutex
	call   EmergencyCall
	told   EmergencyCall // as it was told last
	legs   []emergencyLeg
	passed int  // the leg whose answer the phone had last
	final  bool // that ends the INVITE
}

// emergencyLeg is one try. Its number stands in the branch.
type emergencyLeg struct {
	to          *target
	plain       bool // as the phone wrote it
	sent        []byte
	provisional bool
	final       bool
	cancelled   bool
}

// marks tell in a branch which leg of an emergency call it is of; the first is that
// of all other calls.
const marks = ".~!*+_-"

// refusals are answers that may be due to the location that we added.
var refusals = []int{400, 406, 413, 415, 416, 420, 424, 488, 493, 500, 501, 513, 580, 606}

// dialled returns what is called if that is help: the number, or the URN (RFC 5031).
func (w *worker) dialled() (string, bool) {
	u := w.m.requestURI()
	scheme, rest, _ := bytes.Cut(u, []byte(":"))
	switch {
	case bytes.EqualFold(scheme, []byte("urn")):
		const sos = "service:sos"
		if len(rest) >= len(sos) && bytes.EqualFold(rest[:len(sos)], []byte(sos)) && (len(rest) == len(sos) || rest[len(sos)] == '.') {
			return string(u), true
		}
		return "", false
	case bytes.EqualFold(scheme, []byte("tel")):
		rest, _, _ = bytes.Cut(rest, []byte(";"))
	default:
		p, ok := parseURI(u)
		if !ok {
			return "", false
		}
		rest, _, _ = bytes.Cut(p.user, []byte(";"))
		rest, _, _ = bytes.Cut(rest, []byte(":"))
	}
	number := strings.Map(func(r rune) rune {
		if strings.ContainsRune("-.() ", r) { // visual separators (RFC 3966 section 3)
			return -1
		}
		return r
	}, string(rest))
	return number, slices.Contains(w.numbers, number)
}

// emergency sends an INVITE for help. It is false if it is no new one: then it goes
// the way of all others.
func (w *worker) emergency(in flow) bool {
	if !w.m.is("INVITE") {
		return false
	}
	if _, inDialog := tagOf(w.m.get(to)); inDialog {
		return false
	}
	number, help := w.dialled()
	if !help {
		return false
	}
	e := w.emergencies.call(w.key, in, w.m.raw, w.after)
	if e == nil {
		return false // too many: it is sent as all others are
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.legs) > 0 { // the phone sends again, as what was answered may have been lost: so do we
		w.repeat(e)
		return true
	}
	now := time.Now()
	t := w.upstreams.choose(&w.m, nil, now)
	if t == nil {
		return false
	}
	aor := string(address(w.m.get(from)))
	caller, found := w.callers.Load().find(in.peer.Addr(), plainAOR(aor), string(address(w.m.get(contact))))
	e.call = EmergencyCall{ID: w.callName(), Time: now, Dialled: number, AOR: aor, From: in.peer, Caller: caller, Found: found, To: t.addr}
	w.leave(e, t, false)
	w.tell(e)
	// The call's own timers, and few: what was lost is sent again, also for a phone that
	// does not do that itself, having a connection.
	p := w.Proxy
	for i := range hurries {
		p.after(plainAfter+time.Duration(i)*nextAfter, func() { p.hurry(e) })
	}
	return true
}

// callName names a call: what is sent again with an answer to a challenge is the
// same.
func (w *worker) callName() string {
	h := fnv.New64a()
	h.Write(w.cfg.Key[:])
	h.Write(w.m.get(callID))
	return strconv.FormatUint(h.Sum64(), 36)
}

// maxEmergencies is how many calls for help are known at a time. They are few, or
// somebody makes them up.
const maxEmergencies = 4096

// call returns the call of an INVITE, new or known; nil if there are too many.
func (x *emergencies) call(key txn, in flow, raw []byte, after func(time.Duration, func())) *emergency {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.byKey[key]
	if e == nil && len(x.byKey) < maxEmergencies {
		e = &emergency{key: key, in: in, raw: slices.Clone(raw)}
		x.byKey[key] = e
		after(emergencyKept, func() { x.forget(key) })
	}
	return e
}

func (x *emergencies) forget(key txn) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.byKey, key)
}

func (x *emergencies) of(key txn) *emergency {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.byKey[key]
}

// plainAOR is a URI without parameters.
func plainAOR(uri string) string {
	uri, _, _ = strings.Cut(uri, ";")
	return uri
}

// leave sends the INVITE at hand to a PBX as one more leg, with the location or as
// the phone wrote it. The call is locked.
func (w *worker) leave(e *emergency, t *target, plain bool) {
	n := len(e.legs)
	w.legMark = marks[n]
	why := "it was sent as the phone wrote it"
	if !plain {
		why = w.addLocation(e)
	}
	if why == "" {
		e.call.Why = ""
	} else if !plain {
		plain, e.call.Sent, e.call.Why = true, "", why
	}
	toward := t.flow()
	w.recordRoute(e.in, toward, e.in)
	w.via(e.in, toward)
	w.legMark = marks[0]
	t.asked(time.Now())
	b := w.edits.apply(w.out[:0], w.m.raw)
	e.legs = append(e.legs, emergencyLeg{to: t, plain: plain, sent: slices.Clone(b)})
	w.send(toward, b)
}

// repeat sends again what was sent on the legs that may go on, or on the one whose
// answer ended the INVITE. The call is locked.
func (w *worker) repeat(e *emergency) {
	for i := range e.legs {
		l := &e.legs[i]
		if e.final && i == e.passed || !e.final && !l.final && !l.cancelled {
			w.send(l.to.flow(), append(w.out[:0], l.sent...))
		}
	}
}

// addLocation puts the caller's location into the INVITE at hand, as a part of its
// body and a header that refers to it (RFC 6442 section 4.1). It says why not where
// that cannot be.
func (w *worker) addLocation(e *emergency) (why string) {
	m, c := &w.m, e.call.Caller
	for _, h := range m.headers {
		if h.name == geolocation {
			return "the phone's own location was passed"
		}
	}
	kind := m.get(contentType)
	media, _, _ := bytes.Cut(kind, []byte(";"))
	media = bytes.TrimSpace(media)
	switch {
	case c == nil:
		return "the caller is not known"
	case c.Address == location.CivicAddress{}:
		return "no address is in force"
	case len(media) > 10 && bytes.EqualFold(media[:10], []byte("multipart/")):
		return "the phone's body has parts of its own"
	}
	method := "Manual"
	if c.Source == "wiremap" {
		method = "Wiremap" // RFC 4119 section 6.1
	}
	at := c.Since
	if c.Heard.After(at) {
		at = c.Heard
	}
	doc := location.Presence{
		Entity: plainAOR(e.call.AOR), Device: deviceName(c.Phone), Address: c.Address, Method: method, At: at, Expires: e.call.Time.Add(24 * time.Hour),
	}.PIDFLO()
	e.call.Sent = string(doc)
	host, _, _ := strings.Cut(w.leg(e.in).advertised, ":")
	id := e.call.ID + "@" + strings.Trim(host, "[]")
	boundary := "perch-" + e.call.ID
	body := m.raw[m.head:]
	var b []byte
	if len(body) > 0 {
		b = append(append(append(b, "--"+boundary+"\r\nContent-Type: "...), kind...), "\r\n\r\n"...)
		b = append(append(b, body...), "\r\n"...)
	}
	b = append(b, "--"+boundary+"\r\nContent-Type: application/pidf+xml\r\nContent-ID: <"+id+">\r\n\r\n"...)
	b = append(append(b, doc...), "\r\n--"+boundary+"--\r\n"...)
	w.edits.insert(m.headers[0].at, func(out []byte) []byte {
		return append(out, "Geolocation: <cid:"+id+">\r\nGeolocation-Routing: yes\r\n"...)
	})
	w.set(contentType, "Content-Type: multipart/mixed;boundary="+boundary)
	w.set(contentLength, "Content-Length: "+strconv.Itoa(len(b)))
	w.edits.replace(span{m.head, len(m.raw)}, func(out []byte) []byte { return append(out, b...) })
	return ""
}

// set replaces a header, or adds it.
func (w *worker) set(n name, line string) {
	text := func(b []byte) []byte { return append(append(b, line...), "\r\n"...) }
	if h, ok := w.m.find(n); ok {
		w.edits.replace(span{h.at, h.end}, text)
		return
	}
	w.edits.insert(w.m.headers[0].at, text)
}

// deviceName is a phone's name in a document: its MAC, if that is known.
func deviceName(phone string) string {
	if strings.HasPrefix(phone, "sip") {
		return phone
	}
	return "mac:" + strings.ReplaceAll(phone, ":", "")
}

// hurry does for a call of which nobody has said anything what is due: it is sent as
// the phone wrote it, then to the next PBX.
func (p *Proxy) hurry(e *emergency) {
	w := p.newWorker()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.settled() || e.final {
		return
	}
	if !w.further(e) {
		w.repeat(e)
	}
	w.flush()
}

// settled reports whether a leg goes on: somebody has said something other than no.
func (e *emergency) settled() bool {
	return slices.ContainsFunc(e.legs, func(l emergencyLeg) bool { return l.provisional && !l.final })
}

// further sends the call in the next way: as the phone wrote it to the same PBX,
// then to others. It is false if there is none left. The call is locked.
func (w *worker) further(e *emergency) bool {
	if len(e.legs) == len(marks) || e.final {
		return false
	}
	if !w.recall(&owed{in: e.in, raw: e.raw}) {
		return false
	}
	last := &e.legs[len(e.legs)-1]
	if !last.plain {
		e.call.Why = "the PBX " + saidNothing(last)
		e.call.Sent = ""
		w.leave(e, last.to, true)
		w.tell(e)
		return true
	}
	var tried []*target
	for _, l := range e.legs {
		tried = append(tried, l.to)
	}
	next := w.upstreams.choose(&w.m, tried, time.Now())
	if next == nil {
		return false
	}
	if last.to.owes(time.Now()) >= plainAfter {
		last.to.down.Store(true)
	}
	e.call.To = next.addr
	w.leave(e, next, false)
	w.tell(e)
	return true
}

func saidNothing(l *emergencyLeg) string {
	if l.final {
		return "refused it with the location"
	}
	return "did not answer it with the location"
}

// emergencyAnswer takes the answer to a leg of a call for help. It is false if that
// is to be passed to the phone.
func (w *worker) emergencyAnswer(e *emergency, mark byte) (taken bool) {
	n := strings.IndexByte(marks, mark)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch _, method := w.m.sequence(); {
	case string(method) == "CANCEL":
		return true // of ours
	case n < 0 || n >= len(e.legs) || string(method) != "INVITE":
		return false
	}
	l, status := &e.legs[n], w.m.status
	switch {
	case status < 200:
		l.provisional = true
		if l.cancelled {
			return true
		}
		if n < len(e.legs)-1 { // late: another leg took its place
			w.cancelLeg(l)
			return true
		}
		e.call.Status = max(e.call.Status, status)
		return false
	case status < 300:
		l.final, e.final, e.passed = true, true, n
		e.call.Status = status
		w.cancelOthers(e, n)
		w.tell(e)
		return false
	}
	again := l.final
	l.final = true
	others := slices.ContainsFunc(e.legs, func(o emergencyLeg) bool { return !o.final })
	answer := slices.Clone(w.m.raw)
	if !l.plain && slices.Contains(refusals, status) && !e.final || status == 503 || others || l.cancelled {
		w.acknowledge(l, answer)
		if again || others || l.cancelled || w.further(e) {
			return true
		}
		w.m.read(answer)
		w.m.validate(false)
	}
	e.final, e.passed = true, n
	e.call.Status = status
	w.tell(e)
	return false
}

func (w *worker) cancelOthers(e *emergency, n int) {
	for i := range e.legs {
		if l := &e.legs[i]; i != n && !l.final && !l.cancelled {
			w.cancelLeg(l)
		}
	}
}

// cancelLeg cancels a leg on which something came (RFC 3261 section 9.1); one on which
// nothing did is cancelled when that comes.
func (w *worker) cancelLeg(l *emergencyLeg) {
	l.cancelled = true
	if l.provisional {
		w.send(l.to.flow(), hopByHop(w.out[:0], "CANCEL", l.sent, nil))
	}
}

// acknowledge acknowledges a refusal of a leg (RFC 3261 section 17.1.1.3).
func (w *worker) acknowledge(l *emergencyLeg, answer []byte) {
	var a message
	if _, ok := a.read(answer); ok {
		w.send(l.to.flow(), hopByHop(w.out[:0], "ACK", l.sent, a.get(to)))
	}
}

// hopByHop composes the CANCEL or ACK that belongs to an INVITE that was sent.
func hopByHop(b []byte, method string, invite, toValue []byte) []byte {
	var m message
	if _, ok := m.read(invite); !ok {
		return b
	}
	b = append(append(append(append(b, method...), ' '), m.requestURI()...), " SIP/2.0\r\n"...)
	first := true
	for _, h := range m.headers {
		switch h.name {
		case via:
			if first {
				b, first = append(b, m.raw[h.at:h.end]...), false
			}
		case route, from, callID:
			b = append(b, m.raw[h.at:h.end]...)
		case to:
			if toValue != nil {
				b = append(append(append(b, "To: "...), toValue...), "\r\n"...)
			} else {
				b = append(b, m.raw[h.at:h.end]...)
			}
		}
	}
	number, _ := m.sequence()
	return append(append(append(append(append(b, "CSeq: "...), number...), ' '), method...), "\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"...)
}

// emergencyRest takes the CANCEL of a phone, or its ACK of a refusal, to the legs of
// its call. It is false if there is no such call.
func (w *worker) emergencyRest() bool {
	cancel := w.m.is("CANCEL")
	if !cancel && !w.m.is("ACK") {
		return false
	}
	e := w.emergencies.of(w.key)
	if e == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.legs) == 0 || !cancel && e.call.Status/100 == 2 { // the ACK of a 200 goes all the way
		return false
	}
	if cancel {
		e.final = true
		in := e.in
		for i := range e.legs {
			if l := &e.legs[i]; !l.final {
				w.cancelLeg(l)
				l.cancelled = false // its 487 is for the phone
			}
		}
		w.answer(in, &fault{200, "OK", ""})
		return true
	}
	l := &e.legs[e.passed]
	w.send(l.to.flow(), hopByHop(w.out[:0], "ACK", l.sent, w.m.get(to)))
	return true
}

// tell tells of a call, if there is something new. The call is locked.
func (w *worker) tell(e *emergency) {
	if w.cfg.Emergency != nil && e.call != e.told {
		e.told = e.call
		w.cfg.Emergency(e.call)
	}
}
