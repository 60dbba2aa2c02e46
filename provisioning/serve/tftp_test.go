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

// What is no RRQ of a phone's is not answered; what is answered is bounded.
func TestTFTPHostile(t *testing.T) {
	host, port := startTFTP(t, 4<<10, "127.0.0.0/30")
	ask := func(from, text string, wait time.Duration) (octets, answers int) {
		t.Helper()
		c, err := net.ListenPacket("udp", from+":0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		to, err := net.ResolveUDPAddr("udp", host+":"+port)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.WriteTo([]byte(text), to); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1<<16)
		_ = c.SetReadDeadline(time.Now().Add(wait))
		for {
			n, _, err := c.ReadFrom(b)
			if err != nil {
				return octets, answers
			}
			octets, answers = octets+n, answers+1
		}
	}
	const rrq = "\x00\x01y000000000028.cfg\x00octet\x00"
	for name, text := range map[string]string{
		"nothing": "", "short": "\x00\x01", "a WRQ": "\x00\x02x\x00octet\x00", "an ACK": "\x00\x04\x00\x01", "a long name": "\x00\x01" + strings.Repeat("a", 60<<10) + "\x00octet\x00", "no opcode": "GET / HTTP/1.0\r\n\r\n",
	} {
		if n, _ := ask("127.0.0.1", text, 200*time.Millisecond); n != 0 {
			t.Errorf("%s is answered by %d octets", name, n)
		}
	}
	if n, _ := ask("127.0.0.9", rrq, 200*time.Millisecond); n != 0 {
		t.Errorf("who is in no network of phones gets %d octets", n)
	}
	// Who never answers, as its address was made up, gets one block a few times.
	octets, answers := ask("127.0.0.2", rrq, tftpTimeout*(tftpRetries+2))
	if answers == 0 || answers > tftpRetries+2 || octets > (tftpRetries+2)*516 {
		t.Errorf("a request that is not answered brings %d octets in %d datagrams", octets, answers)
	}
	for i := range maxMisses {
		ask("127.0.0.3", fmt.Sprintf("\x00\x01%012x.cfg\x00octet\x00", 0x1565aabb00+i), 20*time.Millisecond)
	}
	if n, _ := ask("127.0.0.3", rrq, 200*time.Millisecond); n != 0 {
		t.Errorf("who guesses MACs gets %d octets afterwards", n)
	}
}
