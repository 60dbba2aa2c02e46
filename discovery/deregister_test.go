package discovery

import (
	"net/netip"
	"slices"
	"testing"

	"perch/sip"
)

// binds is a REGISTER and its 200: it says what a REGISTER asks for, and what the answer lists.
func (s *scene) binds(at float64, claimed MAC, callID string, expires int, contacts, listed []sip.Contact) {
	s.t.Helper()
	src := netip.MustParseAddrPort("10.1.2.20:5060")
	reg := sip.Register{CallID: callID, CSeq: uint32(at) + 1, AOR: "sip:1@pbx", Expires: expires, Contacts: contacts}
	s.see(at, Observation{Kind: KindRegister, MAC: gateway, SrcIP: src.Addr(), Register: &Register{Source: src, Register: reg, ClaimedMAC: claimed}})
	s.see(at+0.1, Observation{Kind: KindRegisterResponse, MAC: gateway, Response: &RegisterResponse{
		RegisterResponse: sip.RegisterResponse{Status: 200, CallID: callID, CSeq: reg.CSeq, AOR: reg.AOR, Contacts: listed, Expires: -1},
	}})
}

// TestDeregister: which of a phone's bindings are gone (RFC 3261 section 10.2.2).
func TestDeregister(t *testing.T) {
	contact := func(uri string, expires int) sip.Contact {
		return sip.Contact{URI: uri, Host: "10.1.2.20", Expires: expires}
	}
	list := func(c ...sip.Contact) []sip.Contact { return c }
	const own, old, others = "sip:1@10.1.2.20:5060", "sip:1@10.1.2.20:5070", "sip:1@10.1.2.21"
	for _, tc := range []struct {
		name             string
		callID           string
		expires          int
		contacts, listed []sip.Contact
		want             bool // still registered
	}{
		{"its contact, in the contact", "a", 3600, list(contact(own, 0)), nil, false},
		{"its contact, in the header", "a", 0, list(contact(own, -1)), nil, false},
		{"its contact, by another call", "b", 0, list(contact(own, -1)), nil, false},
		{"all", "b", 0, list(contact("*", -1)), nil, false},
		{"two contacts", "a", 0, list(contact(own, -1), contact(old, -1)), nil, false},
		{"an old one, the answer lists its own", "a", 0, list(contact(old, -1)), list(contact(own, 3000)), true},
		{"an old one, the answer lists none", "a", 0, list(contact(old, -1)), nil, false},
		{"an old one, by another call", "b", 0, list(contact(old, -1)), nil, true},
		{"an old one beside its own", "a", 3600, list(contact(old, 0), contact(own, -1)), list(contact(own, 3600)), true},
		{"an old one behind its own", "a", 3600, list(contact(own, -1), contact(old, 0)), list(contact(own, 3600)), true},
		{"the header's 0 does not hold for a contact that says otherwise", "a", 0, list(contact(own, 600)), list(contact(own, 600)), true},
		{"a question", "a", -1, nil, nil, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t, Config{}, book{phones: []MAC{yealink, polycom}})
			s.binds(1, polycom, "other", 3600, list(contact(others, -1)), nil)
			s.binds(2, yealink, "a", 3600, list(contact(own, -1)), nil)
			s.binds(10, yealink, tc.callID, tc.expires, tc.contacts, tc.listed)
			if got := s.phone(yealink).Registers("sip:1@pbx"); got != tc.want {
				t.Errorf("got registered %t, want %t: %+v", got, tc.want, s.phone(yealink).Lines)
			}
			if !s.phone(polycom).Registers("sip:1@pbx") {
				t.Error("the other phone on the AOR lost its binding")
			}
		})
	}
}

// Of several contacts the first that is not given up is the phone's, for as long
// as the registrar grants it.
func TestGranted(t *testing.T) {
	asked := []sip.Contact{{URI: "sip:1@10.1.2.9", Host: "10.1.2.9", Expires: 0}, {URI: "sip:1@10.1.2.20;transport=tcp", Host: "10.1.2.20", Expires: -1}, {URI: "sip:1@10.1.2.20", Host: "10.1.2.20", Expires: 60}}
	listed := slices.Clone(asked)
	listed[0].Expires, listed[1].Expires, listed[2].Expires = 100, 120, 60
	c, seconds := granted(&Register{Register: sip.Register{Expires: 3600, Contacts: asked}}, &RegisterResponse{RegisterResponse: sip.RegisterResponse{Contacts: listed}})
	if c.URI != asked[1].URI || seconds != 120 {
		t.Errorf("got %s for %d s, want %s for 120", c.URI, seconds, asked[1].URI)
	}
	// The one that it sends from is its own, wherever it stands.
	from := netip.MustParseAddrPort("10.1.2.21:5060")
	asked = []sip.Contact{{URI: "sip:1@10.9.9.9", Host: "10.9.9.9", Expires: -1}, {URI: "sip:1@10.1.2.21", Host: "10.1.2.21", Expires: 300}}
	reg := &Register{Source: from, Register: sip.Register{Expires: 3600, Contacts: asked}}
	if c, seconds := granted(reg, &RegisterResponse{}); c.URI != asked[1].URI || seconds != 300 {
		t.Errorf("got %s for %d s, want %s for 300", c.URI, seconds, asked[1].URI)
	}
	// Unless it gives that one up, or all of them.
	asked[1].Expires = 0
	if c, seconds := granted(reg, &RegisterResponse{}); c.URI != asked[0].URI || seconds != 3600 {
		t.Errorf("got %s for %d s, want %s for 3600", c.URI, seconds, asked[0].URI)
	}
	asked[0].Expires = 0
	if c, seconds := granted(reg, &RegisterResponse{}); seconds != 0 || c.URI != asked[1].URI {
		t.Errorf("got %s for %d s, want none", c.URI, seconds)
	}
	if _, seconds := granted(&Register{Register: sip.Register{Expires: -1}}, &RegisterResponse{}); seconds != 0 {
		t.Errorf("of no contact: %d s", seconds)
	}
}

// What was read of a REGISTER in part gives way to the whole; a copy does not.
func TestTryInPart(t *testing.T) {
	s := newScene(t, Config{}, book{phones: []MAC{yealink}})
	src := netip.MustParseAddrPort("10.1.2.20:5060")
	part := sip.Register{CallID: "a", CSeq: 1, AOR: "sip:1@pbx", Expires: 3600}
	whole := part
	whole.Contacts = []sip.Contact{{URI: "sip:1@10.1.2.20", Host: "10.1.2.20", Expires: -1}}
	elsewhere := netip.MustParseAddrPort("10.9.9.9:5060")
	for _, o := range []Observation{
		{Malformed: "ip: first fragment only", Register: &Register{Source: src, Register: part, ClaimedMAC: yealink}},
		{Register: &Register{Source: src, Register: whole, ClaimedMAC: yealink}},
		{Malformed: "ip: first fragment only", Register: &Register{Source: elsewhere, Register: part, ClaimedMAC: yealink}},
		{Register: &Register{Source: elsewhere, Register: whole, ClaimedMAC: yealink}},
	} {
		o.Kind = KindRegister
		s.see(1, o)
	}
	s.see(1.1, Observation{Kind: KindRegisterResponse, Response: &RegisterResponse{RegisterResponse: sip.RegisterResponse{Status: 200, CallID: "a", CSeq: 1, AOR: "sip:1@pbx", Expires: -1}}})
	tr := s.phone(yealink)
	if tr == nil || !tr.Registers("sip:1@pbx") || tr.Attachment().IP != src.Addr() {
		t.Errorf("got %+v", tr)
	}
}
