package main

import "time"

// The floors of headquarters: each a subnet behind the core router, each with a switch.
var (
	floor3 = subnet("10.1.2.0/24", 0)
	floor4 = subnet("10.1.3.0/24", 0)
	sw3    = &bridge{name: "sw-3fl", mac: hw("00:1b:54:aa:00:01")}
	sw4    = &bridge{name: "sw-4fl", mac: hw("00:1b:54:aa:00:02")}
)

// arrivals: a phone comes to a network, and stays.
var arrivals = []timeline{
	{"first-appearance", func(s *story) {
		tap := s.tap("tap7")
		desk := newPhone(snom, 1, tap)
		hello := helloOn(tap, desk)
		hello(at("08:00:00"))
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		every(30*time.Second, "08:00:30", "08:01:30", hello)
	}},
	{"confirm", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/7"))
		desk.Register(at("08:00:06"))
	}},
	{"silent-refresh", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		every(30*time.Minute, "08:00:06", "13:30:06", desk.Register)
		desk.agent = "Yealink SIP-T46S 66.86.0.15" // new firmware, signed on again
		desk.sessions++
		every(30*time.Minute, "14:00:06", "17:00:06", desk.Register)
	}},
	{"new-ip-same-subnet", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(grandstream, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		desk.Boot(at("08:00:40"), floor3, "10.1.2.31") // before it has settled: not a change either
		desk.Register(at("08:00:44"))
		desk.Boot(at("09:00:00"), floor3, "10.1.2.87")
		desk.Register(at("09:00:04"))
	}},
	{"unicast-renewals", func(s *story) {
		core := s.mirror("mirror-core")
		short := *floor3
		short.lease = time.Hour
		desk := newPhone(polycom, 1, core)
		desk.expires = 600
		desk.Boot(at("08:00:02"), &short, "10.1.2.20", ciscoCircuit(sw3.mac, 20, 1, 7))
		desk.Register(at("08:00:06")) // the only one seen: from here on it registers over TLS
		every(30*time.Minute, "08:30:02", "11:30:02", desk.Renew)
	}},
	{"reboot", func(s *story) {
		tap := s.tap("tap7")
		desk := newPhone(snom, 1, tap)
		hello := helloOn(tap, desk)
		hello(at("08:00:00"))
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20")
		desk.Register(at("08:00:06"))
		every(time.Minute, "08:01:00", "08:05:00", hello)
		desk.agent = "snomD785/10.1.101.11" // a firmware update: 81 s without a word
		desk.LLDP(at("08:06:22"))
		sw3.LLDP(at("08:06:00"), tap, "Gi1/0/7")
		desk.Boot(at("08:06:24"), floor3, "10.1.2.20")
		desk.Register(at("08:06:28"))
		every(time.Minute, "08:07:00", "08:10:00", hello)
	}},
	{"reboot-while-prompt-open", func(s *story) {
		core := s.mirror("mirror-core")
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/7"))
		desk.Register(at("08:00:06"))
		desk.InitReboot(at("08:20:00"), sw3.circuit("Gi1/0/7"))
		desk.Register(at("08:20:05"))
		desk.Boot(at("08:40:00"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/7"))
		desk.Register(at("08:40:05"))
	}},
	{"vanished", func(s *story) {
		core := s.mirror("mirror-core")
		short := *floor3
		short.lease = time.Hour
		desk, other := newPhone(yealink, 1, core), newPhone(yealink, 2, core)
		desk.expires = 600
		desk.Boot(at("08:00:02"), &short, "10.1.2.20")
		desk.Register(at("08:00:06")) // and then switched off
		other.Boot(at("10:00:00"), floor3, "10.1.2.21")
		other.Register(at("10:00:04"))
		desk.Boot(at("10:30:00"), &short, "10.1.2.20")
		desk.Register(at("10:30:04"))
	}},
}
