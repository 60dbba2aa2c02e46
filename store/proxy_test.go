package store_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// cut is where a proxy breaks a connection.
type cut int

const (
	never        cut = iota
	beforeCommit     // the server never sees the COMMIT
	afterCommit      // the server sees it, and nobody its reply
	afterReply       // the reply has reached the proxy, but not us
	clientOnly       // before the COMMIT, and the server does not see that we are gone
)

// proxy stands between us and the server, and breaks connections.
type proxy struct {
	server string
	listen net.Listener

	mu    sync.Mutex
	cut   cut // of the next COMMIT
	conns []net.Conn
	done  sync.WaitGroup
}

// startProxy starts a proxy to the server of a URL, and returns the URL of the
// same database through it.
func startProxy(t *testing.T, databaseURL string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{server: u.Host, listen: l}
	p.done.Go(p.accept)
	t.Cleanup(func() { l.Close(); p.breakAll(); p.done.Wait() })
	u.Host = l.Addr().String()
	u.RawQuery = "sslmode=disable"
	return p, u.String()
}

func (p *proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		replies := make(chan cut, 1)
		p.done.Go(func() { p.forward(client, server, replies) })
		p.done.Go(func() { p.reply(client, server, replies) })
	}
}

// cutNext breaks the connection that sends the next COMMIT.
func (p *proxy) cutNext(c cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = c
}

// breakAll breaks all connections, on both sides.
func (p *proxy) breakAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// forward passes on what the client sends. pgx sends a COMMIT as a message of its
// own: 'Q', the length, and the text.
func (p *proxy) forward(client, server net.Conn, replies chan<- cut) {
	b := make([]byte, 1<<16)
	for {
		n, err := client.Read(b)
		if err != nil {
			server.Close()
			return
		}
		how := never
		if bytes.Contains(b[:n], []byte("Q\x00\x00\x00\x0bcommit\x00")) {
			p.mu.Lock()
			how, p.cut = p.cut, never
			p.mu.Unlock()
		}
		switch how {
		case beforeCommit:
			server.Close()
			client.Close()
			return
		case clientOnly:
			client.Close() // the server's connection stays until the end
			return
		case afterReply:
			replies <- how
		case afterCommit:
			client.Close() // first: the server is quick
		}
		if _, err := server.Write(b[:n]); err != nil {
			client.Close()
			return
		}
		if how == afterCommit {
			server.Close()
			return
		}
	}
}

// reply passes on what the server sends, but for a reply that is to be lost.
func (p *proxy) reply(client, server net.Conn, replies <-chan cut) {
	b := make([]byte, 1<<16)
	for {
		n, err := server.Read(b)
		if err != nil {
			client.Close()
			return
		}
		select {
		case <-replies:
			client.Close()
			server.Close()
			return
		default:
		}
		if _, err := client.Write(b[:n]); err != nil {
			_, _ = io.Copy(io.Discard, server)
			return
		}
	}
}
