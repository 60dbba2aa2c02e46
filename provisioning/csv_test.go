package provisioning

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"perch/discovery"
	"perch/location"
	"perch/matcher"
	"perch/sip"
)

func TestReadFile(t *testing.T) {
	tests := []struct {
		name, file, text string
		want             Content
	}{
		{
			"any order, byte order mark, CRLF, blank rows", "/data/Sites.CSV",
			"\ufeffsubnets,id,timezone,default_location_id\r\n10.1.2.0/24; 10.1.3.0/24;10.1.2.0/24,hq,Europe/Berlin,hq-3f\r\n,,,\r\n",
			Content{Sites: []Site{{ID: "hq", DefaultLocation: "hq-3f", Timezone: "Europe/Berlin", Subnets: []netip.Prefix{netip.MustParsePrefix("10.1.2.0/24"), netip.MustParsePrefix("10.1.3.0/24")}}}},
		},
		{
			"quotes, kinds, sorted by id", "locations.csv",
			"id,kind,owner,name,country,street\nz,company,,\"Main, East\",us,Main\na,personal,Alice@Example.COM,,,\"Oak \"\"O\"\"\"\n",
			Content{Locations: []location.Location{
				{ID: "a", Kind: location.Personal, Owner: "alice@example.com", Address: location.CivicAddress{Street: `Oak "O"`}},
				{ID: "z", Name: "Main, East", Address: location.CivicAddress{Country: "US", Street: "Main"}},
			}},
		},
		{
			"hex, text, a single address, the line kept", "wiremap.csv",
			"location_id,remote_id,circuit_id,public_ip,vlan\n\nl1,0006AABB,Gi1/0/7,203.0.113.5,20\n",
			Content{Rules: []matcher.Rule{{Location: "l1", RemoteID: "\x00\x06\xaa\xbb", CircuitID: "Gi1/0/7", VLAN: 20, PublicIP: netip.MustParsePrefix("203.0.113.5/32"), Line: 3}}},
		},
		{
			"lines with and without scheme", "users.csv",
			"email,role,aors\nAlice@Example.com,admin,alice@Example.COM;sips:a@b.example\n",
			Content{Users: []User{{Email: "alice@example.com", Role: Admin, AORs: []sip.AOR{"sip:alice@example.com", "sips:a@b.example"}}}},
		},
		{
			"every form of MAC, a kind left blank", "phones.csv",
			"mac,kind,users\n00:15:65:aa:00:04,,\n00-15-65-AA-00-03,softphone,\n0015.65aa.0002,,B@x.example;a@x.example\n001565aa0001,ignore,\n",
			Content{Phones: []Phone{
				{MAC: discovery.MAC{0, 0x15, 0x65, 0xaa, 0, 1}, Kind: Ignore},
				{MAC: discovery.MAC{0, 0x15, 0x65, 0xaa, 0, 2}, Kind: Desk, Users: []string{"b@x.example", "a@x.example"}},
				{MAC: discovery.MAC{0, 0x15, 0x65, 0xaa, 0, 3}, Kind: Softphone},
				{MAC: discovery.MAC{0, 0x15, 0x65, 0xaa, 0, 4}, Kind: Desk},
			}},
		},
		{
			"lines", "lines.csv",
			"secret,aor,callback,auth_user\nnot-a-secret,101@Example.com,+1 555 0101,\n,sip:102@example.com,,u102\n",
			Content{Lines: []Line{
				{AOR: "sip:101@example.com", Secret: "not-a-secret", Callback: "+1 555 0101"}, {AOR: "sip:102@example.com", AuthUser: "u102"},
			}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, err := ReadFile(test.file, strings.NewReader(test.text))
			if err != nil {
				t.Fatal(err)
			}
			want := normal(test.want)
			if got := normal(f.Content); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// normal makes no difference between an empty list and none.
func normal(c Content) Content {
	return Content{orNil(c.Sites), orNil(c.Locations), orNil(c.Rules), orNil(c.Users), orNil(c.Phones), orNil(c.Lines)}
}

func TestReadFileReportsEveryLine(t *testing.T) {
	tests := []struct {
		name, file, text string
		want             []string
	}{
		{"unknown and repeated columns", "users.csv", "email,mail,email\nx\n", []string{
			`users.csv:1: unknown column "mail"`, "users.csv:1: column email is given twice",
		}},
		{"no key column", "users.csv", "name\nx\n", []string{"users.csv:1: no column email"}},
		{"empty file", "users.csv", "", []string{"users.csv:1: no header"}},
		{"several lines, several cells", "d/phones.csv", "mac,kind,users\nzz,fridge,a@b.example\n00:15:65:aa:00:01,desk,nobody\n00:15:65:aa:00:02,,\nff:ff:ff:ff:ff:ff,,\n", []string{
			`d/phones.csv:2: mac "zz": want 12 hex digits; kind "fridge": want desk, softphone or ignore`,
			`d/phones.csv:3: users "nobody": want an email address`,
			"d/phones.csv:5: mac ff:ff:ff:ff:ff:ff: no device",
		}},
		{"repeated key", "users.csv", "email\na@x.example\nb@x.example\nA@X.example\n", []string{"users.csv:4: the same email as in line 2"}},
		{"rows without a key", "sites.csv", "id,name\n,Headquarters\n", []string{"sites.csv:2: no id"}},
		{"host bits", "sites.csv", "id,subnets\nhq,10.1.2.3/24\n", []string{`sites.csv:2: subnets "10.1.2.3/24": the network is 10.1.2.0/24`}},
		{"time zone", "sites.csv", "id,timezone\nhq,Mars\nb2,Local\n", []string{"sites.csv:2: timezone", "sites.csv:3: timezone"}},
		{"rules", "wiremap.csv", "location_id,site,port,vlan,bssid,subnet\nl,hq,,10,,\nl,,Gi1,,,10.0.0.0/8\nl,,,5000,,\nl,,,,02:xx*,\n", []string{
			"wiremap.csv:2: names no level", "wiremap.csv:3: port without chassis_id",
			`wiremap.csv:4: vlan "5000": want 1 to 4094`, `wiremap.csv:5: bssid "02:xx*"`,
		}},
		{"bad quoting does not stop it", "sites.csv", "id,name\nhq,a\"b\n,x\n", []string{"sites.csv:2: ", "sites.csv:3: no id"}},
		{"a quote that never ends", "sites.csv", "id,name\nhq,ok\nb2,\"open\nb3,\n", []string{"sites.csv:3: "}},
		{"more cells than columns", "sites.csv", "id,name\nhq,a,b\n", []string{"sites.csv:2: 3 cells for 2 columns"}},
		{"control characters", "sites.csv", "id,name\nhq,\"a\nb\"\nb2,x\n,y\n", []string{"sites.csv:2: name", "sites.csv:5: no id"}},
		{"country", "locations.csv", "id,country\nhq,Germany\n", []string{`locations.csv:2: country "GERMANY": want two letters`}},
		{"bad line", "users.csv", "email,aors\na@x.example,tel:+1;sip:\n", []string{"users.csv:2: aors"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ReadFile(test.file, strings.NewReader(test.text))
			var errs *Errors
			if !errors.As(err, &errs) {
				t.Fatalf("got %v, want *Errors", err)
			}
			if len(errs.List) != len(test.want) {
				t.Fatalf("got %d errors, want %d:\n%v", len(errs.List), len(test.want), err)
			}
			for i, want := range test.want {
				if got := errs.List[i].Error(); !strings.HasPrefix(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
	if _, err := ReadFile("phone.csv", strings.NewReader("mac\n")); err == nil || !strings.Contains(err.Error(), "phones.csv") {
		t.Errorf("got %v, want an error that names the tables", err)
	}
}

// drawContent draws rows with all that cells may hold, references included.
func drawContent(t *rapid.T) Content {
	cell := rapid.StringMatching(`([A-Za-z0-9"=+@.ß',-][A-Za-z0-9"=+@.ß', -]{0,8}[A-Za-z0-9"=ß',])?`)
	word := func(name string) string { return cell.Draw(t, name) }
	n := rapid.IntRange(0, 4).Draw(t, "rows")
	var c Content
	var sites, emails []string
	for i := range n {
		s := Site{ID: fmt.Sprint("site ", i), Name: word("site name"), Timezone: rapid.SampledFrom([]string{"", "UTC", "America/New_York"}).Draw(t, "zone")}
		if rapid.Bool().Draw(t, "nets") {
			s.Subnets = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8::/64")}
			s.IgnoreSubnets = []netip.Prefix{netip.MustParsePrefix("10.8.0.1/32")}
		}
		c.Sites, sites = append(c.Sites, s), append(sites, s.ID)
		u := User{Email: fmt.Sprintf("u%d@x.example", i), Name: word("user name"), Role: Role(i % 3), Language: word("language")}
		u.AORs = []sip.AOR{sip.AOR(fmt.Sprintf("sip:%d@x.example:5062", i))}
		c.Users, emails = append(c.Users, u), append(emails, u.Email)
	}
	for i := range n {
		l := location.Location{ID: location.ID(fmt.Sprint("loc", i)), Name: word("location name"), ELIN: word("elin"), Version: 1}
		for _, column := range location.Columns()[1:] {
			if err := l.Address.Set(column, word(column)); err != nil {
				t.Fatal(err)
			}
		}
		if i > 0 {
			l.Parent = c.Locations[rapid.IntRange(0, i-1).Draw(t, "parent")].ID
		}
		c.Locations = append(c.Locations, l)
		id := discovery.Hex(rapid.SliceOfN(rapid.Byte(), 0, 6).Draw(t, "circuit"))
		c.Rules = append(c.Rules, matcher.Rule{
			Location: l.ID, Site: rapid.SampledFrom(sites).Draw(t, "site"), ChassisID: fmt.Sprint("sw-", i), Port: rapid.SampledFrom([]string{"", "Gi1/0/7", "gi1/0/1-24"}).Draw(t, "port"),
			RemoteID: id, CircuitID: discovery.Hex(word("circuit text")), BSSID: rapid.SampledFrom([]string{"", "02:00:*", "0200.0000.0001"}).Draw(t, "bssid"),
			VLAN: uint16(i), Subnet: netip.MustParsePrefix("10.1.0.0/16"), PublicIP: netip.MustParsePrefix("203.0.113.5/32"),
		})
		c.Phones = append(c.Phones, Phone{
			MAC: discovery.MAC{0, 0x15, 0x65, 0, 0, byte(i)}, Kind: PhoneKind(1 + i%3), Label: word("label"),
			Site: rapid.SampledFrom(sites).Draw(t, "phone site"), Users: emails, AORs: c.Users[i].AORs,
		})
	}
	slices.SortFunc(c.Rules, matcher.Compare)
	return c
}

// TestExportImport: what is exported is read back the same, and importing it
// again changes nothing.
func TestExportImport(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawContent(t)
		var files []File
		for table := range Table(len(tableNames)) {
			var b bytes.Buffer
			if err := Export(&b, table, want); err != nil {
				t.Fatal(err)
			}
			f, err := ReadFile(table.FileName(), &b)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		got, changes, err := Merge(Content{}, files, true)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got.Rules {
			got.Rules[i].Line = 0
		}
		if want := normal(want); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		d, err := NewDirectory(got)
		if err != nil {
			t.Fatal(err)
		}
		if changes.Empty() != (len(want.Sites) == 0) {
			t.Fatalf("got empty changes %v of %d rows", changes.Empty(), len(want.Sites))
		}
		if _, changes, err = Merge(d.Content(), files, true); err != nil || !changes.Empty() {
			t.Fatalf("the second import: got %+v, %v, want no change", changes, err)
		}
	})
}

// FuzzReadFile: no table makes it panic, and what is read is written so that it
// is read back the same.
func FuzzReadFile(f *testing.F) {
	f.Add(uint8(0), "id,subnets\nhq,10.0.0.0/8;::/0\n")
	f.Add(uint8(1), "\ufeffid,kind,country\r\nhq,company,de\r\n")
	f.Add(uint8(2), "location_id,chassis_id,port,bssid\nl,00-11-22-33-44-55,Gi1/0/1-24,02*\n")
	f.Add(uint8(3), "email,aors\na@b.example,sip:1@x;2@y\n")
	f.Add(uint8(4), "mac,kind\n0011.2233.4455,desk\n\"")
	f.Fuzz(func(t *testing.T, table uint8, text string) {
		name := Table(int(table) % len(tableNames)).FileName()
		first, err := ReadFile(name, strings.NewReader(text))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := Export(&b, first.Table, first.Content); err != nil {
			t.Fatal(err)
		}
		second, err := ReadFile(name, &b)
		if err != nil {
			t.Fatalf("exported as %q: %v", b.String(), err)
		}
		for _, f := range []File{first, second} {
			for i := range f.Content.Rules {
				f.Content.Rules[i].Line = 0
			}
		}
		if !reflect.DeepEqual(normal(first.Content), normal(second.Content)) {
			t.Fatalf("got %+v, want %+v", second.Content, first.Content)
		}
	})
}
