package discovery

import (
	"path"
	"strings"
)

// Role says what a captured interface shows.
type Role uint8

// The roles of an interface.
const (
	RoleAuto   Role = iota // mirror, until a phone and exactly one switch port announce themselves
	RoleLink               // one access link: the switch port heard is that of the phones on it
	RoleMirror             // many links: a switch heard there says nothing about any phone
)

var roleNames = [...]string{"auto", "link", "mirror"}

// String returns the word of the configuration file.
func (r Role) String() string { return roleNames[r] }

// InterfaceConfig says what an interface shows. Pattern is a glob over the
// pcapng interface name, else the capture's base name.
type InterfaceConfig struct {
	Pattern string
	Site    string
	Role    Role
}

// RelayConfig says that each circuit of a relay is one access port, however
// many phones hold leases on it.
type RelayConfig struct {
	RemoteID Hex
	Access   bool
}

// Config is what the admin says about the wires.
type Config struct {
	Site       string // of everything seen, unless an interface says otherwise
	Interfaces []InterfaceConfig
	Relays     []RelayConfig
}

// ForInterface returns what is said of an interface by the first configuration
// whose pattern fits its name, or else the base name of its capture.
func (c *Config) ForInterface(name, file string) (site string, role Role) {
	site = c.Site
	file, _, _ = strings.Cut(file, "#") // of several captures of one name the second is name#2
	for _, i := range c.Interfaces {
		fits := func(s string) bool { ok, err := path.Match(i.Pattern, s); return err == nil && ok }
		if name != "" && fits(name) || fits(file) {
			if i.Site != "" {
				site = i.Site
			}
			return site, i.Role
		}
	}
	return site, RoleAuto
}

// accessRelay reports whether the admin vouches for the relay's circuits being
// access ports.
func (c *Config) accessRelay(remote Hex) bool {
	for _, r := range c.Relays {
		if r.Access && r.RemoteID == remote {
			return true
		}
	}
	return false
}
