package discovery

import (
	"cmp"
	"container/heap"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"perch/sip"
)

// state is what the tracker knows apart from phones, as it is stored: lists
// instead of maps, in order of their keys, so that the same knowledge gives the
// same bytes.
type state struct {
	Wires     []*wire          `json:",omitempty"`
	Bindings  []storedBinding  `json:",omitempty"`
	Routers   []storedRouter   `json:",omitempty"`
	Gateways  []storedGateway  `json:",omitempty"`
	Circuits  []storedCircuit  `json:",omitempty"`
	Requests  []storedRequest  `json:",omitempty"`
	Tries     []storedTry      `json:",omitempty"`
	Instances []storedInstance `json:",omitempty"`
	Counts    []storedCount    `json:",omitempty"`
	Requests6 []storedRequest6 `json:",omitempty"` // oldest first
	Links     []storedLink     `json:",omitempty"`
	Devices   []*Track         `json:",omitempty"` // not (yet) phones
	Pruned    Instant          `json:",omitzero"`

	InstancesLeft int `json:",omitempty"`
}

type (
	storedBinding struct {
		address
		MAC       MAC
		At, Until Instant
		Firm      bool `json:",omitempty"`
	}
	storedRouter struct {
		MAC MAC
		router
	}
	storedGateway struct {
		address
		At Instant
	}
	storedCircuit struct {
		circuit
		Holders []holder
	}
	storedRequest struct {
		MAC MAC
		request
	}
	storedRequest6 struct {
		DUID Hex
		request6
	}
	storedLink struct {
		subnet6
		link6
	}
	storedTry struct {
		transaction
		try
	}
	storedInstance struct {
		Instance string
		MAC      MAC
	}
	storedCount struct {
		AOR sip.AOR
		N   int
	}
)

// list turns a map into a list in order of key.
func list[K comparable, V, S any](m map[K]V, order func(a, b K) int, stored func(K, V) S) []S {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, order)
	out := make([]S, 0, len(keys))
	for _, k := range keys {
		out = append(out, stored(k, m[k]))
	}
	return out
}

func compareMACs(a, b MAC) int { return slices.Compare(a[:], b[:]) }

func compareAddresses(a, b address) int {
	return cmp.Or(cmp.Compare(a.Site, b.Site), a.IP.Compare(b.IP))
}

// MarshalState returns what the tracker knows apart from phones.
func (t *Tracker) MarshalState() (json.RawMessage, error) {
	s := state{Pruned: t.pruned, InstancesLeft: t.instancesLeft}
	s.Wires = list(t.wires, cmp.Compare[string], func(_ string, w *wire) *wire { return w })
	s.Bindings = list(maps.Collect(t.bindings.all()), compareAddresses, func(a address, b binding) storedBinding { return storedBinding{a, b.MAC, b.At, b.Until, b.Firm} })
	s.Routers = list(t.routers, compareMACs, func(m MAC, r *router) storedRouter { return storedRouter{m, *r} })
	s.Gateways = list(t.gateways, compareAddresses, func(a address, at Instant) storedGateway { return storedGateway{a, at} })
	s.Circuits = list(t.circuits,
		circuit.compare,
		func(c circuit, h []holder) storedCircuit { return storedCircuit{c, h} })
	s.Requests = list(t.requests, compareMACs, func(m MAC, r request) storedRequest { return storedRequest{m, r} })
	for _, duid := range t.order6 {
		s.Requests6 = append(s.Requests6, storedRequest6{duid, t.requests6[duid]})
	}
	s.Links = list(t.links, subnet6.compare, func(k subnet6, l link6) storedLink { return storedLink{k, l} })
	s.Tries = t.storedTries(s.Wires)
	s.Instances = list(t.instances, cmp.Compare[string], func(i string, m MAC) storedInstance { return storedInstance{i, m} })
	s.Counts = list(t.counts, cmp.Compare[sip.AOR], func(a sip.AOR, n int) storedCount { return storedCount{a, n} })
	s.Devices = t.sortedTracks(false)
	return json.Marshal(s)
}

// UnmarshalState makes a new tracker go on from what MarshalState wrote; nothing is
// an empty state.
func (t *Tracker) UnmarshalState(text string) error {
	if text == "" {
		return nil
	}
	var r Stored
	r.Reset(text)
	s := r.state()
	if !r.Done() {
		s = new(state)
		if err := json.Unmarshal([]byte(text), s); err != nil {
			return fmt.Errorf("tracker: %w", err)
		}
	}
	t.setState(s)
	return nil
}

func (t *Tracker) setState(s *state) {
	t.instances = make(map[string]MAC, len(s.Instances))
	t.circuits = make(map[circuit][]holder, len(s.Circuits))
	t.bindings.room(s.Bindings)
	t.pruned, t.instancesLeft = s.Pruned, s.InstancesLeft
	for _, w := range s.Wires {
		t.wires[w.Name] = w
	}
	for _, x := range s.Bindings {
		t.bindings.set(x.address, binding{x.MAC, x.Firm, x.At, x.Until})
	}
	for _, x := range s.Routers {
		t.routers[x.MAC] = &x.router
	}
	for _, x := range s.Gateways {
		t.gateways[x.address] = x.At
	}
	for _, x := range s.Circuits {
		t.circuits[x.circuit] = x.Holders
		if t.shared(x.circuit) {
			t.watchCircuit(x.circuit)
		}
	}
	for _, x := range s.Requests {
		t.requests[x.MAC] = x.request
	}
	for _, x := range s.Requests6 {
		t.requests6[x.DUID] = x.request6
		t.order6 = append(t.order6, x.DUID)
	}
	for _, x := range s.Links {
		t.links[x.subnet6] = x.link6
		t.linkBits |= 1 << (x.Prefix.Bits() - shortestLink)
	}
	t.restoreTries(s.Tries)
	for _, x := range s.Instances {
		t.instances[x.Instance] = x.MAC
	}
	for _, x := range s.Counts {
		t.counts[x.AOR] = x.N
	}
	for _, tr := range s.Devices {
		t.tracks.Set(tr.ID, tr)
	}
	t.accounted = false
}

// Restore takes over phones' tracks, best all at once. Each is looked at when something of
// it goes stale.
func (t *Tracker) Restore(tracks ...*Track) {
	t.tracks.Grow(len(tracks))
	t.ageing = slices.Grow(t.ageing, len(tracks))
	for _, tr := range tracks {
		t.tracks.Set(tr.ID, tr)
		if at := t.due(tr); !at.IsZero() {
			tr.wake = at
			t.ageing = append(t.ageing, deadline{at: at, tr: tr})
		}
	}
	heap.Init(&t.ageing)
	t.accounted = false
}
