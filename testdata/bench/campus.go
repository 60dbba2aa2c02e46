package main

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
)

// campus is who is heard on the trunk: phones numbered from 0, 48 to an access
// switch, five switches and one subnet to a floor, four floors to a building.
// Nothing of a phone changes: it keeps its port, its address and its line.
type campus struct {
	phones int
}

const (
	portsOfSwitch   = 48
	switchesOfFloor = 5
	phonesOfFloor   = portsOfSwitch * switchesOfFloor
	floorsOfBldg    = 4
	portsOfRoom     = 4 // neighbouring ports, which lead to one room
)

// maxPhones keeps the floors within 10.20.0.0 to 10.37.255.255, and the lines at
// seven digits.
const maxPhones = 1_000_000

type mac [6]byte

// The servers are behind one router, whose MAC stands for theirs on the trunk.
var (
	pbx        = netip.AddrFrom4([4]byte{10, 1, 1, 10})
	dhcpServer = netip.AddrFrom4([4]byte{10, 1, 1, 11})
	fileServer = netip.AddrFrom4([4]byte{10, 1, 1, 12})
	routerMAC  = mac{0x00, 0x1b, 0x54, 0x00, 0x00, 0x01}
	serverMAC  = mac{0x00, 0x1b, 0x54, 0x00, 0x00, 0x02}
	broadcast  = mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

// phoneMAC has the OUI of a maker of desk phones.
func phoneMAC(p int) mac {
	return mac{0x00, 0x04, 0xf2, byte(p >> 16), byte(p >> 8), byte(p)}
}

// switchMAC is the chassis ID of an access switch.
func switchMAC(sw int) mac {
	return mac{0x00, 0x1b, 0x55, byte(sw >> 8), byte(sw), 0}
}

func (m mac) String() string {
	s := make([]byte, 0, 17)
	for i, b := range m {
		if i > 0 {
			s = append(s, ':')
		}
		s = hex.AppendEncode(s, []byte{b})
	}
	return string(s)
}

func switchOf(p int) int   { return p / portsOfSwitch }
func portOf(p int) int     { return p%portsOfSwitch + 1 }
func floorOf(p int) int    { return p / phonesOfFloor }
func buildingOf(f int) int { return f / floorsOfBldg }

// Every fourth phone stands on a port whose relay adds option 82, and takes its
// lease through it; the others hold leases longer than the capture.
func leases(p int) bool { return p%4 == 0 }

// vlanOf is the VLAN of the phone's floor, or 0: a third of the floors are
// carried in tagged frames.
func vlanOf(p int) int {
	f := floorOf(p)
	if f%3 != 0 {
		return 0
	}
	return 100 + f%1000
}

// subnetOf is the /24 of a floor; its first address is the router's.
func subnetOf(floor int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(20 + floor>>8), byte(floor), 0}), 24)
}

func gatewayOf(p int) netip.Addr { return hostOf(floorOf(p), 1) }

func addressOf(p int) netip.Addr { return hostOf(floorOf(p), byte(10+p%phonesOfFloor)) }

func hostOf(floor int, host byte) netip.Addr {
	a := subnetOf(floor).Addr().As4()
	a[3] = host
	return netip.AddrFrom4(a)
}

// line is the phone's AOR's user part.
func line(p int) string { return strconv.Itoa(1_000_000 + p) }

const domain = "pbx.example.com"

// portName and switchName are what the switch calls its port and itself, in
// LLDP and in option 82.
func portName(p int) string { return "Gi1/0/" + strconv.Itoa(portOf(p)) }
func switchName(sw int) string {
	if sw < 10_000 {
		return "sw-" + strconv.Itoa(10_000 + sw)[1:]
	}
	return "sw-" + strconv.Itoa(sw)
}

// appendMAC and appendIP4 append addresses as frames carry them.
func appendMAC(b []byte, m mac) []byte { return append(b, m[:]...) }

func appendIP4(b []byte, a netip.Addr) []byte {
	v := a.As4()
	return append(b, v[:]...)
}

// appendHexMAC appends a MAC as names and instance IDs carry it: 0004f2000001.
func appendHexMAC(b []byte, m mac) []byte { return hex.AppendEncode(b, m[:]) }

var be = binary.BigEndian
