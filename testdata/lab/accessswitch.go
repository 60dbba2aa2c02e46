package main

import (
	"fmt"
	"strings"
	"time"
)

// accessSwitch is a host whose bridge is an access switch. As on real switches,
// frames to LLDP's addresses are not forwarded.
type accessSwitch struct {
	*host
	mac    string // of the switch; those of its ports count on from it
	uplink string
	ports  []*port
}

// port is an access port with the jack in a room's wall at the other end of its cable.
type port struct {
	sw   *accessSwitch
	name string
	mac  string
	room string
	jack end // while nothing is plugged in
	used bool
}

// newSwitch makes a switch without ports. address is that of its management.
func newSwitch(n *network, name, mac, uplink, address string) (*accessSwitch, error) {
	h, err := n.host(name)
	if err != nil {
		return nil, err
	}
	return &accessSwitch{host: h, mac: mac, uplink: uplink}, h.bridge("br0", mac, address)
}

// connect lays the cable from the uplink.
func (s *accessSwitch) connect(to end) error {
	if err := cable(end{s.host, s.uplink, s.mac}, to); err != nil {
		return err
	}
	return s.ip("link set %s master br0 up", s.uplink)
}

// addPort adds an access port. It is isolated from the others, as protected ports
// are: a relay agent on the switch would else take a broadcast that is flooded to
// other ports for one that came in there.
func (s *accessSwitch) addPort(name, mac, room string, jack end) error {
	p := &port{sw: s, name: name, mac: mac, room: room, jack: jack}
	if err := cable(end{s.host, name, mac}, jack); err != nil {
		return err
	}
	s.ports = append(s.ports, p)
	return s.ip("link set %s master br0 up\nlink set %s type bridge_slave isolated on", name, name)
}

// announce starts the switch's LLDP: MED class 4, on its access ports and on those
// named besides.
func (s *accessSwitch) announce(interval time.Duration, description, serial string, others []string, flags ...string) error {
	var lines []string
	names := append([]string{s.uplink}, others...)
	for _, p := range s.ports {
		names = append(names, p.name)
		lines = append(lines,
			fmt.Sprintf("configure ports %s lldp portdescription \"Room %s, jack 1\"", p.name, p.room),
			fmt.Sprintf("configure ports %s med location address country US country-subdivision IL city Springfield street \"Main Street\" number 100 building A floor %c room %s",
				p.name, p.room[0], p.room),
			fmt.Sprintf("configure ports %s med location elin 2175550%s", p.name, elin(p.room)))
	}
	conf, err := s.config("switch.conf", map[string]string{
		"hostname": s.name, "description": description, "uplink": s.uplink, "interval": seconds(interval), "serial": serial,
		"ports": strings.Join(lines, "\n"),
	})
	if err != nil {
		return err
	}
	return s.speakLLDP(conf, append([]string{"-M", "4", "-C", s.uplink, "-I", strings.Join(names, ",")}, flags...)...)
}

// elin is the emergency number of a room, of the range for fiction.
func elin(room string) string { return "1" + room[len(room)-2:] }
