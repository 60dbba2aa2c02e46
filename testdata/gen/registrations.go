package main

import (
	"net/netip"
	"time"
)

// registrations: what a REGISTER does not say.
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
}
