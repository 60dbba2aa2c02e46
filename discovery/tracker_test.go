package discovery

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"perch/sip"
)

// book is a directory of a few phones and lines.
type book struct {
	phones []MAC
	lines  map[sip.AOR][]MAC
	listed []sip.AOR
}

func (b book) PhoneListed(m MAC) bool        { return slices.Contains(b.phones, m) }
func (b book) PhonesOfAOR(aor sip.AOR) []MAC { return b.lines[aor] }
func (b book) AORListed(aor sip.AOR) bool {
	return len(b.lines[aor]) > 0 || slices.Contains(b.listed, aor)
}
func (b book) SiteSubnet(string, netip.Addr) (netip.Prefix, bool) {
	return netip.Prefix{}, false
}

var (
	t0       = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	snom     = MAC{0x00, 0x04, 0x13, 0xaa, 0, 1}
	yealink  = MAC{0x00, 0x15, 0x65, 0xaa, 0, 2}
	polycom  = MAC{0x00, 0x04, 0xf2, 0xaa, 0, 3}
	computer = MAC{0x3c, 0x52, 0x82, 0xaa, 0, 9}
	gateway  = MAC{0x00, 0x1b, 0x0d, 0xaa, 0, 1}
)

// scene feeds observations to a tracker and collects what it says.
type scene struct {
	t       *testing.T
	tracker *Tracker
	changes []What
	frame   int
}

func newScene(t *testing.T, cfg Config, dir Directory) *scene {
	return &scene{t: t, tracker: NewTracker(cfg, dir)}
}

// see observes o at a number of seconds after t0.
func (s *scene) see(at float64, o Observation) {
	s.t.Helper()
	o.Time = t0.Add(time.Duration(at * float64(time.Second)))
	s.frame++
	o.Frame = s.frame
	if o.File == "" && o.Interface == "" {
		o.File = "mirror.pcap"
	}
	for _, c := range s.tracker.Advance(o.Time) {
		s.changes = append(s.changes, c.What)
	}
	for _, c := range s.tracker.Observe(&o, o.Time) {
		s.changes = append(s.changes, c.What)
	}
}

func (s *scene) saw(w What) int {
	n := 0
	for _, c := range s.changes {
		if c&w != 0 {
			n++
		}
	}
	return n
}

func (s *scene) phone(m MAC) *Track { return s.tracker.Phone(PhoneID{MAC: m}) }

func phoneLLDP(m MAC, wire string) Observation {
	return Observation{Kind: KindLLDP, MAC: m, File: wire, LLDP: &LLDP{
		ChassisID: m.String(), PortID: m.String(), TTL: 120, Capabilities: CapBridge | CapTelephone, MED: &MED{Class: 3},
	}}
}

func switchLLDP(port, wire string) Observation {
	return Observation{Kind: KindLLDP, MAC: gateway, File: wire, LLDP: &LLDP{
		ChassisID: "00:1b:54:aa:00:01", PortID: port, TTL: 120, SystemName: "sw-3fl", Capabilities: CapBridge,
	}}
}

func arpOf(m MAC, ip string) Observation {
	a := netip.MustParseAddr(ip)
	return Observation{Kind: KindARP, MAC: m, ARP: &ARP{Op: 1, SenderMAC: m, SenderIP: a, TargetIP: a}}
}

// registers is a REGISTER and its 200, as two observations.
func (s *scene) registers(at float64, via MAC, from, contact, aor, callID string, claimed MAC) {
	s.t.Helper()
	src := netip.AddrPortFrom(netip.MustParseAddr(from), 5060)
	reg := sip.Register{
		CallID: callID, CSeq: uint32(at) + 1, AOR: sip.AOR(aor), Expires: 3600,
		Contacts: []sip.Contact{{URI: "sip:x@" + contact, Host: contact, Expires: -1}},
	}
	s.see(at, Observation{
		Kind: KindRegister, MAC: via, SrcIP: src.Addr(),
		Register: &Register{Transport: "udp", Source: src, Register: reg, ClaimedMAC: claimed},
	})
	s.see(at+0.1, Observation{
		Kind: KindRegisterResponse, MAC: gateway, Dst: via,
		Response: &RegisterResponse{RegisterResponse: sip.RegisterResponse{Status: 200, CallID: callID, CSeq: reg.CSeq, AOR: reg.AOR, Expires: 3600}},
	})
}

func TestRegisterNamesThePhone(t *testing.T) {
	const aor = "sip:101@example.com"
	tests := []struct {
		name    string
		dir     book
		before  func(*scene)
		via     MAC
		contact string
		claimed MAC
		want    string // of the phone; empty: counted only
	}{
		{name: "a MAC in the message", via: gateway, claimed: yealink, want: yealink.String()},
		{name: "the binding of its IP", via: gateway, before: func(s *scene) { s.see(0, arpOf(polycom, "10.1.2.20")) }, want: polycom.String()},
		{name: "the frame's source, a desk phone vendor's", via: snom, want: snom.String()},
		{name: "the frame's source, listed", via: computer, dir: book{phones: []MAC{computer}}, want: computer.String()},
		{name: "the frame's source, announced as a phone", via: computer, before: func(s *scene) { s.see(0, phoneLLDP(computer, "x.pcap")) }, want: computer.String()},
		{name: "the line of exactly one phone", via: gateway, dir: book{lines: map[sip.AOR][]MAC{aor: {snom}}}, want: snom.String()},
		{name: "a line of two phones", via: gateway, dir: book{lines: map[sip.AOR][]MAC{aor: {snom, yealink}}}, want: aor + ";1"},
		{name: "a listed line", via: gateway, dir: book{listed: []sip.AOR{aor}}, want: aor + ";1"},
		{name: "nothing", via: gateway, want: ""},
		{name: "a binding to a router is none", via: gateway, before: func(s *scene) {
			s.see(0, arpOf(gateway, "10.1.2.20"))
			for i, ip := range []string{"10.5.0.1", "10.5.0.2", "10.5.0.3"} {
				s.see(float64(i+1), Observation{Kind: KindRegisterResponse, MAC: gateway, SrcIP: netip.MustParseAddr(ip), Response: &RegisterResponse{}})
			}
		}, dir: book{listed: []sip.AOR{aor}}, want: aor + ";1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, Config{}, tt.dir)
			if tt.before != nil {
				tt.before(s)
			}
			s.registers(10, tt.via, "10.1.2.20", "10.1.2.20", aor, "call-1", tt.claimed)
			got := ""
			for _, tr := range s.tracker.Phones() {
				if tr.Registers(aor) {
					got = tr.ID.String()
				}
			}
			if got != tt.want {
				t.Errorf("registered on %q, want %q", got, tt.want)
			}
		})
	}
}

// TestConflictingClaim: a message that claims another MAC than its IP is bound
// to is shown once, and moves nobody.
func TestConflictingClaim(t *testing.T) {
	s := newScene(t, Config{}, book{phones: []MAC{snom, yealink}})
	s.registers(1, snom, "10.1.2.20", "10.1.2.20", "sip:101@example.com", "a", MAC{})
	s.see(5, arpOf(yealink, "10.1.3.30"))
	for i := range 3 {
		s.registers(float64(100+i*60), yealink, "10.1.3.30", "10.1.3.30", "sip:102@example.com", "b", snom)
	}
	if got := s.saw(Conflicting); got != 1 {
		t.Errorf("%d conflicts, want 1", got)
	}
	if got, want := s.phone(snom).Attachment().Subnet.String(), "10.1.2.0/24"; got != want {
		t.Errorf("the claimed phone is on %s, want %s", got, want)
	}
}

// TestHeardOnTwoPorts: a MAC that is heard on two ports in turn flaps, and after
// 15 minutes is a conflict, once.
func TestHeardOnTwoPorts(t *testing.T) {
	s := newScene(t, Config{}, book{})
	for at := 0; at < 30*60; at += 60 {
		s.see(float64(at), switchLLDP("Gi1/0/7", "tap7.pcap"))
		s.see(float64(at)+1, phoneLLDP(snom, "tap7.pcap"))
		s.see(float64(at)+30, switchLLDP("Gi1/0/9", "tap9.pcap"))
		s.see(float64(at)+31, phoneLLDP(snom, "tap9.pcap"))
	}
	if got := s.saw(Flapped); got != 1 {
		t.Errorf("began to flap %d times, want 1", got)
	}
	if got := s.saw(Conflicting); got != 1 {
		t.Errorf("%d conflicts, want 1", got)
	}
	if !s.phone(snom).Flapping(t0.Add(31 * time.Minute)) {
		t.Error("it is not flapping any more right after the last change")
	}
}

// TestMovedBackIsNoConflict: to another port and back once is two moves.
func TestMovedBackIsNoConflict(t *testing.T) {
	s := newScene(t, Config{}, book{})
	for i, port := range []string{"Gi1/0/7", "Gi1/0/9", "Gi1/0/7"} {
		for k := range 40 {
			at := float64(i*3600 + k*30)
			s.see(at, switchLLDP(port, port[6:]+".pcap"))
			s.see(at+1, phoneLLDP(snom, port[6:]+".pcap"))
		}
	}
	if got := s.saw(Conflicting | Flapped); got != 0 {
		t.Errorf("%d conflicts or flaps, want 0", got)
	}
	if got, want := s.phone(snom).Attachment().PortID, "Gi1/0/7"; got != want {
		t.Errorf("on port %s, want %s", got, want)
	}
}

// TestRolesOfInterfaces: whose port a switch's frame names.
func TestRolesOfInterfaces(t *testing.T) {
	const wire = "tap.pcap"
	tests := []struct {
		name string
		role Role
		see  func(*scene)
		want string // port of the snom
	}{
		{"a phone beside one switch port", RoleAuto, func(s *scene) {
			s.see(0, switchLLDP("GigabitEthernet1/0/7", wire))
			s.see(1, phoneLLDP(snom, wire))
		}, "Gi1/0/7"},
		{"the switch is heard after the phone", RoleAuto, func(s *scene) {
			s.see(0, phoneLLDP(snom, wire))
			s.see(1, switchLLDP("Gi1/0/7", wire))
		}, "Gi1/0/7"},
		{"a phone without a switch", RoleAuto, func(s *scene) { s.see(0, phoneLLDP(snom, wire)) }, ""},
		{"two phones, an unmanaged switch between", RoleAuto, func(s *scene) {
			s.see(0, switchLLDP("Gi1/0/7", wire))
			s.see(1, phoneLLDP(snom, wire))
			s.see(2, phoneLLDP(yealink, wire))
		}, "Gi1/0/7"},
		{"three phones: no access link", RoleAuto, func(s *scene) {
			s.see(0, switchLLDP("Gi1/0/7", wire))
			s.see(1, phoneLLDP(snom, wire))
			s.see(2, phoneLLDP(yealink, wire))
			s.see(3, phoneLLDP(polycom, wire))
		}, ""},
		{"a second switch port withdraws the first", RoleAuto, func(s *scene) {
			s.see(0, switchLLDP("Gi1/0/7", wire))
			s.see(1, phoneLLDP(snom, wire))
			s.see(2, switchLLDP("Gi1/0/8", wire))
		}, ""},
		{"a configured mirror", RoleMirror, func(s *scene) {
			s.see(0, switchLLDP("Gi1/0/7", wire))
			s.see(1, phoneLLDP(snom, wire))
		}, ""},
		{"a configured link, three phones", RoleLink, func(s *scene) {
			s.see(0, switchLLDP("Gi1/0/7", wire))
			s.see(1, phoneLLDP(yealink, wire))
			s.see(2, phoneLLDP(polycom, wire))
			s.see(3, phoneLLDP(snom, wire))
		}, "Gi1/0/7"},
		{"the switch's word is older than its TTL", RoleAuto, func(s *scene) {
			s.see(0, switchLLDP("Gi1/0/7", wire))
			s.see(200, phoneLLDP(snom, wire))
		}, ""},
		{"ARP makes no link", RoleAuto, func(s *scene) {
			s.see(0, switchLLDP("Gi1/0/7", wire))
			o := arpOf(snom, "10.1.2.20")
			o.File = wire
			s.see(1, o)
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, Config{Interfaces: []InterfaceConfig{{Pattern: wire, Role: tt.role}}}, book{})
			tt.see(s)
			if got := s.phone(snom).Attachment().PortID; got != tt.want {
				t.Errorf("port %q, want %q", got, tt.want)
			}
		})
	}
}

// TestRouterIsNoPhone: a phone whose MAC turns out to be a router's is forgotten.
func TestRouterIsNoPhone(t *testing.T) {
	s := newScene(t, Config{}, book{})
	s.registers(1, snom, "10.1.2.20", "10.1.2.20", "sip:101@example.com", "a", MAC{})
	s.registers(10, snom, "10.1.2.21", "10.1.2.21", "sip:102@example.com", "b", MAC{})
	if s.phone(snom) == nil {
		t.Fatal("two sources make a router already")
	}
	s.registers(20, snom, "10.1.2.22", "10.1.2.22", "sip:103@example.com", "c", MAC{})
	if s.saw(NotAPhone) != 1 || s.phone(snom) != nil {
		t.Errorf("the router is still a phone: %v", s.changes)
	}
}

// TestStateRoundTrip: what is stored and loaded again goes on as if nothing had
// happened.
func TestStateRoundTrip(t *testing.T) {
	s := newScene(t, Config{}, book{listed: []sip.AOR{"sip:101@example.com"}})
	s.see(0, switchLLDP("Gi1/0/7", "tap.pcap"))
	s.see(1, phoneLLDP(snom, "tap.pcap"))
	s.registers(3, gateway, "203.0.113.5", "192.168.1.20", "sip:101@example.com", "a", MAC{})
	first, err := s.tracker.MarshalState()
	if err != nil {
		t.Fatal(err)
	}
	other := NewTracker(Config{}, book{})
	if err := other.UnmarshalState(string(first)); err != nil {
		t.Fatal(err)
	}
	second, err := other.MarshalState()
	if err != nil {
		t.Fatal(err)
	}
	if string(first) != string(second) {
		t.Errorf("stored and loaded:\n%s\nwant\n%s", second, first)
	}
}

// TestBindingRunsOut: whoever had an address once is not the phone that registers
// from it long after, even before what has run out is dropped.
func TestBindingRunsOut(t *testing.T) {
	const aor = "sip:101@example.com"
	s := newScene(t, Config{}, book{listed: []sip.AOR{aor}})
	s.see(0, arpOf(polycom, "10.1.2.20"))
	s.see(3.5*3600, arpOf(computer, "10.1.2.99"))
	s.registers(4.2*3600, gateway, "10.1.2.20", "10.1.2.20", aor, "call-1", MAC{})
	if tr := s.phone(polycom); tr != nil && tr.Registers(aor) {
		t.Error("the address's former owner was taken for the phone")
	}
	if s.tracker.Phone(PhoneID{AOR: aor, N: 1}) == nil {
		t.Error("no provisional phone was made")
	}
}

// leases is a DISCOVER and the ACK that ends the exchange.
func (s *scene) leases(at float64, m MAC, ip string, vlans ...uint16) {
	s.t.Helper()
	s.frame += 100
	xid := uint32(s.frame)
	s.see(at, Observation{Kind: KindDHCP, MAC: m, VLANs: vlans, DHCP: &DHCP{Type: DHCPDiscover, Op: 1, XID: xid, Chaddr: m}})
	s.see(at+1, Observation{Kind: KindDHCP, MAC: gateway, Dst: m, VLANs: vlans, DHCP: &DHCP{
		Type: DHCPAck, Op: 2, XID: xid, Chaddr: m, Yiaddr: netip.MustParseAddr(ip), SubnetBits: 24, LeaseSeconds: 3600,
	}})
}

// TestHopTakesBackOnlyItsOwn: the hop to the voice VLAN takes back the change
// that the data VLAN's lease was counted for, and none that was made before.
func TestHopTakesBackOnlyItsOwn(t *testing.T) {
	s := newScene(t, Config{}, book{})
	s.leases(0, snom, "10.1.20.5", 20)
	s.registers(5, snom, "10.1.20.5", "10.1.20.5", "sip:101@example.com", "a", MAC{})
	s.leases(60, snom, "10.1.30.5", 30) // carried: one change
	if got := len(s.phone(snom).past().Moves); got != 1 {
		t.Fatalf("%d changes after a move, want 1", got)
	}
	s.leases(120, snom, "10.1.10.5") // it boots again before it registered: passing through
	s.leases(140, snom, "10.1.30.5", 30)
	if got := len(s.phone(snom).past().Moves); got != 1 {
		t.Errorf("%d changes after a boot through the data VLAN, want the 1 from before", got)
	}
}
