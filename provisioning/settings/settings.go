// Package settings makes the configuration files that desk phones fetch.
//
// A phone out of the box asks a server for files by names that its maker chose, most of
// them with its MAC in them, and takes its lines, their passwords and everything else from
// what it gets. Each maker has a format of its own: lines of "key = value", attributes or
// elements of XML. What they have in common is that a file is a list of settings.
//
// Settings come in layers: those of the vendor, of the model, of the site and of the one
// phone, each over the ones before. The vendor's are built in, and an admin's file of the same
// name lies over them. A value is a template (text/template) of what is known of the phone.
// Which layer gave a value is kept with it. Formats are written by an encoder of theirs:
// no value can become another setting.
//
//	l, err := settings.Load(os.DirFS("/etc/perch/phones"))
//	set, err := l.Of(&device)
//	text, err := set.File(settings.Own)
//
// The package knows no network and no password store: a Device has all that goes in.
package settings

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"perch/discovery"
	"perch/provisioning"
	"perch/sip"
)

// Device is a phone, and all that its files say.
type Device struct {
	MAC    discovery.MAC
	Vendor provisioning.Vendor
	Model  string
	Label  string
	Site   string
	Lines  []Line // the first one first

	Proxy  Peer   // Perch
	Backup Peer   // the PBX, for when Perch is gone; none: no Host
	URL    string // where the phone fetches its files, with a slash at its end
	User   string // of the digest by which it fetches them; empty: none
	Secret string // likewise

	Emergency []string // numbers, as they are dialled
	VoiceVLAN int      // 0: as LLDP or CDP says, else untagged
	Timezone  string   // IANA name; empty: as the phone has it
	Language  string   // as "en"; empty: as the phone has it
	NTP       string   // host; empty: as DHCP says
}

// Line is a line of a phone.
type Line struct {
	N       int // from 1
	AOR     sip.AOR
	User    string // of the AOR
	Auth    string // user of the digest
	Secret  string
	Display string
	Label   string
}

// Host is the host of a line's AOR: its registrar's domain.
func (l Line) Host() string {
	_, host, _ := strings.Cut(string(l.AOR), "@")
	return host
}

// Peer is a host that SIP goes to.
type Peer struct {
	Host      string
	Port      uint16
	Transport string // "udp", "tcp" or "tls"
}

// ParsePeer reads "udp:host:port", as the configuration has it.
func ParsePeer(s string) (p Peer, err error) {
	transport, rest, ok := strings.Cut(s, ":")
	if !ok {
		return p, fmt.Errorf("%q: want udp:HOST:PORT, or tcp or tls in the place of udp", s)
	}
	p.Transport = strings.ToLower(transport)
	host, port := rest, ""
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.HasSuffix(rest, "]") {
		host, port = rest[:i], rest[i+1:]
	}
	p.Host = strings.Trim(host, "[]")
	if p.Port = 5060; p.Transport == "tls" {
		p.Port = 5061
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return p, fmt.Errorf("%q: want a port", s)
		}
		p.Port = uint16(n)
	}
	if p.Transport != "udp" && p.Transport != "tcp" && p.Transport != "tls" || !isHost(p.Host) {
		return p, fmt.Errorf("%q: want udp:HOST:PORT, or tcp or tls in the place of udp", s)
	}
	return p, nil
}

// isHost reports whether a text is an address or a name: it stands in files of all formats.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	for _, c := range s {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.') {
			return false
		}
	}
	return s != "" && len(s) <= 253
}

// String is the host and port as a URI has them.
func (p Peer) String() string {
	host := p.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(int(p.Port))
}

// Hex is the MAC without separators, in lower case.
func (d *Device) Hex() string { return d.MAC.Hex() }

// Setting is one of a file's.
type Setting struct {
	Key   string
	Value string
	Layer string // that gave it
	where string // there: file and line
}

// Shown is a setting's value for people: not a secret of the phone or of its lines.
func (s *Set) Shown(x *Setting) string {
	value := x.Value
	for _, l := range s.Device.Lines {
		value = hide(value, l.Secret)
	}
	return hide(value, s.Device.Secret)
}

// hide puts stars in the place of a secret.
func hide(value, secret string) string {
	if secret == "" {
		return value
	}
	return strings.ReplaceAll(value, secret, "******")
}

// Set are the settings of a phone.
type Set struct {
	Device *Device
	Own    []Setting // of the file that is the phone's own
	Common []Setting // of the file that anybody may have: nothing secret
}
