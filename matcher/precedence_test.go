package matcher

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"perch/discovery"
	"perch/location"
)

// campus is a tree with every rank, a second building, and personal locations.
func campus(t testing.TB) *location.Tree {
	t.Helper()
	company := func(id, parent location.ID, a location.CivicAddress) location.Location {
		return location.Location{ID: id, Parent: parent, Address: a}
	}
	personal := func(id location.ID, owner string) location.Location {
		return location.Location{ID: id, Kind: location.Personal, Owner: owner, Address: location.CivicAddress{Street: "Oak Ave"}}
	}
	retired, pending := company("gone", "", location.CivicAddress{}), company("new", "", location.CivicAddress{})
	retired.Retired, pending.Pending = true, true
	tree, err := location.NewTree([]location.Location{
		company("hq", "", location.CivicAddress{Street: "Main St"}),
		company("hq-a", "hq", location.CivicAddress{Building: "A"}),
		company("hq-a-3", "hq-a", location.CivicAddress{Floor: "3"}),
		company("hq-a-307", "hq-a-3", location.CivicAddress{Room: "307"}),
		company("hq-a-308", "hq-a-3", location.CivicAddress{Room: "308"}),
		company("hq-b", "hq", location.CivicAddress{Building: "B"}),
		personal("home-alice", "alice@example.com"), personal("home-bob", "bob@example.com"),
		retired, pending,
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// desk is an attachment that has every level.
func desk() discovery.Attachment {
	return discovery.Attachment{
		Site: "hq", ChassisID: "00:1b:54:00:00:01", PortID: "Gi1/0/7", RemoteID: "\x00\x06relay!", CircuitID: "\x00\x04\x00\x0a\x01\x07",
		BSSID: discovery.MAC{2, 0, 0, 0, 0, 9}, VLAN: 10,
		Subnet: netip.MustParsePrefix("10.1.2.0/24"), IP: netip.MustParseAddr("10.1.2.3"),
		AliasChassisID: "SW-3FL", AliasPortID: "GigabitEthernet1/0/7",
	}
}

func natted() discovery.Attachment {
	a := discovery.Attachment{Subnet: netip.MustParsePrefix("192.168.1.0/24"), IP: netip.MustParseAddr("192.168.1.20")}
	a.PublicIP = netip.MustParseAddr("203.0.113.5")
	return a
}

func shared() discovery.Attachment {
	a := desk()
	a.Shared = true
	return a
}

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }

const (
	chassis = "00:1b:54:00:00:01"
	circuit = discovery.Hex("\x00\x04\x00\x0a\x01\x07")
	remote  = discovery.Hex("\x00\x06relay!")
)

// TestPrecedence has two rules that both hold; the criterion that decides
// between them is the reason of the one that loses. Both orders are tried.
func TestPrecedence(t *testing.T) {
	alice := []string{"alice@example.com"}
	tests := []struct {
		name         string
		at           discovery.Attachment
		winner, lost Rule
		reason       Reason
	}{
		{"port before bssid", desk(), Rule{ChassisID: chassis, Port: "Gi1/0/7"}, Rule{BSSID: "02:00:00:00:00:09", VLAN: 10, Subnet: pfx("10.1.2.3/32")}, Weaker},
		{"circuit before bssid", desk(), Rule{CircuitID: circuit}, Rule{BSSID: "02:00:00:00:00:09", VLAN: 10}, Weaker},
		{"bssid before chassis", desk(), Rule{BSSID: "0200.0000.0009"}, Rule{ChassisID: chassis, VLAN: 10}, Weaker},
		{"chassis before subnet", desk(), Rule{ChassisID: "sw-3fl"}, Rule{Subnet: pfx("10.1.2.3/32"), Site: "hq"}, Weaker},
		{"subnet before public ip", discovery.Attachment{CircuitID: circuit, Shared: true, PublicIP: netip.MustParseAddr("203.0.113.5")},
			Rule{CircuitID: circuit}, Rule{PublicIP: pfx("203.0.113.5/32")}, Weaker},
		{"port before circuit", desk(), Rule{ChassisID: chassis, Port: "Gi1/0/7"}, Rule{RemoteID: remote, CircuitID: circuit, Subnet: pfx("10.1.2.0/24")}, AfterPort},
		{"range before circuit", desk(), Rule{ChassisID: chassis, Port: "Gi1/0/1-24"}, Rule{RemoteID: remote, CircuitID: circuit, VLAN: 10}, AfterPort},
		{"single port before range", desk(), Rule{ChassisID: chassis, Port: "Gi1/0/7"}, Rule{ChassisID: chassis, Port: "Gi1/0/7-8", VLAN: 10}, AfterSingle},
		{"narrower range", desk(), Rule{ChassisID: chassis, Port: "Gi1/0/5-8"}, Rule{ChassisID: chassis, Port: "Gi1/0/1-24", Site: "hq", VLAN: 10}, Wider},
		{"longer subnet", desk(), Rule{Subnet: pfx("10.1.2.0/25")}, Rule{Subnet: pfx("10.1.2.0/24"), Site: "hq", VLAN: 10}, ShorterPrefix},
		{"a subnet makes a port rule longer", desk(), Rule{ChassisID: chassis, Port: "Gi1/0/7", Subnet: pfx("10.0.0.0/8")}, Rule{ChassisID: chassis, Port: "Gi1/0/7", Site: "hq", VLAN: 10}, ShorterPrefix},
		{"longer bssid", desk(), Rule{BSSID: "02:00:00:00:*"}, Rule{BSSID: "02:00*", VLAN: 10, Subnet: pfx("10.1.2.0/24")}, ShorterPrefix},
		{"longer public ip", natted(), Rule{PublicIP: pfx("203.0.113.5/32")}, Rule{PublicIP: pfx("203.0.113.0/24"), Subnet: pfx("192.168.1.0/24")}, ShorterPrefix},
		{"subnet behind the public ip", natted(), Rule{PublicIP: pfx("203.0.113.5/32"), Subnet: pfx("192.168.0.0/16")}, Rule{PublicIP: pfx("203.0.113.5/32")}, ShorterPrefix},
		{"more fields by site", desk(), Rule{Subnet: pfx("10.1.2.0/24"), Site: "hq"}, Rule{Subnet: pfx("10.1.2.0/24")}, FewerFields},
		{"more fields by vlan", desk(), Rule{Subnet: pfx("10.1.2.0/24"), Site: "hq", VLAN: 10}, Rule{Subnet: pfx("10.1.2.0/24"), Site: "hq"}, FewerFields},
		{"a remote counts", desk(), Rule{CircuitID: circuit, RemoteID: remote}, Rule{CircuitID: circuit}, FewerFields},
		{"company before personal", desk(), Rule{Location: "hq", ChassisID: chassis, Port: "Gi1/0/7"}, Rule{Location: "home-alice", ChassisID: chassis, Port: "Gi1/0/7"}, Personal},
		{"deeper location", desk(), Rule{Location: "hq-a-3", ChassisID: chassis, Port: "Gi1/0/7"}, Rule{Location: "hq-a", ChassisID: chassis, Port: "Gi1/0/7"}, Shallower},
		{"lower id", desk(), Rule{Location: "hq-a-307", ChassisID: chassis, Port: "Gi1/0/5-8"}, Rule{Location: "hq-a-308", ChassisID: chassis, Port: "Gi1/0/6-9"}, HigherID},
		{"same location", desk(), Rule{Location: "hq-a", ChassisID: chassis, Port: "Gi1/0/5-8"}, Rule{Location: "hq-a", ChassisID: chassis, Port: "Gi1/0/6-9"}, SameLocation},
		{"shared circuit after chassis", shared(), Rule{ChassisID: chassis}, Rule{CircuitID: circuit, RemoteID: remote, VLAN: 10}, Weaker},
		{"shared circuit has no prefix", shared(), Rule{Subnet: pfx("10.0.0.0/8")}, Rule{CircuitID: circuit, RemoteID: remote, VLAN: 10}, ShorterPrefix},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.winner.Location == "" {
				test.winner.Location, test.lost.Location = "hq-a", "hq-b"
			}
			rules := []Rule{test.winner, test.lost}
			for range 2 {
				w, err := NewWiremap(rules, campus(t), nil)
				if err != nil {
					t.Fatal(err)
				}
				x := w.Explain(test.at, alice)
				if got, want := x.Match.Rule.Key(), test.winner.Key(); got != want {
					t.Fatalf("got %s, want %s", x.Match.Rule, test.winner)
				}
				if len(x.Tried) != 2 || x.Tried[0].Reason != Won || x.Tried[1].Reason != test.reason {
					t.Errorf("got %+v, want the second to lose by %q", x.Tried, test.reason)
				}
				if m := w.Match(test.at, alice); m != x.Match {
					t.Errorf("match %+v differs from explanation %+v", m, x.Match)
				}
				slices.Reverse(rules)
			}
		})
	}
}

// TestHolds has one rule and says whether it matches, or why not.
func TestHolds(t *testing.T) {
	elsewhere := desk()
	elsewhere.Site = ""
	bare := discovery.Attachment{IP: netip.MustParseAddr("10.1.2.3"), ChassisID: "SW-3FL"}
	tests := []struct {
		name string
		at   discovery.Attachment
		rule Rule
		want Reason
	}{
		{"chassis in another spelling of the MAC", desk(), Rule{ChassisID: "001B.5400.0001", Port: "Gi1/0/7"}, Won},
		{"port in its long name", desk(), Rule{ChassisID: chassis, Port: "GigabitEthernet1/0/7"}, Won},
		{"alias, other case", desk(), Rule{ChassisID: "Sw-3fl", Port: "gi1/0/7"}, Won},
		{"range in its long name", desk(), Rule{ChassisID: "SW-3FL", Port: "GigabitEthernet1/0/1-24"}, Won},
		{"last of the range", desk(), Rule{ChassisID: chassis, Port: "Gi1/0/1-7"}, Won},
		{"above the range", desk(), Rule{ChassisID: chassis, Port: "Gi1/0/1-6"}, OtherPort},
		{"range of another module", desk(), Rule{ChassisID: chassis, Port: "Gi2/0/1-24"}, OtherPort},
		{"port not known", bare, Rule{ChassisID: "sw-3fl", Port: "Gi1/0/7"}, NoPort},
		{"circuit with another VLAN", desk(), Rule{CircuitID: "\x00\x04\x00\x63\x01\x07"}, Won},
		{"another remote", desk(), Rule{CircuitID: circuit, RemoteID: "other"}, OtherRemote},
		{"bssid beginning within a byte", desk(), Rule{BSSID: "02:00:0*"}, Won},
		{"another vlan", desk(), Rule{ChassisID: chassis, VLAN: 11}, OtherVLAN},
		{"another site", desk(), Rule{ChassisID: chassis, Site: "b2"}, OtherSite},
		{"site not known", elsewhere, Rule{ChassisID: chassis, Site: "hq"}, NoSite},
		{"subnet must hold, too", desk(), Rule{ChassisID: chassis, Port: "Gi1/0/7", Subnet: pfx("10.9.0.0/16")}, OutsideSubnet},
		{"public ip of a phone that has none", desk(), Rule{Subnet: pfx("10.1.2.0/24"), PublicIP: pfx("203.0.113.5/32")}, NoPublicIP},
		{"private subnet behind NAT", natted(), Rule{Subnet: pfx("192.168.1.0/24")}, BehindNAT},
		{"public ip with subnet", natted(), Rule{Subnet: pfx("192.168.1.0/24"), PublicIP: pfx("203.0.113.0/24")}, Won},
		{"shared circuit to a building", shared(), Rule{Location: "hq-a", CircuitID: circuit}, Won},
		{"shared circuit to a floor", shared(), Rule{Location: "hq-a-3", CircuitID: circuit}, CircuitShared},
		{"shared circuit with the port itself", shared(), Rule{Location: "hq-a-307", CircuitID: circuit, ChassisID: chassis, Port: "Gi1/0/7"}, Won},
		{"retired location", desk(), Rule{Location: "gone", ChassisID: chassis}, NotLive},
		{"pending location", desk(), Rule{Location: "new", ChassisID: chassis}, NotLive},
		{"own personal location", desk(), Rule{Location: "home-alice", ChassisID: chassis}, Won},
		{"another's personal location", desk(), Rule{Location: "home-bob", ChassisID: chassis}, OtherOwner},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.rule.Location == "" {
				test.rule.Location = "hq-a"
			}
			w, err := NewWiremap([]Rule{test.rule}, campus(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			users := []string{"alice@example.com"}
			x := w.Explain(test.at, users)
			if len(x.Tried) != 1 || x.Tried[0].Reason != test.want {
				t.Fatalf("got %+v, want %q", x.Tried, test.want)
			}
			m := w.Match(test.at, users)
			if m.Found() != (test.want == Won) || m != x.Match {
				t.Errorf("got %+v, want found %v", m, test.want == Won)
			}
			if want := test.rule.Location == "home-alice"; m.Found() && m.Personal != want {
				t.Errorf("got personal %v, want %v", m.Personal, want)
			}
		})
	}
}

func TestIgnored(t *testing.T) {
	rule := Rule{Location: "hq", Subnet: pfx("10.0.0.0/8")}
	w, err := NewWiremap([]Rule{rule}, campus(t), []Ignore{{"hq", pfx("10.8.0.0/16")}, {"b2", pfx("10.9.0.0/16")}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, site, ip, public, want string
	}{
		{"pool of the site", "hq", "10.8.1.1", "", "10.8.0.0/16"},
		{"pool of another site", "hq", "10.9.1.1", "", ""},
		{"site not known", "", "10.9.1.1", "", "10.9.0.0/16"},
		{"in no pool", "hq", "10.7.1.1", "", ""},
		{"home that numbers like the pool", "", "10.8.1.1", "203.0.113.5", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := discovery.Attachment{Site: test.site, IP: netip.MustParseAddr(test.ip)}
			if test.public != "" {
				a.PublicIP = netip.MustParseAddr(test.public)
			}
			m := w.Match(a, nil)
			got := ""
			if m.Ignored.IsValid() {
				got = m.Ignored.String()
			}
			if got != test.want || m.Found() && got != "" {
				t.Errorf("got %+v, want ignored %q", m, test.want)
			}
			if x := w.Explain(a, nil); x.Match != m || got != "" && (len(x.Tried) != 1 || x.Tried[0].Reason != Ignored) {
				t.Errorf("explanation %+v does not go with %+v", x, m)
			}
		})
	}
	w.SetIgnored("hq", nil)
	if m := w.Match(discovery.Attachment{Site: "hq", IP: netip.MustParseAddr("10.8.1.1")}, nil); !m.Found() {
		t.Error("got no match after the pool was taken off the list")
	}
}

func TestTies(t *testing.T) {
	tests := []struct {
		name string
		a, b Rule
		want bool
	}{
		{"two spellings of one port", Rule{Location: "hq-a", ChassisID: "SW1", Port: "Gi1/0/7"}, Rule{Location: "hq-b", ChassisID: "sw1", Port: "GigabitEthernet1/0/7"}, true},
		{"one subnet", Rule{Location: "hq-a", Subnet: pfx("10.0.0.0/8")}, Rule{Location: "hq-b", Subnet: pfx("10.0.0.0/8")}, true},
		{"circuits that differ by VLAN", Rule{Location: "hq-a", CircuitID: circuit}, Rule{Location: "hq-b", CircuitID: "\x00\x04\x00\x63\x01\x07"}, true},
		{"one location above the other", Rule{Location: "hq-a-307", Subnet: pfx("10.0.0.0/8")}, Rule{Location: "hq", Subnet: pfx("10.0.0.0/8")}, false},
		{"the same location", Rule{Location: "hq", Subnet: pfx("10.0.0.0/8")}, Rule{Location: "hq", Subnet: pfx("10.0.0.0/8")}, false},
		{"company and personal", Rule{Location: "hq", Subnet: pfx("10.0.0.0/8")}, Rule{Location: "home-bob", Subnet: pfx("10.0.0.0/8")}, false},
		{"two owners", Rule{Location: "home-alice", Subnet: pfx("10.0.0.0/8")}, Rule{Location: "home-bob", Subnet: pfx("10.0.0.0/8")}, false},
		{"overlapping ranges", Rule{Location: "hq-a", ChassisID: "sw1", Port: "1-8"}, Rule{Location: "hq-b", ChassisID: "sw1", Port: "2-9"}, false},
		{"other site", Rule{Location: "hq-a", Site: "hq", Subnet: pfx("10.0.0.0/8")}, Rule{Location: "hq-b", Site: "b2", Subnet: pfx("10.0.0.0/8")}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.a.Line, test.b.Line = 3, 7
			_, err := NewWiremap([]Rule{test.a, {Location: "hq", ChassisID: "other"}, test.b}, campus(t), nil)
			var tie *TieError
			if got := errors.As(err, &tie); got != test.want {
				t.Fatalf("got error %v, want a tie: %v", err, test.want)
			}
			for _, part := range []string{string(test.a.Location) + " (line 3)", string(test.b.Location) + " (line 7)"} {
				if test.want && !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want it to name %q", err, part)
				}
			}
			w, err := NewWiremap([]Rule{test.a}, campus(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Add(test.b); errors.As(err, &tie) != test.want {
				t.Errorf("added: got %v, want a tie: %v", err, test.want)
			}
			want := 2
			if test.want || test.a.Location == test.b.Location {
				want = 1
			}
			if got := w.Len(); got != want {
				t.Errorf("got %d rules, want %d", got, want)
			}
		})
	}
}

func TestFaultyRules(t *testing.T) {
	tests := []struct {
		name string
		rule Rule
		want string
	}{
		{"no level", Rule{Location: "hq", Site: "hq", VLAN: 10}, "names no level"},
		{"remote alone", Rule{Location: "hq", RemoteID: remote}, "names no level"},
		{"port alone", Rule{Location: "hq", Port: "Gi1/0/7", Subnet: pfx("10.0.0.0/8")}, "port without chassis_id"},
		{"no location", Rule{Subnet: pfx("10.0.0.0/8")}, "no location_id"},
		{"unknown location", Rule{Location: "nowhere", Subnet: pfx("10.0.0.0/8")}, "unknown location nowhere"},
		{"bad bssid", Rule{Location: "hq", BSSID: "02:zz"}, `bssid "02:zz"`},
		{"bssid of all radios", Rule{Location: "hq", BSSID: "*"}, "1 to 11 hex digits"},
		{"vlan out of range", Rule{Location: "hq", ChassisID: "sw1", VLAN: 4095}, "vlan 4095"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.rule.Line = 5
			_, err := NewWiremap([]Rule{test.rule}, campus(t), nil)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "line 5") {
				t.Errorf("got %v, want line 5 and %q", err, test.want)
			}
		})
	}
}

func TestChangeWiremap(t *testing.T) {
	tree := campus(t)
	rules := []Rule{
		{Location: "hq", Subnet: pfx("10.0.0.0/8")},
		{Location: "hq-a", ChassisID: "SW-3FL", Port: "GigabitEthernet1/0/7"},
		{Location: "hq-a-3", ChassisID: "SW-3FL", Port: "Gi1/0/1-24", BSSID: "02:00:*"},
		{Location: "hq-b", PublicIP: pfx("203.0.113.5/32"), Subnet: pfx("192.168.0.0/16")},
	}
	w, err := NewWiremap(rules, tree, nil)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(rules, Compare)
	if got := w.Rules(); !slices.Equal(got, rules) {
		t.Fatalf("got %v, want the rules as given: %v", got, rules)
	}
	key := Rule{ChassisID: "sw-3fl", Port: "Gi1/0/7"}
	if got, ok := w.Find(key); !ok || got.Location != "hq-a" || got.Port != "GigabitEthernet1/0/7" {
		t.Errorf("found %+v, %v, want the rule as it was given", got, ok)
	}
	if !w.Remove(key) || w.Remove(key) {
		t.Error("want the rule removed, and only once")
	}
	if m := w.Match(desk(), nil); m.Location != "hq-a-3" {
		t.Errorf("got %q after the single port went, want the range's hq-a-3", m.Location)
	}
	if err := w.Add(Rule{Location: "hq-b", ChassisID: "sw-3fl", Port: "Gi1/0/7"}); err != nil {
		t.Fatal(err)
	}
	if m := w.Match(desk(), nil); m.Location != "hq-b" {
		t.Errorf("got %q, want the added rule's hq-b", m.Location)
	}
	l, _ := tree.Get("hq-b")
	l.Retired = true
	if err := tree.Put(l); err != nil {
		t.Fatal(err)
	}
	w.Reread("hq-b")
	if m := w.Match(desk(), nil); m.Location != "hq-a-3" {
		t.Errorf("got %q, want hq-a-3, since hq-b is retired", m.Location)
	}
	for _, r := range w.Rules() {
		if !w.Remove(r) {
			t.Errorf("%s: not removed", r)
		}
	}
	if x := w.Explain(desk(), nil); w.Len() != 0 || x.Match.Found() || len(x.Tried) > 0 {
		t.Errorf("got %+v of an empty wiremap", x)
	}
}
