package main

import (
	"encoding/binary"
	"net/netip"
	"time"
)

const typeIPv6 = 0x86dd

var (
	allNodes   = ip("ff02::1")
	allRouters = ip("ff02::2")
	allServers = ip("ff02::1:2") // and relays
	toNodes    = hw("33:33:00:00:00:01")
	toRouters  = hw("33:33:00:00:00:02")
	toServers  = hw("33:33:00:01:00:02")
)

// typeOf is the ethertype of an IP packet.
func typeOf(packet []byte) uint16 {
	if packet[0]>>4 == 6 {
		return typeIPv6
	}
	return typeIPv4
}

// ipv6 composes an IPv6 packet (RFC 8200); at is where the checksum stands in the
// payload, which is over a header of its own as well.
func ipv6(src, dst netip.Addr, next, hops byte, payload []byte, at int) []byte {
	pseudo := append(src.AsSlice(), dst.AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(payload)))
	pseudo = append(append(pseudo, 0, 0, 0, next), payload...)
	if len(pseudo)%2 == 1 {
		pseudo = append(pseudo, 0)
	}
	sum := checksum(pseudo)
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(payload[at:], sum)
	h := []byte{0x60, 0, 0, 0, byte(len(payload) >> 8), byte(len(payload)), next, hops}
	return append(append(append(h, src.AsSlice()...), dst.AsSlice()...), payload...)
}

func udp6(src, dst netip.AddrPort, payload []byte) []byte {
	d := binary.BigEndian.AppendUint16(nil, src.Port())
	d = binary.BigEndian.AppendUint16(d, dst.Port())
	d = binary.BigEndian.AppendUint16(d, uint16(8+len(payload)))
	return ipv6(src.Addr(), dst.Addr(), 17, 64, append(append(d, 0, 0), payload...), 6)
}

// nd composes a message of Neighbor Discovery (RFC 4861 section 4) in its packet.
func nd(src, dst netip.Addr, kind byte, body []byte) []byte {
	return ipv6(src, dst, 58, 255, append([]byte{kind, 0, 0, 0}, body...), 2)
}

// linkLocal is the address made of a MAC (RFC 4291, appendix A).
func (m mac) linkLocal() netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}

// RA is the router's announcement of the prefixes of its link.
func (n *lan) RA(t time.Time, on *link, prefixes ...string) {
	b := []byte{64, 0x80, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0} // managed; a router for 1800 s
	b = append(append(b, 1, 1), n.router[:]...)
	for _, s := range prefixes {
		p := netip.MustParsePrefix(s)
		b = append(b, 3, 4, byte(p.Bits()), 0xc0)
		b = binary.BigEndian.AppendUint32(b, 86400)
		b = binary.BigEndian.AppendUint32(b, 14400)
		b = append(append(b, 0, 0, 0, 0), p.Addr().AsSlice()...)
	}
	on.send(t, ethernet(toNodes, n.router, n.vlan, typeIPv6, nd(n.router.linkLocal(), allNodes, 134, b)))
}

// DAD tests an address before it is used; RS asks for a router.
func (p *phone) DAD(t time.Time, addr string) {
	body := append([]byte{0, 0, 0, 0}, ip(addr).AsSlice()...)
	p.on.send(t, ethernet(toNodes, p.mac, p.lan.vlan, typeIPv6, nd(netip.IPv6Unspecified(), allNodes, 135, body)))
}

func (p *phone) RS(t time.Time) {
	body := append([]byte{0, 0, 0, 0, 1, 1}, p.mac[:]...)
	p.on.send(t, ethernet(toRouters, p.mac, p.lan.vlan, typeIPv6, nd(p.mac.linkLocal(), allRouters, 133, body)))
}

// NS looks for the router from one of the phone's addresses.
func (p *phone) NS(t time.Time, addr string) {
	body := append([]byte{0, 0, 0, 0}, p.lan.router.linkLocal().AsSlice()...)
	body = append(append(body, 1, 1), p.mac[:]...)
	p.on.send(t, ethernet(toNodes, p.mac, p.lan.vlan, typeIPv6, nd(ip(addr), allNodes, 135, body)))
}

// NA tells everybody of an address.
func (p *phone) NA(t time.Time, addr string) {
	body := append([]byte{0x20, 0, 0, 0}, ip(addr).AsSlice()...)
	body = append(append(body, 2, 1), p.mac[:]...)
	p.on.send(t, ethernet(toNodes, p.mac, p.lan.vlan, typeIPv6, nd(p.mac.linkLocal(), allNodes, 136, body)))
}

// DHCPv6 message types and options (RFC 8415).
const (
	solicit6   = 1
	advertise6 = 2
	request6   = 3
	reply6     = 7
	forward6   = 12
	answer6    = 13
)

func option6(b []byte, code uint16, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, code)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

// lease6 is what the timelines need of a DHCPv6 exchange.
type lease6 struct {
	addr  string
	duid  []byte   // of the phone; made of its MAC unless given
	port  *circuit // interface ID and remote ID of the relay, if there is one
	relay string   // its address on the phone's link
	mac   bool     // the relay tells the client's MAC (option 79)
}

// message composes a client's or server's message.
func (l *lease6) message(p *phone, kind byte) []byte {
	duid := l.duid
	if duid == nil {
		duid = append([]byte{0, 3, 0, 1}, p.mac[:]...)
	}
	b := option6([]byte{kind, byte(p.xid >> 16), byte(p.xid >> 8), byte(p.xid)}, 1, duid)
	if kind != solicit6 {
		b = option6(b, 2, append([]byte{0, 3, 0, 1}, dhcpServer.mac[:]...))
	}
	ia := []byte{0, 0, 0, 1, 0, 0, 0x0e, 0x10, 0, 0, 0x15, 0x18}
	if kind == advertise6 || kind == reply6 {
		a := ip(l.addr).AsSlice()
		a = binary.BigEndian.AppendUint32(a, 43200)
		a = binary.BigEndian.AppendUint32(a, 86400)
		ia = option6(ia, 5, a)
	}
	return option6(b, 3, ia)
}

// Boot6 is a DHCPv6 exchange of four messages: on the phone's own link, or
// between its relay and the server.
func (p *phone) Boot6(t time.Time, l lease6) {
	p.xid++
	for i, kind := range []byte{solicit6, advertise6, request6, reply6} {
		p.send6(t.Add(time.Duration(i)*ms), l, kind)
	}
}

// send6 is one message of a DHCPv6 exchange.
func (p *phone) send6(t time.Time, l lease6, kind byte) {
	m := l.message(p, kind)
	up := kind == solicit6 || kind == request6
	if l.port == nil {
		client, server := netip.AddrPortFrom(p.mac.linkLocal(), 546), netip.AddrPortFrom(allServers, 547)
		if up {
			p.on.send(t, ethernet(toServers, p.mac, p.lan.vlan, typeIPv6, udp(client, server, m)))
		} else {
			server = netip.AddrPortFrom(p.lan.router.linkLocal(), 547)
			p.on.send(t, ethernet(p.mac, p.lan.router, p.lan.vlan, typeIPv6, udp(server, client, m)))
		}
		return
	}
	relay, server := netip.AddrPortFrom(ip(l.relay), 547), netip.AddrPortFrom(dhcpServer6, 547)
	b := append([]byte{forward6, 0}, relay.Addr().AsSlice()...)
	b = append(b, p.mac.linkLocal().AsSlice()...)
	b = option6(option6(b, 9, m), 18, []byte(l.port.circuit))
	if up { // RFC 4649 and 6939: these the server need not give back
		b = option6(b, 37, append([]byte{0, 0, 0, 9}, l.port.remote...))
		if l.mac {
			b = option6(b, 79, append([]byte{0, 1}, p.mac[:]...))
		}
		p.on.send(t, ethernet(dhcpServer.mac, p.lan.router, 0, typeIPv6, udp(relay, server, b)))
		return
	}
	b[0] = answer6
	p.on.send(t, ethernet(p.lan.router, dhcpServer.mac, 0, typeIPv6, udp(server, relay, b)))
}
