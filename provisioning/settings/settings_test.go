package settings

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"perch/discovery"
	"perch/provisioning"
)

var update = flag.Bool("update", false, "write the goldens anew")

// desk is a phone of a vendor with two lines, whose texts are as bad as texts of people are.
func desk(v provisioning.Vendor) *Device {
	models := map[provisioning.Vendor]string{
		provisioning.Yealink: "SIP-T46S", provisioning.Poly: "VVX450", provisioning.Cisco: "CP-8841-3PCC", provisioning.Grandstream: "GXP2135",
		provisioning.Snom: "D785", provisioning.Fanvil: "X5U-V2",
	}
	return &Device{
		MAC: discovery.MAC{0x00, 0x15, 0x65, 0xaa, 0xbb, 0xcc}, Vendor: v, Model: models[v], Site: "hq", Label: "Reception",
		Lines: []Line{
			{N: 1, AOR: "sip:101@example.com", User: "101", Auth: "101", Secret: `p&"<'; x`, Display: `Zoë "Z" <O'Neil> & Co`, Label: "101"},
			{N: 2, AOR: "sip:102@example.com", User: "102", Auth: "u102", Secret: "nor-this", Display: "Front desk", Label: "Desk"},
		},
		Proxy: Peer{"10.1.2.5", 5060, "udp"}, Backup: Peer{"pbx.example.com", 5060, "udp"},
		URL: "https://perch.example.com:8443/p/", User: "001565aabbcc", Secret: "own-secret",
		Emergency: []string{"911", "9911", "933"}, VoiceVLAN: 120, Timezone: "Europe/Berlin", Language: "de", NTP: "ntp.example.com",
	}
}

func set(t *testing.T, dir map[string]string, d *Device) *Set {
	t.Helper()
	files := fstest.MapFS{}
	for name, text := range dir {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	l, err := Load(files)
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Of(d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The files of all vendors are as the goldens have them, which are compared with what is
// known of each vendor line by line. What anybody may have has nothing secret in it.
func TestGolden(t *testing.T) {
	for _, v := range provisioning.Vendors {
		s := set(t, nil, desk(v))
		for kind, name := range map[Kind]string{Own: "own", Common: "common", Master: "master", Start: "start"} {
			got, err := s.File(kind)
			if (kind == Master || kind == Start) && err != nil {
				continue // most have none
			}
			if err != nil {
				t.Fatalf("%s %s: %v", v, name, err)
			}
			file := filepath.Join("testdata", string(v)+"-"+name+".txt")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("%s %s: got\n%s\nwant\n%s", v, name, got, want)
			}
			if v != provisioning.Yealink {
				wellFormed(t, got)
			}
			for _, secret := range []string{"nor-this", "own-secret", "p&", "u102", "101"} {
				if kind != Own && strings.Contains(string(got), secret) {
					t.Errorf("%s %s has %q in it", v, name, secret)
				}
			}
		}
	}
}

func wellFormed(t *testing.T, text []byte) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(string(text))); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
}

// Each layer lies over those before it, and what it gave is known to be its.
func TestLayers(t *testing.T) {
	dir := map[string]string{
		"yealink.yaml":             "settings:\n  phone_setting.ring_type: Ring1.wav\n  sip.mac_in_ua: '0'\n",
		"yealink/SIP-T46S.yaml":    "settings:\n  phone_setting.ring_type: Ring2.wav\nlines:\n  account.{n}.label: '{{.Line.User}} of {{.Label}}'\n",
		"poly/VVX 450.yaml":        "settings:\n  up.oneTouchVoiceMail: '1'\n",
		"yealink/SIP-T54W.yaml":    "settings:\n  phone_setting.ring_type: wrong.wav\n",
		"sites/hq/yealink.yaml":    "settings:\n  local_time.ntp_server1: ntp.hq.example.com\n  static.network.cdp.enable:\n",
		"sites/b2/yealink.yaml":    "settings:\n  local_time.ntp_server1: wrong\n",
		"phones/001565aabbcc.yaml": "settings:\n  phone_setting.ring_type: Ring4.wav\n",
		"phones/001565aabbcd.yaml": "settings:\n  phone_setting.ring_type: wrong.wav\n",
	}
	s := set(t, dir, desk(provisioning.Yealink))
	got := map[string]string{}
	for _, x := range s.Own {
		got[x.Key] = x.Value + " by " + x.Layer
	}
	for key, want := range map[string]string{
		"phone_setting.ring_type":         "Ring4.wav by phones/001565aabbcc.yaml",
		"sip.mac_in_ua":                   "0 by yealink.yaml",
		"local_time.ntp_server1":          "ntp.hq.example.com by sites/hq/yealink.yaml",
		"account.1.label":                 "101 of Reception by yealink/SIP-T46S.yaml",
		"account.2.label":                 "102 of Reception by yealink/SIP-T46S.yaml",
		"account.2.password":              "nor-this by yealink (built in)",
		"static.network.cdp.enable":       "",
		"account.1.outbound_proxy.2.port": "5060 by yealink (built in)",
	} {
		if got[key] != want {
			t.Errorf("%s: got %q, want %q", key, got[key], want)
		}
	}
	adopted := desk(provisioning.Poly)
	adopted.Model = "VVX_450"
	if s := set(t, dir, adopted); !slices.ContainsFunc(s.Own, func(x Setting) bool { return x.Layer == "poly/VVX 450.yaml" }) {
		t.Errorf("a model that is written another way has no layer: %+v", s.Own)
	}
	if _, err := Load(fstest.MapFS{"yealink/T46S.yaml": {}, "yealink/SIP-T46S.yaml": {}}); err == nil || !strings.Contains(err.Error(), "yealink/T46S.yaml: yealink/SIP-T46S.yaml is of the same model") {
		t.Errorf("two files of one model: got %v", err)
	}
}

// Faults in an admin's files are told with the file and the line, all of them.
func TestFaults(t *testing.T) {
	for _, tc := range []struct{ name, file, text, want string }{
		{"no YAML", "yealink.yaml", "settings: [\n", "yealink.yaml: "},
		{"another section", "yealink.yaml", "settings:\n  a: b\nsetings:\n  a: b\n", `yealink.yaml:3: "setings": want settings, lines, common`},
		{"no text", "snom.yaml", "settings:\n  a: b\n  c:\n    d: e\n", "snom.yaml:4: c: want a text"},
		{"twice", "snom.yaml", "settings:\n  a: b\n  a: c\n", "snom.yaml:"},
		{"an alias", "snom.yaml", "settings:\n  a: &x b\n  c: *x\n", "snom.yaml:2: a: want a text"},
		{"a key of another kind", "snom.yaml", "settings:\n  ? a\n  : c\n", "snom.yaml:2: \"? a\": want the name of a setting"},
		{"a range over a number", "snom.yaml", "settings:\n  a: '{{range 1000000000}}x{{end}}'\n", "snom.yaml:2: a: range is over .Emergency or .Lines"},
		{"a range in a range", "snom.yaml", "settings:\n  a: '{{if .MAC}}{{range .Lines}}{{range $.Lines}}x{{end}}{{end}}{{end}}'\n", "snom.yaml:2: a: range is over .Emergency or .Lines"},
		{"a template of its own", "snom.yaml", "settings:\n  a: '{{define \"x\"}}{{template \"x\"}}{{end}}'\n", "snom.yaml:2: a: a value is one template"},
		{"a template that calls itself", "snom.yaml", "settings:\n  a: '{{with .Label}}{{template \"snom.yaml:2\"}}{{end}}'\n", "snom.yaml:2: a: a value is one template"},
		{"a template", "snom.yaml", "lines:\n  x {n}: '{{.Line.Nr'\n", "snom.yaml:2: x {n}: "},
		{"another vendor", "acme.yaml", "settings:\n", "acme.yaml: want VENDOR.yaml"},
		{"no MAC", "phones/0015.yaml", "settings:\n", "phones/0015.yaml: "},
		{"no YAML's name", "yealink.txt", "settings:\n", "yealink.txt: want VENDOR.yaml"},
		{"too deep", "yealink/a/b/c.yaml", "settings:\n", "yealink/a/b/c.yaml: want VENDOR.yaml"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Load(fstest.MapFS{tc.file: {Data: []byte(tc.text)}})
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
	for text, want := range map[string]string{
		"lines:\n  user_x {n}: '{{.Line.Nr}}'\n":           "snom.yaml:2: user_x {n}: ",
		"settings:\n  tz: '{{seconds .Label}}'\n":          `time zone "Reception"`,
		"settings:\n  long: '{{printf \"%05000d\" 1}}x'\n": "a value of",
	} {
		l, err := Load(fstest.MapFS{"snom.yaml": {Data: []byte(text)}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = l.Of(desk(provisioning.Snom)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// No value becomes another setting, whatever it is.
func TestHostileValues(t *testing.T) {
	for _, v := range provisioning.Vendors {
		d := desk(v)
		d.Lines[0].Secret = "x\naccount.1.auth_name = root"
		if _, err := set(t, nil, d).File(Own); err == nil {
			t.Errorf("%s: a value of two lines is written", v)
		}
		d.Lines[0].Secret = `"/></ALL></Password_1_></config><evil a="1">&#10;`
		got, err := set(t, nil, d).File(Own)
		if err != nil {
			t.Fatal(err)
		}
		if v != provisioning.Yealink {
			wellFormed(t, got)
			if strings.Contains(string(got), "<evil") {
				t.Errorf("%s: got\n%s", v, got)
			}
		}
	}
}

// What a format has no way to say is refused: a character that XML has not, a key that is no
// name in it, a value with others in it.
func TestNotHeld(t *testing.T) {
	for _, v := range provisioning.Vendors {
		for _, c := range []string{"\x00", "\r", "\u0085", "\u2028", "\ufffe", "\uffff", "\xff"} {
			d := desk(v)
			d.Lines[0].Secret = "a" + c + "b"
			if got, err := set(t, nil, d).File(Own); err == nil {
				t.Errorf("%s: %q is written:\n%s", v, c, got)
			}
		}
		common := set(t, nil, desk(v)).Common
		for key, good := range map[string][]provisioning.Vendor{
			"a.b-c_d":     provisioning.Vendors,
			"1a":          {provisioning.Yealink},
			"a b":         {},
			"a 1":         {provisioning.Snom},
			"a/b":         {provisioning.Fanvil},
			"a/b#2/c":     {provisioning.Fanvil},
			"a#b":         {},
			"a//b":        {},
			"#a":          {},
			"a=b":         {},
			"a b='c'":     {},
			"é":           {},
			"x>y</x><x":   {},
			"\"\"":        {},
			"-a":          {provisioning.Yealink},
			common[0].Key: provisioning.Vendors,
		} {
			text := fmt.Sprintf("settings:\n  %q: x\n", key)
			_, err := set(t, map[string]string{string(v) + ".yaml": text}, desk(v)).File(Own)
			if (err == nil) != slices.Contains(good, v) {
				t.Errorf("%s: key %q: got %v", v, key, err)
			}
		}
	}
	both := map[string]string{"fanvil.yaml": "settings:\n  sip/line#1: x\n"}
	if _, err := set(t, both, desk(provisioning.Fanvil)).File(Own); err == nil || !strings.Contains(err.Error(), "fanvil.yaml: sip/line#1 has a value, and other settings in it") {
		t.Errorf("got %v", err)
	}
}

func TestNames(t *testing.T) {
	mac := discovery.MAC{0x00, 0x15, 0x65, 0xaa, 0xbb, 0xcc}
	for _, tc := range []struct {
		file   string
		vendor provisioning.Vendor
		want   Asked
	}{
		{"001565aabbcc.cfg", provisioning.Yealink, Asked{Own, provisioning.Yealink, mac}},
		{"001565aabbcc.boot", "", Asked{Master, provisioning.Yealink, mac}},
		{"y000000000000.boot", "", Asked{Start, provisioning.Yealink, discovery.MAC{}}},
		{"y000000000028.cfg", "", Asked{Common, provisioning.Yealink, discovery.MAC{}}},
		{"000000000000.cfg", "", Asked{Start, provisioning.Poly, discovery.MAC{}}},
		{"perch-common.cfg", "", Asked{Common, provisioning.Poly, discovery.MAC{}}},
		{"001565aabbcc.cfg", provisioning.Poly, Asked{Master, provisioning.Poly, mac}},
		{"perch-001565aabbcc.cfg", "", Asked{Own, provisioning.Poly, mac}},
		{"001565aabbcc-phone.cfg", "", Asked{Absent, provisioning.Poly, mac}},
		{"cfg001565aabbcc", provisioning.Grandstream, Asked{Absent, provisioning.Grandstream, mac}},
		{"CP-8841-3PCC.xml", "", Asked{Common, provisioning.Cisco, discovery.MAC{}}},
		{"Cisco/CP-8841-3PCC/001565aabbcc.cfg", provisioning.Cisco, Asked{Own, provisioning.Cisco, mac}},
		{"spa504G.cfg", "", Asked{Common, provisioning.Cisco, discovery.MAC{}}},
		{"cfg001565aabbcc.xml", "", Asked{Own, provisioning.Grandstream, mac}},
		{"cfggxp2135.xml", "", Asked{Common, provisioning.Grandstream, discovery.MAC{}}},
		{"cfg.xml", "", Asked{Common, provisioning.Grandstream, discovery.MAC{}}},
		{"snomD785-001565AABBCC.htm", "", Asked{Own, provisioning.Snom, mac}},
		{"snomD785.htm", "", Asked{Common, provisioning.Snom, discovery.MAC{}}},
		{"001565AABBCC.xml", "", Asked{Own, provisioning.Snom, mac}},
		{"001565aabbcc.xml", "", Asked{Own, provisioning.Cisco, mac}},
		{"001565aabbcc.cfg", provisioning.Fanvil, Asked{Own, provisioning.Fanvil, mac}},
		{"f0X5hw1.cfg", "", Asked{Common, provisioning.Fanvil, discovery.MAC{}}},
	} {
		if got, ok := Parse(tc.file, tc.vendor); !ok || got != tc.want {
			t.Errorf("%s of %q: got %+v, %v, want %+v", tc.file, tc.vendor, got, ok, tc.want)
		}
	}
	for _, file := range []string{"", "index.html", "001565aabbc.cfg", "001565AABBcc.xml", "001565aabbccd.cfg", "cfg.cfg", "y.boot", "001565aabbcc.cfg.bak", "../001565aabbcc"} {
		if got, ok := Parse(file, ""); ok {
			t.Errorf("%q: got %+v", file, got)
		}
	}
	for _, v := range provisioning.Vendors {
		d := desk(v)
		if a, ok := Parse(OwnName(d), v); !ok || a.Kind != Own || a.MAC != d.MAC {
			t.Errorf("%s: its own file %q is read as %+v", v, OwnName(d), a)
		}
	}
}

func TestPeer(t *testing.T) {
	for text, want := range map[string]Peer{
		"udp:pbx.example.com:5080": {"pbx.example.com", 5080, "udp"}, "tls:pbx.example.com": {"pbx.example.com", 5061, "tls"},
		"tcp:[2001:db8::1]:5062": {"2001:db8::1", 5062, "tcp"}, "UDP:10.0.0.1": {"10.0.0.1", 5060, "udp"},
	} {
		if got, err := ParsePeer(text); err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "pbx.example.com", "sctp:a:1", "udp:", "udp:a:0", "udp:a:b", "udp:a b:1", "udp:a<b:1"} {
		if got, err := ParsePeer(text); err == nil {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

// What a phone is told of its time zone is its standard offset.
func TestZones(t *testing.T) {
	z := &zones{}
	for name, want := range map[string][]string{
		"Europe/Berlin": {"+1", "3600", "GMT+01:00"}, "America/St_Johns": {"-3:30", "-12600", "GMT-03:30"}, "Australia/Sydney": {"+10", "36000", "GMT+10:00"}, "": {"", "", ""},
	} {
		h, err1 := z.hours(name)
		s, err2 := z.seconds(name)
		g, err3 := z.gmt(name)
		if got := []string{h, s, g}; errors.Join(err1, err2, err3) != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
