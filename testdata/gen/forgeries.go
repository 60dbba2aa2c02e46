package main

import "time"

// forgeries: somebody on the network says of Alice's phone, which stays where it
// is, that it is elsewhere. One kind of evidence is forged in each.
var forgeries = []timeline{
	{"forged-switch-port", func(s *story) {
		tap := s.tap("tap7")
		desk := newPhone(snom, 1, tap)
		stayAtDesk(desk, tap)
		// The computer behind the phone speaks as the phone's switch, and signs off for it.
		every(10*time.Second, "08:10:05", "08:30:05", func(t time.Time) {
			sw3.SignOff(t, tap, "Gi1/0/7")
			sw3.LLDP(t.Add(ms), tap, "Gi1/0/9")
		})
	}},
	{"forged-phone-announcement", func(s *story) {
		tap7, tap9 := s.tap("tap7"), s.tap("tap9")
		desk := newPhone(snom, 1, tap7)
		stayAtDesk(desk, tap7)
		twin := *desk
		twin.on = tap9
		every(30*time.Second, "08:10:20", "08:50:20", func(t time.Time) {
			sw3.LLDP(t, tap9, "Gi1/0/9")
			twin.LLDP(t.Add(time.Second))
		})
	}},
	{"forged-announcement-alone", func(s *story) {
		core, tap9 := s.mirror("mirror-core"), s.tap("tap9")
		desk := newPhone(snom, 1, core) // which does not speak LLDP
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		twin := *desk
		twin.on = tap9
		every(30*time.Second, "08:10:20", "08:50:20", func(t time.Time) {
			sw3.LLDP(t, tap9, "Gi1/0/9")
			twin.LLDP(t.Add(time.Second))
		})
		desk.Register(at("08:50:06"))
	}},
	{"forged-sign-off", func(s *story) {
		tap := s.tap("tap7")
		desk := newPhone(snom, 1, tap)
		stayAtDesk(desk, tap)
		every(time.Minute, "08:10:30", "08:30:30", func(t time.Time) {
			sw3.SignOff(t, tap, "Gi1/0/7")
			desk.SignOff(t.Add(ms))
		})
	}},
	{"forged-arp", func(s *story) {
		trunk := s.trunk("mirror-trunk")
		desk := newPhone(yealink, 1, trunk)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		twin := *desk // the phone's MAC with an address of the other floor
		twin.lan, twin.ip = floor4, ip("10.1.3.66")
		every(time.Minute, "08:10:00", "08:40:00", twin.ARP)
		thief := *desk // another MAC with the phone's address
		thief.mac = hw("3c:52:82:aa:00:66")
		every(time.Minute, "08:10:20", "08:40:20", thief.ARP)
		every(5*time.Minute, "08:10:40", "08:40:40", desk.ARP)
		desk.Register(at("08:50:06"))
	}},
	{"forged-ack", func(s *story) {
		trunk := s.trunk("mirror-trunk")
		desk := newPhone(yealink, 1, trunk)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		rogue := *desk
		rogue.lan, rogue.ip = floor4, ip("10.1.3.66")
		every(10*time.Minute, "08:10:00", "08:40:00", func(t time.Time) { rogue.dhcpDown(t, dhcpACK, nil) })
		desk.Register(at("08:50:06"))
	}},
	{"forged-reply", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.registrar = pbx6
		lease := lease6{addr: "2001:db8:20::100", port: &circuit{"sw-3fl", "Gi1/0/7:20"}, relay: "2001:db8:20::1", mac: true}
		desk.start(floor3, "10.0.0.1")
		desk.ip6 = ip(lease.addr)
		desk.Boot6(at("08:00:02"), lease)
		desk.Register(at("08:00:06"))
		elsewhere := lease
		elsewhere.port = &circuit{"sw-3fl", "Gi1/0/9:20"}
		every(10*time.Minute, "08:10:00", "08:40:00", func(t time.Time) { desk.send6(t, elsewhere, reply6) })
		elsewhere.addr, elsewhere.relay = "2001:db8:30::66", "2001:db8:30::1"
		every(10*time.Minute, "08:15:00", "08:45:00", func(t time.Time) {
			desk.xid += 7 // of no exchange at all
			desk.send6(t, elsewhere, reply6)
		})
		desk.Register(at("08:50:06"))
	}},
	{"forged-register", func(s *story) {
		trunk := s.trunk("mirror-trunk")
		desk := newPhone(yealink, 1, trunk)
		desk.tellsMAC = true
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		twin := newPhone(softphone, 6, trunk)
		twin.Boot(at("08:05:00"), floor4, "10.1.3.66")
		twin.line, twin.agent = desk.line, yealink.agent+" "+desk.mac.plain() // Alice's line, and her phone's MAC
		twin.Try(at("08:10:00"), 403)
		every(time.Minute, "08:11:00", "08:30:00", twin.Register) // with the PBX's answer forged too
		desk.Register(at("08:40:06"))
	}},
}

// stayAtDesk is an hour at Gi1/0/7 of the third floor, on the tap.
func stayAtDesk(desk *phone, tap *link) {
	hello := helloOn(tap, desk)
	hello(at("08:00:00"))
	desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
	desk.Register(at("08:00:06"))
	every(30*time.Second, "08:00:30", "09:00:00", hello)
	desk.Register(at("08:50:06"))
}
