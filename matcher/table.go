package matcher

import "math/bits"

// table maps keys to the heads of chains. It is open addressing with linear
// probing, at most three quarters full: looking up a key in a big table touches
// one cache line, where the built-in map touches three or four. The zero value
// is empty.
type table struct {
	slots []slot // their number is a power of two, or 0
	used  int
}

type slot struct {
	key  uint64
	head uint32 // record index plus 1; 0 is an empty slot
}

// home returns where a key belongs. Multiplying by 2^64 divided by the golden
// ratio spreads keys that differ little over the high bits.
func (t *table) home(key uint64) int {
	return int((key ^ key>>32) * 0x9e3779b97f4a7c15 >> (65 - bits.Len(uint(len(t.slots)))))
}

// get returns the head of a key's chain, or none.
func (t *table) get(key uint64) uint32 {
	if len(t.slots) == 0 {
		return none
	}
	for i := t.home(key); t.slots[i].head != 0; i = (i + 1) & (len(t.slots) - 1) {
		if t.slots[i].key == key {
			return t.slots[i].head - 1
		}
	}
	return none
}

// set makes i the head of a key's chain.
func (t *table) set(key uint64, i uint32) {
	if 4*(t.used+1) > 3*len(t.slots) {
		t.grow()
	}
	at := t.home(key)
	for ; t.slots[at].head != 0; at = (at + 1) & (len(t.slots) - 1) {
		if t.slots[at].key == key {
			t.slots[at].head = i + 1
			return
		}
	}
	t.slots[at] = slot{key, i + 1}
	t.used++
}

func (t *table) grow() {
	old := t.slots
	t.slots, t.used = make([]slot, max(8, 2*len(old))), 0
	for _, s := range old {
		if s.head != 0 {
			t.set(s.key, s.head-1)
		}
	}
}

// remove removes a key. Keys behind it move up, so that no probing stops short.
func (t *table) remove(key uint64) {
	if t.get(key) == none {
		return
	}
	mask := len(t.slots) - 1
	hole := t.home(key)
	for t.slots[hole].key != key || t.slots[hole].head == 0 {
		hole = (hole + 1) & mask
	}
	t.used--
	for i := (hole + 1) & mask; t.slots[i].head != 0; i = (i + 1) & mask {
		// What stands at i may fill the hole unless its home lies behind it.
		if (i-t.home(t.slots[i].key))&mask >= (i-hole)&mask {
			t.slots[hole] = t.slots[i]
			hole = i
		}
	}
	t.slots[hole] = slot{}
}
