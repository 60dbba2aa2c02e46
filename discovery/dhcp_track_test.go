package discovery

import (
	"net/netip"
	"testing"
	"time"
)

// clientDHCP is a client's message, or the server's answer to it.
func clientDHCP(typ DHCPType, xid uint32, m MAC, edit func(*DHCP)) Observation {
	o := Observation{Kind: KindDHCP, MAC: m, DHCP: &DHCP{Type: typ, Op: 1, XID: xid, Chaddr: m}}
	if typ == DHCPAck || typ == DHCPNak || typ > DHCPInform {
		o.MAC, o.Dst, o.DHCP.Op = gateway, m, 2
	}
	if edit != nil {
		edit(o.DHCP)
	}
	return o
}

func TestLeaseThatIsNone(t *testing.T) {
	addr := netip.MustParseAddr("10.1.2.20")
	const mask = 24
	for _, tc := range []struct {
		name   string
		tell   func(*scene)
		leased bool
		bound  bool
		subnet string
	}{
		{"the lease", func(*scene) {}, true, true, "10.1.2.0/24"},
		{"NAK to its request", func(s *scene) {
			s.see(10, clientDHCP(DHCPRequest, 7, snom, nil))
			s.see(11, clientDHCP(DHCPNak, 7, snom, nil))
		}, false, false, "10.1.2.0/24"},
		{"NAK that nobody asked for", func(s *scene) { s.see(11, clientDHCP(DHCPNak, 7, snom, nil)) }, true, true, "10.1.2.0/24"},
		{"NAK that a client sends", func(s *scene) {
			s.see(10, clientDHCP(DHCPRequest, 7, snom, nil))
			s.see(11, clientDHCP(DHCPNak, 7, snom, func(d *DHCP) { d.Op = 1 }))
		}, true, true, "10.1.2.0/24"},
		{"NAK to another exchange", func(s *scene) {
			s.see(10, clientDHCP(DHCPRequest, 7, snom, nil))
			s.see(11, clientDHCP(DHCPNak, 8, snom, nil))
		}, true, true, "10.1.2.0/24"},
		{"NAK long after the request", func(s *scene) {
			s.see(10, clientDHCP(DHCPRequest, 7, snom, nil))
			s.see(100, clientDHCP(DHCPNak, 7, snom, nil))
		}, true, true, "10.1.2.0/24"},
		{"DECLINE", func(s *scene) {
			s.see(10, clientDHCP(DHCPDecline, 7, snom, func(d *DHCP) { d.RequestedIP = addr }))
		}, false, false, "10.1.2.0/24"},
		{"DECLINE of another address", func(s *scene) {
			s.see(10, clientDHCP(DHCPDecline, 7, snom, func(d *DHCP) { d.RequestedIP = addr.Next() }))
		}, true, true, "10.1.2.0/24"},
		{"FORCERENEW", func(s *scene) { s.see(10, clientDHCP(9, 7, snom, nil)) }, true, true, "10.1.2.0/24"},
		{"a lease query's answer binds nothing", func(s *scene) {
			s.see(10, clientDHCP(13, 7, snom, func(d *DHCP) { d.Ciaddr, d.SubnetBits = netip.MustParseAddr("10.1.3.9"), mask }))
		}, true, true, "10.1.2.0/24"},
		{"INFORM from elsewhere", func(s *scene) {
			s.see(10, clientDHCP(DHCPInform, 7, snom, func(d *DHCP) { d.Ciaddr = netip.MustParseAddr("10.1.3.9") }))
			s.see(11, clientDHCP(DHCPAck, 7, snom, func(d *DHCP) { d.Ciaddr, d.SubnetBits = netip.MustParseAddr("10.1.3.9"), 23 }))
		}, false, true, "10.1.2.0/23"},
		{"answer to no INFORM", func(s *scene) {
			s.see(11, clientDHCP(DHCPAck, 7, snom, func(d *DHCP) { d.Ciaddr, d.SubnetBits = netip.MustParseAddr("10.1.3.9"), mask }))
		}, true, true, "10.1.2.0/24"},
		{"RELEASE of an address beside IPv6", func(s *scene) {
			s.registers(5, snom, "2001:db8:20::a", "2001:db8:20::a", line101, "c", MAC{})
			s.see(6, relayed6(DHCP6Reply, 1, snom, Relay6{}, "2001:db8:20::a"))
			s.see(10, clientDHCP(DHCPRelease, 7, snom, func(d *DHCP) { d.Ciaddr = addr }))
		}, true, false, "2001:db8:20::/64"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t, Config{}, book{phones: []MAC{snom}})
			s.see(1, ackOf(snom, addr.String()))
			tc.tell(s)
			tr, now := s.phone(snom), t0.Add(101*time.Second)
			if got := tr.Leased(now); got != tc.leased {
				t.Errorf("leased: got %t, want %t", got, tc.leased)
			}
			if _, got := s.tracker.bound("", addr, InstantOf(now)); got != tc.bound {
				t.Errorf("bound: got %t, want %t", got, tc.bound)
			}
			if got := tr.Attachment().Subnet.String(); got != tc.subnet {
				t.Errorf("subnet: got %s, want %s", got, tc.subnet)
			}
		})
	}
}

func TestNetworkTellsThePlace(t *testing.T) {
	s := newScene(t, Config{}, book{phones: []MAC{snom}})
	civic := &Civic{Country: "US", Elements: []CivicElement{{1, "IL"}, {3, "Springfield"}, {28, "307"}}}
	lat, lon := 38.5, -77.0625
	o := ackOf(snom, "10.1.2.20")
	o.DHCP.Told = Told{civic, &lat, &lon}
	s.see(1, o)
	sw := switchLLDP("Gi1/0/7", "tap")
	sw.LLDP.MED = &MED{Class: 4, Civic: civic}
	s.see(2, sw)
	s.see(3, phoneLLDP(snom, "tap"))
	var told []string
	for _, e := range s.phone(snom).Evidence() {
		if e.Field == "told" {
			told = append(told, e.Source.String()+": "+e.Value)
		}
	}
	if len(told) != 2 || told[0] != "switch: Room 307, Springfield, IL, US" || told[1] != "dhcp server: Room 307, Springfield, IL, US, 38.500000 -77.062500" {
		t.Errorf("got %q", told)
	}
	s.see(10, arpOf(snom, "10.9.9.9")) // elsewhere it is not known
	for _, e := range s.phone(snom).Evidence() {
		if e.Field == "told" {
			t.Errorf("after a move: got %s", e.Value)
		}
	}
}

func TestShutdown(t *testing.T) {
	long := func(port string) Observation {
		o := switchLLDP(port, "tap")
		o.LLDP.TTL = 3600
		return o
	}
	end := func(edit func(*Observation)) Observation {
		o := switchLLDP("Gi1/0/7", "tap")
		o.LLDP.TTL = 0
		if edit != nil {
			edit(&o)
		}
		return o
	}
	for _, tc := range []struct {
		name string
		tell func(*scene)
		at   float64
		want string
	}{
		{"none", func(*scene) {}, 200, "Gi1/0/7"},
		{"the switch's: its port is not heard any more", func(s *scene) { s.see(10, end(nil)) }, 200, ""},
		{"not at once: anybody can send it", func(s *scene) { s.see(10, end(nil)) }, 20, "Gi1/0/7"},
		{"and the switch goes on", func(s *scene) { s.see(10, end(nil)); s.see(30, long("Gi1/0/7")) }, 200, "Gi1/0/7"},
		{"another port's", func(s *scene) { s.see(10, end(func(o *Observation) { o.LLDP.PortID = "Gi1/0/8" })) }, 200, "Gi1/0/7"},
		{"from another MAC", func(s *scene) { s.see(10, end(func(o *Observation) { o.MAC = computer })) }, 200, "Gi1/0/7"},
		{"it lengthens nothing", func(s *scene) { s.see(100, end(nil)) }, 150, ""},
		{"the phone's: it restarts", func(s *scene) {
			o := phoneLLDP(snom, "tap")
			o.LLDP.TTL = 0
			s.see(10, o)
		}, 100, "Gi1/0/7"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t, Config{}, book{})
			s.see(1, long("Gi1/0/7"))
			if tc.name == "it lengthens nothing" {
				s.tracker.wires["tap"].Switches[0].Until = InstantOf(t0).Add(121 * time.Second)
			}
			s.see(2, phoneLLDP(snom, "tap"))
			tc.tell(s)
			s.see(tc.at, phoneLLDP(snom, "tap"))
			got := ""
			if n := s.tracker.wires["tap"].port(InstantOf(t0).Add(time.Duration(tc.at) * time.Second)); n != nil {
				got = n.LLDP.Port
			}
			if got != tc.want {
				t.Errorf("got port %q, want %q", got, tc.want)
			}
			if attached := s.phone(snom).Attachment().PortID; tc.want != "" && attached != tc.want {
				t.Errorf("got the phone at %q, want %q", attached, tc.want)
			}
		})
	}
}

func TestPCPort(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*Observation)
		want bool
	}{
		{"the network port", func(*Observation) {}, false},
		{"numbered", func(o *Observation) { o.LLDP.PortID = "001B54945A8B:P2" }, true},
		{"the first of two", func(o *Observation) { o.LLDP.PortID = "001B54945A8B:P1" }, false},
		{"named", func(o *Observation) { o.LLDP.PortDescription = "PC Port" }, true},
		{"WAN", func(o *Observation) { o.LLDP.PortDescription = "WAN PORT" }, false},
		{"no MAC before it", func(o *Observation) { o.LLDP.PortID = "eth0:P2" }, false},
		{"CDP", func(o *Observation) {
			o.Kind, o.LLDP, o.CDP = KindCDP, nil, &CDP{TTL: 180, DeviceID: "SEP000413AA0001", PortID: "Port 2", Capabilities: CDPPhone}
		}, true},
		{"CDP, the network port", func(o *Observation) {
			o.Kind, o.LLDP, o.CDP = KindCDP, nil, &CDP{TTL: 180, DeviceID: "SEP000413AA0001", PortID: "Port 1", Capabilities: CDPPhone}
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t, Config{}, book{})
			s.see(1, switchLLDP("Gi0/1", "pc"))
			o := phoneLLDP(snom, "pc")
			tc.edit(&o)
			s.see(2, o)
			s.see(3, switchLLDP("Gi0/1", "pc"))
			tr := s.phone(snom)
			if tr == nil {
				t.Fatal("got no phone")
			}
			if got := tr.Attachment().PortID == ""; got != tc.want {
				t.Errorf("behind the phone: got %t, want %t", got, tc.want)
			}
			if got := !s.tracker.wires["pc"].isLink(InstantOf(t0).Add(3 * time.Second)); got != tc.want {
				t.Errorf("no link of the phone's: got %t, want %t", got, tc.want)
			}
			s = newScene(t, Config{Interfaces: []InterfaceConfig{{Pattern: "*", Role: RoleLink}}}, book{})
			s.see(1, switchLLDP("Gi0/1", "pc"))
			s.see(2, o)
			if got := s.phone(snom).Attachment().PortID == ""; got != tc.want {
				t.Errorf("configured as a link, behind the phone: got %t, want %t", got, tc.want)
			}
		})
	}
}

// TestRemoteIDOfTheClient: a relay that puts the client's MAC for its own name
// has one circuit for all its clients, and not one for each.
func TestRemoteIDOfTheClient(t *testing.T) {
	s := newScene(t, Config{}, book{phones: []MAC{snom}})
	s.see(1, ackOf(snom, "10.1.2.20", Hex(snom[:]), "ether2"))
	if a := s.phone(snom).Attachment(); a.RemoteID != "" || a.CircuitID != "ether2" {
		t.Errorf("got %x/%s, want none/ether2", string(a.RemoteID), string(a.CircuitID))
	}
}

// TestLeaseQuery: what a relay asks about a client makes no phone of it.
func TestLeaseQuery(t *testing.T) {
	s := newScene(t, Config{}, book{})
	s.see(1, clientDHCP(10, 1, computer, func(d *DHCP) { d.Op, d.VendorClass = 1, "yealink" }))
	if s.phone(computer) != nil {
		t.Error("got a phone")
	}
	s.see(2, clientDHCP(DHCPRequest, 1, computer, func(d *DHCP) { d.VendorClass = "yealink" }))
	if s.phone(computer) == nil {
		t.Error("got no phone of its own request")
	}
}

// Anybody can send an ACK. One that nobody asked for, where clients are heard to
// ask, renews and fills, but moves no phone and takes no address.
func TestUnaskedAck(t *testing.T) {
	const here, elsewhere = "10.1.2.20", "10.1.3.66"
	ack := func(m MAC, xid uint32, ip string) Observation {
		return clientDHCP(DHCPAck, xid, m, func(d *DHCP) {
			d.Yiaddr, d.SubnetBits, d.LeaseSeconds = netip.MustParseAddr(ip), 24, 7200
		})
	}
	for _, c := range []struct {
		name string
		tell func(*scene)
		want string // subnet of the phone
	}{
		{"for an address elsewhere", func(s *scene) {
			s.leases(0, snom, here)
			s.see(600, ack(snom, 99, elsewhere))
		}, "10.1.2.0/24"},
		{"long after it was asked for", func(s *scene) {
			s.leases(0, snom, here)
			s.see(500, clientDHCP(DHCPRequest, 99, snom, nil))
			s.see(600, ack(snom, 99, elsewhere))
		}, "10.1.2.0/24"},
		{"that was asked for", func(s *scene) {
			s.leases(0, snom, here)
			s.see(599, clientDHCP(DHCPRequest, 99, snom, nil))
			s.see(600, ack(snom, 99, elsewhere))
		}, "10.1.3.0/24"},
		{"for an address that it had before", func(s *scene) {
			s.leases(0, snom, here)
			s.registers(300, snom, elsewhere, elsewhere, line101, "c", snom)
			s.see(600, ack(snom, 99, here))
		}, "10.1.3.0/24"},
		{"where servers alone are heard", func(s *scene) {
			s.see(0, ack(snom, 1, here))
			s.see(600, ack(snom, 99, elsewhere))
		}, "10.1.3.0/24"},
		{"for a phone that nothing is known of", func(s *scene) {
			s.leases(0, yealink, "10.1.2.21")
			s.see(600, ack(snom, 99, here))
		}, "10.1.2.0/24"},
		{"for another's address", func(s *scene) {
			s.leases(0, yealink, here)
			s.see(600, ack(snom, 99, here))
		}, ""},
	} {
		s := newScene(t, Config{}, book{})
		c.tell(s)
		got := ""
		if tr := s.phone(snom); tr != nil && tr.Attachment().Subnet.IsValid() {
			got = tr.Attachment().Subnet.String()
		}
		if got != c.want {
			t.Errorf("%s: got subnet %q, want %q", c.name, got, c.want)
		}
	}
	s := newScene(t, Config{}, book{})
	s.leases(0, snom, here)
	s.see(600, ackOf(snom, here, "sw-9fl", "Gi1/0/9"))
	if a := s.phone(snom).Attachment(); a.CircuitID != "" {
		t.Errorf("an ACK that nobody asked for named the port %q", a.CircuitID)
	}
	s = newScene(t, Config{}, book{})
	s.leases(0, snom, here)
	s.see(3000, ack(snom, 99, here)) // renews
	s.advance(2*time.Hour - time.Second)
	if _, ok := s.tracker.bound("", netip.MustParseAddr(here), InstantOf(t0.Add(2*time.Hour))); !ok {
		t.Error("a renewal whose request was not heard did not renew")
	}
}
