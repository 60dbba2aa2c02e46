package proxy

import (
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"perch/sip"
)

// forgetTold lets what comes next be told, and returns how many flows there are.
func (b *bindings) forgetTold() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range b.byFlow {
		h.told = time.Time{}
	}
	return len(b.byFlow)
}

// What a phone says between its REGISTERs is told as a sign of life, once in a while:
// that of the flow that it registered by, and of no other.
func TestKeepAlive(t *testing.T) {
	stun, err := hex.DecodeString("000100002112a442" + strings.Repeat("07", 12))
	if err != nil {
		t.Fatal(err)
	}
	for _, pbx := range []bool{false, true} {
		told := make(chan KeepAlive, 9)
		cfg := Config{Realm: "example.com", KeepAlive: func(k KeepAlive) { told <- k }}
		phone, stranger, server := newPeer(t), newPeer(t), newPeer(t)
		var upstream []string
		var path string
		if pbx {
			upstream = upstreamsOf(server)
		}
		p := start(t, cfg, upstream...)
		p.SetLines(officeLines)
		at := p.Addr(0)
		if pbx {
			phone.send(at, register("sip:101@example.com", "up-101", 2, phone.addr()))
			got := server.recv()
			path = field(t, got, "Path")
			server.respond(got, "200 OK", "Contact: "+field(t, got, "Contact")+";expires=300")
			wantStatus(t, phone.recv(), "200")
		} else {
			phone.signUp(at, "sip:101@example.com", "101", "not-a-secret", "MD5")
		}
		asked := func() { // the PBX asks the phone whether it is there
			server.send(at, strings.Replace(request("OPTIONS", "q"), "From:", "Route: "+path+"\r\nFrom:", 1))
			phone.respond(phone.recv(), "200 OK")
			wantStatus(t, server.recv(), "200")
		}
		signs := []struct{ name, sign string }{
			{"empty lines", "\r\n\r\n"}, {"nothing", ""}, {"STUN", string(stun)}, {"a request", request("OPTIONS", "o")},
		}
		for _, s := range signs {
			phone.send(at, s.sign)
		}
		time.Sleep(100 * time.Millisecond)
		if len(told) > 0 {
			t.Errorf("PBX %v: told %+v a moment after its REGISTER", pbx, <-told)
		}
		for _, s := range signs {
			p.bindings.forgetTold()
			stranger.send(at, s.sign)
			phone.send(at, s.sign)
			phone.send(at, s.sign)
			select {
			case k := <-told:
				want := fmt.Sprintf("udp %v sip:101@example.com <sip:101@%v>;methods=\"INVITE, ACK\" up-101", phone.addr(), phone.addr())
				if got := fmt.Sprintln(k.Transport, k.Source, k.AOR, k.Contact, k.CallID); got != want+"\n" {
					t.Errorf("PBX %v, %s: got %s, want %s", pbx, s.name, got, want)
				}
			case <-time.After(time.Second):
				t.Errorf("PBX %v, %s: nothing is told", pbx, s.name)
			}
			time.Sleep(50 * time.Millisecond)
			if len(told) > 0 {
				t.Errorf("PBX %v, %s: told again: %+v", pbx, s.name, <-told)
			}
		}
		if pbx {
			for phone.ill = true; ; { // what was answered to the signs
				if _, err := phone.read(50 * time.Millisecond); err != nil {
					break
				}
			}
			for {
				if _, err := server.read(50 * time.Millisecond); err != nil {
					break
				}
			}
			p.bindings.forgetTold()
			asked()
			select {
			case <-told:
			case <-time.After(time.Second):
				t.Error("an answer to the PBX is not told")
			}
		}
	}
}

// Of a phone behind another proxy nothing is told: the flow is not its own.
func TestKeepAliveIndirect(t *testing.T) {
	told := make(chan KeepAlive, 9)
	phone, server := newPeer(t), newPeer(t)
	p := start(t, Config{KeepAlive: func(k KeepAlive) { told <- k }}, upstreamsOf(server)...)
	r := strings.Replace(register("sip:101@example.com", "up-101", 2, phone.addr()), "From:", "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKp\r\nFrom:", 1)
	phone.send(p.Addr(0), r)
	server.respond(server.recv(), "200 OK")
	wantStatus(t, phone.recv(), "200")
	if flows := p.bindings.forgetTold(); p.bindings.len() != 1 || flows != 0 {
		t.Errorf("got %d bindings, %d flows", p.bindings.len(), flows)
	}
}

// One phone of a line does not silence the others, a line that leaves a phone leaves its
// other one heard, and a phone is told by what it calls its line.
func TestKeepAliveOfMany(t *testing.T) {
	w := startRegistrar(t, Config{}).newWorker()
	b, now := &w.bindings, time.Now()
	at := func(aor sip.AOR, f flow, key string) {
		b.put([]Binding{{AOR: aor, URI: key, flow: f, key: key, Direct: true, Expires: now.Add(time.Hour), To: "sip:101@127.0.0.1"}}, now)
	}
	lines := func(f flow) (out []string) {
		for _, x := range b.signOfLife(f, now) {
			out = append(out, string(x.AOR))
		}
		return out
	}
	desk, home := officePhones[0], officePhones[1]
	at("sip:101@example.com", desk, "a")
	b.forgetTold()
	at("sip:101@example.com", home, "b")
	at("sip:102@example.com", desk, "c")
	if got := lines(home); got != nil {
		t.Errorf("told %q a moment after its REGISTER", got)
	}
	if got := lines(desk); !slices.Equal(got, []string{"sip:101@example.com", "sip:102@example.com"}) {
		t.Errorf("got %q, want both lines of the phone", got)
	}
	b.drop("sip:102@example.com")
	b.forgetTold()
	if got := lines(desk); !slices.Equal(got, []string{"sip:101@example.com"}) {
		t.Errorf("got %q, want the line that is left", got)
	}
	var told KeepAlive
	w.cfg.KeepAlive = func(k KeepAlive) { told = k }
	b.forgetTold()
	w.signOfLife(home)
	if told.AOR != "sip:101@127.0.0.1" {
		t.Errorf("got %+v, want the line as the phone calls it", told)
	}
}

// Over a connection the pings of RFC 5626 section 3.5.1 are signs of life, and what ends
// ends its flow.
func TestKeepAliveStream(t *testing.T) {
	told := make(chan KeepAlive, 9)
	port := freePort(t)
	p := start(t, Config{Listen: []string{fmt.Sprint("tcp:127.0.0.1:", port)}, Realm: "example.com", KeepAlive: func(k KeepAlive) { told <- k }})
	p.SetLines(officeLines)
	c, err := net.Dial("tcp", p.Addr(0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 4096)
	ask := func(text string) string {
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	const aor = "sip:101@example.com"
	from := newPeer(t).addr()
	challenge := ask(strings.Replace(register(aor, "a", 1, from), "UDP", "TCP", 1))
	wantStatus(t, ask(strings.Replace(register(aor, "a", 2, from, answerTo(t, challenge, "REGISTER", "sip:example.com", "101", "not-a-secret", "MD5", 1)), "UDP", "TCP", 1)), "200")
	p.bindings.forgetTold()
	if pong := ask("\r\n\r\n"); pong != "\r\n" {
		t.Errorf("got %q", pong)
	}
	select {
	case k := <-told:
		if k.Transport != "tcp" || k.AOR != aor {
			t.Errorf("got %+v", k)
		}
	case <-time.After(time.Second):
		t.Error("a ping is not told")
	}
	gone := ask(strings.Replace(register(aor, "a", 3, from, "Expires: 0", answerTo(t, challenge, "REGISTER", "sip:example.com", "101", "not-a-secret", "MD5", 2)), "UDP", "TCP", 1))
	wantStatus(t, gone, "200")
	if flows := p.bindings.forgetTold(); flows != 0 {
		t.Errorf("of a phone that left %d flows are kept", flows)
	}
}
