package capture

import (
	"container/heap"
	"errors"
	"fmt"
	"io"
)

const (
	// allBuffers is shared by the buffers of all files, so that a directory of
	// rotated captures needs no more memory than a few.
	allBuffers  = 16 << 20
	leastBuffer = 64 << 10
)

// Merge reads several captures as one recording: the frame returned next is the
// earliest of those that the files would return next, of equal times that of
// the file named first. A file whose times go backwards is kept in its own
// order. Merge is for one goroutine.
type Merge struct {
	files   []*File
	after   []int // by source: frames up to this number are not returned
	skipped func(*Frame)
	started bool
	heads   heads // files that have a frame to return, the earliest first
	ended   []int
	faults  []error // by source
}

// Open opens the captures and reads their headers; "-" is stdin, which may be
// nil if no path is "-". The errors of all files are joined, so that one run
// names them all; see Errors.
func Open(paths []string, stdin io.Reader) (*Merge, error) {
	m := &Merge{after: make([]int, len(paths)), faults: make([]error, len(paths))}
	buffer := min(max(allBuffers/max(len(paths), 1), leastBuffer), fullBuffer)
	for source, path := range paths {
		f, err := m.open(path, stdin, buffer)
		if err != nil {
			m.faults[source] = err
			continue
		}
		f.frame.Source = source
		m.files = append(m.files, f)
	}
	if err := errors.Join(m.faults...); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func (m *Merge) open(path string, stdin io.Reader, buffer int) (*File, error) {
	if path != "-" {
		return openFile(path, buffer)
	}
	for _, f := range m.files {
		if f.path == "-" {
			return nil, &Error{File: "-", Reason: Unreadable, What: "standard input is named twice", hint: "name it once"}
		}
	}
	return newFile("-", stdin, buffer)
}

// Skip makes Next pass over the frames of a source up to the one with that
// number, in order to go on where an earlier reading of the same files ended.
// It must be called before the first Next.
func (m *Merge) Skip(source, number int) { m.after[source] = number }

// OnSkipped calls f for each frame that is passed over, all of one source before
// those of the next: what is kept of each source can be made anew.
func (m *Merge) OnSkipped(f func(*Frame)) { m.skipped = f }

// Next returns the next frame, which is valid until the next call. After the
// last frame of all files it returns io.EOF, or the errors of the files that
// were damaged; damage in one file does not keep back the others. See Errors.
func (m *Merge) Next() (*Frame, error) {
	if !m.started {
		m.start()
	} else if len(m.heads) > 0 {
		switch more := m.advance(m.heads[0]); {
		case !more:
			heap.Pop(&m.heads)
		case len(m.heads) > 1:
			heap.Fix(&m.heads, 0)
		}
	}
	if len(m.heads) == 0 {
		if err := errors.Join(m.faults...); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	return &m.heads[0].frame, nil
}

// start reads the first frame of each file.
func (m *Merge) start() {
	m.started = true
	for _, f := range m.files {
		more := m.advance(f)
		for more && f.frame.Number <= m.after[f.frame.Source] {
			if m.skipped != nil {
				m.skipped(&f.frame)
			}
			more = m.advance(f)
		}
		if more {
			m.heads = append(m.heads, f)
		}
	}
	heap.Init(&m.heads)
}

// advance reads the file's next frame and reports whether there is one.
func (m *Merge) advance(f *File) bool {
	_, err := f.Next()
	if err == nil {
		return true
	}
	if err != io.EOF {
		m.faults[f.frame.Source] = err
	}
	m.ended = append(m.ended, f.frame.Source)
	return false
}

// Ended returns the sources that have ended since it was last asked. Asked
// after Next, it names those whose last frame came before the frame that Next
// returned: from there on their silence says nothing.
func (m *Merge) Ended() []int {
	ended := m.ended
	m.ended = nil
	return ended
}

// Skipped returns what was passed over so far, by source.
func (m *Merge) Skipped() []Skipped {
	var all []Skipped
	for _, f := range m.files {
		all = append(all, f.Skipped()...)
	}
	return all
}

// Close closes the files.
func (m *Merge) Close() error {
	var errs []error
	for _, f := range m.files {
		if err := f.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Errors returns the single errors of one that Open or Next joined, by source.
func Errors(err error) []*Error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*Error
		for _, err := range joined.Unwrap() {
			all = append(all, Errors(err)...)
		}
		return all
	}
	var e *Error
	if errors.As(err, &e) {
		return []*Error{e}
	}
	return nil
}

// heads is a heap of files by the frame that each would return next.
type heads []*File

func (h heads) Len() int { return len(h) }

func (h heads) Less(i, j int) bool {
	a, b := &h[i].frame, &h[j].frame
	if c := a.Time.Compare(b.Time); c != 0 {
		return c < 0
	}
	return a.Source < b.Source
}

func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *heads) Push(x any) { *h = append(*h, x.(*File)) }

func (h *heads) Pop() any {
	last := len(*h) - 1
	f := (*h)[last]
	*h = (*h)[:last]
	return f
}
