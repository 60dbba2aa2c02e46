package portal

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"perch/gateway"
)

var screenshots = flag.String("screenshots", "", "write a picture of every page to this directory")

// chromium starts a browser that lives as long as the test.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("chromium is missing: apt-get install chromium")
		}
		t.Skip("chromium is missing: apt-get install chromium")
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-features", "HttpsUpgrades,HttpsFirstBalancedModeAutoEnable"), chromedp.Flag("hide-scrollbars", true),
		// A name that is not loopback's: browsers treat plain http there as people
		// on a site's LAN have it.
		chromedp.Flag("host-resolver-rules", "MAP perch.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// tab is a person's telephone: a browser of its own, with its own cookies.
type tab struct {
	t    *testing.T
	ctx  context.Context
	w    *world
	base string
}

// telephone opens a tab of 390 pixels before a fresh world.
func telephone(t *testing.T, browser context.Context) *tab {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := fmt.Sprintf("http://perch.test:%d", listen.Addr().(*net.TCPAddr).Port)
	w := newWorldAt(t, base)
	server := &httptest.Server{Listener: listen, Config: &http.Server{Handler: w.handler, ReadHeaderTimeout: time.Minute}}
	server.Start()
	t.Cleanup(server.Close)
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)
	b := &tab{t: t, ctx: ctx, w: w, base: base}
	b.do(chromedp.EmulateViewport(390, 844))
	return b
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// goTo opens an address of the portal.
func (b *tab) goTo(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base + path))
}

// mail taps the link of a mail.
func (b *tab) mail(p gateway.Purpose, id int64, user string) {
	b.t.Helper()
	short := map[gateway.Purpose]string{gateway.MailPrompt: "p", gateway.MailClaim: "c", gateway.MailNotice: "a", gateway.MailEmergency: "e", gateway.PhonesPage: "w"}[p]
	b.goTo("/" + short + "/" + b.w.token(p, id, user))
}

// tap presses a button or a link by what is written on it, waits for the next
// page, and returns its status.
func (b *tab) tap(text string) int64 {
	b.t.Helper()
	res, err := chromedp.RunResponse(b.ctx, chromedp.Click(named(text), chromedp.NodeVisible))
	if err != nil {
		b.t.Fatalf("tap %q: %v", text, err)
	}
	return res.Status
}

// unfold opens what stands under a heading that opens, and choose taps a choice.
func (b *tab) unfold(text string) {
	b.t.Helper()
	b.do(chromedp.Click(fmt.Sprintf(`//summary[contains(normalize-space(), %q)]`, text), chromedp.NodeVisible))
}

func (b *tab) choose(text string) {
	b.t.Helper()
	b.do(chromedp.Click(fmt.Sprintf(`//label[contains(normalize-space(), %q)]`, text), chromedp.NodeVisible))
}

// named finds what can be pressed by a text on it.
func named(text string) string {
	return fmt.Sprintf(`//*[(self::button or self::a) and not(@aria-hidden) and contains(normalize-space(), %q)]`, text)
}

// enter presses Enter in a field, waits for the next page, and returns its status.
func (b *tab) enter(field string) int64 {
	b.t.Helper()
	res, err := chromedp.RunResponse(b.ctx, chromedp.SendKeys(chromedp.ID(field), "\r"))
	if err != nil {
		b.t.Fatalf("enter in %s: %v", field, err)
	}
	return res.Status
}

// fill types into a field.
func (b *tab) fill(field, text string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.getElementById(%q).value = ""`, field)), chromedp.SendKeys(chromedp.ID(field), text))
}

// sees fails unless the page says all texts.
func (b *tab) sees(texts ...string) {
	b.t.Helper()
	body, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText.replace(/\s+/g, " ")`))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			b.t.Errorf("the page does not say %q; it says: %.700s", text, body)
		}
	}
}

// fits fails if something is cut off or too small to be hit with a finger, at
// the width of a telephone and at that of a small one, which is also a laptop's at
// 400 %.
func (b *tab) fits(name string) {
	b.t.Helper()
	for _, width := range []int64{390, 320} {
		b.do(chromedp.EmulateViewport(width, 844))
		wide, err := chromedp.Run(b.ctx, chromedp.Evaluate[int64](`document.scrollingElement.scrollWidth`))
		if err != nil {
			b.t.Fatal(err)
		}
		if wide > width {
			b.t.Errorf("%s: %d px wide on a screen of %d", name, wide, width)
		}
		small, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](`[...document.querySelectorAll("button, summary, .ways a, .back a, .crumbs a, a.button, label.choice, input[type=text], input[type=search], select, textarea")].
			filter(e => e.checkVisibility() && !e.matches(".unseen") && (e.getBoundingClientRect().height < 43.9 || e.getBoundingClientRect().width < 43.9)).
			map(e => e.outerHTML.slice(0, 80) + " " + e.getBoundingClientRect().width + "x" + e.getBoundingClientRect().height)`))
		if err != nil {
			b.t.Fatal(err)
		}
		for _, s := range small {
			b.t.Errorf("%s: too small for a finger: %s", name, s)
		}
	}
}

// shoot checks how the page looks and, if asked to, writes pictures of it.
func (b *tab) shoot(name string) {
	b.t.Helper()
	b.fits(name)
	for _, width := range []int64{390, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			if *screenshots == "" {
				continue
			}
			b.do(chromedp.EmulateViewport(width, map[int64]int64{390: 844, 1280: 800}[width]))
			if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			}); err != nil {
				b.t.Fatal(err)
			}
			picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			if err == nil {
				err = errors.Join(os.MkdirAll(*screenshots, 0o755), os.WriteFile(filepath.Join(*screenshots, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), picture, 0o644))
			}
			if err != nil {
				b.t.Fatal(err)
			}
		}
	}
	b.do(chromedp.EmulateViewport(390, 844))
}

// TestBrowser walks through the pages as people do, on a telephone.
func TestBrowser(t *testing.T) {
	browser := chromium(t)
	for _, walk := range []struct {
		name string
		walk func(*tab)
	}{
		{"confirm", walkConfirm}, {"company", walkCompany}, {"propose", walkPropose}, {"own", walkOwn}, {"saved", walkSaved},
		{"unmoved", walkUnmoved}, {"disown", walkDisown}, {"search", walkSearch}, {"closed", walkClosed}, {"expired", walkExpired}, {"others", walkOthers},
		{"claim", walkClaim}, {"edit", walkEdit}, {"reject", walkReject}, {"errors", walkErrors}, {"hostile", walkHostile}, {"alerts", walkAlerts}, {"phones", walkPhones},
	} {
		t.Run(walk.name, func(t *testing.T) { walk.walk(telephone(t, browser)) })
	}
}

// setSelect chooses an option of a list by its value.
func setSelect(id, value string) chromedp.Action[chromedp.Void] {
	return chromedp.SetValue(chromedp.ID(id), value)
}
