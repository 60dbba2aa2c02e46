package matcher

import (
	"slices"

	"perch/discovery"
)

// Tried is a rule that was considered, and why it did not win.
type Tried struct {
	Rule   Rule
	Level  discovery.Level // at which it ranks for this attachment
	Reason Reason
}

// Explanation is a match with everything that was considered for it.
type Explanation struct {
	Match Match
	Tried []Tried // in order of precedence
}

// Explain returns what Match returns, with every rule that has at least one
// value in common with the attachment: its chassis, circuit or BSSID, a subnet
// that contains its IP, or its public IP. It looks at all rules one by one.
func (w *Wiremap) Explain(a discovery.Attachment, users []string) Explanation {
	q := w.newQuery(&a, users)
	var near []uint32
	for i := range w.records {
		if rec := &w.records[i]; rec.place != none && w.near(rec, &q) {
			near = append(near, uint32(i))
		}
	}
	slices.SortFunc(near, func(i, j uint32) int {
		order, _ := w.compare(i, j, q.shared)
		return order
	})
	var x Explanation
	var winner best
	prefix, ignored := w.ignores(&a)
	for _, i := range near {
		rec := &w.records[i]
		t := Tried{Rule: w.rule(rec), Level: w.levelOf(rec, q.shared), Reason: w.fault(&q, rec)}
		switch {
		case ignored:
			t.Reason = Ignored
		case t.Reason != Won:
		case winner.level == discovery.LevelNone:
			winner = best{i, t.Level}
		default:
			_, t.Reason = w.compare(winner.index, i, q.shared)
		}
		x.Tried = append(x.Tried, t)
	}
	x.Match = w.match(winner)
	x.Match.Ignored = prefix
	return x
}

// near reports whether the rule and the attachment have a value in common.
func (w *Wiremap) near(rec *record, q *query) bool {
	x := w.extraOf(rec)
	return rec.chassis != 0 && (rec.chassis == q.chassis[0] || rec.chassis == q.chassis[1]) ||
		x.circuit != 0 && x.circuit == q.circuit ||
		x.bssid.nibbles != 0 && x.bssid.contains(q.bssid) ||
		rec.subnet.isSet() && rec.subnet.contains(q.ip) ||
		x.public.isSet() && x.public.contains(q.public)
}
