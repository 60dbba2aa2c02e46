package serve

import (
	"cmp"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"perch/discovery"
)

// Window lets a phone that has no password yet fetch its own file, once: somebody who knows
// that it is about to has opened it, for a while, for one MAC, and best for one network.
type Window struct {
	MAC     discovery.MAC `json:"mac"`
	Network netip.Prefix  `json:"network,omitzero"` // zero: any
	Until   time.Time     `json:"until"`
	By      string        `json:"by"` // who opened it
}

// maxWindows is how many are open at a time.
const maxWindows = 1 << 16

var errTooMany = errors.New("too many windows are open")

// Windows are those that are open. Whoever keeps them is told of each change, before it
// takes effect: what cannot be kept does not happen.
type Windows struct {
	mu   sync.Mutex
	by   map[discovery.MAC]Window
	keep func([]Window) error
}

// NewWindows returns what was kept.
func NewWindows(list []Window, keep func([]Window) error) *Windows {
	w := &Windows{by: map[discovery.MAC]Window{}, keep: keep}
	for _, x := range list {
		w.by[x.MAC] = x
	}
	return w
}

// Open opens one, in the place of one that is open for the phone.
func (w *Windows) Open(x Window) error {
	return w.change(func(by map[discovery.MAC]Window) { by[x.MAC] = x })
}

// Shut shuts that of a phone, and reports whether it was open.
func (w *Windows) Shut(m discovery.MAC, now time.Time) (was bool, err error) {
	err = w.change(func(by map[discovery.MAC]Window) {
		x, ok := by[m]
		was = ok && x.Until.After(now)
		delete(by, m)
	})
	return was, err
}

func (w *Windows) change(do func(map[discovery.MAC]Window)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := maps.Clone(w.by)
	do(next)
	now := time.Now()
	maps.DeleteFunc(next, func(_ discovery.MAC, x Window) bool { return !x.Until.After(now) })
	if len(next) > maxWindows {
		return errTooMany
	}
	if err := w.keep(sorted(next)); err != nil {
		return err
	}
	w.by = next
	return nil
}

// List returns those that are open, by MAC.
func (w *Windows) List(now time.Time) []Window {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(sorted(w.by), func(x Window) bool { return !x.Until.After(now) })
}

func sorted(by map[discovery.MAC]Window) []Window {
	return slices.SortedFunc(maps.Values(by), func(a, b Window) int { return cmp.Compare(a.MAC.String(), b.MAC.String()) })
}

// lets reports whether a phone's window is open for an address.
func (w *Windows) lets(m discovery.MAC, from netip.Addr, now time.Time) bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	x, ok := w.by[m]
	return ok && x.Until.After(now) && (!x.Network.IsValid() || x.Network.Contains(from))
}
