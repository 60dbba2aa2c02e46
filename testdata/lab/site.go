package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// site is the lab's network: two floors, each with an access switch and a subnet,
// a router, a segment of servers, and the host that Perch runs on, which has
// monitor ports and no address. docs/lab.md has a drawing.
type site struct {
	*network
	pace pace

	router, dhcp3, dhcp4, pbx, perch, wall, pc, guest *host

	sw3, sw4 *accessSwitch
	phones   []*phone
	spans    sync.WaitGroup
	endSpans context.CancelFunc
	mirrors  []end  // the switches' ends of the cables to Perch's monitor ports
	pcBehind *phone // nil: it is in its bag
}

// pace is how fast things happen in a lab; on real networks it all takes longer.
type pace struct {
	lldp               time.Duration // between LLDP frames; the TTL is four times that
	refresh            time.Duration // between REGISTERs of a phone
	settle             time.Duration // policy.settle
	settleUnregistered time.Duration
	outage             time.Duration // how long an uplink or a mirror is down; less than half a lease, or leases run out meanwhile
}

// Addresses of the site. Hosts that are no phones have MACs for documentation (RFC
// 7042, 2.1.2).
const (
	serverNet = "10.1.0"
	floor3Net = "10.1.3"
	floor4Net = "10.1.4"
	macs      = "00:00:5e:00:53:"
	pbxIP     = serverNet + ".5"
)

// taps are the ports of the third floor's switch that Perch has taps on.
var taps = []string{"sw3p1", "sw3p2", "sw3p3"}

// buildSite builds the network. What there is of it after an error is removed by remove.
func buildSite(ctx context.Context, n *network, p pace) (*site, error) {
	s := &site{network: n, pace: p}
	for _, h := range []struct {
		name string
		to   **host
	}{
		{"router", &s.router}, {"dhcp3", &s.dhcp3}, {"dhcp4", &s.dhcp4}, {"pbx", &s.pbx}, {"perch", &s.perch},
		{"wall", &s.wall}, {"pc", &s.pc}, {"guest", &s.guest},
	} {
		var err error
		if *h.to, err = n.host(h.name); err != nil {
			return s, err
		}
	}
	if err := s.buildServers(); err != nil {
		return s, err
	}
	if err := s.buildFloors(); err != nil {
		return s, err
	}
	if err := s.buildMonitors(); err != nil {
		return s, err
	}
	if err := s.addPhones(); err != nil {
		return s, err
	}
	return s, s.startServers(ctx)
}

// buildServers lays the segment of the servers.
func (s *site) buildServers() error {
	if _, err := s.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1"); err != nil {
		return err
	}
	if err := s.router.bridge("srv0", macs+"01", serverNet+".1/24"); err != nil {
		return err
	}
	for i, h := range []*host{s.dhcp3, s.dhcp4, s.pbx} {
		port, last := "srv"+fmt.Sprint(i+1), i+3
		if err := cable(end{s.router, port, ""}, end{h, "eth0", fmt.Sprintf("%s0%d", macs, last)}); err != nil {
			return err
		}
		err := errors.Join(s.router.ip("link set %s master srv0 up", port),
			h.ip("address add %s.%d/24 dev eth0\nlink set eth0 up\nroute add default via %s.1", serverNet, last, serverNet))
		if err != nil {
			return err
		}
	}
	return nil
}

// buildFloors makes the access switches, and the cables to the router and to the
// jacks in the walls. Six ports each.
func (s *site) buildFloors() error {
	for i, f := range []struct {
		sw   **accessSwitch
		name string
		net  string
	}{{&s.sw3, "sw3", floor3Net}, {&s.sw4, "sw4", floor4Net}} {
		mac := func(n int) string { return fmt.Sprintf("%s%d%d", macs, i+3, n) }
		sw, err := newSwitch(s.network, f.name, mac(0), f.name+"up", f.net+".2/24")
		if err != nil {
			return err
		}
		*f.sw = sw
		floor := fmt.Sprint("floor", i+3)
		if err := sw.connect(end{s.router, floor, mac(9)}); err != nil {
			return err
		}
		err = errors.Join(s.router.ip("address add %s.1/24 dev %s\nlink set %s up", f.net, floor, floor), sw.ip("route add default via %s.1", f.net))
		if err != nil {
			return err
		}
		for p := 1; p <= 6; p++ {
			name := fmt.Sprintf("%sp%d", f.name, p)
			if err := sw.addPort(name, mac(p), fmt.Sprintf("%d0%d", i+3, p), end{s.wall, name + "-jack", ""}); err != nil {
				return err
			}
		}
	}
	// The relay on the fourth floor's switch needs an address on each of its ports,
	// which it gives as giaddr.
	for i, p := range s.sw4.ports {
		if err := s.sw4.ip("address add %s.%d/32 dev %s", floor4Net, 11+i, p.name); err != nil {
			return err
		}
	}
	return nil
}

// buildMonitors gives Perch a mirror of both uplinks and of the segment of the
// servers, without LLDP, and taps on some access links, with it.
func (s *site) buildMonitors() error {
	ctx, cancel := context.WithCancel(context.Background())
	s.endSpans = cancel
	lay := func(at *host, port, name string, linkLocal bool, from ...end) error {
		if err := cable(end{at, port, macs + "a" + fmt.Sprint(len(s.mirrors))}, end{s.perch, name, ""}); err != nil {
			return err
		}
		if err := errors.Join(at.ip("link set %s up", port), s.perch.ip("link set %s up", name)); err != nil {
			return err
		}
		s.mirrors = append(s.mirrors, end{at, port, ""})
		sp, err := newSpan(end{at, port, ""}, linkLocal, from...)
		if err == nil {
			s.spans.Go(func() { sp.run(ctx) })
		}
		return err
	}
	err := lay(s.sw3.host, "sw3span", "mirror0", false, end{s.sw3.host, "sw3up", ""}, end{s.sw4.host, "sw4up", ""}, end{s.router, "srv0", ""})
	for i, port := range taps {
		err = errors.Join(err, lay(s.sw3.host, fmt.Sprint("tap", i+1), fmt.Sprint("tap", i+1), true, end{s.sw3.host, port, ""}))
	}
	return err
}

// addPhones makes the phones, none plugged in.
func (s *site) addPhones() error {
	for _, p := range []*phone{
		{number: "101", client: "udhcpc", agent: "sipp", lldp: true},
		{number: "102", client: "dhclient", agent: "baresip", lldp: true},
		{number: "103", client: "udhcpc", agent: "sipp", lldp: true, pcPort: true},
		{number: "104", client: "udhcpc", agent: "sipp"},
		{number: "105", client: "udhcpc", agent: "sipp"},
		{number: "106", client: "udhcpc", agent: "sipp"},
	} {
		h, err := s.network.host("phone" + p.number[2:])
		if err != nil {
			return err
		}
		p.host = h
		p.mac = "00:04:13:5e:01:0" + p.number[2:]
		p.version = "1.0"
		p.instance = "00000000-0000-4000-8000-000000000" + p.number
		p.registrar, p.interval, p.refresh = pbxIP, s.pace.lldp, s.pace.refresh
		s.phones = append(s.phones, p)
	}
	return nil
}

// startServers starts what runs all the time.
func (s *site) startServers(ctx context.Context) error {
	var ports []string
	for _, p := range s.sw4.ports {
		ports = append(ports, p.name)
	}
	for _, start := range []func() error{
		func() error { return serveDHCP(ctx, s.dhcp3, floor3Net+".100", floor3Net+".150", floor3Net+".1") },
		func() error {
			return serveKea(ctx, s.dhcp4, floor4Net+".0/24", floor4Net+".100", floor4Net+".150", floor4Net+".1")
		},
		func() error { return serveSIP(ctx, s.pbx, pbxIP) },
		func() error { return relayDHCP(ctx, s.router, "srv0", []string{"floor3"}, serverNet+".3") },
		func() error { return relayDHCP(ctx, s.sw4.host, "br0", ports, serverNet+".4") },
		func() error {
			return s.sw3.announce(s.pace.lldp, "Access switch, third floor", "SW0003", []string{"sw3span"})
		},
		func() error { return s.sw4.announce(s.pace.lldp, "Access switch, fourth floor", "SW0004", nil) },
	} {
		if err := start(); err != nil {
			return err
		}
	}
	return nil
}

// remove ends everything and removes it.
func (s *site) remove() error {
	if s.endSpans != nil {
		s.endSpans()
		s.spans.Wait()
	}
	return s.network.remove()
}

// phone returns a phone by its name.
func (s *site) phone(name string) (*phone, error) {
	for _, p := range s.phones {
		if p.name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no phone %q: there are phone1 to phone%d", name, len(s.phones))
}

// port returns a port of a switch by its name.
func (s *site) port(name string) (*port, error) {
	var names []string
	for _, p := range slices.Concat(s.sw3.ports, s.sw4.ports) {
		if p.name == name {
			return p, nil
		}
		names = append(names, p.name)
	}
	return nil, fmt.Errorf("no port %q: there are %s", name, strings.Join(names, " "))
}

// carrier puts the cable in at a switch's end, or pulls it.
func (e end) carrier(up bool) error {
	if up {
		return e.host.ip("link set %s up", e.iface)
	}
	return e.host.ip("link set %s down", e.iface)
}

// plugPC plugs the PC in behind a phone with a PC port. It takes a lease and runs a
// softphone on the phone's own line.
func (s *site) plugPC(ctx context.Context, p *phone) error {
	if s.pcBehind != nil || !p.pcPort {
		return fmt.Errorf("the PC cannot be plugged in behind %s", p.name)
	}
	if err := cable(end{p.host, "pc", macs + "5f"}, end{s.pc, "eth0", pcMAC}); err != nil {
		return err
	}
	s.pcBehind = p
	if err := errors.Join(p.ip("link set pc master br0 up"), s.pc.ip("link set eth0 up")); err != nil {
		return err
	}
	soft := s.softphone(p)
	if err := soft.lease(); err != nil {
		return err
	}
	if err := await(ctx, "address for the PC", func() bool { return s.pc.address("eth0") != "" }); err != nil {
		return err
	}
	return soft.register(pbxIP, s.pc.address("eth0"))
}

// pcMAC is the PC's; its OUI is no phone's.
const pcMAC = "02:00:00:00:00:0c"

// softphone is what the PC does of what phones do.
func (s *site) softphone(beside *phone) *phone {
	return &phone{
		host: s.pc, number: beside.number, mac: pcMAC, client: "udhcpc", agent: "sipp", version: "softphone", boots: 9,
		instance: "00000000-0000-4000-8000-00000000000c", registrar: pbxIP, refresh: s.pace.refresh,
	}
}

// unplugPC takes the PC away.
func (s *site) unplugPC(p *phone) error {
	if s.pcBehind != p {
		return fmt.Errorf("the PC is not plugged in behind %s", p.name)
	}
	s.pc.kill()
	s.pcBehind = nil
	return s.pc.ip("link delete eth0")
}

// scan lets a scanner at a jack try passwords for everybody's lines.
func (s *site) scan(at *port) error {
	if at.used {
		return fmt.Errorf("%s is in use", at.name)
	}
	scenario, err := s.guest.config("register.xml", nil)
	if err != nil {
		return err
	}
	at.used = true
	defer func() { at.used = false }()
	err = errors.Join(at.jack.host.ip("link set %s netns %s name eth0", at.jack.iface, s.guest.namespace()),
		s.guest.ip("link set eth0 address 02:00:00:00:00:66 up\naddress add %s.66/24 dev eth0\nroute add default via %s.1", floor3Net, floor3Net))
	if err != nil {
		return err
	}
	for n := 100; n < 110; n++ {
		line := fmt.Sprint(n)
		// SIPp ends with a failure, since it is refused.
		_, _ = s.guest.run("sipp", pbxIP, "-sf", scenario, "-i", floor3Net+".66", "-p", "5060", "-s", line, "-au", line, "-ap", "guess",
			"-key", "agent", "friendly-scanner", "-key", "instance", "00000000-0000-4000-8000-000000000666", "-m", "1", "-nostdin", "-skip_rlimit",
			"-cid_str", "scan"+line+"@%s", "-timeout", "3s")
	}
	return s.guest.ip("link set eth0 down\naddress flush dev eth0\nlink set eth0 netns %s name %s", at.jack.host.namespace(), at.jack.iface)
}

// size returns the size of a file in octets, 0 if there is none.
func size(file string) int64 {
	st, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return st.Size()
}
