package discovery

import "net/netip"

// Relation says how an attachment relates to a network that is known for its
// phone.
type Relation uint8

// The relations of an attachment to a known network.
const (
	Different Relation = iota
	Upgraded           // the same, and it has a stronger level than the network ever had
	Degraded           // the same, but it lacks the network's strongest level
	Same
)

// Compare relates the attachment now to a known network, given as all values
// ever known of it. They are compared at the network's strongest level: same if
// both have it and it is equal. Where one of them lacks the other's strongest
// level, they are the same if they share at least one weaker level and differ in
// none that they share. Known sites must not differ.
func Compare(known, now Attachment) Relation {
	if known.Site != "" && now.Site != "" && known.Site != now.Site {
		return Different
	}
	strongest := known.Level()
	if eq, both := equalAt(known, now, strongest); both {
		// What is weaker does not matter then: a port that was given another
		// VLAN is still the same port.
		switch {
		case !eq:
			return Different
		case now.Level() > strongest:
			return Upgraded
		}
		return Same
	}
	shared := 0
	for l := LevelPublicIP; l <= LevelPort; l++ {
		eq, both := equalAt(known, now, l)
		if both && !eq {
			return Different
		}
		if both {
			shared++
		}
	}
	switch {
	case shared == 0:
		return Different
	case now.Level() >= strongest:
		return Upgraded
	}
	return Degraded
}

// equalAt compares at one level; both reports whether both have it in a
// comparable form.
func equalAt(known, now Attachment, l Level) (eq, both bool) {
	switch l {
	case LevelPort:
		switch {
		case known.PortID != "" && now.PortID != "":
			return samePort(known, now), true
		case known.CircuitID != "" && now.CircuitID != "" && !now.Shared && !known.Shared:
			return sameCircuit(known, now), true
		}
	case LevelBSSID:
		return known.BSSID == now.BSSID, !known.BSSID.IsZero() && !now.BSSID.IsZero()
	case LevelChassis:
		if known.ChassisID != "" && now.ChassisID != "" {
			return known.ChassisID == now.ChassisID || known.AliasChassisID == now.ChassisID || known.ChassisID == now.AliasChassisID, true
		}
	case LevelSubnet:
		if known.PublicIP.IsValid() || now.PublicIP.IsValid() {
			return false, false
		}
		circuits := known.CircuitID != "" && now.CircuitID != "" && (known.Shared || now.Shared)
		subnets := known.Subnet.IsValid() && now.Subnet.IsValid()
		eq = (!circuits || sameCircuit(known, now)) && (!subnets || sameSubnet(known, now))
		return eq, circuits || subnets
	case LevelPublicIP:
		if known.PublicIP.IsValid() && now.PublicIP.IsValid() {
			return known.PublicIP == now.PublicIP && sameSubnet(known, now), true
		}
	}
	return false, false
}

// samePort compares switch ports under all the names that each is known by.
func samePort(a, b Attachment) bool {
	names := func(x Attachment) [2]portName {
		return [2]portName{{x.ChassisID, x.PortID}, {x.AliasChassisID, x.AliasPortID}}
	}
	for _, p := range names(a) {
		for _, q := range names(b) {
			if p == q && p.Port != "" {
				return true
			}
		}
	}
	return false
}

func sameCircuit(a, b Attachment) bool {
	return a.RemoteID == b.RemoteID && CanonicalCircuit(a.CircuitID) == CanonicalCircuit(b.CircuitID)
}

// sameSubnet compares subnets. A prefix that no DHCP server gave is the same as
// any that contains the address it was made up for. A phone with addresses of
// both families is where either says, unless those that name it both times are
// of one family.
func sameSubnet(a, b Attachment) bool {
	if classOf(a.Subnet.Addr()) != classOf(b.Subnet.Addr()) {
		return a.OtherSubnet.IsValid() && a.OtherSubnet == b.Subnet || b.OtherSubnet.IsValid() && b.OtherSubnet == a.Subnet
	}
	return a.Subnet == b.Subnet || a.Assumed && b.Subnet.Contains(a.IP) || b.Assumed && a.Subnet.Contains(b.IP)
}

// Merge adds what an attachment of the same network says to what was known of
// it.
func (a Attachment) Merge(now Attachment) Attachment {
	if now.Site != "" {
		a.Site = now.Site
	}
	if now.PortID != "" {
		if a.PortID != "" && a.ChassisID == now.AliasChassisID || now.AliasPortID != "" {
			a.AliasChassisID, a.AliasPortID = now.AliasChassisID, now.AliasPortID
		}
		if a.PortID == "" || a.AliasChassisID != now.ChassisID {
			a.ChassisID, a.PortID = now.ChassisID, now.PortID
		}
	}
	if now.CircuitID != "" {
		// A circuit that was a port once stays one in what is known, however
		// many phones share it for a while.
		a.Shared = now.Shared && (a.Shared || a.CircuitID == "" || !sameCircuit(a, now))
		a.RemoteID, a.CircuitID = now.RemoteID, now.CircuitID
	}
	if !now.BSSID.IsZero() {
		a.BSSID = now.BSSID
	}
	if now.VLAN != 0 {
		a.VLAN = now.VLAN
	}
	if a.Subnet.IsValid() && now.Subnet.IsValid() && classOf(a.Subnet.Addr()) != classOf(now.Subnet.Addr()) {
		a.OtherSubnet = now.Subnet // the network goes on being named as it was
	} else {
		if now.Subnet.IsValid() && (!now.Assumed || a.Assumed || !a.Subnet.IsValid()) {
			a.Subnet, a.Assumed = now.Subnet, now.Assumed
		}
		if now.IP.IsValid() {
			a.IP = now.IP
		}
		if now.OtherSubnet.IsValid() {
			a.OtherSubnet = now.OtherSubnet
		}
	}
	a.PublicIP = now.PublicIP
	if !a.Subnet.IsValid() {
		a.PublicIP = netip.Addr{}
	}
	return a
}
