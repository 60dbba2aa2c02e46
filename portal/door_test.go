package portal

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"perch/gateway"
)

// TestScanners: programs that follow every link, as often as they like, change
// nothing and burn nothing.
func TestScanners(t *testing.T) {
	w := newWorld(t)
	id := w.unknownPort()
	link := "/p/" + w.token(gateway.MailPrompt, id, alice)
	before := w.snapshot()
	for range 50 {
		robot := w.browser()
		for _, method := range []string{http.MethodHead, http.MethodGet} {
			for _, path := range []string{link, "/", "/prompts/1", "/prompts/1/places", "/prompts/1/mine", "/prompts/1/address", "/prompts/1/own?do=save&city=x"} {
				if got := robot.do(robot.request(method, path, "")); got.status >= 500 {
					t.Fatalf("%s %s: status %d", method, path, got.status)
				}
			}
		}
	}
	if after := w.snapshot(); after != before {
		t.Errorf("reading changed something:\nbefore %s\nafter  %s", before, after)
	}
	p := w.browser()
	p.get(link).has(t, 200, "Where is your desk phone “Reception”?")
	p.post(fmt.Sprintf("/prompts/%d", id), "do", "company", "place", "hq-3f").has(t, 200, "Thank you")
}

// TestHeadSetsNoCookie: a HEAD of a link tells only where it leads.
func TestHeadSetsNoCookie(t *testing.T) {
	w := newWorld(t)
	id := w.unknownPort()
	for method, want := range map[string]int{http.MethodHead: 0, http.MethodGet: 1} {
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, httptest.NewRequest(method, "/p/"+w.token(gateway.MailPrompt, id, alice), nil))
		if rec.Code != http.StatusSeeOther || len(rec.Result().Cookies()) != want {
			t.Errorf("%s: status %d with %d cookies, want 303 with %d", method, rec.Code, len(rec.Result().Cookies()), want)
		}
	}
}

// TestLink: a link leads to a clean address by a cookie that is worth as little
// as can be elsewhere.
func TestLink(t *testing.T) {
	for _, tt := range []struct {
		url    string
		prefix string
		secure bool
	}{
		{"http://10.0.0.5:8080", "", false},
		{"https://perch.example.com/", "", true},
		{"https://example.com/phones/where/", "/phones/where", true},
	} {
		t.Run(tt.url, func(t *testing.T) {
			w := newWorldAt(t, tt.url)
			id := w.unknownPort()
			token := w.token(gateway.MailPrompt, id, alice)
			for _, in := range []string{tt.prefix, ""} { // a proxy may take the prefix off
				r := httptest.NewRequest(http.MethodGet, in+"/p/"+token, nil)
				r.Host = "evil.example"
				rec := httptest.NewRecorder()
				w.handler.ServeHTTP(rec, r)
				res := rec.Result()
				path := fmt.Sprintf("%s/prompts/%d", tt.prefix, id)
				if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != path {
					t.Fatalf("status %d to %q, want 303 to %q", res.StatusCode, res.Header.Get("Location"), path)
				}
				if got := res.Header.Get("Referrer-Policy"); got != "no-referrer" {
					t.Errorf("referrer policy %q where the address is the secret", got)
				}
				c := res.Cookies()[0]
				if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != path || c.Secure != tt.secure || c.MaxAge < 3600 || c.MaxAge > 24*3600 || c.Value != token {
					t.Errorf("cookie %+v", c)
				}
				r = httptest.NewRequest(http.MethodGet, in+fmt.Sprintf("/prompts/%d", id), nil)
				r.Host = "evil.example"
				r.AddCookie(c)
				rec = httptest.NewRecorder()
				w.handler.ServeHTTP(rec, r)
				body := rec.Body.String()
				if rec.Code != 200 || !strings.Contains(body, `action="`+path+`"`) && !strings.Contains(body, `href="`+path+`/places"`) {
					t.Errorf("status %d, and the page does not lead below %s", rec.Code, path)
				}
				if strings.Contains(body, "evil.example") || strings.Contains(body, token) {
					t.Error("the page has the Host header or the token in it")
				}
			}
		})
	}
}

// TestForged: whatever opens nothing looks the same, and so does nothing at all.
func TestForged(t *testing.T) {
	w := newWorld(t)
	id := w.knownPort()
	w.answer(gateway.Reply{Prompt: id, Kind: gateway.AnswerCompany, Location: "hq-3f", By: alice})
	good := w.token(gateway.MailPrompt, id, alice)
	other := gateway.Key{9}
	forged := map[string]string{
		"nothing like a token": "/p/hello",
		"cut off":              "/p/" + good[:len(good)-1],
		"cut in half":          "/p/" + good[:20],
		"last letter changed":  "/p/" + good[:len(good)-1] + string(good[len(good)-1]^1),
		"too long":             "/p/" + good + "A",
		"far too long":         "/p/" + strings.Repeat("A", 5000),
		"of another key":       "/p/" + other.Token(gateway.Link{Purpose: gateway.MailPrompt, ID: id, User: alice}),
		"of the zero key":      "/p/" + gateway.Key{}.Token(gateway.Link{Purpose: gateway.MailPrompt, ID: id, User: alice}),
		"for a stranger":       "/p/" + w.token(gateway.MailPrompt, id, "mallory@example.com"),
		"for a reviewer":       "/p/" + w.token(gateway.MailPrompt, id, rita),
		"no such prompt":       "/p/" + w.token(gateway.MailPrompt, 999, alice),
		"negative":             "/p/" + w.token(gateway.MailPrompt, -1, alice),
		"a prompt as a claim":  "/c/" + good,
		"a claim as a prompt":  "/p/" + w.token(gateway.MailClaim, 1, rita),
		"a claim for a user":   "/c/" + w.token(gateway.MailClaim, 1, alice),
		"an answer, stranger":  "/a/" + w.token(gateway.MailNotice, 1, "mallory@example.com"),
		"another purpose":      "/p/" + w.token(gateway.MailDigest, id, alice),
	}
	var want string
	for name, path := range forged {
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		if rec.Code != 404 || len(rec.Result().Cookies()) != 0 {
			t.Errorf("%s: status %d with %d cookies, want 404 without", name, rec.Code, len(rec.Result().Cookies()))
		}
		if body := rec.Body.String(); want == "" {
			want = body
		} else if body != want {
			t.Errorf("%s: another page than for the others", name)
		}
	}
	if !strings.Contains(want, "This link opens nothing") {
		t.Errorf("the page does not help:\n%s", want)
	}
	for _, tail := range []string{".", ">", ")", "%3E.", "%22"} {
		if got := w.browser().get("/p/" + good + tail); got.status != 200 {
			t.Errorf("a mail program's %q after the link: status %d, want 200", tail, got.status)
		}
	}
}

// TestNoCookie: without its cookie a page says what to do, and not whether it
// exists; a cookie for one thing opens no other.
func TestNoCookie(t *testing.T) {
	w := newWorld(t)
	id := w.unknownPort()
	w.plug(lobby, "sw-3fl", "Gi1/0/8", "10.1.2.21")
	second := w.openPrompt(lobby)
	p := w.browser()
	var bodies []string
	for _, path := range []string{fmt.Sprintf("/prompts/%d", id), fmt.Sprintf("/prompts/%d/places", id), "/prompts/999", "/claims/1", "/answers/1"} {
		page := p.get(path)
		page.has(t, 403, "open the link in your mail again", "cookies")
		bodies = append(bodies, page.body)
	}
	for _, b := range bodies {
		if b != bodies[0] {
			t.Error("pages without a cookie differ")
		}
	}
	before := w.snapshot()
	p.post(fmt.Sprintf("/prompts/%d", id), "do", "company", "place", "hq-3f").has(t, 403)
	p.open(gateway.MailPrompt, id, bob)
	p.get(fmt.Sprintf("/prompts/%d", second)).has(t, 403)
	if w.snapshot() != before {
		t.Error("a form without its cookie had an effect")
	}
	// One person's cookie under another thing's name.
	u, _ := url.Parse(p.server.URL)
	p.client.Jar.SetCookies(u, []*http.Cookie{{Name: cookieName(prompts, second), Value: w.token(gateway.MailPrompt, id, bob), Path: "/"}})
	p.get(fmt.Sprintf("/prompts/%d", second)).has(t, 403)
}

// TestTwoTabs: two links in one browser do not disturb each other, nor does a
// newer link of the same thing.
func TestTwoTabs(t *testing.T) {
	w := newWorld(t)
	first := w.unknownPort()
	w.plug(lobby, "sw-3fl", "Gi1/0/8", "10.1.2.21")
	second := w.openPrompt(lobby)
	p := w.browser()
	p.open(gateway.MailPrompt, first, bob).has(t, 200, "Reception")
	p.open(gateway.MailPrompt, second, bob).has(t, 200, "Lobby")
	p.get(fmt.Sprintf("/prompts/%d", first)).has(t, 200, "Reception")
	p.open(gateway.MailPrompt, first, bob).has(t, 200, "Reception")
	p.post(fmt.Sprintf("/prompts/%d", second), "do", "company", "place", "hq-401").has(t, 200, "Thank you", "Lobby", "Room 401")
	p.post(fmt.Sprintf("/prompts/%d", first), "do", "company", "place", "hq-402").has(t, 200, "Thank you", "Reception", "Room 402")
}

// TestHeaders: what every page is sent with.
func TestHeaders(t *testing.T) {
	w := newWorld(t)
	p := w.browser()
	pages := []page{
		p.open(gateway.MailPrompt, w.unknownPort(), alice), p.get("/"), p.get("/p/forged"), p.get("/prompts/9"), p.get("/nowhere"),
		p.post("/prompts/9", "do", "confirm"), p.do(p.request(http.MethodDelete, "/", "")),
	}
	for _, page := range pages {
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			"Content-Type":            "text/html; charset=utf-8",
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		} {
			if got := page.header.Get(name); got != want {
				t.Errorf("%s: %s %q, want %q", page.path, name, got, want)
			}
		}
		if got := page.header.Get("Referrer-Policy"); got != "same-origin" && got != "no-referrer" {
			t.Errorf("%s: referrer policy %q", page.path, got)
		}
		page.has(t, page.status, `<html lang="en"`, "!<script", "!style=", "!onclick", "!http://", "!https://")
		if n := strings.Count(page.body, "<h1"); n != 1 {
			t.Errorf("%s: %d headings of the first level", page.path, n)
		}
	}
}

// TestOtherSites: a form that another site sends is refused, wherever the
// browser says so.
func TestOtherSites(t *testing.T) {
	w := newWorld(t)
	id := w.unknownPort()
	p := w.browser()
	p.open(gateway.MailPrompt, id, alice)
	before := w.snapshot()
	for name, header := range map[string]http.Header{
		"cross-site":           {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}},
		"same-site":            {"Sec-Fetch-Site": {"same-site"}},
		"an older browser":     {"Origin": {"https://evil.example"}},
		"a sandboxed frame":    {"Origin": {"null"}},
		"another port of ours": {"Origin": {"http://perch.example.com:9999"}},
	} {
		r := p.request(http.MethodPost, fmt.Sprintf("/prompts/%d", id), "do=company&place=hq-3f")
		r.Header = header
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		p.do(r).has(t, 403, "another web site")
		if w.snapshot() != before {
			t.Fatalf("%s: it had an effect", name)
		}
	}
	// Behind a proxy that rewrites Host, an older browser's origin is the portal's.
	r := p.request(http.MethodPost, fmt.Sprintf("/prompts/%d", id), "do=company&place=hq-3f")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", portalURL)
	p.do(r).has(t, 200, "Thank you")
}

// TestErrorPages: each has a sentence for people, and where something is in the
// log, the reference to find it by.
func TestErrorPages(t *testing.T) {
	w := newWorld(t)
	id := w.unknownPort()
	p := w.browser()
	p.open(gateway.MailPrompt, id, alice)
	path := fmt.Sprintf("/prompts/%d", id)
	form := func(body, kind string) *http.Request {
		r := p.request(http.MethodPost, path, body)
		r.Header.Set("Content-Type", kind)
		return r
	}
	const plain = "application/x-www-form-urlencoded"
	before := w.snapshot()
	for _, tt := range []struct {
		name   string
		r      *http.Request
		status int
		text   string
	}{
		{"no such page", p.request("GET", "/nowhere/at/all", ""), 404, "no such page"},
		{"no such file", p.request("GET", "/other.css", ""), 404, "no such page"},
		{"no number", p.request("GET", "/prompts/x", ""), 404, "no such page"},
		{"a number spelled oddly", p.request("GET", "/prompts/01", ""), 404, "no such page"},
		{"a path that is not clean", p.request("GET", "//prompts/../p/x", ""), 404, "no such page"},
		{"method", p.request("DELETE", path, ""), 405, "cannot be used like that"},
		{"a form where there is none", p.request("POST", path+"/places", ""), 405, "cannot be used like that"},
		{"a form to a link", p.request("POST", "/p/"+w.token(gateway.MailPrompt, id, alice), "do=confirm"), 405, "cannot be used like that"},
		{"big form", form("do=company&place=hq-3f&x="+strings.Repeat("x", maxForm), plain), 413, "too much text"},
		{"bad escape", form("do=%zz", plain), 400, "could not read"},
		{"another kind", form(`{"do":"company"}`, "application/json"), 400, "could not read"},
		{"no such button", form("do=explode", plain), 400, "could not read"},
		{"no button", form("", plain), 400, "could not read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page := p.do(tt.r)
			page.has(t, tt.status, tt.text, "reference")
			_, ref, _ := strings.Cut(page.body, "this reference: <strong>")
			ref, _, _ = strings.Cut(ref, "<")
			if len(ref) != 8 || !strings.Contains(w.logged(), "reference="+ref) {
				t.Errorf("reference %q is not in the log", ref)
			}
			if tt.status == 405 && page.header.Get("Allow") == "" {
				t.Error("no Allow header")
			}
		})
	}
	if w.snapshot() != before {
		t.Error("one of them had an effect")
	}
}

// panicking is an office that fails in a way that nobody thought of.
type panicking struct{ Office }

func (panicking) Question(int64, string) (gateway.Question, bool) { panic("no such luck") }

func TestPanic(t *testing.T) {
	w := newWorld(t)
	id := w.unknownPort()
	h, err := New(Config{Office: panicking{w.office}, Key: w.key, URL: portalURL, Log: slog.New(slog.NewTextHandler(w, nil))})
	if err != nil {
		t.Fatal(err)
	}
	w.handler = h
	p := w.browser()
	page := p.open(gateway.MailPrompt, id, alice)
	page.has(t, 500, "Something went wrong", "reference", "!luck")
	_, ref, _ := strings.Cut(page.body, "this reference: <strong>")
	ref, _, _ = strings.Cut(ref, "<")
	if log := w.logged(); !strings.Contains(log, "reference="+ref) || !strings.Contains(log, "no such luck") {
		t.Errorf("the log does not have %q and the reason:\n%s", ref, log)
	}
	if strings.Contains(w.logged(), w.token(gateway.MailPrompt, id, alice)) {
		t.Error("the log has the token")
	}
}

// TestTokensStayOutOfLogs: nothing that a person can do puts one there.
func TestTokensStayOutOfLogs(t *testing.T) {
	w := newWorld(t)
	id := w.unknownPort()
	p := w.browser()
	token := w.token(gateway.MailPrompt, id, alice)
	for _, path := range []string{"/p/" + token, "/c/" + token, "/p/" + token + "/more", "//p/" + token, "/p/" + token[:50], "/x/" + token, "/?t=" + token} {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE"} {
			p.do(p.request(method, path, "do="+token))
		}
	}
	p.post(fmt.Sprintf("/prompts/%d", id), "do", "company", "place", "nowhere")
	log := w.logged()
	if !strings.Contains(log, "reference=") {
		t.Fatal("the log is empty: this proves nothing")
	}
	if strings.Contains(log, token[:40]) {
		t.Errorf("the log has the token:\n%s", log)
	}
}

func TestAssets(t *testing.T) {
	w := newWorld(t)
	p := w.browser()
	home := p.get("/")
	home.has(t, 200, "The link in that mail opens it")
	_, style, _ := strings.Cut(home.body, `<link rel="stylesheet" href="`)
	style, _, _ = strings.Cut(style, `"`)
	css := p.get(style)
	css.has(t, 200, "prefers-color-scheme: dark", "!@import", "!url(")
	if got := css.header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("%s: %q", style, got)
	}
	r := p.request("GET", "/style.css", "")
	r.Header.Set("If-None-Match", css.header.Get("ETag"))
	if got := p.do(r); got.status != http.StatusNotModified || strings.Contains(got.header.Get("Cache-Control"), "immutable") {
		t.Errorf("unchanged style sheet: status %d, %q", got.status, got.header.Get("Cache-Control"))
	}
	p.get("/robots.txt").has(t, 200, "Disallow: /\n")
	p.get("/favicon.svg").has(t, 200, "<svg")
}

func TestNewRefuses(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]Config{
		"no office": {Key: w.key, URL: portalURL},
		"no key":    {Office: w.office, URL: portalURL},
		"no url":    {Office: w.office, Key: w.key},
		"ftp":       {Office: w.office, Key: w.key, URL: "ftp://x"},
		"no host":   {Office: w.office, Key: w.key, URL: "https:///x"},
		"a query":   {Office: w.office, Key: w.key, URL: "https://x/?a=b"},
	} {
		c.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
		if _, err := New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
