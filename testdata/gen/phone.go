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
	ip6       netip.Addr     // it registers from, if from IPv6
	nat       netip.AddrPort // its address outside, when it sits behind NAT
	stun      netip.AddrPort // its address outside as STUN told it, for its messages alone
	port      uint16         // where it takes SIP
	former    netip.AddrPort // the Contact that its REGISTERs remove, if any
	registrar host
	tellsMAC  bool   // the MAC stands in its REGISTERs
	instance  string // its instance ID, if it sends one
	expires   int    // seconds it registers for
	stream    *stream
	edge      *proxy // the proxy that it registers through, where frames are caught behind it
	padding   int    // of its REGISTERs, in front of the Contact
	tail      int    // and behind it
	unheard   bool   // only the first fragment of what it sends is caught
	sessions  int    // boots so far: each begins a Call-ID
	cseq      int
	xid       uint32
}

// newPhone makes a phone whose MAC ends in aa:00:n and whose line is 100+n.
func newPhone(v vendor, n byte, on *link) *phone {
	p := &phone{vendor: v, line: fmt.Sprint(100 + int(n)), on: on, port: 5060, registrar: pbx, expires: 3600}
	p.mac = hw(fmt.Sprintf("%s:aa:00:%02x", v.oui, n))
	if v.oui == grandstream.oui {
		p.instance = "urn:uuid:00000000-0000-1000-8000-" + p.mac.plain()
	}
	return p
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

// SignOff is the shutdown of the phone's LLDP agent.
func (p *phone) SignOff(t time.Time) {
	p.on.send(t, ethernet(toLLDP, p.mac, 0, typeLLDP, announcement{
		chassis: subtypeIPv4(5, p.ip),
		port:    subtype(3, p.mac[:]...),
	}.signOff()))
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

// Query asks for the bindings: a REGISTER without Contact.
func (p *phone) Query(t time.Time) {
	r := p.registration(p.expires, "5e1f"+tag(p.callID()))
	r.query = true
	p.exchange(t, 200, r)
}

func (p *phone) registration(expires int, nonce string) register {
	p.cseq++
	r := register{
		aor:      "sip:" + p.line + "@example.com",
		local:    p.local(),
		former:   p.former,
		callID:   p.callID(),
		cseq:     p.cseq,
		expires:  expires,
		agent:    p.agent,
		instance: p.instance,
		nonce:    nonce,
		received: p.nat,
		tcp:      p.stream != nil,
		padding:  p.padding,
		tail:     p.tail,
		edge:     p.edge,
	}
	if p.stun.IsValid() {
		r.local, r.received = p.stun, p.local()
	}
	if p.tellsMAC {
		r.agent += fmt.Sprintf(p.suffix, p.mac.plain())
	}
	return r
}

func (p *phone) local() netip.AddrPort {
	if p.ip6.IsValid() {
		return netip.AddrPortFrom(p.ip6, p.port)
	}
	return netip.AddrPortFrom(p.ip, p.port)
}

// exchange is a REGISTER and its answer 1 ms later.
func (p *phone) exchange(t time.Time, status int, r register) {
	outside := r.local
	if r.received.IsValid() {
		outside = r.received
	}
	server := netip.AddrPortFrom(p.registrar.ip, 5060)
	reason := map[int]string{200: "OK", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}[status]
	if p.edge != nil {
		outside = p.edge.addr
	}
	if p.stream != nil {
		p.stream.exchange(t, r.request(), r.response(status, reason))
		return
	}
	p.up(t, outside, server, p.registrar.mac, r.request())
	p.down(t.Add(ms), server, outside, p.registrar.mac, r.response(status, reason))
}

// up and down carry a datagram to and from a server; a frame on the phone's side
// has the phone's MAC and its router's, one on the far side the router's and the server's.
func (p *phone) up(t time.Time, src, dst netip.AddrPort, server mac, payload []byte) {
	for i, packet := range fragments(udp(src, dst, payload), p.cseq) {
		if i > 0 && p.unheard {
			return
		}
		p.upPacket(t.Add(time.Duration(i)*100*time.Microsecond), server, packet)
	}
}

func (p *phone) down(t time.Time, src, dst netip.AddrPort, server mac, payload []byte) {
	p.downPacket(t, server, udp(src, dst, payload))
}

func (p *phone) upPacket(t time.Time, server mac, packet []byte) {
	if p.on.routed {
		p.on.send(t, ethernet(server, p.lan.router, 0, typeOf(packet), packet))
		return
	}
	p.on.send(t, ethernet(p.lan.router, p.mac, p.lan.vlan, typeOf(packet), packet))
}

func (p *phone) downPacket(t time.Time, server mac, packet []byte) {
	if p.on.routed {
		p.on.send(t, ethernet(p.lan.router, server, 0, typeOf(packet), packet))
		return
	}
	p.on.send(t, ethernet(p.mac, p.lan.router, p.lan.vlan, typeOf(packet), packet))
}

// callID is new for each session and, like real ones, says nothing of the MAC.
func (p *phone) callID() string { return fmt.Sprintf("%016x@%s", p.hash(), p.ip) }

func (p *phone) hash() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %s %d", p.mac.plain(), p.line, p.sessions)
	return h.Sum64()
}
