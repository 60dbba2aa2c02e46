package gateway

import (
	"net/netip"
	"slices"
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
	case !e.heirs[row.MAC].Nobody():
		return refuse("perch phones remove "+row.MAC.String()+" first", "%s is in the place of %s already, and was not heard since", row.MAC, e.heirs[row.MAC])
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
	if from == next { // it comes back
		q.Heir = discovery.MAC{}
		e.touch(q)
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

// reviseHeirs lets those go that are not to be in anybody's place any more: nobody lists them,
// or the other one is in use again.
func (e *Engine) reviseHeirs() {
	for next, from := range e.heirs {
		_, listed := e.dir.Phone(next)
		if _, back := e.dir.Phone(from); listed && !back {
			continue
		}
		delete(e.heirs, next)
		if q := e.phones.OfMAC(from); q != nil {
			q.Heir = discovery.MAC{}
			e.touch(q)
		}
	}
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

// Strangers returns the desk phones that are there and not listed, by MAC, the first few of
// them, and how many there are.
func (e *Engine) Strangers(most int) (list []Stranger, all int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []*phone
	for _, p := range e.phones.All() {
		if tr := p.track; tr == nil || p.id().Provisional() || !tr.Desk || tr.Gone {
			continue
		}
		if _, listed := e.dir.Phone(p.id().MAC); !listed {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b *phone) int { return a.id().Compare(b.id()) })
	for _, p := range found[:min(most, len(found))] { // what one says of itself takes its time
		at := p.track.Attachment()
		list = append(list, Stranger{p.id().MAC, p.track.Identity(), at.Site, at.IP, p.track.Heard().Time()})
	}
	return list, len(found)
}

// AddressOf returns where a phone is now; false if that is not known.
func (e *Engine) AddressOf(m discovery.MAC) (site string, ip netip.Addr, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.phones.OfMAC(m)
	if p == nil || p.track == nil || p.track.Gone {
		return "", ip, false
	}
	at := p.track.Attachment()
	return at.Site, at.IP, at.IP.IsValid()
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
