package capture

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"
)

var errDisk = errors.New("a failing disk")

// crooked are the ways in which a reader may hand out what it holds.
var crooked = []func(io.Reader) io.Reader{
	func(r io.Reader) io.Reader { return r },
	iotest.OneByteReader,
	iotest.HalfReader,
	iotest.DataErrReader,
	func(r io.Reader) io.Reader { return io.MultiReader(r, iotest.ErrReader(errDisk)) },
	func(r io.Reader) io.Reader { return io.MultiReader(r, idle{}) },
}

// idle reads nothing, and says so without an error.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// checkWindow does the same to a window and to a bufio.Reader: what they give,
// and where they fail, must be the same. Each operation is an octet: what is
// done in the upper two bits, to how many octets in the others.
func checkWindow(t *testing.T, content []byte, way int, ops []byte) {
	t.Helper()
	w := newWindow(crooked[way](bytes.NewReader(content)), 16)
	want := bufio.NewReaderSize(crooked[way](bytes.NewReader(content)), 128)
	for i, op := range ops {
		n := int(op & 0x3f)
		var got, expected string
		var err, expectedErr error
		switch op >> 6 {
		case 0:
			g, e := w.peek(n)
			x, xe := want.Peek(n)
			got, err, expected, expectedErr = string(g), e, string(x), xe
		case 1:
			g, e := w.skip(n)
			x, xe := want.Discard(n)
			got, err, expected, expectedErr = fmt.Sprint(g), e, fmt.Sprint(x), xe
		case 2:
			g, e := w.ReadByte()
			x, xe := want.ReadByte()
			got, err, expected, expectedErr = fmt.Sprint(g), e, fmt.Sprint(x), xe
		case 3:
			if way == len(crooked)-1 {
				return // bufio.Reader hands on that it read nothing, for ever
			}
			g, x := make([]byte, n), make([]byte, n)
			_, err = io.ReadFull(&w, g)
			_, expectedErr = io.ReadFull(want, x)
			got, expected = string(g), string(x)
		}
		if got != expected || fmt.Sprint(err) != fmt.Sprint(expectedErr) {
			t.Fatalf("way %d, operation %d of %x: got %q, %v, want %q, %v", way, i, ops, got, err, expected, expectedErr)
		}
		if err != nil {
			return // what follows an error is not asked for
		}
	}
}

func TestWindow(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdefg"), 20)
	for _, tc := range []struct {
		name string
		ops  []byte
	}{
		{"peek within", []byte{0x04, 0x44, 0x0a, 0x4a, 0x10}},
		{"peek beyond the buffer", []byte{0x03, 0x41, 0x3f, 0x7f, 0x3f}},
		{"read what was peeked", []byte{0x08, 0xc8, 0xff, 0x80, 0x80, 0x12}},
		{"skip beyond the buffer", []byte{0x01, 0x7f, 0x02, 0x7f, 0x20}},
		{"to the end", bytes.Repeat([]byte{0x3f, 0x79}, 9)},
		{"skip over the end", bytes.Repeat([]byte{0x7f}, 9)},
		{"read over the end", bytes.Repeat([]byte{0xff}, 9)},
		{"nothing", []byte{0x00, 0x40, 0xc0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for way := range crooked {
				checkWindow(t, content, way, tc.ops)
			}
		})
	}
}

func FuzzWindow(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"), uint8(1), []byte{0x04, 0x44, 0x3f, 0x80, 0xc8})
	f.Fuzz(func(t *testing.T, content []byte, way uint8, ops []byte) {
		checkWindow(t, content, int(way)%len(crooked), ops)
	})
}
