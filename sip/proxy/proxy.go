// Package proxy stands in the path between phones and their PBX.
//
// A SIP proxy (RFC 3261 section 16) passes requests on and writes itself into them,
// so that what belongs to them comes by it, too: a Via for the answers, a
// Record-Route for what follows in a call, and, in a REGISTER, a Path (RFC 3327)
// for the calls that the PBX has for the phone. All that this one knows of a phone
// it writes there, sealed with its key: by which port, address and connection it is
// reached. It keeps nothing itself, so a phone does not notice when it is started
// again.
//
// Before anything is read its source is held to limits (admission.go), and whom the PBX
// refuses too often is not heard for a while (refusals.go). Calls for help pass.
//
// Where nothing has to be changed a message passes octet for octet. Of REGISTERs that
// are accepted, and their answers, the proxy hands over a copy, and never waits for
// whoever takes it.
//
// Without a PBX it is the registrar of a small site; with one it stands in for it
// while it does not answer, for the phones that it has let in before. A call to a line that
// several phones have rings at all of them (fork.go). Of phones that register around
// it the PBX can be asked (regevent.go). It touches no media.
//
//	p, err := proxy.New(proxy.Config{
//		Listen: []string{"udp:0.0.0.0:5060"}, Upstream: []string{"udp:pbx.example.com:5060"}, Key: key,
//	})
//	err = p.Run(ctx)
package proxy

import (
	"context"
	cryptotls "crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
)

// Observation is a REGISTER as a phone sent it, or its answer as the PBX gave it.
type Observation struct {
	Time        time.Time
	Transport   string // "udp", "tcp", "tls", "ws", "wss"
	Source      netip.AddrPort
	Destination netip.AddrPort
	Message     []byte // during the call only
}

// Proxy forwards SIP.
type Proxy struct {
	cfg        Config
	log        *slog.Logger
	legs       []*leg
	upstreams  upstreams
	alone      bool // there are none: this is the registrar
	pending    pending
	told       told
	bindings   bindings
	lines      atomic.Pointer[listed]
	nonces     nonces
	own        ownRequests
	regs       regEvents
	callers    atomic.Pointer[callers]
	numbers    []string
	anyNumbers []string // those of all sites
	places     atomic.Pointer[map[string]Place]
	// elsewhereSite is that of phones of whose site nothing is said.
	elsewhereSite Site
	serverTLS     *cryptotls.Config // nil: no certificate
	clientTLS     *cryptotls.Config
	certificate   *Certificate // nil: none
	allow         []netip.Prefix
	emergencies   multiples[emergency]        // calls for help that are being set up
	forks         multiples[fork]             // requests that went to several phones
	after         func(time.Duration, func()) // as time.AfterFunc
	loopTold      atomic.Bool
	ours          map[string]bool // our hosts and ports, in lower case
	conns         conns
	admission     admission
	clock         func() int64 // nanoseconds since the proxy was made
	count         struct {
		forwarded, answered, malformed, notSIP, forged, unsent, strangers, failedOver, panics, shown, notShown atomic.Uint64
		crowded, banned, spared, guesses, unanswered                                                           atomic.Uint64
	}
}

// leg is one of our sockets.
type leg struct {
	transport  transport
	addr       netip.AddrPort   // where it listens
	advertised string           // host and port, for Via and URIs
	packets    *net.UDPConn     // over UDP
	batched    *ipv4.PacketConn // the same, for IPv4 alone
	listener   net.Listener     // else
}

// New opens the sockets. The error names the address that could not be had.
func New(cfg Config) (*Proxy, error) {
	p := &Proxy{cfg: cfg, ours: map[string]bool{}, after: func(d time.Duration, f func()) { time.AfterFunc(d, f) }}
	p.init()
	if p.allow = cfg.Allow; p.allow == nil {
		p.allow = PrivateNetworks
	}
	p.numbers = cfg.numbers()
	p.elsewhereSite.Name, p.alone = cfg.Site, len(cfg.Upstream) == 0
	p.anyNumbers = slices.Clone(p.numbers)
	for i := range cfg.Sites {
		p.anyNumbers = append(p.anyNumbers, cfg.Sites[i].Numbers...)
	}
	p.upstreams.log, p.upstreams.lookUp = p.log, net.DefaultResolver
	var err error
	if p.serverTLS, p.clientTLS, err = p.tlsConfigs(); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	for _, s := range cfg.Upstream {
		if err := p.upstreams.add(s); err != nil {
			return nil, fmt.Errorf("upstream %s: %w", s, err)
		}
	}
	if err := p.upstreams.resolve(context.Background()); err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	for _, s := range cfg.Listen {
		if err := p.listen(s); err != nil {
			return nil, errors.Join(fmt.Errorf("listen %s: %w", s, err), p.Close())
		}
	}
	if len(p.legs) == 0 {
		return nil, errors.New("nothing to listen at")
	}
	if err := p.needUDP(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// init makes the tables.
func (p *Proxy) init() {
	if p.cfg.Algorithms == nil {
		p.cfg.Algorithms = defaultAlgorithms
	}
	p.log = p.logger()
	p.limit()
	p.conns.init()
	p.pending.init()
	p.told.init()
	p.bindings.init()
	p.emergencies.init()
	p.forks.init()
	p.own.byKey = map[txn]*ownRequest{}
	p.regs.init()
	p.regs.on = p.cfg.RegEvents
}

// needUDP opens a socket for PBXs over UDP if phones are not heard by one: at the
// same address as the first listener, so that it is the same after a restart.
func (p *Proxy) needUDP() error {
	for _, l := range p.legs {
		if l.transport == udp {
			return nil
		}
	}
	for _, n := range p.upstreams.names {
		if n.transport == udp {
			at := "udp:" + p.legs[0].addr.String()
			if err := p.listen(at); err != nil {
				return fmt.Errorf("listen %s, for the PBX: %w", at, err)
			}
			return nil
		}
	}
	return nil
}

func (p *Proxy) logger() *slog.Logger {
	if p.cfg.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return p.cfg.Log
}

// limit prepares what limits sources.
func (p *Proxy) limit() {
	began := time.Now()
	p.clock = func() int64 { return int64(time.Since(began)) }
	p.admission.init(p.log, func(s source) bool { return p.callers.Load().from(s) })
}

// cutAddress cuts "udp:host:port".
func cutAddress(s string) (t transport, hostport string, err error) {
	name, hostport, _ := strings.Cut(s, ":")
	t, ok := transportOfName[strings.ToLower(name)]
	if !ok {
		return 0, "", errors.New("want udp:HOST:PORT, or tcp, tls, ws or wss in the place of udp")
	}
	if _, _, err := net.SplitHostPort(hostport); err != nil {
		return 0, "", err
	}
	return t, hostport, nil
}

func (p *Proxy) listen(s string) error {
	t, hostport, err := cutAddress(s)
	if err != nil {
		return err
	}
	l := &leg{transport: t}
	if t == udp {
		a, err := net.ResolveUDPAddr("udp", hostport)
		if err != nil {
			return err
		}
		if l.packets, err = net.ListenUDP("udp", a); err != nil {
			return cause(err)
		}
		_ = l.packets.SetReadBuffer(socketBuffer) // the kernel gives what it may
		_ = l.packets.SetWriteBuffer(socketBuffer)
		l.addr = l.packets.LocalAddr().(*net.UDPAddr).AddrPort()
		if l.addr.Addr().IsUnspecified() {
			if err := share(l.packets); err != nil {
				return errors.Join(err, l.packets.Close())
			}
		}
	} else {
		if l.listener, err = net.Listen("tcp", hostport); err != nil {
			return cause(err)
		}
		l.addr = l.listener.Addr().(*net.TCPAddr).AddrPort()
		if t.secure() {
			if p.serverTLS == nil {
				return errors.Join(errNoCertificate, l.listener.Close())
			}
			l.listener = cryptotls.NewListener(l.listener, p.serverTLS)
		}
	}
	l.addr = netip.AddrPortFrom(l.addr.Addr().Unmap(), l.addr.Port())
	if l.packets != nil && l.addr.Addr().Is4() {
		l.batched = ipv4.NewPacketConn(l.packets)
	}
	host := p.host(l)
	l.advertised = net.JoinHostPort(host, strconv.Itoa(int(l.addr.Port())))
	p.ours[strings.ToLower(l.advertised)] = true
	p.ours[l.addr.String()] = true
	p.ours[net.JoinHostPort(p.toward(), strconv.Itoa(int(l.addr.Port())))] = true
	p.legs = append(p.legs, l)
	return nil
}

// cause is an error of the network without the address, which is told already.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// socketBuffer is what UDP sockets may hold until they are read: a second of a
// storm of REGISTERs.
const socketBuffer = 8 << 20

// host is what a leg is reached by.
func (p *Proxy) host(l *leg) string {
	switch {
	case p.cfg.Advertise != "":
		return p.cfg.Advertise
	case !l.addr.Addr().IsUnspecified():
		return l.addr.Addr().String()
	}
	return p.toward()
}

// toward is the address of this machine that leads to the PBX.
func (p *Proxy) toward() string {
	for _, t := range p.upstreams.list() {
		if c, err := net.Dial("udp", t.addr.String()); err == nil { // sends nothing
			defer c.Close()
			return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().String()
		}
	}
	return "127.0.0.1"
}

// Addr returns where a leg listens, in the order of Config.Listen.
func (p *Proxy) Addr(i int) netip.AddrPort { return p.legs[i].addr }

// Run forwards until ctx ends, and closes the sockets.
func (p *Proxy) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, l := range p.legs {
		if l.packets != nil {
			running.Go(func() { p.readPackets(l) })
		} else if l.transport.web() {
			running.Go(func() { p.acceptWeb(l) })
		} else {
			running.Go(func() { p.accept(l, &running) })
		}
	}
	running.Go(func() { p.each(ctx, sweepTick, (*worker).sweep) })
	running.Go(func() { p.each(ctx, probeDown, prober()) })
	running.Go(func() { p.upstreams.keep(ctx) })
	if p.cfg.RegEvents {
		running.Go(func() { p.each(ctx, regTick, func(w *worker) { w.regTurn(p.regs.now()) }) })
	}
	<-ctx.Done()
	err := p.Close()
	running.Wait()
	return err
}

// Close closes the sockets.
func (p *Proxy) Close() error {
	var errs []error
	for _, l := range p.legs {
		if l.packets != nil {
			errs = append(errs, l.packets.Close())
		} else {
			errs = append(errs, l.listener.Close())
		}
	}
	p.conns.close()
	return errors.Join(errs...)
}

// leg returns the socket of ours that a flow goes through; for a flow to a PBX,
// whose port is 0, the first of its transport.
func (p *Proxy) leg(f flow) *leg { return p.legs[p.legIndex(f)] }

func (p *Proxy) legIndex(f flow) int {
	found := -1
	for i, l := range p.legs {
		if l.transport != f.transport {
			continue
		}
		fits := l.addr.Addr().Is4() == f.peer.Addr().Is4() || l.addr.Addr().IsUnspecified()
		if fits && (f.port == 0 || f.port == l.addr.Port()) {
			return i
		}
		if found < 0 {
			found = i
		}
	}
	return max(found, 0)
}

// alive reports whether a flow may still be there.
func (p *Proxy) alive(f flow) bool { return f.transport == udp || p.conns.get(f.conn) != nil }
