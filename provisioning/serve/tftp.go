package serve

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"perch/provisioning/settings"
)

// TFTP serves the common files (RFC 1350, 2347, 2348, 2349), in which nothing is secret, and
// takes none. Whoever asks by UDP may be somebody else than it says, so what an answer to
// nobody costs is bounded: by the networks that are heard, by the transfers of an address, and
// as the first answer goes out once, until something has come back.
type TFTP struct {
	cfg    Config
	misses misses
	allow  []netip.Prefix
	group  sync.WaitGroup // of transfers

	mu     sync.Mutex
	socket net.PacketConn
	ended  bool
	all    int
	by     map[netip.Addr][]*transfer // that go on
}

// What goes on at a time, at most.
const (
	maxTransfers         = 2048
	maxTransfersOfSource = 4
)

// NewTFTP returns a server for phones in some networks.
func NewTFTP(cfg Config, allow []netip.Prefix) *TFTP {
	return &TFTP{cfg: cfg, allow: allow, by: map[netip.Addr][]*transfer{}}
}

// Serve answers what comes to a socket until Shutdown.
func (t *TFTP) Serve(c net.PacketConn) error {
	if !t.serves(c) {
		return nil
	}
	b := make([]byte, maxRequest+1)
	for {
		n, from, err := c.ReadFrom(b)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if u, ok := from.(*net.UDPAddr); ok {
			a := u.AddrPort()
			if a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port()); t.hears(a.Addr(), b[:n]) {
				t.request(a, b[:n])
			}
		}
	}
}

func (t *TFTP) serves(c net.PacketConn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	t.socket = c
	return true
}

// tftpEnd is how long a transfer goes on at the end: whoever waits for it asks again.
const tftpEnd = time.Second

// Shutdown closes the socket, and lets the transfers end that go on and are quick.
func (t *TFTP) Shutdown() {
	t.mu.Lock()
	t.ended = true
	if t.socket != nil {
		_ = t.socket.Close()
	}
	t.mu.Unlock()
	t.cut(func(x *transfer) bool { return !x.isAnswered() })
	defer time.AfterFunc(tftpEnd, func() { t.cut(func(*transfer) bool { return true }) }).Stop()
	t.group.Wait()
}

// cut ends some transfers.
func (t *TFTP) cut(which func(*transfer) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, list := range t.by {
		for _, x := range list {
			if which(x) {
				_ = x.conn.Close()
			}
		}
	}
}

// maxRequest is how long an RRQ may be. The answer to its options is hardly longer, and fits
// the library's 516 octets.
const maxRequest = 2 * maxName

// hears reports whether a datagram is looked at: an RRQ of a sensible length, from a network
// of phones, by who does not miss all the time.
func (t *TFTP) hears(a netip.Addr, b []byte) bool {
	if len(b) < 4 || len(b) > maxRequest || opcode(b) != opRRQ || bytes.Count(b[2:], []byte{0}) < 2 || t.misses.blocked(a, time.Now()) {
		return false
	}
	return within(t.allow, a)
}

// within reports whether an address is in one of some networks.
func within(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// request begins a transfer, or has the one answer again that the same request began, of
// which the answer was lost. Who has too many is not answered: it asks again.
func (t *TFTP) request(from netip.AddrPort, b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.by[from.Addr()]
	for _, x := range list {
		if x.from == from && x.again(b, time.Now()) {
			return
		}
	}
	if t.ended || t.all >= maxTransfers || len(list) >= maxTransfersOfSource {
		return
	}
	x, err := newTransfer(from, b)
	if err != nil {
		return // no socket is left, or it cannot be reached
	}
	t.all++
	t.by[from.Addr()] = append(list, x)
	t.group.Go(func() {
		x.run(t.read)
		t.end(x)
	})
}

func (t *TFTP) end(x *transfer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = x.conn.Close()
	t.all--
	a := x.from.Addr()
	if t.by[a] = slices.DeleteFunc(t.by[a], func(o *transfer) bool { return o == x }); len(t.by[a]) == 0 {
		delete(t.by, a)
	}
}

// read returns a file.
func (t *TFTP) read(source netip.Addr, name string) (io.ReadSeeker, error) {
	asked, ok := settings.Parse(name, "")
	if ok && asked.Kind == settings.Absent {
		return nil, ErrNoFile
	}
	if ok && !asked.Kind.Open() {
		t.cfg.Asks.note(Asking{MAC: asked.MAC, By: "tftp", Source: source}, time.Now())
	}
	if !ok || len(name) > maxName || !asked.Kind.Open() {
		t.misses.tell(source, name, time.Now(), t.cfg.Blocked)
		return nil, ErrNoFile
	}
	f, ok := t.cfg.Common(asked.Vendor, asked.Kind)
	if !ok {
		return nil, ErrNoFile
	}
	return bytes.NewReader(f.Body), nil
}
