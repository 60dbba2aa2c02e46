package portal

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"perch/gateway"
	"perch/gateway/words"
	"perch/location"
	"perch/provisioning"
)

// pageRows is how many places one page lists.
const pageRows = 50

// placesView is a page of the company's list: a place with those within it, the
// top of the list, or what a search found.
type placesView struct {
	Phone  words.Phone
	At     string // id of Place
	Place  *words.Place
	Crumbs []link // above Place, the widest first
	Query  string
	Rows   []placeRow
	Total  int // rows of all pages
	From   int // of the first row, from 1
	Prev   string
	Next   string
}

// Last is the number of the last row shown.
func (p placesView) Last() int { return p.From + len(p.Rows) - 1 }

type link struct{ Href, Text string }

type placeRow struct {
	Href, Name, Line string
	Depth            int
	Below            int // places within it; 0 where all are on the page
}

// showPlaces lists the company's places of the phone's site.
func showPlaces(v *visit) {
	if q, ok := v.openQuestion(); ok {
		v.places(q, location.ID(v.r.URL.Query().Get("at")), http.StatusOK, nil)
	}
}

// placesAgain shows a place again that was chosen in vain.
func (v *visit) placesAgain(q gateway.Question, at location.ID, status int, n *notice) {
	if status == http.StatusConflict {
		now, ok := v.openQuestion()
		if !ok {
			return
		}
		q = now
	}
	v.places(q, at, status, n)
}

func (v *visit) places(q gateway.Question, at location.ID, status int, n *notice) {
	c := v.catalogue(q.Attachment.Site)
	p := placesView{Phone: words.PhoneOf(q.Letter), Query: words.Clean(v.r.URL.Query().Get("q"), words.MaxWord)}
	base := v.prefix + v.path + "/places"
	if c.lists(at) {
		p.At, p.Place = string(at), words.PlaceOf(v.place(at, v.who))
		for _, above := range c.above(at) {
			p.Crumbs = append(p.Crumbs, link{placeHref(base, above.ID, "", 0), words.Clean(nameOf(above), words.MaxName)})
		}
	} else {
		at = ""
	}
	found := c.find(at, newSearch(p.Query))
	from, err := strconv.Atoi(v.r.URL.Query().Get("from"))
	if err != nil || from < 0 || from >= len(found) {
		from = 0
	}
	end := min(from+pageRows, len(found))
	p.Total, p.From = len(found), from+1
	for _, f := range found[from:end] {
		p.Rows = append(p.Rows, v.row(base, f))
	}
	if from > 0 {
		p.Prev = placeHref(base, at, p.Query, max(0, from-pageRows))
	}
	if end < len(found) {
		p.Next = placeHref(base, at, p.Query, end)
	}
	title := "Where is " + p.Phone.Name + "? The company’s list"
	if p.Place != nil {
		title = "Is " + p.Phone.Name + " here? " + orElse(p.Place.Name, p.Place.Line)
	}
	v.show(status, "places", title, n, p)
}

func (v *visit) row(base string, f found) placeRow {
	row := placeRow{Href: placeHref(base, f.ID, "", 0), Depth: min(f.depth, maxDepth), Below: f.below}
	if l := v.place(f.ID, v.who); l != nil {
		row.Name = words.Clean(l.Name, words.MaxName)
		row.Line = words.Clean(l.Address.String(), words.MaxLine)
	}
	if row.Name == "" {
		row.Name, row.Line = row.Line, ""
	}
	return row
}

func placeHref(base string, at location.ID, query string, from int) string {
	q := url.Values{}
	if at != "" {
		q.Set("at", string(at))
	}
	if query != "" {
		q.Set("q", query)
	}
	if from > 0 {
		q.Set("from", strconv.Itoa(from))
	}
	if len(q) == 0 {
		return base
	}
	return base + "?" + q.Encode()
}

// catalogue is the company's list as the users of one site see it. Addresses are
// as they stand in the list, not complete.
type catalogue struct {
	all    map[location.ID]location.Location // retired ones too
	listed map[location.ID]bool              // live, of the site
	under  map[location.ID][]location.ID     // listed ones by their nearest listed parent; "" at the top
}

// found is a place of the list.
type found struct {
	location.Location
	depth int
	below int
}

// catalogue reads the list. Where the site of a phone is not known, and for
// places without a site, all count.
func (h *Handler) catalogue(site string) catalogue {
	c := catalogue{all: map[location.ID]location.Location{}, listed: map[location.ID]bool{}, under: map[location.ID][]location.ID{}}
	h.office.Read(func(d *provisioning.Directory) {
		for l := range d.Tree().All() {
			if l.Kind == location.Company {
				c.all[l.ID] = l
			}
		}
	})
	for id, l := range c.all {
		if of := c.siteOf(l); l.Live() && (site == "" || of == "" || of == site) {
			c.listed[id] = true
		}
	}
	for id := range c.listed {
		parent := c.parent(id)
		c.under[parent] = append(c.under[parent], id)
	}
	for _, ids := range c.under {
		slices.SortFunc(ids, func(a, b location.ID) int {
			return cmp.Or(compareNatural(nameOf(c.all[a]), nameOf(c.all[b])), cmp.Compare(a, b))
		})
	}
	return c
}

func (c catalogue) lists(id location.ID) bool { return c.listed[id] }

// siteOf returns the site of a location, or that of the nearest above it that
// names one.
func (c catalogue) siteOf(l location.Location) string {
	for l.Site == "" && l.Parent != "" {
		l = c.all[l.Parent]
	}
	return l.Site
}

// parent returns the nearest listed location above one, or "".
func (c catalogue) parent(id location.ID) location.ID {
	for id = c.all[id].Parent; id != "" && !c.listed[id]; {
		id = c.all[id].Parent
	}
	return id
}

// above returns the listed locations above one, the widest first.
func (c catalogue) above(id location.ID) []location.Location {
	var out []location.Location
	for id = c.parent(id); id != ""; id = c.parent(id) {
		out = append(out, c.all[id])
	}
	slices.Reverse(out)
	return out
}

// find returns what a page below a location lists: what a search finds there,
// else all, indented, if that fits on one page, else those directly below it.
func (c catalogue) find(at location.ID, s search) []found {
	var all []found
	text := ""
	for _, l := range append(c.above(at), c.all[at]) {
		text += fmt.Sprintf(" %s %s", l.Name, l.Address)
	}
	c.walk(at, 0, text, func(f found, text string) {
		if s.matches(text) {
			all = append(all, f)
		}
	})
	switch {
	case !s.empty():
		for i := range all {
			all[i].depth, all[i].below = 0, len(c.under[all[i].ID])
		}
		return all
	case len(all) <= pageRows:
		return all
	}
	var out []found
	for _, id := range c.under[at] {
		out = append(out, found{c.all[id], 0, len(c.under[id])})
	}
	return out
}

// walk goes through the places below one, each before those below it, with the
// text to be searched: its own words and those of what it lies in.
func (c catalogue) walk(at location.ID, depth int, text string, visit func(found, string)) {
	for _, id := range c.under[at] {
		l := c.all[id]
		own := fmt.Sprintf("%s %s %s", text, l.Name, l.Address)
		visit(found{l, depth, 0}, own)
		c.walk(id, depth+1, own, visit)
	}
}

// compareNatural orders names as people do: room 9 before room 10.
func compareNatural(a, b string) int {
	for a != "" && b != "" {
		x, y := leadingNumber(a), leadingNumber(b)
		if x != "" && y != "" {
			nx, ny := strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if c := cmp.Or(cmp.Compare(len(nx), len(ny)), cmp.Compare(nx, ny)); c != 0 {
				return c
			}
			a, b = a[len(x):], b[len(y):]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func leadingNumber(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
}
