package provisioning

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gaissmai/bart"

	"perch/discovery"
	"perch/location"
	"perch/matcher"
	"perch/sip"
)

// Directory is the content of a directory, checked and ready to be asked. It
// may be read by many at once, but not while Apply changes it. All lists that it
// returns are sorted, and not to be changed.
type Directory struct {
	sites  rows[string, Site]
	users  rows[string, User]
	phones rows[discovery.MAC, Phone]
	lines  rows[sip.AOR, Line]

	subnets map[string]*bart.Lite // of sites that have some
	tree    *location.Tree
	wiremap *matcher.Wiremap

	staff     []string // emails of reviewers and admins, sorted
	aorPhones map[sip.AOR][]discovery.MAC
	aorUsers  map[sip.AOR][]string
}

// NewDirectory checks a content and makes a directory of it, keeping no
// reference to its lists. All faults are reported in *Errors, each with the key
// of its row: keys given twice, references to what does not exist or is retired,
// locations in a circle, rules that tie.
func NewDirectory(c Content) (*Directory, error) {
	d := &Directory{
		subnets: map[string]*bart.Lite{},
		sites:   newRows[string, Site](len(c.Sites)), users: newRows[string, User](len(c.Users)),
		phones:    newRows[discovery.MAC, Phone](len(c.Phones)),
		aorPhones: make(map[sip.AOR][]discovery.MAC, len(c.Phones)), aorUsers: make(map[sip.AOR][]string, len(c.Users)),
	}
	var errs Errors
	for _, s := range c.Sites {
		if !d.putSite(s) {
			errs.addf("site %s: id is given twice", s.ID)
		}
	}
	for _, u := range c.Users {
		if !d.putUser(u) {
			errs.addf("user %s: email is given twice", u.Email)
		}
	}
	for _, p := range c.Phones {
		if !d.putPhone(p) {
			errs.addf("phone %s: mac is given twice", p.MAC)
		}
	}
	for _, l := range c.Lines {
		if !d.lines.put(l.AOR, l) {
			errs.addf("line %s: aor is given twice", l.AOR)
		}
	}
	tree, err := location.NewTree(c.Locations)
	if err != nil {
		errs.add(err)
		return nil, d.checkAll(c, &errs)
	}
	d.tree = tree
	if d.wiremap, err = matcher.NewWiremap(c.Rules, tree, ignores(c.Sites)); err != nil {
		var faults Errors
		faults.add(err)
		for _, fault := range faults.List {
			errs.add(inWiremap(fault))
		}
	}
	if err := d.checkAll(c, &errs); err != nil {
		return nil, err
	}
	return d, nil
}

func ignores(sites []Site) []matcher.Ignore {
	var list []matcher.Ignore
	for _, s := range sites {
		for _, p := range s.IgnoreSubnets {
			list = append(list, matcher.Ignore{Site: s.ID, Prefix: p})
		}
	}
	return list
}

// inWiremap puts the file's name and line before a fault of a rule that came
// from a file.
func inWiremap(err error) error {
	var tie *matcher.TieError
	var fault *matcher.RuleError
	switch {
	case errors.As(err, &tie) && tie.Second.Line > 0:
		return fmt.Errorf("%s:%d: %w", Wiremap.FileName(), tie.Second.Line, err)
	case errors.As(err, &fault) && fault.Rule.Line > 0:
		return fmt.Errorf("%s:%d: %w", Wiremap.FileName(), fault.Rule.Line, fault.Err)
	}
	return fmt.Errorf("wiremap: %w", err)
}

// checkAll checks the references of all rows.
func (d *Directory) checkAll(c Content, errs *Errors) error {
	r := references{dir: d}
	for i := range c.Sites {
		errs.add(r.site(&c.Sites[i]))
	}
	for i := range c.Locations {
		errs.add(r.location(&c.Locations[i]))
	}
	for i := range c.Rules {
		errs.add(r.rule(&c.Rules[i]))
	}
	for i := range c.Users {
		errs.add(r.user(&c.Users[i]))
	}
	for i := range c.Phones {
		errs.add(r.phone(&c.Phones[i]))
	}
	for i := range c.Lines {
		errs.add(checkLine(&c.Lines[i]))
	}
	return errs.err()
}

// Content returns all rows.
func (d *Directory) Content() Content {
	return Content{
		Sites: d.Sites(), Locations: slices.Collect(d.tree.All()), Rules: d.wiremap.Rules(),
		Users: d.Users(), Phones: d.Phones(), Lines: d.Lines(),
	}
}

// Tree returns the locations. It is valid until the next Apply.
func (d *Directory) Tree() *location.Tree { return d.tree }

// Wiremap returns the rules. It is valid until the next Apply.
func (d *Directory) Wiremap() *matcher.Wiremap { return d.wiremap }

func (d *Directory) putSite(s Site) bool {
	delete(d.subnets, s.ID)
	if len(s.Subnets) > 0 {
		t := new(bart.Lite)
		for _, p := range s.Subnets {
			t.Insert(p)
		}
		d.subnets[s.ID] = t
	}
	return d.sites.put(s.ID, s)
}

func (d *Directory) putUser(u User) bool {
	old, there := d.users.get(u.Email)
	if there {
		d.dropUser(old)
	}
	for _, a := range u.AORs {
		d.aorUsers[a] = insertSorted(d.aorUsers[a], u.Email, compareText)
	}
	if u.Role >= Reviewer {
		d.staff = insertSorted(d.staff, u.Email, compareText)
	}
	return d.users.put(u.Email, u)
}

// dropUser takes a user out of the indexes.
func (d *Directory) dropUser(u User) {
	for _, a := range u.AORs {
		dropFrom(d.aorUsers, a, u.Email)
	}
	d.staff = slices.DeleteFunc(d.staff, func(email string) bool { return email == u.Email })
}

func (d *Directory) putPhone(p Phone) bool {
	old, there := d.phones.get(p.MAC)
	if there {
		d.dropPhone(old)
	}
	for _, a := range p.AORs {
		d.aorPhones[a] = insertSorted(d.aorPhones[a], p.MAC, compareMACs)
	}
	return d.phones.put(p.MAC, p)
}

// dropPhone takes a phone out of the indexes.
func (d *Directory) dropPhone(p Phone) {
	for _, a := range p.AORs {
		dropFrom(d.aorPhones, a, p.MAC)
	}
}

// dropFrom removes a value from one list of an index, and the list when it is
// empty.
func dropFrom[K, V comparable](index map[K][]V, k K, v V) {
	left := slices.DeleteFunc(index[k], func(x V) bool { return x == v })
	if len(left) == 0 {
		delete(index, k)
		return
	}
	index[k] = left
}

func insertSorted[V any](s []V, v V, compare func(a, b V) int) []V {
	i, found := slices.BinarySearchFunc(s, v, compare)
	if found {
		return s
	}
	return slices.Insert(s, i, v)
}
