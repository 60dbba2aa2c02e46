package discovery

import (
	"net/netip"
	"testing"
	"time"

	"perch/sip"
)

// live makes an observation that of a live interface.
func live(o Observation, name string) Observation {
	o.Interface = name
	return o
}

// Time in which a live interface has no carrier, is gone or loses frames ages
// nothing that was heard on it; silence while it listens does.
func TestPausedInterface(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		name   string
		during func(s *scene, tr *Tracker) // from 10 s to a day later
		gone   bool                        // a day later
	}{
		{"it listens, and hears nothing", func(s *scene, tr *Tracker) { s.advance(day) }, true},
		{"no carrier", func(s *scene, tr *Tracker) {
			tr.PauseInterface("eth1", t0.Add(10*time.Second))
			s.advance(day)
		}, false},
		{"another interface has no carrier", func(s *scene, tr *Tracker) {
			tr.PauseInterface("eth2", t0.Add(10*time.Second))
			s.advance(day)
		}, true},
		{"it loses frames, and some of others come through", func(s *scene, tr *Tracker) {
			tr.PauseInterface("eth1", t0.Add(10*time.Second))
			s.see(3600, live(phoneLLDP(yealink, ""), "eth1"))
			s.advance(day)
		}, false},
		{"it has come back, and is quiet", func(s *scene, tr *Tracker) {
			tr.PauseInterface("eth1", t0.Add(10*time.Second))
			s.advance(time.Hour)
			tr.ResumeInterface("eth1", t0.Add(time.Hour))
			s.advance(day)
		}, true},
		{"serve was restarted, and listens again", func(s *scene, tr *Tracker) {
			tr.PauseAll(t0.Add(10 * time.Second))
			tr.ResumeInterface("eth1", t0.Add(time.Hour))
			s.advance(day)
		}, true},
	} {
		s := newScene(t, Config{}, book{})
		s.see(0, live(phoneLLDP(snom, ""), "eth1"))
		c.during(s, s.tracker)
		if got := s.phone(snom).Gone; got != c.gone {
			t.Errorf("%s: got gone %v, want %v", c.name, got, c.gone)
		}
	}
}

// After a pause what was heard before it has as long to be heard again as it had
// left, and what was heard during it no longer than from then on.
func TestPauseIsNoTime(t *testing.T) {
	s := newScene(t, Config{}, book{})
	s.see(0, live(phoneLLDP(snom, ""), "eth1"))
	s.tracker.PauseInterface("eth1", t0.Add(100*time.Second))
	s.see(5000, live(phoneLLDP(yealink, ""), "eth1"))
	s.tracker.ResumeInterface("eth1", t0.Add(10_000*time.Second))
	for _, c := range []struct {
		after         time.Duration // since the resumption
		snom, yealink bool          // gone
	}{{19 * time.Second, false, false}, {21 * time.Second, true, false}, {119 * time.Second, true, false}, {121 * time.Second, true, true}} {
		s.advance(10_000*time.Second + c.after)
		if got, want := [2]bool{s.phone(snom).Gone, s.phone(yealink).Gone}, [2]bool{c.snom, c.yealink}; got != want {
			t.Errorf("%s after it: got gone %v, want %v", c.after, got, want)
		}
	}
}

// advance moves the tracker's time.
func (s *scene) advance(since time.Duration) {
	for _, c := range s.tracker.Advance(t0.Add(since)) {
		s.changes = append(s.changes, c.What)
	}
}

// Time in which nobody listened does not age a phone, and is not taken for a time at which
// it was heard.
func TestHeard(t *testing.T) {
	s := newScene(t, Config{}, book{})
	s.see(0, live(phoneLLDP(snom, ""), "eth1"))
	s.tracker.PauseAll(t0.Add(10 * time.Second))
	s.tracker.ResumeInterface("eth1", t0.Add(time.Hour))
	tr := s.phone(snom)
	if tr.Life.Time().Equal(t0) || !tr.Heard().Time().Equal(t0) {
		t.Errorf("got Life %v, heard %v, want the second at %v", tr.Life, tr.Heard(), t0)
	}
	b, err := tr.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var r Stored
	if r.Reset(string(b)); !r.Track().Heard().Time().Equal(t0) {
		t.Errorf("stored it is %s", b)
	}
	s.see(3700, live(phoneLLDP(snom, ""), "eth1"))
	if at := t0.Add(3700 * time.Second); !tr.Heard().Time().Equal(at) {
		t.Errorf("got %v, want %v", tr.Heard(), at)
	}
}

// A keep-alive is a sign of life of the phone that registered there, and of nobody else.
func TestKeptAlive(t *testing.T) {
	const aor, hour = "sip:101@example.com", 3600
	kept := func(from, contact, callID string, claimed MAC) Observation {
		return Observation{Kind: KindKeepAlive, KeepAlive: &Register{
			Source: netip.AddrPortFrom(netip.MustParseAddr(from), 5060), ClaimedMAC: claimed,
			Register: sip.Register{CallID: callID, AOR: aor, Contacts: []sip.Contact{{URI: "sip:x@" + contact, Host: contact, Expires: -1}}},
		}}
	}
	for _, tc := range []struct {
		name    string
		from    string // where it registers
		claimed MAC
		sign    Observation
		alive   bool
	}{
		{"silence", "10.1.2.20", snom, arpOf(yealink, "10.1.2.21"), false},
		{"by its MAC", "10.1.2.20", snom, kept("10.1.2.20", "10.1.2.20", "c", snom), true},
		{"by its address", "10.1.2.20", snom, kept("10.1.2.20", "10.1.2.20", "c", MAC{}), true},
		{"behind NAT", "198.51.100.1", snom, kept("198.51.100.1", "10.1.2.20", "c", snom), true},
		{"provisional", "10.1.2.20", MAC{}, kept("10.1.2.20", "10.1.2.20", "c", MAC{}), true},
		{"from another address", "10.1.2.20", snom, kept("10.1.3.20", "10.1.2.20", "c", snom), false},
		{"of another binding", "10.1.2.20", snom, kept("10.1.2.20", "10.1.2.21", "c", snom), false},
		{"of another phone", "10.1.2.20", snom, kept("10.1.2.20", "10.1.2.20", "c", yealink), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t, Config{}, book{listed: []sip.AOR{aor}})
			if tc.name == "by its address" {
				s.see(-1, arpOf(snom, tc.from))
			}
			s.registers(0, gateway, tc.from, "10.1.2.20", aor, "c", tc.claimed)
			phones := s.tracker.tracks.Len()
			s.see(hour-60, tc.sign)
			s.advance(hour*time.Second + 10*time.Second)
			id := PhoneID{MAC: tc.claimed}
			if tc.claimed.Nobody() {
				id = PhoneID{AOR: aor, N: 1}
			}
			if got := !s.tracker.Phone(id).Gone; got != tc.alive {
				t.Errorf("alive: got %v, want %v", got, tc.alive)
			}
			if tc.sign.Kind == KindKeepAlive && (s.saw(Reattached) > 1 || s.tracker.tracks.Len() != phones) {
				t.Errorf("got %d phones, changes %v: a sign of life is no evidence of anything else", s.tracker.tracks.Len(), s.changes)
			}
		})
	}
}

// What is handed over of a sign of life names the phone as its REGISTER did.
func TestKept(t *testing.T) {
	d := NewDecoder(DecoderConfig{})
	var got *Observation
	d.Kept(&Kept{
		Time: t0, Interface: "sip", Number: 7, Transport: "udp", Source: netip.MustParseAddrPort("10.1.2.20:5060"), AOR: "sip:101@example.com",
		Contact: `<sip:101@10.1.2.20>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000413AA0001>"`, CallID: "c", UserAgent: "snomD785/10.1",
	}, func(o *Observation) { got = o })
	k := got.KeepAlive
	if got.Kind.String() != "keep_alive" || got.Interface != "sip" || got.Frame != 7 || k.Contacts[0].URI != "sip:101@10.1.2.20" || k.ClaimedMAC != snom {
		t.Errorf("got %+v, %+v", got, k)
	}
}
