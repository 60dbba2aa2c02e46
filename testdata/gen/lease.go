package main

import (
	"net/netip"
	"time"
)

// Boot is a start from nothing: DISCOVER to ACK, then ARP where the link shows it.
// At most one circuit is given: the port that the relay names.
func (p *phone) Boot(t time.Time, n *lan, addr string, port ...circuit) {
	p.start(n, addr)
	p.discover(t, port, circuit{})
	p.request(t.Add(2*ms), dhcpMessage{requested: p.ip, server: dhcpServer.ip}, port, circuit{})
	p.ARP(t.Add(10 * ms))
}

// InitReboot is a start that asks for the address it had (RFC 2131 §3.2).
func (p *phone) InitReboot(t time.Time, port ...circuit) {
	p.start(p.lan, p.ip.String())
	p.request(t, dhcpMessage{requested: p.ip}, port, circuit{})
	p.ARP(t.Add(10 * ms))
}

// Forge is Boot by a phone that puts an option 82 of its own in; the server gives none back.
func (p *phone) Forge(t time.Time, n *lan, addr string, own circuit) {
	p.start(n, addr)
	p.discover(t, nil, own)
	p.request(t.Add(2*ms), dhcpMessage{requested: p.ip, server: dhcpServer.ip}, nil, own)
	p.ARP(t.Add(10 * ms))
}

func (p *phone) discover(t time.Time, port []circuit, forged circuit) {
	p.dhcpUp(t, dhcpMessage{kind: dhcpDiscover}, port, forged)
	p.dhcpDown(t.Add(ms), dhcpOffer, port)
}

func (p *phone) request(t time.Time, m dhcpMessage, port []circuit, forged circuit) {
	m.kind = dhcpRequest
	p.dhcpUp(t, m, port, forged)
	p.dhcpDown(t.Add(ms), dhcpACK, port)
}

// Renew is a unicast renewal: the relay has no part in it, so no option 82 (RFC 2131 §4.4.5).
func (p *phone) Renew(t time.Time) {
	p.xid++
	p.unicast(t, dhcpMessage{kind: dhcpRequest, ciaddr: p.ip})
	ack := p.reply(dhcpACK)
	ack.ciaddr = p.ip
	p.down(t.Add(ms), netip.AddrPortFrom(dhcpServer.ip, 67), netip.AddrPortFrom(p.ip, 68), dhcpServer.mac, ack.bytes())
}

// Rebind is a renewal that is broadcast, so that the relay has a part in it (RFC 2131 §4.4.5).
func (p *phone) Rebind(t time.Time, port ...circuit) {
	p.xid++
	p.request(t, dhcpMessage{ciaddr: p.ip}, port, circuit{})
}

// Release gives the address back.
func (p *phone) Release(t time.Time) {
	p.xid++
	p.unicast(t, dhcpMessage{kind: dhcpRelease, ciaddr: p.ip, server: dhcpServer.ip})
}

func (p *phone) unicast(t time.Time, m dhcpMessage) {
	m.xid, m.chaddr = p.xid, p.mac
	p.up(t, netip.AddrPortFrom(p.ip, 68), netip.AddrPortFrom(dhcpServer.ip, 67), dhcpServer.mac, m.bytes())
}

// dhcpUp sends what the phone broadcasts; behind a router it is the relay's copy.
func (p *phone) dhcpUp(t time.Time, m dhcpMessage, port []circuit, forged circuit) {
	m.xid, m.chaddr = p.xid, p.mac
	m.vendorClass, m.agent = p.class, forged
	if !p.on.routed {
		src := netip.AddrPortFrom(netip.IPv4Unspecified(), 68)
		dst := netip.AddrPortFrom(ip("255.255.255.255"), 67)
		p.on.send(t, ethernet(broadcast, p.mac, p.lan.vlan, typeIPv4, udp(src, dst, m.bytes())))
		return
	}
	m.giaddr, m.agent = p.lan.gateway(), one(port)
	src, dst := netip.AddrPortFrom(p.lan.gateway(), 67), netip.AddrPortFrom(dhcpServer.ip, 67)
	p.on.send(t, ethernet(dhcpServer.mac, p.lan.router, 0, typeIPv4, udp(src, dst, m.bytes())))
}

// dhcpDown is the server's answer: to the relay with its option 82, or as the relay passes it on without.
func (p *phone) dhcpDown(t time.Time, kind byte, port []circuit) {
	m := p.reply(kind)
	if !p.on.routed {
		p.down(t, netip.AddrPortFrom(p.lan.gateway(), 67), netip.AddrPortFrom(p.ip, 68), dhcpServer.mac, m.bytes())
		return
	}
	m.agent = one(port)
	p.dhcpDownMessage(t, m)
}

// dhcpDownMessage is any message of the server to the relay.
func (p *phone) dhcpDownMessage(t time.Time, m dhcpMessage) {
	m.giaddr = p.lan.gateway()
	src, dst := netip.AddrPortFrom(dhcpServer.ip, 67), netip.AddrPortFrom(p.lan.gateway(), 67)
	p.on.send(t, ethernet(p.lan.router, dhcpServer.mac, 0, typeIPv4, udp(src, dst, m.bytes())))
}

func (p *phone) reply(kind byte) dhcpMessage {
	return dhcpMessage{
		kind: kind, xid: p.xid, chaddr: p.mac, yiaddr: p.ip, server: dhcpServer.ip,
		mask: p.lan.prefix.Bits(), router: p.lan.gateway(), lease: p.lan.lease,
	}
}

func one(port []circuit) circuit {
	if len(port) == 0 {
		return circuit{}
	}
	return port[0]
}
