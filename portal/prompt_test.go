package portal

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"testing"
	"time"

	"perch/gateway"
)

// asked opens the link of a prompt and returns the path of its page.
func (p *person) asked(id int64, user string) string {
	p.t.Helper()
	page := p.open(gateway.MailPrompt, id, user)
	if page.status != 200 {
		p.t.Fatalf("the link of prompt %d: status %d", id, page.status)
	}
	return page.path
}

// TestAnswers: each way to answer, and what stands afterwards.
func TestAnswers(t *testing.T) {
	address := []string{"do", "save", "country", "US", "state", "il", "city", "Springfield", "street", "Oak Lane", "house_number", "5", "postal_code", "62701", "floor", "2", "room", "2B"}
	for _, tt := range []struct {
		name  string
		known bool // the port is one that the wiremap knows
		sub   string
		form  []string
		want  []string
		sent  string // what an emergency call says afterwards
	}{
		{"confirm", true, "", []string{"do", "confirm", "exact", ""}, []string{"Thank you", "Fourth floor", "!review it"}, "Fourth floor"},
		{"confirm more exactly", true, "", []string{"do", "confirm", "exact", "hq-401"}, []string{"Thank you", "Room 401", "!review it"}, "Room 401"},
		{"company", false, "", []string{"do", "company", "place", "hq-3f"}, []string{"Thank you", "Third floor", "review it", "write to you"}, "Third floor"},
		{"company, within the detected one", true, "", []string{"do", "company", "place", "hq-402"}, []string{"Thank you", "Room 402", "!review it"}, "Room 402"},
		{"company, the detected one", true, "", []string{"do", "company", "place", "hq-4f"}, []string{"Thank you", "Fourth floor", "!review it"}, "Fourth floor"},
		{"company, not the detected one", true, "", []string{"do", "company", "place", "hq-3f"}, []string{"Thank you", "Third floor", "review it"}, "Third floor"},
		{"propose", false, "/address", address, []string{"Thank you", "5 Oak Lane", "Floor 2, Room 2B", "IL 62701", "review it"}, "5 Oak Lane"},
		{"saved personal", false, "", []string{"do", "personal", "place", "alice-home"}, []string{"Thank you", "22 Oak Avenue", "!review it"}, "Home"},
		{"new personal", false, "/own", append([]string{"name", "Cabin"}, address...), []string{"Thank you", "Cabin", "5 Oak Lane", "!review it"}, "Cabin"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			id := w.unknownPort
			if tt.known {
				id = w.knownPort
			}
			prompt := id()
			p := w.browser()
			path := p.asked(prompt, alice)
			page := p.post(path+tt.sub, tt.form...)
			page.has(t, 200, append(tt.want, "Take my answer back", "mail that confirms this")...)
			if page.path != path {
				t.Errorf("it led to %s, want %s", page.path, path)
			}
			q, _ := w.office.Question(prompt, alice)
			if q.State != gateway.Answered || q.By != alice || !strings.Contains(q.InForce, tt.sent) {
				t.Errorf("state %s by %s, in force %q, want %q", q.State, q.By, q.InForce, tt.sent)
			}
			// Sent twice, opened again: the receipt, and nothing else happens.
			before := w.snapshot()
			p.post(path+tt.sub, tt.form...).has(t, 200, "Thank you")
			p.post(path, "do", "unmoved").has(t, 200, "Thank you")
			p.get(path+"/places").has(t, 200, "Thank you")
			p.open(gateway.MailPrompt, prompt, alice).has(t, 200, "Thank you")
			if w.snapshot() != before {
				t.Error("a second time had an effect")
			}
		})
	}
}

func TestNotMoved(t *testing.T) {
	w := newWorld(t)
	p := w.browser()
	first := w.knownPort()
	p.open(gateway.MailPrompt, first, alice).has(t, 200, "!has not moved")
	w.answer(gateway.Reply{Prompt: first, Kind: gateway.AnswerConfirm, By: alice})
	w.plug(reception, "sw-9", "Gi1/0/9", "10.1.3.20")
	path := p.asked(w.openPrompt(reception), alice)
	p.get(path).has(t, 200, "The phone has not moved", "Before", "port Gi1/0/2 of switch sw-4fl", "The place where it was before")
	p.post(path, "do", "unmoved").has(t, 200, "Thank you", "Fourth floor")
}

func TestNotMyPhone(t *testing.T) {
	w := newWorld(t)
	id := w.unknownPort()
	p, other := w.browser(), w.browser()
	path := p.asked(id, alice)
	p.post(path, "do", "disown").has(t, 200, "You told us that “Reception” is not your phone", "!Ask me again")
	before := w.snapshot()
	p.post(path, "do", "company", "place", "hq-3f").has(t, 200, "is not your phone")
	p.post(path+"/address", "do", "save").has(t, 200, "is not your phone")
	p.post(path, "do", "disown").has(t, 200, "is not your phone")
	if w.snapshot() != before {
		t.Error("who said that it is not their phone still answered")
	}
	other.asked(id, bob)
	other.post(path, "do", "company", "place", "hq-3f").has(t, 200, "Thank you")
}

// TestTakeBack: who answered takes it back from the receipt, and is led to the
// question that is asked once more.
func TestTakeBack(t *testing.T) {
	w := newWorld(t)
	p := w.browser()
	path := p.asked(w.unknownPort(), alice)
	p.post(path, "do", "company", "place", "hq-3f").has(t, 200, "Take my answer back")
	p.post(path, "do", "object").has(t, 200, "does not hold any more", "Answer the new question", "!Take my answer back")
	before := w.snapshot()
	p.post(path, "do", "object").has(t, 409, "could not be done", "does not hold any more")
	if w.snapshot() != before {
		t.Error("taking back twice had an effect")
	}
	page := p.post(path, "do", "current")
	page.has(t, 200, "Where is your desk phone “Reception”?")
	if page.path == path {
		t.Error("it led back to the old question")
	}
	p.post(page.path, "do", "company", "place", "hq-4f").has(t, 200, "Thank you", "Fourth floor")
}

// TestSomebodyElse: what the phone's other users see of an answer.
func TestSomebodyElse(t *testing.T) {
	w := newWorld(t)
	id := w.unknownPort()
	w.answer(gateway.Reply{Prompt: id, Kind: gateway.AnswerPersonal, Location: "bob-home", By: bob})
	p := w.browser()
	path := p.asked(id, alice)
	page := p.get(path)
	page.has(t, 200, "Somebody told us already", bob, "A personal place of", "That is not right", "!Secret cabin", "!Elm Road", "!Thank you")
	p.post(path, "do", "company", "place", "hq-3f").has(t, 200, "Somebody told us already")
	p.open(gateway.MailNotice, 1, alice).has(t, 200, "Somebody told us already", bob, "!Secret cabin", "!Elm Road")
	p.open(gateway.MailNotice, 1, bob).has(t, 200, "Thank you", "Secret cabin", "9 Elm Road")
	p.open(gateway.MailNotice, 1, alice)
	p.post("/answers/1", "do", "explode").has(t, 400)
	page = p.post("/answers/1", "do", "object")
	page.has(t, 200, "does not hold any more", "asked again by a new mail", "!That is not right")
	before := w.snapshot()
	p.post("/answers/1", "do", "object").has(t, 200, "does not hold any more")
	if w.snapshot() != before {
		t.Error("objecting twice had an effect")
	}
	// Detected next time, it is still nobody's but Bob's.
	w.answer(gateway.Reply{Prompt: w.openPrompt(reception), Kind: gateway.AnswerPersonal, Location: "bob-home", By: bob})
	w.plug(lobby, "sw-3fl", "Gi1/0/7", "10.1.2.21")
	p.open(gateway.MailPrompt, w.openPrompt(lobby), bob).has(t, 200, "Is this where your desk phone “Lobby” is?", "9 Elm Road")
}

// TestOver: the pages of questions that cannot be answered any more, and that a
// form sent to one changes nothing.
func TestOver(t *testing.T) {
	w := newWorld(t)
	p := w.browser()
	first := w.unknownPort()
	path := p.asked(first, alice)
	w.plug(reception, "sw-4fl", "Gi1/0/5", "10.1.3.20")
	current := w.openPrompt(reception)
	before := w.snapshot()
	p.post(path, "do", "company", "place", "hq-3f").has(t, 200, "has moved on", "Answer the current question", "Fourth floor")
	p.post(path+"/own", "do", "save", "country", "US").has(t, 200, "has moved on")
	if w.snapshot() != before {
		t.Error("an answer to a superseded question had an effect")
	}
	page := p.post(path, "do", "current")
	page.has(t, 200, "at Fourth floor?")
	if want := fmt.Sprintf("/prompts/%d", current); page.path != want {
		t.Errorf("the button led to %s, want %s", page.path, want)
	}
	w.answer(gateway.Reply{Prompt: current, Kind: gateway.AnswerConfirm, By: bob})
	p.get(path).has(t, 200, "has moved on", "nothing left for you to do", "!Answer the current question")
	p.post(path, "do", "current").has(t, 200, "has moved on")

	w.plug(reception, "sw-8", "Gi1/0/5", "10.1.2.20")
	away := w.openPrompt(reception)
	w.plug(reception, "sw-4fl", "Gi1/0/5", "10.1.3.20")
	p.open(gateway.MailPrompt, away, alice).has(t, 200, "is back", "Fourth floor", "!<button")
}

func TestExpired(t *testing.T) {
	w := newWorld(t)
	p := w.browser()
	path := p.asked(w.unknownPort(), alice)
	w.wait(15 * 24 * time.Hour)
	p.post(path, "do", "company", "place", "hq-3f").has(t, 200, "Nobody told us in time", "Ask me again", "Headquarters")
	before := len(w.office.Prompts())
	p.post(path, "do", "ask").has(t, 200, "We have asked again", "Answer the current question", "!Ask me again")
	p.post(path, "do", "ask").has(t, 409, "could not be done", "We have asked again")
	if n := len(w.office.Prompts()); n != before+1 {
		t.Errorf("%d prompts, want %d", n, before+1)
	}
	p.post(path, "do", "current").has(t, 200, "Where is your desk phone “Reception”?")
}

// TestParallel: of a hundred at once one has an effect, and all see the receipt.
func TestParallel(t *testing.T) {
	w := newWorld(t)
	id := w.unknownPort()
	first := w.browser()
	path := first.asked(id, alice)
	before := w.office.done
	var wg sync.WaitGroup
	pages := make([]page, 100)
	for i := range pages {
		wg.Go(func() {
			jar, _ := cookiejar.New(nil)
			p := &person{t, w, first.server, &http.Client{Jar: jar, Transport: &http.Transport{}}}
			defer p.client.CloseIdleConnections()
			p.asked(id, alice)
			pages[i] = p.post(path, "do", "company", "place", []string{"hq-3f", "hq-401"}[i%2])
		})
	}
	wg.Wait()
	for _, page := range pages {
		page.has(t, 200, "Thank you")
	}
	if n := w.office.done - before; n != 1 {
		t.Errorf("%d answers were taken, want 1", n)
	}
	if n := len(w.office.Claims()); n != 1 {
		t.Errorf("%d claims, want 1", n)
	}
}

// behind is an office that first shows each question and claim as it was a moment
// ago.
type behind struct {
	*office
	question gateway.Question
	review   gateway.Review
	shown    int
}

func (b *behind) Question(prompt int64, reader string) (gateway.Question, bool) {
	if b.shown++; b.shown == 1 {
		return b.question, true
	}
	return b.office.Question(prompt, reader)
}

func (b *behind) ReviewOf(claim int64, reader string) (gateway.Review, bool) {
	if b.shown++; b.shown == 1 {
		return b.review, true
	}
	return b.office.ReviewOf(claim, reader)
}

// TestTooLate: somebody decides while a form is on its way. Its sender is led to
// what became of the thing, without reproach.
func TestTooLate(t *testing.T) {
	w := newWorld(t)
	id := w.unknownPort()
	q, _ := w.office.Question(id, alice)
	for _, form := range [][]string{
		{"", "do", "confirm"}, {"", "do", "company", "place", "hq-3f"}, {"", "do", "personal", "place", "alice-home"}, {"", "do", "unmoved"},
		{"/address", "do", "save", "country", "JP", "city", "x", "landmark", "x"}, {"/own", "do", "save", "country", "JP", "city", "x", "landmark", "x"},
	} {
		p := w.browser()
		path := p.asked(id, alice)
		if q, _ := w.office.Question(id, bob); q.State == 0 {
			w.answer(gateway.Reply{Prompt: id, Kind: gateway.AnswerCompany, Location: "hq-401", By: bob})
		}
		w.handler.office = &behind{office: w.office, question: q}
		p.post(path+form[0], form[1:]...).has(t, 200, "Somebody told us already", "Room 401", "!could not be done")
		w.handler.office = w.office
	}
	p := w.browser()
	p.open(gateway.MailClaim, 1, rita)
	r, _ := w.office.ReviewOf(1, rita)
	if err := w.office.Review(t.Context(), gateway.Decision{Claim: 1, By: "ada@example.com", Approve: true}); err != nil {
		t.Fatal(err)
	}
	w.handler.office = &behind{office: w.office, review: r}
	p.post("/claims/1", "do", "reject", "reason", "no").has(t, 200, "Approved: the address", "ada@example.com")
}

// TestRefused: what the engine does not take is shown again with a sentence, and
// nothing of the command line.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	p := w.browser()
	path := p.asked(w.knownPort(), alice)
	before := w.snapshot()
	const no = "That could not be done"
	p.post(path, "do", "company", "place", "nowhere").has(t, 409, no, "The company’s list", "!-company")
	p.post(path, "do", "company").has(t, 409, no)
	p.post(path, "do", "company", "place", "bob-home").has(t, 409, no, "!Elm Road")
	p.post(path, "do", "personal", "place", "bob-home").has(t, 409, no, "Which of your own places", "Home", "!Elm Road")
	p.post(path, "do", "confirm", "exact", "hq-3f").has(t, 409, no, "at Fourth floor?")
	p.post(path, "do", "unmoved").has(t, 409, no)
	if w.snapshot() != before {
		t.Error("what was refused had an effect")
	}
}

// TestNotStored: what could not be stored is a page that says so, with all that
// was chosen and typed, and works when the store does.
func TestNotStored(t *testing.T) {
	w := newWorld(t)
	p := w.browser()
	path := p.asked(w.knownPort(), alice)
	w.office.fail = errors.New("disk full")
	// What is in the engine's memory may not be in the store: no page tells it.
	p.get(path).has(t, 503, "This page is not to be had just now", "Nothing that you told us is lost")
	sorry := []string{"could not be saved just now", "Reference: "}
	check := func(page page, texts ...string) {
		t.Helper()
		page.has(t, 503, append(texts, sorry...)...)
		if page.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		_, ref, _ := strings.Cut(page.body, "Reference: ")
		if !strings.Contains(w.logged(), "reference="+ref[:8]) || !strings.Contains(w.logged(), "disk full") {
			t.Error("the log has not the reference and the reason")
		}
	}
	check(p.post(path, "do", "confirm", "exact", "hq-402"), `value="hq-402" checked`)
	check(p.post(path, "do", "company", "place", "hq-3f"), "Is “Reception” here?", `value="hq-3f"`)
	check(p.post(path, "do", "personal", "place", "alice-home"), `value="alice-home" checked`)
	check(p.post(path, "do", "disown"), "at Fourth floor?")
	form := []string{"do", "save", "country", "US", "state", "IL", "city", "Springfield", "street", "Oak Lane", "house_number", "5", "postal_code", "62701", "floor", "2", "name", "Annexe", "landmark", "The big tree"}
	check(p.post(path+"/address", form...), `value="Oak Lane"`, `value="2"`, `value="The big tree"`)
	check(p.post(path+"/own", form...), `value="Annexe"`)
	w.office.fail = nil
	p.post(path+"/address", form...).has(t, 200, "Thank you", "Oak Lane", "The big tree")
}

// TestHidden: where the detected place is somebody else's own, it is not shown
// and cannot be confirmed.
func TestHidden(t *testing.T) {
	w := newWorld(t)
	w.answer(gateway.Reply{Prompt: w.unknownPort(), Kind: gateway.AnswerPersonal, Location: "bob-home", By: bob})
	w.load(map[string]string{"phones": "mac,kind,label,site,users\n00:15:65:aa:bb:02,desk,Lobby,hq,alice@example.com;bob@example.com"})
	w.plug(lobby, "sw-3fl", "Gi1/0/7", "10.1.2.21")
	p := w.browser()
	path := p.asked(w.openPrompt(lobby), alice)
	p.get(path).has(t, 200, "Where is your desk phone “Lobby”?", "a personal one of somebody else", "!Yes, ", "!Elm Road", "!Secret cabin")
	p.post(path, "do", "confirm").has(t, 409, "could not be done", "!Elm Road")
}

// TestHostile: whatever stands in a field arrives as text.
func TestHostile(t *testing.T) {
	attacks := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `{{.}}`, `javascript:alert(1)`,
		"a\u202egnp.exe", strings.Repeat("long ", 200), "&lt;b&gt;", "</textarea><b>", "https://evil.example/",
	}
	for _, attack := range attacks {
		w := newWorld(t)
		cell := `"` + strings.ReplaceAll(attack, `"`, `""`) + `"`
		w.load(map[string]string{
			"phones":    "mac,kind,label,site,users\n00:15:65:aa:bb:01,desk," + cell + ",hq,alice@example.com;bob@example.com",
			"locations": "id,parent_id,kind,owner,name,site,floor,room\nhq-4f,hq-a,company,," + cell + ",hq," + cell + ",\nhq-401,hq-4f,company,," + cell + ",hq,," + cell + "\nalice-home,,personal,alice@example.com," + cell + ",,,1",
		})
		p := w.browser()
		path := p.asked(w.knownPort(), alice)
		pages := []page{p.get(path), p.get(path + "/places"), p.get(path + "/places?at=hq-4f"), p.get(path + "/mine")}
		for _, sub := range []string{"/places?q=", "/places?at=", "?q=", "/places?from="} {
			pages = append(pages, p.get(path+sub+escape(attack)))
		}
		form := []string{"do", "save"}
		for _, e := range elements {
			form = append(form, e.column, attack)
		}
		form = append(form, "name", attack)
		pages = append(pages, p.post(path+"/address", form...), p.post(path+"/own", form...), p.post(path, "do", "company", "place", attack), p.post(path, "do", "confirm", "exact", attack))
		ok := []string{"do", "save", "country", "US", "state", "IL", "postal_code", "62701", "landmark", "x", "city", attack[:min(len(attack), 70)], "floor", attack[:min(len(attack), 25)], "room", attack[:min(len(attack), 70)]}
		pages = append(pages, p.post(path+"/address", ok...))
		if c := w.office.Claims(); len(c) == 1 {
			pages = append(pages, p.open(gateway.MailClaim, 1, rita), p.get("/claims/1/edit"), p.post("/claims/1", "do", "reject", "reason", attack))
			pages = append(pages, p.open(gateway.MailNotice, 1, alice))
		} else {
			t.Errorf("%q: %d claims, want 1", attack, len(c))
		}
		for _, page := range pages {
			page.has(t, page.status, "!<script", "!<img", "!<b>", "!onmouseover='", "!\u202e", `!href="javascript`, `!href="https`, "!ZgotmplZ")
			if page.status >= 500 {
				t.Errorf("%q: %s: status %d", attack, page.path, page.status)
			}
		}
		if t.Failed() {
			t.Fatalf("with %q", attack)
		}
	}
}
