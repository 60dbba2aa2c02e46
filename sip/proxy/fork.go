package proxy

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// fork is a request that went to all phones of a line (RFC 3261 sections 16.6, 16.7).
// Who takes a call first has it, and the others stop ringing.
type fork struct {
	key    txn
	in     flow
	invite bool
	began  time.Time

	mu      sync.Mutex
	raw     []byte // as it came
	legs    []forkLeg
	best    refusal   // of those that said no
	asks    []byte    // headers of all challenges but its own
	ringing []byte    // the last provisional answer that was passed, as it was sent
	end     []byte    // the answer that was passed, as it was sent; nil: none, or a phone sends it again
	over    bool      // whoever sent it has its end
	heard   bool      // likewise, and has acknowledged it
	hungUp  bool      // the caller cancelled it
	insists bool      // CANCELs are sent again
	rang    time.Time // when a phone that is not cancelled said last that it rings
}

// forkLeg is one phone. Its number, from 1, stands in the branch of the Via: 0 is that of
// what goes to a PBX.
type forkLeg struct {
	branch
	gone bool // it says nothing, and is not waited for
}

const (
	// goneAfter is how long a phone may say nothing while another one says no, until it is
	// taken for gone: longer than a request that is lost twice takes.
	goneAfter = 4 * time.Second
	// timerC is how long phones ring (RFC 3261 section 16.6, 11).
	timerC = 3*time.Minute + 30*time.Second
	// inviteRepeats is how often a request is sent again (timer A): until ownTimeout.
	inviteRepeats = 6
	// endRepeats is how often a refusal is (timer G).
	endRepeats = 10
	// forkKept is how long what comes late is known, behind the end.
	forkKept = ownTimeout + goneAfter
	// maxAnswer is how long an answer may be that is kept, of which there are three at most.
	maxAnswer = 4 << 10
	// maxForksOfSource is how many an address may have: whoever registers may call itself.
	maxForksOfSource = 64
)

// Each of a line's bindings has a mark.
const _ = uint(len(marks) - 1 - maxBindingsOfAOR)

// phonesOf returns where a line is reached: what registered last is the first, and of a
// phone that has several flows the latest that is there (RFC 5626 section 5.3). A phone
// that was started again is one, whatever it calls itself now.
func (w *worker) phonesOf(list []Binding) (phones []Binding) {
	for _, x := range slices.Backward(list) {
		instance := param(x.Params, "+sip.instance")
		same := func(y Binding) bool {
			return instance != "" && param(y.Params, "+sip.instance") == instance || x.Direct && y.Direct && x.flow == y.flow
		}
		if w.alive(x.flow) && !slices.ContainsFunc(phones, same) {
			phones = append(phones, x)
		}
	}
	return phones
}

// fork sends the request at hand to several phones. It is false if too many others were.
func (w *worker) fork(in flow, phones []Binding, now time.Time) bool {
	breadth := w.breadth() / len(phones)
	if breadth == 0 {
		return w.refuse(in, &fault{440, "Max-Breadth Exceeded", ""})
	}
	if w.forks.count(func(f *fork) bool { return f.in.peer.Addr() == in.peer.Addr() }) >= maxForksOfSource {
		return false
	}
	key, raw, size := w.key, w.m.raw, (2+len(phones))*len(w.m.raw)+3*maxAnswer
	f, added := w.forks.orAdd(key, size, func() *fork {
		f := &fork{key: key, in: in, raw: slices.Clone(raw), invite: w.m.is("INVITE"), began: now, rang: now}
		f.mu.Lock() // a CANCEL waits until it has gone out
		return f
	})
	if !added {
		return f != nil // it came by another socket, too
	}
	defer f.mu.Unlock()
	if f.invite {
		w.answer(in, &fault{100, "Trying", ""})
	}
	for i := range phones {
		if !w.recall(f.in, f.raw) {
			return true // it was answered
		}
		w.legMark = marks[i+1]
		w.forPhone(in, &phones[i])
		w.narrow(breadth)
		w.legMark = marks[0]
		f.legs = append(f.legs, forkLeg{branch: w.sendAs(phones[i].flow)})
	}
	for n := range inviteRepeats {
		w.later(ownT1<<(n+1)-ownT1, &f.mu, func(w *worker) { w.forkRepeat(f) })
	}
	w.later(goneAfter, &f.mu, func(w *worker) { w.finish(f) })
	w.later(ownTimeout, &f.mu, func(w *worker) { w.forkGone(f, func(l *forkLeg) bool { return !f.invite || !l.provisional }) })
	w.later(timerC, &f.mu, func(w *worker) { w.forkRings(f) })
	return true
}

// defaultBreadth is how many ways a request that does not say so may go at once (RFC 5393
// section 5.3.3.1).
const defaultBreadth = 60

// breadth is how many ways the request at hand may go at once.
func (w *worker) breadth() int {
	n, err := strconv.ParseUint(string(w.m.get(maxBreadth)), 10, 31)
	if err != nil || n > defaultBreadth {
		return defaultBreadth
	}
	return int(n)
}

// narrow says how many of them are behind one of its branches (RFC 5393 section 5.3.3).
func (w *worker) narrow(n int) {
	at := span{w.m.headers[0].at, w.m.headers[0].at}
	if h, ok := w.m.find(maxBreadth); ok {
		at = span{h.at, h.end}
	}
	w.edits.replace(at, func(b []byte) []byte {
		return append(strconv.AppendInt(append(b, "Max-Breadth: "...), int64(n), 10), "\r\n"...)
	})
}

// forkRepeat sends again over UDP what was sent to phones that said nothing (RFC 3261
// section 17.1.1.2); or, when that is not wanted any more, what ends it, as their word that
// they ring may have been lost. The request is locked, here and below.
func (w *worker) forkRepeat(f *fork) {
	for i := range f.legs {
		l := &f.legs[i]
		switch {
		case l.final, l.provisional && f.invite, l.toward.transport != udp:
		case !f.invite && !f.over, f.invite && !f.over && !f.hungUp && !l.cancelled:
			w.send(l.toward, append(w.out[:0], l.sent...))
		case f.invite:
			l.cancelled = true
			w.send(l.toward, hopByHop(w.out[:0], "CANCEL", l.sent, nil))
		}
	}
}

// forkGone takes phones for gone.
func (w *worker) forkGone(f *fork, which func(l *forkLeg) bool) {
	for i := range f.legs {
		l := &f.legs[i]
		l.gone = l.gone || which(l)
	}
	w.finish(f)
}

// forkRings ends a call that nobody takes.
func (w *worker) forkRings(f *fork) {
	switch wait := timerC - time.Since(f.rang); {
	case f.over:
	case wait > 0:
		w.later(wait, &f.mu, func(w *worker) { w.forkRings(f) })
	default:
		w.cancelForks(f, -1)
	}
}

// cancelForks cancels all legs of a call but one that have no end. What says nothing to
// that either is gone (RFC 3261 section 9.1).
func (w *worker) cancelForks(f *fork, but int) {
	for i := range f.legs {
		if l := &f.legs[i]; i != but && f.invite && !l.final && !l.cancelled {
			w.cancel(&l.branch)
		}
	}
	if f.insists || !f.invite {
		return
	}
	f.insists = true
	w.insist(&f.mu, func(yield func(*branch) bool) {
		for i := range f.legs {
			if !yield(&f.legs[i].branch) {
				return
			}
		}
	})
	w.later(ownTimeout, &f.mu, func(w *worker) { w.forkGone(f, func(l *forkLeg) bool { return l.cancelled }) })
}

// forkAnswer takes the answer at hand to a request that went to several phones. It is
// false if that is to be passed.
func (w *worker) forkAnswer(f *fork, in flow, mark byte) (taken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	status := w.m.status
	_, method := w.m.sequence()
	n := strings.IndexByte(marks, mark) - 1
	switch {
	case n < 0: // of the PBX that it went to before, and that is late
		if !f.invite || status/100 != 2 {
			return true
		}
		w.forkOver(f)
		w.cancelForks(f, n)
		return false
	case string(method) == "CANCEL": // of ours
		return true
	case n >= len(f.legs) || !sameHost(in, f.legs[n].toward) || len(w.m.vias) < 2:
		w.count.forged.Add(1)
		return true
	}
	l := &f.legs[n]
	if status < 200 {
		return w.forkRinging(f, l)
	}
	again := l.final
	l.final = true
	switch {
	case status < 300 && f.invite: // all of them: the caller ends the calls it does not want (RFC 3261 section 13.2.2.4)
		w.forkOver(f)
		w.cancelForks(f, n)
		return false
	case status < 300 && f.over:
		return true
	case status < 300:
		w.unwrap()
		f.end = w.edits.apply(nil, w.m.raw)
		w.forkOver(f)
		w.forkEnd(f)
		return true
	}
	answer := slices.Clone(w.m.raw)
	if !again && !f.over {
		w.forkRefused(f)
		if status >= 600 { // whoever is called wants nobody
			w.cancelForks(f, n)
		}
	}
	if f.invite {
		w.acknowledge(&l.branch, answer)
	}
	w.finish(f)
	return true
}

// forkRinging takes a provisional answer of a phone.
func (w *worker) forkRinging(f *fork, l *forkLeg) (taken bool) {
	l.provisional = true
	switch {
	case f.invite && !l.final && (l.cancelled || f.over): // or it was taken for gone
		w.cancel(&l.branch)
		return true
	case f.over, l.final, w.m.status == 100:
		return true
	}
	f.rang = time.Now()
	if w.unwrap() {
		b := w.edits.apply(nil, w.m.raw)
		if f.ringing = nil; len(b) <= maxAnswer {
			f.ringing = b
		}
		w.send(f.in, append(w.out[:0], b...))
	}
	return true
}

// forked does what is due for a request at hand that went to several phones, or belongs
// to one that did. It is false if there is none.
func (w *worker) forked(in flow) bool {
	f := w.forks.of(w.key)
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case w.m.is("CANCEL"):
		if in.peer.Addr() != f.in.peer.Addr() {
			return w.refuse(in, &fault{481, "Call/Transaction Does Not Exist", ""})
		}
		w.answer(in, &fault{200, "OK", ""})
		if f.over || !f.invite {
			return true
		}
		f.hungUp = true
		w.cancelForks(f, -1)
		w.finish(f)
	case w.m.is("ACK"):
		if f.end == nil {
			return false // of a 200: it goes all the way
		}
		f.heard = true
	case f.over:
		w.forkEnd(f)
	case f.invite && f.ringing != nil:
		w.send(in, append(w.out[:0], f.ringing...))
	case f.invite:
		w.answer(in, &fault{100, "Trying", ""})
	default:
		w.forkRepeat(f)
	}
	return true
}
