package capture

import (
	"io"
	"math/bits"
)

// maxEmptyReads is how often a reader may return nothing without an error.
const maxEmptyReads = 100

// window is a stretch of what a reader holds, of which the caller passes over
// what it has seen. It is what bufio.Reader is, open to the loop over frames:
// of most of them it takes two comparisons.
type window struct {
	in      io.Reader
	buf     []byte
	at, end int   // buf[at:end] was read and not passed over
	err     error // of in, once; what was read before it comes first
}

func newWindow(in io.Reader, size int) window { return window{in: in, buf: make([]byte, size)} }

// peek returns the next n octets, or what there is of them with the reader's
// error. They are valid until the next call. The buffer grows for more than it
// holds.
func (w *window) peek(n int) ([]byte, error) {
	if w.end-w.at < n {
		if err := w.fill(n); err != nil {
			return w.buf[w.at:w.end], err
		}
	}
	return w.buf[w.at : w.at+n], nil
}

// fill reads until there are n octets. A pipe is not read for more than it has.
func (w *window) fill(n int) error {
	buf := w.buf
	if n > len(buf) {
		buf = make([]byte, 1<<bits.Len(uint(n-1)))
	}
	w.end = copy(buf, w.buf[w.at:w.end])
	w.buf, w.at = buf, 0
	for empty := 0; w.end < n; {
		if err := w.err; err != nil {
			w.err = nil
			return err
		}
		got, err := w.in.Read(w.buf[w.end:])
		w.end, w.err = w.end+got, err
		if empty++; got > 0 {
			empty = 0
		} else if empty == maxEmptyReads && err == nil {
			w.err = io.ErrNoProgress
		}
	}
	return nil
}

// skip passes over n octets, and returns over how many it could.
func (w *window) skip(n int) (int, error) {
	for left := n; ; {
		step := min(left, w.end-w.at)
		w.at += step
		if left -= step; left == 0 {
			return n, nil
		}
		if err := w.fill(1); err != nil {
			return n - left, err
		}
	}
}

// Read reads what was not passed over.
func (w *window) Read(b []byte) (int, error) {
	if w.at == w.end {
		if err := w.fill(1); err != nil {
			return 0, err
		}
	}
	n := copy(b, w.buf[w.at:w.end])
	w.at += n
	return n, nil
}

// ReadByte reads one octet. With it a decompressor needs no buffer of its own.
func (w *window) ReadByte() (byte, error) {
	if w.at == w.end {
		if err := w.fill(1); err != nil {
			return 0, err
		}
	}
	w.at++
	return w.buf[w.at-1], nil
}
