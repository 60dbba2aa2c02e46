package discovery

import (
	"slices"
	"strings"
)

// shutdown takes an announcement's end (IEEE 802.1AB 9.1.2.3: a time to live of
// zero). Anybody can send one in a switch's name, so it takes nothing away: it
// only ends a longer time to live early, and the switch's next announcement
// undoes it. A phone's says that it restarts, not that it leaves.
func (w *wire) shutdown(s *sight) {
	if s.LLDP == nil {
		return
	}
	name := portName{s.LLDP.ChassisID, CanonicalPort(s.LLDP.PortID)}
	for i := range w.Switches {
		n := &w.Switches[i]
		if end := s.now.Add(leastTTL); n.LLDP == name && slices.Contains(n.MACs, s.MAC) && n.Until.After(end) {
			n.Until = end
		}
	}
}

// pcPort reports whether a phone's announcement is the one that it makes to the
// computer behind it: heard there, it says nothing of the phone's switch. Phones
// with two ports number them, as in 001B54945A8B:P2, or name the second.
func (o *Observation) pcPort() bool {
	if o.CDP != nil {
		return strings.HasPrefix(o.CDP.DeviceID, "SEP") && strings.EqualFold(o.CDP.PortID, "Port 2")
	}
	mac, port, ok := strings.Cut(o.LLDP.PortID, ":")
	if ok && strings.EqualFold(port, "P2") {
		if _, err := ParseMAC(mac); err == nil {
			return true
		}
	}
	return strings.EqualFold(strings.TrimSpace(o.LLDP.PortDescription), "PC Port")
}
