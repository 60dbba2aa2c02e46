package proxy

import (
	"slices"
	"strings"
	"time"
)

// emergencyLeg is one try. Its number stands in the branch of the Via.
type emergencyLeg struct {
	branch
	pbx  *target
	adds additions
	elin Binding // for whoever calls the ELIN back, once somebody rings; none: no AOR
}

// maxLegs is how many there are, at most.
const maxLegs = 7

// additions are what a leg has that the phone did not write.
type additions uint8

// Each is tried after the one below, on the same PBX: what it does not take may be
// due to what was added.
const (
	nothing additions = iota
	theELIN           // alone, where the site's trunk needs it
	all               // the location, and the ELIN where it needs that
)

// refusals are answers that may be due to the location that we added.
var refusals = []int{400, 406, 413, 415, 416, 420, 424, 488, 493, 500, 501, 513, 580, 606}

// leave sends the INVITE at hand to a PBX as one more leg, with the location or less.
// The call is locked.
func (w *worker) leave(e *emergency, t *target, adds additions) {
	n := len(e.legs)
	w.legMark = marks[n]
	e.call.Sent, e.call.ELIN = "", ""
	var elin Binding
	if adds >= theELIN && e.usesELIN() {
		elin = w.putELIN(e, time.Now())
	}
	if adds == all {
		if e.call.Why = w.addLocation(e); e.call.Why != "" {
			adds = theELIN
		}
	}
	if adds == theELIN && e.call.ELIN == "" {
		adds = nothing
	}
	toward := t.flow()
	w.recordRoute(e.in, toward, e.in)
	w.via(e.in, toward)
	w.legMark = marks[0]
	t.asked(time.Now())
	e.legs = append(e.legs, emergencyLeg{branch: w.sendAs(toward), pbx: t, adds: adds, elin: elin})
}

// repeat sends again what was sent on the legs that may go on, or on the one whose
// answer ended the INVITE. The call is locked.
func (w *worker) repeat(e *emergency) {
	if e.final && e.passed < 0 {
		w.answer(e.in, noPBX)
		return
	}
	for i := range e.legs {
		l := &e.legs[i]
		if e.final && i == e.passed || !e.final && !l.final && !l.cancelled {
			w.send(l.toward, append(w.out[:0], l.sent...))
		}
	}
}

// hurry does for a call of which nobody has said anything what is due: it is sent as
// the phone wrote it, then to the next PBX. The call is locked.
func (w *worker) hurry(e *emergency) {
	if !e.settled() && !e.final && !e.hungUp && !w.further(e, &e.legs[len(e.legs)-1]) {
		w.repeat(e)
	}
}

// Unanswered is why a call for help has its end of which no PBX has said anything.
const Unanswered = "no PBX answered"

// noPBX is what a phone is told when no PBX has said anything for so long that none will:
// it may know another way (RFC 3263 section 4.3), or its user may.
var noPBX = &fault{503, "Service Unavailable", ""}

// giveUp ends a call of which no PBX has said anything. One that does so later is cancelled,
// unless somebody has taken the call there. The call is locked.
func (w *worker) giveUp(e *emergency) {
	said := slices.ContainsFunc(e.legs, func(l emergencyLeg) bool { return l.provisional || l.final })
	if said || e.final || e.hungUp || !w.recall(e.in, e.raw) {
		return
	}
	w.answer(e.in, noPBX)
	e.final, e.passed = true, -1
	e.call.Status, e.call.Why = noPBX.status, Unanswered
	w.ended(e)
}

// settled reports whether a leg goes on: somebody has said something other than no.
func (e *emergency) settled() bool {
	return slices.ContainsFunc(e.legs, func(l emergencyLeg) bool { return l.provisional && !l.final && !l.cancelled })
}

// further sends the call in the next way after a leg that said no, or nothing: with
// less that was added to the same PBX, then to others. It is false if there is none left,
// and nobody is waited for. The call is locked.
func (w *worker) further(e *emergency, from *emergencyLeg) bool {
	if len(e.legs) == maxLegs || e.final || e.hungUp || !w.recall(e.in, e.raw) {
		return false
	}
	if from.adds > nothing {
		waits, said := e.withLess(from)
		if waits {
			return true
		}
		if !said {
			next := nothing
			if from.adds == all {
				e.call.Why = "the PBX " + saidNothing(from)
				if from.final && e.usesELIN() { // it takes a call, if not parts
					next = theELIN
				}
			}
			w.leave(e, from.pbx, next)
			w.tell(e)
			return true
		}
	}
	var tried []*target
	for _, l := range e.legs {
		tried = append(tried, l.pbx)
	}
	next := w.upstreams.choose(&w.m, tried, time.Now())
	if next == nil {
		return false
	}
	if from.pbx.owes(time.Now()) >= plainAfter {
		from.pbx.down.Store(true)
	}
	e.call.To = next.addr
	w.leave(e, next, all)
	w.tell(e)
	return true
}

// withLess reports whether the PBX of a leg has one with less that is waited for, or has
// said no to one.
func (e *emergency) withLess(from *emergencyLeg) (waits, said bool) {
	for i := range e.legs {
		if o := &e.legs[i]; o.pbx == from.pbx && o.adds < from.adds && !o.cancelled {
			waits, said = waits || !o.final, said || o.final
		}
	}
	return waits, said
}

// usesELIN reports whether the call goes out with an ELIN as the caller's number.
func (e *emergency) usesELIN() bool {
	return e.site.ELIN && e.call.Caller != nil && digits(e.call.Caller.ELIN) != ""
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
	l := &e.legs[n]
	switch status := w.m.status; {
	case status < 200:
		return w.rings(e, n)
	case status < 300:
		l.final, e.final, e.passed = true, true, n
		e.call.Status = status
		w.reachable(e, l)
		w.cancelOthers(e, n)
		w.ended(e)
		return false
	}
	return w.refused(e, n)
}

// rings takes a provisional answer. The leg on which somebody says something first is
// the one that goes on; what others say is late.
func (w *worker) rings(e *emergency, n int) (taken bool) {
	l := &e.legs[n]
	first := !l.provisional
	l.provisional = true
	switch {
	case l.cancelled && first, e.final, e.hungUp, e.settledBut(n):
		w.cancelLeg(e, l)
		return true
	case l.cancelled:
		return true
	}
	if w.m.status >= 180 {
		w.reachable(e, l)
	}
	e.call.Status = max(e.call.Status, w.m.status)
	return false
}

// refused takes an answer that says no. Others may say yes.
func (w *worker) refused(e *emergency, n int) (taken bool) {
	l, status := &e.legs[n], w.m.status
	again := l.final
	l.final = true
	answer := slices.Clone(w.m.raw)
	switch {
	case e.final && n == e.passed:
		return false // it is sent again
	case e.final:
		w.acknowledge(&l.branch, answer)
		return true
	case e.hungUp: // what the phone waits for
		return w.end(e, n)
	}
	others := e.settled() // of those that say nothing nobody knows whether they ever will
	if merged := status == 482 && e.waitsAt(l.pbx); merged {
		l.cancelled = true // for the PBX it is the same call as the leg before (RFC 3261 section 8.2.2.2)
	}
	if l.adds > nothing && slices.Contains(refusals, status) || status == 503 || others || l.cancelled {
		w.acknowledge(&l.branch, answer)
		if again || others || l.cancelled || w.further(e, l) {
			return true
		}
		w.m.read(answer)
		w.m.validate(false)
	}
	return w.end(e, n)
}

// end passes the answer at hand as the INVITE's.
func (w *worker) end(e *emergency, n int) (taken bool) {
	e.final, e.passed = true, n
	e.call.Status = w.m.status
	w.ended(e)
	return false
}

// ended tells of a call whose INVITE has its answer, and forgets it when nobody sends
// anything of it again.
func (w *worker) ended(e *emergency) {
	w.tell(e)
	p, key := w.Proxy, e.key
	p.after(ownTimeout, func() { p.emergencies.forget(key) })
}

// settledBut reports whether another leg than one goes on.
func (e *emergency) settledBut(n int) bool {
	for i := range e.legs {
		if l := &e.legs[i]; i != n && l.provisional && !l.final && !l.cancelled {
			return true
		}
	}
	return false
}

// waitsAt reports whether a PBX has a leg that is waited for.
func (e *emergency) waitsAt(t *target) bool {
	return slices.ContainsFunc(e.legs, func(l emergencyLeg) bool { return l.pbx == t && !l.final && !l.cancelled })
}

// reachable lets whoever calls the ELIN back reach the phone, since somebody has taken
// the call.
func (w *worker) reachable(e *emergency, l *emergencyLeg) {
	if l.elin.AOR != "" && !e.call.Test {
		w.bindings.put([]Binding{l.elin}, time.Now())
	}
}

func (w *worker) cancelOthers(e *emergency, n int) {
	for i := range e.legs {
		if l := &e.legs[i]; i != n && !l.final && !l.cancelled {
			w.cancelLeg(e, l)
		}
	}
}

// cancelLeg cancels a leg. Over UDP a CANCEL may be lost: it is sent again until the leg
// has its end.
func (w *worker) cancelLeg(e *emergency, l *emergencyLeg) {
	w.cancel(&l.branch)
	if e.insists {
		return
	}
	e.insists = true
	w.insist(&e.mu, func(yield func(*branch) bool) {
		for i := range e.legs {
			if !yield(&e.legs[i].branch) {
				return
			}
		}
	})
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
		e.hungUp = true
		in := e.in
		for i := range e.legs {
			if l := &e.legs[i]; !l.final && !l.cancelled {
				w.cancelLeg(e, l)
			}
		}
		w.answer(in, &fault{200, "OK", ""})
		return true
	}
	if e.passed < 0 {
		return true
	}
	l := &e.legs[e.passed]
	w.send(l.toward, hopByHop(w.out[:0], "ACK", l.sent, w.m.get(to)))
	return true
}
