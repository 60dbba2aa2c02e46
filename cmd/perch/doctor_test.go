package main

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"perch/discovery"
	"perch/sip/proxy"
)

func TestFindings(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 10, 0, 0, time.UTC)
	kinds := func(names ...string) map[string]kindCount {
		m := map[string]kindCount{}
		for _, n := range names {
			m[n] = kindCount{3, now}
		}
		return m
	}
	everything := counts{
		Kinds:    kinds("arp", "dhcp", "lldp", "register", "register_response"),
		Answered: 3, Relayed: 3, Option82: 3, Phones: 3, Switches: 3, Phone: now, Switch: now,
		Senders: map[discovery.MAC]int{{0x00, 0x15, 0x65, 0xaa, 0, 1}: 1, {0x00, 0x15, 0x65, 0xaa, 0, 2}: 1},
	}
	with := func(change func(*counts)) counts { c := everything; change(&c); return c }
	link := discovery.Wire{Link: true}
	for _, c := range []struct {
		name string
		r    earReport
		want []string // beginnings
	}{
		{"all is heard", earReport{State: "listening", Heard: everything, Wire: link}, nil},
		{"not permitted", earReport{State: "not opened", Error: "eth1: operation not permitted"}, nil},
		{"no carrier", earReport{State: "no carrier"}, []string{"the link is down"}},
		{"silence", earReport{State: "listening"}, []string{"nothing is heard"}},
		{"lost frames", earReport{State: "dropping", Dropped: 7, Heard: everything, Wire: link}, []string{"7 frames were lost"}},
		{"lost frames once", earReport{State: "listening", Dropped: 7, Heard: everything, Wire: link}, []string{"7 frames were lost since it was opened"}},
		{"silent for three days", earReport{State: "listening", Wire: link, Heard: with(func(c *counts) {
			c.Kinds = map[string]kindCount{"arp": {9, now.Add(-72 * time.Hour)}, "lldp": {9, now.Add(-73 * time.Hour)}}
		})}, []string{"nothing was heard since 2026-02-27 08:10:00 UTC, 72h0m0s ago"}},
		{"phones fell silent", earReport{State: "listening", Wire: link, Heard: with(func(c *counts) { c.Phone = now.Add(-3 * time.Minute) })}, []string{"no LLDP or CDP from a phone was heard since 2026-03-02 08:07:00 UTC, 3m0s ago"}},
		{"the switch fell silent", earReport{State: "listening", Wire: link, Heard: with(func(c *counts) { c.Switch = now.Add(-3 * time.Minute) })}, []string{"no LLDP or CDP from a switch was heard since"}},
		{"within patience", earReport{State: "listening", Wire: link, Heard: with(func(c *counts) { c.Phone, c.Switch = now.Add(-2*time.Minute), now.Add(-time.Minute) })}, nil},
		{"no phone's link", earReport{State: "listening", Heard: with(func(c *counts) { c.Phones, c.Switches = 0, 0 })}, []string{"no LLDP or CDP from a phone is heard"}},
		{"a switch alone", earReport{State: "listening", Heard: with(func(c *counts) { c.Phones = 0 })}, []string{"no LLDP or CDP from a phone is heard"}},
		{"a phone alone", earReport{State: "listening", Heard: with(func(c *counts) { c.Switches = 0 })}, []string{"phones announce themselves, but no switch port does"}},
		{"a mirror of LLDP", earReport{State: "listening", Heard: everything, Wire: discovery.Wire{Why: "3 phones announce themselves"}}, []string{"phones and switch ports announce themselves"}},
		{"no DHCP", earReport{State: "listening", Wire: link, Heard: with(func(c *counts) { c.Kinds, c.Option82 = kinds("arp", "lldp", "register", "register_response"), 0 })}, []string{"no DHCP is heard"}},
		{"no option 82", earReport{State: "listening", Wire: link, Heard: with(func(c *counts) { c.Option82 = 0 })}, []string{"DHCP is heard, but no option 82"}},
		{"no SIP", earReport{State: "listening", Wire: link, Heard: with(func(c *counts) { c.Kinds = kinds("arp", "dhcp", "lldp") })}, []string{"no REGISTER is heard"}},
		{"one direction", earReport{State: "listening", Wire: link, Heard: with(func(c *counts) { c.Kinds = kinds("arp", "dhcp", "lldp", "register") })}, []string{"REGISTERs are heard, but no answers"}},
		{"refusals", earReport{State: "listening", Wire: link, Heard: with(func(c *counts) { c.Answered = 0 })}, []string{"no REGISTER was accepted"}},
		{"behind a router", earReport{State: "listening", Wire: link, Heard: with(func(c *counts) {
			c.Kinds, c.Senders = kinds("dhcp", "lldp", "register", "register_response"), map[discovery.MAC]int{{0x00, 0x00, 0x5e, 0x00, 0x01, 0x01}: 9}
		})}, []string{"no ARP is heard", "all IP traffic comes from one MAC"}},
		{"broken messages", earReport{State: "listening", Wire: link, Heard: with(func(c *counts) { c.Malformed = 2 })}, []string{"2 messages could be read in part only"}},
		{"a defect of ours", earReport{State: "listening", Wire: link, Heard: with(func(c *counts) { c.Decoder.Panics = 1 })}, []string{"1 frames could not be read because of a defect in Perch"}},
		{"just begun", earReport{State: "listening", Wire: link, Since: now.Add(-9 * time.Second), Heard: with(func(c *counts) { c.Option82 = 0 })}, []string{"DHCP is heard, but no option 82", "it was listened to for 9s only"}},
	} {
		got := findings(&c.r, now)
		if !slices.EqualFunc(got, c.want, func(s symptom, want string) bool { return strings.HasPrefix(s.What, want) && s.Remedy != "" }) {
			t.Errorf("%s: got %+v, want %q", c.name, got, c.want)
		}
	}
}

// What a wire can make a report hold is bounded.
func TestHeardIsBounded(t *testing.T) {
	var h heard
	for i := range 5000 {
		h.add(&discovery.Observation{
			Kind: discovery.KindARP, ARP: &discovery.ARP{}, VLANs: []uint16{uint16(i%4094 + 1)}, SrcIP: netip.MustParseAddr("10.0.0.1"),
			MAC: discovery.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)},
		})
	}
	c := h.counted()
	if len(c.VLANs) != mostVLANs || len(c.Senders) != mostSenders || c.Kinds["arp"].Count != 5000 {
		t.Errorf("got %d VLANs, %d senders, %d frames, want %d, %d, 5000", len(c.VLANs), len(c.Senders), c.Kinds["arp"].Count, mostVLANs, mostSenders)
	}
}

// Doctor's word for people, as it stands in the README.
func TestDoctorPrints(t *testing.T) {
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	d := diagnosis{
		earReport{
			Interface: "eth1", Site: "hq", State: "listening", Since: at, Frames: 12, Rate: 0.25, Dropped: 3, Reopens: 1,
			Heard: counts{Kinds: map[string]kindCount{"register_response": {2, at}, "arp": {5, at}}, VLANs: map[uint16]int{110: 1, 20: 2}},
			Wire:  discovery.Wire{Role: "auto", Why: "a phone announces itself, but no switch port beside it", Phones: []discovery.MAC{{0, 4, 0x13, 0, 0, 1}}},
		},
		[]symptom{{"what", "remedy"}},
	}
	if err := d.print(&out); err != nil {
		t.Fatal(err)
	}
	want := `eth1  listening since 2026-03-02 08:00:00
  site    hq
  frames  12, 0.2 a second, 3 lost, 1 reopens
  role    mirror, because a phone announces itself, but no switch port beside it
  phone   00:04:13:00:00:01
  heard   arp, 5 times, last 2026-03-02 08:00:00
  heard   register response, 2 times, last 2026-03-02 08:00:00
  VLANs   20 110
  - what
    remedy
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	d.Findings = nil
	if err := d.print(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(out.String(), "  VLANs   20 110\n  nothing is amiss\n") {
		t.Errorf("got\n%s\nwant it to say that nothing is amiss", out.String())
	}
}

// What ails Perch as a whole stands behind the interfaces, for people and for
// programs.
func TestDoctorTellsOfPerch(t *testing.T) {
	heard := counts{Kinds: map[string]kindCount{"arp": {5, time.Now()}}}
	reports := []earReport{{Interface: "eth1", State: "waiting", Heard: heard}}
	c := defaults()
	whole := ailments(&c, nil)
	if len(whole) == 0 || !strings.HasPrefix(whole[0].What, "mail.smtp is not set") {
		t.Fatalf("got %+v, want that mail.smtp is not set", whole)
	}
	c.Mail.SMTP, c.Portal.URL, c.Mail.From = "smtp://mail.example.com", "https://perch.example.org", "perch@example.org"
	if got := ailments(&c, nil); len(got) != len(whole)-1 {
		t.Errorf("with a mail server got %+v, want one less than %+v", got, whole)
	}
	said := func(c config) (what string) {
		for _, s := range ailments(&c, func(id string) bool { return id == "hq" }) {
			what += s.What + "\n"
		}
		return what
	}
	silent := said(c)
	c.Site, c.Capture = "hq", []captureConfig{{Interface: "eth1", Site: "hq"}, {Interface: "eth2"}}
	if got := said(c); got != silent {
		t.Errorf("got %q, want no more than %q", got, silent)
	}
	c.Capture[1].Site = "qh"
	if got := said(c); !strings.Contains(got, `site "qh" is not in the directory`) {
		t.Errorf("got %q, want it to tell of the site", got)
	}
	c.Portal.URL = defaults().Portal.URL
	if got := said(c); !strings.Contains(got, "portal.url is still the example's") || strings.Contains(got, "mail.from") {
		t.Errorf("got %q, want it to tell of the portal's URL alone", got)
	}
	for _, x := range []struct {
		r    doctorRequest
		want string
	}{
		{doctorRequest{}, "\n\nperch\n  - mail.smtp is not set"},
		{doctorRequest{JSON: true}, `"findings":[]}` + "\n" + `{"findings":[{"what":"mail.smtp is not set`},
	} {
		var out bytes.Buffer
		if err := x.r.print(&out, reports, whole); err != nil {
			t.Error(err)
		}
		if !strings.Contains(out.String(), x.want) {
			t.Errorf("JSON %v: got\n%s\nwant %q in it", x.r.JSON, out.String(), x.want)
		}
	}
}

// What is banned now is told with its address, and what was dropped by how much.
func TestPathFindings(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	k := &sipKeeper{now: func() time.Time { return now }}
	k.state.Store(&proxy.State{
		Dropped: 3, Expires: now.Add(29 * 24 * time.Hour), Counts: proxy.Counts{Guesses: 5, Crowded: 7}, Banned: proxy.Banned{Count: 2, Sources: []string{"10.0.0.9", "2001:db8::/64"}},
	})
	var got []string
	for _, s := range k.diagnose().Findings {
		got = append(got, s.What)
	}
	all := strings.Join(got, "\n")
	for _, want := range []string{"2 sources are not heard", "10.0.0.9, 2001:db8::/64", "5 REGISTERs were refused here", "7 messages were dropped unread",
		"3 messages of the SIP path were not observed", "expires on 2026-03-31", "no line may register"} {
		if !strings.Contains(all, want) {
			t.Errorf("got\n%s\nwant %q in it", all, want)
		}
	}
}
