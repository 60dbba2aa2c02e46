package portal

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // sites have time zones, and a small server may not know them

	"perch/gateway"
	"perch/gateway/words"
	"perch/location"
	"perch/provisioning"
)

// The pages: layout.html is around all of them, part-*.html are what several
// share, and every other file is the body of one.
//
//go:embed templates
var templates embed.FS

func readSheets() (map[string]*template.Template, error) {
	base, err := template.New("layout.html").ParseFS(templates, "templates/layout.html", "templates/part-*.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		return nil, err
	}
	sheets := map[string]*template.Template{}
	for _, name := range names {
		page := strings.TrimSuffix(path.Base(name), ".html")
		if page == "layout" || strings.HasPrefix(page, "part-") {
			continue
		}
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(templates, name)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		sheets[page] = t
	}
	return sheets, nil
}

// visit is one request for one page.
type visit struct {
	*Handler
	w    http.ResponseWriter
	r    *http.Request
	id   int64  // of the prompt, claim or answer
	path string // its clean path, without the portal's prefix
	who  string // email of the reader for whom the link was made
}

// notice is a box on top of a page.
type notice struct {
	Title, Text string
	Good        bool   // all went well; else something could not be done
	Reference   string // to be found in the log
}

// frame is what the layout sees; Page is what the page's own template sees.
type frame struct {
	Title        string
	Failed       bool // what was sent is wrong: the title says so
	Wide         bool // it has two columns where there is room
	Organization string
	Prefix       string // of the portal's paths
	Style        string // path of the stylesheet
	Script       string // and of the script of the page that has one
	Path         string // of the thing's page, prefix included
	Notice       *notice
	Page         any
}

// wide are the pages with two columns.
var wide = []string{"prompt", "answered", "over", "claim"}

// show writes a page. It is written only when it is whole.
func (v *visit) show(status int, sheet, title string, n *notice, page any) {
	f := frame{
		Title: title, Failed: status == http.StatusUnprocessableEntity, Wide: slices.Contains(wide, sheet), Organization: v.organization, Prefix: v.prefix,
		Style: v.prefix + v.assets["style.css"].versioned, Script: v.prefix + v.assets["alerts.js"].versioned, Path: v.prefix + v.path, Notice: n, Page: page,
	}
	var b bytes.Buffer
	if err := v.sheets[sheet].ExecuteTemplate(&b, "layout", f); err != nil {
		panic(fmt.Errorf("page %s: %w", sheet, err))
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b.Bytes()) // whoever went away needs no page
}

// redirect leads to a page of the portal by GET.
func (v *visit) redirect(to string) {
	v.w.Header().Set("Location", v.prefix+to)
	v.w.WriteHeader(http.StatusSeeOther)
}

// zone returns the time zone of a site, UTC if it has none or an unknown one.
func (h *Handler) zone(site string) *time.Location {
	var name string
	h.office.Read(func(d *provisioning.Directory) {
		s, _ := d.Site(site)
		name = s.Timezone
	})
	z, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return z
}

// minute writes a time as words.Minute does, in a time zone.
func minute(t time.Time, z *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(z).Format("Monday, 2 January 2006, 15:04 MST")
}

// place returns a location as a reader may see it, its address complete: nil if
// there is none, or it is somebody else's own.
func (h *Handler) place(id location.ID, reader string) *location.Location {
	var l location.Location
	var ok bool
	h.office.Read(func(d *provisioning.Directory) {
		if l, ok = d.Location(id); ok {
			l.Address = d.Tree().Complete(id)
		}
	})
	if !ok || l.Kind == location.Personal && l.Owner != reader {
		return nil
	}
	return &l
}

// about is what pages tell of a phone and its network.
type about struct {
	Phone    words.Phone
	Network  string // in words; empty if not known
	Before   string // the network that was left; empty if none was
	Then     string // the address in force there
	InForce  string // what an emergency call says now; empty: nothing
	Evidence []words.Evidence
	Rule     string // of the wiremap, that gave the place
}

func aboutOf(l gateway.Letter) about {
	return about{
		Phone: words.PhoneOf(l), Network: words.Network(l.Attachment.Network()), Before: words.Network(l.From),
		Then: words.Clean(l.FromPlace, words.MaxLine), InForce: words.Clean(l.InForce, words.MaxLine),
		Evidence: words.Seen(l.Evidence), Rule: words.Clean(l.Rule, words.MaxLine),
	}
}
