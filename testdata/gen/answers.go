package main

import (
	"net/netip"
	"time"
)

// answers: what users say, each on a plain arrival.
var answers = []timeline{
	{"chosen-child", func(s *story) { plain(s, 1, "08:00:02") }},
	{"propose-address", func(s *story) {
		core := plain(s, 1, "08:00:02")
		plainOn(core, 2, "09:00:00")
	}},
	{"personal-answer", func(s *story) {
		desk := atHome(s, 1, "192.168.1.20")
		desk.Register(at("08:00:05"))
		desk.Register(at("08:50:05"))
	}},
	{"add-personal", func(s *story) {
		desk := atHome(s, 1, "192.168.1.20")
		desk.Register(at("08:00:05"))
		second := *desk // hers too, behind the same router
		second.mac = hw("00:15:65:aa:00:02")
		second.nat = netip.MustParseAddrPort("203.0.113.5:40077")
		second.Static(home, "192.168.1.21")
		second.Register(at("08:20:05"))
		guest := *desk
		guest.mac, guest.line = hw("00:15:65:aa:00:03"), "103"
		guest.nat = netip.MustParseAddrPort("203.0.113.5:40099")
		guest.Static(home, "192.168.1.22")
		guest.Register(at("08:40:05"))
	}},
	{"not-moved", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/7"))
		desk.Register(at("08:00:06"))
		desk.Boot(at("08:10:00"), floor4, "10.1.3.20", sw4.circuit("Gi1/0/2"))
		desk.Register(at("08:10:04"))
	}},
	{"not-my-phone", func(s *story) { plain(s, 1, "08:00:02") }},
	{"not-my-phone-alone", func(s *story) {
		core := plain(s, 1, "08:00:02")
		plainOn(core, 2, "08:40:00")
	}},
	{"objection", func(s *story) { plain(s, 1, "08:00:02") }},
	{"objection-to-claim", func(s *story) { plain(s, 1, "08:00:02", sw3.circuit("Gi1/0/7")) }},
	{"taken-back-personal", func(s *story) {
		desk := atHome(s, 1, "192.168.1.20")
		desk.Register(at("08:00:05"))
		desk.Register(at("08:50:05"))
	}},
	{"edited-and-approved", func(s *story) {
		core := plain(s, 1, "08:00:02")
		plainOn(core, 2, "09:00:00")
	}},
	{"former-user-personal", func(s *story) { stays(s) }},
	{"left-the-company", func(s *story) { stays(s) }},
	{"bootstrap-off", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		desk.Boot(at("08:30:00"), floor4, "10.1.3.20")
		desk.Register(at("08:30:04"))
	}},
	{"prompt-expired", func(s *story) {
		core := s.mirror("mirror-core")
		week := *floor3
		week.lease = 7 * 24 * time.Hour
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), &week, "10.1.2.20")
		desk.Register(at("08:00:06"))
		every(84*time.Hour, "2026-03-05 20:00:02", "2026-04-20 08:00:02", desk.Renew)
	}},
}

// claims: two phones on one floor, the second arrives after the admin has decided.
var claims = []timeline{
	{"company-claim-port", func(s *story) {
		core := plain(s, 1, "08:00:02", sw3.circuit("Gi1/0/7"))
		plainOn(core, 2, "09:00:00", sw3.circuit("Gi1/0/7"))
	}},
	{"company-claim-subnet", func(s *story) {
		core := plain(s, 1, "08:00:02", sw3.circuit("Gi1/0/7"))
		plainOn(core, 2, "09:00:00", sw3.circuit("Gi1/0/8"))
	}},
	{"rejection", func(s *story) { plain(s, 1, "08:00:02", sw3.circuit("Gi1/0/7")) }},
}

// changes: the map or the locations change under a phone.
var changes = []timeline{
	{"wiremap-changed", func(s *story) {
		core := plain(s, 1, "08:00:02")
		plainOn(core, 2, "08:00:10")
	}},
	{"ignored-by-import", func(s *story) {
		core := plain(s, 1, "08:00:02")
		plainOn(core, 2, "08:00:10")
	}},
	{"location-retired", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/7"))
		desk.Register(at("08:00:06"))
		desk.Boot(at("08:30:00"), floor4, "10.1.3.20", sw4.circuit("Gi1/0/2"))
		desk.Register(at("08:30:04"))
		desk.Boot(at("10:00:00"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/7"))
		desk.Register(at("10:00:04"))
	}},
}

// stays is a phone at home that keeps its registration up all morning.
func stays(s *story) {
	desk := atHome(s, 1, "192.168.1.20")
	every(50*time.Minute, "08:00:05", "10:30:05", desk.Register)
}

// plain is a phone that boots on the third floor and registers 4 s later; it returns the mirror that saw it.
func plain(s *story, n byte, boot string, port ...circuit) *link {
	core := s.mirror("mirror-core")
	plainOn(core, n, boot, port...)
	return core
}

func plainOn(core *link, n byte, boot string, port ...circuit) {
	desk := newPhone(yealink, n, core)
	addr := netip.AddrFrom4([4]byte{10, 1, 2, 19 + n})
	desk.Boot(at(boot), floor3, addr.String(), port...)
	desk.Register(at(boot).Add(4 * time.Second))
}
