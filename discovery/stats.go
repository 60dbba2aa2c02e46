package discovery

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"strings"
)

// DecoderStats counts what a decoder has read. What it is counted by is bounded by the
// program, never by what is on the wire.
type DecoderStats struct {
	Frames       []FrameCount   // by protocol, those that occurred, in a fixed order
	Observations []MessageCount // by kind, in order

	// Datagrams on ports of ours that came in fragments: of which not all came in
	// 30 s, whose fragments overlap, and that had to make room for others.
	FragmentsExpired, FragmentsRefused, FragmentsEvicted uint64

	// TCP connections on SIP ports, and how often what was heard of one direction
	// did not go on with a SIP message.
	StreamsOpened, StreamsEvicted, StreamsBroken uint64

	Panics uint64 // frames that made a decoder panic
}

// FrameCount is how many frames of a protocol were read.
type FrameCount struct {
	Protocol string
	Frames   uint64
}

// MessageCount is how many messages of a kind were read, and how many of them in
// part only, by reason.
type MessageCount struct {
	Kind      Kind
	Messages  uint64
	Malformed [reasons]uint64 // indexed by Reason
}

// stats is what a decoder counts in.
type stats struct {
	frames   [protos]uint64
	messages [kinds]MessageCount
	DecoderStats
	panics panics
}

// Stats returns what was counted so far. It is for the goroutine that decodes.
func (d *Decoder) Stats() DecoderStats {
	out := d.stats.DecoderStats
	for p, n := range d.stats.frames {
		if n > 0 {
			out.Frames = append(out.Frames, FrameCount{protoNames[p], n})
		}
	}
	for _, c := range d.stats.messages {
		if c.Messages > 0 {
			out.Observations = append(out.Observations, c)
		}
	}
	return out
}

func (s *stats) observed(o *Observation) {
	c := &s.messages[o.Kind]
	c.Kind = o.Kind
	c.Messages++
	if o.reason != 0 {
		c.Malformed[o.reason]++
	}
}

// Panic is a decoder's panic. It holds nothing of the frame, which may be private.
type Panic struct {
	Protocol string
	Frame    [sha256.Size]byte // SHA-256 of the frame
	What     string            // what the runtime says of it, or the type of what was thrown
	Where    string            // the innermost function of Perch
}

// maxPanics is how many different frames that panic are told apart. Of further
// ones nothing is told: somebody makes them up.
const maxPanics = 1024

// panics are the frames whose panic was told.
type panics map[[sha256.Size]byte]bool

// caught counts a panic and tells of it, if the frame is new. What the frame is a
// part of may be half changed and is dropped.
func (d *Decoder) caught(f *Frame, p proto, v any) {
	d.stats.Panics++
	d.dropHalf(f, p)
	sum := sha256.Sum256(f.Data)
	if d.panicked == nil || d.stats.panics[sum] || len(d.stats.panics) >= maxPanics {
		return
	}
	if d.stats.panics == nil {
		d.stats.panics = panics{}
	}
	d.stats.panics[sum] = true
	what := fmt.Sprintf("%T", v)
	if err, ok := v.(runtime.Error); ok {
		what = err.Error()
	}
	d.panicked(Panic{Protocol: protoNames[p], Frame: sum, What: what, Where: innermost()})
}

// dropHalf forgets the connection or the datagram that a frame is a part of.
func (d *Decoder) dropHalf(f *Frame, p proto) {
	a := d.sources[f.Source]
	if a == nil {
		return
	}
	defer func() {
		if recover() != nil { // not even that can be told
			d.Forget(f.Source)
		}
	}()
	switch p {
	case protoSegment:
		if e := a.streams[d.stream]; e != nil {
			d.dropStream(a, e)
		}
	case protoFragment:
		if e := a.parts[d.parts]; e != nil {
			d.dropParts(a, e, &d.stats.FragmentsRefused)
		}
	}
}

// innermost returns the name of the function of this program that panicked; it is
// called while the panic unwinds.
func innermost() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(4, pcs[:])])
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "perch/") {
			return f.Function
		}
		if !more {
			return ""
		}
	}
}
