package discovery

import (
	"net/netip"
	"testing"
	"time"
)

// Observations of IPv6 for the tests of the tracker.

func ndOf(typ NDType, m MAC, ip string) Observation {
	o := Observation{Kind: KindND, MAC: m, ND: &ND{Type: typ, Override: true}}
	a := netip.MustParseAddr(ip)
	if typ == NDNeighborAdvertisement {
		o.ND.TargetIP, o.ND.TargetMAC = a, m
	} else {
		o.ND.SenderIP, o.ND.SenderMAC = a, m
	}
	return o
}

func raOf(m MAC, prefixes ...string) Observation {
	o := Observation{Kind: KindND, MAC: m, ND: &ND{Type: NDRouterAdvertisement, SenderIP: netip.MustParseAddr("fe80::1"), SenderMAC: m, RouterLifetime: 1800}}
	for _, p := range prefixes {
		o.ND.Prefixes = append(o.ND.Prefixes, NDPrefix{Prefix: netip.MustParsePrefix(p), OnLink: true, Valid: 86400})
	}
	return o
}

func ackOf(m MAC, ip string, circuit ...Hex) Observation {
	o := Observation{Kind: KindDHCP, MAC: gateway, Dst: m, DHCP: &DHCP{
		Type: DHCPAck, Op: 2, Chaddr: m, Yiaddr: netip.MustParseAddr(ip), SubnetBits: 24, LeaseSeconds: 86400,
	}}
	if len(circuit) == 2 {
		o.DHCP.RemoteID, o.DHCP.CircuitID = circuit[0], circuit[1]
	}
	return o
}

// relayed6 is a message of a phone's exchange, in the frame of a relay that names
// a port, or of the server that answers it.
func relayed6(typ DHCP6Type, xid uint32, m MAC, r Relay6, ips ...string) Observation {
	o := Observation{Kind: KindDHCP6, MAC: gateway, SrcIP: netip.MustParseAddr("2001:db8:20::1"), DHCP6: &DHCP6{
		Type: typ, XID: xid, ClientDUID: Hex("\x00\x03\x00\x01" + string(m[:])), ClientMAC: m,
	}}
	r.Type = DHCP6RelayForward
	if typ == DHCP6Reply {
		r.Type = DHCP6RelayReply
	}
	r.PeerAddress = netip.MustParseAddr("fe80::9")
	o.DHCP6.Relays = []Relay6{r}
	for _, ip := range ips {
		o.DHCP6.Addresses = append(o.DHCP6.Addresses, Address6{netip.MustParseAddr(ip), 300, 600})
	}
	return o
}

const line101 = "sip:101@example.com"

// attachmentOf is the phone's subnet and other subnet as text.
func attachmentOf(tr *Track) string {
	if tr == nil {
		return "no phone"
	}
	text := func(p netip.Prefix) string {
		if !p.IsValid() {
			return "-"
		}
		return p.String()
	}
	return text(tr.Attachment().Subnet) + " " + text(tr.Attachment().OtherSubnet)
}

func TestOneAttachmentForBothFamilies(t *testing.T) {
	const four, six = "10.1.2.20", "2001:db8:20::a"
	for _, tc := range []struct {
		name  string
		tell  func(*scene)
		want  string // subnet and other subnet
		moves int    // Reattached
	}{
		{"IPv4 first, where nothing registers", func(s *scene) {
			s.see(1, ndOf(NDNeighborSolicitation, snom, six))
			s.see(2, ackOf(snom, four))
			s.see(3, ndOf(NDNeighborSolicitation, snom, six))
		}, "10.1.2.0/24 2001:db8:20::/64", 2},
		{"registers over IPv6", func(s *scene) {
			s.see(1, ackOf(snom, four))
			s.see(2, ndOf(NDNeighborSolicitation, snom, six))
			s.see(3, arpOf(snom, four))
			s.registers(4, snom, six, six, line101, "c1", MAC{})
			s.see(5, arpOf(snom, four))
			s.see(6, ackOf(snom, four))
		}, "2001:db8:20::/64 10.1.2.0/24", 2},
		{"registers over IPv6, which nothing announced", func(s *scene) {
			s.see(1, ackOf(snom, four))
			s.registers(4, snom, six, six, line101, "c1", snom)
		}, "2001:db8:20::/64 10.1.2.0/24", 2},
		{"registers over IPv6 long after", func(s *scene) {
			s.see(1, ackOf(snom, four))
			s.see(2, ndOf(NDNeighborSolicitation, snom, six))
			s.see(3, arpOf(snom, four))
			s.registers(400, snom, six, six, line101, "c1", MAC{})
		}, "2001:db8:20::/64 10.1.2.0/24", 2},
		{"IPv6 of before the boot is perhaps of another place", func(s *scene) {
			s.see(1, ndOf(NDNeighborSolicitation, snom, six))
			s.see(100, clientDHCP(DHCPDiscover, 0, snom, nil))
			s.see(101, ackOf(snom, four))
		}, "10.1.2.0/24 -", 2},
		{"registers over the one, then over the other", func(s *scene) {
			s.see(1, ackOf(snom, four))
			s.see(2, ndOf(NDNeighborSolicitation, snom, six))
			s.see(3, arpOf(snom, four))
			s.registers(4, snom, four, four, line101, "c1", MAC{})
			s.registers(10, snom, six, six, line101, "c2", MAC{})
			s.registers(20, snom, four, four, line101, "c3", MAC{})
		}, "10.1.2.0/24 2001:db8:20::/64", 1},
		{"registers over IPv6 from where nothing of IPv4 was heard any more", func(s *scene) {
			s.see(1, ackOf(snom, four))
			s.registers(4, snom, four, four, line101, "c1", MAC{})
			s.see(10, ndOf(NDNeighborSolicitation, snom, six)) // after the last word of IPv4
			s.registers(20, snom, six, six, line101, "c2", MAC{})
		}, "2001:db8:20::/64 -", 2},
		{"temporary and local addresses, and those of a second prefix", func(s *scene) {
			s.see(0.5, raOf(gateway, "2001:db8:20::/64", "2001:db8:21::/64"))
			s.registers(1, snom, six, six, line101, "c1", MAC{})
			s.see(2, ndOf(NDNeighborSolicitation, snom, "2001:db8:20::ffff"))
			s.see(3, ndOf(NDNeighborAdvertisement, snom, "fd00:20::1"))
			s.see(4, ndOf(NDNeighborAdvertisement, snom, "fe80::204:13ff:feaa:1"))
			s.see(5, ndOf(NDNeighborSolicitation, snom, "2001:db8:21::a"))
			s.registers(6, snom, "2001:db8:21::a", "2001:db8:21::a", line101, "c1", MAC{})
		}, "2001:db8:20::/64 fd00:20::/64", 1},
		{"a second prefix that no router announced", func(s *scene) {
			s.registers(1, snom, six, six, line101, "c1", MAC{})
			s.see(5, ndOf(NDNeighborSolicitation, snom, "2001:db8:21::a"))
		}, "2001:db8:21::/64 -", 2},
		{"link-local addresses alone", func(s *scene) {
			s.see(1, ndOf(NDRouterSolicitation, snom, "fe80::204:13ff:feaa:1"))
			s.see(2, ndOf(NDNeighborSolicitation, snom, "fe80::204:13ff:feaa:1"))
		}, "no phone", 0},
		{"an address that is being tested", func(s *scene) {
			o := ndOf(NDNeighborSolicitation, snom, six)
			o.ND.SenderIP, o.ND.SenderMAC, o.ND.TargetIP = netip.Addr{}, MAC{}, netip.MustParseAddr(six)
			s.see(1, o)
		}, "no phone", 0},
		{"moved: IPv4 tells at once, IPv6 with the next message", func(s *scene) {
			s.registers(1, snom, six, six, line101, "c1", MAC{})
			s.see(100, Observation{Kind: KindDHCP, MAC: snom, DHCP: &DHCP{Type: DHCPDiscover, Op: 1, Chaddr: snom}})
			s.see(101, ackOf(snom, "10.1.3.20"))
			s.see(102, ndOf(NDNeighborSolicitation, snom, "2001:db8:30::a"))
			s.registers(104, snom, "2001:db8:30::a", "2001:db8:30::a", line101, "c2", MAC{})
		}, "2001:db8:30::/64 10.1.3.0/24", 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t, Config{}, book{})
			tc.tell(s)
			if got := attachmentOf(s.phone(snom)); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if got := s.saw(Reattached); got != tc.moves {
				t.Errorf("got %d changes of the network, want %d", got, tc.moves)
			}
		})
	}
}

func TestCompareFamilies(t *testing.T) {
	at := func(subnet, other string) Attachment {
		a := Attachment{Site: "hq", Subnet: netip.MustParsePrefix(subnet)}
		a.IP = a.Subnet.Addr().Next()
		if other != "" {
			a.OtherSubnet = netip.MustParsePrefix(other)
		}
		return a
	}
	const a4, b4, a6, b6 = "10.1.2.0/24", "10.1.3.0/24", "2001:db8:20::/64", "2001:db8:30::/64"
	for _, tc := range []struct {
		name       string
		known, now Attachment
		want       Relation
	}{
		{"IPv6 now names it", at(a4, a6), at(a6, a4), Same},
		{"IPv6 alone is heard", at(a4, a6), at(a6, ""), Same},
		{"it is IPv6 that is known", at(a6, ""), at(a4, a6), Same},
		{"nothing joins them", at(a4, ""), at(a6, ""), Different},
		{"other networks", at(a4, a6), at(b6, b4), Different},
		{"the same family decides", at(a4, a6), at(b4, a6), Different},
	} {
		if got := Compare(tc.known, tc.now); got != tc.want {
			t.Errorf("%s: got %d, want %d", tc.name, got, tc.want)
		}
	}
	got := at(a4, "").Merge(at(a6, a4))
	if want := at(a4, a6); got != want {
		t.Errorf("merged: got %+v, want %+v", got, want)
	}
	if got := at(a4, a6).Merge(at(a4, "")); got != at(a4, a6) {
		t.Errorf("merged with less: got %+v", got)
	}
}

func TestBindings6(t *testing.T) {
	const six = "2001:db8:20::a"
	owner := func(s *scene) MAC {
		m, _ := s.tracker.bound("", netip.MustParseAddr(six), InstantOf(t0).Add(time.Minute))
		return m
	}
	for _, tc := range []struct {
		name string
		tell func(*scene)
		want MAC
	}{
		{"neighbor solicitation", func(s *scene) { s.see(1, ndOf(NDNeighborSolicitation, snom, six)) }, snom},
		{"without the option: the frame's sender", func(s *scene) {
			o := ndOf(NDNeighborSolicitation, snom, six)
			o.ND.SenderMAC = MAC{}
			s.see(1, o)
		}, snom},
		{"router solicitation", func(s *scene) { s.see(1, ndOf(NDRouterSolicitation, snom, six)) }, snom},
		{"neighbor advertisement", func(s *scene) { s.see(1, ndOf(NDNeighborAdvertisement, snom, six)) }, snom},
		{"advertisement that overrides", func(s *scene) {
			s.see(1, ndOf(NDNeighborAdvertisement, snom, six))
			s.see(2, ndOf(NDNeighborAdvertisement, yealink, six))
		}, yealink},
		{"advertisement that does not", func(s *scene) {
			s.see(1, ndOf(NDNeighborAdvertisement, snom, six))
			o := ndOf(NDNeighborAdvertisement, yealink, six)
			o.ND.Override = false
			s.see(2, o)
		}, snom},
		{"proxy", func(s *scene) {
			o := ndOf(NDNeighborAdvertisement, gateway, six)
			o.ND.TargetMAC = snom
			s.see(1, o)
		}, MAC{}},
		{"router", func(s *scene) {
			s.see(1, raOf(snom))
			s.see(2, ndOf(NDNeighborAdvertisement, snom, six))
		}, MAC{}},
		{"no router: not from a link-local address", func(s *scene) {
			o := raOf(snom)
			o.ND.SenderIP = netip.MustParseAddr(six)
			s.see(1, o)
			s.see(2, ndOf(NDNeighborAdvertisement, snom, six))
		}, snom},
		{"DHCPv6", func(s *scene) { s.see(1, relayed6(DHCP6Reply, 1, snom, Relay6{}, six)) }, snom},
		{"DHCPv6, refused", func(s *scene) {
			o := relayed6(DHCP6Reply, 1, snom, Relay6{}, six)
			o.DHCP6.Status = 2
			s.see(1, o)
		}, MAC{}},
		{"DHCPv6, taken back", func(s *scene) {
			s.see(1, relayed6(DHCP6Reply, 1, snom, Relay6{}, six))
			o := relayed6(DHCP6Reply, 2, snom, Relay6{}, six)
			o.DHCP6.Addresses[0].Valid = 0
			s.see(2, o)
		}, MAC{}},
		{"DHCPv6, given back", func(s *scene) {
			s.see(1, relayed6(DHCP6Reply, 1, snom, Relay6{}, six))
			s.see(2, relayed6(DHCP6Release, 2, snom, Relay6{}, six))
		}, MAC{}},
		{"DHCPv6, declined", func(s *scene) {
			s.see(1, relayed6(DHCP6Reply, 1, snom, Relay6{}, six))
			s.see(2, relayed6(DHCP6Decline, 2, snom, Relay6{}, six))
		}, MAC{}},
		{"DHCPv6, an offer", func(s *scene) { s.see(1, relayed6(2, 1, snom, Relay6{}, six)) }, MAC{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t, Config{}, book{})
			tc.tell(s)
			if got := owner(s); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestClient6(t *testing.T) {
	other := MAC{0x02, 0, 0, 0, 0, 7}
	linkLocal := netip.MustParseAddr("fe80::204:13ff:feaa:1") // snom's
	for _, tc := range []struct {
		name string
		o    Observation
		want MAC
	}{
		{"relay's option 79 before all", Observation{MAC: gateway, DHCP6: &DHCP6{ClientMAC: other, Relays: []Relay6{{}, {PeerAddress: linkLocal, ClientMAC: yealink}}}}, yealink},
		{"the client's own frame before its DUID", Observation{MAC: snom, SrcIP: linkLocal, DHCP6: &DHCP6{Type: DHCP6Solicit, ClientMAC: other}}, snom},
		{"an answer to the client", Observation{MAC: gateway, Dst: snom, DstIP: linkLocal, DHCP6: &DHCP6{Type: DHCP6Reply, ClientMAC: other}}, snom},
		{"from a global address the frame may be a router's", Observation{MAC: gateway, SrcIP: netip.MustParseAddr("2001:db8::1"), DHCP6: &DHCP6{Type: DHCP6Renew, ClientMAC: snom}}, snom},
		{"the client's link-local address before its DUID", Observation{MAC: gateway, DHCP6: &DHCP6{ClientMAC: other, Relays: []Relay6{{PeerAddress: linkLocal}}}}, snom},
		{"the DUID where the address is made up", Observation{MAC: gateway, DHCP6: &DHCP6{ClientMAC: snom, Relays: []Relay6{{PeerAddress: netip.MustParseAddr("fe80::9")}}}}, snom},
		{"nothing", Observation{MAC: gateway, DHCP6: &DHCP6{Relays: []Relay6{{PeerAddress: netip.MustParseAddr("fe80::9")}}}}, MAC{}},
	} {
		s := newScene(t, Config{}, book{})
		if got := s.tracker.client6(&sight{Observation: &tc.o}, tc.o.DHCP6); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestCircuits6(t *testing.T) {
	const six = "2001:db8:20::a"
	link := netip.MustParseAddr("2001:db8:20::1")
	full := Relay6{LinkAddress: link, InterfaceID: "p7", RemoteID: "sw-3fl"}
	back := Relay6{LinkAddress: link, InterfaceID: "p7"}
	own := func(o Observation) Observation { // by the client, or an LDRA in its name
		o.MAC, o.SrcIP = snom, o.DHCP6.Relays[0].PeerAddress
		return o
	}
	for _, tc := range []struct {
		name string
		tell func(*scene)
		want string // remote/circuit
	}{
		{"remote ID from the request", func(s *scene) {
			s.see(1, relayed6(DHCP6Request, 1, snom, full))
			s.see(2, relayed6(DHCP6Reply, 1, snom, back, six))
		}, "sw-3fl/p7"},
		{"nothing given back", func(s *scene) {
			s.see(1, relayed6(DHCP6Request, 1, snom, full))
			s.see(2, relayed6(DHCP6Reply, 1, snom, Relay6{LinkAddress: link}, six))
		}, "sw-3fl/p7"},
		{"all given back", func(s *scene) { s.see(2, relayed6(DHCP6Reply, 1, snom, full, six)) }, "sw-3fl/p7"},
		{"request not heard", func(s *scene) { s.see(2, relayed6(DHCP6Reply, 1, snom, back, six)) }, "/"},
		{"request of another exchange", func(s *scene) {
			s.see(1, relayed6(DHCP6Request, 7, snom, full))
			s.see(2, relayed6(DHCP6Reply, 1, snom, back, six))
		}, "/"},
		{"no remote ID: the relay's address", func(s *scene) {
			s.see(1, relayed6(DHCP6Request, 1, snom, back))
			s.see(2, relayed6(DHCP6Reply, 1, snom, back, six))
		}, "2001:db8:20::1/p7"},
		{"LDRA without a name", func(s *scene) {
			s.see(1, relayed6(DHCP6Request, 1, snom, Relay6{InterfaceID: "p7"}))
			s.see(2, relayed6(DHCP6Reply, 1, snom, Relay6{InterfaceID: "p7"}, six))
		}, "/"},
		{"LDRA, which the server bears out", func(s *scene) {
			s.see(1, own(relayed6(DHCP6Request, 1, snom, Relay6{InterfaceID: "p7", RemoteID: "sw-3fl"})))
			s.see(2, relayed6(DHCP6Reply, 1, snom, Relay6{InterfaceID: "p7"}, six))
		}, "sw-3fl/p7"},
		{"in the client's name, and not borne out", func(s *scene) {
			s.see(1, own(relayed6(DHCP6Request, 1, snom, full)))
			s.see(2, relayed6(DHCP6Reply, 1, snom, Relay6{LinkAddress: link}, six))
		}, "/"},
		{"forged on its own link", func(s *scene) {
			s.tracker.cfg.Interfaces = []InterfaceConfig{{Pattern: "*", Role: RoleLink}}
			s.see(1, own(relayed6(DHCP6Request, 1, snom, full)))
			s.see(2, relayed6(DHCP6Reply, 1, snom, full, six))
		}, "/"},
		{"beside IPv4's: that one stands", func(s *scene) {
			s.see(1, ackOf(snom, "10.1.2.20", "sw-3fl", "Gi1/0/7"))
			s.see(2, relayed6(DHCP6Request, 1, snom, full))
			s.see(3, relayed6(DHCP6Reply, 1, snom, back, six))
		}, "sw-3fl/Gi1/0/7"},
		{"beside IPv4 without one: it fills the gap", func(s *scene) {
			s.see(1, ackOf(snom, "10.1.2.20"))
			s.see(2, relayed6(DHCP6Request, 1, snom, full))
			s.see(3, relayed6(DHCP6Reply, 1, snom, back, six))
		}, "sw-3fl/p7"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t, Config{}, book{phones: []MAC{snom}})
			tc.tell(s)
			a := s.phone(snom).Attachment()
			if got := string(a.RemoteID) + "/" + string(a.CircuitID); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// Anybody can send a REPLY, too. One that nobody asked for, where clients are heard
// to ask, renews, but moves no phone, names no port and takes nothing away.
func TestUnaskedReply(t *testing.T) {
	const here, elsewhere = "2001:db8:20::a", "2001:db8:30::66"
	port := Relay6{InterfaceID: "p9", RemoteID: "sw-9fl"}
	v6 := func(s *scene) {
		s.see(0, relayed6(DHCP6Request, 1, snom, Relay6{}))
		s.see(1, relayed6(DHCP6Reply, 1, snom, Relay6{}, here))
	}
	for _, c := range []struct {
		name   string
		tell   func(*scene)
		want   string // subnet, circuit
		refuse uint64
	}{
		{"for an address elsewhere", func(s *scene) {
			v6(s)
			s.see(600, relayed6(DHCP6Reply, 99, snom, Relay6{}, elsewhere))
		}, "2001:db8:20::/64 ", 1},
		{"long after it was asked for", func(s *scene) {
			v6(s)
			s.see(500, relayed6(DHCP6Renew, 99, snom, Relay6{}))
			s.see(600, relayed6(DHCP6Reply, 99, snom, Relay6{}, elsewhere))
		}, "2001:db8:20::/64 ", 1},
		{"that was asked for", func(s *scene) {
			v6(s)
			s.see(599, relayed6(DHCP6Solicit, 99, snom, Relay6{}))
			s.see(600, relayed6(DHCP6Reply, 99, snom, port, elsewhere))
		}, "2001:db8:30::/64 p9", 0},
		{"that names a port", func(s *scene) {
			v6(s)
			s.see(600, relayed6(DHCP6Reply, 99, snom, port, here))
		}, "2001:db8:20::/64 ", 0},
		{"to a phone that speaks IPv4 alone", func(s *scene) {
			s.leases(0, snom, "10.1.2.20")
			s.see(600, relayed6(DHCP6Reply, 99, snom, port, elsewhere))
		}, "10.1.2.0/24 ", 1},
		{"where servers alone are heard", func(s *scene) {
			s.see(0, relayed6(DHCP6Reply, 1, snom, Relay6{}, here))
			s.see(600, relayed6(DHCP6Reply, 99, snom, port, elsewhere))
		}, "2001:db8:30::/64 p9", 0},
	} {
		s := newScene(t, Config{}, book{phones: []MAC{snom}})
		c.tell(s)
		a := s.phone(snom).Attachment()
		if got := a.Subnet.String() + " " + string(a.CircuitID); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if got := s.tracker.Stats().Unasked; got != c.refuse {
			t.Errorf("%s: %d refused, want %d", c.name, got, c.refuse)
		}
	}

	s := newScene(t, Config{}, book{phones: []MAC{snom}})
	v6(s)
	gone := relayed6(DHCP6Reply, 99, snom, Relay6{}, here)
	gone.DHCP6.Addresses[0].Valid = 0
	s.see(10, gone)
	if _, ok := s.tracker.bound("", netip.MustParseAddr(here), InstantOf(t0.Add(11*time.Second))); !ok {
		t.Error("a REPLY that nobody asked for took the phone's address away")
	}
}

// TestLeasesOfBothFamilies: what the leases of a phone with two do to each other.
func TestLeasesOfBothFamilies(t *testing.T) {
	const four, six, temporary = "10.1.2.20", "2001:db8:20::a", "2001:db8:20::ffff"
	bound := func(s *scene, ip string) bool {
		m, _ := s.tracker.bound("", netip.MustParseAddr(ip), InstantOf(t0).Add(100*time.Second))
		return m == snom
	}
	reply := func(s *scene, at float64) {
		s.see(at, relayed6(DHCP6Request, 1, snom, Relay6{InterfaceID: "p7", RemoteID: "sw-3fl"}))
		s.see(at+0.5, relayed6(DHCP6Reply, 1, snom, Relay6{InterfaceID: "p7"}, six))
	}
	scene := func() *scene { return newScene(t, Config{}, book{phones: []MAC{snom}}) }

	s := scene()
	reply(s, 1)
	s.see(2, ackOf(snom, four))
	if !bound(s, six) || !bound(s, four) {
		t.Errorf("after both leases: got %s bound %t, %s bound %t", six, bound(s, six), four, bound(s, four))
	}
	arrived := s.phone(snom).Arrived
	s.see(3, ackOf(snom, four, "sw-3fl", "Gi1/0/7"))
	if a := s.phone(snom).Attachment(); a.CircuitID != "Gi1/0/7" {
		t.Errorf("IPv4's own circuit: got %s, want Gi1/0/7", string(a.CircuitID))
	}

	s = scene()
	reply(s, 1)
	s.see(2, ackOf(snom, four))
	s.see(100, clientDHCP(DHCPDiscover, 0, snom, nil)) // as ackOf answers
	s.see(101, ackOf(snom, four, "sw-3fl", "Gi1/0/7"))
	if tr := s.phone(snom); tr.Attachment().CircuitID != "Gi1/0/7" || tr.Arrived != arrived {
		t.Errorf("the same port as IPv4 names it: got %s since %s, want Gi1/0/7 since %s", string(tr.Attachment().CircuitID), tr.Arrived, arrived)
	}

	s = scene()
	s.see(1, ackOf(snom, four))
	solicit := relayed6(DHCP6Solicit, 1, snom, Relay6{})
	s.see(2, solicit)
	if got := s.phone(snom).Booted; !got.IsZero() {
		t.Errorf("SOLICIT beside IPv4: got a boot at %s", got)
	}
	s.registers(3, snom, six, six, line101, "c", MAC{})
	s.see(4, solicit)
	if got := s.phone(snom).Booted; got.IsZero() {
		t.Error("SOLICIT of a phone on IPv6: got no boot")
	}

	s = scene()
	s.registers(1, snom, six, six, line101, "c", MAC{})
	reply(s, 2)
	s.see(3, ndOf(NDNeighborSolicitation, snom, temporary))
	if got := s.phone(snom).Attachment().IP.String(); got != six {
		t.Errorf("beside a temporary address: got %s, want %s", got, six)
	}
	s.registers(4, snom, temporary, temporary, line101, "c", MAC{})
	if tr := s.phone(snom); tr.Attachment().IP.String() != temporary || !tr.Leased(t0.Add(5*time.Second)) {
		t.Errorf("registered from a temporary address: got %s, leased %t", tr.Attachment().IP, tr.Leased(t0.Add(5*time.Second)))
	}
}

// TestSharedCircuitAside: phones that register over IPv6 count on the circuits
// of their IPv4 leases.
func TestSharedCircuitAside(t *testing.T) {
	phones := []MAC{snom, yealink, polycom}
	s := newScene(t, Config{}, book{phones: phones})
	for i, m := range phones {
		at, n := float64(10*i), string(rune('1'+i))
		s.registers(at, m, "2001:db8:20::"+n, "2001:db8:20::"+n, line101+n, "c"+n, MAC{})
		s.see(at+5, ackOf(m, "10.1.2."+n, "sw-3fl", "vlan20"))
		if got, want := s.phone(snom).Attachment().Shared, i == 2; got != want {
			t.Errorf("%d phones: shared %t, want %t", i+1, got, want)
		}
	}
}

// TestRelayPortBesideIPv4: a phone with both families moves within its subnet,
// which only the DHCPv6 relay tells.
func TestRelayPortBesideIPv4(t *testing.T) {
	s := newScene(t, Config{}, book{phones: []MAC{snom}})
	port := func(at float64, xid uint32, id Hex) {
		s.see(at, relayed6(DHCP6Request, xid, snom, Relay6{InterfaceID: id, RemoteID: "sw-3fl"}))
		s.see(at+1, relayed6(DHCP6Reply, xid, snom, Relay6{InterfaceID: id}, "2001:db8:20::a"))
	}
	s.see(1, ackOf(snom, "10.1.2.20"))
	port(2, 1, "p7")
	port(100, 2, "p8") // renamed: it did not boot
	if got := s.phone(snom).Attachment().CircuitID; got != "p7" {
		t.Errorf("without a boot: got circuit %s, want p7", string(got))
	}
	s.see(200, Observation{Kind: KindDHCP, MAC: snom, DHCP: &DHCP{Type: DHCPDiscover, Op: 1, Chaddr: snom}})
	s.see(201, ackOf(snom, "10.1.2.20"))
	port(202, 3, "p8")
	if a := s.phone(snom).Attachment(); a.CircuitID != "p8" || a.Subnet != netip.MustParsePrefix("10.1.2.0/24") {
		t.Errorf("after the boot: got circuit %s in %s, want p8 in 10.1.2.0/24", string(a.CircuitID), a.Subnet)
	}
}

func TestSubnet6(t *testing.T) {
	for _, tc := range []struct {
		name     string
		prefixes []string
		want     string
		assumed  bool
	}{
		{"nothing announced", nil, "2001:db8:20::/64", true},
		{"announced", []string{"2001:db8:20::/64"}, "2001:db8:20::/64", false},
		{"narrower", []string{"2001:db8:20::/64", "2001:db8:20::/120"}, "2001:db8:20::/120", false},
		{"wider ones hide no moves", []string{"2001:db8::/32"}, "2001:db8:20::/64", true},
		{"host routes are no subnets", []string{"2001:db8:20::a/128", "2001:db8:20::a/127"}, "2001:db8:20::/64", true},
		{"another", []string{"2001:db8:21::/64"}, "2001:db8:20::/64", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t, Config{}, book{})
			s.see(1, raOf(gateway, tc.prefixes...))
			s.see(2, ndOf(NDNeighborSolicitation, snom, "2001:db8:20::a"))
			a := s.phone(snom).Attachment()
			if a.Subnet.String() != tc.want || a.Assumed != tc.assumed {
				t.Errorf("got %s, assumed %t, want %s, %t", a.Subnet, a.Assumed, tc.want, tc.assumed)
			}
		})
	}
	s := newScene(t, Config{}, book{})
	o := raOf(gateway, "2001:db8:20::/120")
	o.ND.Prefixes[0].OnLink = false
	s.see(1, o)
	s.see(2, ndOf(NDNeighborSolicitation, snom, "2001:db8:20::a"))
	if got := s.phone(snom).Attachment(); !got.Assumed {
		t.Errorf("prefix that is not on the link: got %s, not assumed", got.Subnet)
	}
}

// TestMemory6 floods what IPv6 makes the tracker remember.
func TestMemory6(t *testing.T) {
	s := newScene(t, Config{}, book{})
	o := relayed6(DHCP6Request, 1, MAC{}, Relay6{InterfaceID: "p", RemoteID: "r"})
	for i := range 2 * maxRequests6 {
		m := *o.DHCP6
		m.ClientDUID = Hex([]byte{byte(i >> 16), byte(i >> 8), byte(i), 0})
		o.DHCP6 = &m
		s.see(1, o)
	}
	if n := len(s.tracker.requests6); n != maxRequests6 || len(s.tracker.order6) != n {
		t.Errorf("got %d requests in a list of %d, want %d", n, len(s.tracker.order6), maxRequests6)
	}
	for i := range 2 * maxLinks {
		a := netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, byte(i >> 8), byte(i)})
		s.see(2, raOf(gateway, netip.PrefixFrom(a, 64).String()))
	}
	if n := len(s.tracker.links); n != maxLinks {
		t.Errorf("got %d prefixes, want %d", n, maxLinks)
	}

	again := NewTracker(Config{}, book{})
	b, err := s.tracker.MarshalState()
	if err == nil {
		err = again.UnmarshalState(string(b))
	}
	if err != nil {
		t.Fatal(err)
	}
	if c, err := again.MarshalState(); err != nil || string(c) != string(b) {
		t.Errorf("state of %d bytes is not the same when stored and read: %v", len(b), err)
	}
	if p, ok := again.onLink("", netip.MustParseAddr("2001:db8:1::1"), InstantOf(t0).Add(time.Minute)); !ok || p.Bits() != 64 {
		t.Errorf("after a restart: got %v, %t", p, ok)
	}
}
