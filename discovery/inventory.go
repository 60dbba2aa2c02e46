package discovery

import (
	"regexp"
	"strings"
)

// maxInventory is how long a field of LLDP-MED's inventory may be, in bytes
// (ANSI/TIA-1057 10.2.6).
const maxInventory = 32

// The fields of inventoryText, in this order.
const (
	inventoryManufacturer = iota
	inventoryModel
	inventoryHardware
	inventoryFirmware
	inventorySoftware
	inventorySerial
	inventoryFields
)

// inventoryText writes LLDP-MED's inventory as one text, a field a line.
func inventoryText(m *MED) string {
	fields := [inventoryFields]string{m.Manufacturer, m.Model, m.Hardware, m.Firmware, m.Software, m.Serial}
	all := ""
	for i, f := range fields {
		fields[i] = clean(f, maxInventory)
		all += fields[i]
	}
	if all == "" {
		return ""
	}
	return strings.TrimRight(strings.Join(fields[:], "\n"), "\n")
}

// parseInventory reads what inventoryText wrote. Phones give the application's
// version as software and the boot loader's as firmware (Avaya: APPNAME and
// BOOTNAME); those that give only one of the two mean the application.
func parseInventory(text string) Device {
	var f [inventoryFields]string
	copy(f[:], strings.SplitN(text, "\n", inventoryFields))
	vendor := vendorOf(f[inventoryManufacturer])
	if vendor == "" && hasLetter(f[inventoryManufacturer]) {
		vendor = Vendor(f[inventoryManufacturer])
	}
	d := Device{Vendor: vendor}
	if f[inventoryModel] != "" {
		d = modelOf(f[inventoryModel], vendor)
	}
	d.Hardware, d.Firmware, d.Serial = f[inventoryHardware], f[inventorySoftware], f[inventorySerial]
	if d.Firmware == "" {
		d.Firmware = f[inventoryFirmware]
	}
	return d.bounded()
}

// hasLetter reports whether a name is one: some devices send numbers for it.
func hasLetter(s string) bool {
	return s != "" && letterOrDigit(s[0]) && (s[0] < '0' || s[0] > '9')
}

// ParseInventory reads the inventory of LLDP-MED (ANSI/TIA-1057 10.2.6).
func ParseInventory(m *MED) Device { return parseInventory(inventoryText(m)) }

// descriptions are LLDP system descriptions of phones.
var descriptions = compile([]shape{
	// "Cisco IP Phone CP-7911G,V2, SCCP11.8-4-3S"
	{vendor: Cisco, text: `Cisco IP Phone (?:CP-)?(?P<model>\d{4}[A-Z]*),\s*(?P<hardware>V\w*),\s*(?P<firmware>[\w.-]+)`, model: "CP-$model"},
})

// polyVersion is the application of a Poly phone, as in "SIP/5.9.5.0614/12-Jun-20".
var polyVersion = regexp.MustCompile(`^(?:[A-Za-z]+/)?(\d+(?:\.\d+){2,4})\b`)

// ParseSystemDescription reads an LLDP system description (IEEE 802.1AB 8.5.7) of
// a phone. Of one that has no known shape it tells the maker at most.
func ParseSystemDescription(s string) Device {
	s = clean(s, maxSaid)
	if d, ok := descriptions().read(s, ""); ok {
		return d
	}
	// Poly: manufacturer; hardware; application; BootROM.
	if parts := strings.Split(s, ";"); len(parts) >= 3 && vendorOf(parts[0]) == Poly {
		d := Device{Vendor: Poly}
		if m, ok := modelNames().read(strings.TrimSpace(parts[1]), Poly); ok {
			d.Model = m.Model
		}
		if m := polyVersion.FindStringSubmatch(strings.TrimSpace(parts[2])); m != nil {
			d.Firmware = m[1]
		}
		return d.bounded()
	}
	if d := ParseUserAgent(s); d != (Device{}) && !d.Program {
		if d.Model == "" {
			if m, ok := modelNames().read(s, d.Vendor); ok {
				return m
			}
		}
		return d
	}
	return Device{}
}

// ParseCDP reads platform and software of a phone's CDP.
func ParseCDP(platform, software string) Device {
	d, ok := modelNames().read(clean(platform, maxField), "")
	if !ok {
		d = Device{Vendor: vendorOf(platform)}
	}
	if software = clean(software, maxField); !strings.Contains(software, " ") {
		d.Firmware = software // a switch's is a text of several lines
	}
	return d.bounded()
}
