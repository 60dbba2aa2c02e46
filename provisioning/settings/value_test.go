package settings

import (
	"strings"
	"testing"
	"text/template"

	"perch/provisioning"
)

// What a template's parts write is what text/template does, of each field, and of each
// template that is built in, for a phone that has everything and for one that has nothing.
func TestParts(t *testing.T) {
	texts := map[string]bool{"a text": true, " {{/* nothing */}} x ": true, "{{if .User}}{{if .NTP}}both{{else}}user{{end}}{{else}}none{{end}}": true}
	z := &zones{}
	fields := newFields(z)
	for name := range fields {
		texts["<{{"+name+"}}>"] = true
		texts["{{if "+name+"}}yes{{else}}no{{end}}"] = true
	}
	l, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, layers := range l.vendors {
		for _, e := range append(append(layers[0].settings, layers[0].line...), layers[0].common...) {
			texts[e.value.template.Root.String()] = false
		}
	}
	full := desk(provisioning.Yealink)
	for text, simple := range texts {
		v := newValue(template.Must(template.New("").Funcs(functions(z)).Parse(text)), fields)
		if simple && v.parts == nil {
			t.Errorf("%s has no parts", text)
		}
		for _, x := range []told{{full, full.Lines[0]}, {full, Line{}}, {&Device{Vendor: provisioning.Yealink, Proxy: Peer{"10.1.2.5", 5060, "udp"}}, Line{}}} {
			var b strings.Builder
			failed := v.template.Execute(&b, &x)
			want := strings.TrimSpace(b.String())
			if failed != nil {
				want = ""
			}
			if got, err := v.of(&x); (err == nil) != (failed == nil) || got != want {
				t.Errorf("%s: got %q, %v, want %q, %v", text, got, err, want, failed)
			}
		}
	}
	if v := newValue(template.Must(template.New("").Parse("{{.Nope}}")), fields); v.parts != nil {
		t.Error("a field that is none has a part")
	}
}
