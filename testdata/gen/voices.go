package main

import "time"

// Data and voice on one port.
var (
	data10  = subnet("10.1.10.0/24", 0)
	voice20 = subnet("10.1.20.0/24", 20)
)

// voices: phones on a voice VLAN, and what sits behind them.
var voices = []timeline{
	{"voice-vlan-hop", func(s *story) {
		tap := s.tap("tap7")
		sw := &bridge{name: "sw-3fl", mac: sw3.mac, voiceVLAN: 20}
		desk := newPhone(yealink, 1, tap)
		hello := func(t time.Time) {
			sw.LLDP(t, tap, "Gi1/0/7")
			desk.LLDP(t.Add(time.Second))
		}
		hop := func(t time.Time) {
			desk.Boot(t, data10, "10.1.10.50")
			desk.Release(t.Add(4 * time.Second)) // it heard of VLAN 20
			desk.Boot(t.Add(10*time.Second), voice20, "10.1.20.50")
			desk.Register(t.Add(15 * time.Second))
		}
		hello(at("08:00:00"))
		hop(at("08:00:05"))
		every(time.Minute, "08:00:30", "08:09:30", hello)
		hop(at("08:10:05")) // the same again, at the next boot
		every(time.Minute, "08:10:30", "08:12:30", hello)
	}},
	{"voice-vlan-hop-trunk", func(s *story) {
		trunk := s.trunk("mirror-trunk")
		desk := newPhone(yealink, 1, trunk)
		hop := func(t time.Time) {
			desk.Boot(t, data10, "10.1.10.50")
			desk.Release(t.Add(4 * time.Second))
			desk.Boot(t.Add(10*time.Second), voice20, "10.1.20.50")
			desk.Register(t.Add(15 * time.Second))
		}
		hop(at("08:00:05"))
		hop(at("08:30:05"))
	}},
	{"double-reboot", func(s *story) {
		core := s.mirror("mirror-core")
		voice := subnet("10.1.20.0/24", 0) // both VLANs are relayed, so no tag is seen
		desk := newPhone(yealink, 1, core)
		hop := func(t time.Time) {
			desk.Boot(t, data10, "10.1.10.50")
			desk.Boot(t.Add(10*time.Second), voice, "10.1.20.50")
			desk.Register(t.Add(15 * time.Second))
		}
		hop(at("08:00:05"))
		hop(at("12:00:05")) // new firmware,
		hop(at("12:03:05")) // and once more for its settings
	}},
	{"bench-then-desk", func(s *story) {
		core, trunk := s.mirror("mirror-core"), s.trunk("mirror-trunk")
		desk := newPhone(yealink, 1, core)
		desk.Boot(at("08:00:02"), floor3, "10.1.2.20", sw3.circuit("Gi1/0/7"))
		desk.Register(at("08:00:06"))
		desk.on = trunk
		desk.Boot(at("08:04:30"), voice20, "10.1.20.50")
		desk.Register(at("08:04:36"))
	}},
	{"port-in-another-vlan", func(s *story) {
		tap := s.tap("tap7")
		desk := newPhone(snom, 1, tap)
		atDesk(desk, tap)
		hello := helloOn(tap, desk)
		every(time.Minute, "08:04:00", "08:08:00", hello)
		desk.Boot(at("08:08:30"), voice20, "10.1.20.50") // the port has a voice VLAN now
		desk.Register(at("08:08:36"))
		every(time.Minute, "08:09:00", "08:12:00", hello)
	}},
	{"pc-and-softphone-behind-phone", func(s *story) {
		tap := s.tap("tap7")
		desk := newPhone(yealink, 1, tap)
		pc := newPhone(softphone, 9, tap)
		hello := helloOn(tap, desk)
		hello(at("08:00:00"))
		desk.Boot(at("08:00:03"), voice20, "10.1.20.50")
		desk.Register(at("08:00:06"))
		pc.Boot(at("08:00:20"), data10, "10.1.10.77")
		pc.Register(at("08:00:24"))
		every(30*time.Second, "08:00:30", "08:02:30", hello)
	}},
}
