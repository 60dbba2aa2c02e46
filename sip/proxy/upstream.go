package proxy

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// upstreams are the PBXs: what the configuration names, and where that is.
type upstreams struct {
	names   []*upstreamName
	targets atomic.Pointer[[]*target] // in order of preference
	mu      sync.Mutex                // for those who change targets
	lookUp  resolver
	log     *slog.Logger
}

// upstreamName is one entry of the configuration, the first preferred.
type upstreamName struct {
	transport transport
	host      string
	port      uint16 // 0: it is looked up (RFC 3263 section 4.2)
	found     []*target
}

// target is one PBX.
type target struct {
	transport transport
	addr      netip.AddrPort
	host      string // as it is configured
	order     int    // of its name in the configuration
	priority  uint16 // within that, the lowest first (RFC 2782)
	weight    uint16

	silent atomic.Int64 // since when it owes an answer, by the clock of since; 0: it owes none
	until  atomic.Int64 // until when it wants nothing, as by Retry-After
	down   atomic.Bool
}

// resolver is what of net.Resolver is used.
type resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// How PBXs are looked up.
const (
	lookUpEvery   = time.Minute
	lookUpTimeout = 3 * time.Second
)

func (u *upstreams) add(s string) error {
	t, hostport, err := cutUpstream(s)
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return err
	}
	n := &upstreamName{transport: t, host: host}
	if port != "" {
		p, err := strconv.ParseUint(port, 10, 16)
		if err != nil || p == 0 {
			return errors.New("the port is no number from 1 to 65535")
		}
		n.port = uint16(p)
	}
	u.names = append(u.names, n)
	return nil
}

// cutUpstream cuts "udp:host:port" or "udp:host", of which the port is looked up.
func cutUpstream(s string) (t transport, hostport string, err error) {
	name, host, _ := strings.Cut(s, ":")
	t, ok := transportOfName[strings.ToLower(name)]
	if !ok || t.web() {
		return 0, "", errors.New("want udp:HOST:PORT, tcp:HOST:PORT or tls:HOST:PORT, or without a port for SRV records")
	}
	if _, _, err := net.SplitHostPort(host); err == nil {
		return t, host, nil
	}
	if host == "" || strings.ContainsAny(host, ":/ ") {
		return 0, "", errors.New("want a host, and a port unless it has SRV records; an IPv6 address in brackets")
	}
	return t, host + ":", nil
}

// resolve looks all names up. Of one that is not found what was found before stays,
// without limit. The error is of those of which nothing was ever found.
func (u *upstreams) resolve(ctx context.Context) error {
	var errs []error
	for _, n := range u.names {
		found, err := n.lookUp(ctx, u.lookUp)
		if err == nil {
			n.found = found
		} else if n.found == nil {
			errs = append(errs, err)
		} else {
			u.log.Warn("a PBX is not found; the last addresses are kept", "host", n.host, "error", err)
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	var all []*target
	for order, n := range u.names {
		for _, t := range n.found {
			t.order = order
			if old := u.same(t); old != nil {
				old.order, t = order, old
			}
			all = append(all, t)
		}
	}
	slices.SortStableFunc(all, func(a, b *target) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.priority, b.priority), a.addr.Compare(b.addr))
	})
	u.targets.Store(&all)
	return errors.Join(errs...)
}

// same returns the target that is there already, whose state goes on.
func (u *upstreams) same(t *target) *target {
	for _, o := range u.list() {
		if o.addr == t.addr && o.transport == t.transport && o.priority == t.priority && o.weight == t.weight {
			return o
		}
	}
	return nil
}

func (u *upstreams) list() []*target {
	if l := u.targets.Load(); l != nil {
		return *l
	}
	return nil
}

// at reports whether a PBX is at an address.
func (u *upstreams) at(a netip.Addr) bool {
	for _, t := range u.list() {
		if t.addr.Addr() == a {
			return true
		}
	}
	return false
}

// lookUp finds the addresses of a name (RFC 3263 section 4): of a port, or by SRV
// records, or at the default port.
func (n *upstreamName) lookUp(ctx context.Context, r resolver) ([]*target, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	if n.port == 0 {
		service, proto := "sip", "udp"
		if n.transport != udp {
			proto = "tcp"
		}
		if n.transport == tls {
			service = "sips"
		}
		if _, records, err := r.LookupSRV(ctx, service, proto, n.host); err == nil && len(records) > 0 {
			var out []*target
			for _, s := range records {
				found, err := n.at(ctx, r, strings.TrimSuffix(s.Target, "."), s.Port)
				if err != nil {
					continue // of several PBXs one may be missing
				}
				for _, t := range found {
					t.priority, t.weight = s.Priority, s.Weight
				}
				out = append(out, found...)
			}
			if len(out) > 0 {
				return out, nil
			}
		}
	}
	return n.at(ctx, r, n.host, cmp.Or(n.port, defaultPorts[n.transport]))
}

func (n *upstreamName) at(ctx context.Context, r resolver, host string, port uint16) ([]*target, error) {
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return []*target{{transport: n.transport, host: n.host, addr: netip.AddrPortFrom(a.Unmap(), port)}}, nil
	}
	all, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var out []*target
	for _, a := range all {
		out = append(out, &target{transport: n.transport, host: n.host, addr: netip.AddrPortFrom(a.Unmap(), port)})
	}
	return out, nil
}

// keep looks the names up again and again until ctx ends.
func (u *upstreams) keep(ctx context.Context) {
	tick := time.NewTicker(lookUpEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = u.resolve(ctx) // what it could not find it has logged, or will find later
		}
	}
}

// from reports whether a request that came by a flow is a PBX's: over UDP by its
// address and port; over a connection, which may have any port, by its address and
// the port that its Via says, since phones may be on the PBX's machine; or it is
// the connection that we opened.
func (u *upstreams) from(f flow, m *message) bool {
	for _, t := range u.list() {
		if t.addr == f.peer {
			return true
		}
		if f.transport == udp || t.addr.Addr() != f.peer.Addr() {
			continue
		}
		if f.port == 0 || cmp.Or(m.vias[0].port, defaultPorts[f.transport]) == t.addr.Port() {
			return true
		}
	}
	return false
}

// choose returns the PBX that a request of a phone goes to: the one that its next
// Route or its URI names, if it is well, else the one that is preferred for its
// Call-ID. Nobody else is ever sent to, whatever a request names. One that was
// tried for this request already comes last.
func (u *upstreams) choose(m *message, tried []*target, now time.Time) *target {
	all := u.list()
	if len(all) == 0 {
		return nil
	}
	next := m.requestURI()
	m.values(route, func(_ header, at span) bool {
		next = address(m.text(at))
		return false
	})
	if p, ok := parseURI(next); ok {
		if a, err := netip.ParseAddr(string(p.host)); err == nil {
			at := netip.AddrPortFrom(a, cmp.Or(p.port, defaultPorts[udp]))
			for _, t := range all {
				if t.addr == at && t.well(now) && !slices.Contains(tried, t) {
					return t
				}
			}
		}
	}
	h := fnv.New32a()
	h.Write(m.get(callID))
	for _, fit := range [...]func(*target) bool{
		func(t *target) bool { return t.well(now) && !slices.Contains(tried, t) },
		func(t *target) bool { return !slices.Contains(tried, t) },
	} {
		if t := prefer(all, fit, h.Sum32()); t != nil {
			return t
		}
	}
	return nil
}

// prefer returns of the targets that fit one of those that are preferred, by their
// weights (RFC 2782): the same for the same hash. Each is looked at once, since it may
// change meanwhile.
func prefer(all []*target, fit func(*target) bool, hash uint32) *target {
	var group []*target
	total := uint32(0)
	for _, t := range all {
		if len(group) > 0 && (t.order != group[0].order || t.priority != group[0].priority) || !fit(t) {
			continue
		}
		group = append(group, t)
		total += uint32(t.weight) + 1 // one of weight 0 gets little, but something
	}
	if len(group) == 0 {
		return nil
	}
	at := hash % total
	for _, t := range group {
		if w := uint32(t.weight) + 1; at < w {
			return t
		} else {
			at -= w
		}
	}
	return group[0]
}

// flow is the way to the PBX.
func (t *target) flow() flow { return flow{transport: t.transport, peer: t.addr} }

// well reports whether requests should go there.
func (t *target) well(now time.Time) bool { return !t.down.Load() && t.until.Load() <= now.UnixNano() }

// anyWell reports whether there is a PBX to which requests should go.
func (u *upstreams) anyWell(now time.Time) bool {
	return slices.ContainsFunc(u.list(), func(t *target) bool { return t.well(now) })
}

// answered notes that something came from it.
func (t *target) answered() {
	t.silent.Store(0)
	t.down.Store(false)
}

// asked notes that it owes an answer from a time on, unless it owed one before.
func (t *target) asked(now time.Time) { t.silent.CompareAndSwap(0, now.UnixNano()) }

// owes is how long it has owed an answer.
func (t *target) owes(now time.Time) time.Duration {
	if since := t.silent.Load(); since != 0 {
		return now.Sub(time.Unix(0, since))
	}
	return 0
}

// target returns the PBX at the end of a flow; nil if it is none.
func (u *upstreams) target(f flow) *target {
	for _, t := range u.list() {
		if t.addr == f.peer && (t.transport == f.transport) {
			return t
		}
	}
	return nil
}
