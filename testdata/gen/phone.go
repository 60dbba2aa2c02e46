package main

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"strings"
	"time"
)

// A vendor is how a make of phone presents itself.
type vendor struct {
	oui          string
	agent        string // SIP User-Agent
	suffix       string // format of the MAC at its end, for phones that tell it
	class        string // DHCP vendor class
	maker, model string
	capabilities uint16
}

var (
	snom        = vendor{"00:04:13", "snomD785/10.1.84.12", "", "snomD785", "snom technology GmbH", "snomD785", capTelephone}
	yealink     = vendor{"00:15:65", "Yealink SIP-T46S 66.84.0.125", " %s", "yealink", "Yealink", "SIP-T46S", capBridge | capTelephone}
	polycom     = vendor{"00:04:f2", "PolycomVVX-VVX_450-UA/6.4.3.5018", "_%s", "", "Polycom", "VVX 450", capBridge | capTelephone}
	grandstream = vendor{"00:0b:82", "Grandstream GXP2135 1.0.11.35", "", "Grandstream GXP2135 dslforum.org", "Grandstream", "GXP2135", capTelephone}
	softphone   = vendor{"3c:52:82", "Linphone-Desktop/5.2.4 (desk-pc) Windows 10", "", "MSFT 5.0", "", "", 0}
)

// A phone is a telephone, or a computer that acts as one.
type phone struct {
	vendor
	mac       mac
	line      string // user part of its AOR
	on        *link  // where its frames are caught
	lan       *lan
	ip        netip.Addr
	nat       netip.AddrPort // its address outside, when it sits behind NAT
	registrar host
	tellsMAC  bool   // the MAC stands in its REGISTERs
	instance  string // its instance ID, if it sends one
	expires   int    // seconds it registers for
	sessions  int    // boots so far: each begins a Call-ID
	cseq      int
	xid       uint32
}

// newPhone makes a phone whose MAC ends in aa:00:n and whose line is 100+n.
func newPhone(v vendor, n byte, on *link) *phone {
	p := &phone{vendor: v, line: fmt.Sprint(100 + int(n)), on: on, registrar: pbx, expires: 3600}
	p.mac = hw(fmt.Sprintf("%s:aa:00:%02x", v.oui, n))
	if v.oui == grandstream.oui {
		p.instance = "urn:uuid:00000000-0000-1000-8000-" + p.mac.plain()
	}
	return p
}

// Boot is a start from nothing: DISCOVER to ACK, then ARP where the link shows it.
// At most one circuit is given: the port that the relay names.
func (p *phone) Boot(t time.Time, n *lan, addr string, port ...circuit) {
	p.start(n, addr)
	p.discover(t, port, circuit{})
	p.request(t.Add(2*ms), dhcpMessage{requested: p.ip, server: p.dhcp()}, port, circuit{})
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
	p.request(t.Add(2*ms), dhcpMessage{requested: p.ip, server: p.dhcp()}, nil, own)
	p.ARP(t.Add(10 * ms))
}

// start begins a session: a new address, transaction and Call-ID.
func (p *phone) start(n *lan, addr string) {
	p.lan, p.ip = n, ip(addr)
	p.sessions++
	p.cseq = 0
	p.xid = uint32(p.hash())
}

// Static is a start with a configured address: no DHCP.
func (p *phone) Static(n *lan, addr string) { p.start(n, addr) }

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
	p.down(t.Add(ms), netip.AddrPortFrom(p.dhcp(), 67), netip.AddrPortFrom(p.ip, 68), p.dhcpMAC(), ack.bytes())
}

// Release gives the address back.
func (p *phone) Release(t time.Time) {
	p.xid++
	p.unicast(t, dhcpMessage{kind: dhcpRelease, ciaddr: p.ip, server: p.dhcp()})
}

func (p *phone) unicast(t time.Time, m dhcpMessage) {
	m.xid, m.chaddr = p.xid, p.mac
	p.up(t, netip.AddrPortFrom(p.ip, 68), netip.AddrPortFrom(p.dhcp(), 67), p.dhcpMAC(), m.bytes())
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
	m.giaddr, m.agent = p.lan.gateway(), one(port)
	src, dst := netip.AddrPortFrom(dhcpServer.ip, 67), netip.AddrPortFrom(p.lan.gateway(), 67)
	p.on.send(t, ethernet(p.lan.router, dhcpServer.mac, 0, typeIPv4, udp(src, dst, m.bytes())))
}

func (p *phone) reply(kind byte) dhcpMessage {
	return dhcpMessage{
		kind: kind, xid: p.xid, chaddr: p.mac, yiaddr: p.ip, server: p.dhcp(),
		mask: p.lan.prefix.Bits(), router: p.lan.gateway(), lease: p.lan.lease,
	}
}

func (p *phone) dhcp() netip.Addr { return dhcpServer.ip }
func (p *phone) dhcpMAC() mac     { return dhcpServer.mac }

func one(port []circuit) circuit {
	if len(port) == 0 {
		return circuit{}
	}
	return port[0]
}

// ARP announces the address and looks for the router. Beyond a router nobody hears it.
func (p *phone) ARP(t time.Time) {
	if p.on.routed {
		return
	}
	gw := p.lan.gateway()
	p.on.send(t, ethernet(broadcast, p.mac, p.lan.vlan, typeARP, arp(1, p.mac, p.ip, mac{}, p.ip)))
	p.on.send(t.Add(ms), ethernet(broadcast, p.mac, p.lan.vlan, typeARP, arp(1, p.mac, p.ip, mac{}, gw)))
	p.on.send(t.Add(2*ms), ethernet(p.mac, p.lan.router, p.lan.vlan, typeARP, arp(2, p.lan.router, gw, p.mac, p.ip)))
}

// LLDP is the phone's own announcement on the link: a MED endpoint of class III.
func (p *phone) LLDP(t time.Time) {
	p.on.send(t, ethernet(toLLDP, p.mac, 0, typeLLDP, announcement{
		chassis:      subtypeIPv4(5, p.ip),
		port:         subtype(3, p.mac[:]...),
		ttl:          120,
		portText:     "WAN PORT",
		name:         p.model,
		text:         p.agent,
		capabilities: p.capabilities,
		medClass:     3,
		maker:        p.maker,
		model:        p.model,
	}.bytes()))
}

// LLDPBehind is the announcement that the phone makes to the computer behind it.
func (p *phone) LLDPBehind(t time.Time, on *link) {
	on.send(t, ethernet(toLLDP, p.mac, 0, typeLLDP, announcement{
		chassis:      subtypeIPv4(5, p.ip),
		port:         subtype(7, []byte(strings.ToUpper(p.mac.plain())+":P2")...),
		ttl:          120,
		portText:     "PC Port",
		name:         p.model,
		text:         p.agent,
		capabilities: p.capabilities,
	}.bytes()))
}

// Try is one REGISTER that the registrar turns down.
func (p *phone) Try(t time.Time, status int) {
	p.exchange(t, status, p.registration(p.expires, ""))
}

// Register signs on, or refreshes: REGISTER, challenge, REGISTER, 200.
func (p *phone) Register(t time.Time) {
	p.exchange(t, 401, p.registration(p.expires, ""))
	p.exchange(t.Add(2*ms), 200, p.registration(p.expires, "5e1f"+tag(p.callID())))
}

// Unregister removes the Contact.
func (p *phone) Unregister(t time.Time) {
	p.exchange(t, 401, p.registration(0, ""))
	p.exchange(t.Add(2*ms), 200, p.registration(0, "5e1f"+tag(p.callID())))
}

func (p *phone) registration(expires int, nonce string) register {
	p.cseq++
	r := register{
		aor:      "sip:" + p.line + "@example.com",
		local:    netip.AddrPortFrom(p.ip, 5060),
		callID:   p.callID(),
		cseq:     p.cseq,
		expires:  expires,
		agent:    p.agent,
		instance: p.instance,
		nonce:    nonce,
		received: p.nat,
	}
	if p.tellsMAC {
		r.agent += fmt.Sprintf(p.suffix, p.mac.plain())
	}
	return r
}

// exchange is a REGISTER and its answer 1 ms later.
func (p *phone) exchange(t time.Time, status int, r register) {
	outside := r.local
	if r.received.IsValid() {
		outside = r.received
	}
	server := netip.AddrPortFrom(p.registrar.ip, 5060)
	reason := map[int]string{200: "OK", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}[status]
	p.up(t, outside, server, p.registrar.mac, r.request())
	p.down(t.Add(ms), server, outside, p.registrar.mac, r.response(status, reason))
}

// up and down carry a datagram to and from a server; a frame on the phone's side
// has the phone's MAC and its router's, one on the far side the router's and the server's.
func (p *phone) up(t time.Time, src, dst netip.AddrPort, server mac, payload []byte) {
	if p.on.routed {
		p.on.send(t, ethernet(server, p.lan.router, 0, typeIPv4, udp(src, dst, payload)))
		return
	}
	p.on.send(t, ethernet(p.lan.router, p.mac, p.lan.vlan, typeIPv4, udp(src, dst, payload)))
}

func (p *phone) down(t time.Time, src, dst netip.AddrPort, server mac, payload []byte) {
	if p.on.routed {
		p.on.send(t, ethernet(p.lan.router, server, 0, typeIPv4, udp(src, dst, payload)))
		return
	}
	p.on.send(t, ethernet(p.mac, p.lan.router, p.lan.vlan, typeIPv4, udp(src, dst, payload)))
}

// callID is new for each session and, like real ones, says nothing of the MAC.
func (p *phone) callID() string { return fmt.Sprintf("%016x@%s", p.hash(), p.ip) }

func (p *phone) hash() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %s %d", p.mac.plain(), p.line, p.sessions)
	return h.Sum64()
}
