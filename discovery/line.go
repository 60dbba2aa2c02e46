package discovery

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"perch/sip"
)

// Line is one AOR registered on a phone.
type Line struct {
	AOR   sip.AOR
	Until Instant // when the binding runs out

	// What the REGISTER said is one text, of which each phone has one.
	said            string // Call-ID, Contact's URI and instance ID
	contact, device uint32 // where the latter two begin
}

// CallID returns the Call-ID of the REGISTER.
func (l *Line) CallID() string { return l.said[:l.contact] }

// Contact returns the URI of the phone's Contact.
func (l *Line) Contact() string { return l.said[l.contact:l.device] }

// Instance returns the phone's instance ID (RFC 5626), or "".
func (l *Line) Instance() string { return l.said[l.device:] }

// says sets for good what a REGISTER said. What was read is a part of its message,
// all of which would stay in memory; a refresh mostly says the same again.
func (l *Line) says(callID, contact, instance string) {
	if l.CallID() == callID && l.Contact() == contact && l.Instance() == instance {
		return
	}
	l.said = callID + contact + instance
	if len(l.said) == len(callID) || len(l.said) == len(contact) || len(l.said) == len(instance) {
		l.said = strings.Clone(l.said) // of one text alone no copy was made
	}
	l.contact = uint32(len(callID))
	l.device = l.contact + uint32(len(contact))
}

// storedLine is a Line as it is stored.
type storedLine struct {
	AOR      sip.AOR
	CallID   string  `json:",omitempty"`
	Contact  string  `json:",omitempty"`
	Instance string  `json:",omitempty"`
	Until    Instant `json:",omitzero"`
}

func storeLines(lines []Line) []storedLine {
	var out []storedLine
	for _, l := range lines {
		out = append(out, storedLine{l.AOR, l.CallID(), l.Contact(), l.Instance(), l.Until})
	}
	return out
}

func restoreLines(stored []storedLine) []Line {
	var out []Line
	for _, x := range stored {
		l := Line{AOR: x.AOR, Until: x.Until}
		l.says(x.CallID, x.Contact, x.Instance)
		out = append(out, l)
	}
	return out
}

// addLine records that an AOR is registered on a phone.
func (t *Tracker) addLine(tr *Track, r *Register, c sip.Contact, until Instant) {
	i := slices.IndexFunc(tr.Lines, func(l Line) bool { return l.AOR == r.AOR })
	added := i < 0
	if added {
		if len(tr.Lines) >= maxLines { // the one that runs out first makes room
			t.stats.Lines++
			least := slices.MinFunc(tr.Lines, func(a, b Line) int { return cmp.Compare(a.Until, b.Until) })
			tr.Lines = slices.DeleteFunc(tr.Lines, func(l Line) bool { return l.AOR == least.AOR })
		}
		i = len(tr.Lines)
		tr.Lines = append(tr.Lines, Line{AOR: sip.AOR(strings.Clone(string(r.AOR)))})
	}
	l := &tr.Lines[i]
	before := l.said
	l.says(valid(r.CallID), valid(c.URI), valid(r.Instance))
	if l.Until = until; l.said != before && !added {
		t.report(tr, Readdressed)
	}
	if r.Instance != "" && !tr.ID.Provisional() {
		t.instances[l.Instance()] = tr.ID.MAC
		t.compactInstances()
	}
	if !added {
		return
	}
	slices.SortFunc(tr.Lines, func(a, b Line) int { return strings.Compare(string(a.AOR), string(b.AOR)) })
	t.report(tr, LinesMoved)
}

// leastInstances is how many instance IDs are kept without looking whose they are.
const leastInstances = 1024

// compactInstances drops instance IDs of which no phone has a line any more, when
// there are twice as many as were left the last time. Until then a phone is known
// by its own even if all its lines were taken away.
func (t *Tracker) compactInstances() {
	if len(t.instances) <= max(2*t.instancesLeft, leastInstances) {
		return
	}
	maps.DeleteFunc(t.instances, func(id string, m MAC) bool {
		tr := t.tracks.OfMAC(m)
		return tr == nil || !slices.ContainsFunc(tr.Lines, func(l Line) bool { return l.Instance() == id })
	})
	t.instancesLeft = len(t.instances)
}

// Registers reports whether a line is registered on the phone.
func (tr *Track) Registers(aor sip.AOR) bool {
	return slices.ContainsFunc(tr.Lines, func(l Line) bool { return l.AOR == aor })
}
