package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"perch/discovery"
	"perch/location"
	"perch/provisioning"
)

// phoneState is a phone as it is stored: what discovery knows of it, and what
// the workflow does.
type phoneState struct {
	Track *discovery.Track
	Phone *phone
}

// load takes over what a store holds.
func (e *Engine) load(s State, in *intake) error {
	if err := in.err(); err != nil {
		return err
	}
	e.dir = in.dir
	e.tracker = in.tracker
	e.tracker.SetDirectory(phonebook{e.dir})
	e.now, e.ids, e.typ, e.key = s.Time, s.Counters, s.Type, s.Key
	for _, x := range s.Positions {
		e.sources[x.SHA256] = x
	}
	for i := range s.Prompts {
		e.prompts[s.Prompts[i].ID] = &s.Prompts[i]
	}
	for i := range s.Claims {
		e.claims[s.Claims[i].ID] = &s.Claims[i]
	}
	for i := range s.Answers {
		e.answers[s.Answers[i].ID] = &s.Answers[i]
		e.replies[s.Answers[i].Prompt] = s.Answers[i].ID
	}
	e.loadPhones(in.phones())
	e.loadEmergencies(s.Emergencies)
	for _, q := range s.Prompts {
		if p := e.phones.Of(q.Phone); p != nil && p.Prompt == q.ID && !p.Later.IsZero() {
			e.agenda.add(due{at: p.Later, what: dueMail, prompt: q.ID})
		}
		switch {
		case q.Open():
			e.agenda.add(due{at: discovery.InstantOf(q.Opened.Add(e.cfg.Policy.PromptExpiry)), what: dueExpiry, prompt: q.ID})
		case q.Reason == Expired:
			if at := q.Closed.Add(e.cfg.Policy.AskAgain); !at.Before(e.now) {
				e.agenda.add(due{at: discovery.InstantOf(at), what: dueAskAgain, prompt: q.ID})
			}
		}
	}
	return nil
}

// loadPhones takes over the phones.
func (e *Engine) loadPhones(phones []*phone) {
	e.phones.Grow(len(phones))
	tracks := make([]*discovery.Track, len(phones))
	for i, p := range phones {
		e.phones.Set(p.id(), p)
		tracks[i] = p.track
		if !p.Heir.Nobody() {
			e.heirs[p.Heir] = p.id().MAC
		}
		if !p.Due.IsZero() {
			e.agenda.add(due{at: p.Due, what: dueSettle, phone: p})
		}
	}
	e.tracker.Restore(tracks...)
}

// intake reads the large parts of a state, each by itself. It implements Parts.
type intake struct {
	mu sync.Mutex

	dir     *provisioning.Directory
	tracker *discovery.Tracker // without its directory and its phones
	parts   [][]*phone         // in order

	dirErr, trackerErr error
	phoneErr           error
	phonePart          int // in which phoneErr is: the first of all
}

// take reads what a store holds.
func take(ctx context.Context, cfg discovery.Config, store Store) (State, *intake, error) {
	in := &intake{tracker: discovery.NewTracker(cfg, nil)}
	if s, ok := store.(PartLoader); ok {
		state, err := s.LoadParts(ctx, in)
		return state, in, err
	}
	s, err := store.Load(ctx)
	if err == nil {
		in.Directory(s.Directory)
		in.Tracker(string(s.Tracker))
		phones := make([]StoredPhone, len(s.Phones))
		for i, rec := range s.Phones {
			phones[i] = StoredPhone{rec.Phone, rec.Assignment, string(rec.State)}
		}
		in.Phones(0, phones)
	}
	return s, in, err
}

// err returns the first error, in the order in which a state depends on its parts.
func (in *intake) err() error {
	for _, err := range []error{in.dirErr, in.trackerErr, in.phoneErr} {
		if err != nil {
			return err
		}
	}
	return nil
}

// Directory implements Parts.
func (in *intake) Directory(c provisioning.Content) {
	in.dir, in.dirErr = provisioning.NewDirectory(c)
}

// Tracker implements Parts.
func (in *intake) Tracker(text string) { in.trackerErr = in.tracker.UnmarshalState(text) }

// Phones implements Parts.
func (in *intake) Phones(n int, part []StoredPhone) {
	var r discovery.Stored
	phones := make([]*phone, 0, len(part))
	var failed error
	for i := range part {
		p, err := readPhone(&r, &part[i])
		if err != nil {
			failed = err
			break
		}
		phones = append(phones, p)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if failed != nil && (in.phoneErr == nil || n < in.phonePart) {
		in.phoneErr, in.phonePart = failed, n
	}
	for len(in.parts) <= n {
		in.parts = append(in.parts, nil)
	}
	in.parts[n] = phones
}

// phones returns all phones in order of their ids, once.
func (in *intake) phones() []*phone {
	all := slices.Concat(in.parts...)
	in.parts = nil
	byID := func(a, b *phone) int { return a.id().Compare(b.id()) }
	if !slices.IsSortedFunc(all, byID) {
		slices.SortFunc(all, byID)
	}
	return all
}

// readPhone reads one phone's row.
func readPhone(r *discovery.Stored, rec *StoredPhone) (*phone, error) {
	var ps phoneState
	if r.Reset(rec.State); !ps.read(r) {
		ps = phoneState{}
		if err := json.Unmarshal([]byte(rec.State), &ps); err != nil || ps.Track == nil || ps.Phone == nil {
			return nil, fmt.Errorf("phone %s: unreadable state: %w", rec.Phone, err)
		}
	}
	p := ps.Phone
	p.track, p.Assignment = ps.Track, rec.Assignment
	for _, k := range p.Known {
		if k.At != nil && k.at() == p.track.Attachment() {
			k.At = p.track.Attached() // as merge has it
		}
	}
	return p, nil
}

// read reads what is stored of a phone, if it is as this version writes it.
func (ps *phoneState) read(r *discovery.Stored) bool {
	r.Open()
	if r.Key("Track") {
		ps.Track = r.Track()
	}
	if r.Key("Phone") {
		ps.Phone = new(phone)
		ps.Phone.read(r)
	}
	r.Close()
	return r.Done() && ps.Track != nil && ps.Phone != nil
}

func (p *phone) read(r *discovery.Stored) {
	r.Open()
	if r.Key("Known") {
		p.Known = discovery.StoredList(r, func(r *discovery.Stored, k **known) {
			*k = new(known)
			(*k).read(r)
		})
	}
	p.Acted, p.Due = int(r.Count("Acted")), r.InstantOf("Due")
	p.Degraded, p.Prompt = r.Flag("Degraded"), r.Count("Prompt")
	if r.Key("Declined") {
		p.Declined = discovery.StoredOther[few[string]](r)
	}
	if r.Key("Asked") {
		p.Asked = discovery.StoredOther[few[asked]](r)
	}
	p.Later = r.InstantOf("Later")
	if r.Key("Heir") {
		p.Heir = discovery.StoredOther[discovery.MAC](r)
	}
	r.Close()
}

func (k *known) read(r *discovery.Stored) {
	r.Open()
	if r.Key("At") {
		k.At = r.Attached()
	}
	k.Since, k.InForce = r.InstantOf("Since"), r.InstantOf("InForce")
	k.Answer, k.Prompt = r.Count("Answer"), r.Count("Prompt")
	k.Silent, k.Nobody = r.Flag("Silent"), r.Flag("Nobody")
	if r.Key("Match") {
		k.Match = location.ID(r.Shared())
	}
	if r.Key("From") {
		k.Departure = &Departure{From: discovery.StoredOther[*discovery.Network](r)}
	}
	if r.Key("Left") {
		if k.Departure == nil {
			k.Departure = new(Departure)
		}
		k.Left = location.ID(r.Text())
	}
	r.Close()
}
