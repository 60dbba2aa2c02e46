package discovery

import "container/heap"

// roster orders the keys of a bounded table by what they are worth, the least
// first. What a key is worth may have grown since it was noted: that is looked at
// only when the least is asked for, so that a sign of life costs nothing here.
type roster[K comparable] struct {
	keys    []K
	worths  []worth
	at      map[K]int // index in keys
	compare func(a, b K) int
}

func newRoster[K comparable](compare func(a, b K) int) *roster[K] {
	return &roster[K]{at: map[K]int{}, compare: compare}
}

func (r *roster[K]) len() int { return len(r.keys) }

// add notes a key, if it is not there.
func (r *roster[K]) add(k K, w worth) {
	if _, ok := r.at[k]; !ok {
		heap.Push((*rosterHeap[K])(r), noted[K]{k, w})
	}
}

func (r *roster[K]) remove(k K) {
	if i, ok := r.at[k]; ok {
		heap.Remove((*rosterHeap[K])(r), i)
	}
}

// least removes and returns the key that is worth least now.
func (r *roster[K]) least(now func(K) worth) K {
	for {
		if w := now(r.keys[0]); w.compare(r.worths[0]) > 0 {
			r.worths[0] = w
			heap.Fix((*rosterHeap[K])(r), 0)
			continue
		}
		return heap.Pop((*rosterHeap[K])(r)).(noted[K]).key
	}
}

// leastBut is least among the others: k is what room is made for.
func (r *roster[K]) leastBut(k K, now func(K) worth) K {
	if r.keys[0] != k {
		if found := r.least(now); found != k {
			return found
		}
	} else {
		r.remove(k)
	}
	found := r.least(now)
	r.add(k, now(k))
	return found
}

type noted[K comparable] struct {
	key   K
	worth worth
}

// rosterHeap is a roster as package container/heap wants it.
type rosterHeap[K comparable] roster[K]

func (r *rosterHeap[K]) Len() int { return len(r.keys) }

func (r *rosterHeap[K]) Less(i, j int) bool {
	if c := r.worths[i].compare(r.worths[j]); c != 0 {
		return c < 0
	}
	return r.compare(r.keys[i], r.keys[j]) < 0
}

func (r *rosterHeap[K]) Swap(i, j int) {
	r.keys[i], r.keys[j] = r.keys[j], r.keys[i]
	r.worths[i], r.worths[j] = r.worths[j], r.worths[i]
	r.at[r.keys[i]], r.at[r.keys[j]] = i, j
}

// Push is for package container/heap.
func (r *rosterHeap[K]) Push(x any) {
	n := x.(noted[K])
	r.at[n.key] = len(r.keys)
	r.keys, r.worths = append(r.keys, n.key), append(r.worths, n.worth)
}

// Pop is for package container/heap.
func (r *rosterHeap[K]) Pop() any {
	last := len(r.keys) - 1
	n := noted[K]{r.keys[last], r.worths[last]}
	r.keys, r.worths = r.keys[:last], r.worths[:last]
	delete(r.at, n.key)
	return n
}
