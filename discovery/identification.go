package discovery

import (
	"slices"
	"strings"
	"time"
)

// Identity is what a phone says of itself, from all ways in which it says it.
type Identity struct {
	// Device has of each field the word of the most trusted sayer that gives it,
	// among those that do not contradict the vendor in force. Program is never
	// set: see Programs.
	Device
	// Fields says who gives the values of Device, most trusted sayer first, in the
	// order vendor, model, firmware, hardware, serial.
	Fields []Field
	// Programs are softphones that register from the device, with versions.
	Programs []Word
	// Unread are texts of which neither vendor nor model could be read.
	Unread []Word
	// Contradictions are words that cannot all be true.
	Contradictions []Contradiction
}

// Field is one field of an identity with who gives it.
type Field struct {
	Name  string // vendor, model, firmware, hardware or serial
	Words []Word // the first has the value in force
}

// Word is one field as one sayer gives it.
type Word struct {
	Value string
	By    Sayer
	Since time.Time // zero: of an OUI, or not noted
}

// Contradiction is a field for which two sayers give values that cannot both be
// true: two vendors, or two models of one vendor. It is a cloned MAC, a forged
// message, a program that takes a phone's name, or a device behind the phone.
type Contradiction struct {
	Field string // vendor or model
	Words [2]Word
	Since time.Time // the later of the two
}

// device returns what is read out of a saying.
func (x saying) device() Device {
	text := x.text.Value()
	switch x.by {
	case SayerMED:
		return parseInventory(text)
	case SayerCDP:
		platform, software, _ := strings.Cut(text, "\n")
		return ParseCDP(platform, software)
	case SayerLLDP:
		return ParseSystemDescription(text)
	case SayerUserAgent, SayerFetch:
		return ParseUserAgent(text)
	case SayerVendorClass:
		return ParseVendorClass(text)
	case SayerParamList:
		return printNamed(text)
	}
	return Device{}
}

// heardDevice is a device as one sayer describes it.
type heardDevice struct {
	Device
	by          Sayer
	since, last time.Time
}

// Identity returns what the phone says of itself.
func (tr *Track) Identity() Identity {
	var id Identity
	var all []heardDevice
	for _, x := range tr.Said {
		d := heardDevice{x.device(), x.by, microTime(x.since), microTime(x.last)}
		switch {
		case d.Program:
			id.Programs = append(id.Programs, Word{strings.TrimSpace(d.Model + " " + d.Firmware), d.by, d.last})
		case d.Vendor == "" && d.Model == "":
			id.Unread = append(id.Unread, Word{strings.ReplaceAll(x.text.Value(), "\n", "; "), d.by, d.last})
		}
		all = append(all, d)
	}
	if v := OUIVendor(tr.ID.MAC); v != "" && !tr.ID.Provisional() {
		all = append(all, heardDevice{Device: Device{Vendor: v}, by: SayerOUI})
	}
	slices.SortStableFunc(all, func(a, b heardDevice) int { return int(b.by) - int(a.by) })

	id.Contradictions = contradictions(all, DeskPhoneOUI(tr.ID.MAC))
	if i := slices.IndexFunc(all, func(d heardDevice) bool { return d.Vendor != "" && !d.Program }); i >= 0 {
		id.Vendor = all[i].Vendor
	}
	// What is said of another device than the one in force is no field of it.
	all = slices.DeleteFunc(all, func(d heardDevice) bool {
		return d.Program || d.Vendor != "" && d.Vendor != id.Vendor
	})
	id.collect(all)
	return id
}

// collect fills the fields from words that agree on the vendor. A model comes
// before a family that a more trusted sayer names.
func (id *Identity) collect(all []heardDevice) {
	model := func(family bool) func(d *heardDevice) string {
		return func(d *heardDevice) string {
			if d.Family != family {
				return ""
			}
			return d.Model
		}
	}
	for _, f := range []struct {
		name string
		into *string
		of   func(d *heardDevice) string
	}{
		{"vendor", (*string)(&id.Vendor), func(d *heardDevice) string { return string(d.Vendor) }},
		{"model", &id.Model, model(false)},
		{"model", &id.Model, model(true)},
		{"firmware", &id.Firmware, func(d *heardDevice) string { return d.Firmware }},
		{"hardware", &id.Hardware, func(d *heardDevice) string { return d.Hardware }},
		{"serial", &id.Serial, func(d *heardDevice) string { return d.Serial }},
	} {
		if len(id.Fields) > 0 && id.Fields[len(id.Fields)-1].Name == f.name {
			continue // a precise model is known
		}
		field := Field{Name: f.name}
		for i := range all {
			d := &all[i]
			v := f.of(d)
			if v == "" {
				continue
			}
			since := d.since
			if f.name != "vendor" && f.name != "model" {
				since = d.last
			}
			if len(field.Words) == 0 {
				*f.into = v
				id.Family = id.Family || f.name == "model" && d.Family
			}
			field.Words = append(field.Words, Word{v, d.by, since})
		}
		if len(field.Words) > 0 {
			id.Fields = append(id.Fields, field)
		}
	}
}

// contradictions compares the most trusted word with each that disagrees. A
// program runs on anybody's computer, so it contradicts no OUI but a desk phone's.
func contradictions(all []heardDevice, deskOUI bool) []Contradiction {
	var out []Contradiction
	add := func(field string, a, b *heardDevice, va, vb string) {
		since := a.since
		if b.since.After(since) {
			since = b.since
		}
		out = append(out, Contradiction{field, [2]Word{{va, a.by, a.since}, {vb, b.by, b.since}}, since})
	}
	var first, precise *heardDevice
	for i := range all {
		d := &all[i]
		switch {
		case d.maker() == "":
			continue
		case d.by == SayerOUI && first != nil && (first.Program && !deskOUI || related(first.Vendor, d.Vendor)):
			continue
		case first == nil:
			first = d
		case d.maker() != first.maker():
			add("vendor", first, d, first.String(), d.String())
			continue
		}
		if d.Model == "" || d.Family || d.Program {
			continue
		}
		if precise == nil {
			precise = d
		} else if !sameModel(precise.Model, d.Model) {
			add("model", precise, d, precise.Model, d.Model)
		}
	}
	return out
}

// related reports whether an OUI of one company is to be expected on devices of
// the other, which it owns or makes: HP has had Poly since 2022, Mitel has ShoreTel
// and Unify, VTech has snom.
func related(a, oui Vendor) bool {
	switch a {
	case Poly:
		return oui == "HP" || oui == "Obihai"
	case Mitel:
		return oui == "ShoreTel" || oui == "Unify"
	case Snom:
		return oui == "VTech" || oui == "RTX"
	}
	return false
}

// microTime reads microseconds of Unix time; 0 is not noted.
func microTime(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// Name names the phone in a few words for people: vendor and model as far as they
// are known, else the program that registers from it, else the text that it sends.
func (id *Identity) Name() string {
	switch {
	case id.Model != "" || id.Vendor != "" && len(id.Programs)+len(id.Unread) == 0:
		return id.Device.String()
	case len(id.Programs) > 0:
		return id.Programs[0].Value
	case id.Vendor != "":
		return id.Device.String()
	case len(id.Unread) > 0:
		return id.Unread[0].Value
	}
	return ""
}
