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

	"github.com/pin/tftp/v3"

	"perch/provisioning/settings"
)

// TFTP serves the common files (RFC 1350, 2347, 2348, 2349), in which nothing is secret, and
// takes none. Whoever asks by UDP may be somebody else than it says, so what an answer to
// nobody costs is bounded: by the networks that are heard, by the transfers of an address, and
// by how often a block is sent again.
type TFTP struct {
	cfg    Config
	misses misses
	allow  []netip.Prefix
	server *tftp.Server

	mu  sync.Mutex
	all int
	by  map[netip.Addr]int // transfers that go on
}

// What goes on at a time, at most, and how long a block waits for its answer until it is
// sent again, how often.
const (
	maxTransfers         = 2048
	maxTransfersOfSource = 4
	tftpTimeout          = 2 * time.Second
	tftpRetries          = 4
	tftpBlock            = 1428 // fits an Ethernet frame
)

var errNoFile = errors.New("no such file")

// NewTFTP returns a server for phones in some networks.
func NewTFTP(cfg Config, allow []netip.Prefix) *TFTP {
	t := &TFTP{cfg: cfg, misses: misses{by: map[netip.Prefix]*missing{}}, allow: allow, by: map[netip.Addr]int{}}
	t.server = tftp.NewServer(t.read, nil)
	t.server.SetTimeout(tftpTimeout)
	t.server.SetRetries(tftpRetries)
	t.server.SetBlockSize(tftpBlock)
	t.server.SetBackoff(func(int) time.Duration { return 0 }) // the timeout is wait enough
	return t
}

// Serve answers what comes to a socket until Shutdown.
func (t *TFTP) Serve(c net.PacketConn) error { return t.server.Serve(&filtered{c, t}) }

// Shutdown ends it, when the transfers have ended that go on.
func (t *TFTP) Shutdown() { t.server.Shutdown() }

// read hands a file out.
func (t *TFTP) read(name string, to io.ReaderFrom) error {
	out, ok := to.(tftp.OutgoingTransfer)
	if !ok {
		return errNoFile
	}
	remote := out.RemoteAddr()
	source := remote.AddrPort().Addr().Unmap()
	if !t.begin(source) {
		return errors.New("too many transfers")
	}
	defer t.end(source)
	asked, ok := settings.Parse(name, "")
	if !ok || len(name) > maxName || asked.Kind != settings.Common && asked.Kind != settings.Start {
		t.misses.note(source, time.Now())
		return errNoFile
	}
	f, ok := t.cfg.Common(asked.Vendor, asked.Kind)
	if !ok {
		return errNoFile
	}
	out.SetSize(int64(len(f.Body)))
	_, err := to.ReadFrom(bytes.NewReader(f.Body))
	return err
}

func (t *TFTP) begin(a netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all >= maxTransfers || t.by[a] >= maxTransfersOfSource {
		return false
	}
	t.all++
	t.by[a]++
	return true
}

func (t *TFTP) end(a netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all--
	if t.by[a]--; t.by[a] == 0 {
		delete(t.by, a)
	}
}

// hears reports whether a datagram is looked at: an RRQ of a sensible length, from a network
// of phones, by who does not miss all the time.
func (t *TFTP) hears(a netip.Addr, b []byte) bool {
	const rrq = 1
	if len(b) < 4 || len(b) > 2*maxName || b[0] != 0 || b[1] != rrq || t.misses.blocked(a, time.Now()) {
		return false
	}
	return within(t.allow, a)
}

// within reports whether an address is in one of some networks.
func within(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// filtered is a socket from which comes only what is heard.
type filtered struct {
	net.PacketConn
	t *TFTP
}

// ReadFrom waits for the next datagram that is heard.
func (f *filtered) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := f.PacketConn.ReadFrom(b)
		if err != nil {
			return n, from, err
		}
		if u, ok := from.(*net.UDPAddr); ok && f.t.hears(u.AddrPort().Addr().Unmap(), b[:n]) {
			return n, from, nil
		}
	}
}
