package gateway

import (
	"fmt"
	"slices"
	"strings"

	"perch/location"
	"perch/provisioning"
)

// rematch lets all phones follow a change of the wiremap, the locations or the
// users, in order of phone.
func (e *Engine) rematch() {
	for _, p := range e.sortedPhones() {
		e.rematchPhone(p)
	}
}

// rematchPhone lets one phone follow: an assignment by the wiremap changes with
// it; an answer that now disagrees stays, and is asked about once; a network
// whose answer fell is asked about again.
func (e *Engine) rematchPhone(p *phone) {
	if !p.Heir.Nobody() {
		return // it is in use no more
	}
	k := p.acted()
	if k == nil {
		e.prune(p)
		e.evaluate(p)
		return
	}
	m := e.matchOf(p, k)
	changed := m.Location != k.Match
	q := e.prompts[k.Prompt]
	open := q != nil && q.Open()
	a := e.standing(p, k)
	switch {
	case open:
		e.amend(p, k)
		e.renewRecipients(p, k, q)
	case a != nil:
		k.Match = m.Location
		e.assign(p, e.decide(p, k, m))
		l, _ := e.dir.Location(a.Location)
		personal := l.Kind == location.Personal
		if changed && m.Found() && !m.Personal && !personal && !e.agrees(a.Location, m.Location) {
			e.reconfirm(p, k, m, nil)
		}
	case q != nil && q.Reason == Expired && k.Answer == 0:
		k.Match = m.Location
		e.assign(p, e.decide(p, k, m))
	case k.Answer != 0, // it no longer stands
		k.Silent && !m.Found(),
		k.Nobody && len(e.recipients(p)) > 0 && !m.Ignored.IsValid():
		k.Answer = 0
		e.askAnew(p, k, m, e.cfg.Policy.NoBootstrap)
	default:
		k.Match = m.Location
		e.assign(p, e.decide(p, k, m))
	}
	e.touch(p)
	e.prune(p)
}

// renewRecipients asks people who became users of the phone while its prompt is
// open, and withdraws the prompt when nobody is left.
func (e *Engine) renewRecipients(p *phone, k *known, q *Prompt) {
	to := e.recipients(p)
	if len(to) == 0 || p.kind(e) != provisioning.Desk {
		e.closePrompt(p, Withdrawn)
		k.Nobody = e.standing(p, k) == nil
		return
	}
	if !q.Open() || slices.Equal(to, q.To) {
		return
	}
	before := q.To
	q.To = to
	e.batch.prompts[q.ID] = true
	for _, email := range to {
		if slices.Contains(before, email) {
			continue
		}
		e.post(p, e.question(p, k, q, email, p.Assignment, e.matchOf(p, k)))
	}
}

// Import replaces the directory by what it holds after the given files, at
// engine time. A location in force for phones cannot be retired without a
// successor; the error names them.
func (e *Engine) Import(files []provisioning.File, replace bool) (provisioning.Changes, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	next, changes, err := e.after(files, replace)
	if err != nil || changes.Empty() {
		return changes, err
	}
	e.takeOver(next, changes, func() {})
	return changes, nil
}

// takeOver puts a directory into force; then is done what has to be before phones follow.
func (e *Engine) takeOver(next *provisioning.Directory, changes provisioning.Changes, then func()) {
	e.dir = next
	e.tracker.SetDirectory(phonebook{next})
	e.batch.directory(changes)
	e.begin()
	if e.callers != nil {
		e.watchAll() // addresses, labels
	}
	if len(changes.Put.Lines)+len(changes.GoneLines) > 0 {
		e.lines++
	}
	if p := &changes.Put; len(p.Lines)+len(changes.GoneLines)+len(p.Phones)+len(changes.GonePhones)+len(p.Users)+len(changes.GoneUsers) > 0 {
		e.aors++
	}
	then()
	e.reviseHeirs()
	e.listedAnew(changes)
	e.rematch()
	e.end()
}

// listedAnew asks those again who said that a phone is not theirs, and whom the
// admins now list for it all the same.
func (e *Engine) listedAnew(changes provisioning.Changes) {
	for _, row := range changes.Put.Phones {
		if p := e.phones.OfMAC(row.MAC); p != nil && len(p.Declined.all()) > 0 {
			p.Declined.set(nil)
			e.touch(p)
		}
	}
	for _, p := range e.sortedPhones() {
		before := len(p.Declined.all())
		p.Declined.set(slices.DeleteFunc(p.Declined.all(), func(email string) bool {
			return slices.ContainsFunc(changes.Put.Users, func(u provisioning.User) bool { return u.Email == email })
		}))
		if len(p.Declined.all()) != before {
			e.touch(p)
		}
	}
}

// Preview checks an import without making it.
func (e *Engine) Preview(files []provisioning.File, replace bool) (provisioning.Changes, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, changes, err := e.after(files, replace)
	return changes, err
}

// after returns the directory as it would be after an import.
func (e *Engine) after(files []provisioning.File, replace bool) (*provisioning.Directory, provisioning.Changes, error) {
	content, changes, err := provisioning.Merge(e.dir.Content(), files, replace)
	if err != nil {
		return nil, changes, err
	}
	next, err := provisioning.NewDirectory(content)
	if err != nil {
		return nil, changes, err
	}
	before := e.dir
	e.dir = next
	defer func() { e.dir = before }()
	return next, changes, e.orphans(changes)
}

// orphans refuses to retire a location that is in force and has no successor in
// the new directory.
func (e *Engine) orphans(changes provisioning.Changes) error {
	retired := map[location.ID]bool{}
	for _, l := range changes.Put.Locations {
		if l.Retired {
			retired[l.ID] = true
		}
	}
	if len(retired) == 0 {
		return nil
	}
	var who []string
	for _, p := range e.sortedPhones() {
		k := p.acted()
		if k == nil || !retired[p.Assignment.Location] {
			continue
		}
		if l, _ := e.dir.Location(p.Assignment.Location); l.Kind == location.Personal && !e.isUser(p, l.Owner) {
			continue // who left takes the personal location along; the others are asked
		}
		if next := e.decide(p, k, e.matchOf(p, k)); next.Source == FromDefault {
			who = append(who, fmt.Sprintf("%s (%s)", p.id(), p.Assignment.Location))
		}
	}
	if len(who) == 0 {
		return nil
	}
	return refuse("give their networks another location in the wiremap in the same import",
		"a location in force cannot be retired without a successor: %s", strings.Join(who, ", "))
}

func (e *Engine) sortedPhones() []*phone {
	all := make([]*phone, 0, e.phones.Len())
	for _, p := range e.phones.All() {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *phone) int { return a.id().Compare(b.id()) })
	return all
}
