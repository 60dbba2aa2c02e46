package discovery

import (
	"slices"

	"perch/sip"
)

// provisional returns the provisional phone of a REGISTER whose device has no
// known MAC, made if need be; nil if nobody listed the AOR, or it has too many. It
// is keyed by AOR and instance ID, else by AOR and binding.
func (t *Tracker) provisional(s *sight, r *Register, c sip.Contact, p place) *Track {
	if !t.dir.AORListed(r.AOR) {
		return nil
	}
	if tr := t.provisionalOf(r, c, p, s); tr != nil {
		return tr
	}
	if t.counts[r.AOR] >= maxProvisional {
		t.stats.Lines++
		return nil
	}
	t.counts[r.AOR]++
	id := PhoneID{AOR: r.AOR, N: t.counts[r.AOR]}
	tr := NewTrack(id)
	tr.wire = s.wire.name()
	t.tracks.Set(id, tr)
	return tr
}

// provisionalOf finds a provisional phone that the REGISTER continues.
func (t *Tracker) provisionalOf(r *Register, c sip.Contact, p place, s *sight) *Track {
	var replaced *Track
	for n := 1; n <= t.counts[r.AOR]; n++ {
		tr := t.tracks.Of(PhoneID{AOR: r.AOR, N: n})
		if tr == nil {
			continue
		}
		i := slices.IndexFunc(tr.Lines, func(l Line) bool { return l.AOR == r.AOR })
		switch {
		case i < 0: // its binding was removed
			if tr.Attachment().Subnet == p.subnet && tr.Attachment().PublicIP == p.publicIP && replaced == nil {
				replaced = tr
			}
		case r.Instance != "" || tr.Lines[i].Instance() != "":
			if valid(r.Instance) == tr.Lines[i].Instance() {
				return tr
			}
		case tr.Lines[i].CallID() == valid(r.CallID), tr.Lines[i].Contact() == valid(c.URI),
			p.ip.IsValid() && tr.Attachment().IP == p.ip && tr.Attachment().PublicIP == p.publicIP: // it rebooted
			return tr
		case s.now.After(tr.Lines[i].Until): // a new Contact replaces an expired one
			if tr.Attachment().Subnet == p.subnet && tr.Attachment().PublicIP == p.publicIP && replaced == nil {
				replaced = tr
			}
		}
	}
	return replaced
}

// absorb merges the provisional phone that a REGISTER continues into the phone
// whose MAC is known now.
func (t *Tracker) absorb(tr *Track, r *Register, c sip.Contact, s *sight) {
	if tr.ID.Provisional() {
		return
	}
	from := t.provisionalOf(r, c, place{}, s)
	if from == nil {
		return
	}
	tr.IsPhone = true
	t.discharge(from)
	t.tracks.Delete(from.ID)
	t.changes = append(t.changes, Change{Phone: tr, What: Absorbed, From: from.ID})
}
