package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"perch/gateway"
)

// wires is a network namespace in which serve runs, with two cables to another
// one, where what phones say comes from: far0 to near0, far1 to near1.
type wires struct {
	t        *testing.T
	near     string // namespace
	far      string
	recorder []*exec.Cmd
}

func newWires(t *testing.T) *wires {
	t.Helper()
	needRoot(t)
	need(t, "ip", "iproute2")
	need(t, "tcpdump", "tcpdump")
	need(t, "tcpreplay", "tcpreplay")
	name := fmt.Sprintf("perch-%d-%s", os.Getpid(), strings.ToLower(t.Name()))
	w := &wires{t: t, near: name[:min(len(name), 40)] + "-near", far: name[:min(len(name), 40)] + "-far"}
	for _, ns := range []string{w.near, w.far} {
		w.ip("netns", "add", ns)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", ns).Run() })
		// The kernel's own router solicitations are nobody's phone.
		w.run("ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
		w.ip("-n", ns, "link", "set", "lo", "up")
	}
	w.cable(0)
	w.cable(1)
	return w
}

// cable lays a cable.
func (w *wires) cable(n int) {
	w.t.Helper()
	near, far := fmt.Sprint("near", n), fmt.Sprint("far", n)
	w.ip("-n", w.near, "link", "add", near, "type", "veth", "peer", "name", far, "netns", w.far)
	w.ip("-n", w.near, "link", "set", near, "up")
	w.ip("-n", w.far, "link", "set", far, "up")
}

func (w *wires) ip(args ...string) { w.t.Helper(); w.run("ip", args...) }

func (w *wires) run(name string, args ...string) string {
	w.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// play sends a capture into a cable, so many times as fast as it was recorded.
func (w *wires) play(n int, capture string, speed int) {
	w.t.Helper()
	w.ip("netns", "exec", w.far, "tcpreplay", "-q", "-i", fmt.Sprint("far", n), "-x", fmt.Sprint(speed), capture)
}

// record lets tcpdump record an interface until stop.
func (w *wires) record(n int, name string) {
	w.t.Helper()
	log := &logBuffer{}
	c := exec.Command("ip", "netns", "exec", w.near, "tcpdump", "-i", fmt.Sprint("near", n), "-w", name, "-U", "--immediate-mode", "-Z", "root", "-B", "4096")
	c.Stderr = log
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.recorder = append(w.recorder, c)
	for range 500 {
		if strings.Contains(log.String(), "listening on") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.t.Fatalf("tcpdump does not start: %s", log)
}

// stop ends the recordings.
func (w *wires) stop() {
	w.t.Helper()
	for _, c := range w.recorder {
		if err := c.Process.Signal(os.Interrupt); err != nil {
			w.t.Fatal(err)
		}
		if err := c.Wait(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// config writes a configuration whose settle times fit captures that are played
// faster than they were recorded.
func (w *wires) config(dir, capture string) string {
	w.t.Helper()
	name := filepath.Join(dir, "perch.yaml")
	text := fmt.Sprintf("database: %q\nsite: hq\nportal: {listen: \"127.0.0.1:8080\"}\ncapture: %s\npolicy: {settle: 4s, settle_unregistered: 8s}\n",
		filepath.Join(dir, "live.db"), capture)
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return name
}

// serve starts serve where the near ends of the cables are, and waits until it
// listens on both.
func (w *wires) serve(config string) *served {
	w.t.Helper()
	s := startServeBy(w.t, config, "ip", "netns", "exec", w.near)
	s.waitFor("both interfaces", func() bool { return strings.Count(s.log.String(), "state=listening") >= 2 })
	return s
}

// perch runs a command of the built program and returns what it printed.
func (w *wires) perch(args ...string) string {
	w.t.Helper()
	return w.run(builtPerch(w.t), args...)
}

// What is heard live gives the same events as what tcpdump recorded of it at the
// same time, arrival times and what is made of them aside.
func TestLiveAgreesWithReplay(t *testing.T) {
	w := newWires(t)
	dir := t.TempDir()
	story := filepath.Join(root, "testdata", "replay", "real-move-two-links")
	config := w.config(dir, "[{interface: near0}, {interface: near1}]")
	w.perch("import", "-config", config, filepath.Join(story, "map"))
	s := w.serve(config)
	for n := range 2 {
		w.record(n, filepath.Join(dir, fmt.Sprintf("near%d", n)))
	}
	w.play(0, filepath.Join(story, "swp7.pcap"), 20)
	s.waitFor("the first prompt", func() bool { return strings.Contains(w.perch("prompts", "list", "-config", config), "swp7") })
	w.play(1, filepath.Join(story, "swp9.pcap"), 20)
	s.waitFor("the second prompt", func() bool { return strings.Contains(w.perch("prompts", "list", "-config", config), "swp9") })
	w.stop()
	s.stop()

	replayed := filepath.Join(dir, "replayed.db")
	w.perch("replay", "-config", config, "-db", replayed, "-map", filepath.Join(story, "map"), filepath.Join(dir, "near0"), filepath.Join(dir, "near1"))
	got, want := timeless(t, filepath.Join(dir, "live.db")), timeless(t, replayed)
	if len(want) < 5 {
		t.Fatalf("the replay gives %d events only: %v", len(want), want)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got live\n%s\nwant as replayed\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// timeless returns the events of a database without what depends on the time at
// which they happened.
func timeless(t *testing.T, db string) []string {
	t.Helper()
	ctx := context.Background()
	s, err := openSession(ctx, defaults(), db, false, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.store.Close()
	var all []string
	err = s.store.Events(ctx, 0, func(ev gateway.Event) error {
		var m map[string]any
		if err := json.Unmarshal(ev.Data, &m); err != nil {
			return err
		}
		delete(m, "time")
		if mail, ok := m["mail"].(map[string]any); ok {
			delete(mail, "message_id")
		}
		b, err := json.Marshal(m)
		all = append(all, string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// An interface that vanishes, or that is not there yet, is waited for; the others
// go on meanwhile, and doctor tells.
func TestInterfaceComesAndGoes(t *testing.T) {
	w := newWires(t)
	dir := t.TempDir()
	story := filepath.Join(root, "testdata", "replay", "real-first-appearance")
	config := w.config(dir, "[{interface: \"near?\"}, {interface: absent0}]")
	s := w.serve(config)
	w.ip("-n", w.near, "link", "delete", "near1")
	s.waitFor("the loss of near1", func() bool {
		out, _ := exec.Command(builtPerch(t), "doctor", "-json", "-config", config).Output() // nothing is heard yet, which it says by its code
		return strings.Contains(string(out), `"interface":"near1","site":"hq","state":"waiting"`)
	})
	w.play(0, filepath.Join(story, "swp7.pcap"), 50)
	got := w.perch("doctor", "-config", config)
	for _, want := range []string{
		"\nnear0  listening since", "role         link, because a phone and exactly one switch port announce themselves",
		"switch port  sw-3fl (00:00:5e:00:53:10) swp7", "\nnear1  waiting since", "absent0  waiting since", "absent0: no such interface",
		"no option 82",
	} {
		if !strings.Contains("\n"+got, want) {
			t.Errorf("doctor says\n%s\nwant %q in it", got, want)
		}
	}
	w.cable(1)
	w.play(1, filepath.Join(story, "swp7.pcap"), 50)
	s.waitFor("near1 anew", func() bool {
		out := w.perch("doctor", "-json", "-config", config)
		_, near1, _ := strings.Cut(out, `"interface":"near1"`)
		return strings.Contains(near1, `"state":"listening"`) && strings.Contains(near1, `"reopens":1`) && strings.Contains(near1, `"register":`)
	})
	s.stop()
}

// CAP_NET_RAW alone is enough; without it serve says so and serves what else there
// is.
func TestCapabilityAlone(t *testing.T) {
	w := newWires(t)
	need(t, "setpriv", "util-linux")
	dir := t.TempDir()
	story := filepath.Join(root, "testdata", "replay", "real-first-appearance")
	config := w.config(dir, "[{interface: near0}, {interface: near1}]")
	for _, name := range []string{filepath.Dir(dir), dir, filepath.Dir(builtPerch(t))} { // for others than root
		if err := os.Chmod(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const nobody = 65534
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	user := func(id int, caps string) []string {
		return []string{
			"ip", "netns", "exec", w.near, "setpriv", "--reuid", fmt.Sprint(id), "--regid", fmt.Sprint(id), "--clear-groups",
			"--inh-caps", caps, "--ambient-caps", caps, "--bounding-set", caps,
		}
	}
	as := func(caps string) []string { return user(nobody, caps) }
	// Doctor of a user without any capability gives two lines that name what.
	refused := func(id int, what, hint string) {
		t.Helper()
		args := append(user(id, "-all"), builtPerch(t), "doctor", "-config", config, "-for", "1s")
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		if err == nil || strings.Count(string(out), "error: ") != strings.Count(string(out), what) || !strings.Contains(string(out), what) || !strings.Contains(string(out), hint) {
			t.Errorf("doctor of user %d: %v\n%swant %q and %q", id, err, out, what, hint)
		}
	}
	refused(nobody, "error: near", "grant cap_net_raw")
	s := startServeBy(t, config, as("-all")...)
	s.waitFor("serving all the same", func() bool { return strings.Contains(s.log.String(), "msg=serving") })
	if strings.Count(s.log.String(), "operation not permitted") != 2 || !strings.Contains(s.log.String(), "cap_net_raw") {
		t.Errorf("without the capability serve says\n%s\nwant two refusals, and a hint of cap_net_raw", s.log)
	}
	s.stop()

	s = startServeBy(t, config, as("-all,+net_raw")...)
	s.waitFor("both interfaces", func() bool { return strings.Count(s.log.String(), "state=listening") >= 2 })
	refused(nobody-1, "live.db.sock: permission denied", "as the user that serve runs as")
	w.play(0, filepath.Join(story, "swp7.pcap"), 50)
	s.waitFor("the phone", func() bool {
		return strings.Contains(w.perch("doctor", "-config", config), "phone        00:04:13:5e:00:01")
	})
	s.stop()
}
