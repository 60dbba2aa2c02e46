package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
)

// settings are what files say, by the vendor's names: an index stands behind a space.
type settings map[string]string

// readINI reads Yealink's lines of "key = value" behind a first line that it knows its files
// by. What is there already is overwritten.
func readINI(body []byte, to settings) error {
	first, rest, _ := strings.Cut(string(body), "\n")
	if strings.TrimSpace(first) != "#!version:1.0.0.1" {
		return fmt.Errorf("the first line is %q", first)
	}
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		k, v, ok := strings.Cut(line, "=")
		if !ok {
			return fmt.Errorf("%q is no setting", line)
		}
		to[strings.TrimSpace(k)] = strings.TrimSpace(v)
	}
	return nil
}

// readBoot reads which files a .boot names.
func readBoot(body []byte) (names []string, err error) {
	first, rest, _ := strings.Cut(string(body), "\n")
	if strings.TrimSpace(first) != "#!version:1.0.0.1" {
		return nil, fmt.Errorf("the first line is %q", first)
	}
	for line := range strings.Lines(rest) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "include:config"); ok {
			names = append(names, strings.Trim(strings.TrimSpace(v), `"<>`))
		}
	}
	if names == nil {
		return nil, errors.New("it names no file")
	}
	return names, nil
}

// readMaster reads which files a master file of Poly's lists.
func readMaster(body []byte) (names []string, err error) {
	var m struct {
		XMLName xml.Name `xml:"APPLICATION"`
		Files   string   `xml:"CONFIG_FILES,attr"`
	}
	if err := xml.Unmarshal(body, &m); err != nil {
		return nil, err
	}
	for name := range strings.SplitSeq(m.Files, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}

// readPoly reads attributes of elements, whose own names say nothing. What is there already
// holds: of the files that a master lists the first one counts.
func readPoly(body []byte, to settings) error {
	var c struct {
		XMLName xml.Name `xml:"PHONE_CONFIG"`
		In      []struct {
			Attrs []xml.Attr `xml:",any,attr"`
		} `xml:",any"`
	}
	if err := xml.Unmarshal(body, &c); err != nil {
		return err
	}
	for _, e := range c.In {
		for _, a := range e.Attrs {
			if _, ok := to[a.Name.Local]; !ok {
				to[a.Name.Local] = a.Value
			}
		}
	}
	return nil
}

// element is one with a text.
type element struct {
	XMLName xml.Name
	Index   string `xml:"idx,attr"`
	Text    string `xml:",chardata"`
}

func (s settings) put(list []element) {
	for _, e := range list {
		name := e.XMLName.Local
		if e.Index != "" {
			name += " " + e.Index
		}
		s[name] = e.Text
	}
}

// readFlatProfile reads Cisco's elements.
func readFlatProfile(body []byte, to settings) error {
	var c struct {
		XMLName xml.Name  `xml:"flat-profile"`
		In      []element `xml:",any"`
	}
	err := xml.Unmarshal(body, &c)
	to.put(c.In)
	return err
}

// readGrandstream reads P values. A file that names a MAC is for that phone alone.
func readGrandstream(body []byte, mac string, to settings) error {
	var c struct {
		XMLName xml.Name `xml:"gs_provision"`
		MAC     string   `xml:"mac"`
		Config  struct {
			In []element `xml:",any"`
		} `xml:"config"`
	}
	if err := xml.Unmarshal(body, &c); err != nil {
		return err
	}
	if c.MAC != "" && !strings.EqualFold(c.MAC, mac) {
		return fmt.Errorf("it is for %s", c.MAC)
	}
	to.put(c.Config.In)
	return nil
}

// readSnom reads settings of the phone.
func readSnom(body []byte, to settings) error {
	var c struct {
		XMLName xml.Name `xml:"settings"`
		Phone   struct {
			In []element `xml:",any"`
		} `xml:"phone-settings"`
	}
	err := xml.Unmarshal(body, &c)
	to.put(c.Phone.In)
	return err
}

// readFanvil reads the groups that the phone knows: names are the same in several of them.
func readFanvil(body []byte, to settings) error {
	var c struct {
		XMLName xml.Name `xml:"sysConf"`
		SIP     struct {
			Lines []struct {
				Index string    `xml:"index,attr"`
				In    []element `xml:",any"`
			} `xml:"line"`
		} `xml:"sip"`
		Phone struct {
			In []element `xml:",any"`
		} `xml:"phone"`
		QoS struct {
			In []element `xml:",any"`
		} `xml:"qos"`
		AP struct {
			In []element `xml:",any"`
		} `xml:"ap"`
	}
	if err := xml.Unmarshal(body, &c); err != nil {
		return err
	}
	for _, l := range c.SIP.Lines {
		for _, e := range l.In {
			to["line "+l.Index+" "+e.XMLName.Local] = e.Text
		}
	}
	to.put(c.Phone.In)
	to.put(c.QoS.In)
	to.put(c.AP.In)
	return nil
}
