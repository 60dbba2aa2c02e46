package matcher

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"perch/discovery"
	"perch/location"
)

// oracle is the matching as it is described, over plain rules, one by one.
type oracle struct {
	tree  *location.Tree
	a     discovery.Attachment
	users []string
}

// holds reports whether every field that the rule names holds, and nothing else
// speaks against it.
func (o oracle) holds(r Rule) bool {
	a, l := o.a, o.mustGet(r.Location)
	chassis := []string{canonicalChassis(a.ChassisID), canonicalChassis(a.AliasChassisID)}
	ports := []string{discovery.CanonicalPort(a.PortID), discovery.CanonicalPort(a.AliasPortID)}
	if r.Site != "" && r.Site != a.Site ||
		r.ChassisID != "" && !slices.Contains(chassis, canonicalChassis(r.ChassisID)) ||
		r.Port != "" && !o.portHolds(r.Port, ports[0]) && !o.portHolds(r.Port, ports[1]) ||
		r.RemoteID != "" && r.RemoteID != a.RemoteID ||
		r.CircuitID != "" && discovery.CanonicalCircuit(r.CircuitID) != discovery.CanonicalCircuit(a.CircuitID) ||
		r.BSSID != "" && !o.bssidHolds(r.BSSID) ||
		r.VLAN != 0 && r.VLAN != a.VLAN ||
		r.Subnet.IsValid() && !r.Subnet.Contains(a.IP) ||
		r.PublicIP.IsValid() && !r.PublicIP.Contains(a.PublicIP) {
		return false
	}
	if o.level(r) == discovery.LevelSubnet && r.CircuitID == "" && a.PublicIP.IsValid() {
		return false // a private subnet alone
	}
	if a.Shared && r.CircuitID != "" && o.level(r) == discovery.LevelSubnet && o.tree.Rank(r.Location) > location.Building {
		return false
	}
	return l.Live() && (l.Kind == location.Company || slices.Contains(o.users, l.Owner))
}

func (o oracle) mustGet(id location.ID) location.Location {
	l, _ := o.tree.Get(id)
	return l
}

func (o oracle) portHolds(rule, port string) bool {
	if port == "" {
		return false
	}
	prefix, lo, hi, ok := o.rangeOf(rule)
	if !ok {
		return discovery.CanonicalPort(rule) == port
	}
	for n := lo; n <= hi; n++ {
		if discovery.CanonicalPort(fmt.Sprint(prefix, n)) == port {
			return true
		}
	}
	return false
}

func (o oracle) rangeOf(rule string) (prefix string, lo, hi int, ok bool) {
	i := strings.LastIndex(rule, "-")
	if i < 0 {
		return "", 0, 0, false
	}
	prefix = strings.TrimRight(rule[:i], "0123456789")
	n, _ := fmt.Sscan(rule[len(prefix):i]+" "+rule[i+1:], &lo, &hi)
	return prefix, lo, hi, n == 2 && lo < hi
}

func (o oracle) bssidHolds(rule string) bool {
	prefix, wild := strings.CutSuffix(strings.NewReplacer(":", "").Replace(rule), "*")
	has := strings.ReplaceAll(o.a.BSSID.String(), ":", "")
	return !o.a.BSSID.IsZero() && (wild && strings.HasPrefix(has, prefix) || has == prefix)
}

// level is the strongest level that the rule names.
func (o oracle) level(r Rule) discovery.Level {
	switch {
	case r.ChassisID != "" && r.Port != "", r.CircuitID != "" && !o.a.Shared:
		return discovery.LevelPort
	case r.BSSID != "":
		return discovery.LevelBSSID
	case r.ChassisID != "":
		return discovery.LevelChassis
	case r.CircuitID != "", r.Subnet.IsValid() && !r.PublicIP.IsValid():
		return discovery.LevelSubnet
	}
	return discovery.LevelPublicIP
}

// before orders rules that hold, the best one first.
func (o oracle) before(x, y Rule) int {
	bits := func(p netip.Prefix) int { return max(p.Bits(), 0) }
	yes := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	level := o.level(x)
	order := []int{cmp.Compare(o.level(y), level)}
	if order[0] != 0 {
		return order[0]
	}
	switch level {
	case discovery.LevelPort:
		width := func(r Rule) int { _, lo, hi, _ := o.rangeOf(r.Port); return hi - lo }
		order = append(order, cmp.Compare(yes(x.Port == ""), yes(y.Port == "")), cmp.Compare(width(x), width(y)))
	case discovery.LevelBSSID:
		digits := func(r Rule) int { return len(strings.NewReplacer(":", "", "*", "").Replace(r.BSSID)) }
		order = append(order, cmp.Compare(digits(y), digits(x)))
	case discovery.LevelPublicIP:
		order = append(order, cmp.Compare(bits(y.PublicIP), bits(x.PublicIP)))
	}
	named := func(r Rule) int { return strings.Count(r.String(), "=") }
	lx, ly := o.mustGet(x.Location), o.mustGet(y.Location)
	return cmp.Or(append(order,
		cmp.Compare(bits(y.Subnet), bits(x.Subnet)), cmp.Compare(bits(y.PublicIP), bits(x.PublicIP)),
		cmp.Compare(named(y), named(x)), cmp.Compare(lx.Kind, ly.Kind),
		cmp.Compare(len(o.tree.Ancestors(y.Location)), len(o.tree.Ancestors(x.Location))),
		cmp.Compare(x.Location, y.Location), Compare(x.Key(), y.Key()))...)
}

func (o oracle) match(rules []Rule) (Rule, bool) {
	var held []Rule
	for _, r := range rules {
		if o.holds(r) {
			held = append(held, r)
		}
	}
	if len(held) == 0 {
		return Rule{}, false
	}
	return slices.MinFunc(held, o.before), true
}

// The generators draw from few values, so that rules and attachments meet.
func drawRule(t *rapid.T, tree *location.Tree) Rule {
	var ids []location.ID
	for l := range tree.All() {
		ids = append(ids, l.ID)
	}
	maybe := func(name string, values ...string) string {
		if rapid.IntRange(0, 2).Draw(t, "has "+name) > 0 {
			return ""
		}
		return rapid.SampledFrom(values).Draw(t, name)
	}
	r := Rule{
		Location:  rapid.SampledFrom(ids).Draw(t, "location"),
		Site:      maybe("site", "hq", "b2"),
		ChassisID: maybe("chassis", chassis, "00-1B-54-00-00-01", "sw-3fl", "SW-3FL"),
		CircuitID: discovery.Hex(maybe("circuit", string(circuit), "\x00\x04\x00\x63\x01\x07", "Gi1/0/7:10")),
		RemoteID:  discovery.Hex(maybe("remote", string(remote), "other")),
		BSSID:     maybe("bssid", "02:00:00:00:00:09", "02:00:*", "02:00:0*", "06*"),
		VLAN:      uint16(len(maybe("vlan", "a voice vlan", "data"))),
	}
	if r.ChassisID != "" {
		r.Port = maybe("port", "Gi1/0/7", "GigabitEthernet1/0/7", "Gi1/0/1-24", "gi1/0/5-8", "Gi1/0/6-9", "7", "1-8", "uplink")
	}
	if s := maybe("subnet", "10.0.0.0/8", "10.1.2.0/24", "10.1.2.0/25", "192.168.1.0/24", "0.0.0.0/0"); s != "" {
		r.Subnet = pfx(s)
	}
	if s := maybe("public", "203.0.113.5/32", "203.0.113.0/24", "0.0.0.0/0"); s != "" {
		r.PublicIP = pfx(s)
	}
	if r.Level() == discovery.LevelNone {
		r.Subnet = pfx("10.1.0.0/16")
	}
	return r
}

func drawAttachment(t *rapid.T) discovery.Attachment {
	pick := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, "at "+name) }
	a := discovery.Attachment{
		Site:           pick("site", "", "hq", "hq", "b2"),
		ChassisID:      pick("chassis", "", chassis, "Sw-3FL"),
		PortID:         pick("port", "", "Gi1/0/7", "Gi1/0/9", "7", "uplink"),
		AliasChassisID: pick("alias chassis", "", "sw-3fl"),
		AliasPortID:    pick("alias port", "", "GigabitEthernet1/0/7"),
		CircuitID:      discovery.Hex(pick("circuit", "", string(circuit), "Gi1/0/7")),
		RemoteID:       discovery.Hex(pick("remote", "", string(remote))),
		VLAN:           uint16(len(pick("vlan", "", "a voice vlan"))),
		IP:             netip.MustParseAddr(pick("ip", "10.1.2.3", "10.1.2.200", "192.168.1.7")),
		Shared:         rapid.Bool().Draw(t, "shared"),
	}
	if rapid.Bool().Draw(t, "radio") {
		a.BSSID = discovery.MAC{2, 0, 0, 0, 0, 9}
	}
	if rapid.Bool().Draw(t, "nat") {
		a.PublicIP = netip.MustParseAddr("203.0.113.5")
	}
	return a
}

// drawWiremap draws rules, and leaves out those that tie with earlier ones.
func drawWiremap(t *rapid.T, tree *location.Tree) []Rule {
	var rules []Rule
	w, err := NewWiremap(nil, tree, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range rapid.IntRange(1, 24).Draw(t, "rules") {
		r := drawRule(t, tree)
		before := w.Len()
		if err := w.Add(r); err == nil && w.Len() > before {
			rules = append(rules, r)
		}
	}
	return rules
}

// TestMatchIsTheOracles compares Match, Explain and the oracle, with the rules
// in two orders, loaded at once and added one by one, with others removed.
func TestMatchIsTheOracles(t *testing.T) {
	tree := campus(t)
	rapid.Check(t, func(t *rapid.T) {
		rules := drawWiremap(t, tree)
		shuffled := rapid.Permutation(rules).Draw(t, "order")
		loaded, err := NewWiremap(rules, tree, nil)
		if err != nil {
			t.Fatalf("rules that were added one by one: %v", err)
		}
		grown, err := NewWiremap(nil, tree, nil)
		if err != nil {
			t.Fatal(err)
		}
		gone := drawWiremap(t, tree)
		for _, r := range gone {
			_ = grown.Add(r) // it goes again
		}
		for _, r := range gone {
			grown.Remove(r)
		}
		for _, r := range shuffled {
			if err := grown.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		for range 4 {
			o := oracle{tree, drawAttachment(t), []string{"alice@example.com"}}
			want, found := o.match(rules)
			for name, w := range map[string]*Wiremap{"loaded": loaded, "grown": grown} {
				m, x := w.Match(o.a, o.users), w.Explain(o.a, o.users)
				if m != x.Match {
					t.Fatalf("%s: match %+v, explained as %+v", name, m, x.Match)
				}
				if m.Found() != found || found && m.Rule.Key() != want.Key() || m.Location != want.Location {
					t.Fatalf("%s: got %s %s, want %s %s", name, m.Location, m.Rule, want.Location, want)
				}
				if found && m.Level != o.level(want) {
					t.Fatalf("%s: got level %s, want %s", name, m.Level, o.level(want))
				}
				for _, tried := range x.Tried {
					if tried.Reason.Holds() != o.holds(tried.Rule) {
						t.Fatalf("%s: %s: got reason %q, want holds %v", name, tried.Rule, tried.Reason, o.holds(tried.Rule))
					}
				}
			}
		}
	})
}

// TestCanonicalForms compares the quick forms with those they stand for.
func TestCanonicalForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[A-Za-z]{0,4}[0-9a-f/:. -]{0,14}`).Draw(t, "text")
		if got, want := canonicalPort(s), discovery.CanonicalPort(s); got != want {
			t.Fatalf("canonicalPort(%q): got %q, want %q", s, got, want)
		}
		mac := rapid.StringMatching(`([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}|([0-9a-fA-F]{4}[.:]){2}[0-9a-fA-F]{4}|[0-9a-fA-F]{12}`).Draw(t, "mac")
		v, ok := macValue(mac)
		m, err := discovery.ParseMAC(mac)
		if ok != (err == nil) || ok && bssidOf(m).value != v {
			t.Fatalf("macValue(%q): got %x, %v, want %s, %v", mac, v, ok, m, err)
		}
	})
}

func TestRelayIDs(t *testing.T) {
	tests := []struct{ name, cell, bytes, written string }{
		{"hex", "0006AABB", "\x00\x06\xaa\xbb", "0006aabb"},
		{"text", "sw-3fl", "sw-3fl", "sw-3fl"},
		{"odd number of digits", "123", "123", "123"},
		{"text that looks like hex", "cafe", "\xca\xfe", "cafe"},
		{"printable bytes given in hex", "476931", "Gi1", "Gi1"},
		{"digits given in hex", "3132", "12", "3132"},
		{"surrounding space", "20612020", " a  ", "20612020"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := ParseRelayID(test.cell)
			if string(h) != test.bytes {
				t.Errorf("got %q, want %q", h, test.bytes)
			}
			if got := FormatRelayID(h); got != test.written || ParseRelayID(got) != h {
				t.Errorf("got %q written, want %q", got, test.written)
			}
		})
	}
}

// TestTable compares the table with the built-in map, over keys whose homes
// collide often.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var got table
		want := map[uint64]uint32{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			k := rapid.Uint64Range(0, 40).Draw(t, "key")
			if rapid.Bool().Draw(t, "remove") {
				got.remove(k)
				delete(want, k)
			} else {
				v := rapid.Uint32Range(0, 9).Draw(t, "head")
				got.set(k, v)
				want[k] = v
			}
			for k := range uint64(41) {
				v, ok := want[k]
				if !ok {
					v = none
				}
				if got.get(k) != v {
					t.Fatalf("key %d: got %d, want %d", k, got.get(k), v)
				}
			}
			if got.used != len(want) {
				t.Fatalf("got %d used, want %d", got.used, len(want))
			}
		}
	})
}
