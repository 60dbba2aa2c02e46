package settings

import (
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
)

// told is what the templates of a setting are told: the device, and the line that the
// setting is of.
type told struct {
	*Device
	Line Line
}

// value is the template of a setting's value. Most are a text, with a field or two of what
// they are told in it, or one text if a field is there and another if not. Those become
// parts when they are read: text/template looks each name up anew each time, which took a
// quarter of what it takes to hand a phone its file. The others it executes.
type value struct {
	parts    []part // none: the template is executed
	template *template.Template
}

// part writes a part of a value; false if it cannot.
type part func(*strings.Builder, *told) bool

func newValue(t *template.Template, fields map[string]field) value {
	v := value{template: t}
	if t.Tree != nil {
		v.parts, _ = partsOf(t.Root, fields)
	}
	return v
}

// of is the value for what it is told.
func (v *value) of(t *told) (string, error) {
	var b limited
	if len(v.parts) == 0 || !write(v.parts, &b.text, t) || b.text.Len() > maxValue { // of what fails the template tells why
		b.text.Reset()
		if err := v.template.Execute(&b, t); err != nil {
			return "", err
		}
	}
	return strings.TrimSpace(b.text.String()), nil
}

func write(parts []part, b *strings.Builder, t *told) bool {
	for _, p := range parts {
		if !p(b, t) {
			return false
		}
	}
	return true
}

// partsOf are the parts of a template; false if it has something else in it.
func partsOf(list *parse.ListNode, fields map[string]field) (out []part, ok bool) {
	if list == nil { // no {{else}}
		return nil, true
	}
	for _, n := range list.Nodes {
		var p part
		switch n := n.(type) {
		case *parse.TextNode:
			text := string(n.Text)
			p, ok = func(b *strings.Builder, _ *told) bool { b.WriteString(text); return true }, true
		case *parse.ActionNode:
			var f field
			f, ok = fields[n.Pipe.String()]
			p = f.write
		case *parse.IfNode:
			p, ok = choice(n, fields)
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
		out = append(out, p)
	}
	return out, true
}

// choice is {{if .Field}}...{{else}}...{{end}}.
func choice(n *parse.IfNode, fields map[string]field) (part, bool) {
	f, ok := fields[n.Pipe.String()]
	then, ok1 := partsOf(n.List, fields)
	otherwise, ok2 := partsOf(n.ElseList, fields)
	return func(b *strings.Builder, t *told) bool {
		text, err := f.text(t)
		if text == f.none {
			return err == nil && write(otherwise, b, t)
		}
		return err == nil && write(then, b, t)
	}, ok && ok1 && ok2
}

// field is something that templates are told, as text/template writes it.
type field struct {
	text func(*told) (string, error)
	none string // what {{if}} takes for nothing
}

func (f field) write(b *strings.Builder, t *told) bool {
	text, err := f.text(t)
	b.WriteString(text)
	return err == nil
}

// newFields are those that need no template to be executed, by how they are written there.
func newFields(z *zones) map[string]field {
	text := func(f func(*told) string) field {
		return field{text: func(t *told) (string, error) { return f(t), nil }}
	}
	number := func(f func(*told) int) field {
		return field{func(t *told) (string, error) { return strconv.Itoa(f(t)), nil }, "0"}
	}
	return map[string]field{
		".Hex":      text(func(t *told) string { return t.Hex() }),
		".Model":    text(func(t *told) string { return t.Model }),
		".Label":    text(func(t *told) string { return t.Label }),
		".Site":     text(func(t *told) string { return t.Site }),
		".URL":      text(func(t *told) string { return t.URL }),
		".User":     text(func(t *told) string { return t.User }),
		".Secret":   text(func(t *told) string { return t.Secret }),
		".Timezone": text(func(t *told) string { return t.Timezone }),
		".Language": text(func(t *told) string { return t.Language }),
		".NTP":      text(func(t *told) string { return t.NTP }),

		".VoiceVLAN": number(func(t *told) int { return t.VoiceVLAN }),

		".Proxy":            text(func(t *told) string { return t.Proxy.String() }),
		".Proxy.Host":       text(func(t *told) string { return t.Proxy.Host }),
		".Proxy.Port":       number(func(t *told) int { return int(t.Proxy.Port) }),
		".Proxy.Transport":  text(func(t *told) string { return t.Proxy.Transport }),
		".Backup":           text(func(t *told) string { return t.Backup.String() }),
		".Backup.Host":      text(func(t *told) string { return t.Backup.Host }),
		".Backup.Port":      number(func(t *told) int { return int(t.Backup.Port) }),
		".Backup.Transport": text(func(t *told) string { return t.Backup.Transport }),

		".Line.N":       number(func(t *told) int { return t.Line.N }),
		".Line.User":    text(func(t *told) string { return t.Line.User }),
		".Line.Host":    text(func(t *told) string { return t.Line.Host() }),
		".Line.Auth":    text(func(t *told) string { return t.Line.Auth }),
		".Line.Secret":  text(func(t *told) string { return t.Line.Secret }),
		".Line.Display": text(func(t *told) string { return t.Line.Display }),
		".Line.Label":   text(func(t *told) string { return t.Line.Label }),

		"hour .Timezone":             {text: func(t *told) (string, error) { return z.hours(t.Timezone) }},
		"seconds .Timezone":          {text: func(t *told) (string, error) { return z.seconds(t.Timezone) }},
		"gmt .Timezone":              {text: func(t *told) (string, error) { return z.gmt(t.Timezone) }},
		"language .Vendor .Language": text(func(t *told) string { return language(t.Vendor, t.Language) }),
		"method .URL":                text(func(t *told) string { return method(t.URL) }),
		"bare .URL":                  text(func(t *told) string { return bare(t.URL) }),
		"backup .Line.N":             number(func(t *told) int { return backup(t.Line.N) }),
		`join .Emergency ","`:        text(func(t *told) string { return strings.Join(t.Emergency, ",") }),
		`join .Emergency " "`:        text(func(t *told) string { return strings.Join(t.Emergency, " ") }),

		"transport .Vendor .Proxy.Transport":  {text: func(t *told) (string, error) { return transport(t.Vendor, t.Proxy.Transport) }},
		"transport .Vendor .Backup.Transport": {text: func(t *told) (string, error) { return transport(t.Vendor, t.Backup.Transport) }},
	}
}
