package storetest

import (
	"encoding/json"
	"slices"
	"sync"

	"perch/gateway"
	"perch/provisioning"
)

// parts puts a state together that is handed over in parts. It implements
// gateway.Parts.
type parts struct {
	mu      sync.Mutex
	suite   *suite
	content *provisioning.Content
	tracker string
	phones  map[int][]gateway.StoredPhone
}

// loadParts returns the whole state, phones in order.
func (s *suite) loadParts(store gateway.PartLoader) gateway.State {
	s.Helper()
	p := &parts{suite: s, phones: map[int][]gateway.StoredPhone{}}
	st, err := store.LoadParts(s.Context(), p)
	if err != nil {
		s.Fatalf("LoadParts: %v", err)
	}
	if p.content == nil {
		s.Fatal("LoadParts gave no directory")
	}
	st.Directory = *p.content
	if p.tracker != "" {
		st.Tracker = json.RawMessage(p.tracker)
	}
	for n := range len(p.phones) {
		part, ok := p.phones[n]
		if !ok {
			s.Fatalf("LoadParts gave %d parts of phones, but not number %d", len(p.phones), n)
		}
		for _, x := range part {
			st.Phones = append(st.Phones, gateway.PhoneRecord{Phone: x.Phone, Assignment: x.Assignment, State: json.RawMessage(x.State)})
		}
	}
	slices.SortFunc(st.Phones, func(a, b gateway.PhoneRecord) int { return a.Phone.Compare(b.Phone) })
	return st
}

// Directory implements gateway.Parts.
func (p *parts) Directory(c provisioning.Content) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.content != nil {
		p.suite.Error("LoadParts gave the directory twice")
	}
	p.content = &c
}

// Tracker implements gateway.Parts.
func (p *parts) Tracker(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tracker != "" {
		p.suite.Error("LoadParts gave the tracker twice")
	}
	p.tracker = text
}

// Phones implements gateway.Parts.
func (p *parts) Phones(n int, part []gateway.StoredPhone) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phones[n] != nil {
		p.suite.Errorf("LoadParts gave part %d of the phones twice", n)
	}
	p.phones[n] = part
}
