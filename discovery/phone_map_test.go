package discovery_test

import (
	"maps"
	"testing"

	. "perch/discovery"
)

func TestPhoneMap(t *testing.T) {
	mac, other := MAC{0, 0x15, 0x65, 1, 2, 3}, MAC{0, 0x15, 0x65, 1, 2, 4}
	known := PhoneID{MAC: mac}
	first, second := PhoneID{AOR: "sip:a@example.com", N: 1}, PhoneID{AOR: "sip:a@example.com", N: 2}
	m := NewPhoneMap[int]()
	for i, id := range []PhoneID{known, first, second} {
		if got := m.Of(id); got != 0 {
			t.Errorf("%s: %d before it was set", id, got)
		}
		m.Set(id, i+1)
		m.Set(id, i+10)
		if got := m.Of(id); got != i+10 {
			t.Errorf("%s: %d, want %d", id, got, i+10)
		}
	}
	if got := m.OfMAC(mac); got != 10 {
		t.Errorf("of the MAC: %d, want 10", got)
	}
	if got := m.OfMAC(other); got != 0 {
		t.Errorf("of another MAC: %d", got)
	}
	// A provisional phone is in no way the phone without a MAC.
	if got := m.OfMAC(MAC{}); got != 0 {
		t.Errorf("of no MAC: %d", got)
	}
	want := map[PhoneID]int{known: 10, first: 11, second: 12}
	if got := maps.Collect(m.All()); !maps.Equal(got, want) || m.Len() != 3 {
		t.Errorf("all: %v of %d, want %v", got, m.Len(), want)
	}
	for range m.All() {
		break // and no more is yielded, or range panics
	}
	m.Delete(known)
	m.Delete(first)
	m.Delete(first)
	if got := maps.Collect(m.All()); !maps.Equal(got, map[PhoneID]int{second: 12}) || m.Len() != 1 {
		t.Errorf("after two were deleted: %v of %d", got, m.Len())
	}
	for id := range m.All() {
		m.Delete(id)
	}
	if m.Len() != 0 {
		t.Errorf("%d left", m.Len())
	}
}
