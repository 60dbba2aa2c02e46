package discovery

import (
	"net/netip"
	"testing"
	"time"

	"perch/sip"
)

func fetchOf(m MAC, from, agent string) Observation {
	return Observation{Kind: KindFetch, Fetch: &Fetch{MAC: m, Source: netip.MustParseAddr(from), UserAgent: agent}}
}

// A phone that fetched its configuration is known by its address when it registers from
// there without a MAC; two behind one address are not.
func TestFetched(t *testing.T) {
	const aor = "sip:101@example.com"
	for _, tc := range []struct {
		name string
		seen []Observation
		want MAC
	}{
		{"nobody fetched", nil, MAC{}},
		{"it fetched", []Observation{fetchOf(snom, "10.1.2.20", "")}, snom},
		{"twice", []Observation{fetchOf(snom, "10.1.2.20", ""), fetchOf(snom, "10.1.2.20", "")}, snom},
		{"from another address", []Observation{fetchOf(snom, "10.1.2.21", "")}, MAC{}},
		{"another one, too", []Observation{fetchOf(yealink, "10.1.2.20", ""), fetchOf(snom, "10.1.2.20", "")}, MAC{}},
		{"three", []Observation{fetchOf(yealink, "10.1.2.20", ""), fetchOf(snom, "10.1.2.20", ""), fetchOf(snom, "10.1.2.20", "")}, MAC{}},
		{"ARP says whose it is", []Observation{fetchOf(yealink, "10.1.2.20", ""), fetchOf(snom, "10.1.2.20", ""), arpOf(snom, "10.1.2.20")}, snom},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t, Config{}, book{listed: []sip.AOR{aor}})
			for i, o := range tc.seen {
				s.see(float64(i-100), o)
			}
			s.registers(0, gateway, "10.1.2.20", "10.1.2.20", aor, "c", MAC{})
			id := PhoneID{MAC: tc.want}
			if tc.want.Nobody() {
				id = PhoneID{AOR: aor, N: 1}
			}
			if tr := s.tracker.Phone(id); tr == nil || tr.Attachment().IP != netip.MustParseAddr("10.1.2.20") {
				t.Errorf("%v is not there: it is somebody else's REGISTER", id)
			}
		})
	}
}

// It says what it is, keeps alive where it is known to be, and is no move.
func TestFetchedSays(t *testing.T) {
	s := newScene(t, Config{}, book{})
	s.see(0, fetchOf(yealink, "10.1.2.20", "Yealink SIP-T46S 66.84.0.125 "+yealink.String()))
	tr := s.tracker.Phone(PhoneID{MAC: yealink})
	if tr == nil {
		t.Fatal("no phone")
	}
	if id := tr.Identity(); id.Model != "T46S" || id.Firmware != "66.84.0.125" || id.Fields[0].Words[0].By != SayerFetch {
		t.Errorf("got %+v", id)
	}
	if s.saw(Reattached) != 0 {
		t.Errorf("got %v: it is nowhere yet", s.changes)
	}
	const aor = "sip:101@example.com"
	s.registers(10, gateway, "10.1.2.20", "10.1.2.20", aor, "c", yealink)
	before := s.saw(Reattached)
	s.see(3600, fetchOf(yealink, "10.9.9.9", ""))
	if s.saw(Reattached) != before || tr.Attachment().IP != netip.MustParseAddr("10.1.2.20") {
		t.Errorf("it moved by a fetch")
	}
	s.see(3600, fetchOf(yealink, "10.1.2.20", ""))
	s.advance(3700 * time.Second)
	if tr.Gone {
		t.Error("it is gone, and has just fetched its configuration")
	}
}
