package main

import (
	"net/netip"
	"time"
)

// home is a subnet behind somebody's NAT, seen at the edge of headquarters.
var home = &lan{netip.MustParsePrefix("192.168.1.0/24"), 0, hw("00:1b:0d:ee:00:01"), 24 * time.Hour}

// remotes: phones that are seen only through routers.
var remotes = []timeline{
	{"two-phones-behind-router", func(s *story) {
		core := s.mirror("mirror-core")
		branch := subnet("10.1.30.0/24", 0)
		one, two := newPhone(yealink, 1, core), newPhone(polycom, 2, core)
		one.tellsMAC = true // the other is known by its line alone
		one.Static(branch, "10.1.30.20")
		two.Static(branch, "10.1.30.21")
		one.Register(at("08:00:05"))
		two.Register(at("08:00:07"))
	}},
	{"behind-nat", func(s *story) {
		desk := atHome(s, 1, "192.168.1.20")
		desk.Register(at("08:00:05"))
		desk.nat = netip.MustParseAddrPort("203.0.113.5:61022") // the mapping ran out
		desk.Register(at("08:40:05"))
	}},
	{"home-new-public-ip", func(s *story) {
		desk := atHome(s, 1, "192.168.1.20")
		edge := desk.on
		line := func(addr string) netip.AddrPort { return netip.MustParseAddrPort(addr) }
		desk.expires = 86400
		desk.Register(at("08:00:05"))
		desk.nat = line("203.0.113.77:40012")
		desk.Register(at("2026-03-03 03:10:00"))
		desk.Register(at("2026-03-03 20:00:00"))
		desk.nat = line("203.0.113.140:40012")
		desk.Register(at("2026-03-04 03:10:00"))
		desk.on, desk.nat = s.mirror("mirror-core"), netip.AddrPort{} // a day at the office
		desk.Boot(at("2026-03-04 09:00:00"), floor3, "10.1.2.20")
		desk.Register(at("2026-03-04 09:00:04"))
		desk.on, desk.nat = edge, line("203.0.113.140:40100")
		desk.Static(home, "192.168.1.20")
		desk.Register(at("2026-03-04 18:00:00"))
	}},
	{"renumbered-before-settling", func(s *story) {
		edge, core := s.mirror("mirror-edge"), s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.tellsMAC, desk.expires = true, 86400
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		desk.on, desk.nat = edge, netip.MustParseAddrPort("203.0.113.5:40012")
		desk.Static(home, "192.168.1.20")
		desk.Register(at("18:00:00"))
		desk.nat = netip.MustParseAddrPort("203.0.113.77:40012") // half a minute later
		desk.Register(at("18:00:30"))
		desk.on, desk.nat = core, netip.AddrPort{}
		desk.Boot(at("2026-03-03 08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("2026-03-03 08:00:06"))
	}},
	{"vpn-ignored", func(s *story) {
		core := s.mirror("mirror-core")
		pool := subnet("10.8.0.0/24", 0)
		desk := newPhone(yealink, 1, core)
		desk.tellsMAC = true
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		desk.Static(pool, "10.8.0.5")
		desk.Register(at("18:00:00"))
		desk.Boot(at("19:00:00"), floor3, "10.1.2.20")
		desk.Register(at("19:00:04"))
	}},
	{"provisional-merged", func(s *story) { nameless(s) }},
	{"provisional-answered", func(s *story) { nameless(s) }},
}

// atHome is a phone behind NAT that tells its MAC: 00:15:65:aa:00:n.
func atHome(s *story, n byte, addr string) *phone {
	desk := newPhone(yealink, n, s.mirror("mirror-edge"))
	desk.tellsMAC = true
	desk.nat = netip.MustParseAddrPort("203.0.113.5:40012")
	desk.Static(home, addr)
	return desk
}

// nameless is a phone whose MAC nobody knows until a renewal of its lease passes by.
func nameless(s *story) {
	core := s.mirror("mirror-core")
	desk := newPhone(yealink, 1, core)
	desk.instance = "urn:uuid:5acd54e8-f197-47e2-aa42-5f4a5d04367c"
	desk.Static(subnet("10.1.40.0/24", 0), "10.1.40.20")
	desk.Register(at("08:00:05"))
	desk.Renew(at("08:10:00"))
	desk.Register(at("08:10:00.5"))
}
