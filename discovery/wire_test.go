package discovery

import (
	"testing"
	"time"
)

func TestWireVerdict(t *testing.T) {
	now := InstantOf(time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC))
	phones := func(n int) (all []speaker) {
		for i := range n {
			all = append(all, speaker{MAC: MAC{0, 4, 0x13, 0, 0, byte(i)}, Until: now.Add(time.Minute)})
		}
		return all
	}
	ports := func(names ...string) (all []neighbor) {
		for _, n := range names {
			all = append(all, neighbor{LLDP: portName{"00:00:5e:00:53:10", n}, System: "sw-3fl", Until: now.Add(time.Minute)})
		}
		return all
	}
	for _, c := range []struct {
		name string
		wire wire
		link bool
		why  string
	}{
		{"nothing", wire{}, false, "neither a phone nor a switch port announces itself"},
		{"a phone and its port", wire{Phones: phones(1), Switches: ports("Gi1/0/7")}, true, "a phone and exactly one switch port announce themselves"},
		{"two phones on a port", wire{Phones: phones(2), Switches: ports("Gi1/0/7")}, true, "2 phones and exactly one switch port announce themselves"},
		{"three phones", wire{Phones: phones(3), Switches: ports("Gi1/0/7")}, false, "3 phones announce themselves, more than an access link has"},
		{"two ports", wire{Phones: phones(1), Switches: ports("Gi1/0/7", "Gi1/0/8")}, false, "2 switch ports announce themselves, so many links are heard"},
		{"a port alone", wire{Switches: ports("Gi1/0/7")}, false, "a switch port announces itself, but no phone beside it"},
		{"a phone alone", wire{Phones: phones(1)}, false, "a phone announces itself, but no switch port beside it"},
		{"configured link", wire{Role: RoleLink}, true, "configured"},
		{"configured mirror", wire{Role: RoleMirror, Phones: phones(1), Switches: ports("Gi1/0/7")}, false, "configured"},
	} {
		got := c.wire.report(now)
		if got.Link != c.link || got.Why != c.why {
			t.Errorf("%s: got link %v because %q, want %v because %q", c.name, got.Link, got.Why, c.link, c.why)
		}
		if late := c.wire.report(now.Add(time.Hour)); len(late.Phones)+len(late.Switches) > 0 {
			t.Errorf("%s: an hour later got %v and %v, want nobody", c.name, late.Phones, late.Switches)
		}
	}
	w := wire{Switches: ports("Gi1/0/7")}
	if got, want := w.report(now).Switches[0], "sw-3fl (00:00:5e:00:53:10) Gi1/0/7"; got != want {
		t.Errorf("got switch %q, want %q", got, want)
	}
}
