package location

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Tree is a set of locations and how they contain each other. It changes by Put
// alone; it is not safe for use by readers while it changes.
type Tree struct {
	nodes map[ID]*node
	order []ID // sorted
}

type node struct {
	Location
	parent   *node
	children []ID // sorted
}

// NewTree makes a tree of locations in any order. It reports every fault that
// Put reports, and ids given twice, all joined.
func NewTree(all []Location) (*Tree, error) {
	t := &Tree{nodes: make(map[ID]*node, len(all))}
	seen := make(map[ID]bool, len(all))
	var errs []error
	for _, l := range all {
		if seen[l.ID] {
			errs = append(errs, fmt.Errorf("location %s: id is given twice", l.ID))
		}
		seen[l.ID] = true
	}
	if err := t.Put(all...); err != nil || errs != nil {
		return nil, errors.Join(append(errs, err)...)
	}
	return t, nil
}

// Put adds locations or replaces those of the same id, all or none; their order
// does not matter. Errors name the id: an unknown parent, a cycle, a personal
// location with a parent or without an owner, a company location with an owner
// or below a personal one. All faults are joined.
func (t *Tree) Put(locations ...Location) error {
	p := put{tree: t, batch: make(map[ID]*Location, len(locations)), state: make(map[ID]walk)}
	for i := range locations {
		p.batch[locations[i].ID] = &locations[i]
	}
	var errs []error
	for i := range locations {
		if err := p.check(&locations[i]); err != nil {
			errs = append(errs, fmt.Errorf("location %s: %w", locations[i].ID, err))
		}
	}
	if errs != nil {
		return errors.Join(errs...)
	}
	var added []ID
	for i := range locations {
		if t.nodes[locations[i].ID] == nil {
			t.nodes[locations[i].ID] = &node{}
			added = append(added, locations[i].ID)
		}
	}
	for i := range locations {
		t.set(locations[i])
	}
	t.insert(added)
	return nil
}

// put checks a batch against the tree as it would be afterwards.
type put struct {
	tree  *Tree
	batch map[ID]*Location
	state map[ID]walk
}

// walk is how far the search for cycles got with a location.
type walk uint8

const (
	unseen walk = iota
	onPath
	cleared
)

func (p *put) get(id ID) *Location {
	if l := p.batch[id]; l != nil {
		return l
	}
	if n := p.tree.nodes[id]; n != nil {
		return &n.Location
	}
	return nil
}

func (p *put) check(l *Location) error {
	switch {
	case l.ID == "":
		return errors.New("no id")
	case l.Kind == Personal && l.Owner == "":
		return errors.New("personal, but without an owner")
	case l.Kind == Personal && l.Parent != "":
		return fmt.Errorf("personal, but with the parent %s", l.Parent)
	case l.Kind == Company && l.Owner != "":
		return fmt.Errorf("a company location, but with the owner %s", l.Owner)
	}
	if l.Parent == "" {
		return nil
	}
	parent := p.get(l.Parent)
	if parent == nil {
		return fmt.Errorf("unknown parent %s", l.Parent)
	}
	if parent.Kind == Personal {
		return fmt.Errorf("its parent %s is personal", l.Parent)
	}
	return p.checkCycle(l)
}

// checkCycle walks up from l. A cycle is reported once, by its first member.
func (p *put) checkCycle(l *Location) error {
	var path []string
	var err error
	for at := l; at != nil && p.state[at.ID] != cleared; at = p.get(at.Parent) {
		path = append(path, string(at.ID))
		if p.state[at.ID] == onPath {
			from := slices.Index(path, string(at.ID))
			err = fmt.Errorf("its parents run in a circle: %s", strings.Join(path[from:], " > "))
			break
		}
		p.state[at.ID] = onPath
	}
	for _, id := range path {
		p.state[ID(id)] = cleared
	}
	return err
}

// set stores a location that was checked and links it to its parent's node,
// which exists.
func (t *Tree) set(l Location) {
	n := t.nodes[l.ID]
	if n.parent != nil && n.parent.ID != l.Parent {
		if i, ok := slices.BinarySearch(n.parent.children, l.ID); ok {
			n.parent.children = slices.Delete(n.parent.children, i, i+1)
		}
	}
	n.Location, n.parent = l, t.nodes[l.Parent]
	if n.parent != nil {
		n.parent.children = insertSorted(n.parent.children, l.ID)
	}
}

// insert keeps order sorted; a large batch is sorted once.
func (t *Tree) insert(added []ID) {
	if len(added) > 16 {
		t.order = append(t.order, added...)
		slices.Sort(t.order)
		return
	}
	for _, id := range added {
		t.order = insertSorted(t.order, id)
	}
}

func insertSorted[T cmp.Ordered](s []T, v T) []T {
	i, found := slices.BinarySearch(s, v)
	if found {
		return s
	}
	return slices.Insert(s, i, v)
}

// Get returns the location of an id.
func (t *Tree) Get(id ID) (Location, bool) {
	if n := t.nodes[id]; n != nil {
		return n.Location, true
	}
	return Location{}, false
}

// Len returns how many locations there are, retired ones included.
func (t *Tree) Len() int { return len(t.order) }

// All yields the locations by id.
func (t *Tree) All() iter.Seq[Location] {
	return func(yield func(Location) bool) {
		for _, id := range t.order {
			if !yield(t.nodes[id].Location) {
				return
			}
		}
	}
}

// Children returns the locations directly below id, by id.
func (t *Tree) Children(id ID) []Location {
	n := t.nodes[id]
	if n == nil {
		return nil
	}
	children := make([]Location, len(n.children))
	for i, c := range n.children {
		children[i] = t.nodes[c].Location
	}
	return children
}

// Ancestors returns the locations above id, the nearest first.
func (t *Tree) Ancestors(id ID) []Location {
	var above []Location
	if n := t.nodes[id]; n != nil {
		for n = n.parent; n != nil; n = n.parent {
			above = append(above, n.Location)
		}
	}
	return above
}

// Below reports whether child lies below ancestor, at any depth. Nothing lies
// below itself.
func (t *Tree) Below(child, ancestor ID) bool {
	n := t.nodes[child]
	for n != nil && n.parent != nil {
		if n = n.parent; n.ID == ancestor {
			return true
		}
	}
	return false
}

// Depth returns how many locations lie above id; 0 at the top and for an
// unknown id.
func (t *Tree) Depth(id ID) int {
	depth := 0
	for n := t.nodes[id]; n != nil && n.parent != nil; n = n.parent {
		depth++
	}
	return depth
}

// Complete returns the address of id with what it leaves blank taken from the
// locations above it. Where a place differs from one above it in some element,
// it takes nothing narrower from there: the house number of a campus in Main
// Street is not that of its building in Oak Avenue.
func (t *Tree) Complete(id ID) CivicAddress {
	n := t.nodes[id]
	if n == nil {
		return CivicAddress{}
	}
	a := n.Address
	for n = n.parent; n != nil; n = n.parent {
		a = a.inherit(n.Address)
	}
	return a
}

// Rank returns the rank of the complete address of id.
func (t *Tree) Rank(id ID) Rank { return t.Complete(id).Rank() }

// NearestAtMost returns id itself, or the nearest location above it, whose rank
// is at most r; false if there is none. It may be retired.
func (t *Tree) NearestAtMost(id ID, r Rank) (ID, bool) {
	for n := t.nodes[id]; n != nil; n = n.parent {
		if t.Rank(n.ID) <= r {
			return n.ID, true
		}
	}
	return "", false
}
