package settings

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Of returns the settings of a phone. The error has a line for each template that failed,
// as "FILE:LINE: what".
func (l *Layers) Of(d *Device) (*Set, error) {
	layers, err := l.over(d)
	if err != nil {
		return nil, err
	}
	s := &Set{Device: d}
	s.Own, err = own(layers, d)
	var failed error
	s.Common, failed = common(layers, d)
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	return s, nil
}

// File writes a file of a phone, of which only the settings are made that stand in it.
func (l *Layers) File(d *Device, k Kind) ([]byte, error) {
	layers, err := l.over(d)
	if err != nil {
		return nil, err
	}
	s := &Set{Device: d}
	switch k {
	case Own:
		s.Own, err = own(layers, d)
	case Common:
		s.Common, err = common(layers, d)
	}
	if err != nil {
		return nil, err
	}
	return s.File(k)
}

// over are the layers of a phone, each over the ones before.
func (l *Layers) over(d *Device) ([]*layer, error) {
	layers := make([]*layer, 0, 8)
	for i := range l.vendors[d.Vendor] {
		layers = append(layers, &l.vendors[d.Vendor][i])
	}
	if len(layers) == 0 {
		return nil, fmt.Errorf("phone %s: its vendor %q is not known", d.MAC, d.Vendor)
	}
	if len(l.models[d.Vendor]) > 0 {
		if x, ok := l.models[d.Vendor][modelKey(d.Model)]; ok {
			layers = append(layers, &x)
		}
	}
	if x, ok := l.sites[d.Site][d.Vendor]; ok {
		layers = append(layers, &x)
	}
	if x, ok := l.phones[d.MAC]; ok {
		layers = append(layers, &x)
	}
	return layers, nil
}

// own are the settings of the file that is a phone's own.
func own(layers []*layer, d *Device) ([]Setting, error) {
	n := 0
	for _, x := range layers {
		n += len(x.common) + len(x.settings) + len(d.Lines)*len(x.line)
	}
	b := newBuilder(d, n)
	for _, x := range layers {
		b.put(x.name, x.common, Line{})
		b.put(x.name, x.settings, Line{})
		for _, line := range d.Lines {
			b.put(x.name, x.line, line)
		}
	}
	return b.settings(), errors.Join(b.errs...)
}

// common are those of the file that anybody may have.
func common(layers []*layer, d *Device) ([]Setting, error) {
	n := 0
	for _, x := range layers {
		n += len(x.common)
	}
	b := newBuilder(withoutSecrets(d), n)
	for _, x := range layers {
		b.put(x.name, x.common, Line{})
	}
	return b.settings(), errors.Join(b.errs...)
}

// withoutSecrets is a device as anybody may know it.
func withoutSecrets(d *Device) *Device {
	return &Device{
		MAC: d.MAC, Vendor: d.Vendor, Model: d.Model, Site: d.Site, URL: d.URL, Proxy: d.Proxy,
		Emergency: d.Emergency, VoiceVLAN: d.VoiceVLAN, Timezone: d.Timezone, Language: d.Language, NTP: d.NTP,
	}
}

// builder puts layers over one another.
type builder struct {
	device *Device
	list   []Setting
	at     map[string]int // of keys in list
	errs   []error
}

// newBuilder returns one that takes so many settings.
func newBuilder(d *Device, n int) *builder {
	return &builder{device: d, list: make([]Setting, 0, n), at: make(map[string]int, n)}
}

func (b *builder) put(layer string, entries []entry, line Line) {
	t := told{b.device, line}
	for i := range entries {
		e := &entries[i]
		key, ok := keyOf(e.key, line.N)
		if !ok {
			continue
		}
		at, there := b.at[key]
		if e.gone {
			if there {
				b.list[at].Key = ""
				delete(b.at, key)
			}
			continue
		}
		value, err := e.value.of(&t)
		if err != nil {
			b.errs = append(b.errs, fmt.Errorf("%s: %s: %s", e.where, e.key, whatOf(err)))
			continue
		}
		s := Setting{key, value, layer, e.where}
		if there {
			b.list[at] = s
			continue
		}
		b.at[key] = len(b.list)
		b.list = append(b.list, s)
	}
}

// keyOf is a key for a line: {n} is its number, {b} that of its backup, and of {a|b|c} it has
// the one of its number. It is false if there is none for so many lines.
func keyOf(key string, n int) (string, bool) {
	if !strings.Contains(key, "{") {
		return key, true
	}
	key = strings.ReplaceAll(strings.ReplaceAll(key, "{n}", strconv.Itoa(n)), "{b}", strconv.Itoa(backup(n)))
	before, rest, ok := strings.Cut(key, "{")
	if !ok || n == 0 {
		return key, true
	}
	list, after, _ := strings.Cut(rest, "}")
	choices := strings.Split(list, "|")
	if n > len(choices) {
		return "", false
	}
	return before + choices[n-1] + after, true
}

// settings are those that are left.
func (b *builder) settings() []Setting {
	out := make([]Setting, 0, len(b.list))
	for _, s := range b.list {
		if s.Key != "" {
			out = append(out, s)
		}
	}
	return out
}
