package main

import "time"

// sharers: lines and phones that belong to several people, or to nobody.
var sharers = []timeline{
	{"shared-aor", func(s *story) {
		core := s.mirror("mirror-core")
		one, two := newPhone(yealink, 1, core), newPhone(yealink, 2, core)
		one.line, two.line = "100", "100"
		one.Boot(at("08:00:02"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/7"))
		one.Register(at("08:00:06"))
		two.Boot(at("08:10:00"), floor3, "10.1.2.21", sw3.circuit("Gi1/0/8"))
		two.Register(at("08:10:04"))
		one.Register(at("08:40:06"))
		two.Register(at("08:50:04"))
	}},
	{"hot-desking", func(s *story) { hotDesk(s) }},
	{"hot-desk-personal", func(s *story) { hotDesk(s) }},
	{"two-users", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:02:00")) // long after the lease has settled
	}},
	{"no-users", func(s *story) { thereAndBack(s) }},
	{"nobody-then-somebody", func(s *story) { thereAndBack(s) }},
}

// hotDesk is a phone of 101 in the morning and of 102 from noon, then carried upstairs.
func hotDesk(s *story) {
	core := s.mirror("mirror-core")
	desk := newPhone(yealink, 1, core)
	desk.Boot(at("08:00:02"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/7"))
	every(50*time.Minute, "08:00:06", "11:20:06", desk.Register)
	desk.Unregister(at("12:00:00"))
	desk.line = "102"
	desk.Register(at("12:00:05"))
	desk.Boot(at("12:30:00"), floor4, "10.1.3.20", sw4.circuit("Gi1/0/2"))
	desk.Register(at("12:30:04"))
}

// thereAndBack is a phone on the third floor, on the fourth, and on the third again.
func thereAndBack(s *story) {
	core := s.mirror("mirror-core")
	desk := newPhone(yealink, 1, core)
	desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
	desk.Register(at("08:00:06"))
	desk.Boot(at("08:30:00"), floor4, "10.1.3.20")
	desk.Register(at("08:30:04"))
	desk.Boot(at("09:00:00"), floor3, "10.1.2.20")
	desk.Register(at("09:00:04"))
}
