package discovery

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"perch/sip"
)

// floodSize is how many messages each flood has: PERCH_FLOOD, or enough to fill
// every table several times.
func floodSize(t *testing.T) int {
	s := os.Getenv("PERCH_FLOOD")
	if s == "" {
		return 40_000
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// mac returns the i-th of many MACs with an OUI.
func mac(oui [3]byte, i int) MAC {
	return MAC{oui[0], oui[1], oui[2], byte(i >> 16), byte(i >> 8), byte(i)}
}

// residents are phones that are confirmed, by the directory or by a registration.
const residents = 200

func residentIP(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 1, byte(i >> 7), byte(i&127 + 2)})
}

// settled is a tracker that knows its residents: each with a lease through a
// circuit of its own and a registered line.
func settled(t *testing.T) *scene {
	t.Helper()
	s := newScene(t, Config{}, book{phones: []MAC{mac(ouiSnom, 0)}})
	for i := range residents {
		m, ip := mac(ouiSnom, i), residentIP(i)
		d := DHCP{Type: DHCPAck, Op: 2, XID: uint32(i), Chaddr: m, Yiaddr: ip, SubnetBits: 24, LeaseSeconds: 86400, CircuitID: Hex(fmt.Sprint("port ", i)), RemoteID: "sw"}
		s.see(float64(i)/1000, Observation{Kind: KindDHCP, Interface: "eth1", MAC: gateway, SrcIP: netip.MustParseAddr("10.9.9.9"), DHCP: &d})
		s.tries(float64(i)/1000, m, ip, fmt.Sprint("resident-", i), 200)
	}
	if got := len(s.tracker.Phones()); got != residents {
		t.Fatalf("got %d phones, want %d", got, residents)
	}
	return s
}

// tries shows a REGISTER and its answer; status 0 is none.
func (s *scene) tries(at float64, m MAC, ip netip.Addr, call string, status int) {
	s.t.Helper()
	aor := sip.AOR("sip:" + call + "@example.com")
	src := netip.AddrPortFrom(ip, 5060)
	contact := sip.Contact{Raw: "<sip:a@" + ip.String() + ">", URI: "sip:a@" + ip.String(), Host: ip.String(), Expires: 3600}
	s.see(at, Observation{Kind: KindRegister, Interface: "eth1", MAC: m, SrcIP: ip, Register: &Register{
		Transport: "udp", Source: src, Register: sip.Register{CallID: call, CSeq: 1, AOR: aor, Contacts: []sip.Contact{contact}, Expires: 3600},
	}})
	if status != 0 {
		s.see(at, Observation{Kind: KindRegisterResponse, Interface: "eth1", MAC: gateway, Response: &RegisterResponse{
			Destination: src, RegisterResponse: sip.RegisterResponse{Status: status, CallID: call, CSeq: 1, AOR: aor, Expires: 3600},
		}})
	}
}

// floods are what a hostile wire shows: message i of many, at a time.
var floods = []struct {
	name string
	show func(s *scene, at float64, i int)
}{
	{"random MACs in ARP", func(s *scene, at float64, i int) {
		s.see(at, arpFrom(mac([3]byte{2, byte(i >> 24), 0}, i), netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})))
	}},
	{"MACs of a phone maker in ARP", func(s *scene, at float64, i int) {
		s.see(at, arpFrom(mac([3]byte{0, 0x15, 0x65}, i), netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})))
	}},
	{"the addresses of phones claimed by ARP", func(s *scene, at float64, i int) {
		s.see(at, arpFrom(mac([3]byte{2, 0, 1}, i), residentIP(i%residents)))
	}},
	{"DHCP starvation", func(s *scene, at float64, i int) {
		s.see(at, Observation{Kind: KindDHCP, Interface: "eth1", MAC: mac([3]byte{2, 0, 2}, i), DHCP: &DHCP{Type: DHCPDiscover, Op: 1, XID: uint32(i), Chaddr: mac([3]byte{2, 0, 2}, i)}})
	}},
	{"DHCP starvation by a phone maker's MACs, answered", func(s *scene, at float64, i int) {
		m := mac([3]byte{0, 0x15, 0x65}, i)
		s.see(at, Observation{Kind: KindDHCP, Interface: "eth1", MAC: m, DHCP: &DHCP{Type: DHCPDiscover, Op: 1, XID: uint32(i), Chaddr: m}})
		s.see(at, Observation{Kind: KindDHCP, Interface: "eth1", MAC: gateway, DHCP: &DHCP{
			Type: DHCPAck, Op: 2, XID: uint32(i), Chaddr: m, Yiaddr: netip.AddrFrom4([4]byte{10, 200, byte(i >> 8), byte(i)}), SubnetBits: 16, LeaseSeconds: 3600,
		}})
	}},
	{"REGISTERs that nobody answers", func(s *scene, at float64, i int) {
		s.tries(at, mac([3]byte{2, 0, 3}, i), netip.AddrFrom4([4]byte{10, 201, byte(i >> 8), byte(i)}), fmt.Sprint("scan-", i), 0)
	}},
	{"REGISTERs that are refused", func(s *scene, at float64, i int) {
		s.tries(at, mac([3]byte{2, 0, 4}, i), netip.AddrFrom4([4]byte{10, 202, byte(i >> 8), byte(i)}), fmt.Sprint("scan-", i), 401)
	}},
	{"phones that announce themselves", func(s *scene, at float64, i int) {
		o := phoneLLDP(mac([3]byte{2, 0, 5}, i), "")
		o.Interface = "eth1"
		s.see(at, o)
	}},
	{"switch ports that announce themselves", func(s *scene, at float64, i int) {
		s.see(at, Observation{Kind: KindLLDP, Interface: "eth1", MAC: mac([3]byte{2, 0, 6}, i), LLDP: &LLDP{
			ChassisID: fmt.Sprint("sw-", i), PortID: "Gi1/0/1", TTL: 3600, Capabilities: CapBridge,
		}})
	}},
	{"routers' addresses in forged leases", func(s *scene, at float64, i int) {
		s.see(at, Observation{Kind: KindDHCP, Interface: "eth1", MAC: mac([3]byte{2, 0, 7}, i), DHCP: &DHCP{
			Type: DHCPOffer, Op: 2, XID: uint32(i), Chaddr: mac([3]byte{2, 0, 7}, i), Router: netip.AddrFrom4([4]byte{10, 203, byte(i >> 8), byte(i)}),
		}})
	}},
}

func arpFrom(m MAC, ip netip.Addr) Observation {
	return Observation{Kind: KindARP, Interface: "eth1", MAC: m, ARP: &ARP{Op: 1, SenderMAC: m, SenderIP: ip, TargetIP: netip.MustParseAddr("10.1.0.1")}}
}

// Whatever a wire shows, what is remembered of it is bounded, and those who are
// confirmed are where they were.
func TestFloods(t *testing.T) {
	n := floodSize(t)
	for _, f := range floods {
		t.Run(f.name, func(t *testing.T) {
			s := settled(t)
			before := map[MAC]Attachment{}
			for i := range residents {
				before[mac(ouiSnom, i)] = s.phone(mac(ouiSnom, i)).Attachment()
			}
			was := liveHeap()
			for i := range n {
				f.show(s, 10+float64(i)/10_000, i)
			}
			last := t0.Add(10*time.Second + time.Duration(n)*time.Second/10_000)
			s.changes = nil
			grown := liveHeap() - was
			if grown > 64<<20 {
				t.Errorf("got %d MiB more after %d messages, want at most 64", grown>>20, n)
			}
			tr := s.tracker
			for _, c := range []struct {
				what      string
				got, most int
			}{
				{"tracks", tr.tracks.Len(), residents + maxGuests},
				{"bindings", tr.bindings.len(), residents + maxGuests + maxLoose},
				{"routers", len(tr.routers), maxRouters},
				{"gateways", len(tr.gateways), maxGateways},
				{"requests", len(tr.requests), maxRequests},
				{"octets of tries", tr.wires["eth1"].tries.octets, maxTryOctets},
				{"speakers", len(tr.wires["eth1"].Phones), maxSpeakers},
				{"switch ports", len(tr.wires["eth1"].Switches), maxNeighbors},
				{"deadlines", len(tr.ageing), 3*(residents+maxGuests) + 2048},
			} {
				if c.got > c.most {
					t.Errorf("%s: got %d, want at most %d", c.what, c.got, c.most)
				}
			}
			for i := range residents {
				m := mac(ouiSnom, i)
				p := s.phone(m)
				if p == nil || p.Attachment() != before[m] {
					t.Fatalf("resident %d is not where it was: %+v", i, p)
				}
				if got, ok := tr.bound("", residentIP(i), InstantOf(last)); !ok || got != m {
					t.Fatalf("the address of resident %d belongs to %s, want %s", i, got, m)
				}
			}
		})
	}
}

// Long REGISTERs are held to octets, not to a number, and those of one interface
// make no room for another's.
func TestLongTries(t *testing.T) {
	const size = 60_000
	show := func(s *scene, wire string, i int) {
		// Several texts of each message are kept, and so all of it.
		whole := fmt.Sprintf("%[1]s-%[2]d sip:u%[2]d@example.com %060000[2]d", wire, i)[:size]
		call, rest, _ := strings.Cut(whole, " ")
		aor, agent, _ := strings.Cut(rest, " ")
		s.see(float64(i)/1000, Observation{Kind: KindRegister, Interface: wire, MAC: mac([3]byte{2, 0, 3}, i), SrcIP: residentIP(1), Register: &Register{
			Source: netip.AddrPortFrom(residentIP(1), 5060), octets: size, Register: sip.Register{CallID: call, CSeq: 1, AOR: sip.AOR(aor), UserAgent: agent},
		}})
	}
	s := newScene(t, Config{}, book{})
	show(s, "eth2", 0)
	was := liveHeap()
	for i := range 3000 {
		show(s, "eth1", i)
		s.changes = nil
	}
	if grown := liveHeap() - was; grown > 64<<20 {
		t.Errorf("got %d MiB more, want at most 64", grown>>20)
	}
	if s.tracker.tries[transaction{"eth2-0", 1}] == nil {
		t.Error("a flood on one interface made another forget a REGISTER")
	}
	if s.tracker.tries[transaction{"eth1-2999", 1}] == nil || s.tracker.tries[transaction{"eth1-0", 1}] != nil {
		t.Error("not the oldest REGISTER was given up")
	}
	// What waits no more is forgotten, though its interface fell silent.
	s.see(2*pruneEvery.Seconds(), arpFrom(gateway, residentIP(0)))
	if n := len(s.tracker.tries); n != 0 {
		t.Errorf("%d REGISTERs still wait after an hour, want none", n)
	}
}

// A REGISTER is as many octets as its message has.
func TestTryWeighs(t *testing.T) {
	message := "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.2;branch=z9hG4bK1\r\nTo: <sip:a@example.com>\r\n" +
		"Call-ID: a\r\nCSeq: 1 REGISTER\r\nContact: <sip:a@10.1.0.2>\r\nX-Ballast: " + strings.Repeat("x", 1000) + "\r\nContent-Length: 0\r\n\r\n"
	n := len(message)
	packet := append([]byte{0x45, 0, byte((28 + n) >> 8), byte(28 + n), 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, 0, 2, 10, 1, 0, 9,
		5060 >> 8, 5060 & 255, 5060 >> 8, 5060 & 255, byte((8 + n) >> 8), byte(8 + n), 0, 0}, message...)
	s := newScene(t, Config{}, book{})
	NewDecoder(DecoderConfig{}).Decode(&Frame{Time: t0, LinkType: 101, Interface: "eth1", Data: packet}, func(o *Observation) { s.see(0, *o) })
	if x := s.tracker.tries[transaction{"a", 1}]; x == nil || x.Octets != n {
		t.Errorf("got %+v, want a try of %d octets", x, n)
	}
}

// A text that is longer than any phone's makes no phone.
func TestLongTexts(t *testing.T) {
	long := strings.Repeat("x", maxText+1)
	for _, r := range []sip.Register{
		{CallID: long, AOR: "sip:a@example.com"},
		{CallID: "a", AOR: sip.AOR("sip:" + long + "@example.com")},
		{CallID: "a", AOR: "sip:a@example.com", Instance: long},
		{CallID: "a", AOR: "sip:a@example.com", Contacts: []sip.Contact{{URI: "sip:" + long + "@10.1.0.2", Expires: 60}}},
	} {
		s := newScene(t, Config{}, book{})
		s.see(0, Observation{Kind: KindRegister, Interface: "eth1", MAC: mac(ouiSnom, 0), Register: &Register{Register: r}})
		if len(s.tracker.tries) != 0 {
			t.Errorf("%.40s waits for its answer, want it passed over", r.CallID)
		}
	}
}

// Registrations whose answers are forged as well fill a table of their own: who
// has a lease, or was there before, stays.
func TestForgedRegistrations(t *testing.T) {
	s := settled(t)
	n := 0
	forge := func(many int) {
		for range many {
			s.tries(100+float64(n)/10_000, mac([3]byte{0, 0x15, 0x65}, n), netip.AddrFrom4([4]byte{10, 201, byte(n >> 8), byte(n)}), fmt.Sprint("forged-", n), 200)
			s.changes = nil
			n++
		}
	}
	first := mac([3]byte{0, 0x15, 0x65}, 0)
	forge(maxRegistered - (residents - 1)) // one of the residents is listed
	if got := s.tracker.Stats().Registered; got != 0 {
		t.Fatalf("%d were given up before the table was full", got)
	}
	forge(1)
	if got := s.tracker.Stats().Registered; got != roomRegistered {
		t.Errorf("%d were given up, want %d", got, roomRegistered)
	}
	s.restart()
	forge(3 * roomRegistered)
	if got := s.tracker.tracks.Len(); got > maxRegistered+1 {
		t.Errorf("got %d phones, want at most %d and the one that is listed", got, maxRegistered)
	}
	for i := range residents {
		if s.phone(mac(ouiSnom, i)) == nil {
			t.Fatalf("resident %d was given up", i)
		}
	}
	if s.phone(first) == nil {
		t.Error("the first was given up for the last")
	}
	if got := s.tracker.bounds.registered[nameWire("eth1")]; got > maxRegistered || got != s.tracker.tracks.Len()-1 {
		t.Errorf("the account is %d, want %d", got, s.tracker.tracks.Len()-1)
	}
}

// Of registered phones those are given up first that are gone, the longest ago
// before others, then those without a lease, then the last to come.
func TestRegisteredGoInOrder(t *testing.T) {
	leased := lease{IP: residentIP(0)}
	order := []*Track{
		{Gone: true, Life: 1, Arrived: 1, Lease: leased},
		{Gone: true, Life: 9, Arrived: 9},
		{Life: 9, Arrived: 9},
		{Life: 1, Arrived: 8},
		{Life: 9, Arrived: 9, Lease: leased},
		{Life: 1, Arrived: 8, Lease: leased},
	}
	for i := range len(order) - 1 {
		if a, b := order[i].worthRegistered(), order[i+1].worthRegistered(); a.compare(b) >= 0 {
			t.Errorf("phone %d is worth %+v, the next %+v, want less", i, a, b)
		}
	}
}

// Devices without a known MAC that register one AOR are followed up to a number.
func TestManyProvisional(t *testing.T) {
	const aor = "sip:lobby@example.com"
	s := newScene(t, Config{}, book{listed: []sip.AOR{aor}})
	for i := range maxProvisional + 20 {
		from := netip.AddrFrom4([4]byte{10, 2 + byte(i>>8), byte(i), 2}).String()
		s.registers(float64(i), gateway, from, from, aor, fmt.Sprint("call-", i), MAC{})
	}
	if got := len(s.tracker.Phones()); got != maxProvisional {
		t.Errorf("got %d phones, want %d", got, maxProvisional)
	}
	if got := s.tracker.Stats().Lines; got != 20 {
		t.Errorf("got %d given up, want 20", got)
	}
}

// What DHCPv6 says at greater length than it can mean is not kept.
func TestLongDHCP6(t *testing.T) {
	const here = "2001:db8:20::a"
	s := newScene(t, Config{}, book{phones: []MAC{snom}})
	for n, kept := range map[int]int{maxDUID: 1, maxDUID + 1: 0} {
		o := relayed6(DHCP6Request, 1, snom, Relay6{})
		o.DHCP6.ClientDUID = Hex(strings.Repeat("x", n))
		s.see(float64(n), o)
		if _, ok := s.tracker.requests6[o.DHCP6.ClientDUID]; ok != (kept == 1) {
			t.Errorf("a DUID of %d octets is kept: %t, want %d", n, ok, kept)
		}
	}
	for _, c := range []struct {
		id, remote int
		want       bool
	}{{maxOpaque, maxOpaque, true}, {maxOpaque + 1, 6, false}, {6, maxOpaque + 1, false}} {
		s := newScene(t, Config{}, book{phones: []MAC{snom}})
		r := Relay6{InterfaceID: Hex(strings.Repeat("p", c.id)), RemoteID: Hex(strings.Repeat("r", c.remote))}
		s.see(0, relayed6(DHCP6Request, 1, snom, r))
		s.see(1, relayed6(DHCP6Reply, 1, snom, r, here))
		if a := s.phone(snom).Attachment(); (a.CircuitID != "") != c.want {
			t.Errorf("interface ID of %d octets, remote ID of %d: it names a port: %t, want %t", c.id, c.remote, a.CircuitID != "", c.want)
		}
	}
}

// One phone can neither have any number of lines nor of instance IDs.
func TestManyLines(t *testing.T) {
	s := newScene(t, Config{}, book{})
	m, ip := mac(ouiSnom, 0), residentIP(0)
	for i := range 3 * maxLines {
		aor := sip.AOR(fmt.Sprintf("sip:%d@example.com", i))
		contact := sip.Contact{URI: "sip:a@" + ip.String(), Host: ip.String(), Expires: 3600}
		s.see(float64(i), Observation{Kind: KindRegister, Interface: "eth1", MAC: m, SrcIP: ip, Register: &Register{
			Source:   netip.AddrPortFrom(ip, 5060),
			Register: sip.Register{CallID: fmt.Sprint(i), CSeq: 1, AOR: aor, Contacts: []sip.Contact{contact}, Instance: fmt.Sprint("urn:", i)},
		}})
		s.see(float64(i), Observation{Kind: KindRegisterResponse, Interface: "eth1", MAC: gateway, Response: &RegisterResponse{
			RegisterResponse: sip.RegisterResponse{Status: 200, CallID: fmt.Sprint(i), CSeq: 1, AOR: aor, Expires: 3600},
		}})
	}
	lines := s.phone(m).Lines
	if len(lines) != maxLines {
		t.Errorf("got %d lines, want %d", len(lines), maxLines)
	}
	if last := sip.AOR(fmt.Sprintf("sip:%d@example.com", 3*maxLines-1)); !s.phone(m).Registers(last) || s.phone(m).Registers("sip:0@example.com") {
		t.Error("not the line that runs out first made room")
	}
	if got := len(s.tracker.instances); got > 2*maxLines+1 || got < maxLines {
		t.Errorf("got %d instance IDs, want %d to %d", got, maxLines, 2*maxLines)
	}
}

func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A guest with a lease outlasts those without, and the one heard longest ago goes
// first.
func TestGuestsGoInOrder(t *testing.T) {
	s := newScene(t, Config{}, book{})
	leased, early := mac(ouiSnom, 1), mac(ouiSnom, 2)
	s.see(0, Observation{Kind: KindDHCP, Interface: "eth1", MAC: gateway, DHCP: &DHCP{
		Type: DHCPAck, Op: 2, Chaddr: leased, Yiaddr: residentIP(1), SubnetBits: 24, LeaseSeconds: 3600,
	}})
	s.see(1, arpFrom(early, residentIP(2)))
	for i := range maxGuests - 1 { // one too many
		s.see(2+float64(i)/1000, arpFrom(mac([3]byte{0, 0x15, 0x65}, i), netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)})))
	}
	if s.phone(early) != nil || s.phone(leased) == nil {
		t.Errorf("got the early guest there %v, the leased one %v, want only the second", s.phone(early) != nil, s.phone(leased) != nil)
	}
	if s.saw(NotAPhone) != 1 {
		t.Errorf("got %d guests given up, want 1", s.saw(NotAPhone))
	}
	// Another interface has an account of its own.
	o := arpFrom(early, residentIP(2))
	o.Interface = "eth2"
	s.see(20, o)
	if s.phone(early) == nil || s.saw(NotAPhone) != 1 {
		t.Error("a guest of one interface made room on another")
	}
}

// A restart in the middle of a flood changes nothing of what is given up.
func TestFloodGoesOnAfterRestart(t *testing.T) {
	for _, f := range floods[:6] {
		one, two := settled(t), settled(t)
		for i := range 20_000 {
			at := 10 + float64(i)/1000
			f.show(one, at, i)
			f.show(two, at, i)
			if i == 13_234 {
				two.restart()
			}
		}
		a, b := one.state(), two.state()
		if a != b {
			t.Errorf("%s: the states differ after a restart: %d and %d octets", f.name, len(a), len(b))
		}
	}
}

// state is all that the tracker knows, phones included.
func (s *scene) state() string {
	s.t.Helper()
	b, err := s.tracker.MarshalState()
	if err != nil {
		s.t.Fatal(err)
	}
	var out strings.Builder
	out.Write(b)
	for _, tr := range s.tracker.Phones() {
		b, err := json.Marshal(tr)
		if err != nil {
			s.t.Fatal(err)
		}
		out.Write(b)
	}
	return out.String()
}

// restart replaces the tracker by one that goes on from its state.
func (s *scene) restart() {
	s.t.Helper()
	b, err := s.tracker.MarshalState()
	if err != nil {
		s.t.Fatal(err)
	}
	next := NewTracker(s.tracker.cfg, s.tracker.dir)
	if err := next.UnmarshalState(string(b)); err != nil {
		s.t.Fatal(err)
	}
	for _, tr := range s.tracker.Phones() {
		c := *tr
		c.wake = 0
		next.Restore(&c)
	}
	s.tracker = next
}
