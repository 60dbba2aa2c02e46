package proxy

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// vicious runs a tool of SIPVicious, at most half a minute, and returns what it printed.
func vicious(t *testing.T, tool string, p *Proxy, args ...string) string {
	t.Helper()
	need(t, tool, "sipvicious")
	cmd := exec.Command("timeout", append([]string{"-s", "INT", "30", tool, "-p", strconv.Itoa(int(p.Addr(0).Port()))}, args...)...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "HOME="+cmd.Dir) // where it keeps its sessions
	b, _ := cmd.CombinedOutput()                    // it fails where it finds nothing
	return string(b)
}

// The tools with which PBXs are scanned meet a proxy: they are not told what they want to
// know, and phones register and call meanwhile. svwar and svcrack have no choice of
// their address: it is 127.0.0.1, so the PBX is elsewhere.
func TestSIPVicious(t *testing.T) {
	need(t, "svwar", "sipvicious")
	pbx := startKamailioAt(t, netip.AddrFrom4([4]byte{127, 0, 0, 2}))
	const phones = "127.0.0.5"
	// 200 that are none, and one that is: a line and a password.
	dir := t.TempDir()
	lines, passwords := filepath.Join(dir, "lines"), filepath.Join(dir, "passwords")
	for name, last := range map[string]string{lines: "alice", passwords: "not-a-secret"} {
		var text strings.Builder
		for i := range 200 {
			fmt.Fprintln(&text, 1000+i)
		}
		if err := os.WriteFile(name, []byte(text.String()+last+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		tool   string
		allow  string
		args   []string
		secret string // what it must not find out
		is     func(c Counts) bool
	}{
		{"svmap", phones + "/32", []string{"127.0.0.1"}, "127.0.0.1", func(c Counts) bool { return c.Strangers > 0 }},
		{"svwar", "127.0.0.0/8", []string{"--maximumtime=2", "-m", "OPTIONS", "-d", lines, "--force", "127.0.0.1"}, "alice", func(c Counts) bool { return c.Banned > 100 }},
		{"svcrack", "127.0.0.0/8", []string{"--maximumtime=2", "-u", "alice", "--domain=example.com", "-d", passwords, "127.0.0.1"}, "not-a-secret", func(c Counts) bool { return c.Guesses > 0 }},
	} {
		t.Run(tc.tool, func(t *testing.T) {
			p := start(t, Config{Allow: []netip.Prefix{netip.MustParsePrefix(tc.allow)}}, "udp:"+pbx.String())
			alice, bob := freePort(t), freePort(t)
			register := func(user string, port int) {
				t.Helper()
				startSIPp(t, "register", user, port, p.Addr(0), "-key", "expires", "60", "-key", "mac", "none", "-i", phones).done(t)
			}
			register("alice", alice)
			register("bob", bob)
			printed := make(chan string)
			go func() { printed <- vicious(t, tc.tool, p, tc.args...) }()
			for range 3 {
				register("alice", alice)
				answers := startSIPp(t, "answer", "bob", bob, p.Addr(0), "-i", phones)
				startSIPp(t, "call", "bob", alice, p.Addr(0), "-au", "alice", "-i", phones).done(t)
				answers.done(t)
			}
			got := <-printed
			if strings.Contains(got, tc.secret) || !tc.is(p.Counts()) {
				t.Errorf("it was not cut off: %+v; it printed\n%s", p.Counts(), got)
			}
			register("alice", alice) // also of the line whose password was guessed
			if b := fmt.Sprint(p.State().Banned.Sources); strings.Contains(b, phones) {
				t.Errorf("got %s banned", b)
			}
			t.Logf("%+v", p.Counts())
		})
	}
}

// svcrash, which ends the programs that scan by an answer that they cannot read, has no
// effect on a proxy.
func TestSIPViciousCrash(t *testing.T) {
	p := start(t, Config{}, "udp:"+newPeer(t).addr().String())
	printed := vicious(t, "svcrash", p, "-d", "127.0.0.1")
	c := p.Counts()
	if c.Malformed+c.NotSIP+c.Forged == 0 || c.Panics+c.Forwarded != 0 {
		t.Errorf("got %+v, want an answer that nobody asked for dropped; it printed\n%s", c, printed)
	}
	phone := newPeer(t)
	wantStatus(t, phone.ask(p.Addr(0), strings.Replace(request("OPTIONS", "o"), "1@pbx.example.com", p.Addr(0).String(), 1)), "200")
}
