package discovery_test

import (
	"io"
	"os"
	"strings"
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

// BenchmarkSift passes over what most frames of a trunk are: of 100, 84 of media,
// 14 of TCP on other ports and 2 of calls.
func BenchmarkSift(b *testing.B) {
	media := ethernet(routerMAC, phoneMAC, 0x8100, tag(110, 0x0800, ipv4(ip1, ip2, udp(11780, 11780, strings.Repeat("\xd5", 160)))))
	web := ethernet(routerMAC, phoneMAC, 0x0800, strings.Replace(ipv4(ip1, ip2, udp(40000, 443, strings.Repeat("x", 1400))), "\x40\x11", "\x40\x06", 1))
	call := ethernet(routerMAC, phoneMAC, 0x0800, ipv4(ip1, ip2, udp(5060, 5060, "OPTIONS sip:a SIP/2.0\r\n"+strings.Repeat("x", 400))))
	var frames []*discovery.Frame
	for i := range 100 {
		data := media
		if i%7 == 3 {
			data = web
		} else if i%50 == 1 {
			data = call
		}
		frames = append(frames, &discovery.Frame{LinkType: 1, Data: []byte(data)})
	}
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	emit := func(*discovery.Observation) { b.Error("got a message") }
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		d.Decode(frames[n%100], emit)
		n++
	}
}
