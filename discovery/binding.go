package discovery

import (
	"encoding/binary"
	"iter"
	"net/netip"
)

// address is an IP within a site: private addresses repeat between sites.
type address struct {
	Site string
	IP   netip.Addr
}

// binding says which MAC an IP belongs to.
type binding struct {
	MAC   MAC
	Firm  bool // by a lease, or an accepted REGISTER
	At    Instant
	Until Instant
}

// bindings are the bindings of all addresses. There are few sites, and one address
// or more for each phone, so an address is a key within its site: of 4 octets if it
// is IPv4.
type bindings map[string]*siteBindings

type siteBindings struct {
	four map[uint32]binding
	six  map[netip.Addr]binding // all that is not IPv4
}

func fourOctets(ip netip.Addr) uint32 {
	b := ip.As4()
	return binary.BigEndian.Uint32(b[:])
}

// of returns the binding of an address, if there is one.
func (bs bindings) of(a address) (b binding, ok bool) {
	s := bs[a.Site]
	switch {
	case s == nil:
	case a.IP.Is4():
		b, ok = s.four[fourOctets(a.IP)]
	default:
		b, ok = s.six[a.IP]
	}
	return b, ok
}

func (bs bindings) set(a address, b binding) {
	s := bs[a.Site]
	if s == nil {
		s = &siteBindings{four: map[uint32]binding{}, six: map[netip.Addr]binding{}}
		bs[a.Site] = s
	}
	if a.IP.Is4() {
		s.four[fourOctets(a.IP)] = b
	} else {
		s.six[a.IP] = b
	}
}

// room makes room for bindings in order of their addresses, before any is set.
func (bs bindings) room(stored []storedBinding) {
	for len(stored) > 0 {
		site, n, four := stored[0].Site, 0, 0
		for ; n < len(stored) && stored[n].Site == site; n++ {
			if stored[n].IP.Is4() {
				four++
			}
		}
		if bs[site] == nil { // else they are not in order
			bs[site] = &siteBindings{four: make(map[uint32]binding, four), six: make(map[netip.Addr]binding, n-four)}
		}
		stored = stored[n:]
	}
}

func (bs bindings) delete(a address) {
	switch s := bs[a.Site]; {
	case s == nil:
	case a.IP.Is4():
		delete(s.four, fourOctets(a.IP))
	default:
		delete(s.six, a.IP)
	}
}

func (bs bindings) len() int {
	n := 0
	for _, s := range bs {
		n += len(s.four) + len(s.six)
	}
	return n
}

// all yields the bindings, in no order. They may be deleted meanwhile.
func (bs bindings) all() iter.Seq2[address, binding] {
	return func(yield func(address, binding) bool) {
		for site, s := range bs {
			for four, b := range s.four {
				var ip [4]byte
				binary.BigEndian.PutUint32(ip[:], four)
				if !yield(address{site, netip.AddrFrom4(ip)}, b) {
					return
				}
			}
			for ip, b := range s.six {
				if !yield(address{site, ip}, b) {
					return
				}
			}
		}
	}
}
