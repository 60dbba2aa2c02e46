package proxy

import (
	"net/netip"
	"slices"
	"time"

	"perch/sip"
)

// KeepAlive is a sign of life of a phone, by the flow that it registered by: the lines
// without end of RFC 5626 section 3.5.1, a Binding request of STUN, or any request.
type KeepAlive struct {
	Time      time.Time      `json:"time"`
	Transport string         `json:"transport"` // as in Observation
	Source    netip.AddrPort `json:"source"`
	AOR       sip.AOR        `json:"aor"`     // that it registered by the flow, as it calls it
	Contact   string         `json:"contact"` // likewise, with its parameters
	CallID    string         `json:"call_id"`
	Agent     string         `json:"agent,omitempty"` // User-Agent
}

// aliveAgain is how often a phone is told to be alive, at most. Phones say so each 20 to
// 120 s.
const aliveAgain = time.Minute

// heard is a flow by which a phone registered.
type heard struct {
	aors []sip.AOR
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
		f := old[i].flow
		h := b.byFlow[f]
		if h == nil || slices.ContainsFunc(list, func(x Binding) bool { return x.Direct && x.flow == f }) {
			continue
		}
		if h.aors = slices.DeleteFunc(h.aors, func(a sip.AOR) bool { return a == aor }); len(h.aors) == 0 {
			delete(b.byFlow, f)
		}
	}
	for i := range list {
		x := &list[i]
		if !x.Direct {
			continue
		}
		h := b.byFlow[x.flow]
		if h == nil {
			h = &heard{told: time.Now()} // its REGISTER is
			b.byFlow[x.flow] = h
		}
		if !slices.Contains(h.aors, aor) {
			h.aors = append(h.aors, aor)
		}
	}
}

// signOfLife returns the bindings of who comes by a flow, if that is to be told: one of
// each line.
func (b *bindings) signOfLife(in flow, now time.Time) (list []Binding) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.byFlow[in]
	if h == nil || now.Sub(h.told) < aliveAgain {
		return nil
	}
	h.told = now
	for _, a := range h.aors {
		for _, x := range slices.Backward(b.byAOR[a]) {
			if x.flow == in && x.Direct && x.Expires.After(now) {
				list = append(list, x)
				break
			}
		}
	}
	return list
}

// signOfLife tells that something came by a flow.
func (w *worker) signOfLife(in flow) {
	if w.cfg.KeepAlive == nil {
		return
	}
	now := time.Now()
	for _, x := range w.bindings.signOfLife(in, now) {
		aor := x.To
		if aor == "" {
			aor = x.AOR
		}
		w.cfg.KeepAlive(KeepAlive{now, in.transport.String(), in.peer, aor, "<" + x.URI + ">" + x.Params, x.CallID, x.Agent})
	}
}
