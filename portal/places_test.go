package portal

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestPlaces: the list of a small company is on one page, indented, and each
// place has a page of its own.
func TestPlaces(t *testing.T) {
	w := newWorld(t)
	w.load(map[string]string{
		"sites":     "id,name\nb2,Branch",
		"locations": "id,parent_id,kind,name,site,country,city,street,house_number,floor\nb2,,company,Branch office,b2,US,Chicago,Lake Street,3,\nany,,company,Warehouse,,US,Chicago,Dock Road,8,\nhq-9f,hq-a,company,Ninth floor,,,,,,9",
	})
	p := w.browser()
	path := p.asked(w.unknownPort(), alice)
	page := p.get(path + "/places")
	page.has(t, 200, "100 Main Street, Building A, Floor 4, Room 401, Springfield, IL 62701, US", "Warehouse", "Ninth floor", `class="d3"`, "!Branch office", "!Home", "!Secret cabin", `!rel="next"`)
	p.get(path+"/places?at=hq-4f").has(t, 200, "Is “Reception” here?", "Building A, Floor 4", "Headquarters</bdi></a>", "Room 402", `name="place" value="hq-4f"`, "!Third floor")
	p.get(path+"/places?at=hq-401").has(t, 200, "Is “Reception” here?", "!Or more exactly")
	for _, not := range []string{"nowhere", "b2", "bob-home"} {
		p.get(path+"/places?at="+not).has(t, 200, "Where is “Reception”?", "!Is “Reception” here?", "!Lake Street", "!Elm Road")
	}
	p.get(path+"/places?q=main+402").has(t, 200, "One place with", "Room 402", "!Room 401", "!Third floor")
	p.get(path+"/places?at=hq-4f&q=SPRINGFIELD+room").has(t, 200, "2 places with", "Room 401", "Room 402")
	p.get(path+"/places?q=lake").has(t, 200, "Nothing in the list has all of", `value="lake"`)
}

// TestNoPlaces: a site whose list is empty.
func TestNoPlaces(t *testing.T) {
	w := newWorld(t)
	w.load(map[string]string{"sites": "id,name,default_location_id\nhq,Headquarters,\nb2,Branch,", "locations": "id,site\nhq,b2\nhq-a,b2\nhq-3f,b2\nhq-4f,b2\nhq-401,b2\nhq-402,b2"})
	p := w.browser()
	path := p.asked(w.unknownPort(), bob)
	p.get(path).has(t, 200, "A company place that is not in the list", "says no address", "!A place in the company’s list")
	p.get(path+"/places").has(t, 200, "no places for this site yet", "Give a new address")
	p.get(path+"/address").has(t, 200, "Choose a country", "Postcode")
}

// TestManyPlaces: with thousands of places a page has at most fifty, all of them
// can be reached, and numbers count as numbers.
func TestManyPlaces(t *testing.T) {
	w := newWorld(t)
	var csv strings.Builder
	csv.WriteString("id,parent_id,kind,name,site,floor,room\n")
	for f := range 10 {
		fmt.Fprintf(&csv, "t-%d,hq-a,company,Tower %d,hq,%d,\n", f, f+1, f+1)
		for r := range 500 {
			fmt.Fprintf(&csv, "t-%d-%d,t-%d,company,Desk %d-%d,hq,,%d\n", f, r, f, f+1, r, r)
		}
	}
	w.load(map[string]string{"locations": csv.String()})
	p := w.browser()
	path := p.asked(w.unknownPort(), alice)
	p.get(path).has(t, 200, "Choose among 5016 places")
	p.get(path+"/places").has(t, 200, "Headquarters", "One place within it", "!Tower 1")
	p.get(path+"/places?at=hq-a").has(t, 200, "Tower 9", "500 places within it", "!Desk")
	seen := 0
	next := path + "/places?at=t-3"
	for next != "" {
		page := p.get(next)
		n := strings.Count(page.body, "<bdi>Desk 4-")
		if n == 0 || n > pageRows {
			t.Fatalf("%s: %d rows", next, n)
		}
		seen += n
		next = ""
		if _, rest, ok := strings.Cut(page.body, `" rel="next"`); ok {
			before := page.body[:len(page.body)-len(rest)-len(`" rel="next"`)]
			next = strings.ReplaceAll(before[strings.LastIndex(before, `"`)+1:], "&amp;", "&")
		}
	}
	if seen != 500 {
		t.Errorf("%d desks by paging, want 500", seen)
	}
	p.get(path+"/places?at=t-3&from=50").has(t, 200, "51 to 100 of 500", "Desk 4-99<", "!Desk 4-100<", `rel="prev"`)
	for _, odd := range []string{"-5", "x", "500", "99999999999999999999"} {
		p.get(path+"/places?at=t-3&from="+odd).has(t, 200, "1 to 50 of 500")
	}
	p.get(path+"/places?q=desk").has(t, 200, "1 to 50 of 5000")
	p.post(path, "do", "company", "place", "t-9-499").has(t, 200, "Thank you", "Desk 10-499")
}

// TestExact: the choice among places within the detected one, by list or by
// search.
func TestExact(t *testing.T) {
	w := newWorld(t)
	p := w.browser()
	path := p.asked(w.knownPort(), alice)
	p.get(path).has(t, 200, "Where exactly?", `value="" checked`, "Room 401", "Room 402", `!type="search"`)
	var csv strings.Builder
	csv.WriteString("id,parent_id,kind,name,site,room\n")
	for r := range 30 {
		fmt.Fprintf(&csv, "hq-4-%d,hq-4f,company,Room 4%02d,hq,4%02d\n", r, r+50, r+50)
	}
	w.load(map[string]string{"locations": csv.String()})
	p.get(path).has(t, 200, "There are 32 places within it", `type="search"`, `value="" checked`, "!Room 401")
	p.get(path+"?q=room+461").has(t, 200, "Room 461", "!Room 462", `value="room 461"`)
	p.get(path+"?q=room").has(t, 200, "And 12 more: add a word")
	p.get(path+"?q=cellar").has(t, 200, "Nothing within it is called", "Just this address")
	p.post(path, "do", "confirm", "exact", "hq-4-11").has(t, 200, "Thank you", "Room 461", "!review it")
}

func TestCompareNatural(t *testing.T) {
	want := []string{"", "2nd floor", "10th floor", "Floor", "Floor 2", "Floor 9", "Floor 10", "Floor 10 north", "Floor 11", "Room 007", "Room 8"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, compareNatural)
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// BenchmarkPrompt is the page of a company with 5 000 places.
func BenchmarkPrompt(b *testing.B) {
	w := newWorld(b)
	var csv strings.Builder
	csv.WriteString("id,parent_id,kind,name,site,room\n")
	for r := range 5000 {
		fmt.Fprintf(&csv, "hq-3-%d,hq-3f,company,Desk %d,hq,%d\n", r, r, r)
	}
	w.load(map[string]string{"locations": csv.String()})
	p := w.browser()
	path := p.asked(w.unknownPort(), alice)
	for _, sub := range []string{"", "/places?at=hq-3f", "/places?q=4321"} {
		b.Run(sub, func(b *testing.B) {
			for b.Loop() {
				if page := p.get(path + sub); page.status != 200 {
					b.Fatal(page.status)
				}
			}
		})
	}
}
