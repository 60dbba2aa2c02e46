package main

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A lan is a subnet. Its router has the first address and relays DHCP.
type lan struct {
	prefix netip.Prefix
	vlan   int // tag of its frames on a link; 0: untagged
	router mac
	lease  time.Duration
}

// subnet is a lan of headquarters with leases of a day.
func subnet(prefix string, vlan int) *lan {
	return &lan{netip.MustParsePrefix(prefix), vlan, hw("00:1b:0d:aa:00:01"), 24 * time.Hour}
}

func (n *lan) gateway() netip.Addr { return n.prefix.Masked().Addr().Next() }

// A host is a server on the far side of the routers.
type host struct {
	mac mac
	ip  netip.Addr
}

var (
	pbx        = host{hw("00:50:56:aa:00:05"), ip("10.1.0.5")}
	dhcpServer = host{hw("00:50:56:aa:00:03"), ip("10.1.0.3")}
)

// A bridge is an access switch.
type bridge struct {
	name      string
	mac       mac // its chassis ID
	voiceVLAN int // announced to phones, unless 0
}

// LLDP announces one port of the bridge on the link.
func (b *bridge) LLDP(t time.Time, on *link, port string) {
	on.send(t, ethernet(toLLDP, b.portMAC(port), 0, typeLLDP, announcement{
		chassis:      subtype(4, b.mac[:]...),
		port:         subtype(5, []byte(port)...),
		ttl:          120,
		name:         b.name,
		text:         "Access switch, 48 ports",
		capabilities: capBridge | capRouter,
		medClass:     4,
		voiceVLAN:    b.voiceVLAN,
	}.bytes()))
}

// SignOff is the announcement with which the port's agent shuts down (IEEE 802.1AB §9.1.2.3).
func (b *bridge) SignOff(t time.Time, on *link, port string) {
	on.send(t, ethernet(toLLDP, b.portMAC(port), 0, typeLLDP, announcement{
		chassis: subtype(4, b.mac[:]...),
		port:    subtype(5, []byte(port)...),
	}.signOff()))
}

// CDP announces the same port, under the names that CDP gives to both.
func (b *bridge) CDP(t time.Time, on *link, port string) {
	on.send(t, cdpMessage{
		device:       b.name + ".example.com",
		port:         strings.Replace(port, "Gi", "GigabitEthernet", 1),
		capabilities: 0x29,
		software:     "IOS 15.2(7)E4",
		platform:     "cisco WS-C2960X-48FPS-L",
		nativeVLAN:   10,
		voiceVLAN:    b.voiceVLAN,
	}.frame(b.portMAC(port)))
}

// portMAC is the source of frames from a port: the chassis' address moved on by the port's number.
func (b *bridge) portMAC(port string) mac {
	m := b.mac
	n, _ := strconv.Atoi(port[strings.LastIndex(port, "/")+1:])
	m[4] |= 0x10
	m[5] += byte(n)
	return m
}

// circuit is how the bridge's DHCP snooping names one of its ports, as text.
func (b *bridge) circuit(port string) circuit { return circuit{remote: b.name, circuit: port} }
