package proxy

import (
	"hash/fnv"
	"net"
	"net/netip"
)

// upstreams are the PBXs.
type upstreams struct {
	targets []*target
}

// target is one PBX.
type target struct {
	transport transport
	addr      netip.AddrPort
}

func (u *upstreams) add(s string) error {
	t, hostport, err := cutAddress(s)
	if err != nil {
		return err
	}
	a, err := net.ResolveUDPAddr("udp", hostport) // names and ports are the same for TCP
	if err != nil {
		return err
	}
	ap := a.AddrPort()
	u.targets = append(u.targets, &target{t, netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())})
	return nil
}

// from reports whether a request that came by a flow is a PBX's: over UDP by its
// address and port; over a connection, which may have any port, by its address and
// the port that its Via says, since phones may be on the PBX's machine; or it is
// the connection that we opened.
func (u *upstreams) from(f flow, m *message) bool {
	for _, t := range u.targets {
		if t.addr == f.peer {
			return true
		}
		if f.transport == udp || t.addr.Addr() != f.peer.Addr() {
			continue
		}
		var port uint16
		m.values(via, func(_ header, at span) bool {
			if v, _ := m.parseVia(at); v.port != 0 {
				port = v.port
			} else {
				port = defaultPorts[f.transport]
			}
			return false
		})
		if f.port == 0 || port == t.addr.Port() {
			return true
		}
	}
	return false
}

// choose returns the PBX that a request of a phone goes to: the one that its next
// Route or its URI names, else one that is always the same for its Call-ID. Nobody
// else is ever sent to, whatever a request names.
func (u *upstreams) choose(m *message) *target {
	if len(u.targets) == 0 {
		return nil
	}
	next := m.requestURI()
	m.values(route, func(_ header, at span) bool {
		next = address(m.text(at))
		return false
	})
	if p, ok := parseURI(next); ok {
		if a, err := netip.ParseAddr(string(p.host)); err == nil {
			port := p.port
			if port == 0 {
				port = defaultPorts[udp]
			}
			for _, t := range u.targets {
				if t.addr == netip.AddrPortFrom(a, port) {
					return t
				}
			}
		}
	}
	h := fnv.New32a()
	h.Write(m.get(callID))
	return u.targets[h.Sum32()%uint32(len(u.targets))]
}

// flow is the way to the PBX.
func (t *target) flow() flow { return flow{transport: t.transport, peer: t.addr} }
