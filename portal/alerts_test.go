package portal

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"perch/discovery"
	"perch/gateway"
	"perch/provisioning"
)

const ada = "ada@example.com" // admin of all sites, and so their contact

// help is a call from the reception's phone, which the SIP path tells of.
func (w *world) help(name string) gateway.EmergencyCall {
	var address string
	w.office.Read(func(d *provisioning.Directory) { address = strings.Join(d.Tree().Complete("hq-4f").Lines(), "\n") })
	return gateway.EmergencyCall{
		Name: name, Time: w.now, Dialled: "911", Site: "hq", AOR: "sip:1001@pbx.example.com", From: netip.MustParseAddrPort("10.1.2.20:5060"), Found: "source",
		Phone: discovery.PhoneID{MAC: reception}, Label: "Reception", Network: "hq sw-4fl/Gi1/0/2", Since: w.now.Add(-72 * time.Hour), Heard: w.now.Add(-4 * time.Minute),
		Location: "hq-4f", Address: address, Source: gateway.FromConfirmed,
		Sent: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"pres:1001@pbx.example.com\">...</presence>\n",
	}
}

func (w *world) tell(c gateway.EmergencyCall) int64 { return w.office.Emergency(c, w.now) }

// TestAlerts: a contact sees a call at once, acknowledges it by name, and nobody else
// sees anything.
func TestAlerts(t *testing.T) {
	w := newWorld(t)
	w.knownPort()
	p := w.browser()
	p.get("/alerts").has(t, 403, "Please open the link in your mail again")
	p.open(gateway.MailEmergency, 0, ada).has(t, 200, "No emergency call waits", "from <bdi>Headquarters</bdi>", "!EMERGENCY CALL", `<noscript><meta http-equiv="refresh"`)
	w.office.fail = errors.New("disk full") // nothing is committed, and it is seen all the same
	id := w.tell(w.help("abc"))
	p.get("/alerts").has(t, 200, "<title>(1) EMERGENCY CALL</title>", "Fourth floor", "Floor 4", "Call back <strong><bdi>1001</bdi>", "port Gi1/0/2 of switch sw-4fl, site hq",
		"3 days before the call", "A user of the phone confirmed it.", "hq-4f, version 1", `value="Ada Allen"`, "database cannot be written", "entity=&#34;pres:1001")
	p.post("/alerts", "call", fmt.Sprint(id), "name", " \u202e ").has(t, 422, "Please give your name", "<title>Error: (1) EMERGENCY CALL")
	p.post("/alerts", "call", "x", "name", "Ada").has(t, 400)
	p.post("/alerts", "call", fmt.Sprint(id), "name", "Ada <b>Allen</b>\n").has(t, 200, "No emergency call waits", "acknowledged by <bdi>Ada &lt;b&gt;Allen&lt;/b&gt;, ")
	p.post("/alerts", "call", fmt.Sprint(id), "name", "Carl").has(t, 409, "That could not be done", "!Carl")
	p.post("/alerts", "call", "77", "name", "Carl").has(t, 409, "That could not be done")
	w.office.fail = nil
	w.wait(0)
	p.get("/alerts").has(t, 200, "!database cannot be written")
}

// TestAlertsTests: what 933 sent is shown, and asks for nothing.
func TestAlertsTests(t *testing.T) {
	w := newWorld(t)
	c := w.help("abc")
	c.Test, c.Dialled, c.Sent, c.Why, c.Status = true, "933", "", "the PBX refused it with the location", 200
	w.tell(c)
	p := w.browser()
	p.open(gateway.MailEmergency, 0, ada).has(t, 200, "<title>Emergency calls</title>", "933 (test)", "Perch sent no address with the call: the PBX refused it", "!Acknowledge<", `data-waiting="0"`)
}

// TestAlertsDoor: the link works for as long as its reader is a contact; reading
// changes nothing, and neither does another site's form.
func TestAlertsDoor(t *testing.T) {
	w := newWorld(t)
	w.tell(w.help("abc"))
	w.wait(0)
	link := "/e/" + w.token(gateway.MailEmergency, 0, ada)
	for name, path := range map[string]string{
		"a user": "/e/" + w.token(gateway.MailEmergency, 0, alice), "with an id": "/e/" + w.token(gateway.MailEmergency, 1, ada),
		"as a prompt": "/p/" + w.token(gateway.MailEmergency, 0, ada), "a prompt": "/e/" + w.token(gateway.MailPrompt, 0, ada),
	} {
		if got := w.browser().get(path); got.status != 404 {
			t.Errorf("%s: status %d, want 404", name, got.status)
		}
	}
	before := w.snapshot()
	p := w.browser()
	for range 20 {
		for _, method := range []string{http.MethodHead, http.MethodGet} {
			for _, path := range []string{link, "/alerts", "/alerts/live", "/alerts?call=1&name=Mallory"} {
				if got := p.do(p.request(method, path, "")); got.status >= 400 && method == http.MethodGet {
					t.Fatalf("%s %s: status %d", method, path, got.status)
				}
			}
		}
	}
	r := p.request(http.MethodPost, "/alerts", "call=1&name=Mallory")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	p.do(r).has(t, 403, "another web site")
	w.browser().post("/alerts", "call", "1", "name", "Mallory").has(t, 403, "!911")
	if after := w.snapshot(); after != before {
		t.Errorf("something changed:\nbefore %s\nafter  %s", before, after)
	}
	if got := p.get("/alerts").header.Get("Content-Security-Policy"); strings.Contains(got, "unsafe") || !strings.Contains(got, "script-src 'self'") {
		t.Errorf("policy %q", got)
	}
	if got := p.get("/").header.Get("Content-Security-Policy"); strings.Contains(got, "script-src") {
		t.Errorf("policy of another page %q", got)
	}
	w.load(map[string]string{"users": "email,name,role,site\nada@example.com,Ada Allen,user,"})
	p.get("/alerts").has(t, 403, "!911")
	p.get("/alerts/live").has(t, 403, "!911")
	p.get(link).has(t, 404, "!911")
}

// TestAlertsLive: the script is told all of it once, and then only what is new.
func TestAlertsLive(t *testing.T) {
	w := newWorld(t)
	p := w.browser()
	p.open(gateway.MailEmergency, 0, ada)
	type news struct {
		Tag, Title, HTML string
		Waiting          int
	}
	ask := func(tag string) (n news) {
		t.Helper()
		got := p.get("/alerts/live?tag=" + tag)
		if err := json.Unmarshal([]byte(got.body), &n); err != nil || got.status != 200 || got.header.Get("Content-Type") != "application/json" {
			t.Fatalf("got %d, %v: %s", got.status, err, got.body)
		}
		return n
	}
	first := ask("")
	if first.HTML == "" || first.Waiting != 0 {
		t.Errorf("got %+v", first)
	}
	w.wait(time.Hour)
	if same := ask(first.Tag); same.HTML != "" || same.Tag != first.Tag {
		t.Errorf("nothing happened, and the script is told %+v", same)
	}
	c := w.help("abc")
	w.tell(c)
	second := ask(first.Tag)
	if !strings.Contains(second.HTML, "Fourth floor") || second.Waiting != 1 || second.Title != "(1) EMERGENCY CALL" {
		t.Errorf("got %+v", second)
	}
	c.Status = 200
	w.tell(c)
	if third := ask(second.Tag); !strings.Contains(third.HTML, "answered (200)") {
		t.Errorf("got %+v", third)
	}
}

// walkAlerts is a front desk: the page stands open, a call comes in, is heard, and
// acknowledged.
func walkAlerts(b *tab) {
	eval := func(js string) string {
		b.t.Helper()
		s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](js))
		if err != nil {
			b.t.Fatal(err)
		}
		return s
	}
	await := func(what, js string) {
		b.t.Helper()
		if err := chromedp.Do(b.ctx, chromedp.Poll[chromedp.Void](js, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
			b.t.Fatalf("%s: %v; the title is %q", what, err, eval("document.title"))
		}
	}
	b.w.knownPort()
	b.mail(gateway.MailEmergency, 0, ada)
	b.sees("No emergency call waits", "Sound is off. Nobody hears a new call here.")
	b.shoot("alerts-calm-silent")
	b.do(chromedp.Click(named("Turn sound on"), chromedp.NodeVisible))
	await("the sound", `document.body.dataset.sound === "on"`)
	b.sees("Sound is on.", "Test the sound")
	b.shoot("alerts-calm")

	b.w.tell(b.w.help("abc"))
	await("the call", `document.title === "(1) EMERGENCY CALL" && document.body.dataset.alarm === "on"`)
	b.sees("EMERGENCY CALL", "911 from “Reception”", "Fourth floor", "Floor 4", "Call back 1001", "on its way", "3 days before the call")
	b.shoot("alerts-call")

	// What is typed stays while the page goes on.
	b.fill("name-1", "Frida Front")
	c := b.w.help("abc")
	c.Status, c.Moving, c.Unapproved = 180, true, true
	b.w.tell(c)
	await("what else is known", `document.body.innerText.includes("it rings (180)")`)
	if got := eval(`document.getElementById("name-1").value + " " + document.activeElement.id`); got != "Frida Front name-1" {
		b.t.Errorf("the field and what is active: %q", got)
	}
	d := b.w.help("def")
	d.Phone, d.Label, d.Network, d.Location, d.Address, d.Source, d.Sent, d.Why = discovery.PhoneID{}, "", "", "", "", 0, "", "the caller is not known"
	d.Since, d.Heard, d.Dialled, d.AOR, d.Status = time.Time{}, time.Time{}, "112", "sip:anonymous@anonymous.invalid", 503
	b.w.tell(d)
	e := b.w.help("ghi")
	e.Test, e.Dialled, e.Status = true, "933", 200
	b.w.tell(e)
	await("the second call", `document.title === "(2) EMERGENCY CALL"`)
	b.sees("112 from a phone that is not known", "refused by the telephone system (503)", "933 (test)")
	b.shoot("alerts-calls")
	b.do(chromedp.Click(`//summary[contains(normalize-space(), "933 (test)")]`, chromedp.NodeVisible))
	b.shoot("alerts-test")

	// It is acknowledged without leaving the page, whose sound would be lost.
	eval(`(window.mine = "same page")`)
	b.do(chromedp.Click(`//section[contains(., "Reception")]//button`, chromedp.NodeVisible))
	await("the acknowledgement", `document.title === "(1) EMERGENCY CALL"`)
	b.sees("acknowledged by Frida Front")
	if got := eval(`window.mine + ", sound " + document.body.dataset.sound + ", alarm " + document.body.dataset.alarm`); got != "same page, sound on, alarm on" {
		b.t.Errorf("after one of two calls: %q", got)
	}
	b.do(chromedp.Click(named("Acknowledge"), chromedp.NodeVisible))
	await("the end of the alarm", `document.title === "Emergency calls" && document.body.dataset.alarm === "off"`)
	b.sees("No emergency call waits", "acknowledged by Ada Allen")
	b.shoot("alerts-over")

	// A page that knows of no new calls says so.
	b.do(chromedp.Evaluate[chromedp.Void](`document.getElementById("calls").dataset.live = "http://perch.test:1/"`))
	await("the loss of the connection", `document.title === "NO CONNECTION"`)
	b.sees("This page has lost its connection.")
	b.shoot("alerts-lost")
}
