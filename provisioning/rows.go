package provisioning

import (
	"bytes"
	"slices"
	"strings"

	"perch/discovery"
)

// rows is a list of rows found by key. The order of keys is made when it is
// asked for, so that a million rows can be put one by one.
type rows[K comparable, V any] struct {
	byKey map[K]V
}

// newRows returns an empty list with room for n rows.
func newRows[K comparable, V any](n int) rows[K, V] { return rows[K, V]{make(map[K]V, n)} }

// put adds or replaces a row and reports whether its key is new.
func (r *rows[K, V]) put(k K, v V) bool {
	if r.byKey == nil {
		r.byKey = map[K]V{}
	}
	_, there := r.byKey[k]
	r.byKey[k] = v
	return !there
}

func (r *rows[K, V]) get(k K) (V, bool) {
	v, ok := r.byKey[k]
	return v, ok
}

func (r *rows[K, V]) remove(k K) { delete(r.byKey, k) }

// sorted returns the rows in the order of compare.
func (r *rows[K, V]) sorted(compare func(a, b V) int) []V {
	out := make([]V, 0, len(r.byKey))
	for _, v := range r.byKey {
		out = append(out, v)
	}
	slices.SortFunc(out, compare)
	return out
}

func compareText(a, b string) int        { return strings.Compare(a, b) }
func compareMACs(a, b discovery.MAC) int { return bytes.Compare(a[:], b[:]) }

// sortRows sorts a list, which mostly is sorted: by whoever wrote the file, or by
// an earlier step.
func sortRows[T any](list []T, compare func(a, b T) int) {
	if !slices.IsSortedFunc(list, compare) {
		slices.SortStableFunc(list, compare)
	}
}
