package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestDemoCaptureIsReal: the bundled capture is the recorded one.
func TestDemoCaptureIsReal(t *testing.T) {
	for _, name := range []string{"swp7.pcap", "swp9.pcap"} {
		bundled, err := demoFiles.ReadFile("demo/" + name)
		if err != nil {
			t.Fatal(err)
		}
		recorded, err := os.ReadFile(filepath.Join(root, "testdata", "replay", "real-move-two-links", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(bundled, recorded) {
			t.Errorf("demo/%s is not the recorded capture: copy it again", name)
		}
	}
}

// demoProcess is a running demo.
type demoProcess struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *logBuffer
	url  string // of the inbox
	db   string
	done chan error
}

func startDemo(t *testing.T) *demoProcess {
	t.Helper()
	d := &demoProcess{t: t, out: &logBuffer{}, done: make(chan error, 1)}
	d.cmd = exec.Command(builtPerch(t), "demo", "-listen", "127.0.0.1:0", "-speed", "200")
	d.cmd.Stdout, d.cmd.Stderr = d.out, d.out
	d.cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.done <- d.cmd.Wait() }()
	t.Cleanup(func() { _ = d.cmd.Process.Kill() })
	intro := regexp.MustCompile(`(http://\S+/inbox)\n.* -db (\S+)\n`)
	d.wait("its address", func() bool {
		m := intro.FindStringSubmatch(d.out.String())
		if m != nil {
			d.url, d.db = m[1], m[2]
		}
		return m != nil
	})
	return d
}

func (d *demoProcess) wait(what string, is func() bool) {
	d.t.Helper()
	deadline := time.After(time.Minute)
	for !is() {
		select {
		case err := <-d.done:
			d.t.Fatalf("the demo ended before %s: %v\n%s", what, err, d.out)
		case <-deadline:
			d.t.Fatalf("waited a minute for %s\n%s", what, d.out)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// mail waits for a mail in the inbox.
func (d *demoProcess) mail(subject string) {
	d.t.Helper()
	d.wait("a mail "+subject, func() bool {
		resp, err := http.Get(d.url)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		var b bytes.Buffer
		_, err = b.ReadFrom(resp.Body)
		return err == nil && strings.Contains(b.String(), subject)
	})
}

// stop ends the demo as Ctrl-C does.
func (d *demoProcess) stop() {
	d.t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGINT); err != nil {
		d.t.Fatal(err)
	}
	select {
	case err := <-d.done:
		if err != nil {
			d.t.Fatalf("the demo ended with %v\n%s", err, d.out)
		}
	case <-time.After(20 * time.Second):
		d.t.Fatalf("the demo does not end\n%s", d.out)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(d.db))), "perch-demo-*")); len(left) > 0 {
		d.t.Errorf("the demo left %v", left)
	}
}

// telephone is a browser as wide as one.
func telephone(t *testing.T) context.Context {
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
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, late := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(late)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 844)); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// TestDemo does in a browser what a person does with the demo: reads the mail,
// gives an address, and as the admin approves it.
func TestDemo(t *testing.T) {
	browser := telephone(t)
	d := startDemo(t)
	do := func(what string, actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(browser, actions...); err != nil {
			t.Fatalf("%s: %v\n%s", what, err, d.out)
		}
	}
	tap := func(text string) {
		t.Helper()
		at := fmt.Sprintf(`//*[(self::button or self::a) and contains(normalize-space(), %q)]`, text)
		if _, err := chromedp.RunResponse(browser, chromedp.Click(at, chromedp.NodeVisible)); err != nil {
			t.Fatalf("tap %q: %v\n%s", text, err, d.out)
		}
	}
	see := func(text string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(browser, 20*time.Second)
		defer cancel()
		if err := chromedp.Do(ctx, chromedp.WaitVisible(fmt.Sprintf(`//body//*[contains(normalize-space(), %q)]`, text))); err != nil {
			page, _ := chromedp.Run(browser, chromedp.Text("body"))
			t.Fatalf("see %q: %v, on the page\n%s", text, err, page)
		}
	}
	open := func(subject string) {
		t.Helper()
		d.mail(subject)
		do("the inbox", chromedp.Navigate(d.url))
		tap(subject)
	}
	open("Where is your desk phone")
	tap("Tell us the address")
	see("Room 307") // where it was before
	tap("A company place that is not in the list")
	for field, text := range map[string]string{"house_number": "102", "street": "Main Street", "city": "Springfield", "floor": "2", "room": "214", "postal_code": "62701"} {
		do(field, chromedp.SetValue(chromedp.ID("f-"+field), text))
	}
	do("state", chromedp.SetValue(chromedp.ID("f-state"), "IL"))
	tap("The phone is here")
	see("102 Main Street")
	open("Please review: the address of desk phone")
	tap("Review claim 1")
	see("One phone is there now")
	tap("Approve")
	see("Approved")
	d.mail("Approved: your address for desk phone")
	d.wait("the story's end", func() bool { return strings.Contains(d.out.String(), "claim 1 approved") })
	if code, out, errs := perchRun(t, "explain", "-db", d.db, "sip:101@example.com"); code != 0 || !strings.Contains(out, "102 Main Street, Floor 2, Room 214") {
		t.Errorf("explain: exit %d\n%s%s", code, out, errs)
	}
	d.stop()
}
