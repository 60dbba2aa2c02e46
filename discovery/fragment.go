package discovery

import (
	"bytes"
	chain "container/list"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// What fragments may cost, for each source. A datagram is given up partsLife after
// its first fragment came, as Linux does it.
const (
	partsLife    = 30 * time.Second
	maxKnown     = 1024    // datagrams on ports of ours
	maxUnknown   = 256     // datagrams whose ports are others, or in a fragment that has not come
	maxPartBytes = 4 << 20 // in all of them
	maxParts     = 64      // of one datagram: 64 KiB in packets of 1 KiB
	maxDatagram  = 1<<16 - 1
)

// partsKey names the datagram that a fragment belongs to (RFC 791 section 3.2, RFC
// 8200 section 4.5), on one wire.
type partsKey struct {
	iface    string
	src, dst netip.Addr
	id       uint32
}

// parts is a datagram of which not all has come.
type parts struct {
	key     partsKey
	began   time.Time
	known   bool // the first fragment came, and its ports are ours
	ignored bool // its ports are others, or it was refused: what comes of it is dropped
	pieces  []piece
	bytes   int
	total   int // 0 before the last fragment came
}

// piece is what one fragment carries.
type piece struct {
	at int // in bytes
	b  []byte
}

// fragment takes a part of a UDP datagram. The first part is read by itself, since
// often no other is captured: it alone tells the ports that captures are filtered
// by. The whole is read when it has come.
func (d *Decoder) fragment(f *Frame, off int) {
	h, ok := d.header(f.Data[off:])
	if !ok || len(h.payload) == 0 {
		return
	}
	a := d.assembly(f)
	d.expireParts(a)
	key := partsKey{f.Interface, h.src, h.dst, h.id}
	d.parts = key
	e := a.parts[key]
	if e == nil {
		e = a.unknown.PushBack(&parts{key: key, began: a.now})
		a.parts[key] = e
		for a.unknown.Len() > maxUnknown {
			d.dropParts(a, a.unknown.Front(), nil)
		}
	}
	p := e.Value.(*parts)
	if p.ignored {
		return
	}
	if h.offset == 0 && !p.known {
		switch {
		case len(h.payload) < udpHeader || !d.isOurs(h.payload, h.ip4):
			d.ignore(a, p)
			return
		case h.length > len(h.payload): // the rest will never be whole
			d.ignore(a, p)
			d.partial(f, off, h)
			return
		}
		p.known = true
		a.unknown.Remove(e)
		e = a.known.PushBack(p)
		a.parts[key] = e
	}
	switch p.put(h) {
	case partNew:
		n := len(h.payload)
		p.bytes, a.partSize = p.bytes+n, a.partSize+n
	case partAgain:
		return
	case partRefused:
		if p.known {
			d.stats.FragmentsRefused++
		}
		d.ignore(a, p)
		return
	}
	if p.known && p.total > 0 && p.bytes == p.total {
		d.whole(f, off, h, p)
		d.dropParts(a, e, nil)
		return
	}
	if h.offset == 0 {
		d.partial(f, off, h)
	}
	for a.partSize > maxPartBytes {
		oldest := a.unknown.Front()
		if oldest == nil || oldest.Value.(*parts).bytes == 0 && a.known.Len() > 0 {
			oldest = a.known.Front()
		}
		d.dropParts(a, oldest, &d.stats.FragmentsEvicted)
	}
	for a.known.Len() > maxKnown {
		d.dropParts(a, a.known.Front(), &d.stats.FragmentsEvicted)
	}
}

// isOurs reports whether a UDP header's ports are of a protocol that is read.
func (d *Decoder) isOurs(b []byte, ip4 bool) bool {
	src, dst := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	return d.isSIP(src, dst) || ip4 && (isDHCPPort(src) || isDHCPPort(dst)) || !ip4 && (isDHCP6Port(src) || isDHCP6Port(dst))
}

// partial reads the first fragment alone, and whole all of them.
func (d *Decoder) partial(f *Frame, off int, h header) {
	o := envelope(f, off)
	o.fault(errFirstFragment)
	d.reassembled(h, h.payload, h.length, o)
}

func (d *Decoder) whole(f *Frame, off int, h header, p *parts) {
	b := make([]byte, 0, p.total)
	for _, x := range p.pieces {
		b = append(b, x.b...)
	}
	d.reassembled(h, b, len(b), envelope(f, off))
}

func (d *Decoder) reassembled(h header, b []byte, length int, o *Observation) {
	if p := d.siftUDP(b, h.ip4); p != protoNone {
		o.SrcIP, o.DstIP = h.src, h.dst
		d.datagram(p, b, length, o)
	}
}

// What putting a fragment in gave.
type partResult uint8

const (
	partNew partResult = iota
	partAgain
	partRefused
)

// put adds a fragment. One that comes again is no news; one that overlaps others
// in any other way is refused with the whole datagram (RFC 5722 section 4, RFC
// 8200 section 4.5), and so is one that does not fit.
func (p *parts) put(h header) partResult {
	at, end := h.offset, h.offset+len(h.payload)
	i, _ := slices.BinarySearchFunc(p.pieces, at, func(x piece, at int) int { return x.at - at })
	if i < len(p.pieces) && p.pieces[i].at == at && bytes.Equal(p.pieces[i].b, h.payload) && (h.more || p.total == end) {
		return partAgain
	}
	switch {
	case len(h.payload) != h.length, h.more && len(h.payload)%8 != 0, end > maxDatagram, len(p.pieces) >= maxParts:
		return partRefused
	case i < len(p.pieces) && p.pieces[i].at < end, i > 0 && p.pieces[i-1].at+len(p.pieces[i-1].b) > at:
		return partRefused
	case p.total > 0 && (end > p.total || !h.more), !h.more && i < len(p.pieces):
		return partRefused
	}
	if !h.more {
		p.total = end
	}
	p.pieces = slices.Insert(p.pieces, i, piece{at, bytes.Clone(h.payload)})
	return partNew
}

// ignore frees what has come of a datagram and drops what comes.
func (d *Decoder) ignore(a *assembly, p *parts) {
	a.partSize -= p.bytes
	p.pieces, p.bytes, p.ignored = nil, 0, true
}

// expireParts gives up the datagrams whose time is over.
func (d *Decoder) expireParts(a *assembly) {
	for _, l := range [...]*chain.List{a.known, a.unknown} {
		for e := l.Front(); e != nil && a.now.Sub(e.Value.(*parts).began) > partsLife; e = l.Front() {
			d.dropParts(a, e, &d.stats.FragmentsExpired)
		}
	}
}

// dropParts forgets a datagram, and counts it if it was one of ours and sound.
func (d *Decoder) dropParts(a *assembly, e *chain.Element, counter *uint64) {
	p := e.Value.(*parts)
	if counter != nil && p.known && !p.ignored {
		*counter++
	}
	a.partSize -= p.bytes
	delete(a.parts, p.key)
	if p.known {
		a.known.Remove(e)
	} else {
		a.unknown.Remove(e)
	}
}
