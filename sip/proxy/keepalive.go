package proxy

import (
	"net/netip"
	"time"

	"perch/sip"
)

// KeepAlive is a sign of life of a phone, by the flow that it registered by: the lines
// without end of RFC 5626 section 3.5.1, a Binding request of STUN, or any request.
type KeepAlive struct {
	Time      time.Time      `json:"time"`
	Transport string         `json:"transport"` // as in Observation
	Source    netip.AddrPort `json:"source"`
	AOR       sip.AOR        `json:"aor"`     // that it registered by the flow
	Contact   string         `json:"contact"` // likewise, with its parameters
	CallID    string         `json:"call_id"`
	Agent     string         `json:"agent,omitempty"` // User-Agent
}

// aliveAgain is how often a phone is told to be alive, at most. Phones say so each 20 to
// 120 s.
const aliveAgain = time.Minute

// heard is a flow by which a phone registered.
type heard struct {
	aor  sip.AOR // the last one
	told time.Time
}

// isDirect reports whether a request has no Via but that of who began it.
func (m *message) isDirect() bool {
	n := 0
	m.values(via, func(header, span) bool { n++; return n < 2 })
	return n == 1
}

// hear follows the bindings of an AOR.
func (b *bindings) hear(aor sip.AOR, old, list []Binding) {
	for i := range old {
		if h := b.byFlow[old[i].flow]; h != nil && h.aor == aor {
			delete(b.byFlow, old[i].flow)
		}
	}
	for i := range list {
		if x := &list[i]; x.Direct {
			b.byFlow[x.flow] = &heard{aor: aor, told: time.Now()} // its REGISTER is told
		}
	}
}

// signOfLife returns the binding of who comes by a flow, if that is to be told.
func (b *bindings) signOfLife(in flow, now time.Time) (Binding, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.byFlow[in]
	if h == nil || now.Sub(h.told) < aliveAgain {
		return Binding{}, false
	}
	for _, x := range b.byAOR[h.aor] {
		if x.flow == in && x.Direct && x.Expires.After(now) {
			h.told = now
			return x, true
		}
	}
	return Binding{}, false
}

// signOfLife tells that something came by a flow.
func (w *worker) signOfLife(in flow) {
	if w.cfg.KeepAlive == nil {
		return
	}
	now := time.Now()
	if x, ok := w.bindings.signOfLife(in, now); ok {
		w.cfg.KeepAlive(KeepAlive{now, in.transport.String(), in.peer, x.AOR, "<" + x.URI + ">" + x.Params, x.CallID, x.Agent})
	}
}
