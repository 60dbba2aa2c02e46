package settings

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"text/template"
	"unicode"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"perch/discovery"
	"perch/provisioning"
)

//go:embed vendors/*.yaml
var builtIn embed.FS

// Layers are the settings of all vendors, models, sites and phones.
type Layers struct {
	vendors map[provisioning.Vendor][]layer // built in, and what lies over it
	models  map[provisioning.Vendor]map[string]layer
	sites   map[string]map[provisioning.Vendor]layer
	phones  map[discovery.MAC]layer
}

// layer is one file: settings of the phone, of each of its lines, and of what anybody
// may have.
type layer struct {
	name                   string
	settings, line, common []entry
}

// entry is one setting of a layer. {n} in its key stands for the number of a line.
type entry struct {
	key   string
	gone  bool // null: it is taken out
	value value
	where string // file and line
}

// sections are the parts of a file.
var sections = []string{"settings", "lines", "common"}

// Load reads the built-in layers, and an admin's from a directory, if it is not nil:
//
//	yealink.yaml              over the built-in settings of a vendor
//	yealink/SIP-T46S.yaml     of a model
//	sites/hq/yealink.yaml     of a vendor's phones at a site
//	phones/001565aabbcc.yaml  of one phone
//
// The error has a line for each fault, as "FILE:LINE: what".
func Load(dir fs.FS) (*Layers, error) {
	l := &Layers{
		vendors: map[provisioning.Vendor][]layer{}, models: map[provisioning.Vendor]map[string]layer{},
		sites: map[string]map[provisioning.Vendor]layer{}, phones: map[discovery.MAC]layer{},
	}
	known := newDialect()
	var errs []error
	for _, v := range provisioning.Vendors {
		name := "vendors/" + string(v) + ".yaml"
		b, err := builtIn.ReadFile(name)
		if err != nil {
			return nil, err
		}
		x, err := readLayer(string(v)+" (built in)", name, b, known)
		errs = append(errs, err)
		l.vendors[v] = []layer{x}
	}
	if dir != nil {
		errs = append(errs, fs.WalkDir(dir, ".", func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || strings.HasPrefix(path.Base(name), ".") {
				return err
			}
			b, err := fs.ReadFile(dir, name)
			if err != nil {
				return err
			}
			x, err := readLayer(name, name, b, known)
			errs = append(errs, err)
			if err := l.put(name, x); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
			return nil
		}))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return l, nil
}

// put takes a file in by its name.
func (l *Layers) put(name string, x layer) error {
	base, ok := strings.CutSuffix(name, ".yaml")
	parts := strings.Split(base, "/")
	const want = "want VENDOR.yaml, VENDOR/MODEL.yaml, sites/SITE/VENDOR.yaml or phones/MAC.yaml"
	switch {
	case !ok:
		return errors.New(want)
	case len(parts) == 2 && parts[0] == "phones":
		m, err := discovery.ParseMAC(parts[1])
		l.phones[m] = x
		return err
	case len(parts) == 3 && parts[0] == "sites":
		v, err := provisioning.ParseVendor(parts[2])
		if l.sites[parts[1]] == nil {
			l.sites[parts[1]] = map[provisioning.Vendor]layer{}
		}
		l.sites[parts[1]][v] = x
		return err
	case len(parts) > 2:
		return errors.New(want)
	}
	v, err := provisioning.ParseVendor(parts[0])
	if err != nil {
		return errors.New(want)
	}
	if len(parts) == 1 {
		l.vendors[v] = append(l.vendors[v], x)
		return nil
	}
	if l.models[v] == nil {
		l.models[v] = map[string]layer{}
	}
	key := modelKey(parts[1])
	if other, twice := l.models[v][key]; twice {
		return fmt.Errorf("%s is of the same model", other.name)
	}
	l.models[v][key] = x
	return nil
}

// modelKey is a model as it is compared: people and phones write "SIP-T46S" and "T46S",
// "VVX 450" and "VVX_450".
func modelKey(s string) string {
	s = strings.Map(func(c rune) rune {
		if c == ' ' || c == '_' || c == '-' {
			return -1
		}
		return unicode.ToUpper(c)
	}, s)
	return strings.TrimPrefix(s, "SIP")
}

// dialect is what templates may call, and what of it needs no template to be executed.
type dialect struct {
	functions template.FuncMap
	fields    map[string]field
}

func newDialect() dialect {
	z := &zones{}
	return dialect{functions(z), newFields(z)}
}

// readLayer reads a file.
func readLayer(name, file string, b []byte, known dialect) (layer, error) {
	x := layer{name: name}
	doc, err := parser.ParseBytes(b, 0)
	if err != nil {
		return x, fmt.Errorf("%s: %w", file, oneLine(err))
	}
	var errs []error
	fault := func(n ast.Node, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", at(file, n.GetToken()), fmt.Sprintf(format, args...)))
	}
	for _, d := range doc.Docs {
		if d.Body == nil {
			continue
		}
		for _, section := range pairs(d.Body, fault) {
			to := x.section(section.Key.String())
			if to == nil {
				fault(section.Key, "%q: want %s", section.Key.String(), strings.Join(sections, ", "))
				continue
			}
			if _, empty := section.Value.(*ast.NullNode); empty {
				continue
			}
			for _, p := range pairs(section.Value, fault) {
				key, ok := scalar(p.Key)
				if !ok {
					fault(p.Key, "%q: want the name of a setting", p.Key.String())
					continue
				}
				e := entry{key: key, where: at(file, p.Key.GetToken())}
				text, ok := scalar(p.Value)
				if _, e.gone = p.Value.(*ast.NullNode); !ok && !e.gone {
					fault(p.Value, "%s: want a text", e.key)
					continue
				}
				if !e.gone {
					t, err := template.New(e.where).Option("missingkey=error").Funcs(known.functions).Parse(text)
					if err == nil {
						err = bounded(t)
					}
					if err == nil {
						err = toldIn(t, section.Key.String())
					}
					if err != nil {
						fault(p.Value, "%s: %s", e.key, whatOf(err))
						continue
					}
					e.value = newValue(t, known.fields)
				}
				if slices.ContainsFunc(*to, func(o entry) bool { return o.key == e.key }) {
					fault(p.Key, "%s is given twice", e.key)
				}
				*to = append(*to, e)
			}
		}
	}
	return x, errors.Join(errs...)
}

func (x *layer) section(name string) *[]entry {
	switch name {
	case sections[0]:
		return &x.settings
	case sections[1]:
		return &x.line
	case sections[2]:
		return &x.common
	}
	return nil
}

// pairs are the keys and values of a mapping.
func pairs(n ast.Node, fault func(ast.Node, string, ...any)) []*ast.MappingValueNode {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}
	}
	fault(n, "want keys and values")
	return nil
}

// scalar is a text, a number or a word as it is written, without quotes; false if a node is
// something else, as an alias.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func at(file string, t *token.Token) string {
	return fmt.Sprintf("%s:%d", file, t.Position.Line)
}

// oneLine is an error of the YAML parser without the excerpt below it.
func oneLine(err error) error {
	s, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(s)
}

// whatOf is an error of a template without the name of the template.
func whatOf(err error) string {
	s := err.Error()
	if _, what, ok := strings.Cut(s, ">: "); ok { // behind the place in the template
		if rest, called := strings.CutPrefix(what, "error calling "); called {
			_, what, _ = strings.Cut(rest, ": ")
		}
		return what
	}
	if i := strings.LastIndex(s, ": "); i >= 0 {
		return s[i+2:]
	}
	return s
}
