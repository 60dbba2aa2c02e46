package serve

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// An admin's unblocking takes nothing from a network where phones are: many behind one address
// go on to have what they had.
func TestUnblock(t *testing.T) {
	var m misses
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	guess := func(a netip.Addr, most int) (n int) {
		for n = range most {
			if m.blocked(a, now) {
				return n
			}
			m.note(a, fmt.Sprint(n), now)
		}
		return most
	}
	site, stranger, other := netip.MustParseAddr("10.1.0.9"), netip.MustParseAddr("10.1.0.66"), netip.MustParseAddr("10.2.0.66")
	m.forgive(site, now)
	for _, a := range []netip.Addr{stranger, other} {
		if got := guess(a, 100); got != maxMisses {
			t.Errorf("%v is blocked after %d, want %d", a, got, maxMisses)
		}
	}
	m.unblock(netip.MustParsePrefix("10.1.0.0/24"))
	if m.blocked(stranger, now) || !m.blocked(other, now) {
		t.Error("want those of the network to be heard again, and no others")
	}
	if got := guess(stranger, 100); got != maxMisses {
		t.Errorf("unblocked, it is blocked after %d, want %d", got, maxMisses)
	}
	if got := guess(site, 2*maxOfSite); got != maxOfSite {
		t.Errorf("a site's address is blocked after %d, want %d", got, maxOfSite)
	}
}
