package capture

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Skipped counts frames that were passed over because of their link type.
type Skipped struct {
	File     string // base name
	LinkType LinkType
	Frames   int
}

// Skipped returns what was passed over so far, a row for each link type in the
// order of their first frames. Only pcapng files can have some.
func (f *File) Skipped() []Skipped {
	if f.ng == nil {
		return nil
	}
	return slices.Clone(f.ng.skipped)
}

// countSkipped counts a frame that was passed over.
func (f *File) countSkipped(t LinkType) {
	s := f.ng
	at, ok := s.skippedAt[t]
	if !ok {
		if s.skippedAt == nil {
			s.skippedAt = make(map[LinkType]int)
		}
		at = len(s.skipped)
		s.skippedAt[t] = at
		s.skipped = append(s.skipped, Skipped{File: f.frame.File, LinkType: t})
	}
	s.skipped[at].Frames++
}

// atEnd is what the end of a pcapng file means: an error, if it had frames and
// none of them could be read.
func (f *File) atEnd() error {
	s := f.ng
	if s.delivered || len(s.skipped) == 0 {
		return io.EOF
	}
	const shown = 4
	var types []string
	for _, k := range s.skipped[:min(shown, len(s.skipped))] {
		types = append(types, fmt.Sprintf("%d of %v", k.Frames, k.LinkType))
	}
	if len(s.skipped) > shown {
		types = append(types, "others")
	}
	e := f.fault(UnknownLinkType, "no frame has a link type that is read: %s", strings.Join(types, ", "))
	e.Frame = 0 // the whole file is meant
	return e
}
