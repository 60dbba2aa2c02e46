package proxy

import (
	"errors"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
)

// How many datagrams are read or sent by one system call, and how long one may be.
const (
	batchLen    = 64
	maxDatagram = 1 << 16
	minMessage  = len("A sip:a SIP/2.0\r\n\r\n")
)

// batch are datagrams that a worker sends through one leg.
type batch struct {
	slots []slot
	msgs  []ipv4.Message
}

// slot is one of them, with its room.
type slot struct {
	buf []byte
	ip  [16]byte
	to  net.UDPAddr
	ref [1][]byte
}

// send hands a message over that was made in w.out, which is another buffer then.
// Over UDP it goes with the next flush.
func (w *worker) send(f flow, b []byte) {
	var err error
	switch {
	case f.transport == udp:
		w.queue(f, b)
	case f.conn == 0:
		w.out, err = b[:0], w.dial(f, b)
	default:
		w.out, err = b[:0], w.conns.write(f.conn, b)
	}
	if err != nil {
		w.count.unsent.Add(1)
		return
	}
	w.count.forwarded.Add(1)
}

func (w *worker) queue(f flow, b []byte) {
	i := w.legIndex(f)
	out := &w.sent[i]
	n := len(out.msgs)
	if n == len(out.slots) {
		out.slots = append(out.slots, slot{})
	}
	s := &out.slots[n]
	s.buf, w.out = b, s.buf[:0]
	s.to.Port = int(f.peer.Port())
	if f.peer.Addr().Is4() {
		a := f.peer.Addr().As4()
		s.to.IP = s.ip[:copy(s.ip[:], a[:])]
	} else {
		a := f.peer.Addr().As16()
		s.to.IP = s.ip[:copy(s.ip[:], a[:])]
	}
	out.msgs = append(out.msgs, ipv4.Message{})
	if len(out.msgs) == batchLen {
		w.flush()
	}
}

// flush sends what was handed over. What the network does not take is lost, as a
// datagram may be.
func (w *worker) flush() {
	for i := range w.sent {
		out := &w.sent[i]
		if len(out.msgs) == 0 {
			continue
		}
		l := w.legs[i]
		for n := range out.msgs {
			s := &out.slots[n]
			s.ref[0] = s.buf
			out.msgs[n] = ipv4.Message{Buffers: s.ref[:], Addr: &s.to}
		}
		for rest := out.msgs; len(rest) > 0; {
			n, err := l.write(rest)
			if err != nil {
				w.count.unsent.Add(1)
				n = max(n, 1) // the one that could not be sent
			}
			rest = rest[min(n, len(rest)):]
		}
		out.msgs = out.msgs[:0]
	}
}

// write sends datagrams and returns how many. A socket for IPv6 takes IPv4 only as
// mapped addresses, which a batch cannot have.
func (l *leg) write(msgs []ipv4.Message) (int, error) {
	if l.batched != nil {
		return l.batched.WriteBatch(msgs, 0)
	}
	_, err := l.packets.WriteToUDP(msgs[0].Buffers[0], msgs[0].Addr.(*net.UDPAddr))
	return 1, err
}

// readPackets handles datagrams in the order in which they come.
func (p *Proxy) readPackets(l *leg) {
	w := p.newWorker()
	if l.batched == nil {
		p.readSingly(l, w)
		return
	}
	msgs := make([]ipv4.Message, batchLen)
	for i := range msgs {
		msgs[i].Buffers = [][]byte{make([]byte, maxDatagram)}
	}
	for {
		n, err := l.batched.ReadBatch(msgs, 0)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		w.now = p.clock() // for all of them
		for i := range max(n, 0) {
			from, ok := msgs[i].Addr.(*net.UDPAddr)
			if !ok {
				continue
			}
			w.datagram(l, from.AddrPort(), msgs[i].Buffers[0][:msgs[i].N])
		}
		w.flush()
	}
}

func (p *Proxy) readSingly(l *leg, w *worker) {
	b := make([]byte, maxDatagram)
	for {
		n, from, err := l.packets.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			w.now = p.clock()
			w.datagram(l, from, b[:n])
			w.flush()
		}
	}
}

// datagram handles one. What is too short for a message keeps a binding of a NAT
// alive (RFC 5626 section 3.5.1), or is nothing.
func (w *worker) datagram(l *leg, from netip.AddrPort, b []byte) {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	ok, pbx := w.admits(from.Addr())
	if !ok {
		return
	}
	in := flow{transport: udp, port: l.addr.Port(), peer: from}
	if len(b) < minMessage {
		w.signOfLife(in)
		return
	}
	if isSTUN(b) {
		w.stun(in, b)
		return
	}
	line := firstLine(b)
	if line == nil {
		w.count.notSIP.Add(1)
		return
	}
	if w.plea = noPlea; pbx || w.lets(from.Addr(), line, b) {
		w.handle(in, b, true)
	}
}
