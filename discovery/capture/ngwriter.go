package capture

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"time"
)

// Interface is an interface of a pcapng section to be written.
type Interface struct {
	Name       string // if_name; empty leaves it out
	LinkType   LinkType
	SnapLength uint32 // 0 is no limit. Only Simple Packet Blocks are cut to it

	// Resolution is the if_tsresol octet: 9 is nanoseconds, 6 microseconds,
	// 0x80+n the n-th part of a second halved n times. 0 leaves it out, which
	// means microseconds.
	Resolution uint8
	Offset     int64 // if_tsoffset: seconds that a reader adds; 0 leaves it out
}

// NGWriter writes a pcapng file. The same calls write the same octets. Call
// Flush after the last frame.
type NGWriter struct {
	BigEndian bool // of the sections that are begun from now on

	out        *bufio.Writer
	order      binary.AppendByteOrder // of the current section; nil before the first
	interfaces []Interface
	buf        []byte // body of the block being written
}

// NewNGWriter returns a writer whose first section has those interfaces. The
// section begins with the first block written.
func NewNGWriter(w io.Writer, interfaces ...Interface) *NGWriter {
	return &NGWriter{out: bufio.NewWriter(w), interfaces: interfaces}
}

// BeginSection begins a section with its own interfaces.
func (w *NGWriter) BeginSection(interfaces ...Interface) error {
	w.order = endian(w.BigEndian)
	w.interfaces = nil
	b := w.order.AppendUint32(w.buf[:0], magicOrder)
	b = w.order.AppendUint16(b, 1)
	b = w.order.AppendUint16(b, 0)
	b = w.order.AppendUint64(b, 1<<64-1) // length not given
	w.buf = b
	if err := w.WriteBlock(blockSection, b); err != nil {
		return err
	}
	for _, i := range interfaces {
		if err := w.AddInterface(i); err != nil {
			return err
		}
	}
	return nil
}

// AddInterface adds an interface to the current section; its index is the
// number of those before it.
func (w *NGWriter) AddInterface(i Interface) error {
	if err := w.begin(); err != nil {
		return err
	}
	w.interfaces = append(w.interfaces, i)
	b := w.order.AppendUint16(w.buf[:0], uint16(i.LinkType))
	b = w.order.AppendUint16(b, 0)
	b = w.order.AppendUint32(b, i.SnapLength)
	if i.Name != "" {
		b = w.option(b, optionName, []byte(i.Name))
	}
	if i.Resolution != 0 {
		b = w.option(b, optionTSResol, []byte{i.Resolution})
	}
	if i.Offset != 0 {
		b = w.option(b, optionTSOffset, w.order.AppendUint64(nil, uint64(i.Offset)))
	}
	if len(b) > 8 {
		b = w.order.AppendUint32(b, optionEnd)
	}
	w.buf = b
	return w.WriteBlock(blockInterface, b)
}

func (w *NGWriter) option(b []byte, code uint16, v []byte) []byte {
	b = w.order.AppendUint16(b, code)
	b = w.order.AppendUint16(b, uint16(len(v)))
	return pad(append(b, v...))
}

// WriteFrame writes a frame in an Enhanced Packet Block: heard on the interface
// with that index at t, of which data was kept and that had length octets on
// the wire; a length below len(data) stands for it. Times are cut to the
// interface's resolution.
func (w *NGWriter) WriteFrame(index int, t time.Time, data []byte, length int) error {
	return w.packet(blockEnhanced, index, t, data, length)
}

// WriteObsolete writes a frame in a Packet Block, as programs did until 2009.
func (w *NGWriter) WriteObsolete(index int, t time.Time, data []byte, length int) error {
	return w.packet(blockPacket, index, t, data, length)
}

func (w *NGWriter) packet(kind uint32, index int, t time.Time, data []byte, length int) error {
	if err := w.begin(); err != nil {
		return err
	}
	if index < 0 || index >= len(w.interfaces) {
		return fmt.Errorf("pcapng: interface %d of %d", index, len(w.interfaces))
	}
	ticks, ok := w.interfaces[index].ticks(t)
	if !ok {
		return fmt.Errorf("pcapng: time %v does not fit interface %d", t, index)
	}
	b := w.buf[:0]
	if kind == blockPacket {
		b = w.order.AppendUint16(b, uint16(index))
		b = w.order.AppendUint16(b, 0) // drops
	} else {
		b = w.order.AppendUint32(b, uint32(index))
	}
	b = w.order.AppendUint32(b, uint32(ticks>>32))
	b = w.order.AppendUint32(b, uint32(ticks))
	b = w.order.AppendUint32(b, uint32(len(data)))
	b = w.order.AppendUint32(b, uint32(max(length, len(data))))
	w.buf = append(b, data...)
	return w.WriteBlock(kind, w.buf)
}

// WriteSimple writes a frame in a Simple Packet Block: heard on the section's
// first interface, without a time. All of data is written; length is its length
// on the wire.
func (w *NGWriter) WriteSimple(data []byte, length int) error {
	if err := w.begin(); err != nil {
		return err
	}
	b := w.order.AppendUint32(w.buf[:0], uint32(max(length, len(data))))
	w.buf = append(b, data...)
	return w.WriteBlock(blockSimple, w.buf)
}

// WriteBlock writes a block of any type: its lengths, the body, and zeros up to
// a multiple of four octets.
func (w *NGWriter) WriteBlock(kind uint32, body []byte) error {
	if err := w.begin(); err != nil {
		return err
	}
	var frame [blockHeader]byte
	total := uint32(minBlock + (len(body)+3)&^3)
	h := w.order.AppendUint32(frame[:0], kind)
	h = w.order.AppendUint32(h, total)
	w.out.Write(h) // a buffered writer keeps its error and returns it from the last
	w.out.Write(body)
	w.out.Write(make([]byte, -len(body)&3))
	_, err := w.out.Write(w.order.AppendUint32(frame[:0], total))
	return err
}

// Flush writes what is buffered, and the first section if nothing was written.
func (w *NGWriter) Flush() error {
	if err := w.begin(); err != nil {
		return err
	}
	return w.out.Flush()
}

// begin begins the first section.
func (w *NGWriter) begin() error {
	if w.order != nil {
		return nil
	}
	return w.BeginSection(w.interfaces...)
}

// ticks is the inverse of netInterface.time.
func (i Interface) ticks(t time.Time) (uint64, bool) {
	n := netInterface{units: 1e6}
	if i.Resolution != 0 && !n.resolve(i.Resolution) {
		return 0, false
	}
	sec, nsec := t.Unix()-i.Offset, uint64(t.Nanosecond())
	if sec < 0 {
		return 0, false
	}
	units := n.units
	if units == 0 {
		units = 1 << n.shift
	}
	hi, ticks := bits.Mul64(uint64(sec), units)
	fracHi, fracLo := bits.Mul64(nsec, units)
	frac, _ := bits.Div64(fracHi, fracLo, 1e9) // nsec < 1e9, so frac < units
	ticks, carry := bits.Add64(ticks, frac, 0)
	return ticks, hi|carry == 0
}

// pad fills b with zeros to a multiple of four octets.
func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
