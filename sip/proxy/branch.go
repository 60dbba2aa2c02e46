package proxy

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// branch is one way that a request was sent (RFC 3261 section 16.6). A request with
// several has an end when they have, and whoever sent it has one answer.
type branch struct {
	toward      flow
	sent        []byte
	provisional bool // something came that is no end
	final       bool // its end came
	cancelled   bool
}

// marks tell in the branch of a Via which of several ways of a request it is of; the
// first is that of all others.
const marks = ".~!*+_-0123"

// multiples are requests that were sent several ways, while they are known: as many
// as there is room for, and of so many octets. More are few, or somebody makes them up.
type multiples[T any] struct {
	mu     sync.Mutex
	byKey  map[txn]multiple[T]
	octets int
	any    atomic.Bool // nearly always there is none
}

type multiple[T any] struct {
	x    *T
	size int
}

const (
	maxMultiples      = 4096
	maxMultipleOctets = 32 << 20
)

func (m *multiples[T]) init() { m.byKey = map[txn]multiple[T]{} }

// of returns a request; nil if it is not there.
func (m *multiples[T]) of(key txn) *T {
	if !m.any.Load() {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.byKey[key].x
}

// orAdd returns the request of a transaction, or takes one in, of which so many octets
// will be kept; nil if there is no room.
func (m *multiples[T]) orAdd(key txn, size int, made func() *T) (x *T, added bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k, ok := m.byKey[key]; ok {
		return k.x, false
	}
	if len(m.byKey) >= maxMultiples || m.octets+size > maxMultipleOctets {
		return nil, false
	}
	x = made()
	m.byKey[key] = multiple[T]{x, size}
	m.octets += size
	m.any.Store(true)
	return x, true
}

func (m *multiples[T]) forget(key txn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.octets -= m.byKey[key].size
	delete(m.byKey, key)
	m.any.Store(len(m.byKey) > 0)
}

// count returns how many there are of a kind.
func (m *multiples[T]) count(is func(*T) bool) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.byKey {
		if is(k.x) {
			n++
		}
	}
	return n
}

// cancel cancels a branch on which something came (RFC 3261 section 9.1); one on which
// nothing did is cancelled when that comes.
func (w *worker) cancel(b *branch) {
	b.cancelled = true
	w.sendCancel(b)
}

func (w *worker) sendCancel(b *branch) {
	if b.provisional {
		w.send(b.toward, hopByHop(w.out[:0], "CANCEL", b.sent, nil))
	}
}

// cancels is how often a CANCEL is sent again.
const cancels = 8

// insist sends CANCELs again that may have been lost, as over UDP, until their branches have their
// end; each returns those that were cancelled.
func (p *Proxy) insist(mu *sync.Mutex, each func(yield func(*branch) bool)) {
	for n := range cancels {
		p.later(ownAt(n+1), mu, func(w *worker) {
			for b := range each {
				if b.cancelled && !b.final && b.toward.transport == udp {
					w.sendCancel(b)
				}
			}
		})
	}
}

// later does something with a request that is locked meanwhile.
func (p *Proxy) later(d time.Duration, mu *sync.Mutex, do func(w *worker)) {
	p.after(d, func() {
		w := p.newWorker()
		mu.Lock()
		defer mu.Unlock()
		defer func() {
			if v := recover(); v != nil {
				w.panicked(nil, v)
			}
		}()
		do(w)
		w.flush()
	})
}

// acknowledge acknowledges a refusal on a branch (RFC 3261 section 17.1.1.3).
func (w *worker) acknowledge(b *branch, answer []byte) {
	var a message
	if _, ok := a.read(answer); ok {
		w.send(b.toward, hopByHop(w.out[:0], "ACK", b.sent, a.get(to)))
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

// sendAs sends the request at hand, as it was edited for it, as one more branch.
func (w *worker) sendAs(toward flow) branch {
	b := w.edits.apply(w.out[:0], w.m.raw)
	sent := slices.Clone(b)
	w.send(toward, b)
	return branch{toward: toward, sent: sent}
}
