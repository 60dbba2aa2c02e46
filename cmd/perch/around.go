package main

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"perch/discovery"
	"perch/provisioning/settings"
	"perch/sip"
)

// around is who is heard to register with somebody else than Perch: such a phone calls for
// help without its location.
type around struct {
	ours map[netip.Addr]bool
	any  bool // all addresses of this machine are ours

	mu sync.Mutex
	by map[sip.AOR]past
}

// past is a REGISTER that went past Perch.
type past struct {
	MAC  discovery.MAC // if it says so
	From netip.Addr
	To   netip.AddrPort
	At   time.Time
}

const (
	maxAround = 1 << 14
	aroundFor = 24 * time.Hour // how long it is told of

	lookupWait = 2 * time.Second
)

// newAround knows where phones should register; nil if they need not register with Perch.
func newAround(c *config) *around {
	a := &around{ours: map[netip.Addr]bool{}, by: map[sip.AOR]past{}}
	take := func(address string) {
		p, err := settings.ParsePeer(address)
		if err != nil {
			return
		}
		ip, err := netip.ParseAddr(p.Host)
		switch {
		case err != nil:
			ctx, cancel := context.WithTimeout(context.Background(), lookupWait)
			defer cancel()
			found, _ := net.DefaultResolver.LookupHost(ctx, p.Host) // one that has no address is nobody's
			for _, f := range found {
				if ip, err := netip.ParseAddr(f); err == nil {
					a.ours[ip.Unmap()] = true
				}
			}
		case ip.IsUnspecified():
			a.any = true
		default:
			a.ours[ip.Unmap()] = true
		}
	}
	for _, l := range c.SIP.Listen {
		take(l)
	}
	for _, s := range append([]provisionSiteConfig{c.Provision.of("")}, c.Provision.Sites...) {
		if s.Proxy != "" {
			take(s.Proxy)
		}
	}
	if c.SIP.Advertise != "" {
		take("udp:" + net.JoinHostPort(c.SIP.Advertise, "5060"))
	}
	if len(a.ours) == 0 && !a.any {
		return nil
	}
	if a.any {
		found, _ := net.InterfaceAddrs() // without them less is known
		for _, f := range found {
			if p, err := netip.ParsePrefix(f.String()); err == nil {
				a.ours[p.Addr().Unmap()] = true
			}
		}
	}
	return a
}

// heard takes in what an interface heard. What Perch itself hands on to a PBX is none.
func (a *around) heard(o *discovery.Observation) {
	if a == nil || o.Kind != discovery.KindRegister || o.Register.AOR == "" {
		return
	}
	r := o.Register
	from := r.Source.Addr().Unmap()
	if a.ours[from] || a.ours[r.Destination.Addr().Unmap()] {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.by[r.AOR]; !known && len(a.by) >= maxAround {
		return
	}
	a.by[r.AOR] = past{r.ClaimedMAC, from, r.Destination, o.Time}
}

// of returns how a line was heard to register past Perch lately.
func (a *around) of(aor sip.AOR, now time.Time) (past, bool) {
	if a == nil {
		return past{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	p, ok := a.by[aor]
	return p, ok && now.Sub(p.At) < aroundFor
}
