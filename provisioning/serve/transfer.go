package serve

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/pin/tftp/v3"
)

// transfer is a file on its way to a phone, from a port of its own (RFC 1350 section 4). It is
// the socket on which the library serves this one request. The library would send each block
// again alike, and may panic when a datagram comes to a transfer that ends, so it gets one
// datagram for each block that it sends, and the repetition is here: see
// docs/decisions/0031-a-transfer-at-a-time.md.
type transfer struct {
	from    netip.AddrPort
	asked   []byte       // the request
	conn    *net.UDPConn // connected: nobody else is heard
	server  *tftp.Server
	blocks  chan []byte // that the library sends
	started bool        // it has the request

	mu       sync.Mutex
	answered bool      // something came back
	first    []byte    // the first answer, when it went out
	said     time.Time // when it went out last
}

// tftpWaits is how long a block waits for its answer until it is sent again, and at last until
// the transfer ends. Where a tenth is lost each way one in a million gets lost all six times.
// The long waits are for clients that answer what they have once again alone (atftp), and
// else only when they heard nothing for 5 s.
var tftpWaits = [...]time.Duration{time.Second, 2 * time.Second, 2 * time.Second, 6 * time.Second, 6 * time.Second, 12 * time.Second}

const (
	// tftpPatience is how long a first answer waits. It goes out again when the same is asked
	// again, after tftpAgain.
	tftpPatience = 30 * time.Second
	tftpAgain    = time.Second
	// libraryTimeout is how long the library waits for what it gets from us, which is sooner.
	libraryTimeout = time.Minute
)

// The kinds of packets.
const (
	opRRQ   = 1
	opDATA  = 3
	opACK   = 4
	opERROR = 5
	opOACK  = 6
)

func opcode(b []byte) uint16 { return binary.BigEndian.Uint16(b) }

// gone is what the library is told when the phone says no more.
const gone = "\x00\x05\x00\x00no answer\x00"

func newTransfer(from netip.AddrPort, request []byte) (*transfer, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(from))
	if err != nil {
		return nil, err
	}
	return &transfer{from: from, asked: bytes.Clone(request), conn: conn, blocks: make(chan []byte, 1)}, nil
}

// run sends what is read, or why not, until that is over.
func (x *transfer) run(read func(netip.Addr, string) (io.ReadSeeker, error)) {
	x.server = tftp.NewServer(func(name string, to io.ReaderFrom) error {
		r, err := read(x.from.Addr(), name)
		if err != nil {
			return err // the library sends it
		}
		defer close(x.blocks) // ReadFrom sends nothing any more when it returns
		_, err = to.ReadFrom(r)
		return err
	}, nil)
	x.server.EnableSinglePort()
	x.server.SetTimeout(libraryTimeout)
	x.server.SetRetries(1)
	_ = x.server.Serve(x)
}

// again answers a request that came again, if it is the one that began this, and nothing came
// back yet. RFC 1350 section 2: a lost packet is sent again by who waits for its answer.
func (x *transfer) again(request []byte, now time.Time) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.answered || !bytes.Equal(x.asked, request) {
		return false
	}
	if x.first != nil && now.Sub(x.said) >= tftpAgain {
		x.said = now
		_ = x.conn.SetReadDeadline(now.Add(tftpPatience))
		_, _ = x.conn.Write(x.first) // it asks again
	}
	return true
}

func (x *transfer) isAnswered() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.answered
}

// ReadFrom is how the library gets the request, and then what comes back for each block. It
// ends the library's server behind the last one: that sent all, or an error.
func (x *transfer) ReadFrom(b []byte) (int, net.Addr, error) {
	if !x.started {
		x.started = true
		return copy(b, x.asked), x.conn.RemoteAddr(), nil
	}
	switch block, more := <-x.blocks; {
	case !more:
	case opcode(block) == opERROR:
		_, _ = x.conn.Write(block) // once: nobody answers it
	default:
		return x.exchange(block, b), x.conn.RemoteAddr(), nil
	}
	x.server.Shutdown()
	return 0, nil, net.ErrClosed
}

// exchange sends a block until its answer comes. The first answer goes out once.
func (x *transfer) exchange(block, b []byte) int {
	waits := tftpWaits[:]
	if !x.isAnswered() {
		waits = []time.Duration{tftpPatience}
	}
	for _, wait := range waits {
		n, err := x.once(block, b, wait)
		if err == nil {
			return n
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			break // nobody is there
		}
	}
	_ = x.conn.Close() // what the library says of it goes nowhere
	return copy(b, gone)
}

// once sends a block and waits for its answer.
func (x *transfer) once(block, b []byte, wait time.Duration) (n int, err error) {
	if err := x.say(block, wait); err != nil {
		return 0, err
	}
	for {
		if n, err = x.conn.Read(b); err != nil {
			return 0, err
		}
		if ends := n > 4 && opcode(b) == opERROR; ends || answers(b[:n], block) {
			x.mu.Lock()
			x.answered, x.first = true, nil
			x.mu.Unlock()
			if ends {
				_ = x.conn.Close()
			}
			return n, nil
		}
	}
}

func (x *transfer) say(block []byte, wait time.Duration) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := time.Now()
	if !x.answered {
		x.first, x.said = block, now
	}
	_ = x.conn.SetReadDeadline(now.Add(wait))
	_, err := x.conn.Write(block)
	return err
}

// answers reports whether a packet is the ACK of a block. That of options has number 0
// (RFC 2347).
func answers(b, block []byte) bool {
	var number uint16
	if opcode(block) == opDATA {
		number = binary.BigEndian.Uint16(block[2:])
	}
	return len(b) >= 4 && opcode(b) == opACK && binary.BigEndian.Uint16(b[2:]) == number
}

// WriteTo takes a block of the library's, which goes on using its octets.
func (x *transfer) WriteTo(b []byte, _ net.Addr) (int, error) {
	x.blocks <- bytes.Clone(b)
	return len(b), nil
}

// LocalAddr is the transfer's own.
func (x *transfer) LocalAddr() net.Addr { return x.conn.LocalAddr() }

// Close closes its socket.
func (x *transfer) Close() error { return x.conn.Close() }

// SetDeadline does nothing, as the library sets none.
func (x *transfer) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (x *transfer) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (x *transfer) SetWriteDeadline(time.Time) error { return nil }
