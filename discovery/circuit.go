package discovery

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// circuit is one circuit of one relay, in comparable form: known layouts
// without their VLAN.
type circuit struct {
	Remote, Circuit Hex `json:",omitempty"`
}

// holder is a phone that holds a lease through a circuit.
type holder struct {
	MAC   MAC `json:"ID"`
	Until Instant
}

// portHolders is how many phones may hold leases on one circuit before it is no
// access port: a phone, and its successor while the old lease runs out.
const portHolders = 2

func (t *Tracker) circuitOf(remote, id Hex) circuit {
	if id == "" {
		return circuit{}
	}
	return circuit{Remote: remote, Circuit: CanonicalCircuit(id)}
}

// shared reports whether a circuit serves so many phones that it is a subnet
// rather than a port, such as a VLAN interface of a layer-3 relay.
func (t *Tracker) shared(c circuit) bool {
	return c != circuit{} && len(t.circuits[c]) > portHolders && !t.cfg.accessRelay(c.Remote)
}

// hold moves a phone's lease from the circuit before to its current one. Where
// that changes how a circuit ranks, all its phones change.
func (t *Tracker) hold(tr *Track, before circuit, now Instant) {
	if !tr.IsPhone {
		return
	}
	c := tr.Stay.Circuit.circuit
	if before != c && before != (circuit{}) {
		t.setHolders(before, tr.ID.MAC, 0, now)
	}
	if c != (circuit{}) {
		t.setHolders(c, tr.ID.MAC, tr.Lease.Until, now)
	}
}

// recount counts a device's lease once it is known to be a phone.
func (t *Tracker) recount(tr *Track, now Instant) {
	if c := tr.Stay.Circuit.circuit; c != (circuit{}) {
		t.setHolders(c, tr.ID.MAC, tr.Lease.Until, now)
		t.refresh(tr, now)
	}
}

// watchCircuit makes the tracker look at a shared circuit when the first of its
// leases runs out: it may be a port again then. Leases of phones that cannot be
// heard now may have been renewed; resume looks at them again.
func (t *Tracker) watchCircuit(c circuit) {
	var first Instant
	for _, h := range t.circuits[c] {
		if !t.unheard(h.MAC) && (first.IsZero() || h.Until.Before(first)) {
			first = h.Until
		}
	}
	if first.IsZero() {
		return
	}
	if at, ok := t.watched[c]; !ok || first.Before(at) {
		t.watched[c] = first
		watched := c // on the heap only here
		heap.Push(&t.ageing, deadline{at: first, c: &watched})
	}
}

func (c circuit) compare(d circuit) int {
	return cmp.Or(cmp.Compare(c.Remote, d.Remote), cmp.Compare(c.Circuit, d.Circuit))
}

// unheard reports whether the interface on which a phone was last heard is not
// listening: its lease may have been renewed, or taken over.
func (t *Tracker) unheard(m MAC) bool {
	tr := t.tracks.OfMAC(m)
	return tr != nil && t.deaf(tr.lifeWire.String())
}

// holdOn keeps a phone's lease on its circuit for as long as it could not be
// heard.
func (t *Tracker) holdOn(tr *Track, gap time.Duration) {
	c := tr.Stay.Circuit.circuit
	held := t.circuits[c]
	for i := range held {
		if held[i].MAC == tr.ID.MAC {
			held[i].Until = held[i].Until.Add(gap)
		}
	}
	if t.shared(c) {
		t.watchCircuit(c)
	}
}

func (t *Tracker) setHolders(c circuit, m MAC, until, now Instant) {
	was := t.shared(c)
	kept := slices.DeleteFunc(t.circuits[c], func(h holder) bool {
		return h.MAC == m || !now.Before(h.Until) && !t.unheard(h.MAC)
	})
	if now.Before(until) {
		kept = append(kept, holder{m, until})
	}
	if len(kept) == 0 {
		delete(t.circuits, c)
	} else {
		t.circuits[c] = kept
	}
	if t.shared(c) {
		t.watchCircuit(c)
	}
	if t.shared(c) == was {
		return
	}
	for _, h := range kept {
		if tr := t.tracks.OfMAC(h.MAC); tr != nil && h.MAC != m && tr.Stay.Circuit.circuit == c {
			t.refresh(tr, now)
		}
	}
}
