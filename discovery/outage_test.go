package discovery

import (
	"net/netip"
	"testing"
	"time"

	"perch/sip"
)

// hear observes o on a live interface, at a number of seconds after t0.
func (s *scene) hear(at float64, o Observation, name string) {
	s.t.Helper()
	o.File = ""
	s.see(at, live(o, name))
}

// at moves the tracker's time to a number of seconds after t0.
func (s *scene) at(seconds float64) time.Time {
	since := time.Duration(seconds * float64(time.Second))
	s.advance(since)
	return t0.Add(since)
}

// hour is in seconds.
const hour = 3600.0

// A port that was heard on a link which then goes down is believed for as long as
// that lasts, and no longer after it than the phone's silence then says: also if
// the phone is heard elsewhere all the time.
func TestPortOutlivesOutageByItsTTL(t *testing.T) {
	s := newScene(t, Config{}, book{phones: []MAC{snom}})
	s.hear(0, arpOf(snom, "10.1.2.20"), "mirror")
	s.hear(1, switchLLDP("Gi1/0/7", "access"), "access")
	s.hear(2, phoneLLDP(snom, "access"), "access")
	s.hear(3, arpOf(snom, "10.1.2.20"), "mirror")
	s.tracker.PauseInterface("access", s.at(60))
	for at := 120.0; at < 10*hour; at += 60 {
		s.hear(at, arpOf(snom, "10.1.2.20"), "mirror")
		if s.phone(snom).Attachment().PortID == "" {
			t.Fatalf("its port is forgotten %.0f s after the link went down", at-60)
		}
	}
	s.tracker.ResumeInterface("access", s.at(10*hour))
	for at := 10*hour + 1; at < 10*hour+50; at += 10 {
		s.hear(at, arpOf(snom, "10.1.2.20"), "mirror")
		if s.phone(snom).Attachment().PortID == "" {
			t.Fatalf("its port is forgotten %.0f s after the link came back; of its TTL, 120 s, 62 were left", at-10*hour)
		}
	}
	s.hear(10*hour+130, arpOf(snom, "10.1.2.20"), "mirror")
	if got := s.phone(snom).Attachment().PortID; got != "" {
		t.Errorf("130 s after the link came back, and without a word of the phone on it, it is still at %s", got)
	}
}

// The same, with nobody to say a word on any other interface.
func TestPortLapsesByItselfAfterOutage(t *testing.T) {
	s := newScene(t, Config{}, book{phones: []MAC{snom}})
	s.hear(1, switchLLDP("Gi1/0/7", "access"), "access")
	s.hear(2, phoneLLDP(snom, "access"), "access")
	s.registers(3, snom, "10.1.2.20", "10.1.2.20", "sip:101@example.com", "c1", MAC{}) // on mirror.pcap
	s.tracker.PauseInterface("access", s.at(60))
	s.tracker.ResumeInterface("access", s.at(0.5*hour))
	s.at(0.5*hour + 50)
	if s.phone(snom).Attachment().PortID == "" {
		t.Error("its port is forgotten before its TTL ran out")
	}
	s.at(0.5*hour + 130)
	if got := s.phone(snom).Attachment().PortID; got != "" {
		t.Errorf("130 s after the link came back, and without a word of the phone, it is still at %s", got)
	}
}

// An interface that loses frames ages nothing, whatever still comes through, and
// also if nothing had been heard on it before.
func TestDroppingAgesNothing(t *testing.T) {
	for _, first := range []bool{false, true} {
		s := newScene(t, Config{}, book{phones: []MAC{snom}})
		if first {
			s.hear(0, arpOf(computer, "10.1.2.99"), "eth1")
		}
		s.tracker.PauseInterface("eth1", s.at(1))
		s.hear(2, arpOf(snom, "10.1.2.20"), "eth1")
		for at := 60.0; at < 2*hour; at += 60 {
			s.hear(at, arpOf(computer, "10.1.2.99"), "eth1")
		}
		if s.saw(Vanished) > 0 {
			t.Errorf("heard before %v: the phone vanished while frames were lost", first)
		}
		s.tracker.ResumeInterface("eth1", s.at(2*hour))
		s.at(2*hour + 60)
		if s.saw(Vanished) > 0 {
			t.Errorf("heard before %v: the phone vanished as soon as none were lost any more", first)
		}
		s.at(2*hour + 600)
		if s.saw(Vanished) != 1 {
			t.Errorf("heard before %v: silent for ten minutes on a link that listens, the phone vanished %d times, want once", first, s.saw(Vanished))
		}
	}
}

// A link that is up, but quiet, is listened to: silence there means something.
func TestQuietIsNotPaused(t *testing.T) {
	s := newScene(t, Config{}, book{phones: []MAC{snom}})
	s.hear(0, arpOf(snom, "10.1.2.20"), "eth1")
	s.tracker.PauseInterface("eth1", s.at(1))
	s.tracker.ResumeInterface("eth1", s.at(2))
	s.at(600)
	if s.saw(Vanished) != 1 {
		t.Errorf("vanished %d times, want once", s.saw(Vanished))
	}
}

// An interface taken out of the configuration is not listened to after the
// restart: nothing heard there ages, whatever is heard on others.
func TestForgottenInterfaceAgesNothing(t *testing.T) {
	s := newScene(t, Config{}, book{phones: []MAC{snom, yealink}})
	s.hear(0, arpOf(snom, "10.1.2.20"), "old0")
	s.hear(1, arpOf(yealink, "10.1.3.20"), "eth1")
	state, err := s.tracker.MarshalState()
	if err != nil {
		t.Fatal(err)
	}
	restarted := newScene(t, Config{}, book{phones: []MAC{snom, yealink}})
	if err := restarted.tracker.UnmarshalState(string(state)); err != nil {
		t.Fatal(err)
	}
	for _, tr := range s.tracker.Phones() {
		tr := *tr
		tr.wake = 0
		restarted.tracker.Restore(&tr)
	}
	restarted.tracker.PauseAll(t0.Add(2 * time.Second))
	restarted.tracker.ResumeInterface("eth1", restarted.at(100))
	restarted.at(100 * hour)
	if restarted.phone(snom).Gone {
		t.Error("a phone heard on an interface that is no longer configured vanished")
	}
	if !restarted.phone(yealink).Gone {
		t.Error("a phone that was silent for days on an interface that is listened to did not vanish")
	}
}

// Leases on a shared circuit that run out while nobody could be heard may have
// been renewed: it stays shared, also for the first that is heard again.
func TestSharedCircuitOutlivesNightOff(t *testing.T) {
	phones := []MAC{snom, yealink, polycom}
	s := newScene(t, Config{}, book{phones: phones})
	lease := func(at float64, i int) {
		o := Observation{Kind: KindDHCP, MAC: gateway, Dst: phones[i], DHCP: &DHCP{
			Type: DHCPAck, Op: 2, XID: uint32(at), Chaddr: phones[i], Yiaddr: netip.AddrFrom4([4]byte{10, 1, 2, byte(20 + i)}), SubnetBits: 24,
			LeaseSeconds: 3600, RemoteID: "core-1", CircuitID: "Vlan20",
		}}
		s.hear(at, o, "eth1")
	}
	for i := range phones {
		lease(float64(i), i)
	}
	s.tracker.PauseAll(s.at(10))
	s.at(10 * hour)
	s.tracker.ResumeInterface("eth1", s.at(10*hour))
	s.changes = nil
	lease(10*hour+60, 0)
	if !s.phone(snom).Attachment().Shared || s.saw(Reattached) > 0 {
		t.Error("the first renewal after a night off makes a port of a circuit of three phones")
	}
	s.at(10*hour + 3700) // the other two were silent for longer than their leases
	lease(10*hour+3700, 0)
	if s.phone(snom).Attachment().Shared {
		t.Error("the leases of the others never run out")
	}
}

// A phone that is first heard when it registers is heard where its request is,
// also if the answer passes another interface.
func TestFirstHeardByRegister(t *testing.T) {
	const day = 24 * time.Hour
	for paused, gone := range map[string]bool{"phones": false, "pbx": true} {
		s := newScene(t, Config{}, book{})
		src := netip.MustParseAddrPort("10.1.2.20:5060")
		reg := sip.Register{
			CallID: "a", CSeq: 1, AOR: "sip:101@example.com", Expires: 60,
			Contacts: []sip.Contact{{URI: "sip:x@10.1.2.20", Host: "10.1.2.20", Expires: -1}},
		}
		s.hear(0, Observation{Kind: KindRegister, MAC: snom, SrcIP: src.Addr(), Register: &Register{Source: src, Register: reg}}, "phones")
		s.hear(0.1, Observation{Kind: KindRegisterResponse, MAC: gateway, Response: &RegisterResponse{
			Destination: src, RegisterResponse: sip.RegisterResponse{Status: 200, CallID: "a", CSeq: 1, AOR: reg.AOR, Expires: 60},
		}}, "pbx")
		s.tracker.PauseInterface(paused, s.at(1))
		s.advance(day)
		if got := s.phone(snom).Gone; got != gone {
			t.Errorf("interface %q deaf for a day: got gone %v, want %v", paused, got, gone)
		}
	}
}
