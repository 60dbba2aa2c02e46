package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// layout is a small capture and where its parts end.
type layout struct {
	file   []byte
	frames []copied
	ends   []int // by frame: octets of the file that hold it whole
	whole  []int // where a cut leaves a whole, shorter capture
}

func pcapLayout(t testing.TB) layout {
	var l layout
	var file bytes.Buffer
	w := NewWriter(&file, Ethernet)
	mark := func() {
		must(t, w.Flush())
		l.whole = append(l.whole, file.Len())
	}
	mark()
	for i, p := range []string{"first", "second!", "", "fourth"} {
		at := time.Unix(int64(100+i), 0).UTC()
		must(t, w.WriteFrame(at, []byte(p), 60))
		mark()
		l.frames = append(l.frames, copied{at, i + 1, "", Ethernet, p, 60})
		l.ends = append(l.ends, file.Len())
	}
	l.file = file.Bytes()
	return l
}

// pcapngLayout has two sections, an unknown block and all kinds of packet block.
func pcapngLayout(t testing.TB) layout {
	var l layout
	var file bytes.Buffer
	at := time.Unix(100, 0).UTC()
	w := NewNGWriter(&file)
	mark := func(err error) {
		must(t, err, w.Flush())
		l.whole = append(l.whole, file.Len())
	}
	frame := func(name, data string, number int, err error) {
		mark(err)
		l.frames = append(l.frames, copied{at, number, name, Ethernet, data, 60})
		l.ends = append(l.ends, file.Len())
	}
	mark(nil)
	mark(w.AddInterface(Interface{Name: "a", LinkType: Ethernet}))
	mark(w.AddInterface(Interface{Name: "b", LinkType: Ethernet, Resolution: 9, SnapLength: 7}))
	frame("b", "first", 1, w.WriteFrame(1, at, []byte("first"), 60))
	mark(w.WriteBlock(4, []byte("names of hosts")))
	frame("a", "second!", 2, w.WriteObsolete(0, at, []byte("second!"), 60))
	w.BigEndian = true
	mark(w.BeginSection())
	mark(w.AddInterface(Interface{Name: "c", LinkType: Ethernet, SnapLength: 5}))
	frame("c", "third", 3, w.WriteSimple([]byte("third"), 60))
	mark(w.WriteBlock(5, []byte("statistics")))
	l.file = file.Bytes()
	return l
}

// TestCut cuts captures behind every octet: the frames before the cut are
// delivered, and the cut is told unless it leaves a whole capture.
func TestCut(t *testing.T) {
	for _, tc := range []struct {
		name string
		layout
	}{{"pcap", pcapLayout(t)}, {"pcapng", pcapngLayout(t)}} {
		t.Run(tc.name, func(t *testing.T) {
			for n := range len(tc.file) + 1 {
				want := 0
				for want < len(tc.ends) && tc.ends[want] <= n {
					want++
				}
				got, _, err := readAll(bytes.NewReader(tc.file[:n]))
				checkFrames(t, got, tc.frames[:want])
				header := tc.whole[0]
				switch {
				case n == 0:
					checkError(t, err, Empty, 0, "")
				case n < 4:
					checkError(t, err, NotCapture, 0, "")
				case slices.Contains(tc.whole, n):
					if err != nil {
						t.Errorf("cut at %d: got error %v, want none", n, err)
					}
				case n < header:
					checkError(t, err, CutOff, 0, "octets are there")
				default:
					checkError(t, err, CutOff, want+1, "octets are there")
				}
				if t.Failed() {
					t.Fatalf("cut at %d of %d", n, len(tc.file))
				}
			}
		})
	}
}

// TestCutGzip cuts compressed captures behind every octet, and damages each.
func TestCutGzip(t *testing.T) {
	l := pcapLayout(t)
	file := gzipped(t, l.file)
	prefix := func(got []copied) bool { return slices.Equal(got, l.frames[:min(len(got), len(l.frames))]) }
	for n := range len(file) {
		got, _, err := readAll(bytes.NewReader(file[:n]))
		var e *Error
		if !errors.As(err, &e) || !prefix(got) {
			t.Errorf("cut at %d: got %d frames and error %v, want the frames before an *Error", n, len(got), err)
		}
		if n >= 20 && e.Reason != CutOff {
			t.Errorf("cut at %d: got %v, want cut off", n, err)
		}
	}
	last := slices.Clone(file)
	last[len(last)-6] ^= 1 // CRC-32, RFC 1952 section 2.3.1
	got, _, err := readAll(bytes.NewReader(last))
	checkFrames(t, got, l.frames)
	checkError(t, err, Garbled, len(l.frames)+1, "checksum")
}

// failing gives the first octets and then fails, as a broken disk.
type failing struct {
	r   io.Reader
	err error
}

func (f failing) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

func TestReadFailure(t *testing.T) {
	l := pcapLayout(t)
	broken := errors.New("input/output error")
	got, f, err := readAll(failing{bytes.NewReader(l.file[:l.ends[1]+3]), broken})
	checkFrames(t, got, l.frames[:2])
	checkError(t, err, Unreadable, 3, "input/output error")
	if !errors.Is(err, broken) {
		t.Errorf("got error %v, want it to wrap the cause", err)
	}
	if _, again := f.Next(); again != err {
		t.Errorf("got error %v from the next call, want the same again", again)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, b, 0o600))
		return path
	}
	good := file("good.pcap", pcapFile(1))
	for _, tc := range []struct {
		name, path string
		reason     Reason
		text       string
	}{
		{"missing", filepath.Join(dir, "missing.pcap"), Unreadable, "missing.pcap: no such file or directory"},
		{"directory", dir, Unreadable, "is a directory"},
		{"empty", file("empty.pcap", nil), Empty, "empty.pcap: the file is empty"},
		{"text", file("text.pcap", []byte("hello, world")), NotCapture, "text.pcap: not a capture"},
		{"radio", file("radio.pcap", pcapFile(127)), UnknownLinkType, "radiotap"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := Open([]string{good, tc.path}, nil)
			if m != nil {
				t.Errorf("got a reader beside error %v", err)
			}
			checkError(t, err, tc.reason, 0, tc.text)
			if got := len(Errors(err)); got != 1 {
				t.Errorf("got %d errors, want 1", got)
			}
		})
	}
	_, err := Open([]string{filepath.Join(dir, "a"), good, filepath.Join(dir, "b")}, nil)
	if got := Errors(err); len(got) != 2 || filepath.Base(got[0].File) != "a" || filepath.Base(got[1].File) != "b" {
		t.Errorf("got errors %v, want those of a and b", got)
	}
	_, err = Open([]string{"-", "-"}, bytes.NewReader(pcapFile(1)))
	checkError(t, err, Unreadable, 0, "named twice")
}

func TestClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pcap")
	must(t, os.WriteFile(path, pcapLayout(t).file, 0o600))
	f, err := OpenFile(path)
	must(t, err)
	must(t, f.Close())
	if _, err := f.Next(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got error %v after Close, want %v", err, os.ErrClosed)
	}
}

func ExampleErrors() {
	_, err := Open([]string{"-"}, bytes.NewReader([]byte("time,mac,ip\n")))
	for _, e := range Errors(err) {
		fmt.Printf("error: %v\nhint: %s\n", e, e.Hint())
	}
	// Output:
	// error: -: not a capture: begins with 74 69 6d 65
	// hint: give a pcap or pcapng file, plain or gzip'ed, such as tcpdump -w writes
}
