package main

import (
	"net/netip"
	"time"
)

// registrations: what a REGISTER does not say, and the ways that it comes.
var registrations = []timeline{
	{"stun", func(s *story) {
		desk := newPhone(yealink, 1, s.trunk("mirror-trunk"))
		desk.stun = netip.MustParseAddrPort("203.0.113.5:40012")
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		every(40*time.Minute, "08:00:06", "09:20:06", desk.Register)
		every(40*time.Minute, "08:20:00", "09:00:00", desk.ARP)
	}},
	{"coarse-site-subnets", func(s *story) {
		desk := newPhone(yealink, 1, s.mirror("mirror-core"))
		desk.tellsMAC = true
		desk.Static(floor3, "10.1.2.20") // its boot was not seen
		desk.Register(at("08:00:06"))
		desk.Renew(at("08:30:00"))
	}},
	{"old-contact-removed-first", func(s *story) {
		desk := newPhone(yealink, 1, s.mirror("mirror-core"))
		desk.tellsMAC = true
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		desk.former = desk.local()
		desk.Static(floor4, "10.1.3.20")
		desk.Register(at("10:00:00"))
	}},
	{"register-without-contact", func(s *story) {
		desk := newPhone(yealink, 1, s.mirror("mirror-core"))
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		desk.Query(at("08:00:30"))
	}},
	{"register-over-tcp", func(s *story) {
		desk := newPhone(yealink, 1, s.mirror("mirror-core"))
		desk.tellsMAC = true
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Connect(at("08:00:05"))
		desk.Register(at("08:00:06"))
		every(30*time.Second, "08:00:30", "08:04:00", desk.stream.KeepAlive)
		desk.Register(at("08:40:06"))
		desk.stream.Close(at("09:50:00"))
		desk.stream = nil
		desk.Boot(at("10:00:02"), floor4, "10.1.3.20")
		desk.Connected()
		desk.stream.swapped = true
		desk.Register(at("10:00:06"))
	}},
	{"register-in-fragments", func(s *story) {
		core := s.mirror("mirror-core")
		one, two := newPhone(yealink, 1, core), newPhone(yealink, 2, core)
		one.tellsMAC, two.tellsMAC = true, true
		one.padding = 1500 // the Contact stands in the second fragment
		two.tail, two.unheard = 1500, true
		one.Static(floor3, "10.1.2.20")
		two.Static(floor3, "10.1.2.21")
		one.Register(at("08:00:05"))
		two.Register(at("08:00:07"))
	}},
	{"edge-proxy", func(s *story) {
		core := s.mirror("mirror-core")
		edge := &proxy{addr: netip.MustParseAddrPort("198.51.100.1:5060"), path: true}
		site := &proxy{addr: netip.MustParseAddrPort("10.1.0.6:5060")}
		behind := func(n byte, p *proxy, lan *lan, addr, seen string) *phone {
			desk := newPhone(yealink, n, core)
			desk.tellsMAC, desk.edge, desk.nat = true, p, netip.MustParseAddrPort(seen)
			desk.Static(lan, addr)
			return desk
		}
		one := behind(1, edge, home, "192.168.1.20", "203.0.113.5:40012")
		two := behind(2, edge, home, "192.168.1.20", "203.0.113.77:40012")
		three := behind(3, site, floor3, "10.1.2.20", "10.1.2.20:5060")
		one.Register(at("08:00:05"))
		two.Register(at("08:00:07"))
		three.Register(at("08:00:09"))
		one.Register(at("08:40:05"))
		two.Register(at("08:40:07"))
		three.Register(at("08:40:09"))
	}},
}
