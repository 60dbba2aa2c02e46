package proxy

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// How long a PBX may be silent about a request until the next one is tried, and how
// often that is looked at. RFC 3261 would wait for 32 s (timers B and F).
const (
	failAfter = 2 * time.Second
	sweepTick = 100 * time.Millisecond
)

// What is kept of requests that nobody has answered yet, at most. A PBX that is well
// answers within milliseconds; while none is, a phone sends again by itself.
const (
	maxOwed       = 1 << 14
	maxOwedOctets = 16 << 20
	// maxMoved is how many requests are known that went to another PBX than the one
	// that is preferred, so that a CANCEL goes there too; and how many that went to a
	// phone without a PBX.
	maxMoved = 1 << 12
)

// txn names a transaction, as in the branch of our Via.
type txn [txnLen]byte

// owed is a request to a PBX that was not answered yet, not even by a 100.
type owed struct {
	in    flow
	raw   []byte // as it came
	says  saying // of a REGISTER
	to    *target
	tried []*target // before that
	at    time.Time // when it was sent there
	tries int       // how often it was sent again, for a phone that does not do that

	// Of a request to a phone, which waits for nobody else: what was sent, and where to.
	sent   []byte
	toward flow
}

// pending are the requests that are not answered yet.
type pending struct {
	mu     sync.Mutex
	byTxn  map[txn]*owed
	octets int
	moved  latest[*target]

	here    latest[Binding] // requests that went to a phone without a PBX
	anyHere atomic.Bool
}

// latest are the last maxMoved of something, by their transactions.
type latest[T any] struct {
	byTxn map[txn]T
	order []txn // the oldest first
}

// put keeps one, instead of the oldest if there are too many.
func (l *latest[T]) put(key txn, x T) {
	if _, ok := l.byTxn[key]; !ok {
		if len(l.order) == maxMoved {
			delete(l.byTxn, l.order[0])
			l.order = l.order[1:]
		}
		l.order = append(l.order, key)
	}
	l.byTxn[key] = x
}

func (p *pending) init() {
	p.byTxn, p.moved.byTxn, p.here.byTxn = map[txn]*owed{}, map[txn]*target{}, map[txn]Binding{}
}

// stayHere notes that a request went to a phone, so that what belongs to it goes there
// too.
func (p *pending) stayHere(key txn, x Binding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.here.put(key, x)
	p.anyHere.Store(true)
}

// hereOf returns the phone that a request went to without a PBX.
func (p *pending) hereOf(key txn) (Binding, bool) {
	if !p.anyHere.Load() { // as nearly always
		return Binding{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	x, ok := p.here.byTxn[key]
	return x, ok
}

func (p *pending) isHere(key txn) bool {
	_, ok := p.hereOf(key)
	return ok
}

// of returns the PBX that a transaction goes to already; nil if it is new.
func (p *pending) of(key txn) *target {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.byTxn[key]; o != nil {
		return o.to
	}
	return p.moved.byTxn[key]
}

// add notes that a request was sent.
func (p *pending) add(key txn, in flow, raw []byte, says saying, to *target, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.moved.byTxn[key] == nil && p.room(key, raw) {
		p.put(key, &owed{in: in, raw: slices.Clone(raw), says: says, to: to, at: now})
	}
}

// repeat notes what was sent to a phone over UDP for somebody who has a connection,
// and so does not send it again.
func (p *pending) repeat(key txn, in, toward flow, sent []byte, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.room(key, sent) {
		p.put(key, &owed{in: in, sent: slices.Clone(sent), toward: toward, at: now})
	}
}

// room reports whether a request that is not there yet may be kept.
func (p *pending) room(key txn, raw []byte) bool {
	return p.byTxn[key] == nil && len(p.byTxn) < maxOwed && p.octets+len(raw) <= maxOwedOctets
}

func (p *pending) put(key txn, o *owed) {
	p.byTxn[key] = o
	p.octets += len(o.raw) + len(o.sent)
}

// take takes a request out that was answered; nil if it was before.
func (p *pending) take(key txn) *owed {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.byTxn[key]
	if o != nil {
		p.drop(key, o)
	}
	return o
}

func (p *pending) drop(key txn, o *owed) {
	delete(p.byTxn, key)
	p.octets -= len(o.raw) + len(o.sent)
}

// move notes that a request, which was taken out, goes to another PBX now.
func (p *pending) move(key txn, o *owed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.room(key, o.raw) {
		p.put(key, o)
	}
	p.moved.put(key, o.to)
}

// overdue takes the requests out that wait for too long, or for a PBX that is down.
func (p *pending) overdue(now time.Time) map[txn]*owed {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out map[txn]*owed
	for key, o := range p.byTxn {
		if o.to == nil {
			if now.Sub(o.at) >= ownTimeout {
				p.drop(key, o)
			}
			continue
		}
		if now.Sub(o.at) < failAfter && !o.to.down.Load() {
			continue
		}
		if out == nil {
			out = map[txn]*owed{}
		}
		out[key] = o
		p.drop(key, o)
	}
	return out
}

// repeats returns the requests that are to be sent again: of those who have a
// connection and so do not do that, to those who do not have one (RFC 3261 section
// 17.1.1.2: after T1, and then after twice as long each time).
func (p *pending) repeats(now time.Time) (out []*owed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.byTxn {
		if o.in.transport != udp && (o.to == nil || o.to.transport == udp) && now.Sub(o.at) >= ownT1<<o.tries {
			o.tries++
			out = append(out, o)
		}
	}
	return out
}

// each has a worker of its own do something each so often, until ctx ends.
func (p *Proxy) each(ctx context.Context, d time.Duration, do func(w *worker)) {
	w := p.newWorker()
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		do(w)
		w.flush()
	}
}

// sweep tries the next PBX for what is not answered, and sends again what is due.
func (w *worker) sweep() {
	now := time.Now()
	for _, o := range w.pending.repeats(now) {
		if o.to == nil {
			w.send(o.toward, append(w.out[:0], o.sent...))
		} else if w.recall(o.in, o.raw) {
			w.toPBX(o.in, o.to, now)
		}
	}
	for _, o := range w.ownDue(now) {
		w.send(o.to, append(w.out[:0], o.sent...))
	}
	for key, o := range w.pending.overdue(now) {
		if o.to.owes(now) >= failAfter && !o.to.down.Swap(true) {
			w.log.Warn("a PBX does not answer; another is tried", "address", o.to.addr)
		}
		w.again(key, o, now)
	}
}

// again sends a request to the next PBX that was not tried; if there is none it is
// left to the phone to send it again.
func (w *worker) again(key txn, o *owed, now time.Time) bool {
	tried := append(o.tried, o.to)
	if !w.recall(o.in, o.raw) {
		return false
	}
	next := w.upstreams.choose(&w.m, tried, now)
	if next == nil {
		return false
	}
	w.count.failedOver.Add(1)
	w.pending.move(key, &owed{in: o.in, raw: o.raw, says: o.says, to: next, tried: tried, at: now})
	w.toPBX(o.in, next, now) // behind that: over a connection it may be answered at once
	return true
}

// recall has a request at hand again as it was when its Routes had been looked at.
func (w *worker) recall(in flow, raw []byte) bool {
	w.m.read(raw) // it was valid before
	w.m.validate(false)
	w.edits.reset()
	w.identify()
	if !w.hop(in) {
		return false
	}
	_, ok := w.route(in, false)
	return ok
}

// How often PBXs are asked whether they are there (OPTIONS, RFC 3261 section 11):
// those that are well, and those that are not.
const (
	probeWell = 15 * time.Second
	probeDown = time.Second
)

// prober asks the PBXs whether they are there.
func prober() func(w *worker) {
	last, n := map[*target]time.Time{}, 0
	return func(w *worker) {
		now := time.Now()
		for _, t := range w.upstreams.list() {
			if t.owes(now) >= failAfter && !t.down.Swap(true) {
				w.log.Warn("a PBX does not answer", "address", t.addr)
			}
			if t.down.Load() || now.Sub(last[t]) >= probeWell {
				last[t] = now
				w.knock(t, n, now)
			}
		}
		n++
	}
}

// isOwnProbe reports whether the request at hand is what we ask PBXs: one of them is
// ourselves, by another name.
func (w *worker) isOwnProbe() bool {
	v := &w.m.vias[len(w.m.vias)-1]
	if !w.m.is("OPTIONS") || !bytes.HasPrefix(v.branch, []byte(cookie+"probe")) || len(v.branch) <= len(cookie)+txnLen+markLen {
		return false
	}
	for _, t := range w.upstreams.list() {
		if to, ok := w.sealer.open(v.branch[len(cookie)+txnLen+markLen+1:], back, t.addr.Addr()); ok && to == nowhere {
			return true
		}
	}
	return false
}

// loopToldOnce tells of that, once in this process.
func (p *Proxy) loopToldOnce() {
	if !p.loopTold.Swap(true) {
		p.log.Error("a PBX is ourselves: what phones send would go in circles", "hint", "name the PBX in sip: {upstream: [...]}, not an address or name of this machine at which Perch listens")
	}
}

// knock sends an OPTIONS to a PBX. Its answer is for ourselves, so its Via leads
// nowhere.
func (w *worker) knock(t *target, n int, now time.Time) {
	l := w.leg(t.flow())
	b := append(w.out[:0], "OPTIONS sip:"...)
	b = t.addr.AppendTo(b)
	b = append(append(append(b, " SIP/2.0\r\nVia: SIP/2.0/"...), viaTransports[t.transport]...), ' ')
	b = append(append(b, l.advertised...), ";rport;branch="...)
	b = append(b, cookie...)
	b = append(b, "probe......"[:txnLen]...)
	b = append(b, "probe."[:markLen]...)
	b = append(b, '.')
	b = w.sealer.seal(b, back, nowhere, t.addr.Addr())
	b = append(append(append(b, "\r\nMax-Forwards: 0\r\nFrom: <sip:"...), l.advertised...), ">;tag=1\r\nTo: <sip:"...)
	b = t.addr.AppendTo(b)
	b = append(b, ">\r\nCall-ID: probe-"...)
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(append(b, '@'), l.advertised...)
	b = append(b, "\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"...)
	t.asked(now)
	w.send(t.flow(), b)
}
