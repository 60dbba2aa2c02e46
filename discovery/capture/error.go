package capture

import (
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Reason says why a capture could not be read, or not to its end.
type Reason uint8

// The reasons of an Error.
const (
	Unreadable      Reason = iota + 1 // the system gave no bytes: missing, not permitted, a broken disk
	Empty                             // no bytes at all
	NotCapture                        // bytes of something else
	Unsupported                       // a capture, in a variant that is refused
	UnknownLinkType                   // nothing in it has a link type that is read
	CutOff                            // the bytes end inside a frame or block
	Garbled                           // the bytes contradict the format
)

var reasonNames = [...]string{"", "unreadable", "empty", "not a capture", "unsupported", "unknown link type", "cut off", "garbled"}

// String returns the reason in words.
func (r Reason) String() string { return reasonNames[r] }

// Error is what ends the reading of a capture before its end. Frames before
// the fault were delivered.
type Error struct {
	File   string // as it was named when opened, "-" for standard input
	Frame  int    // the frame in which, or before which, the fault lies; 0 is the file's header
	Reason Reason
	What   string // the fault in words, with the numbers that contradict each other
	Err    error  // the cause, if it is another error

	hint string // instead of the reason's own
}

// Error returns the fault with its place: "a.pcap: frame 17: cut off: ...".
func (e *Error) Error() string {
	s := e.File + ": "
	if e.Frame > 0 {
		s += fmt.Sprintf("frame %d: ", e.Frame)
	}
	switch e.Reason {
	case CutOff, Garbled, NotCapture:
		s += e.Reason.String() + ": "
	}
	return s + e.What
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns what the reader of the error can do.
func (e *Error) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	before := ""
	if e.Frame > 1 {
		before = "the frames before were read; "
	}
	switch e.Reason {
	case Unreadable:
		return before + "check the name, the permissions and the disk"
	case Empty:
		return "the recording wrote nothing: see whether it was allowed to listen, and had time to"
	case NotCapture:
		return "give a pcap or pcapng file, plain or gzip'ed, such as tcpdump -w writes"
	case Unsupported:
		return "rewrite it with: editcap -F pcapng OLD NEW"
	case UnknownLinkType:
		return "record on an Ethernet interface, or on all of them: tcpdump -i any -w FILE"
	case CutOff:
		return before + "copy the file again, or end the recording before copying it"
	}
	return before + "copy the file again, or record anew; tcpdump -r shows whether others can read it"
}

// refuse names the formats that are mistaken for captures most often.
func (f *File) refuse(magic string) error {
	for _, known := range []struct{ magic, name, hint string }{
		{"\xa1\xb2\xcd\x34", "modified pcap (Kuznetzov's)", ""},
		{"\x34\xcd\xb2\xa1", "modified pcap (Kuznetzov's)", ""},
		{"snoo", "a snoop capture", ""},
		{"GMBU", "a Network Monitor capture", ""},
		{"\x28\xb5\x2f\xfd", "zstd compression", "decompress it first: zstd -d FILE"},
		{"\xfd7zX", "xz compression", "decompress it first: xz -dk FILE"},
		{"BZh9", "bzip2 compression", "decompress it first: bzip2 -dk FILE"},
		{"\x04\x22\x4d\x18", "lz4 compression", "decompress it first: lz4 -d FILE"},
		{"PK\x03\x04", "a zip archive", "unpack it first: unzip FILE"},
	} {
		if magic == known.magic {
			err := f.fault(Unsupported, "%s is not read", known.name)
			err.hint = known.hint
			return err
		}
	}
	return f.fault(NotCapture, "begins with % x", magic)
}

// fault is an Error at the place that has been reached.
func (f *File) fault(r Reason, format string, args ...any) *Error {
	return &Error{File: f.path, Frame: f.place(), Reason: r, What: fmt.Sprintf(format, args...)}
}

// place is the number of the frame that a fault found now belongs to.
func (f *File) place() int {
	if !f.opened {
		return 0
	}
	return f.frame.Number + 1
}

// readError tells damaged compression from a failing disk.
func (f *File) readError(err error) *Error {
	var corrupt flate.CorruptInputError
	var e *Error
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF:
		e = f.fault(CutOff, "the compressed data ends early")
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.As(err, &corrupt):
		e = f.fault(Garbled, "the compressed data: %v", err)
	default:
		return unreadable(f.path, f.place(), err)
	}
	e.Err = err
	return e
}

// unreadable wraps an error of the system, whose text repeats the name.
func unreadable(path string, frame int, err error) *Error {
	cause := err
	var p *fs.PathError
	if errors.As(err, &p) {
		cause = p.Err
	}
	return &Error{File: path, Frame: frame, Reason: Unreadable, What: cause.Error(), Err: err}
}
