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
	ports    table   // portKey
	ranges   table   // portKey, of the name before the number
	circuits table   // remote ID or 0, and circuit
	bssids   table   // bssid.key
	lengths  [13]int // rules in bssids by the digits they give
	chassis  table   // chassisID
	subnets  bart.Table[uint32]
	publics  bart.Table[uint32]
}

func pair(a, b symbol) uint64 { return uint64(a)<<32 | uint64(b) }

// portKey spreads a chassis and a port over 64 bits. Where two pairs fall
// together they share a chain, whose records are all compared in full.
func portKey(c chassisID, p portID) uint64 {
	return (uint64(c)*0x9e3779b97f4a7c15 ^ uint64(p)) * 0xff51afd7ed558ccd
}

// entry is where a record stands: in a table under a key, or under a prefix.
type entry struct {
	keyed  *table
	key    uint64
	trie   *bart.Table[uint32]
	prefix netip.Prefix
}

func (x *index) entry(rec *record, e *extra) entry {
	switch {
	case rec.rank.level() == discovery.LevelPort && rec.port == 0:
		return entry{keyed: &x.circuits, key: pair(e.remote, e.circuit)}
	case rec.rank.level() == discovery.LevelPort && e.hi == 0:
		return entry{keyed: &x.ports, key: portKey(rec.chassis, rec.port)}
	case rec.rank.level() == discovery.LevelPort:
		return entry{keyed: &x.ranges, key: portKey(rec.chassis, rec.port)}
	case rec.rank.level() == discovery.LevelBSSID:
		return entry{keyed: &x.bssids, key: e.bssid.key()}
	case rec.rank.level() == discovery.LevelChassis:
		return entry{keyed: &x.chassis, key: uint64(rec.chassis)}
	case rec.rank.level() == discovery.LevelSubnet:
		return entry{trie: &x.subnets, prefix: rec.subnet.prefix()}
	}
	return entry{trie: &x.publics, prefix: e.public.prefix()}
}

// first returns the head of the entry's chain, or none.
func (e entry) first() uint32 {
	if e.trie == nil {
		return e.keyed.get(e.key)
	}
	if i, ok := e.trie.Get(e.prefix); ok {
		return i
	}
	return none
}

// setFirst makes i the head of the entry's chain; none removes the entry.
func (e entry) setFirst(i uint32) {
	switch {
	case e.trie != nil && i == none:
		e.trie.Delete(e.prefix)
	case e.trie != nil:
		e.trie.Insert(e.prefix, i)
	case i == none:
		e.keyed.remove(e.key)
	default:
		e.keyed.set(e.key, i)
	}
}

// first returns the head of the chain in which a record stands or would stand,
// or none.
func (w *Wiremap) first(rec *record, e *extra) uint32 {
	x := w.sites[rec.site]
	if x == nil {
		return none
	}
	return x.entry(rec, e).first()
}

// link puts record i into its site's index.
func (w *Wiremap) link(i uint32) {
	rec := &w.records[i]
	x := w.sites[rec.site]
	if x == nil {
		x = new(index)
		w.sites[rec.site] = x
	}
	e := w.extraOf(rec)
	at := x.entry(rec, e)
	rec.next = at.first()
	at.setFirst(i)
	if rec.rank.level() == discovery.LevelBSSID {
		x.lengths[e.bssid.nibbles]++
	}
}

// unlink takes record i out of its site's index.
func (w *Wiremap) unlink(i uint32) {
	rec := &w.records[i]
	x, e := w.sites[rec.site], w.extraOf(rec)
	if rec.rank.level() == discovery.LevelBSSID {
		x.lengths[e.bssid.nibbles]--
	}
	at := x.entry(rec, e)
	if at.first() == i {
		at.setFirst(rec.next)
		return
	}
	for j := at.first(); j != none; j = w.records[j].next {
		if w.records[j].next == i {
			w.records[j].next = rec.next
			return
		}
	}
}
