package discovery

import (
	"cmp"
	"regexp"
	"strings"
	"sync"
)

// Device is what a text says of the device that sent it. It is what the device
// claims to be, in words that anybody can send: it tells nothing of who it is.
// Fields are printable UTF-8 of at most maxField bytes; what the text does not
// say is empty.
type Device struct {
	Vendor   Vendor
	Model    string // without the vendor's name: "T46S", "VVX 450", "CP-8841"
	Family   bool   // Model names several models
	Program  bool   // Model names a program on a computer or a mobile
	Firmware string // version, as it is written
	Hardware string // revision or part number
	Serial   string
}

// maxField bounds each field of a Device, in bytes.
const maxField = 64

// shape is one way in which devices name themselves: a regular expression with
// groups named model, firmware, hardware and serial. An expression, unlike a
// chain of cuts, says all of what it accepts: a text that is merely alike gives no
// model rather than a wrong one. Go's are matched in linear time.
type shape struct {
	vendor Vendor
	text   string // must match as a whole, in either case
	model  string // how to write the model; $model if empty
	kind   shapeKind
}

type shapeKind uint8

const (
	ofModel shapeKind = iota
	ofFamily
	ofProgram
)

// compiled is a list of shapes in use.
type compiled struct {
	shapes []shape
	texts  []*regexp.Regexp
}

// compile returns a function that compiles the shapes when they are first
// needed: most runs of Perch never describe a device.
func compile(shapes []shape) func() *compiled {
	return sync.OnceValue(func() *compiled {
		c := &compiled{shapes: shapes}
		for _, s := range shapes {
			c.texts = append(c.texts, regexp.MustCompile("(?i)^(?:"+hexMAC.Replace(s.text)+")$"))
		}
		return c
	})
}

// hexMAC writes {MAC} for a MAC in one of its forms.
var hexMAC = strings.NewReplacer("{MAC}", `(?:[0-9a-f]{12}|[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5})`)

// read returns what the first shape that fits reads out of a text. With a vendor,
// only that vendor's shapes are tried.
func (c *compiled) read(text string, only Vendor) (Device, bool) {
	for i, re := range c.texts {
		s := &c.shapes[i]
		if only != "" && s.vendor != only {
			continue
		}
		at := re.FindStringSubmatchIndex(text)
		if at == nil {
			continue
		}
		group := func(name string) string { return string(re.ExpandString(nil, "${"+name+"}", text, at)) }
		d := Device{
			Vendor:   s.vendor,
			Model:    string(re.ExpandString(nil, cmp.Or(s.model, "$model"), text, at)),
			Family:   s.kind == ofFamily,
			Program:  s.kind == ofProgram,
			Firmware: group("firmware"), Hardware: group("hardware"), Serial: group("serial"),
		}
		d.Model = strings.TrimSpace(strings.ReplaceAll(d.Model, "_", " "))
		return d.bounded(), true
	}
	return Device{}, false
}

// bounded cuts the fields to their bound and cleans them.
func (d Device) bounded() Device {
	d.Vendor = Vendor(clean(string(d.Vendor), maxField))
	for _, f := range []*string{&d.Model, &d.Firmware, &d.Hardware, &d.Serial} {
		*f = clean(*f, maxField)
	}
	return d
}

// maker is who the device is of, for comparing: of a program, the program.
func (d Device) maker() Vendor {
	if d.Program {
		return Vendor(d.Model)
	}
	return d.Vendor
}

// String names the device in a few words: "Yealink T46S".
func (d Device) String() string {
	return strings.TrimSpace(string(d.Vendor) + " " + d.Model)
}

// sameModel compares how two sources name a model of one vendor: by letters and
// digits alone, and where one is written shorter than the other ("7912" and
// "7912G", "8841" and "8841-3PCC") they are no contradiction.
func sameModel(a, b string) bool {
	a, b = modelKey(a), modelKey(b)
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// modelKey leaves letters and digits of a model, in upper case.
func modelKey(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r < 0x80 && !letterOrDigit(byte(r)):
			return -1
		}
		return r
	}, s)
}
