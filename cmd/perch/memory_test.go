package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"perch/discovery/capture"
)

// longCapture repeats the frames of a story's capture, one play after another,
// until it has so many.
func longCapture(t *testing.T, story string, frames int) string {
	t.Helper()
	type kept struct {
		at   time.Time
		data []byte
	}
	var one []kept
	in, err := capture.OpenFile(filepath.Join(root, "testdata", "replay", story, "in.pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for {
		f, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		one = append(one, kept{f.Time, append([]byte(nil), f.Data...)})
	}
	name := filepath.Join(t.TempDir(), "long.pcap")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriterSize(file, 1<<20)
	w := capture.NewWriter(out, capture.Ethernet)
	play := one[len(one)-1].at.Sub(one[0].at) + time.Minute
	for n := 0; n < frames; n++ {
		k := one[n%len(one)]
		at := k.at.Add(time.Duration(n/len(one)) * play)
		if err := w.WriteFrame(at, k.data, len(k.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Flush(), out.Flush(), file.Close()); err != nil {
		t.Fatal(err)
	}
	return name
}

// leastPeak is the least of three peaks: on a busy machine the garbage collector
// may fall behind, which says nothing of what is kept.
func leastPeak(t *testing.T, args ...string) int {
	t.Helper()
	return min(peak(t, args...), peak(t, args...), peak(t, args...))
}

// peak runs a command and returns its peak memory in KiB.
func peak(t *testing.T, args ...string) int {
	t.Helper()
	status := filepath.Join(t.TempDir(), "status")
	// Half of the collector's usual slack: it is what varies, not what is kept.
	cmd := perchProcess(t, []string{"GOMAXPROCS=1", "GOGC=50", peakFile + "=" + status}, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v\n%s", args, err, errs.String())
	}
	b, err := os.ReadFile(status)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib
		}
	}
	t.Fatal("no VmHWM in /proc/self/status")
	return 0
}

// TestMemoryIsFlat: ten times as long a capture of the same phones raises the
// peak of decode and replay by at most 10 %.
func TestMemoryIsFlat(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("peak memory is measured in KiB on Linux only")
	}
	const story = "unicast-renewals"
	short, long := longCapture(t, story, 40_000), longCapture(t, story, 400_000)
	dir := filepath.Join(root, "testdata", "replay", story)
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"decode", []string{"decode"}},
		{"replay", []string{"replay", "-json", "-map", filepath.Join(dir, "map"), "-config", filepath.Join(dir, "perch.yaml")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			once, tenTimes := leastPeak(t, append(tt.args, short)...), leastPeak(t, append(tt.args, long)...)
			t.Logf("peak %d KiB, ten times as long %d KiB", once, tenTimes)
			if tenTimes*100 > once*110 {
				t.Errorf("peak %d KiB, ten times as long %d KiB: more than 10 %% above", once, tenTimes)
			}
		})
	}
}
