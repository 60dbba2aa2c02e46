package discovery

import (
	"maps"
	"net/netip"
	"testing"
)

// TestBindings checks that addresses of both families and of two sites are told
// apart, and that nothing else is taken out with one of them.
func TestBindings(t *testing.T) {
	want := map[address]binding{}
	bs := bindings{}
	for i, a := range []address{
		{"", netip.MustParseAddr("10.1.2.7")},
		{"hq", netip.MustParseAddr("10.1.2.7")},
		{"hq", netip.MustParseAddr("7.2.1.10")},
		{"hq", netip.MustParseAddr("::ffff:10.1.2.7")},
		{"hq", netip.MustParseAddr("::10.1.2.7")},
		{"hq", netip.MustParseAddr("2001:db8::7")},
		{"b2", netip.MustParseAddr("2001:db8::7")},
	} {
		want[a] = binding{MAC: MAC{0, 4, 0x13, 0, 0, byte(i)}, Firm: i%2 == 0, At: Instant(i + 1), Until: Instant(i + 2)}
		if b, ok := bs.of(a); ok {
			t.Errorf("%v: got %v before it was bound", a, b)
		}
		bs.set(a, want[a])
	}
	check := func(when string) {
		if got := maps.Collect(bs.all()); !maps.Equal(got, want) || bs.len() != len(want) {
			t.Errorf("%s: got %d: %v, want %v", when, bs.len(), got, want)
		}
		for a, b := range want {
			if got, ok := bs.of(a); !ok || got != b {
				t.Errorf("%s: %v: got %v %t, want %v", when, a, got, ok, b)
			}
		}
	}
	check("all are bound")
	bs.delete(address{"nowhere", netip.MustParseAddr("10.1.2.7")})
	for a := range maps.Clone(want) {
		delete(want, a)
		bs.delete(a)
		check("without " + a.Site + " " + a.IP.String())
	}
}
