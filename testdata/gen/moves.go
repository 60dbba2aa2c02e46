package main

import (
	"net/netip"
	"time"
)

// warehouse is a subnet of the second site, b2.
var warehouse = &lan{netip.MustParsePrefix("10.2.5.0/24"), 0, hw("00:1b:0d:bb:00:01"), 24 * time.Hour}

// moves: a phone is carried elsewhere.
var moves = []timeline{
	{"move-while-prompt-open", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/7"))
		desk.Register(at("08:00:06"))
		desk.Boot(at("08:10:00"), floor3, "10.1.2.20", sw4.circuit("Gi1/0/2")) // one subnet on both floors
		desk.Register(at("08:10:04"))
	}},
	{"return", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/7"))
		desk.Register(at("08:00:06"))
		desk.Boot(at("08:10:00"), floor4, "10.1.3.20", sw4.circuit("Gi1/0/2"))
		desk.Register(at("08:10:04"))
		desk.Boot(at("08:20:00"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/7"))
		desk.Register(at("08:20:04"))
	}},
	{"move-to-floor-with-lldp", func(s *story) {
		core, tap := s.mirror("mirror-core"), s.tap("tap2")
		desk := newPhone(snom, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		desk.on = tap // one subnet on both floors; only the switch of the fourth speaks LLDP
		desk.Boot(at("08:20:00"), floor3, "10.1.2.20")
		desk.Register(at("08:20:04"))
		every(30*time.Second, "08:20:10", "08:22:10", func(t time.Time) {
			sw4.LLDP(t, tap, "Gi1/0/2")
			desk.LLDP(t.Add(time.Second))
		})
	}},
	{"move-to-floor-without-lldp", func(s *story) {
		tap, core := s.tap("tap7"), s.mirror("mirror-core")
		desk := newPhone(snom, 1, tap)
		atDesk(desk, tap)
		desk.on = core
		desk.Boot(at("08:04:30"), floor4, "10.1.3.20")
		desk.Register(at("08:04:34"))
	}},
	{"move-to-floor-without-lldp-same-subnet", func(s *story) {
		tap, core := s.tap("tap7"), s.mirror("mirror-core")
		desk := newPhone(snom, 1, tap)
		atDesk(desk, tap)
		desk.on = core
		desk.Boot(at("08:04:30"), floor3, "10.1.2.20")
		desk.Register(at("08:04:34"))
		desk.Register(at("08:34:34"))
	}},
	{"move-by-register-other-site", func(s *story) {
		hq, b2 := s.mirror("mirror-hq"), s.mirror("mirror-b2")
		desk := newPhone(yealink, 1, hq)
		desk.tellsMAC = true
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		desk.on = b2
		desk.Static(warehouse, "10.2.5.20") // the warehouse's DHCP is not seen
		desk.Register(at("09:00:00"))
	}},
	{"lease-only", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(polycom, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Boot(at("09:00:00"), floor4, "10.1.3.20")
		desk.Renew(at("21:00:00"))
	}},
	{"cable-moved-two-links", func(s *story) {
		tap7, tap9 := s.tap("tap7"), s.tap("tap9")
		desk := newPhone(snom, 1, tap7)
		atDesk(desk, tap7)
		desk.on = tap9
		sw3.LLDP(at("08:04:10"), tap9, "Gi1/0/9")
		desk.LLDP(at("08:04:11"))
		desk.Boot(at("08:04:12"), floor3, "10.1.2.20")
		desk.Register(at("08:04:16"))
		every(time.Minute, "08:05:10", "08:07:10", func(t time.Time) {
			sw3.LLDP(t, tap9, "Gi1/0/9")
			desk.LLDP(t.Add(time.Second))
		})
	}},
	{"same-subnet-two-sites", func(s *story) {
		hq, b2 := s.mirror("mirror-hq"), s.mirror("mirror-b2")
		here, there := *floor3, *warehouse
		here.prefix = netip.MustParsePrefix("192.168.1.0/24")
		there.prefix = here.prefix
		desk := newPhone(yealink, 1, hq)
		desk.Boot(at("08:00:02"), &here, "192.168.1.20")
		desk.Register(at("08:00:06"))
		desk.on = b2
		desk.Boot(at("10:00:00"), &there, "192.168.1.20")
		desk.Register(at("10:00:04"))
	}},
	{"renewal-seen-at-another-site", func(s *story) {
		hq, b2 := s.mirror("mirror-hq"), s.mirror("mirror-b2")
		desk := newPhone(yealink, 1, b2)
		desk.tellsMAC = true
		desk.Boot(at("08:00:02"), warehouse, "10.2.5.20")
		desk.Register(at("08:00:06"))
		desk.on = hq // where the DHCP server stands
		desk.Renew(at("12:00:00"))
		desk.on = b2
		desk.Register(at("12:20:06"))
	}},
	{"release-after-renewal", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/7"))
		desk.Register(at("08:00:06"))
		desk.Renew(at("10:00:00"))
		desk.Release(at("10:02:00"))
		desk.Boot(at("10:10:00"), floor4, "10.1.3.20") // this relay inserts no option 82
		desk.Register(at("10:10:04"))
	}},
}

// atDesk is a morning at Gi1/0/7 of the third floor: three minutes on the tap, then unplugged.
func atDesk(desk *phone, tap *link) {
	hello := helloOn(tap, desk)
	hello(at("08:00:00"))
	desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
	desk.Register(at("08:00:06"))
	every(time.Minute, "08:01:00", "08:03:00", hello)
}
