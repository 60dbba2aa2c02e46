package proxy

import (
	"hash/fnv"
	"sync"
	"time"
)

// A registration that is refreshed over and over, as in a storm, is told once in a
// while: that the phone is alive is known for so long. Whatever is new is told.
const (
	sameAgain = 10 * time.Second
	maxTold   = 1 << 16
)

// told is what was told of registrations last.
type told struct {
	mu   sync.Mutex
	last map[toldOf]toldWhat
}

// toldOf is one line on one flow.
type toldOf struct {
	flow flow
	line uint64
}

type toldWhat struct {
	sum uint64 // of all that a registration says
	at  time.Time
}

func (t *told) init() { t.last = map[toldOf]toldWhat{} }

// again reports whether the same was told a moment ago, and notes that it is told now
// if not.
func (t *told) again(of toldOf, sum uint64, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x, ok := t.last[of]; ok && x.sum == sum && now.Sub(x.at) < sameAgain {
		return true
	}
	if len(t.last) >= maxTold {
		t.last = map[toldOf]toldWhat{} // whose lines come after is told once more
	}
	t.last[of] = toldWhat{sum, now}
	return false
}

// registered tells of a REGISTER that was accepted, and of its answer, which is at
// hand. What is refused is told to nobody: it says where no phone is.
func (w *worker) registered(phone flow, o *owed) {
	if w.cfg.Observe == nil || o == nil || w.m.status > 299 {
		return
	}
	var r message
	if _, ok := r.read(o.raw); !ok {
		return // it was read before
	}
	h := fnv.New64a()
	h.Write(r.get(to))
	of := toldOf{phone, h.Sum64()}
	for _, x := range r.headers {
		switch x.name {
		case contact, expires, userAgent: // not Call-ID: a phone that was started again says nothing new by that
			h.Write(r.value(x))
			h.Write([]byte{byte(x.name)})
		}
	}
	now := time.Now()
	if w.told.again(of, h.Sum64(), now) {
		return
	}
	at := w.leg(phone).addr
	w.cfg.Observe(Observation{Time: o.at, Transport: phone.transport.String(), Source: phone.peer, Destination: at, Message: r.raw})
	w.cfg.Observe(Observation{Time: now, Transport: phone.transport.String(), Source: at, Destination: phone.peer, Message: w.m.raw})
}
