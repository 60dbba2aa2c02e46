package main

import "time"

// The IPv6 side of headquarters.
var (
	pbx6        = host{pbx.mac, ip("2001:db8:1::5")}
	dhcpServer6 = ip("2001:db8:1::3")
	floor5      = &lan{floor4.prefix, 0, hw("00:1b:0d:aa:00:02"), 24 * time.Hour} // behind a router of its own
)

const (
	prefix20 = "2001:db8:20::/64"
	prefix30 = "2001:db8:30::/64"
	local20  = "fd00:0:0:20::/64"
)

// families: phones with IPv6 beside IPv4 or alone; and what DHCP and LLDP say
// besides leases and ports.
var families = []timeline{
	{"ipv6-register-only", func(s *story) {
		trunk := s.trunk("mirror-trunk")
		desk := newPhone(snom, 1, trunk)
		desk.registrar, desk.ip6 = pbx6, ip("2001:db8:20::204:13ff:feaa:1")
		session := func(t time.Time) {
			desk.Boot(t, floor3, "10.1.2.20")
			desk.RS(t.Add(time.Second))
			floor3.RA(t.Add(time.Second+ms), trunk, prefix20)
			desk.DAD(t.Add(time.Second+2*ms), desk.ip6.String())
			desk.NS(t.Add(2*time.Second), desk.ip6.String())
			desk.Register(t.Add(4 * time.Second))
		}
		session(at("08:00:02"))
		chatter := func(t time.Time) {
			desk.ARP(t)
			desk.NS(t.Add(time.Second), desk.ip6.String())
		}
		every(20*time.Minute, "08:10:00", "08:50:00", chatter)
		desk.Register(at("08:30:06"))
		session(at("09:00:02"))
		every(20*time.Minute, "09:10:00", "09:50:00", chatter)
	}},
	{"ipv6-chatter", func(s *story) {
		trunk := s.trunk("mirror-trunk")
		desk := newPhone(snom, 1, trunk)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.RS(at("08:00:02.4"))
		floor3.RA(at("08:00:02.5"), trunk, prefix20, local20)
		desk.Register(at("08:00:06"))
		// An address made of the MAC, a local one, and a new temporary one each day.
		addrs := []string{"2001:db8:20::204:13ff:feaa:1", "fd00::20:204:13ff:feaa:1", "2001:db8:20::8d1f:77a2:1001", "2001:db8:20::19c2:5e03:2002"}
		for i := range 12 {
			t := at("08:02:00").Add(time.Duration(i) * 5 * time.Minute)
			desk.NS(t, addrs[i%len(addrs)])
			desk.NA(t.Add(time.Second), addrs[(i+1)%len(addrs)])
			desk.ARP(t.Add(2 * time.Second))
		}
		desk.Boot6(at("09:05:00"), lease6{addr: "2001:db8:20::100"})
		floor3.RA(at("09:10:00"), trunk, prefix30) // the provider gave another prefix
		desk.DAD(at("09:10:01"), "2001:db8:30::204:13ff:feaa:1")
		desk.NS(at("09:10:03"), "2001:db8:30::204:13ff:feaa:1")
		desk.Register(at("09:30:06"))
	}},
	{"ipv6-only-move", func(s *story) {
		trunk := s.trunk("mirror-trunk")
		desk := newPhone(snom, 1, trunk)
		desk.registrar = pbx6
		arrive := func(t time.Time, n *lan, prefix, addr string) {
			desk.start(n, "10.0.0.1")
			desk.ip6 = ip(addr)
			desk.RS(t)
			n.RA(t.Add(ms), trunk, prefix)
			desk.Boot6(t.Add(time.Second), lease6{addr: addr})
			desk.Register(t.Add(4 * time.Second))
		}
		arrive(at("08:00:02"), floor3, prefix20, "2001:db8:20::100")
		for i := range 6 { // temporary addresses: the same subnet
			t := at("08:10:00").Add(time.Duration(i) * 5 * time.Minute)
			addr := []string{"2001:db8:20::8d1f:77a2:1001", "2001:db8:20::19c2:5e03:2002", "2001:db8:20::100"}[i%3]
			desk.DAD(t, addr)
			desk.NS(t.Add(time.Second), addr)
			desk.NS(t.Add(2*time.Second), desk.mac.linkLocal().String())
		}
		desk.ip6 = ip("2001:db8:20::8d1f:77a2:1001")
		desk.Register(at("08:40:00"))
		arrive(at("09:00:02"), floor5, prefix30, "2001:db8:30::100")
	}},
	{"ipv6-relay", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.registrar = pbx6
		uuid := append([]byte{0, 4}, []byte("no MAC in here..")...)
		arrive := func(t time.Time, n *lan, relay, addr, port string) {
			desk.start(n, "10.0.0.1")
			desk.ip6 = ip(addr)
			desk.Boot6(t, lease6{addr: addr, duid: uuid, port: &circuit{"sw-3fl", port}, relay: relay, mac: true})
			desk.Register(t.Add(4 * time.Second))
		}
		arrive(at("08:00:02"), floor3, "2001:db8:20::1", "2001:db8:20::100", "Gi1/0/7:20")
		arrive(at("09:00:02"), floor3, "2001:db8:20::1", "2001:db8:20::100", "Gi1/0/7:20") // a reboot
		arrive(at("10:00:02"), floor3, "2001:db8:20::1", "2001:db8:20::101", "Gi1/0/8:20")
	}},
	{"pc-port", func(s *story) {
		pc, core := s.tap("tap-pc"), s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		// On the cable behind the phone are its own voice and a small switch's.
		desktop := &bridge{name: "sw-desk", mac: hw("00:1b:54:aa:00:09")}
		every(30*time.Second, "08:00:00", "08:05:00", func(t time.Time) {
			desk.LLDPBehind(t, pc)
			desktop.LLDP(t.Add(time.Second), pc, "Gi0/1")
		})
	}},
	{"nak-then-lease", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		// Carried to the fourth floor it asks for the old address, which is refused.
		desk.xid++
		desk.lan = floor4
		desk.dhcpUp(at("09:00:00"), dhcpMessage{kind: dhcpRequest, requested: desk.ip}, nil, circuit{})
		desk.refuse(at("09:00:00.001"))
		desk.Boot(at("09:00:02"), floor4, "10.1.3.20")
		desk.Register(at("09:00:06"))
	}},
	{"inform", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.Static(floor3, "10.1.2.200") // its address is configured; the rest it asks for
		desk.Inform(at("08:00:02"))
		desk.Register(at("08:00:06"))
		desk.Inform(at("09:00:02"))
	}},
}

// refuse is the server's NAK (RFC 2131 section 4.3.2).
func (p *phone) refuse(t time.Time) {
	p.dhcpDownMessage(t, dhcpMessage{kind: dhcpNAK, xid: p.xid, chaddr: p.mac, server: dhcpServer.ip})
}

// Inform asks for configuration, and is answered without a lease (RFC 2131 section 4.3.5).
func (p *phone) Inform(t time.Time) {
	p.xid++
	p.dhcpUp(t, dhcpMessage{kind: dhcpInform, ciaddr: p.ip}, nil, circuit{})
	ack := p.reply(dhcpACK)
	ack.ciaddr, ack.yiaddr, ack.lease = p.ip, ip("0.0.0.0"), 0
	p.dhcpDownMessage(t.Add(ms), ack)
}
