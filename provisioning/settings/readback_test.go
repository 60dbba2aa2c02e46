package settings

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"perch/provisioning"
)

// readBack reads a phone's file as its vendor has the format, by nothing of what wrote it: the
// keys and values in it.
func readBack(v provisioning.Vendor, text []byte) (got []string, err error) {
	if v == provisioning.Yealink {
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		if lines[0] != "#!version:1.0.0.1" {
			return nil, fmt.Errorf("it begins with %q", lines[0])
		}
		for _, l := range lines[1:] {
			key, value, ok := strings.Cut(l, " = ")
			if !ok || strings.HasPrefix(key, "#") {
				return nil, fmt.Errorf("%q is no setting", l)
			}
			got = append(got, key+"="+value)
		}
		return got, nil
	}
	d := xml.NewDecoder(strings.NewReader(string(text)))
	var path []string
	var value string
	leaf := false
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			name := t.Name.Local
			for _, a := range t.Attr {
				switch {
				case v == provisioning.Poly:
					got = append(got, a.Name.Local+"="+a.Value)
				case a.Name.Local == "index":
					name += "#" + a.Value
				case a.Name.Local == "idx":
					name += " " + a.Value
				}
			}
			path, value, leaf = append(path, name), "", true
		case xml.CharData:
			value += string(t)
		case xml.EndElement:
			if leaf && v != provisioning.Poly {
				depth := map[provisioning.Vendor]int{provisioning.Cisco: 1, provisioning.Grandstream: 2, provisioning.Snom: 2, provisioning.Fanvil: 1}[v]
				if len(path) <= depth && path[len(path)-1] != "mac" && len(path) != depth {
					return nil, fmt.Errorf("a value at %q", path)
				}
				if len(path) > depth {
					got = append(got, strings.Join(path[depth:], "/")+"="+value)
				}
			}
			path, leaf = path[:len(path)-1], false
		}
	}
}

// checkReadBack writes the files of a phone, and holds what is read of them to its settings.
func checkReadBack(s *Set) error {
	for kind, list := range map[Kind][]Setting{Own: s.Own, Common: s.Common} {
		text, err := s.File(kind)
		if err != nil {
			continue // it is refused
		}
		var want []string
		for _, x := range list {
			if s.Device.Vendor != provisioning.Poly || x.Value != "" {
				want = append(want, x.Key+"="+x.Value)
			}
		}
		got, err := readBack(s.Device.Vendor, text)
		if err != nil {
			return fmt.Errorf("%s: %w in\n%s", s.Device.Vendor, err, text)
		}
		slices.Sort(want) // those of a path are together in Fanvil's files
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("%s: read\n%q\nwant\n%q", s.Device.Vendor, got, want)
		}
	}
	return nil
}

// What is written of texts as bad as people's is read as it was.
func TestReadBack(t *testing.T) {
	for _, v := range provisioning.Vendors {
		if err := checkReadBack(set(t, nil, desk(v))); err != nil {
			t.Error(err)
		}
	}
}

// The XML of all vendors is such to a real reader of it, with hostile values, too.
func TestXMLLint(t *testing.T) {
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("xmllint is missing: install libxml2-utils")
		}
		t.Skip("xmllint is missing: install libxml2-utils")
	}
	hostile := []string{`"/></ALL></Password_1_></config><evil a="1">&#10;`, "]]><![CDATA[", "<!DOCTYPE a [<!ENTITY b 'c'>]>&b;", "<?xml?>--><!--", "&amp;&lt;&#0;&nosuch;", "\U0001F600 é '\"`"}
	for _, v := range provisioning.Vendors {
		if v == provisioning.Yealink {
			continue // it has lines
		}
		dir := t.TempDir()
		args := []string{"--noout", "--nonet"}
		for i, value := range append(hostile, "") {
			d := desk(v)
			if value != "" {
				d.Label, d.Lines[0].Display, d.Lines[0].Label, d.Lines[0].Secret, d.Secret, d.NTP, d.Emergency = value, value, value, value, value, value, []string{value}
			}
			s := set(t, nil, d)
			for kind, name := range map[Kind]string{Own: "own", Common: "common", Master: "master"} {
				text, err := s.File(kind)
				if kind == Master && err != nil {
					continue // most have none
				}
				file := filepath.Join(dir, fmt.Sprintf("%s-%d.xml", name, i))
				if err := errors.Join(err, os.WriteFile(file, text, 0o600)); err != nil {
					t.Fatal(err)
				}
				args = append(args, file)
			}
		}
		goldens, err := filepath.Glob(filepath.Join("testdata", string(v)+"-*.txt"))
		if err != nil || len(goldens) < 2 {
			t.Fatalf("goldens of %s: %q, %v", v, goldens, err)
		}
		if out, err := exec.Command(lint, append(args, goldens...)...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", v, err, out)
		}
	}
}
