package matcher

import (
	"errors"
	"fmt"
	"slices"

	"perch/location"
)

// Wiremap is a set of rules, ready to match. It may be read by many at once,
// but not while it is changed.
type Wiremap struct {
	tree    *location.Tree
	symbols symbols
	records []record
	free    []uint32 // records that hold no rule
	extras  []extra  // the first has nothing
	spare   []uint32 // extras that belong to no record
	ranges  int      // rules with a range of ports
	places  []place
	placeOf map[location.ID]uint32
	sites   map[symbol]*index // 0 holds the rules that name no site
	ignored ignored
}

// NewWiremap makes a wiremap of rules in any order, which lead to locations of
// the tree, and of networks without a location. It keeps no reference to its
// arguments but the tree. All faults are reported, joined: rules that Check
// refuses, unknown locations, and ties (*TieError).
func NewWiremap(rules []Rule, tree *location.Tree, ignore []Ignore) (*Wiremap, error) {
	w := &Wiremap{
		tree:    tree,
		symbols: newSymbols(),
		records: make([]record, 0, len(rules)),
		extras:  make([]extra, 1),
		placeOf: make(map[location.ID]uint32, min(len(rules), tree.Len())),
		sites:   map[symbol]*index{0: new(index)},
	}
	w.ignored.add(ignore)
	var errs []error
	for i := range rules {
		if err := w.check(&rules[i]); err != nil {
			errs = append(errs, err)
			continue
		}
		w.store(rules[i])
	}
	ties, repeated := w.ties()
	if errs = append(errs, ties...); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	slices.Sort(repeated)
	for _, i := range slices.Compact(repeated) {
		w.drop(i)
	}
	for i := range w.records {
		if w.records[i].place != none {
			w.link(uint32(i))
		}
	}
	return w, nil
}

func (w *Wiremap) check(r *Rule) error {
	err := r.Check()
	if _, known := w.tree.Get(r.Location); err == nil && !known {
		err = fmt.Errorf("unknown location %s", r.Location)
	}
	if err != nil {
		return &RuleError{Rule: *r, Err: err}
	}
	return nil
}

// store keeps a rule that was checked, and does not link it yet.
func (w *Wiremap) store(r Rule) uint32 {
	rec, x := translate(&r, w.symbols.intern)
	w.spell(&r, &rec, &x)
	rec.place = w.place(r.Location)
	rec.extra = w.storeExtra(x)
	w.places[rec.place].rules++
	if n := len(w.free); n > 0 {
		i := w.free[n-1]
		w.free, w.records[i] = w.free[:n-1], rec
		return i
	}
	w.records = append(w.records, rec)
	return uint32(len(w.records) - 1)
}

func (w *Wiremap) storeExtra(x extra) uint32 {
	if x == (extra{}) {
		return 0
	}
	if x.hi != 0 {
		w.ranges++
	}
	if n := len(w.spare); n > 0 {
		i := w.spare[n-1]
		w.spare, w.extras[i] = w.spare[:n-1], x
		return i
	}
	w.extras = append(w.extras, x)
	return uint32(len(w.extras) - 1)
}

// drop forgets a record that is not linked.
func (w *Wiremap) drop(i uint32) {
	rec := &w.records[i]
	w.places[rec.place].rules--
	if rec.extra != 0 {
		if w.extras[rec.extra].hi != 0 {
			w.ranges--
		}
		w.extras[rec.extra] = extra{}
		w.spare = append(w.spare, rec.extra)
	}
	*rec = record{place: none, next: none}
	w.free = append(w.free, i)
}

// place returns the index of a location, reading it from the tree at first use.
func (w *Wiremap) place(id location.ID) uint32 {
	if n := len(w.records); n > 0 { // neighbouring ports lead to one room
		if i := w.records[n-1].place; i != none && w.places[i].id == id {
			return i
		}
	}
	i, ok := w.placeOf[id]
	if !ok {
		i = uint32(len(w.places))
		w.places = append(w.places, place{id: id})
		w.placeOf[id] = i
		w.reread(i)
	}
	return i
}

func (w *Wiremap) reread(i uint32) {
	p := &w.places[i]
	l, _ := w.tree.Get(p.id)
	p.live, p.personal, p.owner = l.Live(), l.Kind == location.Personal, w.symbols.intern(l.Owner)
	p.depth, p.deep = uint16(min(w.tree.Depth(p.id), 1<<16-1)), w.tree.Rank(p.id) > location.Building
}

// Reread takes over what has changed in the tree about the given locations and
// those below them. Changed parents, kinds and owners can make rules tie that
// did not before, which Reread does not look for.
func (w *Wiremap) Reread(ids ...location.ID) {
	for _, id := range ids {
		if i, ok := w.placeOf[id]; ok {
			w.reread(i)
		}
		for _, child := range w.tree.Children(id) {
			w.Reread(child.ID)
		}
	}
}

// Add adds a rule. A rule that is there already is left as it is. Errors are
// those of NewWiremap.
func (w *Wiremap) Add(r Rule) error {
	if err := w.check(&r); err != nil {
		return err
	}
	i := w.store(r)
	k := w.key(&w.records[i])
	for at := w.first(&w.records[i], w.extraOf(&w.records[i])); at != none; at = w.records[at].next {
		if w.key(&w.records[at]) != k {
			continue
		}
		same := w.records[at].place == w.records[i].place
		if same || w.tie(at, i) {
			tie := newTie(w.rule(&w.records[at]), r)
			w.drop(i)
			if same {
				return nil
			}
			return tie
		}
	}
	w.link(i)
	return nil
}

// Remove removes the rule of the same key and location; without a location, all
// rules of that key. It reports whether there were any.
func (w *Wiremap) Remove(r Rule) bool {
	found := w.find(r)
	for _, i := range found {
		w.unlink(i)
		w.drop(i)
	}
	return len(found) > 0
}

// Find returns the rule of the same key, whatever its location. If there are
// several, it is the one that goes before the others.
func (w *Wiremap) Find(r Rule) (Rule, bool) {
	r.Location = ""
	found := w.find(r)
	if len(found) == 0 {
		return Rule{}, false
	}
	return w.rule(&w.records[found[0]]), true
}

// FindAll returns all rules of the same key, in order of precedence.
func (w *Wiremap) FindAll(r Rule) []Rule {
	r.Location = ""
	var rules []Rule
	for _, i := range w.find(r) {
		rules = append(rules, w.rule(&w.records[i]))
	}
	return rules
}

// find returns the records of a rule's key, in order of precedence; those of
// its location only, if it has one.
func (w *Wiremap) find(r Rule) []uint32 {
	named := r
	named.Location = "any"
	if named.Check() != nil {
		return nil
	}
	rec, x := translate(&r, w.symbols.find)
	k := newKey(&rec, &x)
	var found []uint32
	for at := w.first(&rec, &x); at != none; at = w.records[at].next {
		rec := &w.records[at]
		if w.key(rec) == k && (r.Location == "" || w.places[rec.place].id == r.Location) {
			found = append(found, at)
		}
	}
	slices.SortFunc(found, func(a, b uint32) int {
		order, _ := w.compare(a, b, false)
		return order
	})
	return found
}

// Len returns the number of rules.
func (w *Wiremap) Len() int { return len(w.records) - len(w.free) }

// Leading returns how many rules lead to a location.
func (w *Wiremap) Leading(id location.ID) int {
	if i, ok := w.placeOf[id]; ok {
		return int(w.places[i].rules)
	}
	return 0
}

// Rules returns all rules in the order of Compare.
func (w *Wiremap) Rules() []Rule {
	rules := make([]Rule, 0, w.Len())
	for i := range w.records {
		if w.records[i].place != none {
			rules = append(rules, w.rule(&w.records[i]))
		}
	}
	slices.SortFunc(rules, Compare)
	return rules
}
