package main

import (
	"maps"
	"sync"
	"time"

	"perch/discovery"
)

// heard counts what was heard on an interface. The zero value has heard nothing.
type heard struct {
	mu    sync.Mutex
	count counts
}

// counts are what doctor judges by.
type counts struct {
	First     time.Time             `json:"first,omitzero"`
	Kinds     map[string]kindCount  `json:"kinds,omitempty"`
	VLANs     map[uint16]int        `json:"vlans,omitempty"`
	Malformed int                   `json:"malformed,omitempty"`
	Broken    map[string]int        `json:"malformed_by_kind,omitempty"`
	Answered  int                   `json:"answered,omitempty"` // REGISTERs accepted
	Relayed   int                   `json:"relayed,omitempty"`  // DHCP messages with a relay's address
	Option82  int                   `json:"option_82,omitempty"`
	Senders   map[discovery.MAC]int `json:"ip_senders,omitempty"` // of frames with IP, the first few
	Phones    int                   `json:"phones,omitempty"`     // LLDP and CDP frames of phones
	Switches  int                   `json:"switches,omitempty"`   // and of switches
	Phone     time.Time             `json:"last_phone,omitzero"`  // when the last of each was heard
	Switch    time.Time             `json:"last_switch,omitzero"`
	Decoder   decoderCounts         `json:"decoder,omitzero"`
}

// decoderCounts are what was heard and not made a message of.
type decoderCounts struct {
	Panics    uint64 `json:"panics,omitempty"`    // frames that made a decoder panic
	Fragments uint64 `json:"fragments,omitempty"` // datagrams that were not put together
	Streams   uint64 `json:"streams,omitempty"`   // times that a SIP connection was lost track of
}

// last returns when anything was heard last; zero: nothing was.
func (c *counts) last() (at time.Time) {
	for _, k := range c.Kinds {
		if k.Last.After(at) {
			at = k.Last
		}
	}
	return at
}

// kindCount is how often something was heard, and when last.
type kindCount struct {
	Count int       `json:"count"`
	Last  time.Time `json:"last"`
}

// What is kept apart in counts is bounded: a wire can show any number of these.
const (
	mostVLANs   = 32
	mostSenders = 8
)

func (h *heard) add(o *discovery.Observation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &h.count
	if c.Kinds == nil {
		c.First = o.Time
		c.Kinds, c.Broken, c.VLANs, c.Senders = map[string]kindCount{}, map[string]int{}, map[uint16]int{}, map[discovery.MAC]int{}
	}
	k := o.Kind.String()
	c.Kinds[k] = kindCount{c.Kinds[k].Count + 1, o.Time}
	if v := o.VLAN(); v != 0 {
		if _, known := c.VLANs[v]; known || len(c.VLANs) < mostVLANs {
			c.VLANs[v]++
		}
	}
	if o.SrcIP.IsValid() {
		if _, known := c.Senders[o.MAC]; known || len(c.Senders) < mostSenders {
			c.Senders[o.MAC]++
		}
	}
	if o.Malformed != "" {
		c.Malformed++
		c.Broken[k]++
	}
	switch {
	case o.Response != nil && o.Response.Status/100 == 2:
		c.Answered++
	case o.DHCP != nil:
		if o.DHCP.Giaddr.IsValid() {
			c.Relayed++
		}
		if o.DHCP.CircuitID != "" {
			c.Option82++
		}
	case o.LLDP != nil, o.CDP != nil:
		switch o.Announcer() {
		case discovery.PhoneAnnouncer:
			c.Phones, c.Phone = c.Phones+1, o.Time
		case discovery.SwitchAnnouncer:
			c.Switches, c.Switch = c.Switches+1, o.Time
		}
	}
}

// decoded takes what the decoder counts.
func (h *heard) decoded(s discovery.DecoderStats) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count.Decoder = decoderCounts{
		Panics:    s.Panics,
		Fragments: s.FragmentsExpired + s.FragmentsRefused + s.FragmentsEvicted,
		Streams:   s.StreamsEvicted + s.StreamsBroken,
	}
}

// counted returns a copy of the counts.
func (h *heard) counted() counts {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.count
	c.Kinds, c.Broken, c.VLANs, c.Senders = maps.Clone(c.Kinds), maps.Clone(c.Broken), maps.Clone(c.VLANs), maps.Clone(c.Senders)
	return c
}
