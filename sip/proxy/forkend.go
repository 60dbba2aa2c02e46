package proxy

import (
	"bytes"
	"slices"
	"time"
)

// refusal is an answer that says no.
type refusal struct {
	status int // 0: none
	reason string
	whole  []byte // nil if it is too long to be kept
}

// forkRefused keeps the refusal at hand if it is the best so far (RFC 3261 section 16.7,
// 6), and its challenges: what several phones want to have proved is asked at once (7).
func (w *worker) forkRefused(f *fork) {
	m := &w.m
	line, _, _ := cutLine(m.raw, 0)
	r := refusal{status: m.status, reason: string(bytes.TrimSpace(line[min(len(version)+4, len(line)):]))}
	if len(m.raw) <= maxAnswer {
		r.whole = slices.Clone(m.raw)
	}
	if len(r.reason) > 100 {
		r.reason = ""
	}
	other := r
	if f.best.status == 0 || f.rank(r) < f.rank(f.best) {
		f.best, other = r, f.best
	}
	if other.whole == nil || other.status != 401 && other.status != 407 {
		return
	}
	var o message
	o.read(other.whole)
	for _, h := range o.headers {
		if (h.name == authenticate || h.name == proxyAuthenticate) && len(f.asks)+h.end-h.at <= maxAnswer {
			f.asks = append(f.asks, o.raw[h.at:h.end]...)
		}
	}
}

// rank orders refusals: that of somebody who wants nobody, else that of the lowest class,
// in which what the caller can do something about is better.
func (f *fork) rank(r refusal) int {
	switch s := r.status; {
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

// finish ends a request to which all have said no.
func (w *worker) finish(f *fork) {
	silent := false
	for i := range f.legs {
		switch l := &f.legs[i]; {
		case l.final, l.gone, !w.alive(l.toward):
		case l.provisional:
			return
		default:
			silent = true
		}
	}
	none := f.best.status == 0
	if f.over || silent && (none && !f.hungUp || time.Since(f.began) < goneAfter) {
		return
	}
	reply := fault{f.best.status, f.best.reason, ""}
	switch {
	case f.best.status == 503: // which says nothing of us
		reply = fault{500, "Server Internal Error", ""}
	case !none && f.best.whole != nil:
		w.m.read(f.best.whole)
		w.m.validate(false)
		w.unwrap()
		if s := f.best.status; s == 401 || s == 407 {
			w.edits.insert(w.m.headers[len(w.m.headers)-1].end, func(b []byte) []byte { return append(b, f.asks...) })
		}
		f.end, reply = w.edits.apply(nil, w.m.raw), fault{}
	case !none:
	case f.hungUp:
		reply = fault{487, "Request Terminated", ""}
	case f.invite:
		reply = fault{408, "Request Timeout", ""}
	}
	if reply.status != 0 && w.recall(f.in, f.raw) { // of what is no INVITE whoever asked has given up by now (RFC 4320)
		f.end = slices.Clone(w.reply(f.in, &reply, nil))
	}
	w.forkOver(f)
	w.forkEnd(f)
	if f.invite && f.in.transport == udp {
		for n := range endRepeats {
			w.later(ownAt(n+1), &f.mu, func(w *worker) { w.forkEnd(f) })
		}
	}
}

// forkEnd sends an answer again that nobody has acknowledged.
func (w *worker) forkEnd(f *fork) {
	if f.end != nil && !f.heard {
		w.send(f.in, append(w.out[:0], f.end...))
	}
}

// forkOver notes that a request has its end. It is forgotten when nobody sends anything of
// it again; what waits for a timer of it keeps nothing then.
func (w *worker) forkOver(f *fork) {
	if f.over {
		return
	}
	f.over = true
	p := w.Proxy
	p.after(max(ownTimeout-time.Since(f.began), 0)+forkKept, func() {
		f.mu.Lock()
		f.raw, f.legs, f.best, f.asks, f.ringing, f.end = nil, nil, refusal{}, nil, nil, nil
		f.mu.Unlock()
		p.forks.forget(f.key)
	})
}
