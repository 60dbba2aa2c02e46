package main

import "time"

// links: whose port is it, and when is it known.
var links = []timeline{
	{"lldp-after-settling", func(s *story) {
		tap := s.tap("tap7")
		desk := newPhone(snom, 1, tap)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		every(time.Minute, "08:03:00", "08:06:00", helloOn(tap, desk))
	}},
	{"lldp-switched-on-later", func(s *story) { switchedOn(s) }},
	{"lldp-switched-on-elsewhere", func(s *story) { switchedOn(s) }},
	{"lldp-lost-then-other-port", func(s *story) {
		tap7, tap2 := s.tap("tap7"), s.tap("tap2")
		desk := newPhone(snom, 1, tap7)
		atDesk(desk, tap7) // LLDP is switched off on the phone after 08:03:01
		every(time.Minute, "08:04:00", "08:12:00", func(t time.Time) { sw3.LLDP(t, tap7, "Gi1/0/7") })
		desk.on = tap2
		sw4.LLDP(at("08:20:00"), tap2, "Gi1/0/2")
		desk.LLDP(at("08:20:01"))
		desk.Boot(at("08:20:02"), floor3, "10.1.2.20")
		desk.Register(at("08:20:06"))
		every(time.Minute, "08:21:00", "08:22:00", func(t time.Time) {
			sw4.LLDP(t, tap2, "Gi1/0/2")
			desk.LLDP(t.Add(time.Second))
		})
	}},
	{"two-phones-one-port", func(s *story) {
		tap := s.tap("tap7")
		one, two := newPhone(snom, 1, tap), newPhone(polycom, 2, tap)
		hello := helloOn(tap, one, two)
		hello(at("08:00:00"))
		one.Boot(at("08:00:03"), floor3, "10.1.2.20")
		two.Boot(at("08:00:05"), floor3, "10.1.2.21")
		one.Register(at("08:00:08"))
		two.Register(at("08:00:09"))
		every(time.Minute, "08:01:00", "08:03:00", hello)
	}},
	{"three-phones-one-port", func(s *story) {
		tap := s.tap("tap7")
		one, two, three := newPhone(snom, 1, tap), newPhone(polycom, 2, tap), newPhone(grandstream, 3, tap)
		helloOn(tap, one, two)(at("08:00:00"))
		one.Boot(at("08:00:03"), floor3, "10.1.2.20")
		two.Boot(at("08:00:05"), floor3, "10.1.2.21")
		one.Register(at("08:00:08"))
		two.Register(at("08:00:09"))
		every(time.Minute, "08:01:00", "08:02:00", helloOn(tap, one, two))
		three.LLDP(at("08:02:30"))
		three.Boot(at("08:02:31"), floor3, "10.1.2.22")
		three.Register(at("08:02:35"))
		every(time.Minute, "08:03:00", "08:05:00", helloOn(tap, one, two, three))
	}},
	{"lldp-and-cdp-same-switch", func(s *story) {
		tap := s.tap("tap7")
		desk := newPhone(snom, 1, tap)
		sw3.CDP(at("07:59:59"), tap, "Gi1/0/7")
		hello := helloOn(tap, desk)
		hello(at("08:00:00"))
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		hello(at("08:01:00")) // the last LLDP of the switch
		every(time.Minute, "08:02:01", "08:09:01", desk.LLDP)
		every(time.Minute, "08:00:59", "08:08:59", func(t time.Time) { sw3.CDP(t, tap, "Gi1/0/7") })
	}},
	{"bridge-and-telephone", func(s *story) {
		tap, behind := s.tap("tap7"), s.tap("tap-pc")
		desk := newPhone(yealink, 1, tap)
		desk.LLDP(at("08:00:01"))
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		every(time.Minute, "08:00:10", "08:03:10", func(t time.Time) { desk.LLDPBehind(t, behind) })
		every(time.Minute, "08:00:20", "08:03:20", helloOn(tap, desk))
	}},
	{"mirror-many-ports", func(s *story) {
		floor := s.trunk("mirror-floor")
		one, two := newPhone(snom, 1, floor), newPhone(yealink, 2, floor)
		hello := func(t time.Time) {
			for i, port := range []string{"Gi1/0/1", "Gi1/0/2", "Gi1/0/3", "Gi1/0/4"} {
				sw3.LLDP(t.Add(time.Duration(i)*ms), floor, port)
			}
			one.LLDP(t.Add(time.Second))
			two.LLDP(t.Add(time.Second + ms))
		}
		hello(at("08:00:00"))
		one.Boot(at("08:00:02"), floor3, "10.1.2.20")
		two.Boot(at("08:00:04"), floor3, "10.1.2.21")
		one.Register(at("08:00:06"))
		two.Register(at("08:00:08"))
		every(time.Minute, "08:01:00", "08:02:00", hello)
	}},
	{"l3-relay-vlan-interface", func(s *story) {
		core := s.mirror("mirror-core")
		port := circuit{remote: "core-1", circuit: "Vlan20"}
		for n, addr := range []string{"10.1.20.50", "10.1.20.51", "10.1.20.52"} { // power is back: all boot at once
			desk := newPhone(yealink, byte(n+1), core)
			t := time.Duration(n) * 100 * ms
			desk.Boot(at("08:00:02").Add(t), voice20, addr, port)
			desk.Register(at("08:00:06").Add(t))
		}
	}},
	{"third-phone-on-circuit", func(s *story) {
		core := s.mirror("mirror-core")
		for n, day := range []string{"2026-03-02", "2027-03-01", "2028-03-06"} {
			desk := newPhone(yealink, byte(n+1), core)
			desk.Boot(at(day+" 08:00:02"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/7"))
			desk.Register(at(day + " 08:00:06"))
		}
	}},
	{"renewal-names-another-circuit", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/7"))
		desk.Register(at("08:00:06"))
		renamed := &bridge{name: "sw-3fl-east", mac: sw3.mac}
		desk.Rebind(at("10:00:00"), renamed.circuit("Gi1/0/7"))
	}},
	{"circuit-shared-for-a-while", func(s *story) {
		core := s.mirror("mirror-core")
		short := *floor3
		short.lease = time.Hour
		port := sw3.circuit("Gi1/0/7")
		one, two, guest := newPhone(yealink, 1, core), newPhone(yealink, 2, core), newPhone(yealink, 3, core)
		one.Boot(at("08:00:02"), &short, "10.1.2.20", port)
		one.Register(at("08:00:06"))
		two.Boot(at("08:00:12"), &short, "10.1.2.21", port)
		two.Register(at("08:00:16"))
		every(30*time.Minute, "08:30:00", "11:00:00", one.Renew)
		every(30*time.Minute, "08:30:10", "11:00:10", two.Renew)
		guest.Boot(at("09:00:02"), &short, "10.1.2.22", port) // for an hour
		guest.Register(at("09:00:06"))
		one.Boot(at("09:20:02"), &short, "10.1.2.20", port)
		one.Register(at("09:20:06"))
	}},
	{"circuit-shared-while-asked", func(s *story) {
		core := s.mirror("mirror-core")
		port := sw3.circuit("Gi1/0/7")
		one, two, guest := newPhone(yealink, 1, core), newPhone(yealink, 2, core), newPhone(yealink, 3, core)
		one.Boot(at("08:00:02"), floor3, "10.1.2.20", port)
		one.Register(at("08:00:06"))
		two.Boot(at("08:00:12"), floor3, "10.1.2.21", port)
		two.Register(at("08:00:16"))
		guest.Boot(at("09:00:02"), floor3, "10.1.2.22", port)
		guest.Register(at("09:00:06"))
		guest.Release(at("09:40:00"))
		one.Register(at("09:50:06"))
	}},
	{"switch-look-alike-on-a-link", func(s *story) {
		tap := s.tap("tap7")
		desk := newPhone(snom, 1, tap)
		atDesk(desk, tap)
		every(time.Minute, "08:04:00", "08:12:00", helloOn(tap, desk))
		pc := &bridge{name: "alice-pc", mac: hw("3c:52:82:aa:00:09")} // it bridges for its virtual machines
		every(time.Minute, "08:04:40", "08:12:40", func(t time.Time) { pc.LLDP(t, tap, "eth0") })
	}},
}

// helloOn is one round of LLDP on a tap at Gi1/0/7: the switch, and a second later the phones.
func helloOn(tap *link, phones ...*phone) func(time.Time) {
	return func(t time.Time) {
		sw3.LLDP(t, tap, "Gi1/0/7")
		for i, p := range phones {
			p.LLDP(t.Add(time.Second + time.Duration(i)*ms))
		}
	}
}

// switchedOn is a phone whose switch begins to speak LLDP an hour after the boot.
func switchedOn(s *story) {
	tap := s.tap("tap7")
	desk := newPhone(snom, 1, tap)
	desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
	desk.Register(at("08:00:06"))
	desk.Register(at("08:50:06"))
	every(time.Minute, "09:00:00", "09:03:00", helloOn(tap, desk))
}
