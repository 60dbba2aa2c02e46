package serve

import (
	"bytes"
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"perch/discovery"
	"perch/provisioning"
)

// Asking is a phone that asked for its own file and did not prove which it is: one that
// nobody has listed, or one that has lost its password, as by a factory reset.
type Asking struct {
	MAC      discovery.MAC       `json:"mac"`
	Vendor   provisioning.Vendor `json:"vendor"`
	Model    string              `json:"model,omitempty"`
	Firmware string              `json:"firmware,omitempty"`
	By       string              `json:"by"` // https, http, tftp or pnp
	Source   netip.Addr          `json:"source"`
	Agent    string              `json:"agent,omitempty"` // User-Agent
	First    time.Time           `json:"first"`
	Last     time.Time           `json:"last"`
	Times    int                 `json:"times"`
}

// Asks are the phones that ask. Anybody can name a MAC, so only those of a known vendor
// count, from networks of phones, and the ones that asked last.
type Asks struct {
	Allow []netip.Prefix // networks of phones

	mu sync.Mutex
	by map[discovery.MAC]*Asking
}

const (
	maxAsks = 1024
	asksFor = 24 * time.Hour // how long one that asks no more is listed
)

// note notes that a phone asks. It is the same work for one that is listed.
func (a *Asks) note(ask Asking, now time.Time) {
	if a == nil || !within(a.Allow, ask.Source) {
		return
	}
	ask.Agent = short(ask.Agent)
	name := cmp.Or(string(discovery.OUIVendor(ask.MAC)), string(ask.Vendor))
	if name == "" { // which takes its time
		name = string(discovery.ParseUserAgent(ask.Agent).Vendor)
	}
	vendor, err := provisioning.ParseVendor(name)
	if err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	x := a.by[ask.MAC]
	if x == nil {
		if a.by == nil {
			a.by = map[discovery.MAC]*Asking{}
		}
		if len(a.by) >= maxAsks {
			oldest := slices.MinFunc(slices.Collect(maps.Values(a.by)), func(x, y *Asking) int { return x.Last.Compare(y.Last) })
			delete(a.by, oldest.MAC)
		}
		x = &Asking{MAC: ask.MAC, First: now}
		a.by[ask.MAC] = x
	}
	x.Vendor, x.By, x.Source, x.Last = vendor, ask.By, ask.Source, now
	x.Times++
	if ask.Model != "" {
		x.Model, x.Firmware = short(ask.Model), short(ask.Firmware)
	}
	if ask.Agent != "" {
		x.Agent = ask.Agent
	}
}

// short bounds what somebody says, and leaves out what cannot be printed.
func short(s string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, strings.ToValidUTF8(s[:min(len(s), maxName)], ""))
}

// forget forgets a phone that proved which it is.
func (a *Asks) forget(m discovery.MAC) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.by, m)
}

// SourceOf returns from where a phone asked last; false if it does not ask.
func (a *Asks) SourceOf(m discovery.MAC, now time.Time) (from netip.Addr, asks bool) {
	if a == nil {
		return from, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	x := a.by[m]
	if x == nil || now.Sub(x.Last) > asksFor {
		return from, false
	}
	return x.Source, true
}

// List returns them, by MAC.
func (a *Asks) List(now time.Time) (list []Asking) {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for m, x := range a.by {
		if now.Sub(x.Last) > asksFor {
			delete(a.by, m)
			continue
		}
		said, y := discovery.ParseUserAgent(x.Agent), *x
		y.Model, y.Firmware = cmp.Or(said.Model, x.Model), cmp.Or(said.Firmware, x.Firmware)
		list = append(list, y)
	}
	slices.SortFunc(list, func(x, y Asking) int { return bytes.Compare(x.MAC[:], y.MAC[:]) })
	return list
}
