package discovery_test

import (
	"io"
	"os"
	"testing"

	"perch/discovery"
	"perch/discovery/capture"
)

// BenchmarkDecode reads the capture that PERCH_BENCH names, such as the
// generated trunk of figure F5, and reports the time for each frame.
func BenchmarkDecode(b *testing.B) {
	path := os.Getenv("PERCH_BENCH")
	if path == "" {
		b.Skip("PERCH_BENCH names no capture")
	}
	total := 0
	for b.Loop() {
		f, err := capture.OpenFile(path)
		if err != nil {
			b.Fatal(err)
		}
		d := discovery.NewDecoder(discovery.DecoderConfig{})
		messages := 0
		for {
			c, err := f.Next()
			if err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
			total++
			d.Decode(&discovery.Frame{Time: c.Time, Number: c.Number, LinkType: uint16(c.LinkType), Data: c.Data},
				func(*discovery.Observation) { messages++ })
		}
		f.Close()
		b.ReportMetric(float64(messages), "messages")
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(total), "ns/frame")
}
