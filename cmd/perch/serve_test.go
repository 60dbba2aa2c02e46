package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"perch/discovery"
	"perch/discovery/capture"
	"perch/gateway"
)

// served is a serve in a process of its own.
type served struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *logBuffer
	url  string
	done chan struct{}
	err  error
}

// logBuffer is what a process writes, read while it does.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serveConfig writes a configuration file and returns its name.
func serveConfig(t *testing.T, dir, db, smtp string) string {
	t.Helper()
	name := filepath.Join(dir, "serve.yaml")
	text := fmt.Sprintf("database: %q\nsocket: %q\nsite: hq\nportal: {listen: %q, url: \"http://127.0.0.1:1\"}\n", db, filepath.Join(dir, "s.sock"), freeAddress(t))
	if smtp != "" {
		text += fmt.Sprintf("mail: {smtp: %q}\n", smtp)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// freeAddress is an address on which nobody listens just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startServe starts the built program's serve; it is killed at the end of the
// test if it still runs.
func startServe(t *testing.T, config string) *served {
	t.Helper()
	return startServeBy(t, config)
}

// startServeBy is startServe by way of another program, such as "ip netns exec".
func startServeBy(t *testing.T, config string, by ...string) *served {
	t.Helper()
	c, err := loadConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, log: &logBuffer{}, url: "http://" + c.Portal.Listen, done: make(chan struct{})}
	args := append(by, builtPerch(t), "serve", "-config", config)
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Stderr = s.log
	s.cmd.Dir = filepath.Dir(config)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() { s.kill() })
	return s
}

func (s *served) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// ready waits until it answers.
func (s *served) ready() *served {
	s.t.Helper()
	s.waitFor("an answer of /healthz", func() bool {
		resp, err := http.Get(s.url + "/healthz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return s
}

// waitFor waits until something is so, for at most a minute.
func (s *served) waitFor(what string, is func() bool) {
	s.t.Helper()
	deadline := time.After(time.Minute)
	for !is() {
		select {
		case <-s.done:
			s.t.Fatalf("waiting for %s, serve ended: %v\n%s", what, s.err, s.log)
		case <-deadline:
			s.t.Fatalf("waited a minute for %s\n%s", what, s.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends it with SIGTERM and wants a clean end.
func (s *served) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.done:
	case <-time.After(30 * time.Second):
		s.t.Fatalf("serve does not end\n%s", s.log)
	}
	if s.err != nil {
		s.t.Fatalf("serve ended with %v\n%s", s.err, s.log)
	}
}

func (s *served) health() (code int, body string) {
	s.t.Helper()
	resp, err := http.Get(s.url + "/healthz")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// liveDatabase makes a live database that a story was observed into, as if serve
// had heard it up to some hours ago.
func liveDatabase(t *testing.T, db, story string) {
	t.Helper()
	dir := filepath.Join(root, "testdata", "replay", story)
	observedInto(t, db, filepath.Join(dir, "map"), filepath.Join(dir, "in.pcapng"))
}

// observedInto makes a live database of captures and the map that knows them.
func observedInto(t *testing.T, db, maps string, captures ...string) {
	t.Helper()
	ctx := context.Background()
	conf := defaults()
	conf.Site = "hq"
	s, err := openSession(ctx, conf, db, false, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.engine.SetType(gateway.Live); err != nil {
		t.Fatal(err)
	}
	s.engine.SetKey(gateway.Key{1, 2, 3})
	if err := s.importPaths(maps); err != nil {
		t.Fatal(err)
	}
	merge, err := capture.Open(captures, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer merge.Close()
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	var shift time.Duration
	for {
		f, err := merge.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		in := frameOf(f)
		if shift == 0 {
			shift = time.Since(in.Time) - 5*time.Hour
		}
		in.Time = in.Time.Add(shift).Truncate(time.Microsecond)
		d.Decode(in, s.engine.Observe)
	}
	s.engine.Settle()
	if err := errors.Join(s.engine.Checkpoint(ctx), s.store.Close()); err != nil {
		t.Fatal(err)
	}
}

// perchRun runs the built program and returns its exit code and what it said.
func perchRun(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(builtPerch(t), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// TestOneWriter: while serve holds a live database, commands go through it, and
// whatever needs the database for itself is refused in words.
func TestOneWriter(t *testing.T) {
	eachDatabase(t, func(t *testing.T, fresh func() string) {
		dir, db := t.TempDir(), fresh()
		liveDatabase(t, db, "company-claim-port")
		config := serveConfig(t, dir, db, "")
		s := startServe(t, config).ready()
		want := func(code int, stdout, stderr string, args ...string) {
			t.Helper()
			gotCode, out, errs := perchRun(t, append(args, "-config", config)...)
			if gotCode != code || !strings.Contains(out, stdout) || !strings.Contains(errs, stderr) {
				t.Errorf("perch %s: exit %d\n%s%s\nwant exit %d with %q and %q", strings.Join(args, " "), gotCode, out, errs, code, stdout, stderr)
			}
		}
		want(0, "00:15:65:aa:00:01  add ", "", "prompts", "list")
		want(0, "claim 1 opened hq-307 by alice@example.com", "", "prompts", "answer", "1", "-company", "hq-307", "-by", "alice@example.com")
		want(1, "", "error: prompt 1 is closed (answered)", "prompts", "answer", "1", "-company", "hq-307", "-by", "alice@example.com")
		want(1, "", "is in the future", "claims", "approve", "1", "-at", "2099-01-01T00:00:00Z")
		want(0, "claim 1 approved", "", "claims", "approve", "1")
		want(1, "", "error: claim 9: no such claim", "claims", "reject", "9", "-reason", "x")
		want(0, "hq-307 (chosen)", "", "explain", "00:15:65:aa:00:01")
		want(0, "hq-307,hq-3f,company", "", "export", "locations")
		want(0, "", "changed: 1 users", "import", writeFile(t, dir, "users.csv", "email,name\nzoe@example.com,Zoe\n"))
		want(1, "", "users.csv:2: ", "import", writeFile(t, dir, "users.csv", "email,name\nzoe,Zoe\n"))
		want(1, "", "in use by another process", "serve")
		capture := filepath.Join(root, "testdata", "replay", "company-claim-port", "in.pcapng")
		want(1, "", "in use by another process", "replay", "-db", db, capture)
		s.stop()
		want(1, "", "this is a live database, not a replay one", "replay", "-db", db, capture)
		want(0, "claim approved", "", "explain", "00:15:65:aa:00:01") // without serve, and after it: it was stored
	})
}

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestRefusedRecipient: a recipient whom the mail server refuses for good shows
// where an admin looks, until a mail gets through.
func TestRefusedRecipient(t *testing.T) {
	dir := t.TempDir()
	db := filepath.Join(dir, "perch.db")
	liveDatabase(t, db, "two-users")
	sink := newMailSink(t)
	sink.refuse("bob@example.com")
	config := serveConfig(t, dir, db, sink.url())
	s := startServe(t, config).ready()
	s.waitFor("an empty outbox", func() bool { return waiting(t, db) == 0 })
	want := func(text string, args ...string) {
		t.Helper()
		if code, out, errs := perchRun(t, append(args, "-config", config)...); code != 0 || !strings.Contains(out, text) {
			t.Errorf("perch %s: exit %d\n%s%s\nwant %q", strings.Join(args, " "), code, out, errs, text)
		}
	}
	want("alice@example.com bob@example.com (refused)", "prompts", "list")
	want("mail to bob@example.com", "explain", "00:15:65:aa:00:01")
	want("550 no such user", "explain", "00:15:65:aa:00:01")
	resp, err := http.Get(s.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"perch_users_undeliverable 1", `perch_mails{state="refused"} 1`,
		`perch_given_up_total{what="device"} 0`, "perch_leases_refused_total 0", "perch_addresses_refused_total 0",
	} {
		if !strings.Contains(string(b), line+"\n") {
			t.Errorf("metrics lack %s:\n%s", line, b)
		}
	}
	sink.refuse("")
	want("prompt 1 closed answered", "prompts", "answer", "1", "-confirm", "-by", "alice@example.com") // Bob is told
	s.waitFor("an empty outbox", func() bool { return waiting(t, db) == 0 })
	if _, out, _ := perchRun(t, "explain", "-config", config, "00:15:65:aa:00:01"); strings.Contains(out, "refused") {
		t.Errorf("his mail gets through again, and explain still says\n%s", out)
	}
	s.stop()
}
