package matcher

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"perch/discovery"
)

// Check reports what is wrong with a rule taken alone: no location, no level, a
// port without its chassis, a bad BSSID or VLAN.
func (r Rule) Check() error {
	switch {
	case r.Location == "":
		return errors.New("no location_id")
	case r.Port != "" && r.ChassisID == "":
		return errors.New("port without chassis_id")
	case r.VLAN > 4094:
		return fmt.Errorf("vlan %d: want 1 to 4094", r.VLAN)
	}
	if _, err := parseBSSID(r.BSSID); err != nil {
		return err
	}
	if r.Level() == discovery.LevelNone {
		return errors.New("names no level: want a chassis_id, circuit_id, bssid, subnet or public_ip")
	}
	return nil
}

// Level returns the strongest level that the rule names. A public IP with a
// subnet is that one level, since the subnet is behind it.
func (r Rule) Level() discovery.Level {
	if r.ChassisID != "" && r.Port != "" || r.CircuitID != "" {
		return discovery.LevelPort
	}
	return r.levelWithoutCircuit()
}

func (r Rule) levelWithoutCircuit() discovery.Level {
	switch {
	case r.ChassisID != "" && r.Port != "":
		return discovery.LevelPort
	case r.BSSID != "":
		return discovery.LevelBSSID
	case r.ChassisID != "":
		return discovery.LevelChassis
	case r.PublicIP.IsValid():
		return discovery.LevelPublicIP
	case r.Subnet.IsValid():
		return discovery.LevelSubnet
	}
	return discovery.LevelNone
}

// Key returns what identifies the rule: all its fields but Location and Line,
// in canonical form. Two spellings of one network have one key.
func (r Rule) Key() Rule {
	k := Rule{Site: r.Site, RemoteID: r.RemoteID, CircuitID: discovery.CanonicalCircuit(r.CircuitID), VLAN: r.VLAN}
	k.ChassisID = canonicalChassis(r.ChassisID)
	k.Port = parsePort(r.Port).String()
	if p, err := parseBSSID(r.BSSID); err == nil {
		k.BSSID = p.String()
	}
	k.Subnet, k.PublicIP = canonicalPrefix(r.Subnet), canonicalPrefix(r.PublicIP)
	return k
}

// Compare orders rules by their cells as they are written, field by field in
// the order of the CSV columns, the location last.
func Compare(a, b Rule) int {
	if c := cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.ChassisID, b.ChassisID), cmp.Compare(a.Port, b.Port)); c != 0 {
		return c // mostly, and a big wiremap is sorted at each export
	}
	return cmp.Or(
		cmp.Compare(a.RemoteID, b.RemoteID), cmp.Compare(a.CircuitID, b.CircuitID), cmp.Compare(a.BSSID, b.BSSID),
		cmp.Compare(a.VLAN, b.VLAN), comparePrefixes(a.Subnet, b.Subnet), comparePrefixes(a.PublicIP, b.PublicIP),
		cmp.Compare(a.Location, b.Location))
}

// comparePrefixes orders prefixes as netip does, which makes an error of each that
// is not there: mostly both are not.
func comparePrefixes(a, b netip.Prefix) int {
	if a == b {
		return 0
	}
	return a.Compare(b)
}

// String returns the fields that the rule names as the CSV columns have them:
// "site=hq chassis_id=sw-3fl port=Gi1/0/7".
func (r Rule) String() string {
	var b strings.Builder
	add := func(column, value string) {
		if value == "" {
			return
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(column + "=" + value)
	}
	add("site", r.Site)
	add("chassis_id", r.ChassisID)
	add("port", r.Port)
	add("remote_id", FormatRelayID(r.RemoteID))
	add("circuit_id", FormatRelayID(r.CircuitID))
	add("bssid", r.BSSID)
	if r.VLAN != 0 {
		add("vlan", strconv.Itoa(int(r.VLAN)))
	}
	add("subnet", FormatPrefix(r.Subnet))
	add("public_ip", FormatPrefix(r.PublicIP))
	return b.String()
}

// ParseRelayID reads a remote or circuit ID as admins write it: an even number
// of hex digits is bytes, anything else is text.
func ParseRelayID(s string) discovery.Hex {
	if b, err := hex.DecodeString(s); err == nil {
		return discovery.Hex(b)
	}
	return discovery.Hex(s)
}

// FormatRelayID writes a remote or circuit ID as text where ParseRelayID reads
// that text back, else in hex.
func FormatRelayID(h discovery.Hex) string {
	s := string(h)
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return h.String()
		}
	}
	if s != strings.TrimSpace(s) || ParseRelayID(s) != h {
		return h.String()
	}
	return s
}

// FormatPrefix writes a prefix, a single address without its length, and
// nothing for the zero prefix.
func FormatPrefix(p netip.Prefix) string {
	switch {
	case !p.IsValid():
		return ""
	case p.IsSingleIP():
		return p.Addr().String()
	}
	return p.String()
}

// canonicalPrefix clears host bits and undoes the mapping of IPv4 into IPv6.
func canonicalPrefix(p netip.Prefix) netip.Prefix {
	if !p.IsValid() {
		return netip.Prefix{} // Masked would say so with an error that nobody reads
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}
