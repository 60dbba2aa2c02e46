package proxy

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"perch/sip"
)

// Without a PBX the proxy is the registrar and the location service of its site. With
// one it is so while no PBX answers, for the phones whose registrations it passed
// before: they stay registered, and call one another.

// maxExpiresAway is for how long a phone is told that it is registered while its PBX
// does not answer, in seconds: soon after it is back, it knows all phones again.
const maxExpiresAway = 120

// here does with the request at hand what is to be done without a PBX. It is false
// if that is for the PBX.
func (w *worker) here(in flow) bool {
	alone, now := w.alone, time.Now()
	switch {
	case !alone && w.upstreams.anyWell(now) && !w.pending.isHere(w.key):
		return false
	case w.m.is("REGISTER"):
		return w.registerHere(in, alone, now)
	}
	return w.callHere(in, alone, now)
}

// registerHere answers a REGISTER (RFC 3261 section 10.3).
func (w *worker) registerHere(in flow, alone bool, now time.Time) bool {
	aor, ok := w.m.aorOf(to)
	switch {
	case !ok:
		return w.refuse(in, bad("To"))
	case alone && w.lines.Load() == nil: // in the first moment: the phone sends again
		return in.transport == udp || w.refuse(in, &fault{503, "Service Unavailable", "Retry-After: 5"})
	}
	line := w.lines.Load().of(aor, w.hostIsOurs(to))
	if line != nil {
		aor = line.AOR // whatever it calls us
	}
	most := maxExpires
	if !alone {
		most = maxExpiresAway
	}
	if !alone && w.isRefresh(in, aor, now) {
		return w.bind(in, aor, most, false, now)
	}
	if !alone && line == nil {
		return false
	}
	if !w.mayRegister(in) {
		return w.refuse(in, &fault{503, "Service Unavailable", retryLater})
	}
	return !w.authorized(in, line, now) || w.bind(in, aor, most, true, now)
}

// refuse answers the request at hand; it is always true.
func (w *worker) refuse(in flow, f *fault) bool {
	w.answer(in, f)
	return true
}

// isRefresh reports whether a REGISTER says again what the PBX accepted before, from
// where it was said then: from the same port, or behind a NAT from another one by what
// only the phone goes on with, its Call-ID and CSeq. A phone can take it back as well.
func (w *worker) isRefresh(in flow, aor sip.AOR, now time.Time) bool {
	list, n, same := w.bindings.of(aor, now), 0, 0
	cseq := w.m.sequenceNumber()
	goesOn := func(x *Binding) bool { return x.CallID == string(w.m.get(callID)) && cseq > x.CSeq }
	w.m.contacts(func(uri, params string, _ int) {
		n++
		for _, x := range list {
			if x.key == bindingKey(uri, params) && x.AOR == aor && (x.flow == in || sameHost(x.flow, in) && goesOn(&x)) {
				same++
				return
			}
		}
	})
	return n > 0 && n == same
}

// sameHost reports whether two flows are to one host, and, if there are connections,
// by one.
func sameHost(f, g flow) bool {
	return f.transport == g.transport && f.conn == g.conn && f.peer.Addr() == g.peer.Addr()
}

// bind does what an accepted REGISTER says, and answers it.
func (w *worker) bind(in flow, aor sip.AOR, most int, proved bool, now time.Time) bool {
	m := &w.m
	cseq := m.sequenceNumber()
	raw := m.onlyContact()
	if raw != nil && w.bindings.refresh(aor, raw, in, m.get(callID), cseq, m.generalExpires(), most, now) {
		w.accepted(in, aor, proved, now)
		return true
	}
	id := string(m.get(callID))
	var list []Binding
	var fail *fault
	all, n := false, 0
	old, direct := w.bindings.of(aor, now), m.isDirect()
	called, _ := m.aorOf(to) // it was read before
	if called == aor {
		called = ""
	}
	m.contacts(func(uri, params string, seconds int) {
		n++
		if seconds < 0 {
			seconds = defaultExpires
		}
		switch {
		case uri == "*" && seconds == 0:
			all = true
			return
		case uri == "*":
			fail = bad("Contact: * without Expires: 0")
			return
		case 0 < seconds && seconds < minExpires:
			fail = &fault{423, "Interval Too Brief", "Min-Expires: " + strconv.Itoa(minExpires)}
			return
		}
		x := Binding{AOR: aor, URI: uri, Params: params, flow: in, CallID: id, CSeq: cseq, Agent: string(m.get(userAgent)), key: bindingKey(uri, params), Expires: now, Direct: direct, To: called}
		for _, o := range old {
			if o.key == x.key && o.CallID == id && o.CSeq > x.CSeq { // an older one that is late
				fail = &fault{500, "Server Internal Error", ""}
			}
		}
		if x.raw, x.asked = string(raw), -1; bytes.Contains(bytes.ToLower(raw), []byte("expires")) {
			x.asked = seconds // which is its own, before the header's
		}
		if seconds > 0 {
			x.Expires = now.Add(time.Duration(min(seconds, most)) * time.Second)
		}
		list = append(list, x)
	})
	switch {
	case fail != nil:
		return w.refuse(in, fail)
	case all && n > 1:
		return w.refuse(in, bad("Contact: * among others"))
	case all:
		w.bindings.drop(aor)
	case !w.bindings.put(list, now):
		return w.refuse(in, &fault{503, "Service Unavailable", "Retry-After: 60"})
	}
	w.accepted(in, aor, proved, now)
	return true
}

// accepted answers with the bindings that there are now, and tells of it; proved says
// whether a password has shown who it is.
func (w *worker) accepted(in flow, aor sip.AOR, proved bool, now time.Time) {
	h, outbound := w.text[:0], false
	w.found = w.bindings.appendOf(w.found[:0], aor, now)
	for n := range w.found {
		x := &w.found[n]
		h = append(append(append(append(h, "Contact: <"...), x.URI...), '>'), x.Params...)
		h = append(strconv.AppendInt(append(h, ";expires="...), int64(x.Expires.Sub(now)/time.Second), 10), "\r\n"...)
		outbound = outbound || x.flow == in && strings.Contains(x.Params, "reg-id") && param(x.Params, "reg-id") != ""
	}
	if outbound { // RFC 5626 section 6
		h = append(h, "Require: outbound\r\nFlow-Timer: 120\r\n"...)
	}
	w.text = h
	answer := w.reply(in, &fault{200, "OK", ""}, h)
	says := w.m.saying()
	if !w.told.again(toldOf{in, says.line}, says.sum, now) {
		if proved {
			w.admission.accept(sourceOf(in.peer.Addr()), w.target(), w.now)
		}
		if w.cfg.Observe != nil {
			w.observe(in, w.m.raw, answer, now, now)
		}
	}
	w.send(in, answer)
}

// callHere passes a request on to a phone that registered. It is false if it is for
// the PBX.
func (w *worker) callHere(in flow, alone bool, now time.Time) bool {
	m := &w.m
	if x, ok := w.pending.hereOf(w.key); ok {
		w.toPhone(in, &x)
		return true
	}
	if _, inDialog := tagOf(m.get(to)); inDialog || m.is("ACK") || m.is("CANCEL") {
		return alone && w.refuse(in, &fault{481, "Call/Transaction Does Not Exist", ""}) // an ACK gets no answer
	}
	called, err := sip.ParseAOR(string(m.requestURI()))
	if err != nil {
		return alone && w.refuse(in, &fault{404, "Not Found", ""})
	}
	line := w.lines.Load().of(called, w.isOursURI(m.requestURI()))
	if line != nil {
		called = line.AOR
	}
	if _, help := w.dialled(w.siteOf(in.peer.Addr())); !help && !w.calledBy(in, alone, now) {
		return alone // then it was answered
	}
	phones := w.phonesOf(w.bindings.of(called, now))
	switch {
	case len(phones) > 1 && w.fork(in, phones, now):
		return true
	case len(phones) > 0: // or the one that registered last
		w.pending.stayHere(w.key, phones[0])
		w.toPhone(in, &phones[0])
		return true
	case alone && line != nil:
		return w.refuse(in, &fault{480, "Temporarily Unavailable", ""})
	case alone:
		w.admission.refuse(sourceOf(in.peer.Addr()), w.target(), false, w.now)
		return w.refuse(in, &fault{404, "Not Found", ""})
	}
	return false
}

// calledBy reports whether a request is from a line that is registered where it
// comes from, or proves that it is that line. If not, it was answered where there is
// no PBX that could.
func (w *worker) calledBy(in flow, alone bool, now time.Time) bool {
	caller, ok := w.m.aorOf(from)
	if ok {
		for _, x := range w.bindings.of(caller, now) {
			if sameHost(x.flow, in) {
				return true
			}
		}
	}
	return alone && w.authorized(in, w.lines.Load().of(caller, w.hostIsOurs(from)), now)
}

// toPhone sends the request at hand to where a line registered.
func (w *worker) toPhone(in flow, x *Binding) {
	w.forPhone(in, x)
	w.pass(in, x.flow)
}

// forPhone edits the request at hand for where a line registered (RFC 3261 section
// 16.6). What follows in the dialog comes by us, from both sides: the phone that is
// called has its own entry first, the one that calls has its own.
func (w *worker) forPhone(in flow, x *Binding) {
	m := &w.m
	w.edits.replace(m.uri, func(b []byte) []byte { return append(b, x.URI...) })
	if !m.is("ACK") && !m.is("CANCEL") {
		w.edits.insert(m.headers[0].at, func(b []byte) []byte {
			b = append(w.entry(append(b, "Record-Route: "...), x.flow, x.flow), "\r\n"...)
			return append(w.entry(append(b, "Record-Route: "...), in, in), "\r\n"...)
		})
	}
	w.via(in, x.flow)
}

// hostIsOurs reports whether the host of a From or To is ours.
func (w *worker) hostIsOurs(n name) bool { return w.isOursURI(address(w.m.get(n))) }

// isOursURI reports whether the host of a URI is ours: an address or name of ours, or
// the realm.
func (w *worker) isOursURI(b []byte) bool {
	u, ok := parseURI(b)
	return ok && (w.isOurs(u.host, u.port, u.transport) || strings.EqualFold(string(u.host), w.cfg.Realm))
}
