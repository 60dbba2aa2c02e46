package capture_test

import (
	"io"
	"path/filepath"
	"testing"

	"golang.org/x/net/bpf"

	"perch/discovery"
	"perch/discovery/capture"
)

// captures are the recorded captures, and those of the stories.
func captures(t *testing.T) []string {
	var all []string
	for _, pattern := range []string{filepath.Join(capture.Shared(t), "*.pcap*"), "../../testdata/replay/*/*.pcap*"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, paths...)
	}
	return all
}

// TestFilterPassesWhatIsDecoded runs the kernel's program over every capture:
// nothing that the decoder finds something in may be kept back.
func TestFilterPassesWhatIsDecoded(t *testing.T) {
	vm, err := bpf.NewVM(capture.Filter(nil))
	if err != nil {
		t.Fatal(err)
	}
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	frames, passed, decoded := 0, 0, 0
	for _, path := range captures(t) {
		f, err := capture.OpenFile(path)
		if err != nil {
			continue // one that is refused: TestRecorded knows which
		}
		for {
			frame, err := f.Next()
			if err != nil {
				if _, ok := err.(*capture.Error); err != io.EOF && !ok {
					t.Fatal(err)
				}
				break
			}
			if frame.LinkType != capture.Ethernet {
				continue
			}
			found := 0
			d.Decode(&discovery.Frame{Time: frame.Time, Number: frame.Number, LinkType: uint16(frame.LinkType), Data: frame.Data},
				func(*discovery.Observation) { found++ })
			n, err := vm.Run(frame.Data)
			if err != nil {
				t.Fatal(err)
			}
			frames++
			if n > 0 {
				passed++
			}
			if found > 0 {
				decoded++
				if n < len(frame.Data) {
					t.Errorf("%s: frame %d: got %d octets passed of a frame with %d observations, want all", filepath.Base(path), frame.Number, n, found)
				}
			}
		}
		f.Close()
	}
	t.Logf("%d frames, %d passed, %d decoded", frames, passed, decoded)
	if decoded < 1000 || passed == frames {
		t.Errorf("got %d frames decoded and %d of %d passed, want 1000 and not all", decoded, passed, frames)
	}
}
