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
	if err := next.UnmarshalState(b); err != nil {
		s.t.Fatal(err)
	}
	for _, tr := range s.tracker.Phones() {
		c := *tr
		c.wake = 0
		next.Restore(&c)
	}
	s.tracker = next
}
