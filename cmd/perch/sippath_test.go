package main

import (
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sipSite is a small site: Kamailio as its PBX, and a serve in front of it.
type sipSite struct {
	t           *testing.T
	dir, config string
	pbx, perch  string   // addresses
	by          []string // by way of what serve is started, such as "ip netns exec"
	log         *os.File
	inbox       *inbox
}

func newSIPSite(t *testing.T, more ...string) *sipSite {
	t.Helper()
	return newSIPSiteOf(t, "kamailio.cfg", func(string) []string { return nil }, more...)
}

// newSIPSiteOf is newSIPSite with a PBX of another configuration, whose flags depend on its address.
func newSIPSiteOf(t *testing.T, pbxConfig string, flags func(pbx string) []string, more ...string) *sipSite {
	t.Helper()
	kamailio, _ := need(t, "kamailio", "kamailio"), need(t, "sipp", "sip-tester")
	s := &sipSite{t: t, dir: t.TempDir(), pbx: freeAddress(t), perch: freeAddress(t)}
	conf, err := filepath.Abs(filepath.Join(root, "sip", "proxy", "testdata", pbxConfig))
	if err != nil {
		t.Fatal(err)
	}
	run := t.TempDir()
	pbx := exec.Command(kamailio, append([]string{"-DD", "-E", "-f", conf, "-w", run, "-Y", run, "-P", filepath.Join(run, "pid"), "-m", "32", "-M", "4",
		"-l", "udp:" + s.pbx, "-l", "tcp:" + s.pbx}, flags(s.pbx)...)...)
	if err := pbx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = pbx.Process.Signal(os.Interrupt)
		_ = pbx.Wait()
	})
	s.await("the PBX", func() bool {
		c, err := net.Dial("tcp", s.pbx)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	if s.inbox, err = newInbox(); err != nil {
		t.Fatal(err)
	}
	go s.inbox.serve()
	t.Cleanup(func() { _ = s.inbox.close() })
	s.config = serveConfig(t, s.dir, filepath.Join(s.dir, "perch.db"), s.inbox.url())
	s.add("policy: {settle: 500ms}\nsip: {listen: [\"udp:%s\"], upstream: [\"udp:%s\"], sites: [{prefix: 127.0.0.0/8, site: hq}]%s}\nalarm: {contacts: [{site: hq, to: [desk@example.com]}]}\n", s.perch, s.pbx, strings.Join(more, ""))
	maps := filepath.Join(s.dir, "map")
	for name, text := range map[string]string{
		"sites.csv":     "id,name,subnets\nhq,Headquarters,127.0.0.0/24\n",
		"locations.csv": "id,name,site,country,city,street,house_number,floor\nhq-3f,Third floor,hq,US,Springfield,Main Street,100,3\n",
		"wiremap.csv":   "location_id,site,subnet\nhq-3f,hq,127.0.0.0/24\n",
		"users.csv":     "email,name,role,aors\nalice@example.com,Alice,user,sip:alice@example.com\n",
		"phones.csv":    "mac,kind,label,site,users\n00:15:65:aa:00:01,desk,Alice's desk,hq,alice@example.com\n",
	} {
		if err := os.MkdirAll(maps, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(maps, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.command("import", maps)
	if s.log, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.log.Close()
		if t.Failed() {
			b, _ := os.ReadFile(s.log.Name())
			t.Logf("serve's log:\n%s", b)
		}
	})
	return s
}

func (s *sipSite) add(format string, args ...any) {
	s.t.Helper()
	f, err := os.OpenFile(s.config, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintf(f, format, args...)
		_ = f.Close()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// command runs a command of Perch and returns what it prints.
func (s *sipSite) command(args ...string) string {
	s.t.Helper()
	cmd := exec.Command(builtPerch(s.t), append(args, "-config", s.config)...)
	cmd.Dir = s.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("perch %s: %v\n%s", args, err, out)
	}
	return string(out)
}

// fails runs a command that must fail, and returns what it prints.
func (s *sipSite) fails(args ...string) string {
	s.t.Helper()
	cmd := exec.Command(builtPerch(s.t), append(args, "-config", s.config)...)
	cmd.Dir = s.dir
	out, err := cmd.CombinedOutput()
	if err == nil {
		s.t.Fatalf("perch %s does not fail:\n%s", args, out)
	}
	return string(out)
}

func (s *sipSite) await(what string, is func() bool) {
	s.t.Helper()
	for range 600 {
		if is() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatalf("waited half a minute for %s", what)
}

// serve starts serve. Its log goes to a file, which the SIP path may go on to write.
func (s *sipSite) serve() *exec.Cmd {
	s.t.Helper()
	args := append(slices.Clone(s.by), builtPerch(s.t), "serve", "-config", s.config)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stderr = s.dir, s.log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	s.await("serve", func() bool {
		c, err := net.Dial("unix", filepath.Join(s.dir, "s.sock"))
		if err == nil {
			c.Close()
		}
		return err == nil && strings.Contains(s.command("prompts", "list"), "")
	})
	return cmd
}

func (s *sipSite) portal() string {
	s.t.Helper()
	c, err := loadConfig(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	return "http://" + c.Portal.Listen
}

// mails counts rows of the database as they are durable.
func (s *sipSite) mails(query string) (n int) {
	s.t.Helper()
	d, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "perch.db")+"?mode=ro")
	if err != nil {
		s.t.Fatal(err)
	}
	defer d.Close()
	if err := d.QueryRow(query).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// alerts is the page of calls for help of a contact, by the link that a command prints.
func (s *sipSite) alerts(email string) string {
	s.t.Helper()
	_, token, ok := strings.Cut(strings.TrimSpace(s.command("alerts", "link", "-for", email)), "/e/")
	if !ok {
		s.t.Fatal("no link")
	}
	return s.open(token)
}

// mailed is the text of the mail to the front desk whose subject begins so; empty if
// none came in.
func (s *sipSite) mailed(subject string) string {
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	for _, m := range s.inbox.mails {
		if strings.HasPrefix(m.Subject, subject) && strings.Contains(m.To, "desk@example.com") {
			return string(m.text)
		}
	}
	return ""
}

// open is the page of calls for help that a token opens.
func (s *sipSite) open(token string) string {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := (&http.Client{Jar: jar}).Get(s.portal() + "/e/" + token)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// path is the process of the SIP path; 0 if there is none.
func (s *sipSite) path() int {
	s.t.Helper()
	out, _ := exec.Command("pgrep", "-f", "^"+builtPerch(s.t)+" sip-path").Output()
	for pid := range strings.FieldsSeq(string(out)) {
		if cwd, err := os.Readlink("/proc/" + pid + "/cwd"); err == nil && cwd == s.dir {
			n, _ := strconv.Atoi(pid)
			return n
		}
	}
	return 0
}

// sipp runs a scenario of sip/proxy against serve's SIP path.
func (s *sipSite) sipp(scenario, user, port string, args ...string) *exec.Cmd {
	s.t.Helper()
	return s.sippAt(s.perch, scenario, user, port, args...)
}

// sippAt runs one against somebody.
func (s *sipSite) sippAt(addr, scenario, user, port string, args ...string) *exec.Cmd {
	s.t.Helper()
	file, err := filepath.Abs(filepath.Join(root, "sip", "proxy", "testdata", scenario+".xml"))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command("sipp", append([]string{
		addr, "-sf", file, "-i", "127.0.0.1", "-p", port, "-s", user, "-au", user, "-ap", "not-a-secret",
		"-m", "1", "-timeout", "20s", "-timeout_error", "-nostdin",
	}, args...)...)
	cmd.Dir = s.dir
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return cmd
}

func (s *sipSite) done(cmd *exec.Cmd) {
	s.t.Helper()
	if err := cmd.Wait(); err != nil {
		s.t.Fatalf("%s: %v", cmd.Args, err)
	}
}

// A phone registers through serve, and its user is asked where it is. Calls go on
// when serve is killed, and when the SIP path is killed once it is there again.
func TestSIPPath(t *testing.T) {
	s := newSIPSite(t)
	serve := s.serve()
	_, alice, _ := net.SplitHostPort(freeAddress(t))
	_, bob, _ := net.SplitHostPort(freeAddress(t))
	s.done(s.sipp("register", "alice", alice, "-key", "mac", "001565aa0001", "-key", "expires", "600"))
	s.done(s.sipp("register", "bob", bob, "-key", "mac", "001565aa0002", "-key", "expires", "600"))
	s.await("a question to alice", func() bool { return strings.Contains(s.command("prompts", "list"), "alice@example.com") })
	if got := s.command("prompts", "list"); !strings.Contains(got, "confirm  hq 127.0.0.0/24  hq-3f") {
		t.Errorf("got\n%s", got)
	}
	if got := s.command("explain", "00:15:65:aa:00:01"); !strings.Contains(got, "on        hq 127.0.0.0/24 since") || !strings.Contains(got, "127.0.0.1, from the frame") {
		t.Errorf("got\n%s", got)
	}

	// Help is called with the location in force, and its end is Bob, who has no ears.
	logged := func(what string) func() bool {
		return func() bool {
			b, err := os.ReadFile(s.log.Name())
			return err == nil && strings.Contains(string(b), what)
		}
	}
	help := func(user, port string) {
		t.Helper()
		answer := s.sipp("answered", "bob", bob)
		s.done(s.sipp("help", user, port, "-key", "number", "911"))
		s.done(answer)
	}
	help("alice", alice)
	s.await("the call in the log", logged(`msg="emergency call" process=sip call=`))
	s.await("its location", logged(`phone=00:15:65:aa:00:01 label="Alice's desk" found_by="source and line" location=hq-3f network="hq 127.0.0.0/24"`))
	s.await("what was sent", logged(`sent=location status=200`))

	s.await("the call among the alerts", func() bool {
		got := s.command("alerts", "list", "-json")
		return strings.Contains(got, `"state":"waits","site":"hq"`) && strings.Contains(got, `"location":"hq-3f","version":1,"place":"Third floor"`) && strings.Contains(got, `"status":200`)
	})
	s.await("its mail", func() bool {
		return s.mails("SELECT count(*) FROM mails WHERE purpose = 'emergency' AND recipient = 'desk@example.com' AND emergency_id = 1") == 1
	})
	s.await("its mail, handed over", func() bool { return s.mailed("EMERGENCY CALL 911 at Third floor") != "" })
	_, token, _ := strings.Cut(s.mailed("EMERGENCY CALL 911 at Third floor"), "http://127.0.0.1:1/e/")
	token, _, _ = strings.Cut(token, "\n")
	if page := s.open(strings.TrimSpace(token)); !strings.Contains(page, "<title>(1) EMERGENCY CALL</title>") {
		t.Errorf("the mail's link %q leads to\n%s", token, page)
	}
	if page := s.alerts("desk@example.com"); !strings.Contains(page, "<title>(1) EMERGENCY CALL</title>") || !strings.Contains(page, "Third floor") || !strings.Contains(page, "answered (200)") {
		t.Errorf("the page says\n%s", page)
	}

	s.await("doctor's word of the SIP path", func() bool {
		got := s.command("doctor")
		return strings.Contains(got, "upstream       udp:"+s.pbx+", up") && strings.Contains(got, "registrations  2 told to the engine") &&
			strings.Contains(got, "callers        2 phones for which") && strings.Contains(got, "1 emergency call has not been acknowledged")
	})
	resp, err := http.Get(s.portal() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(b), `perch_sip_upstream_up{upstream="udp:`+s.pbx+`"} 1`) ||
		!strings.Contains(string(b), `perch_emergency_calls{state="unacknowledged"} 1`) {
		t.Errorf("got %v, and no word of the PBX or the call in\n%s", err, b)
	}
	if got := s.command("alerts", "ack", "1", "-by", "Frida Front"); !strings.Contains(got, "emergency 1 acknowledged by Frida Front") {
		t.Errorf("got\n%s", got)
	}
	if page := s.alerts("desk@example.com"); !strings.Contains(page, "<title>Emergency calls</title>") || !strings.Contains(page, "acknowledged by <bdi>Frida Front") {
		t.Errorf("the page says\n%s", page)
	}

	call := func() {
		t.Helper()
		answer := s.sipp("answer", "bob", bob)
		s.done(s.sipp("call", "bob", alice, "-au", "alice"))
		s.done(answer)
	}
	call()

	path := s.path()
	if path == 0 {
		t.Fatal("there is no process of the SIP path")
	}
	if err := serve.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = serve.Wait()
	call()
	help("alice", alice)
	s.done(s.sipp("register", "alice", alice, "-key", "mac", "001565aa0001", "-key", "expires", "600", "-base_cseq", "9"))
	serve = s.serve()
	if got := s.path(); got != path {
		t.Errorf("the SIP path is process %d, want %d as before serve was killed", got, path)
	}
	s.await("the call that was made while there was no serve", func() bool {
		return strings.Contains(s.command("alerts", "list", "-json"), `{"id":2,`) && s.mails("SELECT count(*) FROM mails WHERE emergency_id = 2") == 1
	})
	call()

	if err := syscall.Kill(path, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.await("another SIP path", func() bool { p := s.path(); return p != 0 && p != path })
	call()

	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("serve ended with %v", err)
	}
	s.await("the end of the SIP path", func() bool { return s.path() == 0 })
}

// The phone that a question is about shows that there is one.
func TestDisplay(t *testing.T) {
	s := newSIPSite(t, ", display: [hq]")
	s.serve()
	_, alice, _ := net.SplitHostPort(freeAddress(t))
	s.done(s.sipp("register", "alice", alice, "-key", "mac", "001565aa0001", "-key", "expires", "600"))
	phone, err := net.ListenPacket("udp", "127.0.0.1:"+alice)
	if err != nil {
		t.Fatal(err)
	}
	defer phone.Close()
	_ = phone.SetReadDeadline(time.Now().Add(20 * time.Second))
	b := make([]byte, 1<<16)
	n, _, err := phone.ReadFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(b[:n]); !strings.HasPrefix(got, "MESSAGE sip:alice@127.0.0.1:"+alice) || !strings.HasSuffix(got, "\r\n\r\n"+displayText) {
		t.Errorf("the phone got\n%s", got)
	}
	if got := s.command("prompts", "list"); !strings.Contains(got, "alice@example.com") {
		t.Errorf("it is shown before it is stored:\n%s", got)
	}
}

// A serve that cannot be leaves no SIP path behind, but leaves one alone that was there.
func TestSIPPathGivenUp(t *testing.T) {
	s := newSIPSite(t)
	c, err := loadConfig(s.config)
	if err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", c.Portal.Listen)
	if err != nil {
		t.Fatal(err)
	}
	fails := func() {
		t.Helper()
		cmd := exec.Command(builtPerch(t), "serve", "-config", s.config)
		cmd.Dir = s.dir
		out, err := cmd.StderrPipe() // not waited for: a path that is left has it, too
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said := make([]byte, 1<<12)
		n, _ := io.ReadAtLeast(out, said, 1)
		if err := cmd.Wait(); err == nil {
			t.Fatalf("serve runs without its portal:\n%s", said[:n])
		}
	}
	fails()
	s.await("the end of the SIP path", func() bool { return s.path() == 0 })
	if err := busy.Close(); err != nil {
		t.Fatal(err)
	}
	serve := s.serve()
	path := s.path()
	if err := serve.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = serve.Wait()
	if busy, err = net.Listen("tcp", c.Portal.Listen); err != nil {
		t.Fatal(err)
	}
	fails()
	time.Sleep(200 * time.Millisecond) // in which it would end
	if got := s.path(); got != path || path == 0 {
		t.Errorf("the SIP path is process %d, want %d, which was there before", got, path)
	}
	if err := busy.Close(); err != nil {
		t.Fatal(err)
	}
	s.serve() // which ends it
}

// A configuration that is read again takes effect in the SIP path; one that is wrong,
// or that cannot be, changes nothing, and serve says so.
func TestReload(t *testing.T) {
	s := newSIPSite(t)
	serve := s.serve()
	first := s.path()
	_, alice, _ := net.SplitHostPort(freeAddress(t))
	register := func(cseq string) {
		t.Helper()
		s.done(s.sipp("register", "alice", alice, "-key", "mac", "001565aa0001", "-key", "expires", "600", "-base_cseq", cseq))
	}
	register("1")
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	said := func(what string, times int) func() bool {
		return func() bool {
			b, err := os.ReadFile(s.log.Name())
			return err == nil && strings.Count(string(b), what) == times
		}
	}
	busy, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	reload := func(from, to string) {
		t.Helper()
		if err := os.WriteFile(s.config, []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := serve.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	const refused = "the configuration is not taken: the one before goes on"
	reload("upstream:", "upstraem:")
	s.await("word of a wrong configuration", said(refused, 1))
	reload("upstream: [\"udp:"+s.pbx, "upstream: [\"udp:"+s.perch)
	s.await("word of a loop", said(refused, 2))
	if got := s.path(); got != first {
		t.Errorf("the SIP path is process %d, want %d as before", got, first)
	}
	reload("udp:"+s.perch+"\"]", "udp:"+s.perch+"\", \"udp:"+busy.LocalAddr().String()+"\"]")
	s.await("word of a port in use", said("the SIP path cannot be started with the new configuration; the one before goes on", 1))
	s.await("the SIP path", func() bool { p := s.path(); return p != 0 && p != first })
	register("5")
	before := s.path()
	reload("display", "display") // nothing else
	reload("sites: [{prefix", "emergency: [\"110\"], sites: [{prefix")
	s.await("another SIP path", func() bool { p := s.path(); return p != 0 && p != before })
	register("9")
}
