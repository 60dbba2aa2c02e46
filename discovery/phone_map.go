package discovery

import (
	"iter"
	"maps"
)

// PhoneMap is a map with phones as keys. Nearly all phones are named by their MAC,
// so that a key is 6 octets rather than a PhoneID's 32. See NewPhoneMap.
type PhoneMap[V any] struct {
	macs        map[MAC]V
	provisional map[PhoneID]V
}

// NewPhoneMap returns an empty map.
func NewPhoneMap[V any]() *PhoneMap[V] {
	return &PhoneMap[V]{macs: map[MAC]V{}, provisional: map[PhoneID]V{}}
}

// Len returns how many phones have a value.
func (m *PhoneMap[V]) Len() int { return len(m.macs) + len(m.provisional) }

// Grow makes room for n phones more.
func (m *PhoneMap[V]) Grow(n int) {
	if n > len(m.macs) {
		larger := make(map[MAC]V, len(m.macs)+n)
		maps.Copy(larger, m.macs)
		m.macs = larger
	}
}

// Of returns the value of a phone, or the zero value.
func (m *PhoneMap[V]) Of(id PhoneID) V {
	if id.Provisional() {
		return m.provisional[id]
	}
	return m.macs[id.MAC]
}

// OfMAC returns the value of the phone with a MAC, or the zero value.
func (m *PhoneMap[V]) OfMAC(mac MAC) V { return m.macs[mac] }

// Set gives a phone a value.
func (m *PhoneMap[V]) Set(id PhoneID, v V) {
	if id.Provisional() {
		m.provisional[id] = v
	} else {
		m.macs[id.MAC] = v
	}
}

// Delete takes a phone out.
func (m *PhoneMap[V]) Delete(id PhoneID) {
	if id.Provisional() {
		delete(m.provisional, id)
	} else {
		delete(m.macs, id.MAC)
	}
}

// All yields the phones with their values, in no order. They may be deleted
// meanwhile.
func (m *PhoneMap[V]) All() iter.Seq2[PhoneID, V] {
	return func(yield func(PhoneID, V) bool) {
		for mac, v := range m.macs {
			if !yield(PhoneID{MAC: mac}, v) {
				return
			}
		}
		for id, v := range m.provisional {
			if !yield(id, v) {
				return
			}
		}
	}
}
