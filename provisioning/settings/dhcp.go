package settings

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"perch/provisioning"
)

// dhcpOf is by which options of DHCP a vendor's phones learn where their files are, and by
// the beginning of which vendor class (option 60, RFC 2132 section 9.13) they are known.
// Snom has the file in an option of its own, 67, behind the server in 66. Phones are sent
// these options also if they do not ask for them: Grandstream's take 66 without asking.
type dhcpOf struct {
	vendor  provisioning.Vendor
	classes []string
	binary  []byte // the beginning of a class that is no text; nil: there is none
	options []int
}

var dhcpVendors = []dhcpOf{
	{provisioning.Yealink, []string{"yealink", "Yealink"}, nil, []int{66, 160}},
	{provisioning.Poly, []string{"Poly"}, []byte{0, 0, 0x36, 0x3d}, []int{160, 66}},
	{provisioning.Cisco, []string{"Cisco S", "CISCO ", "CP-", "LINKSYS SPA"}, nil, []int{66, 159, 160}},
	{provisioning.Grandstream, []string{"Grandstream"}, nil, []int{66, 160}},
	{provisioning.Snom, []string{"snom"}, nil, []int{66, 67}},
	{provisioning.Fanvil, []string{"Fanvil", "fanvil"}, nil, []int{66, 160}},
}

// optionNames are those that DHCP servers know; the others are made known to them.
var optionNames = map[int][2]string{66: {"tftp-server-name", "tftp-server-name"}, 67: {"boot-file-name", "bootfile-name"}}

// DHCPServers are those that DHCP writes for.
var DHCPServers = []string{"kea", "dnsmasq", "isc"}

// DHCP writes what a DHCP server is to be told so that phones find their files at a URL. A
// host that is an address is in option 150 as well, which Cisco's ask for.
func DHCP(server, at string) (string, error) {
	u, err := url.Parse(at)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%q is no URL", at)
	}
	if strings.ContainsAny(at, "\"\\,;{}' \n") {
		return "", fmt.Errorf("%q: no quotes, commas, braces and spaces", at)
	}
	address, err := netip.ParseAddr(u.Hostname())
	hasAddress := err == nil && address.Is4()
	switch server {
	case "dnsmasq":
		return dnsmasq(at, address, hasAddress), nil
	case "kea":
		return kea(at, address, hasAddress)
	case "isc":
		return isc(at, address, hasAddress), nil
	}
	return "", fmt.Errorf("DHCP server %q: want %s", server, strings.Join(DHCPServers, ", "))
}

// SnomFile is a Snom's own file behind the URL: the phone puts its MAC there.
const SnomFile = "{mac}.xml"

// value is what stands in an option of a vendor's.
func (v *dhcpOf) value(option int, at string) string {
	if option == 67 {
		return SnomFile
	}
	if v.vendor == provisioning.Cisco {
		return at + "$MA.xml"
	}
	return at
}

// specific is the option of a vendor's own, 43 (RFC 2132 section 8.4): a Snom has options 66
// and 67 in it, and prefers those; a Fanvil the URL as it is. Nil: nothing is known of it.
func (v *dhcpOf) specific(at string) []byte {
	switch v.vendor {
	case provisioning.Snom:
		if len(at)+len(SnomFile) > 200 { // more than there is room for
			return nil
		}
		b := append([]byte{66, byte(len(at))}, at...)
		return append(append(b, 67, byte(len(SnomFile))), SnomFile...)
	case provisioning.Fanvil:
		return []byte(at)
	}
	return nil
}

func (v *dhcpOf) wants150() bool { return v.vendor == provisioning.Cisco }

// octets writes a number of them, in hex with something between.
func octets(b []byte, between string) string {
	parts := make([]string, len(b))
	for i, c := range b {
		parts[i] = fmt.Sprintf("%02x", c)
	}
	return strings.Join(parts, between)
}

func dnsmasq(at string, address netip.Addr, hasAddress bool) string {
	var b strings.Builder
	b.WriteString("# Phones find their configuration. Put this into /etc/dnsmasq.d/perch.conf.\n")
	for i := range dhcpVendors {
		v := &dhcpVendors[i]
		for _, c := range v.classes {
			fmt.Fprintf(&b, "dhcp-vendorclass=set:%s,%s\n", v.vendor, c)
		}
		if v.binary != nil {
			fmt.Fprintf(&b, "dhcp-match=set:%s,60,%s\n", v.vendor, octets(v.binary, ":"))
		}
		for _, o := range v.options {
			fmt.Fprintf(&b, "dhcp-option-force=tag:%s,%d,\"%s\"\n", v.vendor, o, v.value(o, at))
		}
		if x := v.specific(at); x != nil {
			fmt.Fprintf(&b, "dhcp-option-force=tag:%s,43,%s\n", v.vendor, octets(x, ":"))
		}
		if v.wants150() && hasAddress {
			fmt.Fprintf(&b, "dhcp-option-force=tag:%s,150,%s\n", v.vendor, address)
		}
	}
	return b.String()
}

// kea writes members of Dhcp4.
func kea(at string, address netip.Addr, hasAddress bool) (string, error) {
	type option struct {
		Name string `json:"name"`
		Data string `json:"data"`
		Send bool   `json:"always-send"`
		CSV  *bool  `json:"csv-format,omitempty"`
	}
	type definition struct {
		Name string `json:"name"`
		Code int    `json:"code"`
		Type string `json:"type"`
	}
	type class struct {
		Name        string       `json:"name"`
		Test        string       `json:"test"`
		Definitions []definition `json:"option-def,omitempty"`
		Options     []option     `json:"option-data"`
	}
	out := struct {
		Definitions []definition `json:"option-def"`
		Classes     []class      `json:"client-classes"`
	}{Definitions: []definition{{"perch-150", 150, "ipv4-address"}, {"perch-160", 160, "string"}}}
	for i := range dhcpVendors {
		v := &dhcpVendors[i]
		c := class{Name: "perch-" + string(v.vendor)}
		var tests []string
		for _, x := range v.classes {
			tests = append(tests, fmt.Sprintf("substring(option[60].hex,0,%d) == '%s'", len(x), x))
		}
		if v.binary != nil {
			tests = append(tests, fmt.Sprintf("substring(option[60].hex,0,%d) == 0x%s", len(v.binary), octets(v.binary, "")))
		}
		c.Test = strings.Join(tests, " or ")
		for _, o := range v.options {
			if o == 159 { // which Kea takes for that of RFC 7618, and nothing else
				continue
			}
			x := option{fmt.Sprintf("perch-%d", o), v.value(o, at), true, nil}
			if n, ok := optionNames[o]; ok {
				x.Name = n[0]
			}
			c.Options = append(c.Options, x)
		}
		if x := v.specific(at); x != nil { // which is octets here, whatever it is elsewhere
			c.Definitions = []definition{{"vendor-encapsulated-options", 43, "binary"}}
			c.Options = append(c.Options, option{"vendor-encapsulated-options", octets(x, ""), true, new(bool)})
		}
		if v.wants150() && hasAddress {
			c.Options = append(c.Options, option{"perch-150", address.String(), true, nil})
		}
		out.Classes = append(out.Classes, c)
	}
	text, err := json.MarshalIndent(out, "", "  ")
	return string(text) + "\n", err
}

func isc(at string, address netip.Addr, hasAddress bool) string {
	var b strings.Builder
	b.WriteString("# Phones find their configuration. Include this from dhcpd.conf.\n")
	b.WriteString("option perch-150 code 150 = ip-address;\noption perch-159 code 159 = text;\noption perch-160 code 160 = text;\n")
	for i := range dhcpVendors {
		v := &dhcpVendors[i]
		var tests []string
		for _, x := range v.classes {
			tests = append(tests, fmt.Sprintf("substring(option vendor-class-identifier, 0, %d) = \"%s\"", len(x), x))
		}
		if v.binary != nil {
			tests = append(tests, fmt.Sprintf("substring(option vendor-class-identifier, 0, %d) = %s", len(v.binary), octets(v.binary, ":")))
		}
		fmt.Fprintf(&b, "class \"perch-%s\" {\n  match if %s;\n", v.vendor, strings.Join(tests, " or "))
		var codes []byte
		for _, o := range v.options {
			name := fmt.Sprintf("perch-%d", o)
			if n, ok := optionNames[o]; ok {
				name = n[1]
			}
			fmt.Fprintf(&b, "  option %s \"%s\";\n", name, v.value(o, at))
			codes = append(codes, byte(o))
		}
		if x := v.specific(at); x != nil {
			fmt.Fprintf(&b, "  option vendor-encapsulated-options %s;\n", octets(x, ":"))
			codes = append(codes, 43)
		}
		if v.wants150() && hasAddress {
			fmt.Fprintf(&b, "  option perch-150 %s;\n", address)
			codes = append(codes, 150)
		}
		fmt.Fprintf(&b, "  if exists dhcp-parameter-request-list { option dhcp-parameter-request-list = concat(option dhcp-parameter-request-list, %s); }\n}\n", octets(codes, ", "))
	}
	return b.String()
}
