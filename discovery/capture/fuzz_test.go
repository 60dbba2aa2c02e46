package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"testing"

	"perch/testdata/swarm"
)

// FuzzFile reads arbitrary octets as a capture. Whatever they are, reading ends
// with io.EOF or an *Error at the next frame; frames count up and lie within
// bounds; memory stays within bounds that do not depend on what lengths the
// octets claim; and the frames, written anew, read the same.
func FuzzFile(f *testing.F) {
	p, ng := pcapLayout(f).file, pcapngLayout(f).file
	seeds := [][]byte{p, ng, gzipped(f, p), gzipped(f, ng), pcapFile(1, record(1, 0, 1<<31, 60, "abc"))}
	for _, s := range seeds {
		f.Add(s)
	}
	swarm.Run(f, seeds, func() func([]byte) { return readMost })
	f.Fuzz(func(t *testing.T, b []byte) {
		const most = 10_000 // frames: a few octets of gzip can hold millions
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := newFile("fuzz", bytes.NewReader(b), 64)
		n, number := 0, 0
		var sum byte
		for err == nil && n < most {
			var frame *Frame
			if frame, err = r.Next(); err != nil {
				break
			}
			n++
			if frame.Number <= number || frame.Length < len(frame.Data) || len(frame.Data) > maxData || !frame.LinkType.Known() {
				t.Fatalf("frame %d after %d: %d octets of %d, %v", frame.Number, number, len(frame.Data), frame.Length, frame.LinkType)
			}
			number = frame.Number
			for _, c := range frame.Data { // what does not belong to us would fault
				sum += c
			}
		}
		runtime.ReadMemStats(&after)
		_ = sum
		// Twice maxBlock of buffer, 48 KiB of gzip, and what interfaces weigh:
		// less than a hundred octets for each of the 20 that describe one.
		bound := uint64(4*maxBlock + 100*len(b))
		if len(b) > 1 && b[0] == 0x1f && b[1] == 0x8b {
			bound += maxInterfaces * 1024 // ... though they were compressed
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > bound {
			t.Fatalf("%d octets allocated for %d, want at most %d", used, len(b), bound)
		}
		if n < most && err != io.EOF {
			var e *Error
			if !errors.As(err, &e) || e.Hint() == "" || r != nil && e.Frame != r.frame.Number+1 && e.Reason != UnknownLinkType {
				t.Fatalf("got error %#v after frame %d, want an *Error at the next", err, number)
			}
		}
		rewrite(t, b, n)
	})
}

// readMost reads a capture as far as the swarm's patience goes. Counting memory
// stops all goroutines, so that is left to the swarm and the fuzzer.
func readMost(b []byte) {
	r, err := newFile("swarm", bytes.NewReader(b), 64)
	for n := 0; err == nil && n < 1000; n++ {
		var f *Frame
		if f, err = r.Next(); err == nil && (f.Length < len(f.Data) || len(f.Data) > maxData || !f.LinkType.Known()) {
			panic(fmt.Sprintf("frame %d: %d octets of %d, %v", f.Number, len(f.Data), f.Length, f.LinkType))
		}
	}
	var e *Error
	if err != nil && err != io.EOF && (!errors.As(err, &e) || e.Hint() == "") {
		panic(fmt.Sprintf("got error %#v, want an *Error", err))
	}
}

// rewrite writes the first n frames of b as pcapng and compares.
func rewrite(t *testing.T, b []byte, n int) {
	r, err := newFile("fuzz", bytes.NewReader(b), 64)
	if err != nil {
		return
	}
	const limit = 64
	var file bytes.Buffer
	var want []copied
	w := NewNGWriter(&file)
	for i := range min(n, limit) {
		f, err := r.Next()
		must(t, err)
		c := keep(f)
		must(t, w.AddInterface(Interface{Name: c.Interface, LinkType: c.LinkType, Resolution: 9}))
		if w.WriteFrame(len(want), c.Time, f.Data, c.Length) != nil {
			return // a year that 64 bits of nanoseconds do not reach, or none at all
		}
		c.Number = i + 1
		if c.Interface == "" { // pcap: read back as the interface's index
			c.Interface = strconv.Itoa(i)
		}
		want = append(want, c)
	}
	must(t, w.Flush())
	got, _, err := readAll(&file)
	must(t, err)
	checkFrames(t, got, want)
}
