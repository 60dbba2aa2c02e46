package matcher

import (
	"fmt"
	"hash/maphash"
	"slices"
)

// RuleError is a fault of one rule.
type RuleError struct {
	Rule Rule
	Err  error
}

// Error names the rule's line, or the rule itself if it has none, and the fault.
func (e *RuleError) Error() string {
	if e.Rule.Line > 0 {
		return fmt.Sprintf("line %d: %v", e.Rule.Line, e.Err)
	}
	return fmt.Sprintf("rule %s: %v", e.Rule, e.Err)
}

// Unwrap returns the fault.
func (e *RuleError) Unwrap() error { return e.Err }

// TieError reports two rules that name the same network and lead to different
// locations, neither of which is above the other.
type TieError struct {
	First, Second Rule // by line
}

func newTie(a, b Rule) *TieError {
	if a.Line > b.Line && b.Line > 0 {
		a, b = b, a
	}
	return &TieError{First: a, Second: b}
}

// Error names both rules, with their lines if they have any.
func (e *TieError) Error() string {
	return fmt.Sprintf("two rules for %s: %s%s and %s%s",
		e.Second, e.First.Location, atLine(e.First), e.Second.Location, atLine(e.Second))
}

func atLine(r Rule) string {
	if r.Line == 0 {
		return ""
	}
	return fmt.Sprintf(" (line %d)", r.Line)
}

// tie reports whether two records of one key contradict each other. Personal
// rules of different owners do not: each counts for its owner's phones.
func (w *Wiremap) tie(a, b uint32) bool {
	p, q := &w.places[w.records[a].place], &w.places[w.records[b].place]
	return p.id != q.id && p.personal == q.personal && p.owner == q.owner &&
		!w.tree.Below(p.id, q.id) && !w.tree.Below(q.id, p.id)
}

// ties compares all records of the same key, by hash rather than pair by pair.
// It returns a *TieError for each that ties with an earlier one, and the records
// that only repeat an earlier one.
func (w *Wiremap) ties() (errs []error, repeated []uint32) {
	type hashed struct {
		hash  uint64
		index uint32
	}
	seed := maphash.MakeSeed()
	all := make([]hashed, len(w.records))
	for i := range w.records {
		all[i] = hashed{maphash.Comparable(seed, w.key(&w.records[i])), uint32(i)}
	}
	slices.SortFunc(all, func(a, b hashed) int {
		if a.hash != b.hash {
			if a.hash < b.hash {
				return -1
			}
			return 1
		}
		return int(a.index) - int(b.index)
	})
	var pairs [][2]uint32
	for from := 0; from < len(all); {
		to := from + 1
		for ; to < len(all) && all[to].hash == all[from].hash; to++ {
			for _, earlier := range all[from:to] {
				a, b := earlier.index, all[to].index
				switch {
				case w.key(&w.records[a]) != w.key(&w.records[b]):
				case w.records[a].place == w.records[b].place:
					repeated = append(repeated, b)
				case w.tie(a, b):
					pairs = append(pairs, [2]uint32{b, a}) // in order of the later line
				}
			}
		}
		from = to
	}
	slices.SortFunc(pairs, func(p, q [2]uint32) int { return slices.Compare(p[:], q[:]) })
	for i, p := range pairs {
		if i == 0 || pairs[i-1][0] != p[0] { // one error for each bad line
			errs = append(errs, newTie(w.rule(&w.records[p[1]]), w.rule(&w.records[p[0]])))
		}
	}
	return errs, repeated
}
