package discovery

import (
	"slices"
	"strings"
	"time"

	"perch/sip"
)

// transaction names a REGISTER and its answer (RFC 3261 section 8.1.1.4).
type transaction struct {
	CallID string
	CSeq   uint32
}

// try is a REGISTER whose answer has not been seen, and what of its frame says
// which phone it is.
type try struct {
	Time            Instant
	File, Interface string    `json:",omitempty"`
	MAC, Dst        MAC       `json:",omitzero"`
	VLANs           []uint16  `json:",omitempty"`
	Register        *Register `json:",omitempty"` // nil once answered: copies on other wires count no more
	Octets          int       `json:",omitempty"` // of its message, all of which its texts keep in memory
	Part            bool      `json:",omitempty"` // it was read in part only, as from the first fragment

	wire *wire // that it was first heard on
}

// tryQueue is what an interface heard of REGISTERs that wait for their answers.
type tryQueue struct {
	order  []transaction // the oldest first
	octets int           // of all of them, in memory
}

// tryLife is how long a REGISTER may wait for its answer: timer F (RFC 3261
// section 17.1.2.2), 64 times T1.
const tryLife = 32 * time.Second

// maxTryOctets bounds, for each interface, what a scanner can cost: as much as
// some 28 000 REGISTERs of an ordinary length. tryOctets is what one takes beside
// its message.
const (
	maxTryOctets = 48 << 20
	tryOctets    = 1 << 10
)

// maxText bounds, in octets, each text of a REGISTER that is kept: Call-ID, AOR,
// instance ID and the URI of a Contact. No phone's is nearly as long.
const maxText = 1024

// try remembers a REGISTER until its answer comes. Of copies on several wires
// the first counts, the one nearest to the phone; but what it says is read from
// one that is whole, if the first was read only in part.
func (t *Tracker) try(s *sight) {
	q := &s.wire.tries
	t.dropTries(q, s.now)
	r := s.Register
	k := transaction{valid(r.CallID), r.CSeq}
	if k.CallID == "" || r.AOR == "" || tooLong(r) {
		return
	}
	x := t.tries[k]
	if x == nil {
		k.CallID = strings.Clone(k.CallID) // it outlives the message: see Line.says
		x = &try{Time: s.at, File: s.File, Interface: s.Interface, MAC: s.MAC, Dst: s.Dst, VLANs: s.VLANs}
		t.tries[k] = x
		s.wire.enqueue(k, x)
	} else if !x.Part || x.Register == nil || s.Malformed != "" {
		return
	}
	x.Register, x.Part = r, s.Malformed != ""
	x.weigh(r.octets)
}

// tooLong reports whether a REGISTER has a text that is not kept.
func tooLong(r *Register) bool {
	return len(r.CallID) > maxText || len(r.AOR) > maxText || len(r.Instance) > maxText ||
		slices.ContainsFunc(r.Contacts, func(c sip.Contact) bool { return len(c.URI) > maxText })
}

// enqueue takes a try into the account of its interface.
func (w *wire) enqueue(k transaction, x *try) {
	x.wire = w
	w.tries.order = append(w.tries.order, k)
	w.tries.octets += tryOctets + x.Octets
}

// weigh notes how many octets a try's message has.
func (x *try) weigh(octets int) {
	x.wire.tries.octets += octets - x.Octets
	x.Octets = octets
}

// answered returns the REGISTER of a try, which counts no more.
func (x *try) answered() *Register {
	r := x.Register
	x.Register = nil
	x.weigh(0)
	return r
}

// dropTries forgets the tries of an interface that wait no more, or for which
// there is no room.
func (t *Tracker) dropTries(q *tryQueue, now Instant) {
	for len(q.order) > 0 {
		k := q.order[0]
		x := t.tries[k]
		if q.octets <= maxTryOctets && now.Sub(x.Time) <= tryLife {
			return
		}
		q.octets -= tryOctets + x.Octets
		q.order = q.order[1:]
		delete(t.tries, k)
	}
	q.order = nil
}

// storedTries returns the tries of interfaces, those of each in their order.
func (t *Tracker) storedTries(wires []*wire) []storedTry {
	var out []storedTry
	for _, w := range wires {
		for _, k := range w.tries.order {
			out = append(out, storedTry{k, *t.tries[k]})
		}
	}
	return out
}

// restoreTries takes over what storedTries returned.
func (t *Tracker) restoreTries(stored []storedTry) {
	for _, x := range stored {
		t.tries[x.transaction] = &x.try
		t.wireOf(x.File, x.Interface).enqueue(x.transaction, &x.try)
	}
}
