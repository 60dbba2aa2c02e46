package storetest

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/location"
	"perch/matcher"
	"perch/provisioning"
	"perch/sip"
)

func (s *suite) replaces() {
	b := fullBatch()
	s.commit(b)
	c := fullBatch()
	c.Type, c.Time = gateway.Replayed, at(7)
	c.Counters.Mail++
	c.Tracker = json.RawMessage(`{"links":[]}`)
	put := &c.Directory[0].Put
	put.Sites[0].Name = "Headquarters, renamed"
	put.Sites[0].IgnoreSubnets = nil
	put.Locations[0].Version++
	put.Locations[0].Retired = false
	put.Rules[0].Location = "hq-2"
	put.Users[0].Role = provisioning.Member
	put.Users[0].AORs = nil
	put.Phones[0].Kind = provisioning.Ignore
	c.Phones[0].Assignment = gateway.Assignment{Location: "hq-2", Source: gateway.FromAdmin}
	c.Phones[0].State = json.RawMessage(`{"n":2}`)
	c.Prompts[0].Closed, c.Prompts[0].Reason = at(8), gateway.Superseded
	c.Claims[0].State = gateway.ClaimApproved
	c.Answers[0].Location = "hq-2"
	c.Emergencies[0].Status, c.Emergencies[0].Next = 503, time.Time{}
	c.Positions[0].Frames, c.Positions[0].Done = 99, false
	c.Events, c.Mails = nil, nil
	s.commit(c)
	s.holds(contents{stateOf(c), b.Events, b.Mails})
}

func (s *suite) locationVersions() {
	l := location.Location{ID: "hq-1", Version: 1, Name: "first", Pending: true}
	for _, edit := range []func(){
		func() {},
		func() { l.Pending = false }, // within its version
		func() { l.Version, l.Name = 2, "second" },
		func() { l.Version, l.Name = 10, "tenth" }, // not compared as text
		func() { l.Retired = true },
	} {
		edit()
		s.commit(&gateway.Batch{Directory: []provisioning.Changes{
			{Put: provisioning.Content{Locations: []location.Location{l}}},
		}})
		s.holdsState(gateway.State{Directory: provisioning.Content{Locations: []location.Location{l}}})
	}
}

func (s *suite) deletes() {
	b := fullBatch()
	// Of each kind two rows, of which the first goes.
	put := &b.Directory[0].Put
	put.Sites = append(put.Sites, provisioning.Site{ID: "zz"})
	put.Rules = append(put.Rules, matcher.Rule{Location: "hq-1", Site: "zz", VLAN: 7, Subnet: prefix("10.9.0.0/16")})
	put.Users = append(put.Users, provisioning.User{Email: "zoe@example.com"})
	put.Phones = append(put.Phones, provisioning.Phone{MAC: mac(200), Kind: provisioning.Desk})
	put.Lines = append(put.Lines, provisioning.Line{AOR: "sip:999@example.com"})
	b.Phones = append(b.Phones, gateway.PhoneRecord{Phone: provisional(1), State: json.RawMessage(`{}`)})
	b.Emergencies = append(b.Emergencies, fullEmergency(8))
	s.commit(b)

	key := put.Rules[0]
	key.Location = ""
	s.commit(&gateway.Batch{
		Type: b.Type, Time: b.Time, Counters: b.Counters,
		Directory: []provisioning.Changes{{
			GoneSites:  []string{put.Sites[0].ID, "never was"},
			GoneRules:  []matcher.Rule{key, {Site: "never was"}},
			GoneUsers:  []string{put.Users[0].Email, "never@example.com"},
			GonePhones: []provisioning.Phone{{MAC: put.Phones[0].MAC}, {MAC: mac(250)}},
			GoneLines:  []string{string(put.Lines[0].AOR), "sip:never@example.com"},
		}},
		Phones:          []gateway.PhoneRecord{{Phone: b.Phones[0].Phone}, {Phone: provisional(9)}},
		GoneEmergencies: []int64{7, 99},
	})
	want := stateOf(b)
	d := &want.Directory
	d.Sites, d.Rules, d.Users, d.Phones, d.Lines = d.Sites[1:], d.Rules[1:], d.Users[1:], d.Phones[1:], d.Lines[1:]
	want.Phones = want.Phones[1:]
	want.Emergencies = want.Emergencies[1:]
	s.holds(contents{want, b.Events, b.Mails})
}

func (s *suite) ruleKeys() {
	rule := func(port string, to location.ID) matcher.Rule {
		return matcher.Rule{Location: to, Site: "hq", ChassisID: "sw|1", Port: port}
	}
	const short, long = "Gi1/0/7", "GigabitEthernet1/0/7" // one port
	neighbour := rule("Gi1/0/8", "room-8")
	other := matcher.Rule{Location: "room-9", Site: "hq|sw", ChassisID: "1", Port: short}
	for _, step := range []struct {
		name      string
		gone, put []matcher.Rule
		want      []matcher.Rule
	}{
		{"first", nil, []matcher.Rule{rule(short, "room-7"), neighbour, other}, []matcher.Rule{rule(short, "room-7"), neighbour, other}},
		{"another spelling", nil, []matcher.Rule{rule(long, "room-1")}, []matcher.Rule{neighbour, rule(long, "room-1"), other}},
		{
			"two of one key", nil, []matcher.Rule{rule(short, "floor-1"), rule(short, "room-1")},
			[]matcher.Rule{rule(short, "floor-1"), rule(short, "room-1"), neighbour, other},
		},
		{
			"gone and put", []matcher.Rule{rule(short, "")}, []matcher.Rule{rule(short, "room-7"), rule(long, "floor-1")},
			[]matcher.Rule{rule(short, "room-7"), neighbour, rule(long, "floor-1"), other},
		},
		{"gone in one spelling", []matcher.Rule{rule(long, "")}, nil, []matcher.Rule{neighbour, other}},
	} {
		s.commit(&gateway.Batch{Directory: []provisioning.Changes{
			{GoneRules: step.gone, Put: provisioning.Content{Rules: step.put}},
		}})
		if diff := compare(s.load().Directory.Rules, step.want); diff != "" {
			s.Errorf("%s: rules (-got +want):\n%s", step.name, diff)
		}
	}
	s.store = s.reopen()
	if diff := compare(s.load().Directory.Rules, []matcher.Rule{neighbour, other}); diff != "" {
		s.Errorf("opened again: rules (-got +want):\n%s", diff)
	}
}

func (s *suite) changesInOrder() {
	user := func(name string) provisioning.Content {
		return provisioning.Content{Users: []provisioning.User{{Email: "ann@example.com", Name: name}}}
	}
	gone := provisioning.Changes{GoneUsers: []string{"ann@example.com"}}
	s.commit(&gateway.Batch{Directory: []provisioning.Changes{
		{Put: user("first")}, {Put: user("second")}, gone, {Put: user("third")},
	}})
	s.holdsState(gateway.State{Directory: user("third")})
	s.commit(&gateway.Batch{Directory: []provisioning.Changes{{Put: user("fourth")}, gone}})
	s.holdsState(gateway.State{})
}

func (s *suite) rowsInOrder() {
	var want gateway.State
	d := &want.Directory
	for _, id := range []string{"A", "Z", "a", "a b", "a-b", "b", "é"} { // by bytes, in every locale
		d.Sites = append(d.Sites, provisioning.Site{ID: id})
		d.Locations = append(d.Locations, location.Location{ID: location.ID(id), Version: 1})
		d.Users = append(d.Users, provisioning.User{Email: id})
	}
	phone := func(id discovery.PhoneID) gateway.PhoneRecord {
		return gateway.PhoneRecord{Phone: id, State: json.RawMessage(`{}`)}
	}
	for _, n := range []byte{1, 9, 10, 0xa0, 0xff} {
		d.Phones = append(d.Phones, provisioning.Phone{MAC: mac(n), Kind: provisioning.Desk})
		want.Phones = append(want.Phones, phone(discovery.PhoneID{MAC: mac(n)}))
	}
	for _, n := range []int{1, 2, 10, 11} {
		want.Phones = append(want.Phones, phone(provisional(n)))
	}
	for _, id := range []int64{1, 2, 10, 1 << 40} {
		want.Prompts = append(want.Prompts, gateway.Prompt{ID: id, Kind: gateway.Add})
		want.Claims = append(want.Claims, gateway.Claim{ID: id, State: gateway.ClaimOpen})
		want.Answers = append(want.Answers, gateway.Answer{ID: id, Kind: gateway.AnswerConfirm})
		want.Emergencies = append(want.Emergencies, gateway.Emergency{ID: id})
	}
	for _, subnet := range []string{"9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/16", "100.0.0.0/8", "2001:db8::/32"} { // not as text
		d.Rules = append(d.Rules, matcher.Rule{Location: "hq", Subnet: prefix(subnet)})
	}
	// Written last row first, each in a batch of its own.
	for i := 9; i >= 0; i-- {
		s.commit(&gateway.Batch{
			Directory: []provisioning.Changes{{Put: provisioning.Content{
				Sites: row(d.Sites, i), Locations: row(d.Locations, i), Rules: row(d.Rules, i), Users: row(d.Users, i), Phones: row(d.Phones, i),
			}}},
			Phones:  row(want.Phones, i),
			Prompts: row(want.Prompts, i), Claims: row(want.Claims, i), Answers: row(want.Answers, i), Emergencies: row(want.Emergencies, i),
		})
	}
	s.holdsState(want)
}

// row returns the i-th row as a list, empty if there is none.
func row[T any](rows []T, i int) []T {
	if i >= len(rows) {
		return nil
	}
	return rows[i : i+1]
}

func (s *suite) trackerStays() {
	tracker := json.RawMessage(`{"links":[{"port":"Gi1/0/7"}], "n": 1.50}`)
	s.commit(&gateway.Batch{Tracker: tracker}, &gateway.Batch{Time: at(1)})
	s.holdsState(gateway.State{Tracker: tracker, Time: at(1)})
}

func (s *suite) times() {
	for _, when := range []time.Time{
		at(0),
		time.UnixMicro(1).UTC(),
		time.Date(1969, 7, 20, 20, 17, 40, 999_999_000, time.UTC),
		time.Date(2262, 4, 12, 0, 0, 0, 1000, time.UTC), // beyond 64 bits of nanoseconds
	} {
		s.commit(&gateway.Batch{Time: when, Prompts: []gateway.Prompt{{ID: 1, Kind: gateway.Add, Opened: when}}})
		st := s.load()
		for name, got := range map[string]time.Time{"engine": st.Time, "opened": st.Prompts[0].Opened} {
			if !got.Equal(when) || got.Location() != time.UTC {
				s.Errorf("%s time is %v, want %v", name, got, when)
			}
		}
		if closed := st.Prompts[0].Closed; !closed.IsZero() {
			s.Errorf("closing time is %v, want none", closed)
		}
	}
}

func (s *suite) manyRows() {
	b := &gateway.Batch{Directory: make([]provisioning.Changes, 1)}
	put := &b.Directory[0].Put
	for i := range 2999 {
		put.Rules = append(put.Rules, matcher.Rule{
			Location: location.ID(fmt.Sprintf("room-%d", i)), ChassisID: "sw-1", Port: fmt.Sprintf("Gi1/0/%05d", i),
		})
	}
	for i := range 130 {
		put.Phones = append(put.Phones, provisioning.Phone{MAC: mac(byte(i)), Kind: provisioning.Desk})
	}
	for i := range 1299 {
		b.Phones = append(b.Phones, gateway.PhoneRecord{Phone: provisional(i + 1), State: json.RawMessage(`{}`)})
	}
	s.commit(b)
	s.holdsState(stateOf(b))
}

// at is a told time, n seconds into the tests' day.
func at(n int) time.Time {
	return time.Date(2026, 3, 2, 8, 0, n, 123_456_000, time.UTC)
}

func mac(n byte) discovery.MAC { return discovery.MAC{0x00, 0x15, 0x65, 0xaa, 0xbb, n} }

func provisional(n int) discovery.PhoneID {
	return discovery.PhoneID{AOR: sip.AOR("sip:alice@example.com"), N: n}
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func event(id int64) gateway.Event {
	return gateway.Event{
		ID: id, Time: at(int(id)), Name: "phone.moved", Phone: mac(1).String(),
		Data: json.RawMessage(fmt.Sprintf(`{"id":%d, "event":"phone.moved"}`, id)),
	}
}

func mail(id int64) gateway.Mail {
	return gateway.Mail{
		ID: id, Time: at(int(id)), Purpose: gateway.MailClaim, To: "ann@example.com",
		Subject: "Where is phone 4711?", MessageID: fmt.Sprintf("<%d@example.com>", id), Prompt: 5, Claim: 6, Answer: 7, Emergency: 8,
		Body: []byte("Subject: x\r\n\r\nhttps://example.com/" + gateway.TokenMark + "\r\n"),
	}
}
