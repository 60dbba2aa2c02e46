package settings

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"

	"perch/provisioning"
)

// Kind says what a file is.
type Kind uint8

// The kinds of file.
const (
	Own    Kind = iota + 1 // of one phone, with its secrets
	Common                 // of anybody, with nothing secret in it: where the own one is
	Master                 // says which file is the phone's own
	Start                  // of anybody, as a master: says which file is common
	Absent                 // a phone asks for it, and there is none: nothing is guessed by that
)

// Open reports whether anybody may have a file of the kind: nothing in it is secret.
func (k Kind) Open() bool { return k == Common || k == Start }

// File writes the file of a kind. The error says which setting the format cannot hold.
func (s *Set) File(k Kind) ([]byte, error) {
	list := s.Own
	if k == Common {
		list = s.Common
	}
	if k == Master {
		return s.master(OwnName(s.Device))
	}
	if k == Start {
		return s.master(commonName(s.Device.Vendor))
	}
	for i := range list {
		if err := holds(s.Device.Vendor, &list[i]); err != nil {
			return nil, err
		}
	}
	switch s.Device.Vendor {
	case provisioning.Yealink:
		return ini(list), nil
	case provisioning.Poly:
		return poly(list)
	case provisioning.Cisco:
		return flatProfile(list)
	case provisioning.Grandstream:
		return grandstream(s.Device, list, k)
	case provisioning.Snom:
		return snom(list)
	case provisioning.Fanvil:
		return fanvil(list)
	}
	return nil, fmt.Errorf("vendor %q has no format", s.Device.Vendor)
}

// ContentType is of the files of a vendor.
func ContentType(v provisioning.Vendor) string {
	if v == provisioning.Yealink {
		return "text/plain; charset=utf-8"
	}
	return "application/xml; charset=utf-8"
}

// ini writes "key = value" lines. The first line is part of the format.
func ini(list []Setting) []byte {
	var b bytes.Buffer
	b.WriteString("#!version:1.0.0.1\n")
	for _, s := range list {
		fmt.Fprintf(&b, "%s = %s\n", s.Key, s.Value)
	}
	return b.Bytes()
}

// document writes XML, indented.
type document struct {
	buf bytes.Buffer
	*xml.Encoder
	err error
}

func newDocument() *document {
	d := &document{}
	d.buf.Grow(4 << 10) // few phones have more
	d.buf.WriteString(xml.Header)
	d.Encoder = xml.NewEncoder(&d.buf)
	d.Indent("", "  ")
	return d
}

func (d *document) token(t xml.Token) {
	if d.err == nil {
		d.err = d.EncodeToken(t)
	}
}

// open begins an element with attributes, given as name, value, name, value.
func (d *document) open(name string, attrs ...string) {
	e := xml.StartElement{Name: xml.Name{Local: name}}
	for i := 0; i < len(attrs); i += 2 {
		e.Attr = append(e.Attr, xml.Attr{Name: xml.Name{Local: attrs[i]}, Value: attrs[i+1]})
	}
	d.token(e)
}

func (d *document) close(name string) { d.token(xml.EndElement{Name: xml.Name{Local: name}}) }

// leaf is an element with a text.
func (d *document) leaf(name, text string, attrs ...string) {
	d.open(name, attrs...)
	d.token(xml.CharData(text))
	d.close(name)
}

// done ends the document.
func (d *document) done() ([]byte, error) {
	if d.err == nil {
		d.err = d.Encoder.Close()
	}
	d.buf.WriteByte('\n')
	return d.buf.Bytes(), d.err
}

// poly writes attributes of one element; those without a value are left out, as the phone's
// own are meant by that.
func poly(list []Setting) ([]byte, error) {
	d := newDocument()
	var attrs []string
	for _, s := range list {
		if s.Value != "" {
			attrs = append(attrs, s.Key, s.Value)
		}
	}
	d.open("PHONE_CONFIG")
	d.open("ALL", attrs...)
	d.close("ALL")
	d.close("PHONE_CONFIG")
	return d.done()
}

func flatProfile(list []Setting) ([]byte, error) {
	d := newDocument()
	d.open("flat-profile")
	for _, s := range list {
		d.leaf(s.Key, s.Value)
	}
	d.close("flat-profile")
	return d.done()
}

func grandstream(dev *Device, list []Setting, k Kind) ([]byte, error) {
	d := newDocument()
	d.open("gs_provision", "version", "1")
	if k == Own {
		d.leaf("mac", dev.Hex())
	}
	d.open("config", "version", "1")
	for _, s := range list {
		d.leaf(s.Key, s.Value)
	}
	d.close("config")
	d.close("gs_provision")
	return d.done()
}

func snom(list []Setting) ([]byte, error) {
	d := newDocument()
	d.open("settings")
	d.open("phone-settings")
	for _, s := range list {
		name, idx, ok := strings.Cut(s.Key, " ")
		if ok {
			d.leaf(name, s.Value, "idx", idx, "perm", "")
		} else {
			d.leaf(name, s.Value, "perm", "")
		}
	}
	d.close("phone-settings")
	d.close("settings")
	return d.done()
}

// fanvil writes elements in elements, those of one path together.
func fanvil(list []Setting) ([]byte, error) {
	root := &node{name: "sysConf"}
	for i := range list {
		at := root
		for part := range strings.SplitSeq(list[i].Key, "/") {
			at = at.child(part)
		}
		at.value, at.layer = list[i].Value, list[i].Layer
	}
	if err := root.both(""); err != nil {
		return nil, err
	}
	d := newDocument()
	root.write(d)
	return d.done()
}

// node is an element with others in it, or a value.
type node struct {
	name  string // with its index, as "line#1"
	value string
	layer string // that gave the value; empty: there is none
	in    []*node
}

func (n *node) child(name string) *node {
	for _, c := range n.in {
		if c.name == name {
			return c
		}
	}
	c := &node{name: name}
	n.in = append(n.in, c)
	return c
}

// both refuses an element that has a value and others in it.
func (n *node) both(path string) error {
	path += n.name
	if n.layer != "" && len(n.in) > 0 {
		return fmt.Errorf("%s: %s has a value, and other settings in it", n.layer, strings.TrimPrefix(path, "sysConf/"))
	}
	for _, c := range n.in {
		if err := c.both(path + "/"); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) write(d *document) {
	name, index, ok := strings.Cut(n.name, "#")
	var attrs []string
	if ok {
		attrs = []string{"index", index}
	}
	if len(n.in) == 0 {
		d.leaf(name, n.value, attrs...)
		return
	}
	d.open(name, attrs...)
	for _, c := range n.in {
		c.write(d)
	}
	d.close(name)
}

// master writes the file that Poly and Yealink phones ask for first: it does nothing but name
// another.
func (s *Set) master(name string) ([]byte, error) {
	switch s.Device.Vendor {
	case provisioning.Yealink:
		return fmt.Appendf(nil, "#!version:1.0.0.1\ninclude:config %q\noverwrite_mode = 1\n", name), nil
	case provisioning.Poly:
		d := newDocument()
		d.open("APPLICATION", "APP_FILE_PATH", "", "CONFIG_FILES", name, "MISC_FILES", "", "LOG_FILE_DIRECTORY", "", "OVERRIDES_DIRECTORY", "", "CONTACTS_DIRECTORY", "")
		d.close("APPLICATION")
		return d.done()
	}
	return nil, fmt.Errorf("vendor %q has no such file", s.Device.Vendor)
}
