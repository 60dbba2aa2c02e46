package main

import (
	"net/netip"
	"time"
)

// identities: which phone is it that sends this?
var identities = []timeline{
	{"stale-binding", func(s *story) {
		core := s.mirror("mirror-core")
		week := *floor4
		week.lease = 7 * 24 * time.Hour
		one, two := newPhone(yealink, 1, core), newPhone(polycom, 2, core)
		one.Boot(at("08:00:02"), floor3, "10.1.2.20")
		one.Register(at("08:00:06"))
		one.Boot(at("09:10:00"), &week, "10.1.3.20") // unplugged, so the first lease was never released
		one.Register(at("09:10:04"))
		two.Static(floor3, "10.1.2.20")
		two.Register(at("2026-03-05 09:30:00"))
	}},
	{"former-gateway", func(s *story) {
		core, trunk := s.mirror("mirror-core"), s.trunk("mirror-trunk")
		half := subnet("10.1.2.128/25", 0) // its router is 10.1.2.129
		newPhone(softphone, 9, core).Boot(at("08:00:02"), half, "10.1.2.150")
		desk := newPhone(yealink, 1, trunk)
		desk.Boot(at("2026-03-09 08:00:02"), floor3, "10.1.2.129") // renumbered over the weekend
		desk.Register(at("2026-03-09 08:00:06"))
	}},
	{"other-vendor-than-its-oui", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		desk.agent = "Yealink SIP-T46S 66.86.0.15" // a firmware update
		desk.Register(at("08:50:06"))
		desk.agent = snom.agent // forged, or another phone with a cloned MAC
		desk.Register(at("09:40:06"))
		desk.Register(at("10:30:06"))
	}},
	{"provisional-reboots", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(polycom, 1, core)
		boot := func(t time.Time) {
			desk.Static(floor3, "10.1.2.20")
			desk.Register(t)
			desk.port++ // another at each boot
		}
		every(30*time.Minute, "08:00:06", "09:00:06", boot)
	}},
	{"provisional-contact-removed", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(polycom, 1, core)
		desk.Static(floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		desk.Unregister(at("08:30:00"))
		desk.Static(floor3, "10.1.2.33")
		desk.Register(at("08:31:06"))
	}},
	{"mobile-softphone-on-the-desk-line", func(s *story) {
		core, edge := s.mirror("mirror-core"), s.mirror("mirror-edge")
		desk := newPhone(polycom, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		mobile := newPhone(vendor{oui: "02:11:22", agent: "Zoiper v2.10.20"}, 1, edge)
		mobile.instance = "urn:uuid:0f0c1c5e-7b0b-4a0c-9a52-6a1c5b6d7e80"
		mobile.nat = netip.MustParseAddrPort("198.51.100.9:33333")
		mobile.Static(&lan{netip.MustParsePrefix("100.64.3.0/24"), 0, home.router, 24 * time.Hour}, "100.64.3.3")
		mobile.Register(at("12:00:00"))
		desk.Register(at("12:30:06"))
	}},
}
