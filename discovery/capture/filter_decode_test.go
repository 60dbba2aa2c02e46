package capture_test

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
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

// TestFilterPassesBehindHeaders does that for IPv6 packets with any extension
// headers, as few as none and more than are read.
func TestFilterPassesBehindHeaders(t *testing.T) {
	vm, err := bpf.NewVM(capture.Filter(nil))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	be16 := binary.BigEndian.AppendUint16
	register := "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nTo: <sip:a@example.com>\r\nCall-ID: a\r\nCSeq: 1 REGISTER\r\nContact: <sip:a@h>\r\nContent-Length: 0\r\n\r\n"
	ports := []byte{0x13, 0xc4, 0x13, 0xc4}
	udp := append(append(be16(slices.Clone(ports), uint16(8+len(register))), 0, 0), register...)
	tcp := append(append(slices.Clone(ports), 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0), register...)
	nd := append([]byte{136, 0, 0, 0, 0x20, 0, 0, 0, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}, 2, 1, 0, 0x15, 0x65, 1, 2, 3)
	found := map[int]int{} // by how many headers there were
	for n := range 20_000 {
		next, payload := byte(17), udp
		switch n % 3 {
		case 1:
			next, payload = 6, tcp
		case 2:
			next, payload = 58, nd
		}
		headers := r.IntN(10)
		for range headers {
			kind := []byte{0, 43, 60, 44}[r.IntN(4)]
			h := []byte{next, 0, 0, 0, 0, 0, 0, 7}
			if kind != 44 && r.IntN(3) == 0 {
				h[1] = byte(r.IntN(3))
				h = append(h, make([]byte, 8*int(h[1]))...)
			} else if kind == 44 && r.IntN(4) == 0 {
				h[3] = byte(r.IntN(16)) // a fragment, or not quite one
			}
			next, payload = kind, append(h, payload...)
		}
		frame := append([]byte("\x33\x33\x00\x00\x00\x01\x00\x15\x65\x01\x02\x03\x86\xdd\x60\x00\x00\x00"), be16(nil, uint16(len(payload)))...)
		frame = append(frame, next, 255)
		frame = append(append(frame, "\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09\xff\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"...), payload...)
		decoded := 0
		discovery.NewDecoder(discovery.DecoderConfig{}).Decode(&discovery.Frame{LinkType: 1, Data: frame}, func(*discovery.Observation) { decoded++ })
		got, err := vm.Run(frame)
		if err != nil {
			t.Fatal(err)
		}
		if decoded > 0 {
			found[headers]++
			if got == 0 {
				t.Fatalf("%d headers: a frame that is read is kept back: %x", headers, frame)
			}
		}
	}
	for headers := range 8 {
		if found[headers] < 100 {
			t.Errorf("%d headers: something was read in %d frames, want at least 100", headers, found[headers])
		}
	}
}
