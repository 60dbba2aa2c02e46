package proxy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"perch/sip"
)

// baresip is a phone that is told what to do, and tells what it does, over its
// control socket.
type baresip struct {
	t       *testing.T
	user    string
	control net.Conn
	events  chan string // types, in their order
}

// startBaresip starts a phone that registers with the PBX through a proxy, and
// answers by itself. It is told so once it listens to its control socket, which has its events from then on.
func startBaresip(t *testing.T, user, transport string, proxy netip.AddrPort) *baresip {
	t.Helper()
	return startAnswering(t, "auto", user, transport, proxy)
}

// startRinging is startBaresip for a phone that rings until it is told to answer.
func startRinging(t *testing.T, user, transport string, proxy netip.AddrPort) *baresip {
	t.Helper()
	return startAnswering(t, "manual", user, transport, proxy)
}

func startAnswering(t *testing.T, answer, user, transport string, proxy netip.AddrPort) *baresip {
	t.Helper()
	need(t, "baresip", "baresip-core")
	modules, err := filepath.Glob("/usr/lib/*/baresip/modules")
	if err != nil || len(modules) == 0 {
		modules = []string{"/usr/lib/baresip/modules"}
	}
	dir, control := t.TempDir(), freePort(t)
	files := map[string]string{
		"config": fmt.Sprintf(`poll_method epoll
sip_listen 127.0.0.1:0
sip_verify_server no
audio_player aubridge,nil
audio_source aubridge,nil
net_interface 127.0.0.1
module_path %s
module g711.so
module aubridge.so
module_tmp uuid.so
module_tmp account.so
module_app ctrl_tcp.so
module_app menu.so
ctrl_tcp_listen 127.0.0.1:%d
`, modules[0], control),
		"accounts": "",
		"contacts": "",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	spawn(t, "baresip", "-4", "-f", dir)
	b := &baresip{t: t, user: user, events: make(chan string, 100)}
	for range 100 {
		if b.control, err = net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(control)); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.control.Close() })
	go b.listen()
	b.tell("uanew", fmt.Sprintf("<sip:%s@example.com;transport=%s>;auth_user=%s;auth_pass=not-a-secret;outbound=\"sip:%s;transport=%s\";regint=60;answermode=%s",
		user, transport, user, proxy, transport, answer))
	return b
}

// baresipLines are the lines that such phones register.
func baresipLines(users ...string) (list []Line) {
	for _, user := range users {
		list = append(list, HashLine(sip.AOR("sip:"+user+"@example.com"), user, "example.com", "not-a-secret"))
	}
	return list
}

// listen reads netstrings of JSON.
func (b *baresip) listen() {
	defer close(b.events)
	r := bufio.NewReader(b.control)
	for {
		length, err := r.ReadString(':')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
		if err != nil {
			return
		}
		text := make([]byte, n+1) // with its comma
		for at := 0; at < len(text); {
			m, err := r.Read(text[at:])
			if err != nil {
				return
			}
			at += m
		}
		var x struct {
			Event bool
			Type  string
		}
		if err := json.Unmarshal(text[:n], &x); err == nil && x.Event {
			b.events <- x.Type
		}
	}
}

// tell gives a command.
func (b *baresip) tell(command, params string) {
	b.t.Helper()
	text, err := json.Marshal(map[string]string{"command": command, "params": params})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(b.control, "%d:%s,", len(text), text); err != nil {
		b.t.Fatal(err)
	}
}

// await waits for an event.
func (b *baresip) await(event string) {
	b.t.Helper()
	var others []string
	timeout := time.After(15 * time.Second)
	for {
		select {
		case e, ok := <-b.events:
			if e == event {
				return
			}
			if others = append(others, e); !ok {
				b.t.Fatalf("%s ended before %s; it told of %q", b.user, event, others)
			}
		case <-timeout:
			b.t.Fatalf("%s: no %s, but %q", b.user, event, others)
		}
	}
}

// walk has two phones register and call: hold, resume, hang up.
func walk(alice, bob *baresip) {
	alice.t.Helper()
	alice.await("REGISTER_OK")
	bob.await("REGISTER_OK")
	alice.tell("dial", "sip:bob@example.com")
	alice.await("CALL_ESTABLISHED")
	bob.await("CALL_ESTABLISHED")
	alice.tell("hold", "")
	bob.await("CALL_REMOTE_SDP")
	alice.tell("resume", "")
	bob.await("CALL_REMOTE_SDP")
	bob.tell("hangup", "")
	alice.await("CALL_CLOSED")
}

func TestBaresip(t *testing.T) {
	for _, tc := range []struct{ alice, bob, upstream string }{
		{"udp", "udp", "udp"}, {"tcp", "tcp", "udp"}, {"tcp", "udp", "tcp"}, {"udp", "tcp", "tcp"},
	} {
		t.Run(fmt.Sprintf("%s and %s to %s", tc.alice, tc.bob, tc.upstream), func(t *testing.T) {
			pbx := startKamailio(t)
			port := freePort(t)
			p := start(t, Config{Listen: []string{fmt.Sprint("udp:127.0.0.1:", port), fmt.Sprint("tcp:127.0.0.1:", port)}}, tc.upstream+":"+pbx.String())
			walk(startBaresip(t, "alice", tc.alice, p.Addr(0)), startBaresip(t, "bob", tc.bob, p.Addr(0)))
			if c := p.Counts(); c.Malformed+c.NotSIP+c.Forged+c.Unsent+c.Answered != 0 {
				t.Errorf("got %+v, want messages forwarded alone", c)
			}
		})
	}
}

// A phone transfers its call to a third one (RFC 3515, RFC 5589): with a PBX and
// without one.
func TestTransfer(t *testing.T) {
	for _, pbx := range []bool{true, false} {
		t.Run(fmt.Sprint("a PBX ", pbx), func(t *testing.T) {
			port := freePort(t)
			cfg := Config{Realm: "example.com", Listen: []string{fmt.Sprint("udp:127.0.0.1:", port), fmt.Sprint("tcp:127.0.0.1:", port)}}
			var upstream []string
			if pbx {
				upstream = []string{"udp:" + startKamailio(t).String()}
			}
			p := start(t, cfg, upstream...)
			var phones []*baresip
			p.SetLines(baresipLines("alice", "bob", "carol"))
			for i, user := range []string{"alice", "bob", "carol"} {
				phones = append(phones, startBaresip(t, user, []string{"udp", "tcp", "udp"}[i], p.Addr(0)))
			}
			alice, bob, carol := phones[0], phones[1], phones[2]
			for _, b := range phones {
				b.await("REGISTER_OK")
			}
			alice.tell("dial", "sip:bob@example.com")
			alice.await("CALL_ESTABLISHED")
			bob.await("CALL_ESTABLISHED")
			alice.tell("transfer", "sip:carol@example.com")
			carol.await("CALL_ESTABLISHED")
			bob.await("CALL_ESTABLISHED")
			carol.tell("hangup", "")
			bob.await("CALL_CLOSED")
			if c := p.Counts(); c.Malformed+c.NotSIP+c.Forged+c.Unsent+c.Panics != 0 {
				t.Errorf("got %+v", c)
			}
		})
	}
}
