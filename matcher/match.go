package matcher

import (
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"perch/discovery"
)

// query is an attachment in the terms of the wiremap. Aliases stand second.
type query struct {
	site            symbol
	chassis         [2]chassisID
	ports           [2]portID
	names           [2]portID // of ranges that may contain the ports
	numbers         [2]uint32
	remote, circuit symbol
	bssid           bssid
	vlan            uint16
	ip, public      netip.Addr
	shared          bool // the circuit is
	users           []string
}

func (w *Wiremap) newQuery(a *discovery.Attachment, users []string) query {
	q := query{vlan: a.VLAN, ip: a.IP.Unmap(), public: a.PublicIP.Unmap(), shared: a.Shared, users: users}
	if a.Site != "" {
		q.site = w.symbols.find(a.Site)
	}
	q.setPort(w, 0, a.ChassisID, a.PortID)
	q.setPort(w, 1, a.AliasChassisID, a.AliasPortID)
	if a.CircuitID != "" {
		q.circuit = w.symbols.find(string(discovery.CanonicalCircuit(a.CircuitID)))
	}
	if a.RemoteID != "" {
		q.remote = w.symbols.find(string(a.RemoteID))
	}
	if !a.BSSID.IsZero() {
		q.bssid = bssidOf(a.BSSID)
	}
	return q
}

func (q *query) setPort(w *Wiremap, i int, chassis, port string) {
	q.chassis[i] = chassisOf(chassis, w.symbols.findBytes)
	if port == "" {
		return
	}
	port = canonicalPort(port)
	q.ports[i], q.names[i] = portIDOf(port, w.symbols.find), noRange
	if w.ranges > 0 {
		if name, n, ok := cutNumber(port); ok {
			q.names[i], q.numbers[i] = rangeBit|portID(w.symbols.find(name)), n
		}
	}
}

func (s *symbols) findBytes(text []byte) symbol {
	if y, ok := s.of[string(text)]; ok { // the conversion does not allocate
		return y
	}
	return unknown
}

// best is the strongest record found so far that holds.
type best struct {
	index uint32
	level discovery.Level // none if nothing was found
}

// Match returns the location that the wiremap gives for an attachment of a
// phone with these users (lower-case emails). It does not allocate, apart from
// the few bytes of a circuit ID whose canonical form is another.
func (w *Wiremap) Match(a discovery.Attachment, users []string) Match {
	if p, ok := w.ignores(&a); ok {
		return Match{Ignored: p}
	}
	q := w.newQuery(&a, users)
	return w.match(w.search(&q))
}

func (w *Wiremap) match(b best) Match {
	if b.level == discovery.LevelNone {
		return Match{}
	}
	rec := &w.records[b.index]
	p := &w.places[rec.place]
	return Match{Location: p.id, Personal: p.personal, Rule: w.rule(rec), Level: b.level}
}

// search looks from the strongest level down and stops where nothing stronger
// can follow.
func (w *Wiremap) search(q *query) best {
	var b best
	indexes := [2]*index{w.sites[0]}
	if q.site != 0 && q.site != unknown {
		indexes[1] = w.sites[q.site]
	}
	for level := discovery.LevelPort; level > discovery.LevelNone && b.level <= level; level-- {
		for _, x := range indexes {
			if x != nil {
				w.searchLevel(x, q, level, &b)
			}
		}
	}
	return b
}

func (w *Wiremap) searchLevel(x *index, q *query, level discovery.Level, b *best) {
	switch level {
	case discovery.LevelPort:
		w.searchPorts(x, q, b)
		// A shared circuit ranks lower, but its rules stand here: what they
		// give is kept, and beaten by anything stronger.
		w.searchCircuits(x, q, b)
	case discovery.LevelBSSID:
		if q.bssid.nibbles == 0 {
			return
		}
		for n, rules := range x.lengths {
			if rules > 0 {
				w.tryEntry(&x.bssids, q.bssid.cut(uint8(n)).key(), q, b)
			}
		}
	case discovery.LevelChassis:
		w.tryEntry(&x.chassis, uint64(q.chassis[0]), q, b)
		if q.chassis[1] != 0 {
			w.tryEntry(&x.chassis, uint64(q.chassis[1]), q, b)
		}
	case discovery.LevelSubnet:
		w.searchPrefixes(&x.subnets, q.ip, level, q, b)
	case discovery.LevelPublicIP:
		w.searchPrefixes(&x.publics, q.public, level, q, b)
	}
}

func (w *Wiremap) searchPorts(x *index, q *query, b *best) {
	for _, chassis := range q.chassis {
		if chassis == 0 || chassis == unknownChassis {
			continue
		}
		for j, port := range q.ports {
			if port == 0 {
				continue
			}
			w.tryEntry(&x.ports, portKey(chassis, port), q, b)
			w.tryEntry(&x.ranges, portKey(chassis, q.names[j]), q, b)
		}
	}
}

func (w *Wiremap) searchCircuits(x *index, q *query, b *best) {
	if q.circuit == 0 || q.circuit == unknown {
		return
	}
	w.tryEntry(&x.circuits, pair(0, q.circuit), q, b)
	if q.remote != 0 {
		w.tryEntry(&x.circuits, pair(q.remote, q.circuit), q, b)
	}
}

// searchPrefixes tries the longest prefix, then shorter ones until a rule holds.
func (w *Wiremap) searchPrefixes(t *bart.Table[uint32], ip netip.Addr, level discovery.Level, q *query, b *best) {
	if !ip.IsValid() {
		return
	}
	first, ok := t.Lookup(ip)
	for ok && !w.tryChain(first, q, b) {
		p := w.records[first].subnet
		if level == discovery.LevelPublicIP {
			p = w.extraOf(&w.records[first]).public
		}
		if p.bits() == 0 {
			return
		}
		shorter, _ := ip.Prefix(p.bits() - 1)
		first, ok = t.LookupPrefix(shorter)
	}
}

func (w *Wiremap) tryEntry(t *table, k uint64, q *query, b *best) {
	if first := t.get(k); first != none {
		w.tryChain(first, q, b)
	}
}

// tryChain keeps the strongest record of a chain that holds, if it is stronger
// than what b has, and reports whether any held.
func (w *Wiremap) tryChain(first uint32, q *query, b *best) bool {
	held := false
	for i := first; i != none; i = w.records[i].next {
		if w.fault(q, &w.records[i]) != Won {
			continue
		}
		held = true
		if b.level != discovery.LevelNone {
			if order, _ := w.compare(b.index, i, q.shared); order <= 0 {
				continue
			}
		}
		*b = best{i, w.levelOf(&w.records[i], q.shared)}
	}
	return held
}

// fault returns why a record does not hold for an attachment, or Won if it
// does. Each field that the record names must hold.
func (w *Wiremap) fault(q *query, rec *record) Reason {
	if why := rec.fault(q); why != Won {
		return why
	}
	x := w.extraOf(rec)
	if rec.extra != 0 || rec.port != 0 {
		if why := x.fault(q, rec.port); why != Won {
			return why
		}
	}
	p := &w.places[rec.place]
	switch {
	case rec.rank.level() == discovery.LevelSubnet && q.public.IsValid():
		return BehindNAT
	case q.shared && x.circuit != 0 && x.shared <= discovery.LevelSubnet && p.deep:
		return CircuitShared
	case !p.live:
		return NotLive
	case p.personal && !slices.Contains(q.users, w.symbols.text[p.owner]):
		return OtherOwner
	}
	return Won
}

func (rec *record) fault(q *query) Reason {
	switch {
	case rec.site != 0 && rec.site != q.site:
		return missing(q.site == 0, NoSite, OtherSite)
	case rec.chassis != 0 && rec.chassis != q.chassis[0] && rec.chassis != q.chassis[1]:
		return missing(q.chassis == [2]chassisID{}, NoChassis, OtherChassis)
	case rec.vlan != 0 && rec.vlan != q.vlan:
		return missing(q.vlan == 0, NoVLAN, OtherVLAN)
	case rec.subnet.isSet() && !rec.subnet.contains(q.ip):
		return missing(!q.ip.IsValid(), NoIP, OutsideSubnet)
	}
	return Won
}

func (x *extra) fault(q *query, port portID) Reason {
	switch {
	case port != 0 && !x.isPort(q, 0, port) && !x.isPort(q, 1, port):
		return missing(q.ports == [2]portID{}, NoPort, OtherPort)
	case x.remote != 0 && x.remote != q.remote:
		return missing(q.remote == 0, NoRemote, OtherRemote)
	case x.circuit != 0 && x.circuit != q.circuit:
		return missing(q.circuit == 0, NoCircuit, OtherCircuit)
	case x.bssid.nibbles != 0 && !x.bssid.contains(q.bssid):
		return missing(q.bssid.nibbles == 0, NoBSSID, OtherBSSID)
	case x.public.isSet() && !x.public.contains(q.public):
		return missing(!q.public.IsValid(), NoPublicIP, OtherPublicIP)
	}
	return Won
}

func missing(is bool, no, other Reason) Reason {
	if is {
		return no
	}
	return other
}

// isPort reports whether the port or range of ports has the i-th name of the
// attachment's port.
func (x *extra) isPort(q *query, i int, port portID) bool {
	if x.hi == 0 {
		return port == q.ports[i]
	}
	return port == q.names[i] && x.lo <= q.numbers[i] && q.numbers[i] <= x.hi
}
