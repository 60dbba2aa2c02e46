package discovery

import (
	chain "container/list"
	"time"
)

// assembly is what is kept of one source until the rest of it comes: open TCP
// connections and fragmented datagrams. Sources have nothing in common, so that
// the same frames of one give the same observations whatever others are read
// beside it, and a flood on one wire costs the others nothing.
type assembly struct {
	now time.Time // the latest time told: captures may go back a little

	streams     map[streamKey]*chain.Element // of *stream
	streamOrder *chain.List                  // the one silent longest first
	streamBytes int

	parts    map[partsKey]*chain.Element // of *parts
	known    *chain.List                 // datagrams on ports of ours, in the order in which they began
	unknown  *chain.List                 // those whose ports are others or have not come yet
	partSize int                         // bytes in both
}

// assembly returns what is kept of a source, its time moved on.
func (d *Decoder) assembly(f *Frame) *assembly {
	a := d.sources[f.Source]
	if a == nil {
		a = &assembly{
			streams: map[streamKey]*chain.Element{}, streamOrder: chain.New(),
			parts: map[partsKey]*chain.Element{}, known: chain.New(), unknown: chain.New(),
		}
		d.sources[f.Source] = a
	}
	if f.Time.After(a.now) {
		a.now = f.Time
	}
	return a
}
