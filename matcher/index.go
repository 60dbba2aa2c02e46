package matcher

import (
	"net/netip"

	"github.com/gaissmai/bart"

	"perch/discovery"
)

// index finds the rules of one site, or those that name no site. Each rule
// stands in one table, that of its strongest field; rules with the same entry
// form a chain through record.next.
//
// Sites have an index each because they repeat each other: the same private
// subnets, the same port names, the same circuits.
type index struct {
	ports    map[uint64]uint32 // chassis and port
	ranges   map[uint64]uint32 // chassis and name of the ports before their number
	circuits map[uint64]uint32 // remote ID or 0, and circuit
	bssids   map[uint64]uint32 // bssid.key
	lengths  [13]int           // rules in bssids by the digits they give
	chassis  map[uint64]uint32
	subnets  bart.Table[uint32]
	publics  bart.Table[uint32]
}

func newIndex() *index {
	return &index{
		ports: map[uint64]uint32{}, ranges: map[uint64]uint32{}, circuits: map[uint64]uint32{},
		bssids: map[uint64]uint32{}, chassis: map[uint64]uint32{},
	}
}

func pair(a, b symbol) uint64 { return uint64(a)<<32 | uint64(b) }

// entry returns where a record stands: a map with its key, or a prefix table.
func (x *index) entry(rec *record) (m map[uint64]uint32, k uint64, t *bart.Table[uint32], p netip.Prefix) {
	switch {
	case rec.level == discovery.LevelPort && rec.port == 0:
		return x.circuits, pair(rec.remote, rec.circuit), nil, p
	case rec.level == discovery.LevelPort && rec.hi == 0:
		return x.ports, pair(rec.chassis, rec.port), nil, p
	case rec.level == discovery.LevelPort:
		return x.ranges, pair(rec.chassis, rec.port), nil, p
	case rec.level == discovery.LevelBSSID:
		return x.bssids, rec.bssid.key(), nil, p
	case rec.level == discovery.LevelChassis:
		return x.chassis, uint64(rec.chassis), nil, p
	case rec.level == discovery.LevelSubnet:
		return nil, 0, &x.subnets, rec.subnet.prefix()
	}
	return nil, 0, &x.publics, rec.public.prefix()
}

// first returns the head of the chain that a record belongs to, or none.
func (x *index) first(rec *record) uint32 {
	m, k, t, p := x.entry(rec)
	i, ok := m[k]
	if t != nil {
		i, ok = t.Get(p)
	}
	if !ok {
		return none
	}
	return i
}

// setFirst makes i the head of the chain of rec; none removes the chain.
func (x *index) setFirst(rec *record, i uint32) {
	m, k, t, p := x.entry(rec)
	switch {
	case t != nil && i == none:
		t.Delete(p)
	case t != nil:
		t.Insert(p, i)
	case i == none:
		delete(m, k)
	default:
		m[k] = i
	}
}

// link puts record i into its site's index.
func (w *Wiremap) link(i uint32) {
	rec := &w.records[i]
	x := w.index(rec)
	rec.next = x.first(rec)
	x.setFirst(rec, i)
	if rec.level == discovery.LevelBSSID {
		x.lengths[rec.bssid.nibbles]++
	}
}

// unlink takes record i out of its site's index.
func (w *Wiremap) unlink(i uint32) {
	rec := &w.records[i]
	x := w.index(rec)
	if rec.level == discovery.LevelBSSID {
		x.lengths[rec.bssid.nibbles]--
	}
	if x.first(rec) == i {
		x.setFirst(rec, rec.next)
		return
	}
	for at := x.first(rec); at != none; at = w.records[at].next {
		if w.records[at].next == i {
			w.records[at].next = rec.next
			return
		}
	}
}

// index returns the index of a record's site, and makes it if it is new.
func (w *Wiremap) index(rec *record) *index {
	x := w.sites[rec.site]
	if x == nil {
		x = newIndex()
		w.sites[rec.site] = x
	}
	return x
}
