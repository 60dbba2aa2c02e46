package capture

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// Writer writes a pcap file. The same calls write the same octets. Set the
// fields before the first frame; call Flush after the last.
type Writer struct {
	Nanoseconds bool   // tell time in nanoseconds instead of microseconds
	BigEndian   bool   // write as a big-endian machine does
	SnapLength  uint32 // written into the header; 0 writes 256 KiB. Frames are not cut to it

	out  *bufio.Writer
	link LinkType
	buf  []byte // of the header being written
}

// NewWriter returns a Writer of frames of one link type.
func NewWriter(w io.Writer, link LinkType) *Writer {
	return &Writer{out: bufio.NewWriter(w), link: link}
}

// WriteFrame writes a frame heard at t, of which data was kept and that had
// length octets on the wire; a length below len(data) stands for it. Times are
// cut to the file's resolution.
func (w *Writer) WriteFrame(t time.Time, data []byte, length int) error {
	w.header()
	sec, frac := t.Unix(), uint32(t.Nanosecond())
	if sec < 0 || sec > 1<<32-1 {
		return fmt.Errorf("pcap: time %v does not fit 32 bits of seconds", t)
	}
	if !w.Nanoseconds {
		frac /= 1000
	}
	o := endian(w.BigEndian)
	w.buf = o.AppendUint32(w.buf[:0], uint32(sec))
	w.buf = o.AppendUint32(w.buf, frac)
	w.buf = o.AppendUint32(w.buf, uint32(len(data)))
	w.buf = o.AppendUint32(w.buf, uint32(max(length, len(data))))
	w.out.Write(w.buf) // its error is kept and returned by the next
	_, err := w.out.Write(data)
	return err
}

// Flush writes what is buffered, and the header if there was no frame.
func (w *Writer) Flush() error {
	w.header()
	return w.out.Flush()
}

// header writes the file header before anything else.
func (w *Writer) header() {
	if w.buf != nil {
		return
	}
	magic, snap := uint32(magicMicro), w.SnapLength
	if w.Nanoseconds {
		magic = magicNano
	}
	if snap == 0 {
		snap = maxData
	}
	o := endian(w.BigEndian)
	w.buf = o.AppendUint32(nil, magic)
	w.buf = o.AppendUint16(w.buf, 2)
	w.buf = o.AppendUint16(w.buf, 4)
	w.buf = append(w.buf, make([]byte, 8)...) // time zone and accuracy, never used
	w.buf = o.AppendUint32(w.buf, snap)
	w.buf = o.AppendUint32(w.buf, uint32(w.link))
	w.out.Write(w.buf)
}

// endian is the byte order for writing, where speed does not matter.
func endian(big bool) binary.AppendByteOrder {
	if big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}
