package serve

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// told is a log that a test reads while it is written.
type told struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *told) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *told) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

const (
	otherNotify = "NOTIFY sip:10.0.0.9:1053 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2\r\nEvent: ua-profile\r\nContent-Type: application/url\r\n\r\nhttp://10.0.0.2/{mac}\x1b[2J"
	otherOK     = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.9\r\nCSeq: 1 SUBSCRIBE\r\nContent-Length: 0\r\n\r\n"
)

// What another server says is told once a minute of each, and of some servers; what says
// nothing to phones is not.
func TestOthers(t *testing.T) {
	log := &told{}
	p := newPnP("127.0.0.0/8")
	p.Log = slog.New(slog.NewTextHandler(log, nil))
	now := time.Now()
	lines := func(from, text string) int {
		t.Helper()
		before := strings.Count(log.String(), "\n")
		p.note(netip.MustParseAddrPort(from), text, now)
		return strings.Count(log.String(), "\n") - before
	}
	for _, tc := range []struct {
		name, from, text string
		want             int
	}{
		{"a URL", "10.0.0.2:5060", otherNotify, 1}, {"the same at once", "10.0.0.2:5060", otherNotify, 0}, {"from another port", "10.0.0.2:5061", otherOK, 0},
		{"a promise", "10.0.0.3:5060", otherOK, 1},
		{"short names", "10.0.0.4:5060", "NOTIFY sip:a SIP/2.0\r\nc: application/url\r\n\r\nhttp://a/", 1},
		{"an answer to something else", "10.0.0.5:5060", strings.Replace(otherOK, "SUBSCRIBE", "OPTIONS", 1), 0}, {"a refusal", "10.0.0.5:5060", strings.Replace(otherOK, "200 OK", "404 No", 1), 0},
		{"another NOTIFY", "10.0.0.5:5060", "NOTIFY sip:a SIP/2.0\r\nEvent: presence\r\n\r\n", 0}, {"no end", "10.0.0.5:5060", "NOTIFY sip:a SIP/2.0\r\nEvent: ua-profile\r\n", 0},
		{"a phone", "10.0.0.5:5060", asking("MAC%3a001565aabbcc", profile, "SIP/2.0/UDP a"), 0}, {"nothing", "10.0.0.5:5060", "", 0},
	} {
		if got := lines(tc.from, tc.text); got != tc.want {
			t.Errorf("%s: %d lines, want %d", tc.name, got, tc.want)
		}
	}
	if got := log.String(); !strings.Contains(got, `from=10.0.0.2:5060 url="\"http://10.0.0.2/{mac}\\x1b[2J\""`) {
		t.Errorf("got\n%s", got)
	}
	many := 0
	for i := range 200 {
		many += lines(fmt.Sprintf("10.1.0.%d:5060", i), otherOK)
	}
	if many != maxOthers-3 {
		t.Errorf("%d servers are told of besides", many)
	}
	now = now.Add(othersAgain)
	if got := lines("10.0.0.2:5060", otherNotify); got != 1 {
		t.Errorf("a minute later it is told %d times", got)
	}
}

// A second server at the other end of a cable, which says so to the group, is told of.
func TestOthersOnTheLAN(t *testing.T) {
	if !inNamespace(t, "^TestOthersOnTheLAN$", lan) {
		return
	}
	in, err := ListenPnP("near")
	if err != nil {
		t.Fatal(err)
	}
	log, p := &told{}, newPnP("10.0.0.0/8")
	p.Log = slog.New(slog.NewTextHandler(log, nil))
	done := make(chan error)
	go func() { done <- p.Serve(in) }()
	far, err := onTheFarSide()
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; !strings.Contains(log.String(), "http://10.0.0.2/"); n++ { // the cable may not be up yet
		if n == 50 {
			t.Fatalf("nothing is told:\n%s", log)
		}
		if _, err := far.WriteToUDPAddrPort([]byte(otherNotify), PnPGroup); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	_ = in.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, "from=10.0.0.2:") {
		t.Errorf("got\n%s", got)
	}
}

// onTheFarSide opens a socket in a namespace of its own, to which the cable leads.
func onTheFarSide() (c *net.UDPConn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the namespace is the thread's, and the socket stays in it
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return
		}
		moved := make(chan error)
		tid := unix.Gettid()
		go func() { moved <- exec.Command("ip", "link", "set", "far", "netns", fmt.Sprint(tid)).Run() }() // by a thread that sees it
		if err = <-moved; err != nil {
			return
		}
		if err = exec.Command("sh", "-c", "ip addr add 10.0.0.2/24 dev far && ip link set far up && ip route add 224.0.0.0/4 dev far").Run(); err != nil {
			return
		}
		c, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2)})
	}()
	<-done
	return c, err
}
