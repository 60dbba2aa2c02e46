package main

import "time"

// nuisances: what must not move a phone, or not at once.
var nuisances = []timeline{
	{"scanner", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		scanner := newPhone(vendor{oui: "00:15:65", agent: "friendly-scanner", suffix: " %s"}, 1, core)
		scanner.Static(subnet("198.51.100.0/24", 0), "198.51.100.7")
		t := at("08:05:00")
		for _, line := range []string{"100", "101", "102", "admin", "test"} {
			scanner.line = line
			scanner.Try(t, 401)
			scanner.Try(t.Add(20*ms), 404)
			t = t.Add(50 * ms)
		}
		scanner.line, scanner.agent, scanner.tellsMAC = "101", yealink.agent, true // Alice's line, her phone's MAC
		scanner.Try(t, 401)
		scanner.Try(t.Add(20*ms), 403)
		desk.Register(at("08:40:06"))
	}},
	{"forged-option82", func(s *story) {
		trunk := s.trunk("mirror-trunk")
		desk := newPhone(yealink, 1, trunk)
		desk.Forge(at("08:00:02"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/9"))
		desk.Register(at("08:00:06"))
	}},
	{"flapping", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		there := sw4.circuit("Gi1/0/2")
		here := sw3.circuit("Gi1/0/7")
		plug := func(t time.Time, port circuit) {
			desk.Boot(t, floor3, "10.1.2.20", port)
			desk.Register(t.Add(4 * time.Second))
		}
		plug(at("08:00:02"), here)
		plug(at("08:20:00"), there)
		plug(at("08:20:30"), here)
		plug(at("08:21:00"), there)
		plug(at("08:21:30"), here)
		plug(at("08:22:00"), there)
		desk.Register(at("08:50:04"))
	}},
	{"late-and-duplicate", func(s *story) {
		a, b, slow := s.mirror("mirror-a"), s.mirror("mirror-b"), s.mirror("mirror-slow")
		a.copies = []*link{b}
		slow.delay = 20 * time.Second
		desk := newPhone(yealink, 1, a)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/7"))
		desk.Register(at("08:00:06"))
		desk.on = slow
		desk.Register(at("08:09:50")) // of the old place, and read after the phone is at the new one
		desk.on = a
		desk.Boot(at("08:10:00"), floor4, "10.1.3.20", sw4.circuit("Gi1/0/2"))
		desk.Register(at("08:10:04"))
		desk.Register(at("08:20:04"))
	}},
}
