package capture

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// seconds is a pcap file with a frame at each of those seconds.
func seconds(t *testing.T, at ...int64) []byte {
	var file bytes.Buffer
	w := NewWriter(&file, Ethernet)
	for i, s := range at {
		must(t, w.WriteFrame(time.Unix(s, 0), fmt.Appendf(nil, "payload %d", i), 0))
	}
	must(t, w.Flush())
	return file.Bytes()
}

// save writes captures as 0.pcap, 1.pcap...
func save(t *testing.T, files ...[]byte) []string {
	dir := t.TempDir()
	var paths []string
	for i, b := range files {
		path := filepath.Join(dir, fmt.Sprintf("%d.pcap", i))
		must(t, os.WriteFile(path, b, 0o600))
		paths = append(paths, path)
	}
	return paths
}

// story reads a merge to its end: "source.number@second", and "-source" where
// a source has ended.
func story(m *Merge) (string, error) {
	var s []string
	for {
		f, err := m.Next()
		for _, source := range m.Ended() {
			s = append(s, fmt.Sprintf("-%d", source))
		}
		if err != nil {
			return strings.Join(s, " "), err
		}
		s = append(s, fmt.Sprintf("%d.%d@%d", f.Source, f.Number, f.Time.Unix()))
	}
}

func TestMerge(t *testing.T) {
	cut := seconds(t, 1, 5, 9)
	cut = cut[:len(cut)-1]
	for _, tc := range []struct {
		name  string
		files [][]byte
		skip  []int
		want  string
		fault string // frames of the joined errors, by source
	}{
		{"nothing", nil, nil, "", ""},
		{"one file", [][]byte{seconds(t, 1, 2)}, nil, "0.1@1 0.2@2 -0", ""},
		{"by time", [][]byte{seconds(t, 2, 5), seconds(t, 1, 3, 4)}, nil, "1.1@1 0.1@2 1.2@3 1.3@4 -1 0.2@5 -0", ""},
		{"ties by source, then number", [][]byte{seconds(t, 7, 7), seconds(t, 7), seconds(t, 6, 7)}, nil, "2.1@6 0.1@7 0.2@7 -0 1.1@7 -1 2.2@7 -2", ""},
		{"a file without frames", [][]byte{seconds(t), seconds(t, 1)}, nil, "-0 1.1@1 -1", ""},
		{"times go backwards in a file", [][]byte{seconds(t, 5, 3, 8), seconds(t, 4, 6)}, nil, "1.1@4 0.1@5 0.2@3 1.2@6 -1 0.3@8 -0", ""},
		{"one after the other", [][]byte{seconds(t, 3, 4), seconds(t, 1, 2)}, nil, "1.1@1 1.2@2 -1 0.1@3 0.2@4 -0", ""},
		{"damage in one file", [][]byte{cut, seconds(t, 2, 10)}, nil, "0.1@1 1.1@2 0.2@5 -0 1.2@10 -1", "3"},
		{"damage in all files", [][]byte{cut, cut}, nil, "0.1@1 1.1@1 0.2@5 -0 1.2@5 -1", "3 3"},
		{"resumed", [][]byte{seconds(t, 2, 5), seconds(t, 1, 3, 4)}, []int{1, 2}, "1.3@4 -1 0.2@5 -0", ""},
		{"resumed behind an end", [][]byte{seconds(t, 2, 5), seconds(t, 1, 3, 4)}, []int{0, 3}, "-1 0.1@2 0.2@5 -0", ""},
		{"resumed at the damage", [][]byte{cut, seconds(t, 2, 10)}, []int{2, 1}, "-0 1.2@10 -1", "3"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := Open(save(t, tc.files...), nil)
			must(t, err)
			defer m.Close()
			for source, number := range tc.skip {
				m.Skip(source, number)
			}
			got, err := story(m)
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			var fault []string
			for _, e := range Errors(err) {
				fault = append(fault, fmt.Sprint(e.Frame))
			}
			if got := strings.Join(fault, " "); got != tc.fault {
				t.Errorf("got errors at frames %q (%v), want %q", got, err, tc.fault)
			}
			if tc.fault == "" && err != io.EOF {
				t.Errorf("got error %v at the end, want io.EOF", err)
			}
			if _, again := m.Next(); again == nil || again.Error() != err.Error() {
				t.Errorf("got error %v from the next call, want %v again", again, err)
			}
		})
	}
}

// TestResumeAnywhere stops a merge after every frame: what was read before and
// after together is the whole.
func TestResumeAnywhere(t *testing.T) {
	paths := save(t, seconds(t, 5, 3, 8, 8), seconds(t, 4, 6, 1), seconds(t, 8))
	read := func(skip []int, frames int) (order []string, last []int) {
		m, err := Open(paths, nil)
		must(t, err)
		defer m.Close()
		last = slices.Clone(skip)
		for source, number := range skip {
			m.Skip(source, number)
		}
		for len(order) < frames {
			f, err := m.Next()
			if err == io.EOF {
				break
			}
			must(t, err)
			order = append(order, fmt.Sprintf("%d.%d", f.Source, f.Number))
			last[f.Source] = f.Number
		}
		return order, last
	}
	want, _ := read([]int{0, 0, 0}, 100)
	for n := range len(want) + 1 {
		before, last := read([]int{0, 0, 0}, n)
		after, _ := read(last, 100)
		if got := append(before, after...); !slices.Equal(got, want) {
			t.Errorf("stopped after %d: got %v, want %v", n, got, want)
		}
	}
}

func TestManyFilesShareTheirBuffers(t *testing.T) {
	var files [][]byte
	for i := range 300 {
		files = append(files, seconds(t, int64(1000-i)))
	}
	m, err := Open(save(t, files...), nil)
	must(t, err)
	defer m.Close()
	total := 0
	for _, f := range m.files {
		total += len(f.in.buf)
	}
	if bound := 300 * leastBuffer; total > bound {
		t.Errorf("got %d octets of buffers, want at most %d", total, bound)
	}
	got, err := story(m)
	if err != io.EOF || !strings.HasPrefix(got, "299.1@701 -299 298.1@702 ") {
		t.Errorf("got %.60s... and %v, want the last file first", got, err)
	}
}

func TestStandardInput(t *testing.T) {
	file := gzipped(t, seconds(t, 2))
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	go func() {
		w.Write(file)
		w.Close()
	}()
	m, err := Open(append(save(t, seconds(t, 1, 3)), "-"), r)
	must(t, err)
	defer m.Close()
	var names []string
	for {
		f, err := m.Next()
		if err == io.EOF {
			break
		}
		must(t, err)
		names = append(names, f.File)
	}
	if want := []string{"0.pcap", "-", "0.pcap"}; !slices.Equal(names, want) {
		t.Errorf("got frames of %q, want %q", names, want)
	}
}

func TestSumAndSpool(t *testing.T) {
	file := seconds(t, 1, 2)
	want := sha256.Sum256(file)
	path, cleanup, err := Spool(bytes.NewReader(file))
	must(t, err)
	got, err := Sum(path)
	must(t, err)
	if got != hex.EncodeToString(want[:]) {
		t.Errorf("got sum %s, want %x", got, want)
	}
	cleanup()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v after cleanup, want no file", err)
	}

	_, err = Sum(path)
	checkError(t, err, Unreadable, 0, "no such file")
	_, err = Sum(t.TempDir())
	checkError(t, err, Unreadable, 0, "is a directory")
	_, _, err = Spool(failing{strings.NewReader("x"), errors.New("gone")})
	checkError(t, err, Unreadable, 0, "gone")

	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip("no named pipes here:", err)
	}
	hold, err := os.OpenFile(pipe, os.O_RDWR, 0) // or opening it waits for a writer
	must(t, err)
	defer hold.Close()
	_, err = Sum(pipe)
	checkError(t, err, Unreadable, 0, "only once")
}
