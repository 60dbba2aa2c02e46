package proxy

import (
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"sync"
	"time"
)

// ownRequests are requests of ours that wait for their answer (RFC 3261 section
// 17.1.2), by their branch. They are few.
type ownRequests struct {
	mu    sync.Mutex
	byKey map[txn]*ownRequest
}

type ownRequest struct {
	to    flow
	sent  []byte
	began time.Time
	tries int
	done  func(w *worker, status int)
}

const (
	maxOwn     = 1 << 12
	ownTimeout = 32 * time.Second // timer F
	ownT1      = 500 * time.Millisecond
	ownT2      = 4 * time.Second
)

// ownAsk is a request of ours.
type ownAsk struct {
	method  string
	uri     string // Request-URI
	aor     string // To
	headers string // more, each with its end
	body    string
	in      *dialog // in which it goes, with the next number; nil: in none
	from    string  // URI of From; empty: ourselves
}

// ask sends a request of ours. Done is told the status of its answer, 408 if there is
// none; it is called by the worker that has the answer at hand, and must not block. It
// is false if too many others wait.
func (w *worker) ask(to flow, a ownAsk, done func(w *worker, status int)) bool {
	var random [12]byte
	_, _ = rand.Read(random[:]) // never fails
	id := base64.RawURLEncoding.EncodeToString(random[:])
	key := txn([]byte(id)[:txnLen])
	l := w.leg(to)
	b := append(w.out[:0], a.method+" "+a.uri+" SIP/2.0\r\nVia: SIP/2.0/"+viaTransports[to.transport]+" "+l.advertised+";branch="+cookie...)
	b = append(append(append(b, key[:]...), "......"[:markLen]...), marks[0])
	b = w.sealer.seal(b, back, nowhere, to.peer.Addr())
	d := a.in
	if d == nil {
		d = &dialog{id: "perch-" + id, tag: id[:8]}
	}
	d.cseq++
	us := "sip:perch@" + l.advertised
	if a.from == "" {
		a.from = us
	}
	if l.transport != udp {
		us += ";transport=" + l.transport.inURI()
	}
	b = append(b, ";rport\r\nMax-Forwards: 70\r\nFrom: <"+a.from+">;tag="+d.tag+"\r\nTo: <"+a.aor+">"...)
	if d.remote != "" {
		b = append(b, ";tag="+d.remote...)
	}
	b = append(b, "\r\nCall-ID: "+d.id+"\r\nCSeq: "+strconv.FormatUint(uint64(d.cseq), 10)+" "+a.method+"\r\nContact: <"+us+">\r\n"+
		d.routes+a.headers+"Content-Length: "+strconv.Itoa(len(a.body))+"\r\n\r\n"+a.body...)
	o := &w.own
	o.mu.Lock()
	if len(o.byKey) >= maxOwn {
		o.mu.Unlock()
		return false
	}
	o.byKey[key] = &ownRequest{to: to, sent: append([]byte(nil), b...), began: time.Now(), done: done}
	o.mu.Unlock()
	w.send(to, b)
	return true
}

// ownAnswered takes the answer at hand, to a request of ours.
func (w *worker) ownAnswered(key txn) {
	o, status := &w.own, w.m.status
	o.mu.Lock()
	r := o.byKey[key]
	if r != nil && status >= 200 {
		delete(o.byKey, key)
	}
	o.mu.Unlock()
	if r != nil && status >= 200 {
		r.done(w, status)
	}
}

// ownDue returns what is to be sent again, and ends what nobody answered.
func (w *worker) ownDue(now time.Time) (again []*ownRequest) {
	o := &w.own
	o.mu.Lock()
	var given []*ownRequest
	for key, r := range o.byKey {
		age := now.Sub(r.began)
		switch {
		case age >= ownTimeout:
			delete(o.byKey, key)
			given = append(given, r)
		case r.to.transport == udp && age >= ownAt(r.tries+1):
			r.tries++
			again = append(again, r)
		}
	}
	o.mu.Unlock()
	for _, r := range given {
		r.done(w, 408)
	}
	return again
}

// ownAt is when a request is sent for the n-th time again: after T1, twice as long
// each time, T2 at most (RFC 3261 section 17.1.2.2).
func ownAt(n int) (at time.Duration) {
	wait := ownT1
	for range n {
		at += wait
		wait = min(2*wait, ownT2)
	}
	return at
}
