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
	raw    []byte // as it came
	invite bool
	began  time.Time

	mu      sync.Mutex
	legs    []forkLeg
	end     []byte    // the answer that was passed, as it was sent; nil: none, or a phone sends it again
	over    bool      // whoever sent it has its end
	heard   bool      // likewise, and has acknowledged it
	hungUp  bool      // the caller cancelled it
	insists bool      // CANCELs are sent again
	rang    time.Time // when a phone said last that it does
}

// forkLeg is one phone. Its number stands in the branch of the Via.
type forkLeg struct {
	branch
	gone   bool   // it says nothing, and is not waited for
	status int    // of its end; 0: none
	answer []byte // likewise, if that is a refusal
}

const (
	// goneAfter is how long a phone may say nothing while another one says no, until it is
	// taken for gone: longer than a request that is lost twice takes.
	goneAfter = 4 * time.Second
	// timerC is how long phones ring (RFC 3261 section 16.6, 11).
	timerC = 3*time.Minute + 30*time.Second
	// inviteRepeats is how often an INVITE is sent again (timer A): until ownTimeout.
	inviteRepeats = 6
	// endRepeats is how often a refusal is (timer G).
	endRepeats = 10
)

// Each of a line's bindings has a mark.
const _ = uint(len(marks) - maxBindingsOfAOR)

// phonesOf returns where a line is reached: what registered last is the first, and of a
// phone that has several flows the latest that is there (RFC 5626 section 5.3).
func (w *worker) phonesOf(list []Binding) (phones []Binding) {
	var instances []string
	for _, x := range slices.Backward(list) {
		instance := param(x.Params, "+sip.instance")
		if !w.alive(x.flow) || instance != "" && slices.Contains(instances, instance) {
			continue
		}
		instances = append(instances, instance)
		phones = append(phones, x)
	}
	return phones
}

// fork sends the request at hand to several phones. It is false if too many others were.
func (w *worker) fork(in flow, phones []Binding, now time.Time) bool {
	key, raw := w.key, w.m.raw
	breadth := w.breadth() / len(phones)
	if breadth == 0 {
		return w.refuse(in, &fault{440, "Max-Breadth Exceeded", ""})
	}
	f, added := w.forks.orAdd(key, (2+len(phones))*len(raw), func() *fork {
		return &fork{key: key, in: in, raw: slices.Clone(raw), invite: w.m.is("INVITE"), began: now, rang: now}
	})
	if !added {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.invite {
		w.answer(in, &fault{100, "Trying", ""})
	}
	for i := range phones {
		if !w.recall(f.in, f.raw) {
			return true // it was answered
		}
		w.legMark = marks[i]
		w.forPhone(in, &phones[i])
		w.narrow(breadth)
		w.legMark = marks[0]
		f.legs = append(f.legs, forkLeg{branch: w.sendAs(phones[i].flow)})
	}
	for n := range inviteRepeats {
		w.later(ownT1<<(n+1)-ownT1, &f.mu, func(w *worker) { w.forkRepeat(f, true) })
	}
	w.later(goneAfter, &f.mu, func(w *worker) { w.finish(f) })
	w.later(ownTimeout, &f.mu, func(w *worker) { w.forkSilent(f) })
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

// forkRepeat sends again what was sent to phones that said nothing. The request is
// locked, here and below.
func (w *worker) forkRepeat(f *fork, overUDP bool) {
	for i := range f.legs {
		l := &f.legs[i]
		if !f.over && !f.hungUp && !l.final && !l.provisional && (!overUDP || l.toward.transport == udp) {
			w.send(l.toward, append(w.out[:0], l.sent...))
		}
	}
}

// forkSilent takes phones for gone that said nothing.
func (w *worker) forkSilent(f *fork) {
	for i := range f.legs {
		if l := &f.legs[i]; !f.invite || !l.provisional {
			l.gone = true
		}
	}
	w.finish(f)
}

// forkRings ends a call that nobody takes.
func (w *worker) forkRings(f *fork) {
	switch wait := timerC - time.Since(f.rang); {
	case f.over:
		return
	case wait > 0:
		w.later(wait, &f.mu, func(w *worker) { w.forkRings(f) })
		return
	}
	w.cancelForks(f, -1)
	w.later(ownTimeout, &f.mu, func(w *worker) {
		for i := range f.legs {
			f.legs[i].gone = true
		}
		w.finish(f)
	})
}

// cancelForks cancels all legs but one that have no end.
func (w *worker) cancelForks(f *fork, but int) {
	cancelled := false
	for i := range f.legs {
		if l := &f.legs[i]; i != but && f.invite && !l.final && !l.cancelled {
			w.cancel(&l.branch)
			cancelled = true
		}
	}
	if cancelled && !f.insists {
		f.insists = true
		w.insist(&f.mu, func(yield func(*branch) bool) {
			for i := range f.legs {
				if !yield(&f.legs[i].branch) {
					return
				}
			}
		})
	}
}

// forkAnswer takes the answer at hand of a phone. It is false if that is to be passed.
func (w *worker) forkAnswer(f *fork, mark byte) (taken bool) {
	n := strings.IndexByte(marks, mark)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, method := w.m.sequence(); string(method) == "CANCEL" || n < 0 || n >= len(f.legs) {
		return true // of ours
	}
	l, status := &f.legs[n], w.m.status
	if status < 200 {
		return w.forkRinging(f, l)
	}
	again := l.final
	if !again {
		l.final, l.status = true, status
	}
	switch {
	case status < 300 && f.invite: // all of them: the caller ends the calls it does not want (RFC 3261 section 13.2.2.4)
		w.forkOver(f)
		w.cancelForks(f, n)
		return false
	case status < 300 && f.over:
		return true
	case status < 300:
		if w.unwrap() {
			f.end = w.edits.apply(nil, w.m.raw)
		}
		w.forkOver(f)
		w.forkEnd(f)
		return true
	}
	answer := slices.Clone(w.m.raw)
	if f.invite {
		w.acknowledge(&l.branch, answer)
	}
	if again || f.over {
		return true
	}
	l.answer = answer
	if status >= 600 { // whoever is called wants nobody
		w.cancelForks(f, n)
	}
	w.finish(f)
	return true
}

// forkRinging takes a provisional answer of a phone.
func (w *worker) forkRinging(f *fork, l *forkLeg) (taken bool) {
	first := !l.provisional
	l.provisional = true
	switch {
	case l.cancelled && first:
		w.sendCancel(&l.branch)
	case f.over && f.invite && !l.final && !l.cancelled: // it was taken for gone
		w.cancel(&l.branch)
	}
	f.rang = time.Now()
	return f.over || l.cancelled || w.m.status == 100
}

// finish ends a request to which all have said no, with the best of what they said
// (RFC 3261 section 16.7, 6).
func (w *worker) finish(f *fork) {
	var best *forkLeg
	silent := false
	for i := range f.legs {
		switch l := &f.legs[i]; {
		case l.answer != nil:
			if best == nil || f.rank(l) < f.rank(best) {
				best = l
			}
		case l.final, l.gone:
		case l.provisional:
			return
		default:
			silent = true
		}
	}
	if f.over || silent && (best == nil && !f.hungUp || time.Since(f.began) < goneAfter) {
		return
	}
	switch {
	case best != nil:
		w.m.read(best.answer)
		w.m.validate(false)
		if w.unwrap() {
			w.challenges(f, best)
			f.end = w.edits.apply(nil, w.m.raw)
		}
	case !f.invite: // whoever asked has given up by now (RFC 4320)
	case w.recall(f.in, f.raw) && f.hungUp:
		f.end = slices.Clone(w.reply(f.in, &fault{487, "Request Terminated", ""}, nil))
	default:
		f.end = slices.Clone(w.reply(f.in, &fault{408, "Request Timeout", ""}, nil))
	}
	w.forkOver(f)
	w.forkEnd(f)
	if f.invite && f.in.transport == udp {
		for n := range endRepeats {
			w.later(ownAt(n+1), &f.mu, func(w *worker) { w.forkEnd(f) })
		}
	}
}

// rank orders refusals: that of somebody who wants nobody, else that of the lowest class,
// in which what the caller can do something about is better.
func (f *fork) rank(l *forkLeg) int {
	switch s := l.status; {
	case s >= 600:
		return 0
	case f.hungUp && s == 487:
		return 1
	case slices.Contains([]int{401, 407, 415, 420, 484}, s):
		return 400
	case s == 503: // of the phone, not of ours
		return 1000
	default:
		return s/100*100 + 1
	}
}

// challenges puts what other phones want to have proved beside what one does (RFC 3261
// section 16.7, 7).
func (w *worker) challenges(f *fork, best *forkLeg) {
	if best.status != 401 && best.status != 407 {
		return
	}
	for i := range f.legs {
		l := &f.legs[i]
		if l == best || l.status != 401 && l.status != 407 {
			continue
		}
		var m message
		m.read(l.answer)
		for _, h := range m.headers {
			if h.name == authenticate || h.name == proxyAuthenticate {
				w.edits.insert(w.m.headers[len(w.m.headers)-1].end, func(b []byte) []byte { return append(b, m.raw[h.at:h.end]...) })
			}
		}
	}
}

// forkEnd sends a refusal again that nobody has acknowledged.
func (w *worker) forkEnd(f *fork) {
	if f.end != nil && !f.heard {
		w.send(f.in, append(w.out[:0], f.end...))
	}
}

// forkOver notes that a request has its end, and forgets it when nobody sends anything
// of it again.
func (w *worker) forkOver(f *fork) {
	if f.over {
		return
	}
	f.over = true
	p, key := w.Proxy, f.key
	p.after(ownTimeout+goneAfter, func() { p.forks.forget(key) })
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
	case f.invite:
		w.answer(in, &fault{100, "Trying", ""})
	default:
		w.forkRepeat(f, false)
	}
	return true
}
