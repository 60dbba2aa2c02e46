package proxy

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// linphone is linphonec: a phone that registers with the PBX through a proxy, answers by
// itself, and is told what to do on its standard input.
type linphone struct {
	t   *testing.T
	in  io.Writer
	out lockedBuffer
}

func startLinphone(t *testing.T, user, transport string, proxy netip.AddrPort) *linphone {
	t.Helper()
	need(t, "linphonec", "linphone-cli")
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".local", "share", "linphone"), 0o755); err != nil {
		t.Fatal(err)
	}
	ports := map[string]int{"udp": 0, "tcp": 0}
	ports[transport] = freePort(t)
	rc := filepath.Join(home, "rc")
	text := fmt.Sprintf(`[sip]
sip_port=%d
sip_tcp_port=%d
sip_tls_port=0
register_only_when_network_is_up=0
default_proxy=0
[proxy_0]
reg_proxy=<sip:%[3]s;transport=%[4]s>
reg_route=<sip:%[3]s;transport=%[4]s;lr>
reg_identity=sip:%[5]s@example.com
reg_expires=60
reg_sendregister=1
publish=0
[auth_info_0]
username=%[5]s
passwd=not-a-secret
realm=example.com
domain=example.com
`, ports["udp"], ports["tcp"], proxy, transport, user)
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l := &linphone{t: t}
	cmd := exec.Command("linphonec", "-a", "-c", rc)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME=", "XDG_CONFIG_HOME=")
	cmd.Stdout, cmd.Stderr = &l.out, &l.out
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.in = in
	t.Cleanup(func() {
		_, _ = fmt.Fprintln(in, "quit")
		ended := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		ended.Stop()
		if t.Failed() {
			t.Logf("linphonec of %s printed:\n%s", user, tail(l.out.String()))
		}
	})
	l.tell("soundcard use files")
	return l
}

func (l *linphone) tell(command string) {
	l.t.Helper()
	if _, err := fmt.Fprintln(l.in, command); err != nil {
		l.t.Fatal(err)
	}
}

// await waits until it has printed something so many times; asking, if it is not
// empty, is told again and again meanwhile.
func (l *linphone) await(text string, times int, asking string) {
	l.t.Helper()
	for range 150 {
		if strings.Count(l.out.String(), text) >= times {
			return
		}
		if asking != "" {
			l.tell(asking)
		}
		time.Sleep(100 * time.Millisecond)
	}
	l.t.Fatalf("linphonec does not print %q", text)
}

// Another phone's program registers with digest, calls, holds, resumes and hangs up.
func TestLinphone(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			pbx := startKamailio(t)
			port := freePort(t)
			p := start(t, Config{Listen: []string{fmt.Sprint("udp:127.0.0.1:", port), fmt.Sprint("tcp:127.0.0.1:", port)}}, "udp:"+pbx.String())
			alice, bob := startLinphone(t, "alice", transport, p.Addr(0)), startLinphone(t, "bob", "udp", p.Addr(0))
			alice.await("registered, identity=sip:alice@example.com", 1, "status register")
			bob.await("registered, identity=sip:bob@example.com", 1, "status register")
			alice.tell("call sip:bob@example.com")
			alice.await("Media streams established with sip:bob@example.com", 1, "")
			alice.tell("pause")
			alice.await("Call 1 with sip:bob@example.com is now paused.", 1, "")
			alice.tell("resume")
			alice.await("Media streams established with sip:bob@example.com", 2, "")
			bob.tell("terminate")
			alice.await("Call 1 with sip:bob@example.com ended (No error)", 1, "")
			if c := p.Counts(); c.Malformed+c.NotSIP+c.Forged+c.Unsent+c.Answered+c.Panics != 0 {
				t.Errorf("got %+v, want messages forwarded alone", c)
			}
		})
	}
}
