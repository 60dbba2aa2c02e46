package proxy

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// need skips a test for want of a program, and fails it where CI is set.
func need(t *testing.T, program, debian string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	lack := program + " is not installed: apt-get install --no-install-recommends " + debian
	if os.Getenv("CI") != "" {
		t.Fatal(lack)
	}
	t.Skip(lack)
}

// freePort returns a port of loopback that is free for UDP and TCP.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		c, err := net.ListenPacket("udp", l.Addr().String())
		_ = l.Close()
		if err == nil {
			_ = c.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// program is a real program of the test's own.
type program struct {
	cmd *exec.Cmd
	out *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// spawn starts a program, which ends with the test.
func spawn(t *testing.T, name string, args ...string) *program {
	t.Helper()
	p := &program{exec.Command(name, args...), &lockedBuffer{}}
	p.cmd.Dir = t.TempDir()
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(os.Interrupt)
		ended := make(chan struct{})
		go func() { _ = p.cmd.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = p.cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("%s printed:\n%s", name, tail(p.out.String()))
		}
	})
	return p
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

func testdata(t *testing.T, name string) string {
	t.Helper()
	abs, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// startKamailio starts a PBX and returns where it listens, over UDP and TCP.
func startKamailio(t *testing.T, flags ...string) netip.AddrPort {
	t.Helper()
	return startKamailioAt(t, netip.AddrFrom4([4]byte{127, 0, 0, 1}), flags...)
}

func startKamailioAt(t *testing.T, ip netip.Addr, flags ...string) netip.AddrPort {
	t.Helper()
	return startKamailioOf(t, "kamailio.cfg", netip.AddrPortFrom(ip, uint16(freePort(t))), flags...)
}

// startKamailioOf starts a PBX of a configuration at an address.
func startKamailioOf(t *testing.T, config string, addr netip.AddrPort, flags ...string) netip.AddrPort {
	t.Helper()
	need(t, "kamailio", "kamailio")
	dir := t.TempDir()
	spawn(t, "kamailio", append([]string{
		"-DD", "-E", "-f", testdata(t, config), "-w", dir, "-Y", dir, "-P", filepath.Join(dir, "pid"), "-m", "32", "-M", "4",
		"-l", "udp:" + addr.String(), "-l", "tcp:" + addr.String(),
	}, flags...)...)
	for range 200 {
		if c, err := net.Dial("tcp", addr.String()); err == nil {
			_ = c.Close()
			return addr
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("kamailio does not listen")
	return addr
}

// sipp is a run of SIPp as a phone.
type sipp struct{ *program }

func startSIPp(t *testing.T, scenario, user string, port int, to netip.AddrPort, args ...string) sipp {
	t.Helper()
	need(t, "sipp", "sip-tester")
	return sipp{spawn(t, "sipp", append([]string{
		to.String(), "-sf", testdata(t, scenario+".xml"), "-i", "127.0.0.1", "-p", strconv.Itoa(port), "-s", user, "-au", user, "-ap", "not-a-secret",
		"-m", "1", "-timeout", "20s", "-timeout_error", "-nostdin", "-trace_err", "-error_file", "/dev/stderr",
	}, args...)...)}
}

// done waits for the scenario's end, which must be as it is written.
func (s sipp) done(t *testing.T) {
	t.Helper()
	if err := s.cmd.Wait(); err != nil {
		t.Fatalf("sipp: %v\n%s", err, tail(s.out.String()))
	}
}

// Phones register through the proxy with digest, one calls the other, puts it on
// hold and hangs up, and both unregister; in between the proxy is started again.
func TestKamailioUDP(t *testing.T) {
	pbx := startKamailio(t)
	var mu sync.Mutex
	var seen []string
	listen := fmt.Sprintf("udp:127.0.0.1:%d", freePort(t))
	cfg := Config{Listen: []string{listen}, Observe: func(o Observation) {
		line, _, _ := strings.Cut(string(o.Message), "\r\n")
		mu.Lock()
		seen = append(seen, line)
		mu.Unlock()
	}}
	p, stop := startOnce(t, cfg, "udp:"+pbx.String())
	alice, bob := freePort(t), freePort(t)
	for user, port := range map[string]int{"alice": alice, "bob": bob} {
		startSIPp(t, "register", user, port, p.Addr(0), "-key", "expires", "60", "-key", "mac", "none").done(t)
	}
	const registered = 4 // REGISTER and 200 of each, and not what was challenged
	if mu.Lock(); len(seen) != registered {
		t.Errorf("got observations %q, want %d", seen, registered)
	}
	mu.Unlock()

	stop()
	p = start(t, cfg, "udp:"+pbx.String()) // the phones are not told

	answers := startSIPp(t, "answer", "bob", bob, p.Addr(0))
	call := startSIPp(t, "call", "bob", alice, p.Addr(0), "-au", "alice")
	call.done(t)
	answers.done(t)

	startSIPp(t, "register", "bob", bob, p.Addr(0), "-key", "expires", "0", "-key", "mac", "none").done(t)
	c := p.Counts()
	if c.Malformed+c.NotSIP+c.Forged+c.Unsent+c.Answered != 0 {
		t.Errorf("got %+v, want messages forwarded alone", c)
	}
}

// Help is called through a PBX that takes bodies in parts, and through one that does
// not. Whoever answers has the location in the one case, and the call in both.
func TestKamailioEmergency(t *testing.T) {
	for _, tc := range []struct {
		flags []string
		parts bool
		why   string
	}{{nil, true, ""}, {[]string{"-A", "NO_PARTS"}, false, "the PBX refused it with the location"}} {
		t.Run(fmt.Sprint(tc.flags), func(t *testing.T) {
			pbx := startKamailio(t, tc.flags...)
			told := make(chan EmergencyCall, 9)
			p := start(t, Config{Emergency: func(c EmergencyCall) { told <- c }}, "udp:"+pbx.String())
			alice, bob := freePort(t), freePort(t)
			desk := aliceDesk
			desk.Sources = []netip.Addr{pbx.Addr()}
			p.SetCallers([]Caller{desk})
			startSIPp(t, "register", "bob", bob, p.Addr(0), "-key", "expires", "60", "-key", "mac", "none").done(t)
			log := filepath.Join(t.TempDir(), "messages")
			answered := startSIPp(t, "answered", "bob", bob, p.Addr(0), "-trace_msg", "-message_file", log)
			startSIPp(t, "help", "alice", alice, p.Addr(0), "-key", "number", "911").done(t)
			answered.done(t)
			b, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			if got := bytes.Contains(b, []byte("<cl:ROOM>307 &lt;&amp;&gt;</cl:ROOM>")) && bytes.Contains(b, []byte("Geolocation: <cid:")); got != tc.parts {
				t.Errorf("the location came along: %t, want %t", got, tc.parts)
			}
			if !bytes.Contains(b, []byte("m=audio 40000 RTP/AVP 0")) {
				t.Errorf("the phone's SDP is lost:\n%s", b)
			}
			var last EmergencyCall
			for last.Status != 200 {
				last = <-told
			}
			if last.Why != tc.why || (last.Sent != "") != tc.parts {
				t.Errorf("told of %+v", last)
			}
		})
	}
}

// family are the processes of a program and of all below it.
func family(pid int) (pids []int) {
	pids = []int{pid}
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range names {
		text, _ := os.ReadFile(name)
		for child := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(child); err == nil {
				pids = append(pids, family(n)...)
			}
		}
	}
	return pids
}

// A PBX falls silent while somebody calls for help: the next one takes the call, with
// the location. When the first one wakes up it is told that it is too late, and calls
// go by it again.
func TestKamailioSilent(t *testing.T) {
	first, second := startKamailio(t), startKamailio(t)
	told := make(chan EmergencyCall, 20)
	p := start(t, Config{Emergency: func(c EmergencyCall) { told <- c }}, "udp:"+first.String(), "udp:"+second.String())
	alice, bob := freePort(t), freePort(t)
	desk := aliceDesk
	desk.Sources = []netip.Addr{first.Addr()}
	p.SetCallers([]Caller{desk})
	for _, at := range []netip.AddrPort{p.Addr(0), second} { // by us to the first, and to the second
		startSIPp(t, "register", "bob", bob, at, "-key", "expires", "60", "-key", "mac", "none").done(t)
	}
	help := func() EmergencyCall {
		t.Helper()
		answered := startSIPp(t, "answered", "bob", bob, p.Addr(0))
		startSIPp(t, "help", "alice", alice, p.Addr(0), "-key", "number", "911").done(t)
		answered.done(t)
		for c := range told {
			if c.Status == 200 {
				return c
			}
		}
		return EmergencyCall{}
	}
	if c := help(); c.To != first || c.Sent == "" {
		t.Errorf("a call goes to %v, with %q", c.To, c.Sent)
	}
	out, err := exec.Command("pgrep", "-f", "kamailio .*udp:"+first.String()).Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.Fields(string(out))[0])
	signal := func(s syscall.Signal) {
		for _, n := range family(pid) {
			_ = syscall.Kill(n, s)
		}
	}
	signal(syscall.SIGSTOP)
	defer signal(syscall.SIGCONT)
	if c := help(); c.To != second || c.Sent == "" {
		t.Errorf("while the first is silent a call goes to %v, with %q", c.To, c.Sent)
	}
	signal(syscall.SIGCONT)
	for range 100 {
		if !p.upstreams.list()[0].down.Load() {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if c := help(); c.To != first {
		t.Errorf("when the first is there again a call goes to %v", c.To)
	}
	if c := p.Counts(); c.Malformed+c.NotSIP+c.Forged+c.Panics != 0 {
		t.Errorf("got %+v", c)
	}
}
