package capture

import (
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// maxData bounds what is kept of one frame: libpcap's largest snapshot
	// length, which Wireshark keeps to as well.
	maxData = 256 << 10

	// maxBlock bounds the blocks that are looked into, and so the buffer: a
	// packet of maxData with more options than anybody writes.
	maxBlock = 1 << 20

	// maxSkipped bounds the blocks that are passed over. Nothing is allocated
	// for them, but a longer one is a wrong length rather than a block.
	maxSkipped = 16 << 20

	// fullBuffer is the buffer of a file that is read alone: long enough that
	// the system calls do not count, short enough that what was copied there is
	// still in the processor's second cache when it is looked at.
	fullBuffer = 256 << 10
)

// File reads one capture in the file's own order. It is for one goroutine.
type File struct {
	frame Frame
	path  string
	in    window
	used  int // octets at the head of the window that the last call returned
	order byteOrder
	close func() error
	err   error // ends the reading

	opened bool      // the header was read
	nano   bool      // pcap: fractions of a second are nanoseconds
	ng     *sections // pcapng: what the blocks have said; nil for pcap
}

// OpenFile opens the capture at path and reads its header.
func OpenFile(path string) (*File, error) { return openFile(path, fullBuffer) }

// NewFile reads the header of the capture that r holds. The name stands in
// errors, its base in frames. Closing the File does not close r.
func NewFile(name string, r io.Reader) (*File, error) { return newFile(name, r, fullBuffer) }

func openFile(path string, buffer int) (*File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, 0, err)
	}
	f, err := newFile(path, r, buffer)
	if err != nil {
		r.Close()
		return nil, err
	}
	f.close = r.Close
	return f, nil
}

func newFile(name string, r io.Reader, buffer int) (*File, error) {
	f := &File{path: name, in: newWindow(r, buffer), close: func() error { return nil }}
	f.frame.File = filepath.Base(name)
	if name == "-" {
		f.frame.File = "-"
	}
	if err := f.open(buffer); err != nil {
		return nil, err
	}
	f.opened = true
	return f, nil
}

// open tells the format by its first octets and reads the header.
func (f *File) open(buffer int) error {
	magic, err := f.in.peek(2)
	if err == nil && magic[0] == 0x1f && magic[1] == 0x8b { // RFC 1952 section 2.3.1
		packed := f.in
		z, err := gzip.NewReader(&packed)
		if err != nil {
			return f.readError(err)
		}
		f.in = newWindow(z, buffer)
	}
	magic, err = f.in.peek(4)
	switch {
	case err == io.EOF && len(magic) == 0:
		return f.fault(Empty, "the file is empty")
	case err == io.EOF:
		return f.fault(NotCapture, "only %d octets", len(magic))
	case err != nil:
		return f.readError(err)
	}
	switch string(magic) {
	case "\x0a\x0d\x0d\x0a":
		f.ng = new(sections)
		return f.openSection()
	case "\xa1\xb2\xc3\xd4", "\xa1\xb2\x3c\x4d":
		f.order = true
		return f.openPcap()
	case "\xd4\xc3\xb2\xa1", "\x4d\x3c\xb2\xa1":
		return f.openPcap()
	}
	return f.refuse(string(magic))
}

// Next returns the next frame, or io.EOF after the last. Any other error is an
// *Error and final.
func (f *File) Next() (*Frame, error) {
	if f.err == nil {
		if f.ng != nil {
			f.err = f.nextBlock()
		} else {
			f.err = f.nextRecord()
		}
	}
	if f.err != nil {
		return nil, f.err
	}
	return &f.frame, nil
}

// Close ends the reading. It closes what OpenFile opened, and nothing else.
func (f *File) Close() error {
	if f.err == nil {
		f.err = unreadable(f.path, f.place(), fs.ErrClosed)
	}
	return f.close()
}

// release passes over the window's head, which the caller has seen.
func (f *File) release() {
	f.in.at += f.used
	f.used = 0
}

// peek returns the next n octets, n at most maxBlock, without passing over
// them. At the end of the file the error is io.EOF; inside the n octets it is an
// *Error.
func (f *File) peek(n int) ([]byte, error) {
	if w := &f.in; w.end-w.at >= n {
		return w.buf[w.at : w.at+n], nil
	}
	return f.peekMore(n)
}

// peekMore is peek where the window does not hold as much.
func (f *File) peekMore(n int) ([]byte, error) {
	b, err := f.in.peek(n)
	if err == nil || err == io.EOF && len(b) == 0 {
		return b, err
	}
	if err == io.EOF {
		return nil, f.fault(CutOff, "%d of %d octets are there", len(b), n)
	}
	return nil, f.readError(err)
}
