package discovery

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"perch/sip"
)

// registersAs is a counted REGISTER of a phone with a User-Agent.
func (s *scene) registersAs(at float64, m MAC, agent string) {
	s.t.Helper()
	reg := sip.Register{
		CallID: "call-" + m.String(), CSeq: uint32(at) + 1, AOR: "sip:101@example.com", Expires: 3600, UserAgent: agent,
		Contacts: []sip.Contact{{URI: "sip:x@10.1.2.20", Host: "10.1.2.20", Expires: -1}},
	}
	s.see(at, Observation{Kind: KindRegister, MAC: m, Register: &Register{Transport: "udp", Register: reg}})
	s.see(at+0.1, Observation{Kind: KindRegisterResponse, MAC: gateway, Dst: m,
		Response: &RegisterResponse{RegisterResponse: sip.RegisterResponse{Status: 200, CallID: reg.CallID, CSeq: reg.CSeq, AOR: reg.AOR, Expires: 3600}}})
}

func discover(m MAC, class string, params ...uint8) Observation {
	return Observation{Kind: KindDHCP, MAC: m, DHCP: &DHCP{Op: 1, Type: DHCPDiscover, XID: 1, Chaddr: m, VendorClass: class, ParamList: params}}
}

func inventory(m MAC, med MED) Observation {
	o := phoneLLDP(m, "tap.pcap")
	med.Class = 3
	o.LLDP.MED = &med
	return o
}

// told writes an identity in one line for each thing that it says.
func told(tr *Track) string {
	var b strings.Builder
	id := tr.Identity()
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return fmt.Sprintf(" @%d", int(t.Sub(t0).Seconds()))
	}
	for _, f := range id.Fields {
		fmt.Fprintf(&b, "%s:", f.Name)
		for _, w := range f.Words {
			fmt.Fprintf(&b, " %s (%s%s)", w.Value, w.By, at(w.Since))
		}
		b.WriteString("\n")
	}
	for _, w := range id.Programs {
		fmt.Fprintf(&b, "program: %s (%s%s)\n", w.Value, w.By, at(w.Since))
	}
	for _, w := range id.Unread {
		fmt.Fprintf(&b, "unread: %s (%s%s)\n", w.Value, w.By, at(w.Since))
	}
	for _, c := range id.Contradictions {
		fmt.Fprintf(&b, "not both: %s %s (%s), %s (%s)%s\n", c.Field, c.Words[0].Value, c.Words[0].By, c.Words[1].Value, c.Words[1].By, at(c.Since))
	}
	return b.String()
}

func TestIdentity(t *testing.T) {
	cisco := MAC{0x00, 0x1b, 0x53, 0xaa, 0, 1}
	tests := []struct {
		name string
		of   MAC
		see  func(*scene)
		want []string
	}{
		{"the OUI alone gives only a vendor", yealink, func(s *scene) {
			s.see(0, arpOf(yealink, "10.1.2.20"))
		}, []string{"vendor: Yealink (OUI)"}},
		{"all that a Yealink says", yealink, func(s *scene) {
			s.see(0, discover(yealink, "yealink"))
			s.registersAs(10, yealink, "Yealink SIP-T46S 66.84.0.125")
			s.see(20, inventory(yealink, MED{Manufacturer: "Yealink", Model: "SIP-T46S", Hardware: "66.2.128", Firmware: "66.85.0.5", Serial: "805ec0d57d72"}))
		}, []string{
			"vendor: Yealink (LLDP-MED @20) Yealink (User-Agent @10) Yealink (vendor class @0) Yealink (OUI)",
			"model: T46S (LLDP-MED @20) T46S (User-Agent @10)",
			"firmware: 66.85.0.5 (LLDP-MED @20) 66.84.0.125 (User-Agent @10)",
			"hardware: 66.2.128 (LLDP-MED @20)", "serial: 805ec0d57d72 (LLDP-MED @20)",
		}},
		{"the list of parameters of a Cisco gives way to CDP", cisco, func(s *scene) {
			s.see(0, discover(cisco, "Cisco Systems, Inc. IP Phone", 1, 66, 6, 3, 15, 150, 35))
			s.see(5, Observation{Kind: KindCDP, MAC: cisco, CDP: &CDP{TTL: 180, DeviceID: "SEP001B53AA0001", Platform: "Cisco IP Phone 7970", Software: "SIP70.8-5-3S"}})
		}, []string{
			"vendor: Cisco (CDP @5) Cisco (vendor class @0) Cisco (parameter list @0) Cisco (OUI)",
			"model: CP-7970 (CDP @5)", "firmware: SIP70.8-5-3S (CDP @5)",
		}},
		{"a family, while nothing says more", cisco, func(s *scene) {
			s.see(0, discover(cisco, "Cisco Systems, Inc. IP Phone", 1, 66, 6, 3, 15, 150, 35))
		}, []string{"vendor: Cisco (vendor class @0) Cisco (parameter list @0) Cisco (OUI)", "model: 7900 series (parameter list @0)"}},
		{"a new firmware is no contradiction", yealink, func(s *scene) {
			s.registersAs(10, yealink, "Yealink SIP-T46S 66.84.0.125")
			s.registersAs(20, yealink, "Yealink SIP-T46S 66.86.0.15")
			s.registersAs(30, yealink, "Yealink SIP-T46S 66.86.0.15")
		}, []string{"vendor: Yealink (User-Agent @10) Yealink (OUI)", "model: T46S (User-Agent @10)", "firmware: 66.86.0.15 (User-Agent @20)"}},
		{"a snom with the MAC of a Yealink", yealink, func(s *scene) {
			s.registersAs(10, yealink, "snom370/8.7.5.48")
		}, []string{
			"vendor: snom (User-Agent @10)", "model: 370 (User-Agent @10)", "firmware: 8.7.5.48 (User-Agent @10)",
			"not both: vendor snom 370 (User-Agent), Yealink (OUI) @10",
		}},
		{"the inventory's vendor is in force, and no other vendor's model beside it", yealink, func(s *scene) {
			s.registersAs(10, yealink, "snom370/8.7.5.48")
			s.see(20, inventory(yealink, MED{Manufacturer: "Yealink"}))
		}, []string{
			"vendor: Yealink (LLDP-MED @20) Yealink (OUI)",
			"not both: vendor Yealink (LLDP-MED), snom 370 (User-Agent) @20",
		}},
		{"a contradiction is since the later word, whatever the firmware", yealink, func(s *scene) {
			s.see(5, discover(yealink, "yealink"))
			s.registersAs(10, yealink, "snom370/8.7.5.48")
			s.registersAs(20, yealink, "snom370/8.9.3.60")
		}, []string{
			"vendor: snom (User-Agent @10)", "model: 370 (User-Agent @10)", "firmware: 8.9.3.60 (User-Agent @20)",
			"not both: vendor snom 370 (User-Agent), Yealink (vendor class) @10",
			"not both: vendor snom 370 (User-Agent), Yealink (OUI) @10",
		}},
		{"and is over when the word is taken back", yealink, func(s *scene) {
			s.registersAs(10, yealink, "snom370/8.7.5.48")
			s.registersAs(20, yealink, "Yealink SIP-T46S 66.84.0.125")
		}, []string{"vendor: Yealink (User-Agent @20) Yealink (OUI)", "model: T46S (User-Agent @20)", "firmware: 66.84.0.125 (User-Agent @20)"}},
		{"two models of one vendor", yealink, func(s *scene) {
			s.see(0, inventory(yealink, MED{Manufacturer: "Yealink", Model: "SIP-T46S"}))
			s.registersAs(10, yealink, "Yealink SIP-T42S 66.84.0.125")
		}, []string{
			"vendor: Yealink (LLDP-MED @0) Yealink (User-Agent @10) Yealink (OUI)", "model: T46S (LLDP-MED @0) T42S (User-Agent @10)",
			"firmware: 66.84.0.125 (User-Agent @10)", "not both: model T46S (LLDP-MED), T42S (User-Agent) @10",
		}},
		{"the same model, written shorter", cisco, func(s *scene) {
			s.see(0, discover(cisco, "Cisco Systems, Inc. IP Phone CP-7911G"))
			s.see(5, Observation{Kind: KindCDP, MAC: cisco, CDP: &CDP{TTL: 180, Capabilities: CDPPhone, Platform: "Cisco IP Phone 7911"}})
		}, []string{"vendor: Cisco (CDP @5) Cisco (vendor class @0) Cisco (OUI)", "model: CP-7911 (CDP @5) CP-7911G (vendor class @0)"}},
		{"Polycom, Plantronics and Poly are one", polycom, func(s *scene) {
			s.see(0, discover(polycom, "Poly-EdgeE220"))
			s.see(1, inventory(polycom, MED{Manufacturer: "Plantronics", Model: "Edge E220"}))
			s.registersAs(10, polycom, "PolyEdge-Edge_E220-UA/8.0.0.1")
		}, []string{
			"vendor: Poly (LLDP-MED @1) Poly (User-Agent @10) Poly (vendor class @0) Poly (OUI)",
			"model: Edge E220 (LLDP-MED @1) Edge E220 (User-Agent @10) Edge E220 (vendor class @0)", "firmware: 8.0.0.1 (User-Agent @10)",
		}},
		{"a program on a listed computer", computer, func(s *scene) {
			s.registersAs(10, computer, "Zoiper rv2.10.3.2")
		}, []string{"vendor: HP (OUI)", "program: Zoiper rv2.10.3.2 (User-Agent @10)"}},
		{"a Poly with an OUI of HP, who owns it", computer, func(s *scene) {
			s.registersAs(10, computer, "PolycomVVX-VVX_450-UA/6.4.3.5018")
		}, []string{"vendor: Poly (User-Agent @10)", "model: VVX 450 (User-Agent @10)", "firmware: 6.4.3.5018 (User-Agent @10)"}},
		{"a Yealink with an OUI of HP", computer, func(s *scene) {
			s.registersAs(10, computer, "Yealink SIP-T46S 66.84.0.125")
		}, []string{
			"vendor: Yealink (User-Agent @10)", "model: T46S (User-Agent @10)", "firmware: 66.84.0.125 (User-Agent @10)",
			"not both: vendor Yealink T46S (User-Agent), HP (OUI) @10",
		}},
		{"a program that has a phone's MAC", yealink, func(s *scene) {
			s.registersAs(10, yealink, "baresip v1.0.0 (x86_64/linux)")
		}, []string{"vendor: Yealink (OUI)", "program: baresip v1.0.0 (User-Agent @10)", "not both: vendor baresip (User-Agent), Yealink (OUI) @10"}},
		{"text that nobody knows", snom, func(s *scene) {
			s.registersAs(10, snom, "Acme\x1b[31m phone\xff "+strings.Repeat("x", 300))
		}, []string{"vendor: snom (OUI)", "unread: Acme[31m phone\uFFFD " + strings.Repeat("x", maxSaid-18) + " (User-Agent @10)"}},
		{"the phone's own MAC in its text tells nothing new", yealink, func(s *scene) {
			s.registersAs(10, yealink, "Yealink SIP-T46S 66.84.0.125 00:15:65:AA:00:02")
			s.registersAs(20, yealink, "Yealink SIP-T46S 66.84.0.125 001565aa0002")
		}, []string{"vendor: Yealink (User-Agent @10) Yealink (OUI)", "model: T46S (User-Agent @10)", "firmware: 66.84.0.125 (User-Agent @10)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, Config{}, book{phones: []MAC{computer}})
			tt.see(s)
			tr := s.phone(tt.of)
			if tr == nil {
				t.Fatal("it is no phone")
			}
			want := strings.Join(tt.want, "\n") + "\n"
			if got := told(tr); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			if n := s.saw(Conflicting); n != 0 {
				t.Errorf("%d conflicts: what a device says is no event", n)
			}
			// Stored and read again it is the same, and the same bytes.
			b, err := json.Marshal(tr)
			if err != nil {
				t.Fatal(err)
			}
			var again Track
			if err := json.Unmarshal(b, &again); err != nil {
				t.Fatal(err)
			}
			if got := told(&again); got != want {
				t.Errorf("stored and read again\n%swant\n%s", got, want)
			}
			if b2, err := json.Marshal(&again); err != nil || string(b2) != string(b) {
				t.Errorf("stored again\n%s, %v\nwant\n%s", b2, err, b)
			}
		})
	}
}

// TestIdentityIsSilent: what is said again is not noted again, so that a refresh
// writes nothing.
func TestIdentityIsSilent(t *testing.T) {
	s := newScene(t, Config{}, book{})
	s.registersAs(10, yealink, "Yealink SIP-T46S 66.84.0.125 001565aa0002")
	tr := s.phone(yealink)
	before := slices.Clone(tr.Said)
	o := Observation{Time: t0.Add(time.Hour)}
	sight := sight{Observation: &o, now: InstantOf(o.Time)}
	if n := testing.AllocsPerRun(100, func() { s.tracker.saysUserAgent(tr, &sight, "Yealink SIP-T46S 66.84.0.125 001565aa0002") }); n != 0 {
		t.Errorf("%v allocations for what was said before, want 0", n)
	}
	if !slices.Equal(before, tr.Said) {
		t.Errorf("got %v, want %v", tr.Said, before)
	}
}

// TestIdentityOfEarlierVersion: a database of a version that kept one text loads;
// the text is shown until something is said.
func TestIdentityOfEarlierVersion(t *testing.T) {
	var tr Track
	if err := json.Unmarshal([]byte(`{"ID":"00:15:65:aa:00:02","IsPhone":true,"Model":"Yealink SIP-T46S 66.84.0.125"}`), &tr); err != nil {
		t.Fatal(err)
	}
	if got, want := told(&tr), "vendor: Yealink (OUI)\nunread: Yealink SIP-T46S 66.84.0.125 (unknown)\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	s := newScene(t, Config{}, book{})
	s.tracker.Restore(&tr)
	s.see(5, discover(yealink, "yealink"))
	if got, want := told(s.phone(yealink)), "vendor: Yealink (vendor class @5) Yealink (OUI)\n"; got != want {
		t.Errorf("after it said something: got\n%swant\n%s", got, want)
	}
	for _, old := range []string{`{}`, `{"Model":""}`, `{"Model":null}`, `{"Model":"\u0000\u0000"}`} {
		tr = Track{}
		if err := json.Unmarshal([]byte(old), &tr); err != nil || len(tr.Said) != 0 {
			t.Errorf("%s: got %v, %v, want nothing said", old, tr.Said, err)
		}
	}
}

// TestIdentityOfOthers: of a device that is no phone nothing is kept but what a
// phone's is known to be.
func TestIdentityOfOthers(t *testing.T) {
	s := newScene(t, Config{}, book{})
	s.see(0, discover(computer, "MSFT 5.0", 1, 3, 6, 15))
	if tr := s.tracker.tracks.OfMAC(computer); tr == nil || len(tr.Said) != 0 {
		t.Errorf("got %v, want a device that says nothing", tr)
	}
}

func TestLateWordsFill(t *testing.T) {
	s := newScene(t, Config{}, book{})
	s.see(0, discover(yealink, "yealink"))
	o := discover(yealink, "snom370")
	o.Time = t0.Add(-time.Minute)
	s.tracker.Observe(&o, t0.Add(time.Minute))
	if got, want := told(s.phone(yealink)), "vendor: Yealink (vendor class @0) Yealink (OUI)\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
