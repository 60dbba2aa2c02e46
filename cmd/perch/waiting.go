package main

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"perch/discovery"
	"perch/provisioning"
)

// waitingPhone is a phone that waits for an admin: nobody has listed it, or it asks for its
// files without the password that it had.
type waitingPhone struct {
	MAC      discovery.MAC       `json:"mac"`
	Why      string              `json:"why"` // new, or "no password"
	Vendor   provisioning.Vendor `json:"vendor"`
	Model    string              `json:"model,omitempty"`
	Firmware string              `json:"firmware,omitempty"`
	Label    string              `json:"label,omitempty"`
	Site     string              `json:"site,omitempty"`
	Source   netip.Addr          `json:"source,omitzero"`
	By       string              `json:"by"` // https, http, tftp, pnp; or heard
	Last     time.Time           `json:"last"`
}

// Why a phone waits.
const (
	waitsNew    = "new"
	waitsFirst  = "first fetch" // it is listed, and has never fetched its files
	waitsForget = "no password"
)

// waitSilence is how long a listed phone has to say its password after it was asked for it, and
// maxWaiting how many phones are shown.
const (
	waitSilence = 10 * time.Second
	maxWaiting  = 1000
)

// waiting returns the phones that wait, by MAC, the first few of them: those that asked here for
// their files, and those that were heard on the networks. All is how many there are.
func (s *session) waiting(now time.Time) (list []waitingPhone, all int) {
	asked := map[discovery.MAC]bool{}
	if s.phones != nil {
		for _, a := range s.phones.asks.List(now) {
			w := waitingPhone{MAC: a.MAC, Why: waitsNew, Vendor: a.Vendor, Model: a.Model, Firmware: a.Firmware, Site: s.siteOf(a.Source), Source: a.Source, By: a.By, Last: a.Last.UTC()}
			if p, err := s.phone(a.MAC); err == nil { // whose site it says, whoever asks from where
				w.Label, w.Site = p.Label, p.Site
				if p.Vendor != "" {
					if now.Sub(a.First) < waitSilence || a.By == "pnp" { // or it was told where it finds it
						continue
					}
					w.Why, w.Vendor, w.Model = waitsForget, p.Vendor, cmp.Or(w.Model, p.Model)
					if _, fetched := s.audit.lastOf(a.MAC); !fetched {
						w.Why = waitsFirst
					}
				}
			}
			asked[a.MAC] = true
			list = append(list, w)
		}
	}
	strangers, n := s.engine.Strangers(maxWaiting)
	all = len(list) + n
	for _, x := range strangers {
		v, err := provisioning.ParseVendor(string(x.Identity.Vendor))
		if err != nil || asked[x.MAC] {
			all--
			continue
		}
		list = append(list, waitingPhone{
			MAC: x.MAC, Why: waitsNew, Vendor: v, Model: x.Identity.Model, Firmware: x.Identity.Firmware, Site: x.Site, Source: x.IP, By: "heard", Last: x.Heard.UTC(),
		})
	}
	slices.SortFunc(list, func(a, b waitingPhone) int { return bytes.Compare(a.MAC[:], b.MAC[:]) })
	return list[:min(len(list), maxWaiting)], all
}

// waits returns a phone that waits.
func (s *session) waits(m discovery.MAC) (waitingPhone, bool) {
	list, _ := s.waiting(time.Now())
	i := slices.IndexFunc(list, func(w waitingPhone) bool { return w.MAC == m })
	if i < 0 {
		return waitingPhone{}, false
	}
	return list[i], true
}

// siteOf is the site of an address that phones come from.
func (s *session) siteOf(a netip.Addr) string {
	if _, site, ok := strings.Cut(s.config.sipPart(a), ":"); ok {
		return site
	}
	site := s.config.Site
	s.engine.Read(func(d *provisioning.Directory) {
		best := -1
		for _, x := range d.Sites() {
			if sub, ok := d.SiteSubnet(x.ID, a); ok && sub.Bits() > best {
				best, site = sub.Bits(), x.ID
			}
		}
	})
	return site
}
