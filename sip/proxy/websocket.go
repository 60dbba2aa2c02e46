package proxy

import (
	"context"
	cryptotls "crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// Phones in browsers come by WebSocket (RFC 7118): a connection of HTTP that becomes one
// of messages, of which each is one SIP message.

// webSocket is such a connection as others are: each Write is a message, of text if it
// is any (RFC 7118 section 5).
type webSocket struct {
	net.Conn // whose octets are messages
	socket   *websocket.Conn
}

// Write writes a message.
func (s *webSocket) Write(b []byte) (int, error) {
	kind := websocket.MessageText
	if !utf8.Valid(b) {
		kind = websocket.MessageBinary
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	return len(b), s.socket.Write(ctx, kind, b)
}

// Close closes the connection without waiting for the other side.
func (s *webSocket) Close() error { return s.socket.CloseNow() }

// acceptWeb takes WebSockets in, until the listener is closed.
func (p *Proxy) acceptWeb(l *leg) {
	server := http.Server{
		Handler:     http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.upgrade(l, w, r) }),
		ReadTimeout: firstMessage, ReadHeaderTimeout: firstMessage, MaxHeaderBytes: 16 << 10, ErrorLog: log.New(io.Discard, "", 0), // whoever can make one error can make many
		TLSNextProto: map[string]func(*http.Server, *cryptotls.Conn, http.Handler){}, // HTTP/1.1 alone
	}
	server.SetKeepAlivesEnabled(false) // what becomes no WebSocket ends with its answer
	_ = server.Serve(&allowed{Listener: l.listener, proxy: p, open: map[netip.Addr]int{}})
}

// allowed is a listener that refuses who may not come before a word was said, or has
// too many connections that are no WebSocket yet.
type allowed struct {
	net.Listener
	proxy *Proxy

	mu   sync.Mutex
	open map[netip.Addr]int
}

// Accept returns the next connection from a network that is allowed.
func (a *allowed) Accept() (net.Conn, error) {
	for {
		n, at, err := a.proxy.nextConn(a.Listener)
		if err != nil {
			return nil, err
		}
		if a.take(at) {
			return &countedConn{Conn: n, closed: sync.OnceFunc(func() { a.give(at) })}, nil
		}
		_ = n.Close()
	}
}

// take counts a connection of an address. It is false if that has too many.
func (a *allowed) take(at netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[at] >= maxConnsOfSource {
		return false
	}
	a.open[at]++
	return true
}

func (a *allowed) give(at netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[at]--; a.open[at] == 0 {
		delete(a.open, at)
	}
}

// countedConn is a connection whose end is counted.
type countedConn struct {
	net.Conn
	closed func()
}

// Close closes it.
func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// upgrade makes a WebSocket of a request, and serves it. Any page may ask for one: who
// it is the digest tells, not a cookie.
func (p *Proxy) upgrade(l *leg, w http.ResponseWriter, r *http.Request) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return
	}
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	s, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sip"}, InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		p.count.notSIP.Add(1)
		return // it was answered
	}
	if s.Subprotocol() != "sip" {
		_ = s.Close(websocket.StatusPolicyViolation, "this is for the subprotocol sip")
		return
	}
	n := &webSocket{websocket.NetConn(context.Background(), s, websocket.MessageText), s}
	s.SetReadLimit(MaxMessage) // behind that, which lifts it
	x := p.conns.add(n, from.Addr(), flow{})
	if x == nil {
		_ = s.CloseNow()
		return
	}
	defer p.conns.remove(x)
	var sending sync.WaitGroup
	sending.Go(x.send)
	p.serveWeb(x, s, flow{transport: l.transport, port: l.addr.Port(), peer: from, conn: x.id})
	p.conns.remove(x)
	sending.Wait() // the handler's end closes the connection
}

// serveWeb handles the messages of a WebSocket. One that says nothing that is SIP is
// closed; a ping (RFC 5626 section 3.5.1) is answered.
func (p *Proxy) serveWeb(x *conn, s *websocket.Conn, in flow) {
	w := p.newWorker()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	patience := time.AfterFunc(firstMessage, cancel)
	for {
		_, b, err := s.Read(ctx)
		if err != nil {
			return
		}
		if string(b) == "\r\n\r\n" {
			w.signOfLife(in)
			_ = p.conns.write(x.id, []byte("\r\n"))
			continue
		}
		w.now = p.clock()
		if !w.takesWeb(in.peer.Addr(), b) {
			continue
		}
		if w.handle(in, b, true) {
			patience.Stop()
		}
		w.flush()
	}
}

// takesWeb reports whether a message is handled. Of a source that is over its limit the
// connection is not read on for a while before it is (see reader).
func (w *worker) takesWeb(from netip.Addr, b []byte) bool {
	w.plea = noPlea
	line, _, _ := cutLine(b, 0)
	wait, is := w.admission.spend(sourceOf(from), w.now)
	if is != admitted {
		return w.passes(sourceOf(from), from, line, b, is)
	}
	if wait > 0 && !w.maybeHelp(line) {
		time.Sleep(time.Duration(wait))
	}
	return true
}
