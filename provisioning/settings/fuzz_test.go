package settings

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"path"
	"strings"
	"testing"

	"perch/discovery"
	"perch/provisioning"
	"perch/sip"
	"perch/testdata/swarm"
)

// fuzz is a target with a check that remembers nothing.
func fuzz(f *testing.F, check func([]byte) error, seeds ...string) {
	f.Helper()
	swarm.Fuzz(f, func() func([]byte) error { return check }, seeds...)
}

// checkName reads the name of a file, of a phone whose vendor is known or not. What is a
// phone's own names it, and nothing else does; a path before it changes nothing.
func checkName(b []byte) error {
	name := string(b)
	for _, v := range append([]provisioning.Vendor{""}, provisioning.Vendors...) {
		a, ok := Parse(name, v)
		if !ok {
			if a != (Asked{}) {
				return fmt.Errorf("%q is no name, and %+v", name, a)
			}
			continue
		}
		hex := strings.ReplaceAll(a.MAC.String(), ":", "")
		switch {
		case v != "" && a.Vendor != v:
			return fmt.Errorf("%q of %s is one of %s", name, v, a.Vendor)
		case a.Kind.Open() && a.MAC != discovery.MAC{}:
			return fmt.Errorf("%q is anybody's, and of %s", name, a.MAC)
		case !a.Kind.Open() && a.Kind != Absent && (a.MAC.Nobody() || !strings.Contains(strings.ToLower(path.Base(name)), hex)):
			return fmt.Errorf("%q is of %s", name, a.MAC)
		}
		if again, ok := Parse("a/../b c/"+name, v); !ok || again != a {
			return fmt.Errorf("%q is %+v, and behind a path %+v", name, a, again)
		}
	}
	return nil
}

func FuzzName(f *testing.F) {
	fuzz(f, checkName, "001565aabbcc.cfg", "001565aabbcc.boot", "y000000000028.cfg", "000000000000.cfg", "perch-001565aabbcc.cfg", "CP-8841-3PCC.xml", "Cisco/CP-8841-3PCC/001565aabbcc.cfg",
		"spa504G.cfg", "cfg001565aabbcc.xml", "cfggxp2135.xml", "snomD785-001565AABBCC.htm", "snomD785.htm", "001565AABBCC.xml", "f0X5hw1.cfg", "../../etc/passwd", "snom-snom-001565AABBCC.htm")
}

// vendorOf is the vendor that an input is for.
func vendorOf(b []byte) provisioning.Vendor {
	h := fnv.New32a()
	h.Write(b)
	return provisioning.Vendors[h.Sum32()%uint32(len(provisioning.Vendors))]
}

// layerCheck returns a check that reads an admin's file of a vendor's, and makes a phone's
// settings with it. What is wrong is told with the file; what is not is within its bounds, and
// is read as it was written.
func layerCheck(built *Layers) func([]byte) error {
	known := newDialect()
	return func(b []byte) error {
		v := vendorOf(b)
		name := string(v) + ".yaml"
		x, err := readLayer(name, name, b, known)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, name+":") {
					return fmt.Errorf("the fault has a line %q", line)
				}
			}
			return nil
		}
		l := &Layers{vendors: map[provisioning.Vendor][]layer{v: {built.vendors[v][0], x}}}
		s, err := l.Of(desk(v))
		if err != nil {
			return nil
		}
		for _, x := range append(s.Own, s.Common...) {
			if len(x.Value) > maxValue {
				return fmt.Errorf("%s: %q has a value of %d octets", v, x.Key, len(x.Value))
			}
		}
		return checkReadBack(s)
	}
}

func FuzzLayer(f *testing.F) {
	seeds := []string{
		"settings:\n  phone_setting.ring_type: Ring1.wav\n  sip.mac_in_ua: '0'\nlines:\n  account.{n}.label: '{{.Line.User}} of {{.Label}}'\ncommon:\n  a.b: \"{{join .Emergency \\\",\\\"}}\"\n",
		"settings:\n  a/b#1/c: |\n    text\n  a/b: x\n  x 1: '{{range .Emergency}}{{.}};{{end}}'\n  y: '{{if .VoiceVLAN}}{{upper .Model}}{{else}}{{printf \"%d\" 1}}{{end}}'\n",
		"settings: {a: b, c: ~, d: 1.5, e: &x y, f: *x}\n---\nlines:\n  user_{a|b|c}: '{{seconds .Timezone}}'\n",
		"settings:\n  a: '{{range $i, $x := $.Emergency}}{{$i}}{{end}}'\n  b: '{{printf \"%099999d\" 1}}'\n", "settings:\n", "a: [", "{{", "settings:\n  a: '{{define \"x\"}}{{end}}{{template \"x\"}}'\n", "settings:\n  a: '{{range 3}}{{end}}'\n",
	}
	for _, v := range provisioning.Vendors {
		b, err := builtIn.ReadFile("vendors/" + string(v) + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, string(b))
	}
	l, err := Load(nil)
	if err != nil {
		f.Fatal(err)
	}
	fuzz(f, layerCheck(l), seeds...)
}

// valuesCheck returns a check that makes the files of a phone of which all texts are lines of
// an input. They read back as the settings are, or are refused; and what anybody may have is
// the same whatever the secrets are.
func valuesCheck(l *Layers) func([]byte) error {
	return func(b []byte) error {
		v, lines := vendorOf(b), strings.Split(string(b), "\n")
		for len(lines) < 12 {
			lines = append(lines, lines...)
		}
		d := desk(v)
		d.Label, d.Site, d.User, d.Secret, d.NTP, d.URL, d.Language, d.Model = lines[0], lines[1], lines[2], lines[3], lines[4], lines[5], lines[6], lines[7]
		d.Emergency = lines[8:10]
		d.Lines[0] = Line{1, sip.AOR("sip:" + lines[10]), lines[11], lines[2], lines[3], lines[0], lines[1]}
		s, err := l.Of(d)
		if err != nil {
			return nil
		}
		if err := checkReadBack(s); err != nil {
			return err
		}
		common, err := s.File(Common)
		d.Lines, d.User, d.Secret, d.Label = nil, "", "", ""
		bare, err2 := l.Of(d)
		if err2 != nil {
			return err2
		}
		if got, err2 := bare.File(Common); !bytes.Equal(got, common) || (err == nil) != (err2 == nil) {
			return fmt.Errorf("%s: without secrets anybody has\n%s\nand with them\n%s", v, got, common)
		}
		return nil
	}
}

func FuzzValues(f *testing.F) {
	l, err := Load(nil)
	if err != nil {
		f.Fatal(err)
	}
	fuzz(f, valuesCheck(l), "Reception\nhq\n001565aabbcc\nown-secret\nntp.example.com\nhttps://perch.example.com:8443/p/\nde\nD785\n911\n9911\n101@example.com\n101",
		`"/></ALL></Password_1_></config><evil a="1">&#10;`, "x\raccount.1.auth_name = root", "a\u2028b\u0085c\x00d\ufffee\uffff", "]]>\n<![CDATA[\n&amp;\n&#0;\n%s", " = \n#!version\n\\\n' \" `\n--pwd x]", "\xff\xfe\n\xed\xa0\x80")
}
