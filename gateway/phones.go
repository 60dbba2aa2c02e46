package gateway

import (
	"net/netip"
	"time"

	"perch/discovery"
	"perch/provisioning"
)

// ChangeDirectory makes what an admin changes in the directory, all or none, at engine time.
// Errors are those of provisioning.NewDirectory.
func (e *Engine) ChangeDirectory(c provisioning.Changes) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.changeDirectory(c, func() {})
}

func (e *Engine) changeDirectory(c provisioning.Changes, then func()) error {
	if c.Empty() {
		return nil
	}
	next, err := provisioning.NewDirectory(provisioning.Patch(e.dir.Content(), c))
	if err != nil {
		return err
	}
	e.takeOver(next, c, then)
	return nil
}

// ReplacePhone puts a phone into the place of another: into its row of the directory, and to
// what was answered for it. Of vendor and model the new phone's own are given in its row. A
// phone that was not heard yet gets the answers when it is; where it is plugged in then is the
// network of the other one, or a move.
func (e *Engine) ReplacePhone(old discovery.MAC, row provisioning.Phone) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	const list = "perch phones list shows them"
	was, listed := e.dir.Phone(old)
	now, there := e.dir.Phone(row.MAC)
	switch {
	case !listed:
		return refuse(list, "%s is not listed", old)
	case old == row.MAC:
		return refuse("name the new phone second", "%s cannot take its own place", old)
	case there && len(now.AORs) > 0:
		return refuse("perch phones remove "+row.MAC.String()+" first, if it is to have those of the other one", "%s has lines of its own", row.MAC)
	}
	was.MAC, was.Vendor, was.Model = row.MAC, row.Vendor, row.Model
	c := provisioning.Changes{Put: provisioning.Content{Phones: []provisioning.Phone{was}}, GonePhones: []provisioning.Phone{{MAC: old}}}
	return e.changeDirectory(c, func() { e.inPlaceOf(old, row.MAC) })
}

// inPlaceOf passes on what was answered for a phone, now or when the other one is heard.
func (e *Engine) inPlaceOf(old, next discovery.MAC) {
	from := old
	if before, is := e.heirs[old]; is { // which was in somebody's place, and never heard
		delete(e.heirs, old)
		from = before
	}
	q := e.phones.OfMAC(from)
	if q == nil {
		return
	}
	if p := e.phones.OfMAC(next); p != nil && p.track.IsPhone {
		e.succeed(p, from)
		return
	}
	e.closePrompt(q, Withdrawn)
	q.Due = 0
	q.Heir, e.heirs[next] = next, from
	e.touch(q)
}

// succeed lets a phone that is there have what was answered for the one whose place it takes.
func (e *Engine) succeed(p *phone, from discovery.MAC) {
	delete(e.heirs, p.id().MAC)
	if q := e.phones.OfMAC(from); q != nil {
		q.Heir = discovery.MAC{}
	}
	e.absorb(p, discovery.PhoneID{MAC: from})
	if k := p.acted(); k != nil && e.standing(p, k) != nil {
		e.closePrompt(p, Withdrawn) // it was asked before this was known
	}
	e.rematchPhone(p)
}

// Stranger is a desk phone that was heard, and that nobody has listed.
type Stranger struct {
	MAC      discovery.MAC
	Identity discovery.Identity // what it says of itself
	Site     string
	IP       netip.Addr
	Heard    time.Time
}

// Strangers returns the desk phones that are there and not listed, by MAC.
func (e *Engine) Strangers() (list []Stranger) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.sortedPhones() {
		tr := p.track
		if tr == nil || p.id().Provisional() || !tr.Desk || tr.Gone {
			continue
		}
		if _, listed := e.dir.Phone(p.id().MAC); listed {
			continue
		}
		at := tr.Attachment()
		list = append(list, Stranger{p.id().MAC, tr.Identity(), at.Site, at.IP, tr.Heard().Time()})
	}
	return list
}

// IdentityOf returns what a phone says of itself; false if it was not heard.
func (e *Engine) IdentityOf(m discovery.MAC) (discovery.Identity, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.phones.OfMAC(m)
	if p == nil || p.track == nil {
		return discovery.Identity{}, false
	}
	return p.track.Identity(), true
}
