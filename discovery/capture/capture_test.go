package capture

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// start is the time of the first frame in most tests: nanoseconds, so that a
// wrong resolution shows.
var start = time.Date(2026, 3, 2, 8, 0, 1, 123456789, time.UTC)

// copied is a frame kept beyond the next call.
type copied struct {
	Time      time.Time
	Number    int
	Interface string
	LinkType  LinkType
	Data      string
	Length    int
}

func (c copied) String() string {
	return fmt.Sprintf("%d %s %q %v %q/%d", c.Number, c.Time.Format("2006-01-02T15:04:05.999999999"), c.Interface, c.LinkType, c.Data, c.Length)
}

func keep(f *Frame) copied {
	return copied{f.Time, f.Number, f.Interface, f.LinkType, string(f.Data), f.Length}
}

// readAll reads a capture with a buffer so small that it must grow.
func readAll(r io.Reader) ([]copied, *File, error) {
	f, err := newFile("dir/test.cap", r, 64)
	if err != nil {
		return nil, nil, err
	}
	var all []copied
	for {
		frame, err := f.Next()
		if err == io.EOF {
			return all, f, nil
		}
		if err != nil {
			return all, f, err
		}
		if frame.File != "test.cap" {
			return all, f, fmt.Errorf("got file %q, want test.cap", frame.File)
		}
		all = append(all, keep(frame))
	}
}

func checkFrames(t *testing.T, got, want []copied) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	t.Errorf("got %d frames, want %d", len(got), len(want))
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("missing: %v", want[i])
		case i >= len(want):
			t.Errorf("unexpected: %v", got[i])
		case got[i] != want[i]:
			t.Errorf("got:  %v\nwant: %v", got[i], want[i])
		}
	}
}

// checkError compares an error's reason, frame and text, and that it helps.
func checkError(t *testing.T, err error, reason Reason, frame int, text string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v (%T), want an *Error: %v", err, err, reason)
	}
	if e.Reason != reason || e.Frame != frame || !strings.Contains(e.Error(), text) {
		t.Errorf("got error %v (%v, frame %d), want %v at frame %d with %q", e, e.Reason, e.Frame, reason, frame, text)
	}
	if e.Hint() == "" || strings.Contains(e.Error(), "\n") {
		t.Errorf("got error %q, hint %q, want a line each", e, e.Hint())
	}
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// must ends a test whose capture could not be written.
func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// oneByte gives one octet a read, as a slow pipe may.
type oneByte struct{ r io.Reader }

func (o oneByte) Read(b []byte) (int, error) { return o.r.Read(b[:min(1, len(b))]) }
