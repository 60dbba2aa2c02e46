package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A story collects the frames of one case.
type story struct {
	links  []*link
	frames []frame
}

// A frame is one record of the capture.
type frame struct {
	at      time.Time // its stamp
	written time.Time // orders the records; later than at in a buffer that was flushed late
	on      *link
	data    []byte
}

// A link is one captured interface.
type link struct {
	s      *story
	name   string
	routed bool          // behind the router: frames carry its MAC, DHCP is seen between relay and server
	delay  time.Duration // from a frame's stamp to its record
	copies []*link       // interfaces that see every frame of this one again, 200 µs later
}

// tap is an interface on one access link, before any router.
func (s *story) tap(name string) *link { return s.add(&link{s: s, name: name}) }

// trunk is a mirror of a layer 2 segment: many phones, each with its own MAC.
func (s *story) trunk(name string) *link { return s.add(&link{s: s, name: name}) }

// mirror is a mirror of the servers' ports: phones are seen through their router.
func (s *story) mirror(name string) *link { return s.add(&link{s: s, name: name, routed: true}) }

func (s *story) add(l *link) *link {
	s.links = append(s.links, l)
	return l
}

// send puts a frame on the link. Frames shorter than Ethernet's minimum arrive padded.
func (l *link) send(t time.Time, data []byte) {
	for len(data) < 60 {
		data = append(data, 0)
	}
	l.s.frames = append(l.s.frames, frame{at: t, written: t.Add(l.delay), on: l, data: data})
	for _, c := range l.copies {
		c.send(t.Add(200*time.Microsecond), slices.Clone(data))
	}
}

// pcapng returns the capture: its interfaces in the order they were named in,
// its records in the order they were written in.
func (s *story) pcapng() []byte {
	slices.SortStableFunc(s.frames, func(a, b frame) int { return a.written.Compare(b.written) })
	w := newCapture()
	for _, l := range s.links {
		w.addInterface(l.name)
	}
	for _, f := range s.frames {
		w.addPacket(slices.Index(s.links, f.on), f.at, f.data)
	}
	return w.bytes
}

// at reads a time of the story: "08:00:02" on Monday 2026-03-02, or with a date
// before it, "2026-03-09 08:00:02"; always UTC, with a fraction if need be.
func at(s string) time.Time {
	if len(s) < len("2006-01-02 ") {
		s = "2026-03-02 " + s
	} else if s[4] != '-' {
		s = "2026-03-02 " + s
	}
	t, err := time.ParseInLocation("2006-01-02 15:04:05", s, time.UTC)
	if err != nil {
		panic(fmt.Sprintf("timeline: %v", err)) // a typing error in a case
	}
	return t
}

// every calls f at first and then each period, last included.
func every(period time.Duration, first, last string, f func(time.Time)) {
	for t, end := at(first), at(last); cmp.Compare(t.UnixNano(), end.UnixNano()) <= 0; t = t.Add(period) {
		f(t)
	}
}

// ms is how far apart the messages of one exchange are.
const ms = time.Millisecond
