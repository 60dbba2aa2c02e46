package notify

import (
	"net/netip"
	"strings"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/location"
	"perch/provisioning"
	"perch/sip"
)

// letters are the mails of the goldens, by the name of their file.
func letters() map[string]gateway.Letter {
	return map[string]gateway.Letter{
		"prompt-add":               first(),
		"prompt-add-default":       withDefault(),
		"prompt-confirm":           firstConfirm(),
		"prompt-moved-add":         movedAdd(),
		"prompt-moved-confirm":     movedConfirm(),
		"prompt-changed":           changed(),
		"prompt-personal":          ownPersonal(),
		"prompt-hidden":            hiddenPersonal(),
		"prompt-provisional":       provisional(),
		"prompt-hostile":           hostile(attack),
		"receipt":                  receipt(),
		"receipt-confirmed":        confirmedReceipt(),
		"receipt-personal":         personalReceipt(),
		"receipt-elsewhere":        receiptElsewhere(),
		"receipt-hostile":          hostileAnswer(attack, gateway.MailReceipt, 0),
		"notice-answered":          answered(),
		"notice-answered-claim":    answeredClaim(),
		"notice-answered-personal": answeredPersonal(),
		"notice-objected":          objected(),
		"notice-not-mine":          notMine("bob@example.com"),
		"notice-not-mine-nobody":   notMine(),
		"notice-hostile":           hostileAnswer(attack, gateway.MailNotice, gateway.NoticeAnswered),
		"notice-objected-hostile":  hostileAnswer(attack, gateway.MailNotice, gateway.NoticeObjected),
		"notice-not-mine-hostile":  hostileAnswer(attack, gateway.MailNotice, gateway.NoticeNotMine),
		"claim":                    claim(),
		"claim-subnet":             subnetClaim(),
		"claim-hostile":            hostileClaim(attack),
		"decision-approved":        decision(gateway.ClaimApproved),
		"decision-approved-moved":  approvedElsewhere(),
		"decision-rejected":        decision(gateway.ClaimRejected),
		"decision-rejected-nobody": rejectedToNothing(),
		"emergency":                emergency(),
		"emergency-reminder":       emergencyReminder(),
		"emergency-unknown":        emergencyUnknown(),
		"emergency-hostile":        hostileEmergency(attack),
	}
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, "2026-03-02T"+s+"Z")
	if err != nil {
		panic(err)
	}
	return t
}

func mac(s string) discovery.MAC {
	m, err := discovery.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

var (
	thirdFloor = location.Location{
		ID: "hq-3f", Name: "HQ, 3rd floor", Site: "hq",
		Address: location.CivicAddress{
			Country: "US", State: "IL", City: "Springfield", Street: "Main", StreetSuffix: "Street", HouseNumber: "1",
			Floor: "3", PostalCode: "62701",
		},
	}
	fourthFloor = func() location.Location {
		l := thirdFloor
		l.ID, l.Name, l.Address.Floor = "hq-4f", "HQ, 4th floor", "4"
		return l
	}()
	proposed = location.Location{
		ID: "claim-1", Site: "hq", Pending: true,
		Address: location.CivicAddress{
			Country: "DE", City: "München", Street: "Lindwurmstraße", HouseNumber: "7", HouseNumberSuffix: "a",
			Floor: "2", Room: "214", PostalCode: "80337", Additional: "hinterer Aufgang",
		},
	}
	home = location.Location{
		ID: "personal-1", Kind: location.Personal, Owner: "alice@example.com", Name: "Home",
		Address: location.CivicAddress{Country: "US", State: "IL", City: "Decatur", Street: "Oak", StreetSuffix: "Avenue", HouseNumber: "22"},
	}
)

func line(l location.Location) string {
	if l.Name == "" {
		return l.Address.String()
	}
	return l.Name + " (" + l.Address.String() + ")"
}

// first is a phone's first appearance, on a port that the map does not know.
func first() gateway.Letter {
	return gateway.Letter{
		ID: 1, Time: at("08:01:12"), Purpose: gateway.MailPrompt,
		To:    provisioning.User{Email: "alice@example.com", Name: "Alice Adams"},
		Phone: discovery.PhoneID{MAC: mac("00:15:65:aa:bb:cc")},
		Label: "Reception", Model: "Yealink SIP-T46S 66.85.0.5",
		AORs: []string{"sip:1001@pbx.example.com"},
		Attachment: discovery.Attachment{
			Site: "hq", ChassisID: "sw-4fl", PortID: "Gi1/0/2", VLAN: 20,
			Subnet: netip.MustParsePrefix("10.1.2.0/24"), IP: netip.MustParseAddr("10.1.2.3"),
		},
		Evidence: []discovery.Evidence{
			{Field: "chassis_id", Value: "sw-4fl", Source: discovery.SourceSwitch, Seen: at("08:00:32")},
			{Field: "port_id", Value: "Gi1/0/2", Source: discovery.SourceSwitch, Seen: at("08:00:32")},
			{Field: "subnet", Value: "10.1.2.0/24", Source: discovery.SourceServer, Seen: at("08:00:02")},
			{Field: "ip", Value: "10.1.2.3", Source: discovery.SourceServer, Seen: at("08:00:02")},
			{Field: "vlan", Value: "20", Source: discovery.SourceFrame, Seen: at("08:00:07")},
			{Field: "site", Value: "hq", Source: discovery.SourceFrame, Seen: at("08:00:07")},
		},
		Prompt: 1, Kind: gateway.Add, Expires: at("08:01:12").AddDate(0, 0, 14),
		Recipient: []string{"alice@example.com"},
	}
}

func withDefault() gateway.Letter {
	l := first()
	l.InForce = "Headquarters (1 Main Street, Springfield, IL 62701, US)"
	return l
}

func firstConfirm() gateway.Letter {
	l := first()
	l.Kind, l.Location, l.InForce = gateway.Confirm, &fourthFloor, line(fourthFloor)
	l.Rule = "site=hq chassis_id=sw-4fl port=Gi1/0/1-24"
	return l
}

func movedAdd() gateway.Letter {
	l := first()
	l.ID, l.Prompt, l.Recipient = 7, 4, []string{"alice@example.com", "bob@example.com", "carol@example.com"}
	l.From = discovery.Network{Level: discovery.LevelPort, Site: "hq", ChassisID: "sw-3fl", PortID: "Gi1/0/7"}
	l.FromPlace = line(thirdFloor)
	return l
}

func movedConfirm() gateway.Letter {
	l := firstConfirm()
	l.ID, l.Prompt = 8, 5
	l.From = discovery.Network{Level: discovery.LevelSubnet, Site: "b2", Subnet: netip.MustParsePrefix("10.2.9.0/24")}
	return l
}

// changed is a map that now disagrees with what was confirmed.
func changed() gateway.Letter {
	l := firstConfirm()
	l.InForce = line(thirdFloor)
	return l
}

func ownPersonal() gateway.Letter {
	l := first()
	l.Kind, l.Location, l.InForce, l.Rule = gateway.Confirm, &home, line(home), "subnet=192.168.1.0/24 public_ip=203.0.113.5"
	l.Attachment = discovery.Attachment{
		Subnet: netip.MustParsePrefix("192.168.1.0/24"), IP: netip.MustParseAddr("192.168.1.20"), PublicIP: netip.MustParseAddr("203.0.113.5"),
	}
	l.Evidence = []discovery.Evidence{
		{Field: "subnet", Value: "192.168.1.0/24", Source: discovery.SourceClaim, Seen: at("08:00:02")},
		{Field: "public_ip", Value: "203.0.113.5", Source: discovery.SourceFrame, Seen: at("08:00:02")},
	}
	return l
}

func hiddenPersonal() gateway.Letter {
	l := ownPersonal()
	l.To = provisioning.User{Email: "bob@example.com", Name: "Bob Zoë Brown"}
	l.Location, l.InForce = nil, "a personal location of alice@example.com"
	l.Recipient = []string{"alice@example.com", "bob@example.com"}
	return l
}

func provisional() gateway.Letter {
	l := first()
	l.Phone = discovery.PhoneID{AOR: sip.AOR("sip:1001@pbx.example.com"), N: 1}
	l.To, l.Label, l.Model = provisioning.User{Email: "alice@example.com"}, "", ""
	l.Attachment = discovery.Attachment{
		Subnet: netip.MustParsePrefix("10.7.0.0/24"), IP: netip.MustParseAddr("10.7.0.9"), Assumed: true,
		RemoteID: "sw-3fl", CircuitID: "\x00\x04\x00\x14\x01\x02", Shared: true,
	}
	l.Evidence = []discovery.Evidence{
		{Field: "circuit_id", Value: "73772d33666c/000400140102", Source: discovery.SourceRelay, Seen: at("07:59:58")},
		{Field: "subnet", Value: "10.7.0.0/24", Source: discovery.SourceFrame, Seen: at("08:00:02")},
	}
	return l
}

// attack is everything at once: header injection, markup, a link, text turned
// around, encoded words, the token's mark, and 10 kB of it.
var attack = "Evil\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script>\"><img src=x onerror=alert(1)>" +
	" http://evil.example/" + gateway.TokenMark + " \u202egnp.exe\u2066\x00\x1b[31m\x85\u2028=?utf-8?q?=0D=0ABcc:_x?=\xff\xfe{{.Link}}'" +
	strings.Repeat("A\u0301", 5000)

// hostile has the text in every field that comes from the wire or from forms.
func hostile(s string) gateway.Letter {
	id := s
	l := gateway.Letter{
		ID: 9, Time: at("08:01:12"), Purpose: gateway.MailPrompt,
		To:    provisioning.User{Email: "alice@example.com", Name: s},
		Phone: discovery.PhoneID{AOR: sip.AOR("sip:" + s), N: 1},
		Label: s, Model: s, AORs: []string{"sip:" + s, s},
		Attachment: discovery.Attachment{Site: s, ChassisID: id, PortID: id, RemoteID: discovery.Hex(s), CircuitID: discovery.Hex(s)},
		From:       discovery.Network{Level: discovery.LevelPort, Site: s, RemoteID: discovery.Hex(s), CircuitID: discovery.Hex(s)},
		FromPlace:  s, Prompt: 9, Kind: gateway.Confirm, Rule: s, InForce: s, Expires: at("09:00:00"),
		Recipient: []string{"alice@example.com", s}, Reason: s,
		Location: &location.Location{ID: location.ID(s), Name: s, Address: location.CivicAddress{Street: s, City: s, Room: s, Additional: s}},
	}
	for i := range 40 {
		l.AORs = append(l.AORs, strings.Repeat(s, i%2)+"sip:x")
		l.Evidence = append(l.Evidence, discovery.Evidence{Field: s, Value: s, Source: discovery.Source(i % 6), Seen: at("08:00:00")})
		l.Recipient = append(l.Recipient, s)
	}
	return l
}

func review(loc location.Location) gateway.Letter {
	l := first()
	l.ID, l.Kind, l.Expires, l.Recipient = 12, 0, time.Time{}, nil
	l.Location, l.InForce = &loc, line(loc)
	l.Claim = &gateway.Claim{
		ID: 1, Phone: l.Phone, Prompt: 1, Answer: 1, Attachment: l.Attachment, Location: loc.ID,
		By: "alice@example.com", Opened: at("09:12:00"), State: gateway.ClaimOpen,
	}
	l.Time = at("09:12:00")
	return l
}

func receipt() gateway.Letter {
	l := review(proposed)
	l.Purpose = gateway.MailReceipt
	return answer(l, gateway.AnswerPropose)
}

// answer makes a letter that of an answer by Alice.
func answer(l gateway.Letter, kind gateway.AnswerKind) gateway.Letter {
	l.By = "alice@example.com"
	l.Answer = &gateway.Answer{ID: 1, Phone: l.Phone, Prompt: 1, Kind: kind, By: l.By, Time: l.Time}
	if l.Claim != nil {
		l.Answer.Claim = l.Claim.ID
	}
	if l.Location != nil {
		l.Answer.Location = l.Location.ID
	}
	return l
}

func confirmedReceipt() gateway.Letter {
	l := review(fourthFloor)
	l.Purpose, l.Claim = gateway.MailReceipt, nil
	return answer(l, gateway.AnswerConfirm)
}

func personalReceipt() gateway.Letter {
	l := ownPersonal()
	l.ID, l.Purpose, l.Time, l.Kind, l.Rule, l.Expires, l.Recipient = 12, gateway.MailReceipt, at("09:12:00"), 0, "", time.Time{}, nil
	return answer(l, gateway.AnswerAddPersonal)
}

// receiptElsewhere is that of an answer for a place that the phone left.
func receiptElsewhere() gateway.Letter {
	l := confirmedReceipt()
	l.InForce = line(thirdFloor)
	return l
}

func bob() provisioning.User {
	return provisioning.User{Email: "bob@example.com", Name: "Bob Zoë Brown"}
}

func answered() gateway.Letter {
	l := confirmedReceipt()
	l.ID, l.Purpose, l.Notice, l.To = 15, gateway.MailNotice, gateway.NoticeAnswered, bob()
	return l
}

func answeredClaim() gateway.Letter {
	l := receipt()
	l.ID, l.Purpose, l.Notice, l.To = 15, gateway.MailNotice, gateway.NoticeAnswered, bob()
	return l
}

func answeredPersonal() gateway.Letter {
	l := personalReceipt()
	l.ID, l.Purpose, l.Notice, l.To = 15, gateway.MailNotice, gateway.NoticeAnswered, bob()
	l.Location, l.InForce = nil, "a personal location of alice@example.com"
	return l
}

func objected() gateway.Letter {
	l := confirmedReceipt()
	l.ID, l.Purpose, l.Notice, l.By, l.Time = 16, gateway.MailNotice, gateway.NoticeObjected, "bob@example.com", at("09:20:00")
	l.InForce = line(thirdFloor)
	return l
}

func notMine(left ...string) gateway.Letter {
	l := first()
	l.ID, l.Purpose, l.Notice, l.By, l.Time = 17, gateway.MailNotice, gateway.NoticeNotMine, "alice@example.com", at("09:20:00")
	l.To = provisioning.User{Email: "ada@example.com", Name: "Ada Admin", Role: provisioning.Admin}
	l.Kind, l.Expires, l.Recipient = 0, time.Time{}, left
	return l
}

// hostileAnswer has the text in every field of what follows an answer.
func hostileAnswer(s string, why gateway.Purpose, n gateway.Notice) gateway.Letter {
	l := hostile(s)
	l.Purpose, l.Notice, l.By = why, n, s
	l.Answer = &gateway.Answer{ID: 2, Kind: gateway.AnswerPersonal, By: s, Location: l.Location.ID}
	return l
}

func claim() gateway.Letter {
	l := review(proposed)
	l.ID, l.Purpose = 13, gateway.MailClaim
	l.To = provisioning.User{Email: "rita@example.com", Name: "Rita Reviewer", Role: provisioning.Reviewer}
	return l
}

func subnetClaim() gateway.Letter {
	l := claim()
	room := fourthFloor
	room.ID, room.Name, room.Address.Room = "hq-4f-412", "HQ, room 412", "412"
	l.Location = &room
	l.Claim.By = "cli:root"
	l.Claim.Attachment = discovery.Attachment{Site: "hq", Subnet: netip.MustParsePrefix("10.1.2.0/24"), IP: netip.MustParseAddr("10.1.2.3")}
	l.Attachment = l.Claim.Attachment
	return l
}

func hostileClaim(s string) gateway.Letter {
	l := hostile(s)
	l.Purpose, l.Claim = gateway.MailClaim, &gateway.Claim{ID: 2, By: s, Decider: s, Reason: s, Attachment: l.Attachment}
	return l
}

func decision(state gateway.ClaimState) gateway.Letter {
	l := review(fourthFloor)
	l.ID, l.Purpose, l.Time = 14, gateway.MailDecision, at("10:30:00")
	l.Claim.State, l.Claim.Decider, l.Claim.Closed = state, "rita@example.com", l.Time
	if state == gateway.ClaimRejected {
		l.Claim.Reason = "The fourth floor is closed for building work; please give the room you really use."
		l.Reason, l.InForce = l.Claim.Reason, line(thirdFloor)
	}
	return l
}

func approvedElsewhere() gateway.Letter {
	l := decision(gateway.ClaimApproved)
	l.InForce = line(thirdFloor)
	return l
}

func rejectedToNothing() gateway.Letter {
	l := decision(gateway.ClaimRejected)
	l.InForce, l.Reason, l.Claim.Reason = "", "", ""
	return l
}

// emergency is a call from a phone of which all is known.
func emergency() gateway.Letter {
	l := first()
	l.ID, l.Purpose, l.Time, l.Kind, l.Expires, l.Recipient, l.Prompt = 21, gateway.MailEmergency, at("14:03:23"), 0, time.Time{}, nil, 0
	l.To, l.Callback = provisioning.User{Email: "desk@example.com"}, "+1 217 555 0101"
	l.Emergency = &gateway.Emergency{
		ID: 3, Opened: l.Time, Changed: l.Time, Version: 2, Place: thirdFloor.Name,
		On: discovery.Network{Level: discovery.LevelPort, Site: "hq", ChassisID: "sw-3fl", PortID: "Gi1/0/7"},
		EmergencyCall: gateway.EmergencyCall{
			Name: "1x2y3z", Time: at("14:03:22"), Dialled: "911", Site: "hq", AOR: "sip:1001@pbx.example.com", From: netip.MustParseAddrPort("10.1.2.3:5060"),
			Found: "source", Phone: l.Phone, Label: l.Label, Network: "hq sw-3fl/Gi1/0/7", Since: at("08:01:12"), Heard: at("13:50:00"),
			Location: thirdFloor.ID, Address: strings.Join(thirdFloor.Address.Lines(), "\n"), Source: gateway.FromConfirmed, Sent: "<presence/>",
		},
	}
	return l
}

// emergencyReminder has every warning of a phone that is known.
func emergencyReminder() gateway.Letter {
	l := emergency()
	l.ID, l.Time = 23, at("14:07:23")
	x := l.Emergency
	x.Reminders, x.Status, x.Moving, x.Unapproved, x.Unlocated, x.Source = 2, 503, true, true, true, gateway.FromDefault
	x.Why, x.ELIN = "the PBX answered 488", "+12175550100"
	return l
}

// emergencyUnknown is a call from a phone that nobody knows.
func emergencyUnknown() gateway.Letter {
	l := emergency()
	l.Callback = ""
	l.Phone, l.Label, l.Model, l.AORs, l.Attachment, l.Evidence = discovery.PhoneID{}, "", "", nil, discovery.Attachment{}, nil
	l.Emergency = &gateway.Emergency{ID: 4, Opened: l.Time, EmergencyCall: gateway.EmergencyCall{
		Name: "4", Time: l.Time, Dialled: "112", AOR: "sip:anonymous@anonymous.invalid", From: netip.MustParseAddrPort("[2001:db8::7]:5060"), Why: "it is not known which phone calls", Status: 180,
	}}
	return l
}

// hostileEmergency has the text in every field of a call.
func hostileEmergency(s string) gateway.Letter {
	l := hostile(s)
	l.Purpose, l.Emergency = gateway.MailEmergency, &gateway.Emergency{ID: 2, Place: s, By: s, On: l.From, EmergencyCall: gateway.EmergencyCall{
		Name: s, Dialled: s, Site: s, AOR: "sip:" + s, Phone: l.Phone, Label: s, Network: s, Location: location.ID(s), Address: s, Sent: s, Why: s, ELIN: s, Moving: true,
	}}
	return l
}
