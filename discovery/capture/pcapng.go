package capture

import "io"

// Block types (draft-ietf-opsawg-pcapng section 11.1).
const (
	blockSection   = 0x0a0d0d0a // reads the same in both byte orders
	blockInterface = 1
	blockPacket    = 2 // obsolete since 2009, still met in old files
	blockSimple    = 3
	blockEnhanced  = 6
	blockJournal   = 9
	blockCustom    = 0x00000bad
	blockCustomToo = 0x40000bad // a custom block that editors must not copy
)

const (
	magicOrder  = 0x1a2b3c4d // tells a section's byte order
	blockHeader = 8          // type and total length
	minBlock    = 12         // header, and the total length once more behind the body
)

// sections is what the blocks read so far have said.
type sections struct {
	interfaces []netInterface // of the current section, by index
	earlier    int            // number of interfaces in the sections before
	delivered  bool           // some frame could be read
	skipped    []Skipped
	skippedAt  map[LinkType]int // index into skipped
}

// openSection reads the first Section Header Block.
func (f *File) openSection() error {
	_, body, err := f.peekBlock()
	if err != nil {
		return err
	}
	return f.section(body)
}

// nextBlock reads blocks until one of them is a frame that can be read.
func (f *File) nextBlock() error {
	for {
		f.release()
		kind, body, err := f.peekBlock()
		if err == io.EOF {
			return f.atEnd()
		}
		if err != nil {
			return err
		}
		delivered := false
		switch kind {
		case blockEnhanced:
			delivered, err = f.enhanced(body)
		case blockInterface:
			err = f.addInterface(body)
		case blockSection:
			err = f.section(body)
		case blockSimple:
			delivered, err = f.simple(body)
		case blockPacket:
			delivered, err = f.obsolete(body)
		case blockCustom, blockCustomToo, blockJournal:
			f.frame.Number++ // Wireshark shows these as frames
		}
		if delivered || err != nil {
			return err
		}
	}
}

// peekBlock reads the next block and returns its type and body. A block that
// is not looked into is passed over and has no body.
func (f *File) peekBlock() (kind uint32, body []byte, err error) {
	h, err := f.peek(minBlock)
	if err != nil {
		return 0, nil, err
	}
	kind = f.order.uint32(h)
	if kind == blockSection && !f.orient(h[blockHeader:]) {
		return 0, nil, f.fault(Garbled, "byte order mark % x of a section", h[blockHeader:minBlock])
	}
	bound := uint32(maxSkipped)
	switch kind {
	case blockSection, blockInterface, blockPacket, blockSimple, blockEnhanced:
		bound = maxBlock
	}
	total := f.order.uint32(h[4:])
	if total < minBlock || total > bound || total%4 != 0 {
		return 0, nil, f.fault(Garbled, "block of type %#x with length %d", kind, total)
	}
	if bound == maxSkipped {
		return kind, nil, f.skipBlock(int(total))
	}
	b, err := f.peek(int(total))
	if err != nil {
		return 0, nil, err
	}
	f.used = int(total)
	return kind, b[blockHeader : total-4], f.checkLength(b[total-4:], int(total))
}

// orient takes the byte order of a section from its mark.
func (f *File) orient(mark []byte) bool {
	f.order = false
	if f.order.uint32(mark) != magicOrder {
		f.order = true
	}
	return f.order.uint32(mark) == magicOrder
}

// skipBlock passes over a block without keeping it.
func (f *File) skipBlock(total int) error {
	got, err := f.in.skip(total - 4)
	var trailer []byte
	if err == nil {
		trailer, err = f.in.peek(4)
		got += len(trailer)
	}
	if err == io.EOF {
		return f.fault(CutOff, "%d of %d octets are there", got, total)
	}
	if err != nil {
		return f.readError(err)
	}
	f.used = 4
	return f.checkLength(trailer, total)
}

// checkLength compares the length behind a block with the one before it.
func (f *File) checkLength(trailer []byte, total int) error {
	if again := f.order.uint32(trailer); int64(again) != int64(total) {
		return f.fault(Garbled, "block that begins with length %d and ends with length %d", total, again)
	}
	return nil
}

// section begins a section. Its own length is not needed: blocks tell theirs.
func (f *File) section(body []byte) error {
	if len(body) < 16 {
		return f.fault(Garbled, "section header of %d octets, want at least 16", len(body))
	}
	major, minor := f.order.uint16(body[4:]), f.order.uint16(body[6:])
	if major != 1 || minor != 0 && minor != 2 { // 1.2 is 1.0, says section 4.1
		return f.fault(Unsupported, "pcapng version %d.%d, want 1.0", major, minor)
	}
	f.ng.earlier += len(f.ng.interfaces)
	f.ng.interfaces = f.ng.interfaces[:0]
	return nil
}

// enhanced reads an Enhanced Packet Block (section 4.3).
func (f *File) enhanced(b []byte) (delivered bool, err error) {
	if len(b) < 20 {
		return false, f.fault(Garbled, "packet block of %d octets, want at least 20", len(b))
	}
	return f.packet(f.order.uint32(b), b)
}

// obsolete reads a Packet Block (appendix A): where the enhanced one has a
// 32-bit interface index, it has a 16-bit one and a count of drops.
func (f *File) obsolete(b []byte) (delivered bool, err error) {
	if len(b) < 20 {
		return false, f.fault(Garbled, "packet block of %d octets, want at least 20", len(b))
	}
	return f.packet(uint32(f.order.uint16(b)), b)
}

// packet reads what the two kinds of packet block share.
func (f *File) packet(index uint32, b []byte) (delivered bool, err error) {
	i, err := f.heardOn(index)
	if err != nil {
		return false, err
	}
	ticks := uint64(f.order.uint32(b[4:]))<<32 | uint64(f.order.uint32(b[8:]))
	kept, length := f.order.uint32(b[12:]), f.order.uint32(b[16:])
	b = b[20:]
	if int64(kept) > int64(len(b)) || kept > maxData {
		return false, f.fault(Garbled, "%d octets kept of the frame in a block with room for %d", kept, len(b))
	}
	t, ok := i.time(ticks)
	if !ok {
		return false, f.fault(Garbled, "time stamp %d lies outside the years 1970 to 9999", ticks)
	}
	f.frame.Time = t
	return f.deliverOn(i, b[:kept], int(length)), nil
}

// simple reads a Simple Packet Block (section 4.4): heard on the first
// interface, at a time that nobody wrote down, and cut to its snapshot length.
func (f *File) simple(b []byte) (delivered bool, err error) {
	i, err := f.heardOn(0)
	if err != nil {
		return false, err
	}
	if len(b) < 4 {
		return false, f.fault(Garbled, "simple packet block of %d octets, want at least 4", len(b))
	}
	length := f.order.uint32(b)
	b = b[4:]
	kept := length
	if i.snap > 0 {
		kept = min(kept, i.snap)
	}
	if int64(kept) > int64(len(b)) || kept > maxData {
		return false, f.fault(Garbled, "%d octets kept of the frame in a block with room for %d", kept, len(b))
	}
	return f.deliverOn(i, b[:kept], int(length)), nil
}

// deliverOn makes b the next frame, unless its link type is not known: then it
// is only counted.
func (f *File) deliverOn(i *netInterface, b []byte, length int) bool {
	f.deliver(b, length)
	f.frame.Interface, f.frame.LinkType = i.name, i.link
	if i.link.Known() {
		f.ng.delivered = true
		return true
	}
	f.countSkipped(i.link)
	return false
}
