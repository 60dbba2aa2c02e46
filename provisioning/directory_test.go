package provisioning

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"perch/discovery"
	"perch/location"
	"perch/matcher"
	"perch/sip"
)

// files reads tables given by name.
func files(t *testing.T, tables map[string]string) []File {
	t.Helper()
	var all []File
	for _, name := range tableNames {
		if text, ok := tables[name]; ok {
			f, err := ReadFile(name+".csv", strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f)
		}
	}
	return all
}

func headquarters() map[string]string {
	return map[string]string{
		"sites":     "id,subnets,ignore_subnets,default_location_id\nhq,10.1.0.0/16;10.1.2.0/24,10.8.0.0/16,hq\nb2,,10.9.0.0/16,\n",
		"locations": "id,parent_id,kind,owner,site,street,building,floor\nhq,,,,hq,Main,,\nhq-a,hq,,,hq,,A,\nhq-3f,hq-a,,,hq,,,3\nhq-b,hq,,,hq,,B,\nhome,,personal,bob@x.example,,Oak,,\n",
		"wiremap":   "location_id,site,chassis_id,port,subnet,public_ip\nhq-3f,hq,,,10.1.2.0/24,\nhq-a,hq,SW-1,Gi1/0/7,,\nhome,,,,,203.0.113.5\n",
		"users":     "email,role,site,aors\nalice@x.example,admin,,1@x.example\nbob@x.example,user,hq,1@x.example\nrita@x.example,reviewer,hq,\nanna@x.example,admin,b2,\n",
		"phones":    "mac,site,users,aors\n00:15:65:00:00:02,hq,bob@x.example,1@x.example\n00:15:65:00:00:01,hq,alice@x.example;bob@x.example,1@x.example;2@x.example\n",
	}
}

func newDirectory(t *testing.T) *Directory {
	t.Helper()
	c, _, err := Merge(Content{}, files(t, headquarters()), false)
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDirectory(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDirectoryAnswers(t *testing.T) {
	d := newDirectory(t)
	ip := netip.MustParseAddr
	prefix := func(p netip.Prefix, ok bool) string { return fmt.Sprint(p, ok) }
	line := sip.AOR("sip:1@x.example")
	tests := []struct {
		name      string
		got, want any
	}{
		{"phones by MAC", d.Phones()[0].MAC.String(), "00:15:65:00:00:01"},
		{"phones of a line", fmt.Sprint(d.PhonesOfAOR(line)), "[00:15:65:00:00:01 00:15:65:00:00:02]"},
		{"users of a line", fmt.Sprint(d.UsersOfAOR(line)), "[alice@x.example bob@x.example]"},
		{"a line of a phone only", d.AORListed("sip:2@x.example"), true},
		{"all lines", fmt.Sprint(d.AORs()), "[sip:1@x.example sip:2@x.example]"},
		{"a line of nobody", d.AORListed("sip:3@x.example"), false},
		{"admins", fmt.Sprint(d.Admins("hq")), "[alice@x.example]"},
		{"reviewers", fmt.Sprint(d.Reviewers("hq")), "[alice@x.example rita@x.example]"},
		{"reviewers of another site", fmt.Sprint(d.Reviewers("b2")), "[alice@x.example anna@x.example]"},
		{"longest subnet", prefix(d.SiteSubnet("hq", ip("10.1.2.3"))), "10.1.2.0/24 true"},
		{"mapped address", prefix(d.SiteSubnet("hq", ip("::ffff:10.1.3.3"))), "10.1.0.0/16 true"},
		{"subnet of another site", prefix(d.SiteSubnet("b2", ip("10.1.2.3"))), "invalid Prefix false"},
		{"ignored", prefix(d.Ignored("hq", ip("10.8.1.1"))), "10.8.0.0/16 true"},
		{"ignored elsewhere", prefix(d.Ignored("hq", ip("10.9.1.1"))), "invalid Prefix false"},
		{"ignored, site not known", prefix(d.Ignored("", ip("10.9.1.1"))), "10.9.0.0/16 true"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, test.got, test.want)
		}
	}
}

func TestDirectoryRefuses(t *testing.T) {
	tests := []struct {
		name  string
		table string
		text  string
		want  []string
	}{
		{"users of phones", "phones", "mac,site,users\n00:15:65:00:00:01,mars,carl@x.example;dora@x.example\n", []string{
			"phone 00:15:65:00:00:01: unknown site mars, unknown user carl@x.example, unknown user dora@x.example",
		}},
		{"site of a user", "users", "email,site\nbob@x.example,mars\nalice@x.example,\n", []string{"user bob@x.example: unknown site mars"}},
		{"parents and owners", "locations", "id,parent_id,kind,owner,site\nx,none,,,\ny,,personal,carl@x.example,\nz,,,,mars\nhq,,,,\nhq-a,,,,\nhq-3f,,,,\nhome,,personal,bob@x.example,\n", []string{
			"location x: unknown parent none", "location y: unknown user carl@x.example", "location z: unknown site mars",
		}},
		{"default of a site", "sites", "id,default_location_id\nhq,none\nb2,home\n", []string{
			"site b2: its default location home is personal", "site hq: unknown location none",
		}},
		{"rules", "wiremap", "location_id,site,chassis_id\nhq,mars,sw1\nnone,,sw2\n", []string{
			"wiremap.csv:3: unknown location none", "wiremap.csv:2: unknown site mars",
		}},
		{"a tie", "wiremap", "location_id,chassis_id,port\nhq-a,sw1,Gi1/0/7\nhq,sw2,1\nhq-b,SW1,GigabitEthernet1/0/7\n", []string{
			"wiremap.csv:4: two rules for chassis_id=SW1 port=GigabitEthernet1/0/7: hq-a (line 2) and hq-b (line 4)",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tables := headquarters()
			tables[test.table] = test.text
			c, _, err := Merge(Content{}, files(t, tables), false)
			if err != nil {
				t.Fatal(err)
			}
			_, err = NewDirectory(c)
			var errs *Errors
			if !errors.As(err, &errs) || len(errs.List) != len(test.want) {
				t.Fatalf("got %v, want %d errors", err, len(test.want))
			}
			for i, want := range test.want {
				if got := errs.List[i].Error(); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

func TestMerge(t *testing.T) {
	tests := []struct {
		name    string
		table   string
		text    string
		replace bool
		want    func(*Changes) bool
	}{
		{"nothing new", "phones", headquarters()["phones"], true, func(c *Changes) bool { return c.Empty() }},
		{"one phone changes", "phones", "mac,label\n00:15:65:00:00:02,Lobby\n", false, func(c *Changes) bool {
			return len(c.Put.Phones) == 1 && c.Put.Phones[0].Label == "Lobby" && len(c.GonePhones) == 0
		}},
		{"a phone has another model", "phones", "mac,site,users,aors,model\n00:15:65:00:00:02,hq,bob@x.example,1@x.example,SIP-T46S\n", false, func(c *Changes) bool {
			return len(c.Put.Phones) == 1 && c.Put.Phones[0].Model == "SIP-T46S"
		}},
		{"one phone is left", "phones", "mac,site,users,aors\n00:15:65:00:00:02,hq,bob@x.example,1@x.example\n", true, func(c *Changes) bool {
			return len(c.Put.Phones) == 0 && len(c.GonePhones) == 1 && c.GonePhones[0].MAC == discovery.MAC{0, 0x15, 0x65, 0, 0, 1}
		}},
		{"a location is edited", "locations", "id,parent_id,site,building\nhq-b,hq,hq,Annex\n", false, func(c *Changes) bool {
			l := c.Put.Locations
			return len(l) == 1 && l[0].Address.Building == "Annex" && l[0].Version == 2
		}},
		{"locations are retired", "locations", "id,site,street\nhq,hq,Main\n", true, func(c *Changes) bool {
			return len(c.Put.Locations) == 4 && !slices.ContainsFunc(c.Put.Locations, func(l location.Location) bool { return !l.Retired || l.Version != 2 })
		}},
		{"a rule leads elsewhere", "wiremap", "location_id,site,chassis_id,port\nhq-b,hq,sw-1,GigabitEthernet1/0/7\n", false, func(c *Changes) bool {
			return len(c.Put.Rules) == 1 && c.Put.Rules[0].Location == "hq-b" &&
				len(c.GoneRules) == 1 && c.GoneRules[0] == matcher.Rule{Site: "hq", ChassisID: "SW-1", Port: "Gi1/0/7"}
		}},
		{"rules go", "wiremap", "location_id,chassis_id\nhq,sw-9\n", true, func(c *Changes) bool {
			return len(c.Put.Rules) == 1 && len(c.GoneRules) == 3
		}},
		{"a user takes a personal location along", "users", "email,role,site,aors\nalice@x.example,admin,,1@x.example\n", true, func(c *Changes) bool {
			return slices.Equal(c.GoneUsers, []string{"anna@x.example", "bob@x.example", "rita@x.example"}) &&
				len(c.Put.Locations) == 1 && c.Put.Locations[0].ID == "home" && c.Put.Locations[0].Retired && len(c.GoneRules) == 1
		}},
		{"sites stay without replace", "sites", "id\nb3\n", false, func(c *Changes) bool {
			return len(c.Put.Sites) == 1 && len(c.GoneSites) == 0
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			base := newDirectory(t).Content()
			before := newDirectory(t).Content()
			after, changes, err := Merge(base, files(t, map[string]string{test.table: test.text}), test.replace)
			if err != nil {
				t.Fatal(err)
			}
			if !test.want(&changes) {
				t.Errorf("got %+v", changes)
			}
			if !reflect.DeepEqual(base, before) {
				t.Error("the base was changed")
			}
			if got := Patch(base, changes); !reflect.DeepEqual(got, after) {
				t.Errorf("the changes lead to %+v, want %+v", got, after)
			}
		})
	}
	twice := files(t, headquarters())
	if _, _, err := Merge(Content{}, append(twice, twice[3]), false); err == nil || !strings.Contains(err.Error(), "users.csv: alice@x.example is in another file") {
		t.Errorf("got %v, want the repeated user named", err)
	}
}

// TestApply makes one change after the other; each must leave the directory
// that would be made anew of the content, or be refused and leave no trace.
func TestApply(t *testing.T) {
	rule := func(to location.ID, chassis, port string) matcher.Rule {
		return matcher.Rule{Location: to, Site: "hq", ChassisID: chassis, Port: port}
	}
	room := location.Location{ID: "room", Parent: "hq-3f", Site: "hq", Address: location.CivicAddress{Room: "307"}}
	retired := room
	retired.Retired = true
	moved := room
	moved.Parent = "hq-b"
	noSuchRule := matcher.Rule{ChassisID: "none"}
	tests := []struct {
		name   string
		change Changes
		err    string
	}{
		{"a location with its rule", Changes{Put: Content{Locations: []location.Location{room}, Rules: []matcher.Rule{rule("room", "sw-2", "1")}}}, ""},
		{"a rule to nowhere", Changes{Put: Content{Rules: []matcher.Rule{rule("nowhere", "sw-2", "2")}}}, "unknown location nowhere"},
		{"a rule without a level", Changes{Put: Content{Rules: []matcher.Rule{{Location: "room"}}}}, "names no level"},
		{"a rule at no site", Changes{Put: Content{Rules: []matcher.Rule{{Location: "room", Site: "mars", ChassisID: "x"}}}}, "unknown site mars"},
		{"a retired location with a rule", Changes{Put: Content{Locations: []location.Location{retired}}}, "1 rules of the wiremap lead to it"},
		{"a rule leads elsewhere", Changes{Put: Content{Rules: []matcher.Rule{rule("hq-b", "SW-2", "1")}}}, ""},
		{"a retired location", Changes{Put: Content{Locations: []location.Location{retired}}, GoneRules: []matcher.Rule{noSuchRule}}, ""},
		{"a rule to a retired location", Changes{Put: Content{Rules: []matcher.Rule{rule("room", "sw-3", "1")}}}, "location room is retired"},
		{"a location moves", Changes{Put: Content{Locations: []location.Location{moved}}}, ""},
		{"a circle", Changes{Put: Content{Locations: []location.Location{{ID: "hq", Parent: "room"}}}}, "circle"},
		{"rules that tie", Changes{Put: Content{Rules: []matcher.Rule{rule("hq-a", "sw-4", "1"), rule("hq-b", "sw-4", "1")}}}, "two rules for"},
		{"rules one above the other", Changes{Put: Content{Rules: []matcher.Rule{rule("hq-a", "sw-4", "1"), rule("hq", "sw-4", "1")}}}, ""},
		{"both replaced", Changes{Put: Content{Rules: []matcher.Rule{rule("hq-b", "sw-4", "1")}}}, ""},
		{"a rule goes", Changes{GoneRules: []matcher.Rule{rule("", "sw-4", "1")}}, ""},
		{"a phone changes", Changes{Put: Content{Phones: []Phone{{MAC: discovery.MAC{0, 0x15, 0x65, 0, 0, 2}, Kind: Softphone, AORs: []sip.AOR{"sip:9@x.example"}}}}}, ""},
		{"a phone of nobody", Changes{Put: Content{Phones: []Phone{{MAC: discovery.MAC{0, 0x15, 0x65, 0, 0, 3}, Users: []string{"carl@x.example"}}}}}, "unknown user carl@x.example"},
		{"a user with a phone", Changes{Put: Content{
			Users:  []User{{Email: "carl@x.example", Role: Reviewer}},
			Phones: []Phone{{MAC: discovery.MAC{0, 0x15, 0x65, 0, 0, 3}, Users: []string{"carl@x.example"}}},
		}}, ""},
		{"a user who has phones goes", Changes{GoneUsers: []string{"carl@x.example"}}, "unknown user carl@x.example"},
		{"both go", Changes{GoneUsers: []string{"carl@x.example"}, GonePhones: []Phone{{MAC: discovery.MAC{0, 0x15, 0x65, 0, 0, 3}}}}, ""},
		{"a site ignores another network", Changes{Put: Content{Sites: []Site{{ID: "b2", IgnoreSubnets: []netip.Prefix{netip.MustParsePrefix("10.1.2.0/24")}}}}}, ""},
		{"the default of a site", Changes{Put: Content{Sites: []Site{{ID: "b2", DefaultLocation: "home"}}}}, "is personal"},
		{"a site with rules goes", Changes{GoneSites: []string{"hq"}}, "unknown site hq"},
	}
	d := newDirectory(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := d.Content()
			want := Patch(before, test.change)
			err := d.Apply(test.change)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got error %v, want %q", err, test.err)
				}
				want = before
			} else if err != nil {
				t.Fatal(err)
			}
			got := d.Content()
			if !reflect.DeepEqual(normal(got), normal(want)) {
				t.Fatalf("got %+v, want %+v", got, want)
			}
			anew, err := NewDirectory(got)
			if err != nil {
				t.Fatal(err)
			}
			sameAnswers(t, d, anew)
		})
	}
}

// sameAnswers compares what is kept beside the rows.
func sameAnswers(t *testing.T, got, want *Directory) {
	t.Helper()
	if !reflect.DeepEqual(got.aorPhones, want.aorPhones) || !reflect.DeepEqual(got.aorUsers, want.aorUsers) || !slices.Equal(got.staff, want.staff) {
		t.Errorf("got indexes %v %v %v, want %v %v %v", got.aorPhones, got.aorUsers, got.staff, want.aorPhones, want.aorUsers, want.staff)
	}
	for _, r := range want.wiremap.Rules() {
		a := discovery.Attachment{Site: r.Site, ChassisID: r.ChassisID, PortID: r.Port, IP: r.Subnet.Addr(), PublicIP: r.PublicIP.Addr()}
		for _, site := range []string{r.Site, ""} {
			a.Site = site
			if g, w := got.wiremap.Match(a, []string{"bob@x.example"}), want.wiremap.Match(a, []string{"bob@x.example"}); g.Location != w.Location || g.Ignored != w.Ignored {
				t.Errorf("%s: got match %+v, want %+v", r, g, w)
			}
		}
	}
}
