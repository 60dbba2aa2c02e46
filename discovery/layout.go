package discovery

import (
	"strconv"
	"strings"
)

// CanonicalCircuit returns the form in which circuit IDs compare: known layouts
// without their VLAN, since a phone changes its VLAN at the same port. Only
// layouts that their vendors document are known; any other circuit ID is opaque
// and stays as it is (RFC 3046 section 2.0), as do those whose layouts cannot be
// told from one another: of four bytes, 3Com's standard format has the VLAN in
// the first two (WX3000 operation manual), Moxa's in the second and third (E
// series manual, "DHCP Relay Agent"). It does not change what it returned.
func CanonicalCircuit(h Hex) Hex {
	if c, ok := binaryCircuit(h); ok {
		return c
	}
	if s := string(h); printable(s) {
		return Hex(textCircuit(s))
	}
	return h
}

// binaryCircuit knows two layouts, and returns them with VLAN zero.
//
// 00 04, VLAN in two bytes, two bytes that name the port: Cisco's default (IE
// 2000 software configuration guide, figure 25-2: module and port), D-Link's
// (DGS-3700 user manual: module and port), 3Com's extended format (Switch 7750
// configuration guide, figure 159: port index), Huawei's "extend" (command
// reference, "dhcp option82 format": slot, subslot and port), TP-Link's default.
//
// 00 06, VLAN, slot and port in two bytes each, 01 06, the switch's MAC: D-Link's
// "vendor1", for servers of Alcatel-Lucent (DGS-3120 CLI reference, 25-20).
func binaryCircuit(h Hex) (Hex, bool) {
	switch {
	case len(h) == 6 && h[:2] == "\x00\x04", len(h) == 16 && h[:2] == "\x00\x06" && h[8:10] == "\x01\x06":
		if h[2:4] == "\x00\x00" {
			return h, true
		}
		return h[:2] + "\x00\x00" + h[4:], true
	}
	return h, false
}

// textCircuit knows plain text in which the VLAN follows the port behind a colon:
//
//	Gi1/0/3:110                       a port's name
//	ge-4/1/1:122-500, ge-0/0/3:voice  Junos ("circuit-id": stacked VLANs, or a VLAN's name), a prefix may stand in front
//	sw-3fl eth 0/1/7:110              D-Link's "vendor5" (DGS-3120 CLI reference, 25-20), Eltex by TR-101 (MES3000, table 5.212)
//	Ethernet1/0/7:110.0 sw/0/0/1/0/0  D-Link's "vendor6"; Huawei's "default" and "common" ("dhcp option82 format")
func textCircuit(s string) string {
	port, vlan, ok := strings.Cut(s, ":")
	if !ok {
		return s
	}
	if isVLAN(vlan, 1) && namesPort(port) {
		return port
	}
	if vlans, node, ok := strings.Cut(vlan, " "); ok && strings.Count(node, "/") >= 4 {
		outer, inner, ok := strings.Cut(vlans, ".")
		if ok && isVLAN(outer, 0) && isVLAN(inner, 0) && isEthernetPort(port) {
			return port + " " + node
		}
	}
	last := strings.LastIndexByte(s, ':')
	before, vlan := s[:last], s[last+1:]
	if isJunosPort(before[strings.LastIndexByte(before, ':')+1:]) && !isJunosPort(vlan) {
		return before
	}
	const eth = " eth "
	if i := strings.LastIndex(before, eth); i > 0 && isVLAN(vlan, 1) && isSlashed(before[i+len(eth):]) {
		return before
	}
	return s
}

// isVLAN reports whether s is the number of a VLAN, at least min.
func isVLAN(s string, min uint64) bool {
	n, err := strconv.ParseUint(s, 10, 12)
	return err == nil && min <= n && n < 4095
}

// isJunosPort reports whether s is a Fast or Gigabit Ethernet interface of Junos:
// ge-fpc/pic/port, with or without its unit.
func isJunosPort(s string) bool {
	number, ge := strings.CutPrefix(s, "ge-")
	if !ge {
		number, ge = strings.CutPrefix(s, "fe-")
	}
	return ge && strings.Count(number, "/") == 2 && isPortNumber(number) && number[len(number)-1] != '/'
}

// isSlashed reports whether s is an interface number with slashes only.
func isSlashed(s string) bool { return isPortNumber(s) && strings.Trim(s, "0123456789/") == "" }

// isEthernetPort reports whether s is the name of an Ethernet interface or trunk
// of those layouts that write inner VLANs. Other access lines, such as a PON's,
// have a number of their own where these have the VLAN.
func isEthernetPort(s string) bool {
	i := strings.IndexAny(s, "0123456789")
	if i < 0 || !isPortNumber(s[i:]) {
		return false
	}
	switch strings.ToLower(strings.TrimRight(s[:i], " ")) {
	case "eth", "trunk", "eth-trunk", "ethernet", "ge", "xge", "gigabitethernet", "xgigabitethernet":
		return true
	}
	return false
}

// namesPort reports whether s has the form of a port's name: printable, from a
// letter to a digit, without spaces.
func namesPort(s string) bool {
	if s == "" || !printable(s) || strings.Contains(s, " ") {
		return false
	}
	first, last := s[0]|0x20, s[len(s)-1]
	return 'a' <= first && first <= 'z' && '0' <= last && last <= '9'
}

// relayName returns the remote ID as far as it names the relay. Some put the
// client's own MAC there (MikroTik's relay by default; Nokia's "remote-id mac"),
// which names nobody but the client.
func relayName(remote Hex, client MAC) Hex {
	m, err := ParseMAC(string(remote))
	if err != nil && len(remote) == 6 {
		m = MAC([]byte(remote))
	} else if err != nil && len(remote) == 8 && remote[:2] == "\x00\x06" {
		m = MAC([]byte(remote[2:]))
	}
	if !m.IsZero() && m == client {
		return ""
	}
	return remote
}
