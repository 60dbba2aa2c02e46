package discovery

import (
	"cmp"
	"container/heap"
	"net/netip"
	"slices"
	"time"
)

// What a hostile wire can make the tracker remember is bounded. A table that is
// full gives up its least: what nobody vouches for before what a lease or proof
// stands behind, and of equals the one heard longest ago.
const (
	// maxGuests bounds, for each interface, the devices and phones that are not
	// confirmed: neither listed in the directory nor ever registered. A site has
	// hundreds; a flood of random MACs has any number.
	maxGuests = 8192

	// maxRegistered bounds, for each interface, the phones that registered and that
	// the directory does not list: whoever can forge a REGISTER and its answer can
	// make up any number. A full table gives up roomRegistered of them at once.
	maxRegistered  = 1 << 16
	roomRegistered = 1 << 10

	// maxLines bounds the AORs of one phone, and maxProvisional the phones without
	// a known MAC of one AOR, since ever.
	maxLines       = 1024
	maxProvisional = 256

	// maxLoose bounds the bindings that rest on ARP or Neighbor Discovery alone.
	maxLoose = 1 << 16

	// maxRouters bounds the senders that are watched for being routers, a matter
	// of routerWindow, together with those that are.
	maxRouters = 1 << 14

	// maxGateways bounds the addresses that were said to be a router's.
	maxGateways = 4096

	// maxRequests bounds the DHCP exchanges under way.
	maxRequests = 1 << 14

	// maxSpeakers and maxNeighbors bound, for each interface, who announces
	// itself there: many more than tell a link from a mirror.
	maxSpeakers  = 16
	maxNeighbors = 16

	// maxSources bounds the MACs that one switch port's frames come from.
	maxSources = 8
)

// Stats counts what the bounds made the tracker give up since it was made.
type Stats struct {
	Guests     uint64 // devices and unconfirmed phones
	Registered uint64 // registered phones that the directory does not list
	Lines      uint64 // AORs of one phone, and phones without a known MAC of one AOR
	Bindings   uint64
	Routers    uint64
	Gateways   uint64
	Requests   uint64
	Speakers   uint64 // announcers on one interface, phones and switch ports
	Unasked    uint64 // leases that nobody was heard to ask for and that contradict what is known
	Displaced  uint64 // claims to an address that another device holds by a lease or a registration
}

// Stats returns what was given up.
func (t *Tracker) Stats() Stats { return t.stats }

// bounds keeps the order in which full tables give up.
type bounds struct {
	guests     map[string]*roster[PhoneID] // by interface
	registered map[wireName]int            // by interface, how many there are
	loose      *roster[address]
	routers    *roster[MAC]
	gateways   *roster[address]
	requests   *roster[MAC]
}

func newBounds() bounds {
	return bounds{
		guests:     map[string]*roster[PhoneID]{},
		registered: map[wireName]int{},
		loose:      newRoster(compareAddresses),
		routers:    newRoster(compareMACs),
		gateways:   newRoster(compareAddresses),
		requests:   newRoster(compareMACs),
	}
}

// guestsOn returns the account of an interface, made if need be.
func (b *bounds) guestsOn(wire string) *roster[PhoneID] {
	r := b.guests[wire]
	if r == nil {
		r = newRoster(PhoneID.Compare)
		b.guests[wire] = r
	}
	return r
}

// note takes a key into the account of a table. If that has more than most, its
// least is deleted from the table, and counted.
func note[K comparable, V any](r *roster[K], table map[K]V, k K, at Instant, most int, worthOf func(V) worth, given *uint64) {
	r.add(k, worth{at: at})
	if r.len() > most {
		delete(table, r.least(func(k K) worth { return worthOf(table[k]) }))
		*given++
	}
}

// admit takes a track that is not confirmed into its interface's account, and
// gives up another one if that is full.
func (t *Tracker) admit(tr *Track, now Instant) {
	if tr.ID.Provisional() || t.confirmed(tr) {
		return
	}
	r := t.bounds.guestsOn(tr.wire.String())
	r.add(tr.ID, tr.worth())
	if r.len() > maxGuests {
		t.stats.Guests++
		least := r.leastBut(tr.ID, func(id PhoneID) worth { return t.tracks.Of(id).worth() })
		t.dismiss(t.tracks.Of(least), now)
	}
}

// dismiss forgets a track, and tells if it was taken for a phone.
func (t *Tracker) dismiss(tr *Track, now Instant) {
	t.report(tr, NotAPhone)
	t.forget(tr, now)
}

// confirmed reports whether somebody vouches for a phone: the directory, or the
// registrar that accepted a REGISTER of its.
func (t *Tracker) confirmed(tr *Track) bool {
	return tr.Confirmed || t.dir.PhoneListed(tr.ID.MAC)
}

// confirm moves a phone from the account of those that are not confirmed to that
// of those that registered.
func (t *Tracker) confirm(tr *Track, now Instant) {
	if tr.Confirmed {
		return
	}
	t.discharge(tr)
	tr.Confirmed = true
	if !t.selfMade(tr) {
		return
	}
	t.bounds.registered[tr.wire]++
	if t.bounds.registered[tr.wire] > maxRegistered {
		t.makeRoom(tr, now)
	}
}

// selfMade reports whether a registration alone vouches for a phone.
func (t *Tracker) selfMade(tr *Track) bool {
	return tr.Confirmed && !t.dir.PhoneListed(tr.ID.MAC)
}

// makeRoom gives up registered phones of an interface for another one: first those
// that are gone, the longest ago before others, then those without a lease, then
// the last to come. So a flood of them is at its own expense.
func (t *Tracker) makeRoom(newcomer *Track, now Instant) {
	var all []*Track
	for _, tr := range t.tracks.All() {
		if tr != newcomer && tr.wire == newcomer.wire && t.selfMade(tr) {
			all = append(all, tr)
		}
	}
	slices.SortFunc(all, func(a, b *Track) int {
		return cmp.Or(a.worthRegistered().compare(b.worthRegistered()), a.ID.Compare(b.ID))
	})
	for _, tr := range all[:min(roomRegistered, len(all))] {
		t.stats.Registered++
		t.dismiss(tr, now)
	}
}

// discharge takes a track out of its interface's account.
func (t *Tracker) discharge(tr *Track) {
	if t.selfMade(tr) {
		t.bounds.registered[tr.wire]--
	} else if r := t.bounds.guests[tr.wire.String()]; r != nil {
		r.remove(tr.ID)
	}
}

// account makes the accounts anew from what is known, after the directory or the
// state has been replaced, without giving up anything: in what order that happens
// depends on nothing else.
func (t *Tracker) account() {
	t.bounds, t.accounted = newBounds(), true
	for id, tr := range t.tracks.All() {
		switch {
		case t.selfMade(tr):
			t.bounds.registered[tr.wire]++
		case !id.Provisional() && !t.confirmed(tr):
			t.bounds.guestsOn(tr.wire.String()).add(id, tr.worth())
		}
	}
	for a, b := range t.bindings.all() {
		if !b.Firm {
			t.bounds.loose.add(a, worth{at: b.At})
		}
	}
	for m, r := range t.routers {
		t.bounds.routers.add(m, r.worth())
	}
	for a, at := range t.gateways {
		t.bounds.gateways.add(a, worth{at: at})
	}
	for m, r := range t.requests {
		t.bounds.requests.add(m, worth{at: r.At})
	}
}

// worth says how willingly something is given up: the lower rank first, then what
// was heard longer ago. Of one thing it never decreases.
type worth struct {
	rank uint8
	at   Instant
}

func (w worth) compare(x worth) int {
	return cmp.Or(cmp.Compare(w.rank, x.rank), cmp.Compare(w.at, x.at))
}

// worth of a guest: a lease is more than a frame.
func (tr *Track) worth() worth {
	w := worth{at: tr.Life}
	if tr.Lease.IP.IsValid() {
		w.rank = 1
	}
	if tr.Booted.After(w.at) {
		w.at = tr.Booted
	}
	return w
}

// worthRegistered is the worth among the registered: see makeRoom. Of those that
// are there the later to come is worth less (the complement turns the order), which
// no roster bears.
func (tr *Track) worthRegistered() worth {
	switch {
	case tr.Gone:
		return worth{0, tr.Life}
	case !tr.Lease.IP.IsValid():
		return worth{1, ^tr.Arrived}
	}
	return worth{2, ^tr.Arrived}
}

// worth of a sender: proof is more than suspicion.
func (r *router) worth() worth {
	w := worth{at: r.Since}
	if !r.Since.IsZero() {
		w.rank = 1
	}
	if n := len(r.Sources); n > 0 && r.Sources[n-1].At.After(w.at) {
		w.at = r.Sources[n-1].At
	}
	return w
}

// sender returns what is known of a sender, made if need be.
func (t *Tracker) sender(m MAC, now Instant) *router {
	r := t.routers[m]
	if r != nil {
		return r
	}
	r = &router{}
	t.routers[m] = r
	b := t.bounds.routers
	if b.add(m, worth{at: now}); b.len() > maxRouters {
		delete(t.routers, b.leastBut(m, func(x MAC) worth { return t.routers[x].worth() }))
		t.stats.Routers++
	}
	return r
}

// loosely notes a binding that rests on its owner's word alone.
func (t *Tracker) loosely(a address, at Instant) {
	loose := t.bounds.loose
	loose.add(a, worth{at: at})
	if loose.len() <= maxLoose {
		return
	}
	t.bindings.delete(loose.least(func(a address) worth {
		b, _ := t.bindings.of(a)
		return worth{at: b.At}
	}))
	t.stats.Bindings++
}

// vouch makes a binding firm by which a REGISTER was accepted.
func (t *Tracker) vouch(s *sight, ip netip.Addr, m MAC, expires time.Duration) {
	a := address{s.site, ip}
	b, ok := t.bindings.of(a)
	if !ok || b.MAC != m || b.Until.Before(s.now) {
		return
	}
	b.Firm = true
	if until := s.now.Add(expires); until.After(b.Until) {
		b.Until = until
	}
	t.bindings.set(a, b)
	t.bounds.loose.remove(a)
}

// compactAgeing drops deadlines of what is not known any more, when there are
// more of those than of others.
func (t *Tracker) compactAgeing() {
	if len(t.ageing) <= 2*(t.tracks.Len()+len(t.watched))+1024 {
		return
	}
	kept := t.ageing[:0]
	for _, d := range t.ageing {
		if d.tr == nil && t.watched[*d.c] == d.at || d.tr != nil && t.tracks.Of(d.tr.ID) == d.tr && d.tr.wake == d.at {
			kept = append(kept, d)
		}
	}
	clear(t.ageing[len(kept):])
	t.ageing = kept
	heap.Init(&t.ageing)
}
