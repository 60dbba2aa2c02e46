package provisioning

import (
	"fmt"
	"strings"

	"perch/location"
	"perch/matcher"
)

// references checks what rows refer to. Where a change is checked before it is
// made, its own rows count as there.
type references struct {
	dir *Directory
	put *Content
}

func (r references) hasSite(id string) bool {
	if _, ok := r.dir.sites.get(id); ok || id == "" {
		return true
	}
	return r.put != nil && has(r.put.Sites, func(s *Site) bool { return s.ID == id })
}

func (r references) hasUser(email string) bool {
	if _, ok := r.dir.users.get(email); ok {
		return true
	}
	return r.put != nil && has(r.put.Users, func(u *User) bool { return u.Email == email })
}

func (r references) getLocation(id location.ID) (location.Location, bool) {
	if r.put != nil {
		for _, l := range r.put.Locations {
			if l.ID == id {
				return l, true
			}
		}
	}
	if r.dir.tree == nil { // faulty; what is wrong with it was said
		return location.Location{ID: id}, true
	}
	return r.dir.tree.Get(id)
}

func has[T any](rows []T, is func(*T) bool) bool {
	for i := range rows {
		if is(&rows[i]) {
			return true
		}
	}
	return false
}

func (r references) site(s *Site) error {
	l, ok := r.getLocation(s.DefaultLocation)
	switch {
	case s.ID == "":
		return fmt.Errorf("site without an id")
	case s.DefaultLocation == "":
		return nil
	case !ok:
		return fmt.Errorf("site %s: unknown location %s", s.ID, s.DefaultLocation)
	case l.Retired:
		return fmt.Errorf("site %s: its default location %s is retired", s.ID, l.ID)
	case l.Kind == location.Personal:
		return fmt.Errorf("site %s: its default location %s is personal", s.ID, l.ID)
	}
	return nil
}

// location checks what the tree does not know of. A retired location may name
// what is gone.
func (r references) location(l *location.Location) error {
	switch {
	case l.Retired:
		return nil
	case !r.hasSite(l.Site):
		return fmt.Errorf("location %s: unknown site %s", l.ID, l.Site)
	case l.Owner != "" && !r.hasUser(l.Owner):
		return fmt.Errorf("location %s: unknown user %s", l.ID, l.Owner)
	}
	return nil
}

// rule checks what the wiremap does not: it accepts rules to retired locations,
// which do not match, and knows no sites.
func (r references) rule(m *matcher.Rule) error {
	fault := func(format string, args ...any) error {
		return inWiremap(&matcher.RuleError{Rule: *m, Err: fmt.Errorf(format, args...)})
	}
	if l, ok := r.getLocation(m.Location); ok && l.Retired {
		return fault("location %s is retired", l.ID)
	}
	if !r.hasSite(m.Site) {
		return fault("unknown site %s", m.Site)
	}
	return nil
}

func (r references) user(u *User) error {
	switch {
	case u.Email == "" || u.Email != strings.ToLower(u.Email):
		return fmt.Errorf("user %q: want an email in lower case", u.Email)
	case !r.hasSite(u.Site):
		return fmt.Errorf("user %s: unknown site %s", u.Email, u.Site)
	}
	return nil
}

func (r references) phone(p *Phone) error {
	if p.MAC.Nobody() {
		return fmt.Errorf("phone %s: no device has this address", p.MAC)
	}
	var unknown []string
	if !r.hasSite(p.Site) {
		unknown = append(unknown, "site "+p.Site)
	}
	for _, u := range p.Users {
		if !r.hasUser(u) {
			unknown = append(unknown, "user "+u)
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("phone %s: unknown %s", p.MAC, strings.Join(unknown, ", unknown "))
	}
	return nil
}
