package serve

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"perch/provisioning"
	"perch/provisioning/settings"
)

// startTFTP serves a common file of some length to loopback.
func startTFTP(t *testing.T, size int, allow string) (host, port string) {
	t.Helper()
	s := NewTFTP(Config{Common: func(v provisioning.Vendor, _ settings.Kind) (File, bool) {
		return File{Vendor: v, Body: bytes.Repeat([]byte("0123456789abcde\n"), size/16)}, v == provisioning.Yealink
	}}, []netip.Prefix{netip.MustParsePrefix(allow)})
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Serve(c) }()
	t.Cleanup(func() {
		s.Shutdown()
		_ = c.Close()
		<-done
	})
	host, port, _ = net.SplitHostPort(c.LocalAddr().String())
	return host, port
}

func needTool(t *testing.T, name, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: install %s", name, pkg)
	}
	t.Skipf("%s is missing: install %s", name, pkg)
}

// Real clients fetch the common file, with and without options; a phone's own file, and what
// is none, they do not get, and nothing is taken from them.
func TestTFTP(t *testing.T) {
	needTool(t, "tftp", "tftp-hpa")
	needTool(t, "atftp", "atftp")
	host, port := startTFTP(t, 100<<10, "127.0.0.0/8")
	dir := t.TempDir()
	fetch := func(args ...string) (string, int) {
		t.Helper()
		file := filepath.Join(dir, "got")
		_ = os.Remove(file)
		for i, a := range args {
			args[i] = strings.ReplaceAll(a, "FILE", file)
		}
		out, _ := exec.Command("timeout", append([]string{"20"}, args...)...).CombinedOutput()
		b, _ := os.ReadFile(file)
		return string(out), len(b)
	}
	for _, args := range [][]string{
		{"tftp", "-m", "binary", host, port, "-c", "get", "y000000000028.cfg", "FILE"},
		{"atftp", "-g", "-r", "y000000000028.cfg", "-l", "FILE", "--option", "blksize 1428", "--option", "tsize 0", host, port},
		{"atftp", "-g", "-r", "y000000000028.cfg", "-l", "FILE", "--option", "blksize 65464", host, port},
		{"atftp", "-g", "-r", "/tftpboot/y000000000028.cfg", "-l", "FILE", host, port},
	} {
		if out, n := fetch(args...); n != 100<<10 {
			t.Errorf("%q: got %d octets, %s", args, n, out)
		}
	}
	for _, name := range []string{"001565aabbcc.cfg", "../../etc/passwd", "/etc/passwd", "000000000000.cfg", "x"} {
		if out, n := fetch("atftp", "-g", "-r", name, "-l", "FILE", host, port); n != 0 {
			t.Errorf("%q: got %d octets, %s", name, n, out)
		}
	}
	if out, err := exec.Command("timeout", "5", "atftp", "-p", "-l", "/etc/hostname", "-r", "x.log", host, port).CombinedOutput(); err == nil {
		t.Errorf("a file is taken: %s", out)
	}
}

// asker is a socket from which a test asks.
type asker struct {
	t *testing.T
	*net.UDPConn
	server *net.UDPAddr
}

func newAsker(t *testing.T, from, host, port string) *asker {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	to, err := net.ResolveUDPAddr("udp", net.JoinHostPort(host, port))
	if err != nil {
		t.Fatal(err)
	}
	return &asker{t, c, to}
}

func (a *asker) send(text string, to *net.UDPAddr) {
	a.t.Helper()
	if _, err := a.WriteToUDP([]byte(text), to); err != nil {
		a.t.Fatal(err)
	}
}

// hear returns what comes for a while, and whence it came last.
func (a *asker) hear(wait time.Duration) (got []string, from *net.UDPAddr) {
	b := make([]byte, 1<<16)
	for end := time.Now().Add(wait); ; {
		_ = a.SetReadDeadline(end)
		n, u, err := a.ReadFromUDP(b)
		if err != nil {
			return got, from
		}
		got, from = append(got, string(b[:n])), u
	}
}

const rrq = "\x00\x01y000000000028.cfg\x00octet\x00"

// What is no RRQ of a phone's is not answered; what is answered is answered once.
func TestTFTPHostile(t *testing.T) {
	t.Parallel()
	host, port := startTFTP(t, 4<<10, "127.0.0.0/30")
	ask := func(from, text string, wait time.Duration) []string {
		t.Helper()
		a := newAsker(t, from, host, port)
		a.send(text, a.server)
		got, _ := a.hear(wait)
		return got
	}
	for name, text := range map[string]string{
		"nothing": "", "short": "\x00\x01", "a WRQ": "\x00\x02x\x00octet\x00", "an ACK": "\x00\x04\x00\x01", "a long name": "\x00\x01" + strings.Repeat("a", 60<<10) + "\x00octet\x00", "no opcode": "GET / HTTP/1.0\r\n\r\n",
		"no mode": "\x00\x01y000000000028.cfg\x00", "a mode without end": "\x00\x01y000000000028.cfg\x00octet",
	} {
		if got := ask("127.0.0.1", text, 200*time.Millisecond); len(got) != 0 {
			t.Errorf("%s is answered by %q", name, got)
		}
	}
	if got := ask("127.0.0.9", rrq, 200*time.Millisecond); len(got) != 0 {
		t.Errorf("who is in no network of phones gets %q", got)
	}
	for i := range maxMisses {
		ask("127.0.0.3", fmt.Sprintf("\x00\x01%012x.cfg\x00octet\x00", 0x1565aabb00+i), 20*time.Millisecond)
	}
	if got := ask("127.0.0.3", rrq, 200*time.Millisecond); len(got) != 0 {
		t.Errorf("who guesses MACs gets %q afterwards", got)
	}

	// Who never answers, as its address was made up, gets one block, once, with or without
	// options, until its transfer has ended; and nothing then.
	plain, options := newAsker(t, "127.0.0.2", host, port), newAsker(t, "127.0.0.2", host, port)
	plain.send(rrq, plain.server)
	options.send(rrq+"tsize\x000\x00", options.server)
	got, _ := plain.hear(tftpPatience + time.Second)
	if len(got) != 1 || len(got[0]) != 516 {
		t.Errorf("a request that is not answered brings %d datagrams, %.40q", len(got), got)
	}
	if got, _ := options.hear(50 * time.Millisecond); len(got) != 1 || got[0] != "\x00\x06tsize\x004096\x00" {
		t.Errorf("a request with options that is not answered brings %q", got)
	}
}

// A phone asks again when its answer was lost, and gets it from where it was sent before. Who
// asks and asks in a phone's name has it get no more than the bounds.
func TestTFTPAgain(t *testing.T) {
	t.Parallel()
	host, port := startTFTP(t, 1<<10, "127.0.0.0/8")
	a := newAsker(t, "127.0.0.1", host, port)
	a.send(rrq, a.server)
	first, from := a.hear(100 * time.Millisecond) // and is taken for lost
	for range 100 {
		a.send(rrq, a.server)
	}
	if got, _ := a.hear(200 * time.Millisecond); len(first) != 1 || len(got) != 0 {
		t.Fatalf("got %d, and %d for a hundred of the same", len(first), len(got))
	}
	_, _ = a.hear(tftpAgain)
	a.send(rrq, a.server)
	again, there := a.hear(100 * time.Millisecond)
	if len(again) != 1 || again[0] != first[0] || there.Port != from.Port {
		t.Fatalf("asked again it sends %q from %v, want %q from %v", again, there, first, from)
	}
	// What comes from elsewhere, and for another block, is nothing to the transfer.
	newAsker(t, "127.0.0.1", host, port).send("\x00\x04\x00\x01", from)
	a.send("\x00\x04\x00\x02", from)
	if got, _ := a.hear(100 * time.Millisecond); len(got) != 0 {
		t.Fatalf("got %q", got)
	}
	a.send("\x00\x04\x00\x01", from)
	second, _ := a.hear(tftpWaits[0] + tftpWaits[1] + 500*time.Millisecond)
	if len(second) != 3 || second[0] != second[2] || !strings.HasPrefix(second[0], "\x00\x03\x00\x02") {
		t.Fatalf("who has answered gets %d times the next block, want it again after %s", len(second), tftpWaits[:2])
	}
	a.send("\x00\x04\x00\x02", from)
	if got, _ := a.hear(200 * time.Millisecond); len(got) != 1 || got[0] != "\x00\x03\x00\x03" {
		t.Fatalf("got %q, want the end", got)
	}
	a.send("\x00\x04\x00\x03", from)
	if got, _ := a.hear(tftpWaits[0] + time.Second); len(got) != 0 {
		t.Fatalf("after the end it sends %q", got)
	}

	b := newAsker(t, "127.0.0.2", host, port) // of other files each time, or from other ports
	for i := range 50 {
		b.send(fmt.Sprintf("\x00\x01y%012d.cfg\x00octet\x00", i+1), b.server)
	}
	if got, _ := b.hear(200 * time.Millisecond); len(got) != maxTransfersOfSource {
		t.Errorf("an address gets %d first answers", len(got))
	}
}

// At a loss of a tenth each way real clients get the file, whole, in a network namespace of
// its own.
func TestTFTPLoss(t *testing.T) {
	t.Parallel()
	needTool(t, "tftp", "tftp-hpa")
	needTool(t, "atftp", "atftp")
	needTool(t, "nft", "nftables")
	if !inNamespace(t, "^TestTFTPLoss$", `ip link set lo up && nft 'table inet lossy { chain c { type filter hook input priority 0; udp length > 0 numgen random mod 100 < 10 counter drop; }; }'`) {
		return
	}
	const size = 60 << 10
	want := bytes.Repeat([]byte("0123456789abcde\n"), size/16)
	var host, port string
	var group sync.WaitGroup
	for i := range 8 {
		if i%maxTransfersOfSource == 0 {
			host, port = startTFTP(t, size, "127.0.0.0/8")
		}
		file := filepath.Join(t.TempDir(), "got")
		args := []string{"tftp", "-m", "binary", host, port, "-c", "get", "y000000000028.cfg", file}
		if i%2 == 1 {
			args = []string{"atftp", "-g", "-r", "y000000000028.cfg", "-l", file, host, port}
		}
		group.Go(func() {
			out, err := exec.Command("timeout", append([]string{"150"}, args...)...).CombinedOutput()
			if got, _ := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%q: got %d octets, %v, %s", args, len(got), err, out)
			}
		})
	}
	group.Wait()
	out, err := exec.Command("nft", "list", "chain", "inet", "lossy", "c").CombinedOutput()
	if err != nil || strings.Contains(string(out), "packets 0 ") {
		t.Errorf("nothing was lost: %v\n%s", err, out)
	}
	fmt.Printf("%s", out)
}
