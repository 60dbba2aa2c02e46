package provisioning

import (
	"errors"

	"perch/location"
	"perch/matcher"
	"perch/sip"
)

// Apply makes changes, all or none, at the cost of the change rather than of
// the directory, if the change is small and local: rows that are put, rules and
// phones that go. Sites and users that go, locations that get another parent,
// kind or owner, and rules that may tie among themselves are checked against
// everything. Errors are those of NewDirectory.
func (d *Directory) Apply(c Changes) error {
	if !d.local(&c) {
		next, err := NewDirectory(Patch(d.Content(), c))
		if err != nil {
			return err
		}
		*d = *next
		return nil
	}
	if err := d.checkChange(&c); err != nil {
		return err
	}
	if err := d.tree.Put(c.Put.Locations...); err != nil {
		var errs Errors
		errs.add(err)
		return errs.err()
	}
	d.applyWiremap(&c)
	for _, s := range c.Put.Sites {
		d.putSite(s)
		d.wiremap.SetIgnored(s.ID, s.IgnoreSubnets)
	}
	for _, u := range c.Put.Users {
		d.putUser(u)
	}
	for _, p := range c.GonePhones {
		if old, ok := d.phones.get(p.MAC); ok {
			d.dropPhone(old)
			d.phones.remove(p.MAC)
		}
	}
	for _, p := range c.Put.Phones {
		d.putPhone(p)
	}
	for _, aor := range c.GoneLines {
		d.lines.remove(sip.AOR(aor))
	}
	for _, l := range c.Put.Lines {
		d.lines.put(l.AOR, l)
	}
	return nil
}

// manyRows is how many rows a change may put and still be looked at row by row.
const manyRows = 64

func (d *Directory) local(c *Changes) bool {
	if len(c.GoneSites)+len(c.GoneUsers) > 0 || len(c.Put.Rules) > manyRows || len(c.Put.Locations) > manyRows ||
		len(c.Put.Sites)+len(c.Put.Users)+len(c.Put.Phones)+len(c.Put.Lines) > manyRows {
		return false
	}
	seen := map[location.ID]bool{}
	for _, l := range c.Put.Locations {
		old, there := d.tree.Get(l.ID)
		if seen[l.ID] || there && (old.Parent != l.Parent || old.Kind != l.Kind || old.Owner != l.Owner) {
			return false
		}
		seen[l.ID] = true
	}
	keys := map[matcher.Rule]bool{}
	for _, r := range c.Put.Rules {
		if keys[r.Key()] {
			return false
		}
		keys[r.Key()] = true
	}
	return true
}

// checkChange checks the rows of a local change, and what a location that is
// retired leaves behind.
func (d *Directory) checkChange(c *Changes) error {
	r := references{dir: d, put: &c.Put}
	var errs Errors
	for i := range c.Put.Sites {
		errs.add(r.site(&c.Put.Sites[i]))
	}
	for i := range c.Put.Locations {
		l := &c.Put.Locations[i]
		errs.add(r.location(l))
		if l.Retired {
			errs.add(d.checkRetired(l.ID, c))
		}
	}
	for i := range c.Put.Rules {
		m := &c.Put.Rules[i]
		err := m.Check()
		if _, ok := r.getLocation(m.Location); err == nil && !ok {
			err = errors.New("unknown location " + string(m.Location))
		}
		if err != nil {
			errs.add(inWiremap(&matcher.RuleError{Rule: *m, Err: err}))
			continue
		}
		errs.add(r.rule(m))
	}
	for i := range c.Put.Users {
		errs.add(r.user(&c.Put.Users[i]))
	}
	for i := range c.Put.Phones {
		errs.add(r.phone(&c.Put.Phones[i]))
	}
	for i := range c.Put.Lines {
		errs.add(checkLine(&c.Put.Lines[i]))
	}
	return errs.err()
}

// checkRetired refuses to retire a location that rules or sites still lead to
// after the change.
func (d *Directory) checkRetired(id location.ID, c *Changes) error {
	var errs Errors
	left := d.wiremap.Leading(id)
	replaced := map[matcher.Rule]bool{} // rules that go, counted once
	for _, list := range [][]matcher.Rule{c.GoneRules, c.Put.Rules} {
		for _, r := range list {
			for _, old := range d.wiremap.FindAll(r) {
				if old.Location == id && !replaced[old] {
					replaced[old] = true
					left--
				}
			}
		}
	}
	if left > 0 {
		errs.addf("location %s: retired, but %d rules of the wiremap lead to it", id, left)
	}
	for _, s := range d.Sites() {
		changed := has(c.Put.Sites, func(p *Site) bool { return p.ID == s.ID })
		if !changed && s.DefaultLocation == id {
			errs.addf("location %s: retired, but it is the default of site %s", id, s.ID)
		}
	}
	return errs.err()
}

// applyWiremap changes rules that were checked. Those put cannot tie: they
// replace all others of their keys.
func (d *Directory) applyWiremap(c *Changes) {
	for _, r := range c.GoneRules {
		r.Location = ""
		d.wiremap.Remove(r)
	}
	for _, l := range c.Put.Locations {
		d.wiremap.Reread(l.ID)
	}
	for _, r := range c.Put.Rules {
		key := r
		key.Location = ""
		d.wiremap.Remove(key)
		_ = d.wiremap.Add(r) // checked
	}
}
