package proxy

import (
	"hash/fnv"
	"sync"
	"time"
)

// A registration that is refreshed over and over, as in a storm, is told once in a
// while: that the phone is alive is known for so long. Whatever is new is told.
const (
	sameAgain = 30 * time.Second
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

// saying is what a REGISTER says: of which line, and a sum of all that would be news.
type saying struct{ line, sum uint64 }

// saying sums the REGISTER at hand up. A Call-ID is no news: a phone that was started
// again says nothing by that.
func (m *message) saying() saying {
	h := fnv.New64a()
	h.Write(m.get(to))
	line := h.Sum64()
	for _, x := range m.headers {
		switch x.name {
		case contact, expires, userAgent:
			h.Write(m.value(x))
			h.Write([]byte{byte(x.name)})
		}
	}
	return saying{line, h.Sum64()}
}

// registered tells of a REGISTER that was accepted, and of its answer, which is at
// hand, and notes where the phone is reached. What is refused is told to nobody: it
// says where no phone is.
func (w *worker) registered(phone flow, o *owed) {
	if o == nil || w.m.status > 299 {
		return
	}
	now := time.Now()
	if w.told.again(toldOf{phone, o.says.line}, o.says.sum, now) {
		return
	}
	w.learn(phone, o.raw, now)
	if w.cfg.Observe != nil {
		w.observe(phone, o.raw, w.m.raw, o.at, now)
	}
}

// observe tells of a REGISTER and its answer.
func (w *worker) observe(phone flow, register, answer []byte, asked, answered time.Time) {
	at := w.leg(phone).addr
	w.cfg.Observe(Observation{Time: asked, Transport: phone.transport.String(), Source: phone.peer, Destination: at, Message: register})
	w.cfg.Observe(Observation{Time: answered, Transport: phone.transport.String(), Source: at, Destination: phone.peer, Message: answer})
}
