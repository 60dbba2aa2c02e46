package portal

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"perch/discovery"
	"perch/gateway"
	"perch/provisioning"
)

// shelf is phones that wait, as an admin of all sites sees them.
type shelf struct {
	waiting Waiting
	adopted []provisioning.Phone
	fail    error
}

func (s *shelf) WaitingPhones(string) Waiting { return s.waiting }

func (s *shelf) Adopt(_ context.Context, p provisioning.Phone, by string) error {
	if s.fail != nil {
		return s.fail
	}
	s.adopted = append(s.adopted, p)
	for i, w := range s.waiting.Phones {
		if w.MAC == p.MAC {
			s.waiting.Phones = append(s.waiting.Phones[:i:i], s.waiting.Phones[i+1:]...)
			s.waiting.Open = append(s.waiting.Open, OpenWindow{w.MAC, p.Label, time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)})
			break
		}
	}
	return nil
}

func waiting(w *world) *shelf {
	w.wait(0)
	s := &shelf{waiting: Waiting{Phones: []WaitingPhone{
		{MAC: discovery.MAC{0x00, 0x15, 0x65, 0xaa, 0xbb, 0x09}, Vendor: provisioning.Yealink, Model: "T46S", Firmware: "66.86.0.15", Site: "hq", Source: netip.MustParseAddr("10.1.2.33"), Asked: true, Last: w.now.Add(-2 * time.Minute)},
		{MAC: discovery.MAC{0x00, 0x04, 0x13, 0xaa, 0xbb, 0x0a}, Vendor: provisioning.Snom, Model: `D785"><script>`, Source: netip.MustParseAddr("10.1.3.4"), Last: w.now.Add(-time.Hour)},
		{MAC: reception, Listed: true, Vendor: provisioning.Yealink, Model: "T42S", Label: "Reception", Site: "hq", Source: netip.MustParseAddr("10.1.2.20"), Asked: true, Last: w.now.Add(-30 * time.Second)},
	}}}
	w.handler.phones = s
	return s
}

// TestPhones: an admin adopts a phone by one click, and nobody else sees which there are.
func TestPhones(t *testing.T) {
	w := newWorld(t)
	s := waiting(w)
	p := w.browser()
	p.get("/phones").has(t, 403, "Please open the link in your mail again")
	p.open(gateway.PhonesPage, 0, ada).has(t, 200, "<title>(3) Phones that wait</title>", "New: <bdi>Yealink T46S</bdi>", "00:15:65:aa:bb:09", "2 minutes ago, from 10.1.2.33, <bdi>Headquarters</bdi>",
		"66.86.0.15", "<bdi>Reception</bdi> has lost its password", "!<script>")
	mac := "00:15:65:aa:bb:09"
	p.post("/phones", "mac", mac, "lines", "101", "users", "nobody", "label", strings.Repeat("x", 101)).has(t, 422, "Error: ", "Please write lines such as", "Please write email addresses", "Please use 100 characters at most", `value="101"`)
	p.post("/phones", "mac", "x").has(t, 400)
	s.fail = &gateway.Refusal{What: mac + " does not wait any more"}
	p.post("/phones", "mac", mac).has(t, 409, "That could not be done", "does not wait any more")
	s.fail = errors.New("disk full")
	p.post("/phones", "mac", mac, "label", "Kitchen").has(t, 503, "could not be saved just now", `value="Kitchen"`, "!disk full")
	s.fail = nil
	if len(s.adopted) != 0 {
		t.Errorf("adopted %+v", s.adopted)
	}
	p.post("/phones", "mac", mac, "label", " Kitchen ", "lines", "101@example.com, sip:102@example.com", "users", "Alice@example.com").has(t, 200, "<title>(2) ", "<bdi>Kitchen (00:15:65:aa:bb:09)</bdi> may fetch its configuration now", "it ends in 1 hour")
	if len(s.adopted) != 1 || s.adopted[0].Label != "Kitchen" || len(s.adopted[0].AORs) != 2 || s.adopted[0].AORs[0] != "sip:101@example.com" || s.adopted[0].Users[0] != alice {
		t.Errorf("adopted %+v", s.adopted)
	}
	p.post("/phones", "mac", "00:04:13:aa:bb:0a").has(t, 200)
	p.post("/phones", "mac", reception.String()).has(t, 200, "No phone waits")

	for name, path := range map[string]string{
		"a user": "/w/" + w.token(gateway.PhonesPage, 0, alice), "a reviewer": "/w/" + w.token(gateway.PhonesPage, 0, "rita@example.com"),
		"with an id": "/w/" + w.token(gateway.PhonesPage, 1, ada), "as alerts": "/e/" + w.token(gateway.PhonesPage, 0, ada), "alerts": "/w/" + w.token(gateway.MailEmergency, 0, ada),
	} {
		if got := w.browser().get(path); got.status != 404 {
			t.Errorf("%s: status %d, want 404", name, got.status)
		}
	}
	w.load(map[string]string{"users": "email,name,role,site\nada@example.com,Ada Allen,user,"})
	p.get("/phones").has(t, 403, "!Yealink")
	p.post("/phones", "mac", mac).has(t, 403)
}

func walkPhones(b *tab) {
	s := waiting(b.w)
	b.mail(gateway.PhonesPage, 0, ada)
	b.sees("New: Yealink T46S", "Adopt this phone", "Reception has lost its password")
	b.shoot("phones-waiting")
	b.unfold("Whose it is")
	b.fill("lines-001565aabb09", "101")
	b.tap("Adopt this phone")
	b.sees("Please write lines such as")
	b.shoot("phones-wrong")
	b.do(chromedp.SetValue(chromedp.ID("lines-001565aabb09"), "101@example.com"))
	b.tap("Adopt this phone")
	b.sees("may fetch its configuration now")
	b.shoot("phones-adopted")
	if len(s.adopted) != 1 || len(s.adopted[0].AORs) != 1 {
		b.t.Errorf("adopted %+v", s.adopted)
	}
	s.waiting = Waiting{}
	b.goTo("/phones")
	b.sees("No phone waits")
	b.shoot("phones-none")
}
