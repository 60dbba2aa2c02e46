package proxy

import (
	"context"
	cryptotls "crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// webPhone is a phone in a browser.
type webPhone struct {
	t *testing.T
	*websocket.Conn
}

func dialWeb(t *testing.T, url, cert string) webPhone {
	t.Helper()
	o := &websocket.DialOptions{Subprotocols: []string{"sip"}}
	if cert != "" {
		pem, err := os.ReadFile(cert)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		o.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &cryptotls.Config{RootCAs: roots, ServerName: "localhost"}}}
	}
	c, _, err := websocket.Dial(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return webPhone{t, c}
}

func (p webPhone) send(message string) {
	p.t.Helper()
	if err := p.Write(p.t.Context(), websocket.MessageText, []byte(message)); err != nil {
		p.t.Fatal(err)
	}
}

func (p webPhone) recv() (string, websocket.MessageType) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 5*time.Second)
	defer cancel()
	kind, b, err := p.Read(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b), kind
}

// Phones in browsers register with a PBX over UDP, and are called by it (RFC 7118).
func TestWebSocket(t *testing.T) {
	cert, key := writeCertificate(t, t.TempDir(), 1)
	for _, tc := range []struct{ scheme, via, cert string }{{"ws", "WS", ""}, {"wss", "WSS", cert}} {
		t.Run(tc.scheme, func(t *testing.T) {
			pbx := newPeer(t)
			told := make(chan KeepAlive, 9)
			p := start(t, Config{KeepAlive: func(k KeepAlive) { told <- k }, Listen: []string{tc.scheme + ":127.0.0.1:0", "udp:127.0.0.1:0"}, CertFile: cert, KeyFile: key}, upstreamsOf(pbx)...)
			phone := dialWeb(t, tc.scheme+"://"+p.Addr(0).String()+"/", tc.cert)
			// As RFC 7118 section 8.1 has it: a Via of nobody, and no Content-Length.
			phone.send(compose("REGISTER sip:example.com SIP/2.0", "Via: SIP/2.0/"+tc.via+" df7jal23ls0d.invalid;branch=z9hG4bKasudf", "From: <sip:alice@example.com>;tag=65bnmj.34asd",
				"To: <sip:alice@example.com>", "Call-ID: aiuy7k9njasd", "CSeq: 1 REGISTER", "Max-Forwards: 70", "Supported: path, outbound, gruu",
				"Contact: <sip:alice@df7jal23ls0d.invalid;transport=ws>;reg-id=1;+sip.instance=\"<urn:uuid:f81-7dec-14a06cf1>\""))
			got := pbx.recv()
			path := field(t, got, "Path")
			if !strings.HasSuffix(path, ";lr;ob>") {
				t.Errorf("got Path %q", path)
			}
			pbx.respond(got, "200 OK", "Contact: "+field(t, got, "Contact")+";expires=300")
			if back, kind := phone.recv(); !strings.HasPrefix(back, "SIP/2.0 200 ") || kind != websocket.MessageText {
				t.Errorf("got %v\n%s", kind, back)
			}
			p.bindings.forgetTold()
			phone.send("\r\n\r\n")
			if pong, _ := phone.recv(); pong != "\r\n" {
				t.Errorf("a ping is answered by %q", pong)
			}
			select {
			case k := <-told:
				if k.Transport != tc.scheme || k.AOR != "sip:alice@example.com" {
					t.Errorf("of a ping is told %+v", k)
				}
			case <-time.After(time.Second):
				t.Error("a ping is not told")
			}
			pbx.send(p.Addr(1), compose("INVITE sip:alice@df7jal23ls0d.invalid;transport=ws SIP/2.0", "Via: SIP/2.0/UDP "+pbx.addr().String()+";branch=z9hG4bKb", "Route: "+path,
				"From: <sip:b@b>;tag=3", "To: <sip:alice@example.com>", "Call-ID: c", "CSeq: 7 INVITE", "Content-Length: 2")+"\xff\xfe")
			invite, kind := phone.recv()
			if entries := fields(invite, "Record-Route"); len(entries) != 2 || !strings.Contains(entries[0], ";transport=ws;") || kind != websocket.MessageBinary || !strings.HasSuffix(invite, "\xff\xfe") {
				t.Errorf("got %v\n%s", kind, invite)
			}
			if via := fields(invite, "Via")[0]; !strings.HasPrefix(via, "SIP/2.0/"+tc.via+" "+p.Addr(0).String()) {
				t.Errorf("got Via %q", via)
			}
			phone.send(strings.Replace(invite[:strings.Index(invite, "\r\n")+2], "INVITE sip:alice@df7jal23ls0d.invalid;transport=ws SIP/2.0", "SIP/2.0 180 Ringing", 1) +
				invite[strings.Index(invite, "\r\n")+2:])
			if back := pbx.recv(); !strings.HasPrefix(back, "SIP/2.0 180 ") || len(fields(back, "Via")) != 1 {
				t.Errorf("the PBX got\n%s", back)
			}
			if s := p.State(); s.Connections != 1 {
				t.Errorf("%d connections, want 1", s.Connections)
			}
			_ = phone.CloseNow()
			for range 100 {
				if p.State().Connections == 0 {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			pbx.send(p.Addr(1), compose("OPTIONS sip:alice@df7jal23ls0d.invalid SIP/2.0", "Via: SIP/2.0/UDP "+pbx.addr().String()+";branch=z9hG4bKe", "Route: "+path,
				"From: <sip:b@b>;tag=3", "To: <sip:alice@example.com>", "Call-ID: e", "CSeq: 7 OPTIONS"))
			wantStatus(t, pbx.recv(), "430")
		})
	}
}

// What is no WebSocket of SIP is refused.
func TestWebSocketRefused(t *testing.T) {
	pbx := newPeer(t)
	p := start(t, Config{Listen: []string{"ws:127.0.0.1:0"}, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, upstreamsOf(pbx)...)
	at := p.Addr(0).String()
	resp, err := http.Get("http://" + at + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("a page's answer is %s", resp.Status)
	}
	c, _, err := websocket.Dial(t.Context(), "ws://"+at, &websocket.DialOptions{Subprotocols: []string{"chat"}})
	if err == nil {
		_, _, err = c.Read(t.Context())
	}
	if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("another protocol: %v", err)
	}
	phone := dialWeb(t, "ws://"+at, "")
	phone.send(strings.Repeat("x", MaxMessage))
	// The end may come while it is being sent: then that fails, and the word why is lost.
	err = phone.Write(t.Context(), websocket.MessageText, []byte(strings.Repeat("x", 2*MaxMessage)))
	if err == nil {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, _, err = phone.Read(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			t.Error("a message that is too long is taken")
		}
	}
	if status := websocket.CloseStatus(err); status != -1 && status != websocket.StatusMessageTooBig {
		t.Errorf("a message that is too long: %v", err)
	}
}

// Connections that become no WebSocket end, and of one address there are not too many.
func TestWebSocketIdle(t *testing.T) {
	pbx := newPeer(t)
	p := start(t, Config{Listen: []string{"ws:127.0.0.1:0"}}, upstreamsOf(pbx)...)
	c, err := net.Dial("tcp", p.Addr(0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if b, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 426 ") {
		t.Errorf("got %q, %v, want an answer and the end", b, err)
	}
	a := &allowed{open: map[netip.Addr]int{}}
	at := netip.MustParseAddr("192.0.2.1")
	for range maxConnsOfSource {
		if !a.take(at) {
			t.Fatal("refused too early")
		}
	}
	if a.take(at) || !a.take(netip.MustParseAddr("192.0.2.2")) {
		t.Error("too many of one address, or none of another")
	}
	a.give(at)
	if !a.take(at) {
		t.Error("one that was closed counts on")
	}
}
