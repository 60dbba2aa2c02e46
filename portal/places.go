package portal

import (
	"net/http"
	"net/url"
	"strconv"

	"perch/gateway"
	"perch/gateway/words"
	"perch/location"
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
	if c.listed[at] {
		p.At, p.Place = string(at), words.PlaceOf(v.place(at, v.who))
		for _, above := range c.above(at) {
			p.Crumbs = append(p.Crumbs, link{placeHref(base, above.ID, "", 0), words.Clean(nameOf(*above), words.MaxName)})
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
