package discovery

import "perch/sip"

// Held returns how much is kept of a source: connections, datagrams in fragments,
// and the bytes of both; and it checks that the sums are right.
func (d *Decoder) Held(source int) (streams, datagrams, bytes int, sound bool) {
	a := d.sources[source]
	if a == nil {
		return 0, 0, 0, true
	}
	for e := a.streamOrder.Front(); e != nil; e = e.Next() {
		s := e.Value.(*stream)
		bytes += s.held()
		sound = a.streams[s.key] == e
		if !sound {
			return 0, 0, 0, false
		}
	}
	sound = bytes == a.streamBytes && len(a.streams) == a.streamOrder.Len()
	size := 0
	for _, e := range a.parts {
		p := e.Value.(*parts)
		for _, x := range p.pieces {
			size += len(x.b)
		}
	}
	sound = sound && size == a.partSize && len(a.parts) == a.known.Len()+a.unknown.Len()
	return len(a.streams), len(a.parts), bytes + size, sound
}

// Bounds of what is kept, for tests.
const (
	MaxStreams     = maxStreams
	MaxStreamBytes = maxStreamBytes
	MaxDatagrams   = maxKnown + maxUnknown
	MaxPartBytes   = maxPartBytes
	StreamWindow   = streamWindow
)

// BreakSIP makes every SIP message panic, and MendSIP none.
func (d *Decoder) BreakSIP() { d.sip = nil }

func (d *Decoder) MendSIP() { d.sip = sip.NewParser() }

// PlaceOf is placeOf of a REGISTER in which the phone's own contact is the first.
func PlaceOf(t *Tracker, r *Register) (ip, public string) {
	p := t.placeOf(&sight{Observation: &Observation{}}, r, r.Contacts[0])
	return p.ip.String(), p.publicIP.String()
}
