package gateway

import (
	"fmt"
	"slices"

	"perch/discovery"
)

// Faults returns what is wrong inside an engine, each by the name of the rule that
// it breaks. moving: who is asked may change the match without a rematch.
func (e *Engine) Faults(moving bool) map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[string]string{}
	standing := map[int64]bool{}
	prompts := map[int64]discovery.PhoneID{}
	for _, p := range e.sortedPhones() {
		for _, k := range p.Known {
			if a := e.standing(p, k); a != nil {
				standing[a.ID] = true
				if a.Phone != p.id() {
					out["answer-phone"] = fmt.Sprintf("answer %d of %s stands for %s", a.ID, a.Phone, p.id())
				}
			}
			if q := e.prompts[k.Prompt]; q != nil && q.Open() && k != p.acted() {
				out["open-elsewhere"] = fmt.Sprintf("prompt %d is open about a network that %s is not on", q.ID, p.id())
			}
		}
		if q := e.prompts[p.Prompt]; p.Prompt != 0 {
			prompts[p.Prompt] = p.id()
			if q == nil || !q.Open() || q.Phone != p.id() || p.acted() == nil || p.acted().Prompt != p.Prompt {
				out["prompt"] = fmt.Sprintf("%s has the prompt %d: %+v", p.id(), p.Prompt, q)
			}
		}
		if k := p.acted(); k != nil && !moving {
			if want := e.decide(p, k, e.matchOf(p, k)); want != p.Assignment {
				out["in-force"] = fmt.Sprintf("%s: in force %+v, want %+v", p.id(), p.Assignment, want)
			}
			if q := e.prompts[k.Prompt]; e.standing(p, k) == nil && !k.Nobody && !k.Silent && (q == nil || !q.Open() && q.Reason != Expired) {
				out["unasked"] = fmt.Sprintf("%s: its network is neither answered nor asked about: %+v", p.id(), *k)
			}
		}
	}
	for _, id := range sortedKeys(e.prompts) {
		if q := e.prompts[id]; q.Open() && prompts[id] != q.Phone {
			out["orphan-prompt"] = fmt.Sprintf("prompt %d is open, and is not that of %s", id, q.Phone)
		}
	}
	pending := map[string]bool{}
	for _, id := range sortedKeys(e.claims) {
		c := e.claims[id]
		if c.State != ClaimOpen {
			continue
		}
		pending[string(c.Location)] = true
		if !standing[c.Answer] {
			out["open-claim"] = fmt.Sprintf("claim %d is open, its answer %d does not stand", id, c.Answer)
		}
		if l, _ := e.dir.Location(c.Location); l.Retired {
			out["retired-claim"] = fmt.Sprintf("claim %d is open, its location %s is retired", id, c.Location)
		}
	}
	for l := range e.dir.Tree().All() {
		if l.Pending && !l.Retired && !pending[string(l.ID)] {
			out["pending"] = fmt.Sprintf("location %s is pending without an open claim", l.ID)
		}
	}
	return out
}

// Stands reports whether an answer stands for any network.
func (e *Engine) Stands(answer int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.phones.All() {
		for _, k := range p.Known {
			if a := e.standing(p, k); a != nil && a.ID == answer {
				return true
			}
		}
	}
	return false
}

// Concerned reports whether who has a link is somebody still to whom it must open:
// who is asked about the phone. A hot desk forgets whom it asked before the login.
func (e *Engine) Concerned(l Link) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	var id discovery.PhoneID
	switch l.Purpose {
	case MailPrompt:
		id = e.prompts[l.ID].Phone
	case MailNotice:
		id = e.answers[l.ID].Phone
	default:
		return false
	}
	p := e.phones.Of(id)
	return p != nil && slices.Contains(e.recipients(p), l.User)
}

// Deadlines is how many settle deadlines the agenda holds.
func (e *Engine) Deadlines() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.agenda.settling)
}
