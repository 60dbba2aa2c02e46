package capture

import (
	"encoding/binary"
	"math/bits"
	"time"
)

// byteOrder is the byte order of the machine that wrote a file or section:
// true if it is big-endian. A concrete type, since binary.ByteOrder's dynamic
// calls show in the time a frame takes.
type byteOrder bool

func (o byteOrder) uint16(b []byte) uint16 {
	if o {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (o byteOrder) uint32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if o {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func (o byteOrder) uint64(b []byte) uint64 {
	v := binary.LittleEndian.Uint64(b)
	if o {
		v = bits.ReverseBytes64(v)
	}
	return v
}

// The magic numbers of pcap (draft-ietf-opsawg-pcap section 4).
const (
	magicMicro = 0xa1b2c3d4
	magicNano  = 0xa1b23c4d
)

const (
	pcapHeader   = 24 // octets before the first record
	recordHeader = 16 // octets before each frame: seconds, fraction, kept, length
)

// openPcap reads the file header; the byte order is known.
func (f *File) openPcap() error {
	h, err := f.peek(pcapHeader)
	if err != nil {
		return err
	}
	f.nano = f.order.uint32(h) == magicNano
	major, minor := f.order.uint16(h[4:]), f.order.uint16(h[6:])
	// Before 2.4 some writers swapped the two lengths of a record.
	if major != 2 || minor != 4 {
		return f.fault(Unsupported, "pcap version %d.%d, want 2.4", major, minor)
	}
	// The upper half is the length of the FCS, if any, and reserved bits. The
	// FCS stays in Data: every protocol inside tells its own length.
	link := LinkType(f.order.uint32(h[20:]))
	if !link.Known() {
		return f.fault(UnknownLinkType, "%v frames are not read", link)
	}
	f.frame.LinkType = link
	f.used = pcapHeader
	return nil
}

// nextRecord reads a record into f.frame.
func (f *File) nextRecord() error {
	f.release()
	h, err := f.peek(recordHeader)
	if err != nil {
		return err
	}
	sec, frac := f.order.uint32(h), f.order.uint32(h[4:])
	kept, length := f.order.uint32(h[8:]), f.order.uint32(h[12:])
	if kept > maxData {
		return f.fault(Garbled, "%d octets kept of the frame, at most %d can be", kept, maxData)
	}
	if sec|frac|kept|length == 0 {
		// What a file system leaves at the end of a file after a power cut.
		return f.fault(Garbled, "zeros in the place of a frame")
	}
	b, err := f.peek(recordHeader + int(kept))
	if err != nil {
		return err
	}
	f.used = len(b)
	nanos := int64(frac)
	if !f.nano {
		nanos *= 1000
	}
	// The fraction is not held to a second: time.Unix carries what is over.
	f.frame.Time = time.Unix(int64(sec), nanos).UTC()
	f.deliver(b[recordHeader:], int(length))
	return nil
}

// deliver makes b the frame's data. The capacity ends with the data, so that
// appending to it cannot write over the next frame.
func (f *File) deliver(b []byte, length int) {
	f.frame.Data = b[:len(b):len(b)]
	f.frame.Length = max(length, len(b))
	f.frame.Number++
}
