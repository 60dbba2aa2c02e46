package proxy

import (
	"strings"
	"time"

	"perch/sip"
)

// callBackFor is for how long whoever calls a location's ELIN reaches the phone that
// called for help from there last.
const callBackFor = 4 * time.Hour

// digits are those of a number, without what makes it readable.
func digits(number string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, number)
}

// elinKey is under which an ELIN is kept among the bindings. No line has such an AOR.
func elinKey(number string) sip.AOR { return sip.AOR(elinScheme + digits(number)) }

const elinScheme = "elin:"

// putELIN puts the location's ELIN in the place of the caller's number in the INVITE at
// hand: as the identity that is asserted (RFC 3325), which the trunk tells. From
// stays, since the dialog has it, and nobody hides it. It returns where the dispatcher
// is to be put through who calls that number back.
func (w *worker) putELIN(e *emergency, now time.Time) (back Binding) {
	m, number := &w.m, e.call.Caller.ELIN
	u, ok := parseURI([]byte(plainAOR(e.call.AOR)))
	host := w.cfg.Realm
	if ok {
		host = string(u.host)
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if host == "" {
		return Binding{}
	}
	w.remove(assertedIdentity, preferredIdentity, privacy) // RFC 3323: who hides is not called back
	w.edits.insert(m.headers[0].at, func(b []byte) []byte {
		return append(b, "P-Asserted-Identity: <sip:"+uriNumber(number)+"@"+host+";user=phone>\r\n"...)
	})
	e.call.ELIN = number
	aor, _ := sip.ParseAOR(plainAOR(e.call.AOR))
	back = Binding{
		AOR: elinKey(number), Line: aor, URI: string(address(m.get(contact))), flow: e.in, CallID: string(m.get(callID)), key: elinScheme, Expires: now.Add(callBackFor),
	}
	if back.URI == "" {
		return Binding{}
	}
	return back
}

// uriNumber is a number as a URI has it: its digits, with the plus if it has one.
func uriNumber(number string) string {
	if strings.HasPrefix(strings.TrimSpace(number), "+") {
		return "+" + digits(number)
	}
	return digits(number)
}

// callBack passes on what the PBX sends to an ELIN: to the phone from whose location
// help was called last. It is false if nobody did.
func (w *worker) callBack(in flow) bool {
	x, ok := w.pending.hereOf(w.key)
	if !ok {
		if _, inDialog := tagOf(w.m.get(to)); inDialog {
			return false
		}
		u, isURI := parseURI(w.m.requestURI())
		number := digits(string(u.user))
		if !isURI || number == "" {
			return false
		}
		if x, ok = w.calledBack(elinKey(number), time.Now()); !ok {
			return false
		}
		w.pending.stayHere(w.key, x)
	}
	w.edits.replace(w.m.uri, func(b []byte) []byte { return append(b, x.URI...) })
	w.recordRoute(in, x.flow, x.flow)
	w.via(in, x.flow)
	w.pass(in, x.flow)
	return true
}

// calledBack is where the phone is that called for help from an ELIN's location last: where
// it called from, or, if that connection is gone, where its line is now.
func (w *worker) calledBack(elin sip.AOR, now time.Time) (x Binding, ok bool) {
	list := w.bindings.of(elin, now)
	if len(list) == 0 {
		return x, false
	}
	x = list[len(list)-1]
	if w.alive(x.flow) {
		return x, true
	}
	phone := x.URI
	for _, y := range w.bindings.of(x.Line, now) {
		if w.alive(y.flow) && (!ok || y.URI == phone) {
			x, ok = y, true
		}
	}
	return x, ok
}
