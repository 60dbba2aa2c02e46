package storetest

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"perch/discovery"
	"perch/gateway"
	"perch/location"
	"perch/matcher"
	"perch/provisioning"
	"perch/sip"
)

// fullBatch returns one record of every kind with every field set.
func fullBatch() *gateway.Batch {
	phone := discovery.PhoneID{MAC: mac(1)}
	return &gateway.Batch{
		Type: gateway.Live, Key: gateway.Key{1, 0xfe, 31: 7}, Time: at(3),
		Counters: gateway.Counters{Prompt: 1, Claim: 2, Answer: 3, Event: 4, Mail: 5, Location: 6, Emergency: 7},
		Directory: []provisioning.Changes{{Put: provisioning.Content{
			Sites: []provisioning.Site{{
				ID: "hq", Name: "Headquarters", DefaultLocation: "hq-1", Timezone: "America/Chicago",
				Subnets:       []netip.Prefix{prefix("10.1.0.0/16"), prefix("2001:db8::/48")},
				IgnoreSubnets: []netip.Prefix{prefix("10.99.0.0/24")},
			}},
			Locations: []location.Location{fullLocation()},
			Rules: []matcher.Rule{{
				Location: "hq-1", Site: "hq", ChassisID: "00:11:22:33:44:55", Port: "Gi1/0/1-24",
				RemoteID: "\x00\x06\xaa\xff", CircuitID: "\x00\x04\x00\x01\x80", BSSID: "00:11:22:33:44:*", VLAN: 4094,
				Subnet: prefix("10.1.2.0/24"), PublicIP: prefix("203.0.113.5/32"),
			}},
			Users: []provisioning.User{{
				Email: "ann@example.com", Name: "Ann Example", Role: provisioning.Admin, Site: "hq", Language: "en",
				AORs: []sip.AOR{"sip:ann@example.com", "sips:4711@example.com:5061"},
			}},
			Lines: []provisioning.Line{{AOR: "sip:101@example.com", AuthUser: "u101", Secret: "sealed:AAAA", DisplayName: "Ann, \"1\"", Callback: "+1 555 0101"}},
			Phones: []provisioning.Phone{{
				Vendor: provisioning.Snom, Model: "D785",
				MAC: mac(1), Kind: provisioning.Softphone, Label: "Lobby", Site: "hq",
				Users: []string{"ann@example.com", "bob@example.com"}, AORs: []sip.AOR{"sip:lobby@example.com"},
			}},
		}}},
		Phones: []gateway.PhoneRecord{{
			Phone: phone, Assignment: gateway.Assignment{Location: "hq-1", Source: gateway.FromChosen, Unapproved: true, Unlocated: true},
			State: json.RawMessage(`{"Track": {"ID":"x"},"n":1.0}`),
		}},
		Tracker: json.RawMessage(`{"routers": ["00:15:65:aa:bb:01"]}`),
		Prompts: []gateway.Prompt{{
			ID: 1, Phone: phone, Kind: gateway.Confirm, Attachment: fullAttachment(), Location: "hq-1",
			To: []string{"ann@example.com", "bob@example.com"}, Opened: at(1), Closed: at(2), Reason: gateway.Answered,
		}},
		Claims: []gateway.Claim{{
			ID: 2, Phone: provisional(3), Prompt: 1, Answer: 3, Attachment: fullAttachment(), Location: "hq-1",
			Evidence: []discovery.Evidence{{Field: "port_id", Value: "Gi1/0/7", Source: discovery.SourceSwitch, Seen: at(1)}},
			By:       "cli:root", Opened: at(1), Closed: at(2), State: gateway.ClaimRejected, Decider: "bob@example.com",
			Reason: "no such room", Level: discovery.LevelPort,
		}},
		Answers: []gateway.Answer{{
			ID: 3, Phone: phone, Prompt: 1, Kind: gateway.AnswerAddPersonal, Location: "hq-1", By: "ann@example.com",
			Time: at(2), Claim: 2, Rule: fullRule(),
		}},
		Emergencies: []gateway.Emergency{fullEmergency(7)},
		Events:      []gateway.Event{event(4)},
		Mails:       []gateway.Mail{mail(5)},
		Positions:   []gateway.Position{{SHA256: strings.Repeat("0f", 32), Frames: 12345, Done: true}},
	}
}

func fullEmergency(id int64) gateway.Emergency {
	a := fullAttachment()
	return gateway.Emergency{
		ID: id, Opened: at(1), Changed: at(2), Version: 2, Place: "Desk 12", Acknowledged: at(3), By: "Ann", Via: "ann@example.com", Reminders: 3, Next: at(4),
		On: discovery.Network{
			Level: discovery.LevelPort, Site: "hq", ChassisID: a.ChassisID, PortID: a.PortID, RemoteID: a.RemoteID, CircuitID: a.CircuitID,
			BSSID: a.BSSID, Subnet: a.Subnet, PublicIP: a.PublicIP,
		},
		EmergencyCall: gateway.EmergencyCall{
			Name: "1x2y3z", Time: at(0), Dialled: "911", Test: true, Site: "hq", AOR: "sip:ann@example.com", From: netip.MustParseAddrPort("10.1.2.3:5060"), Found: "source",
			Phone: discovery.PhoneID{MAC: mac(1)}, Label: "Lobby", Network: "hq sw-1/Gi1/0/7", Since: at(0), Heard: at(1),
			Location: "hq-1", Address: "7 Main St\nSpringfield, IL", Source: gateway.FromChosen, Moving: true, Unapproved: true, Unlocated: true,
			Sent: "<presence/>\n", Why: "the PBX answered 488", ELIN: "+12175550100", PBX: netip.MustParseAddrPort("[2001:db8::1]:5060"), Status: 200,
		},
	}
}

func fullLocation() location.Location {
	return location.Location{
		ID: "hq-1", Parent: "hq", Kind: location.Personal, Owner: "ann@example.com", Name: "Desk 12", Site: "hq",
		Address: location.CivicAddress{
			Country: "US", State: "IL", County: "Sangamon", City: "Springfield", PreDirectional: "N", Street: "Main",
			StreetSuffix: "St", PostDirectional: "W", HouseNumber: "7", HouseNumberSuffix: "1/2", Landmark: "Old mill",
			Building: "B", Floor: "3", Room: "312", Unit: "4", PostalCode: "62701", Additional: "behind the door",
		},
		ELIN: "+12175550100", Version: 2, Pending: true, Retired: true,
	}
}

func fullRule() matcher.Rule {
	return matcher.Rule{
		Location: "hq-1", Site: "hq", ChassisID: "00:11:22:33:44:55", Port: "Gi1/0/1-24",
		RemoteID: "\x00\x06\xaa\xff", CircuitID: "\x00\x04\x00\x01\x80", BSSID: "00:11:22:33:44:*", VLAN: 4094,
		Subnet: prefix("10.1.2.0/24"), PublicIP: prefix("203.0.113.5/32"),
	}
}

func fullAttachment() discovery.Attachment {
	return discovery.Attachment{
		Site: "hq", ChassisID: "00:11:22:33:44:55", PortID: "Gi1/0/7", RemoteID: "\x00\x06\xaa\xff", CircuitID: "\x00\x04\x80",
		BSSID: mac(9), VLAN: 20, Subnet: prefix("10.1.2.0/24"), IP: netip.MustParseAddr("10.1.2.3"),
		PublicIP: netip.MustParseAddr("2001:db8::5"), AliasChassisID: "sw-3fl.example.com", AliasPortID: "GigabitEthernet1/0/7",
		OtherSubnet: prefix("2001:db8::/64"), Shared: true, Assumed: true,
	}
}

// bareBatch returns one record of every kind with its key and what it cannot be
// without.
func bareBatch() *gateway.Batch {
	return &gateway.Batch{
		Directory: []provisioning.Changes{{Put: provisioning.Content{
			Sites:     []provisioning.Site{{ID: "hq"}},
			Locations: []location.Location{{ID: "hq-1"}},
			Rules:     []matcher.Rule{{Location: "hq-1", ChassisID: "sw-1"}},
			Users:     []provisioning.User{{Email: "ann@example.com"}},
			Phones:    []provisioning.Phone{{MAC: mac(1)}},
			Lines:     []provisioning.Line{{AOR: "sip:101@example.com"}},
		}}},
		Phones:      []gateway.PhoneRecord{{Phone: discovery.PhoneID{MAC: mac(1)}, State: json.RawMessage(`{}`)}},
		Prompts:     []gateway.Prompt{{ID: 1}},
		Claims:      []gateway.Claim{{ID: 1}},
		Answers:     []gateway.Answer{{ID: 1}},
		Emergencies: []gateway.Emergency{{ID: 1}},
		Events:      []gateway.Event{{ID: 1, Data: json.RawMessage(`{}`)}},
		Mails:       []gateway.Mail{{ID: 1}},
		Positions:   []gateway.Position{{SHA256: strings.Repeat("00", 32)}},
	}
}

// otherBatch returns a batch that follows on fullBatch and touches every table:
// it replaces some rows, deletes others, and adds more.
func otherBatch() *gateway.Batch {
	b := fullBatch()
	b.Time = at(20)
	b.Counters = gateway.Counters{Prompt: 10, Claim: 20, Answer: 30, Event: 40, Mail: 50, Location: 60, Emergency: 70}
	b.Tracker = json.RawMessage(`{"other":true}`)
	c := &b.Directory[0]
	c.GoneRules = []matcher.Rule{c.Put.Rules[0]}
	c.GoneUsers = []string{c.Put.Users[0].Email}
	c.Put.Rules = []matcher.Rule{{Location: "hq-2", ChassisID: "sw-9"}}
	c.Put.Users = []provisioning.User{{Email: "carl@example.com"}}
	c.Put.Sites[0].Name = "elsewhere"
	c.Put.Locations[0].Version++
	c.Put.Phones[0].Label = "other"
	b.Phones = []gateway.PhoneRecord{
		{Phone: b.Phones[0].Phone},
		{Phone: provisional(4), State: json.RawMessage(`{}`)},
	}
	b.Prompts[0].Location = "hq-2"
	b.Claims[0].ID = 20
	b.Answers[0].ID = 30
	b.GoneEmergencies = []int64{b.Emergencies[0].ID, 69}
	b.Emergencies[0].ID = 70
	b.Events = []gateway.Event{event(40)}
	b.Mails = []gateway.Mail{mail(50)}
	b.Positions[0].Frames++
	return b
}

// stateOf returns what an empty store holds after b, if b deletes nothing.
func stateOf(b *gateway.Batch) gateway.State {
	s := gateway.State{
		Type: b.Type, Key: b.Key, Time: b.Time, Counters: b.Counters, Phones: b.Phones, Tracker: b.Tracker,
		Prompts: b.Prompts, Claims: b.Claims, Answers: b.Answers, Positions: b.Positions, Emergencies: b.Emergencies,
	}
	for _, c := range b.Directory {
		s.Directory = c.Put
	}
	return s
}

// checkComplete fails if a field of a record in b is unset: one that is added
// to a type must be stored, and so must be in fullBatch.
func checkComplete(t *testing.T, b *gateway.Batch) {
	t.Helper()
	var walk func(name string, v reflect.Value)
	walk = func(name string, v reflect.Value) {
		if v.IsZero() && !unstored(name) {
			t.Errorf("%s is unset in fullBatch", name)
			return
		}
		switch {
		case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
			for i := range v.Len() {
				walk(name, v.Index(i))
			}
		case v.Kind() == reflect.Struct && strings.HasPrefix(v.Type().PkgPath(), "perch/"):
			for i := range v.NumField() {
				walk(name+"."+v.Type().Field(i).Name, v.Field(i))
			}
		}
	}
	walk("batch", reflect.ValueOf(*b))
}

// unstored reports fields that no store keeps, or that exclude each other.
func unstored(name string) bool {
	return strings.HasPrefix(name, "batch.Directory.Gone") || name == "batch.GoneEmergencies" ||
		strings.HasSuffix(name, ".Rules.Line") || strings.HasSuffix(name, ".Rule.Line") ||
		strings.Contains(name, ".Phone.") // a MAC, or an AOR with its number
}
