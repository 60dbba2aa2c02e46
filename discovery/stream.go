package discovery

import (
	"bytes"
	chain "container/list"
	"net/netip"
	"slices"
	"time"

	"github.com/google/gopacket"

	"perch/sip"
)

// What the TCP connections of one source may cost. Phones hold one connection
// each and say something on it every 30 to 120 s. One that is forgotten costs at
// most the message in it: it goes on in the middle with its next segment.
const (
	maxStreams     = 4096             // the one silent longest goes first
	maxStreamBytes = 16 << 20         // of all connections
	streamSilence  = 10 * time.Minute // then a connection is forgotten
	streamWindow   = 64 << 10         // bytes of one direction that may wait for others before them
	maxWaiting     = 64               // segments of one direction that may wait
	streamPatience = 5 * time.Second  // how long they wait, where no acknowledgement tells that the others are lost
)

// streamKey names a TCP connection on one wire, whoever opened it: a is the lesser
// of its ends.
type streamKey struct {
	iface string
	a, b  netip.AddrPort
}

// stream is a TCP connection (RFC 9293) on a port of SIP.
type stream struct {
	key   streamKey
	heard time.Time
	dirs  [2]direction // from a, from b
	bytes int          // kept of it
}

// direction is what one end of a connection sends.
type direction struct {
	framer  sip.Framer
	open    bool   // next is known
	first   uint32 // what next was at SYN
	next    uint32 // sequence number of what comes next
	acked   uint32 // what the other end has acknowledged
	isAcked bool
	closed  bool // FIN came
	waiting []segment
	since   time.Time // when the first of them came
	held    int       // bytes in them
	origin  origin    // of their frames
}

// segment waits for others before it.
type segment struct {
	seq uint32
	b   []byte
}

// origin is how the frames of one end look.
type origin struct {
	mac, dst MAC
	vlans    []uint16
}

// segment takes a TCP segment on a port of SIP.
func (d *Decoder) segment(f *Frame, off int) {
	h, ok := d.header(f.Data[off:])
	t := &d.tcp
	t.Payload = nil
	if !ok || t.DecodeFromBytes(h.payload, gopacket.NilDecodeFeedback) != nil && t.Payload == nil {
		return // broken options do no harm
	}
	a := d.assembly(f)
	d.expireStreams(a)
	src, dst := netip.AddrPortFrom(h.src, uint16(t.SrcPort)), netip.AddrPortFrom(h.dst, uint16(t.DstPort))
	key, from := streamKey{f.Interface, src, dst}, 0
	if src.Compare(dst) > 0 {
		key.a, key.b, from = dst, src, 1
	}
	d.stream = key
	e := a.streams[key]
	switch {
	case t.RST:
		if e != nil {
			d.dropStream(a, e)
		}
		return
	case e == nil && !t.SYN && len(t.Payload) == 0:
		return // nothing to go on with
	case e == nil:
		e = a.streamOrder.PushBack(&stream{key: key})
		a.streams[key] = e
		d.stats.StreamsOpened++
	}
	s := e.Value.(*stream)
	s.heard = a.now
	a.streamOrder.MoveToBack(e)
	broken := s.broken()
	x := &flow{d: d, f: f, off: off, s: s, from: from}
	x.segment(t.Seq, t.Payload, len(h.payload)-len(t.Payload), h.length)
	d.stats.StreamsBroken += uint64(s.broken() - broken)
	held := s.held()
	a.streamBytes, s.bytes = a.streamBytes+held-s.bytes, held
	for a.streamOrder.Len() > maxStreams || a.streamBytes > maxStreamBytes {
		d.stats.StreamsEvicted++
		d.dropStream(a, a.streamOrder.Front())
	}
}

func (s *stream) broken() int { return s.dirs[0].framer.Broken() + s.dirs[1].framer.Broken() }

func (s *stream) held() int {
	return s.dirs[0].framer.Len() + s.dirs[0].held + s.dirs[1].framer.Len() + s.dirs[1].held
}

// expireStreams forgets connections that have been silent too long.
func (d *Decoder) expireStreams(a *assembly) {
	for e := a.streamOrder.Front(); e != nil && a.now.Sub(e.Value.(*stream).heard) > streamSilence; e = a.streamOrder.Front() {
		d.dropStream(a, e)
	}
}

// dropStream forgets a connection.
func (d *Decoder) dropStream(a *assembly, e *chain.Element) {
	s := e.Value.(*stream)
	if s.held() > 0 {
		d.stats.StreamsBroken++ // something in it has no end
	}
	a.streamBytes -= s.bytes
	delete(a.streams, s.key)
	a.streamOrder.Remove(e)
}

// flow is a segment on its way into its stream.
type flow struct {
	d    *Decoder
	f    *Frame
	off  int
	s    *stream
	from int // which end sent it
}

// segment takes a segment with its payload, of which headers + payload were
// captured and length were on the wire.
func (x *flow) segment(seq uint32, b []byte, headers, length int) {
	t := &x.d.tcp
	dir, other := &x.s.dirs[x.from], &x.s.dirs[1-x.from]
	if t.SYN {
		if !dir.open || dir.first != seq+1 { // else it comes again
			if !t.ACK {
				*other = direction{}
			}
			*dir = direction{open: true, first: seq + 1, next: seq + 1}
			dir.framer.Begin()
		}
		seq++
	}
	if t.ACK {
		x.acked(1-x.from, t.Ack)
	}
	for len(dir.waiting) > 0 && x.s.heard.Sub(dir.since) > streamPatience {
		x.lost(x.from, dir.waiting[0].seq)
	}
	if len(b) > 0 {
		x.data(dir, seq, b)
	}
	if cut := length - headers - len(b); cut > 0 && dir.open && seq+uint32(len(b)) == dir.next {
		x.lost(x.from, seq+uint32(len(b)+cut)) // by the snapshot length
	}
	if t.FIN && dir.open && seq+uint32(len(b)) == dir.next {
		dir.closed = true
	}
}

// data takes what a segment carries: in order, before its turn, or again. Of what
// is sent again with other content the first counts, as it does to most hosts.
func (x *flow) data(dir *direction, seq uint32, b []byte) {
	if dir.closed && int32(seq+uint32(len(b))-dir.next) > 0 {
		*dir = direction{} // another connection, whose SYN was not heard
	}
	if !dir.open {
		dir.open, dir.next = true, seq
	}
	ahead := int32(seq - dir.next)
	if ahead > 0 {
		x.wait(dir, seq, b)
		return
	}
	if int(-ahead) >= len(b) {
		return
	}
	x.feed(x.from, b[-ahead:])
	x.drain(x.from)
}

// wait keeps a segment that came before its turn. What it waits for is not waited
// for any longer when the other end has it already, or when too much waits.
func (x *flow) wait(dir *direction, seq uint32, b []byte) {
	i, again := slices.BinarySearchFunc(dir.waiting, seq, func(s segment, seq uint32) int { return int(int32(s.seq - seq)) })
	if again && len(b) <= len(dir.waiting[i].b) {
		return
	}
	if again {
		dir.held -= len(dir.waiting[i].b)
		dir.waiting[i].b = append(dir.waiting[i].b, b[len(dir.waiting[i].b):]...) // the first counts
		dir.held += len(dir.waiting[i].b)
	} else {
		dir.waiting = slices.Insert(dir.waiting, i, segment{seq, bytes.Clone(b)})
		dir.held += len(b)
	}
	if len(dir.waiting) == 1 {
		dir.since = x.s.heard
		dir.origin.mac, dir.origin.dst, dir.origin.vlans = linkHeader(x.f.LinkType, x.f.Data, x.off)
	}
	x.forgo(x.from)
	for dir.held > streamWindow || len(dir.waiting) > maxWaiting {
		x.lost(x.from, dir.waiting[0].seq)
	}
}

// acked notes what an end has acknowledged of what the other sent.
func (x *flow) acked(from int, ack uint32) {
	dir := &x.s.dirs[from]
	if !dir.isAcked || int32(ack-dir.acked) > 0 {
		dir.acked, dir.isAcked = ack, true
		x.forgo(from)
	}
}

// forgo stops waiting for what the other end has acknowledged: it was on the wire
// and was not captured.
func (x *flow) forgo(from int) {
	dir := &x.s.dirs[from]
	for dir.isAcked && len(dir.waiting) > 0 && int32(dir.acked-dir.waiting[0].seq) >= 0 {
		x.lost(from, dir.waiting[0].seq)
	}
}

// lost passes over what was not captured, up to a sequence number.
func (x *flow) lost(from int, until uint32) {
	dir := &x.s.dirs[from]
	dir.framer.Lost(int(int32(until-dir.next)), func(m []byte) { x.message(from, m, errLost) })
	dir.next = until
	x.drain(from)
}

// drain takes what has waited for what came just now.
func (x *flow) drain(from int) {
	dir := &x.s.dirs[from]
	for len(dir.waiting) > 0 {
		s := dir.waiting[0]
		behind := int(int32(dir.next - s.seq))
		if behind < 0 {
			return
		}
		dir.waiting = slices.Delete(dir.waiting, 0, 1)
		dir.held -= len(s.b)
		if behind < len(s.b) {
			x.feed(from, s.b[behind:])
		}
	}
	dir.waiting, dir.origin = nil, origin{}
}

// feed takes what is next in the stream.
func (x *flow) feed(from int, b []byte) {
	dir := &x.s.dirs[from]
	dir.next += uint32(len(b))
	dir.framer.Feed(b, func(m []byte) { x.message(from, m, nil) })
}

// message reads a message that the frame at hand has completed. What has waited
// may be the other end's: then the frame's addresses are not its own.
func (x *flow) message(from int, b []byte, fault error) {
	w := way{transport: "tcp", src: x.s.key.a, dst: x.s.key.b}
	if from == 1 {
		w.src, w.dst = w.dst, w.src
	}
	o := envelope(x.f, x.off)
	if at := &x.s.dirs[from].origin; from != x.from {
		o.MAC, o.Dst, o.VLANs = at.mac, at.dst, at.vlans
	}
	o.SrcIP, o.DstIP = w.src.Addr(), w.dst.Addr()
	o.fault(fault)
	x.d.message(b, w, o)
}
