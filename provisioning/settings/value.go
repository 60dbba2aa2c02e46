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

// part writes a part of a value.
type part func(*strings.Builder, *told)

func newValue(t *template.Template) value {
	v := value{template: t}
	if t.Tree != nil {
		v.parts, _ = partsOf(t.Root)
	}
	return v
}

// of is the value for what it is told.
func (v *value) of(t *told) (string, error) {
	var b strings.Builder
	if len(v.parts) == 0 {
		err := v.template.Execute(&b, t)
		return strings.TrimSpace(b.String()), err
	}
	write(v.parts, &b, t)
	return strings.TrimSpace(b.String()), nil
}

func write(parts []part, b *strings.Builder, t *told) {
	for _, p := range parts {
		p(b, t)
	}
}

// partsOf are the parts of a template; false if it has something else in it.
func partsOf(list *parse.ListNode) (out []part, ok bool) {
	if list == nil { // no {{else}}
		return nil, true
	}
	for _, n := range list.Nodes {
		var p part
		switch n := n.(type) {
		case *parse.TextNode:
			text := string(n.Text)
			p, ok = func(b *strings.Builder, _ *told) { b.WriteString(text) }, true
		case *parse.ActionNode:
			var f field
			f, ok = fieldOf(n.Pipe)
			p = func(b *strings.Builder, t *told) { b.WriteString(f.text(t)) }
		case *parse.IfNode:
			p, ok = choice(n)
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
func choice(n *parse.IfNode) (part, bool) {
	f, ok := fieldOf(n.Pipe)
	then, ok1 := partsOf(n.List)
	otherwise, ok2 := partsOf(n.ElseList)
	return func(b *strings.Builder, t *told) {
		if f.text(t) != f.none {
			write(then, b, t)
		} else {
			write(otherwise, b, t)
		}
	}, ok && ok1 && ok2
}

// fieldOf is the one field that is all of a pipeline.
func fieldOf(p *parse.PipeNode) (f field, ok bool) {
	if len(p.Decl) > 0 || len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return f, false
	}
	n, ok := p.Cmds[0].Args[0].(*parse.FieldNode)
	if !ok {
		return f, false
	}
	f, ok = fields[strings.Join(n.Ident, ".")]
	return f, ok
}

// field is one of those that templates are told, as text/template writes it.
type field struct {
	text func(*told) string
	none string // what {{if}} takes for nothing
}

// fields are those that need no template to be executed.
var fields = map[string]field{
	"Hex":      {text: func(t *told) string { return t.Hex() }},
	"Model":    {text: func(t *told) string { return t.Model }},
	"Label":    {text: func(t *told) string { return t.Label }},
	"Site":     {text: func(t *told) string { return t.Site }},
	"URL":      {text: func(t *told) string { return t.URL }},
	"User":     {text: func(t *told) string { return t.User }},
	"Secret":   {text: func(t *told) string { return t.Secret }},
	"Timezone": {text: func(t *told) string { return t.Timezone }},
	"Language": {text: func(t *told) string { return t.Language }},
	"NTP":      {text: func(t *told) string { return t.NTP }},

	"VoiceVLAN": {func(t *told) string { return strconv.Itoa(t.VoiceVLAN) }, "0"},

	"Proxy":            {text: func(t *told) string { return t.Proxy.String() }},
	"Proxy.Host":       {text: func(t *told) string { return t.Proxy.Host }},
	"Proxy.Port":       {func(t *told) string { return strconv.Itoa(int(t.Proxy.Port)) }, "0"},
	"Proxy.Transport":  {text: func(t *told) string { return t.Proxy.Transport }},
	"Backup":           {text: func(t *told) string { return t.Backup.String() }},
	"Backup.Host":      {text: func(t *told) string { return t.Backup.Host }},
	"Backup.Port":      {func(t *told) string { return strconv.Itoa(int(t.Backup.Port)) }, "0"},
	"Backup.Transport": {text: func(t *told) string { return t.Backup.Transport }},

	"Line.N":       {func(t *told) string { return strconv.Itoa(t.Line.N) }, "0"},
	"Line.User":    {text: func(t *told) string { return t.Line.User }},
	"Line.Host":    {text: func(t *told) string { return t.Line.Host() }},
	"Line.Auth":    {text: func(t *told) string { return t.Line.Auth }},
	"Line.Secret":  {text: func(t *told) string { return t.Line.Secret }},
	"Line.Display": {text: func(t *told) string { return t.Line.Display }},
	"Line.Label":   {text: func(t *told) string { return t.Line.Label }},
}
