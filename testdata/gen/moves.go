package main

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
}
