package capture

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// trunk is a capture of n frames of 60 to 700 octets, a quarter of a
// millisecond apart, as a trunk port shows them.
func trunk(tb testing.TB, n int, ng bool) []byte {
	var file bytes.Buffer
	payload := make([]byte, 700)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	w := NewWriter(&file, Ethernet)
	w.Nanoseconds = true
	write := w.WriteFrame
	flush := w.Flush
	if ng {
		w := NewNGWriter(&file, Interface{Name: "eth1", LinkType: Ethernet, Resolution: 9}, Interface{Name: "eth2", LinkType: Ethernet})
		i := 0
		write = func(t time.Time, data []byte, length int) error {
			i++
			return w.WriteFrame(i%2, t, data, length)
		}
		flush = w.Flush
	}
	for i := range n {
		must(tb, write(start.Add(time.Duration(i)*250*time.Microsecond), payload[:60+i*31%640], 0))
	}
	must(tb, flush())
	return file.Bytes()
}

// forms are the ways in which the same frames are read.
func forms(tb testing.TB, n int) []struct {
	name string
	file []byte
} {
	pcap, ng := trunk(tb, n, false), trunk(tb, n, true)
	return []struct {
		name string
		file []byte
	}{{"pcap", pcap}, {"pcapng", ng}, {"pcap.gz", gzipped(tb, pcap)}}
}

// TestNoAllocationPerFrame reads on in an open file: plain captures allocate
// nothing at all.
func TestNoAllocationPerFrame(t *testing.T) {
	for _, form := range forms(t, 20_000)[:2] {
		t.Run(form.name, func(t *testing.T) {
			paths := save(t, form.file, form.file)
			m, err := Open(paths, nil)
			must(t, err)
			defer m.Close()
			_, err = m.Next()
			must(t, err)
			got := testing.AllocsPerRun(30_000, func() {
				if _, err := m.Next(); err != nil {
					t.Fatal(err)
				}
			})
			if got != 0 {
				t.Errorf("got %v allocations for a frame, want none", got)
			}
		})
	}
}

// BenchmarkFile reads a file from disk; an operation is a frame.
func BenchmarkFile(b *testing.B) {
	const n = 200_000
	for _, form := range forms(b, n) {
		path := filepath.Join(b.TempDir(), "trunk")
		must(b, os.WriteFile(path, form.file, 0o600))
		b.Run(form.name, func(b *testing.B) { benchmark(b, int64(len(form.file)/n), path) })
	}
}

// BenchmarkMerge reads several files by time; an operation is a frame.
func BenchmarkMerge(b *testing.B) {
	const n = 50_000
	file := trunk(b, n, false)
	for _, files := range []int{2, 16} {
		var paths []string
		for i := range files {
			path := filepath.Join(b.TempDir(), fmt.Sprint(i))
			must(b, os.WriteFile(path, file, 0o600))
			paths = append(paths, path)
		}
		b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) { benchmark(b, int64(len(file)/n), paths...) })
	}
}

// benchmark reads b.N frames, opening the files again at their end.
func benchmark(b *testing.B, octets int64, paths ...string) {
	b.ReportAllocs()
	b.SetBytes(octets)
	m, err := Open(paths, nil)
	must(b, err)
	for b.Loop() {
		_, err := m.Next()
		if err == io.EOF {
			m.Close()
			m, err = Open(paths, nil)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	m.Close()
}
