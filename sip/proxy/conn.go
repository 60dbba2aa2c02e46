package proxy

import (
	"crypto/rand"
	cryptotls "crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// conns are the connections that are open, of phones and to PBXs.
type conns struct {
	mu     sync.Mutex
	byID   map[uint64]*conn
	byPeer map[flow]*conn     // to PBXs, by the flow without a connection
	counts map[netip.Addr]int // of each source
	closed bool
}

// conn is one connection. What is written goes through a queue, so that who does
// not read, or does not answer a call, holds up nobody else.
type conn struct {
	id    uint64
	from  netip.Addr // of a phone's
	queue chan []byte
	net   net.Conn // nil until it is connected
}

const (
	queueLen     = 64
	writeTimeout = 10 * time.Second
	dialTimeout  = 4 * time.Second
	// firstMessage is how long a connection may say nothing that is SIP, its handshake
	// included, and maxConns how many one address may have, and all.
	firstMessage     = 30 * time.Second
	maxConns         = 1 << 16
	maxConnsOfSource = 1 << 10
)

var errNoConn = errors.New("the connection is gone, or does not take more")

func (c *conns) init() {
	c.byID, c.byPeer, c.counts = map[uint64]*conn{}, map[flow]*conn{}, map[netip.Addr]int{}
}

func (c *conns) get(id uint64) *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byID[id]
}

// add takes a connection in, or the place of one to a PBX; nil if there are too many,
// or the proxy ends.
func (c *conns) add(n net.Conn, from netip.Addr, to flow) *conn {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	x := &conn{id: binary.BigEndian.Uint64(id[:]) | 1, from: from, queue: make(chan []byte, queueLen), net: n}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || n != nil && (len(c.byID) >= maxConns || c.counts[from] >= maxConnsOfSource) {
		return nil
	}
	c.byID[x.id] = x
	if n != nil {
		c.counts[from]++
	}
	if n == nil {
		c.byPeer[to] = x
	}
	return x
}

// connected gives a connection to its place. It is false if that is not there any more.
func (c *conns) connected(x *conn, n net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.byID[x.id] != x {
		return false
	}
	x.net = n
	return true
}

// remove forgets a connection, which is closed once what is queued is written.
func (c *conns) remove(x *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID[x.id] != x {
		return
	}
	delete(c.byID, x.id)
	if x.from.IsValid() {
		if c.counts[x.from]--; c.counts[x.from] == 0 {
			delete(c.counts, x.from)
		}
	}
	for f, y := range c.byPeer {
		if x == y {
			delete(c.byPeer, f)
		}
	}
	close(x.queue) // its sender closes it, once all is written
}

func (c *conns) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, x := range c.byID {
		if x.net != nil {
			_ = x.net.Close() // its reader removes it
		}
	}
}

func (c *conns) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.byID)
}

// write queues a copy of a message.
func (c *conns) write(id uint64, b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.byID[id]
	if x == nil {
		return errNoConn
	}
	select {
	case x.queue <- append([]byte(nil), b...):
		return nil
	default:
		return errNoConn
	}
}

// send writes what is queued until the connection is removed, and closes it.
func (x *conn) send() {
	for b := range x.queue {
		_ = x.net.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := x.net.Write(b); err != nil {
			_ = x.net.Close() // the reader sees it and removes it
		}
	}
	_ = x.net.Close()
}

// accept takes connections in.
func (p *Proxy) accept(l *leg, running *sync.WaitGroup) {
	for {
		n, from, err := p.nextConn(l.listener)
		if err != nil {
			return
		}
		x := p.conns.add(n, from, flow{})
		if x == nil {
			_ = n.Close()
			continue
		}
		running.Go(func() { p.serve(x, l.transport, l.addr.Port()) })
	}
}

// nextConn waits for a connection from an address that is allowed, and closes those of
// others unheard. The error is net.ErrClosed.
func (p *Proxy) nextConn(l net.Listener) (net.Conn, netip.Addr, error) {
	for {
		n, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil, netip.Addr{}, err
		}
		if err != nil {
			time.Sleep(50 * time.Millisecond) // no file descriptors: some will be free again
			continue
		}
		if at, ok := n.RemoteAddr().(*net.TCPAddr); ok {
			from := at.AddrPort().Addr().Unmap()
			if ok, _ := p.admits(from); ok {
				return n, from, nil
			}
		}
		_ = n.Close()
	}
}

// serve handles the messages of a connection.
func (p *Proxy) serve(x *conn, t transport, port uint16) {
	defer p.conns.remove(x)
	go x.send()
	peer := x.net.RemoteAddr().(*net.TCPAddr).AddrPort()
	in := flow{transport: t, port: port, peer: netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()), conn: x.id}
	r := reader{worker: p.newWorker(), conn: x, from: sourceOf(in.peer.Addr()), pbx: port == 0 || p.upstreams.at(in.peer.Addr())}
	r.patience = time.Now().Add(firstMessage)
	for r.read() {
		pings, err := r.cut.feed(nil, func(message []byte) {
			if r.takes(in.peer.Addr(), message) && r.handle(in, message, false) {
				r.patience = time.Time{} // its keep-alives, or TCP's, tell whether it is there
			}
		})
		r.flush()
		if pings > 0 {
			r.signOfLife(in)
		}
		for range pings {
			_ = p.conns.write(x.id, []byte("\r\n")) // RFC 5626 section 3.5.1
		}
		if err != nil {
			p.count.notSIP.Add(1)
			return // where the next message begins nobody knows
		}
	}
}

// dial sends a message over the connection to a PBX, and opens one if there is none.
func (p *Proxy) dial(f flow, b []byte) error {
	p.conns.mu.Lock()
	x := p.conns.byPeer[f]
	p.conns.mu.Unlock()
	if x == nil {
		if x = p.conns.add(nil, netip.Addr{}, f); x == nil {
			return errNoConn
		}
		go p.connect(x, f)
	}
	return p.conns.write(x.id, b)
}

// connect opens the connection to a PBX and handles its messages.
func (p *Proxy) connect(x *conn, f flow) {
	defer p.conns.remove(x)
	n, err := p.reach(f)
	if err != nil {
		if t := p.upstreams.target(f); t != nil && !t.down.Swap(true) {
			p.log.Warn("a PBX is not reached", "address", f.peer, "error", err)
		}
		return
	}
	if !p.conns.connected(x, n) {
		_ = n.Close()
		return
	}
	p.serve(x, f.transport, 0)
}

// reach opens a connection to a PBX, which over TLS must have a certificate for the
// name by which it is configured (RFC 5922).
func (p *Proxy) reach(f flow) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	if f.transport != tls {
		return d.Dial("tcp", f.peer.String())
	}
	cfg := p.clientTLS.Clone()
	if t := p.upstreams.target(f); t != nil {
		cfg.ServerName = t.host
	}
	return cryptotls.DialWithDialer(&d, "tcp", f.peer.String(), cfg)
}
