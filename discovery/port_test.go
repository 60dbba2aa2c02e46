package discovery

import "testing"

func TestCanonicalPort(t *testing.T) {
	for in, want := range map[string]string{
		"GigabitEthernet1/0/3":         "Gi1/0/3",
		"gigabitethernet1/0/3":         "Gi1/0/3",
		"GigabitEthernet 1/0/3":        "Gi1/0/3",
		"GigE1/0/3":                    "Gi1/0/3",
		"Gi1/0/3":                      "Gi1/0/3",
		"gi 1/0/3":                     "Gi1/0/3",
		" Gi1/0/3 ":                    "Gi1/0/3",
		"GI1/0/3.110":                  "Gi1/0/3.110",
		"TenGigabitEthernet1/1/1":      "Te1/1/1",
		"TenGigE0/0/0/1":               "Te0/0/0/1",
		"FastEthernet0/13":             "Fa0/13",
		"Ethernet1":                    "Et1",
		"Ethernet0":                    "Et0",
		"FortyGigabitEthernet1/1/1":    "Fo1/1/1",
		"HundredGigE1/0/49":            "Hu1/0/49",
		"TwentyFiveGigE1/0/1":          "Twe1/0/1",
		"TwentyFiveGigabitEthernet1/1": "Twe1/1",
		"Twe1/0/1":                     "Twe1/0/1",
		"FiveGigabitEthernet1/0/7":     "Fi1/0/7",
		"TwoGigabitEthernet1/0/7":      "Tw1/0/7",
		"Port-channel12":               "Po12",
		"port-channel 12":              "Po12",
		"1/3":                          "1/3",
		"g1":                           "g1",
		"eth0":                         "eth0",
		"ge-0/0/3":                     "ge-0/0/3",
		"Port 1":                       "Port 1",
		"Ethernet":                     "Ethernet",
		"Ethernet Port on unit 1":      "Ethernet Port on unit 1",
		"Gi1/0/3 uplink":               "Gi1/0/3 uplink",
		"Fast":                         "Fast",
		"00:15:65:aa:bb:cc":            "00:15:65:aa:bb:cc",
		"":                             "",
	} {
		if got := CanonicalPort(in); got != want {
			t.Errorf("CanonicalPort(%q): got %q, want %q", in, got, want)
		}
	}
}

func TestCanonicalCircuit(t *testing.T) {
	for _, tc := range []struct {
		name     string
		in, want Hex
	}{
		{"Cisco's default, VLAN 110", "\x00\x04\x00\x6e\x01\x07", "\x00\x04\x00\x00\x01\x07"},
		{"Cisco's default, VLAN 1", "\x00\x04\x00\x01\x01\x07", "\x00\x04\x00\x00\x01\x07"},
		{"Cisco's default, another port", "\x00\x04\x00\x6e\x01\x08", "\x00\x04\x00\x00\x01\x08"},
		{"of the same type, another length", "\x00\x04\x00\x6e\x01\x07\x00", "\x00\x04\x00\x6e\x01\x07\x00"},
		{"of another type", "\x01\x04\x00\x6e\x01\x07", "\x01\x04\x00\x6e\x01\x07"},
		{"port and VLAN", "Gi1/0/3:110", "Gi1/0/3"},
		{"Junos port and VLAN", "ge-0/0/3.0:110", "ge-0/0/3.0"},
		{"port alone", "Gi1/0/3", "Gi1/0/3"},
		{"no VLAN", "Gi1/0/3:4095", "Gi1/0/3:4095"},
		{"VLAN 0", "Gi1/0/3:0", "Gi1/0/3:0"},
		{"text of a PON", "PON 1/1/07/01:1.0.1", "PON 1/1/07/01:1.0.1"},
		{"MAC as text", "aa:bb:cc:dd:ee:10", "aa:bb:cc:dd:ee:10"},
		{"VLAN by name", "Gi1/0/3:voice", "Gi1/0/3:voice"},
		{"no port", ":110", ":110"},
		// circuit-id (DHCP Relay Agent), Junos: (fe | ge)-fpc/pic/port:svlan-id-vlan-id
		{"Junos, stacked VLANs", "ge-4/1/1:122-500", "ge-4/1/1"},
		{"Junos, VLAN by name", "ge-0/0/3.0:employee", "ge-0/0/3.0"},
		{"Junos, prefix", "sw-3fl:ge-0/0/3:110", "sw-3fl:ge-0/0/3"},
		{"Junos, prefix without a VLAN", "sw-3fl:ge-0/0/3", "sw-3fl:ge-0/0/3"},
		{"Junos, another port of a fabric", "et-0/0/3:a", "et-0/0/3:a"},
		{"Junos, two numbers are no port", "ge-0/3:a", "ge-0/3:a"},
		// DGS-3120 CLI reference, config dhcp_relay option_82 circuit_id
		{"D-Link vendor1", Hex("\x00\x06\x00\x6e\x00\x01\x00\x07\x01\x06abcdef"), Hex("\x00\x06\x00\x00\x00\x01\x00\x07\x01\x06abcdef")},
		{"as long, without its second tag", Hex("\x00\x06\x00\x6e\x00\x01\x00\x07\x02\x06abcdef"), Hex("\x00\x06\x00\x6e\x00\x01\x00\x07\x02\x06abcdef")},
		{"D-Link vendor5", "sw 3fl eth 0/1/7:110", "sw 3fl eth 0/1/7"},
		{"D-Link vendor6", "Ethernet1/0/7:110.0 sw-3fl/0/0/1/0/0", "Ethernet1/0/7 sw-3fl/0/0/1/0/0"},
		// MES3000 series, table 5.212: eth <stacked/slotid/interfaceid>:<vlan>
		{"Eltex by TR-101", "sw-3fl eth 1/0/7:110", "sw-3fl eth 1/0/7"},
		{"TR-101, no VLAN", "sw-3fl eth 1/0/7:voice", "sw-3fl eth 1/0/7:voice"},
		// VES-1624FT-55A user's guide 29.2.1: what stands behind the colon is a virtual circuit
		{"Zyxel by TR-101, ATM", "SYSNAME atm 0/10:0.33", "SYSNAME atm 0/10:0.33"},
		// S series command reference, dhcp option82 format
		{"Huawei default", "GigabitEthernet0/0/7:110.0 sw-3fl/0/0/0/0/0", "GigabitEthernet0/0/7 sw-3fl/0/0/0/0/0"},
		{"Huawei common", "eth 0/0/7:110.20 sw-3fl0/0/0/0/0", "eth 0/0/7 sw-3fl0/0/0/0/0"},
		{"Huawei extend", "\x00\x04\x00\x6e\x08\x07", "\x00\x04\x00\x00\x08\x07"},
		{"the same of a PON", "PON 0/0/7:110.20 sw-3fl0/0/0/0/0", "PON 0/0/7:110.20 sw-3fl0/0/0/0/0"},
		{"no node behind it", "GigabitEthernet0/0/7:110.0 sw", "GigabitEthernet0/0/7:110.0 sw"},
		// Layouts that cannot be told apart, and those without a VLAN.
		{"3Com standard or Moxa", "\x01\x00\x0f\x03", "\x01\x00\x0f\x03"},
		{"ProCurve: port number", "\x00\x07", "\x00\x07"},
		{"OmniSwitch: system, slot and port", "sw-3fl_1_7", "sw-3fl_1_7"},
		{"MikroTik bridge: identity and interface", "My Mikrotik eth 0/2", "My Mikrotik eth 0/2"},
		{"MikroTik relay and dhcrelay: interface", "ether2", "ether2"},
		{"Cisco, text by the admin", "\x01\x07desk:12", "\x01\x07desk:12"},
		{"word", "uplink:110", "uplink:110"},
		{"binary before the colon", "\x00\x011:110", "\x00\x011:110"},
		{"empty", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := CanonicalCircuit(tc.in)
			if got != tc.want {
				t.Errorf("got %q, want %q", string(got), string(tc.want))
			}
			if again := CanonicalCircuit(got); again != got {
				t.Errorf("of its own result: got %q, want %q", string(again), string(got))
			}
		})
	}
}

func TestRelayName(t *testing.T) {
	client := MAC{0x00, 0x15, 0x65, 0xaa, 0xbb, 0xcc}
	for _, tc := range []struct {
		name     string
		in, want Hex
	}{
		{"switch by MAC, Cisco", "\x00\x06\x00\x1b\x54\xaa\x00\x01", "\x00\x06\x00\x1b\x54\xaa\x00\x01"},
		{"switch by MAC, ProCurve", "\x00\x1b\x54\xaa\x00\x01", "\x00\x1b\x54\xaa\x00\x01"},
		{"switch by name", "sw-3fl", "sw-3fl"},
		{"client by MAC", "\x00\x15\x65\xaa\xbb\xcc", ""},
		{"client by MAC, with type and length", "\x00\x06\x00\x15\x65\xaa\xbb\xcc", ""},
		{"client by MAC, as text", "00:15:65:AA:BB:CC", ""},
		{"none", "", ""},
	} {
		if got := relayName(tc.in, client); got != tc.want {
			t.Errorf("%s: got %x, want %x", tc.name, string(got), string(tc.want))
		}
	}
	if got := relayName("\x00\x00\x00\x00\x00\x00", MAC{}); got == "" {
		t.Error("a remote ID of zeros was taken for nobody's MAC")
	}
}

func TestDeskPhone(t *testing.T) {
	for mac, want := range map[string]bool{
		"00:15:65:00:00:01": true,  // Yealink
		"00:04:f2:00:00:01": true,  // Poly
		"00:04:13:00:00:01": true,  // snom
		"14:00:e9:00:00:01": true,  // Mitel
		"fc:a8:41:00:00:01": true,  // Avaya, the last of its list
		"00:1b:53:48:9e:e0": false, // Cisco
		"00:0c:41:00:00:01": false, // Linksys
		"00:90:8f:00:00:01": false, // AudioCodes, gateways
		"00:00:00:00:00:00": false,
		"ff:ff:ff:ff:ff:ff": false,
	} {
		m, err := ParseMAC(mac)
		if err != nil {
			t.Fatal(err)
		}
		if got := DeskPhoneOUI(m); got != want {
			t.Errorf("DeskPhoneOUI(%s): got %t, want %t", mac, got, want)
		}
	}
	for class, want := range map[string]bool{
		"yealink": true, "Cisco Systems, Inc. IP Phone CP-7911G": true, "snomD785": true, "MitelIPPhone": true, "Poly-EdgeE220": true,
		"\x00\x00\x36\x3d\x09\x05": true, "Grandstream GXP1405 dslforum.org": true, "ccp.avaya.com": true,
		"MSFT 5.0": false, "Cisco Systems, Inc.": false, "udhcp 1.0": false, "Grandstream GWN7630": false, "android-dhcp-13": false, "": false,
	} {
		if got := DeskPhoneVendorClass(class); got != want {
			t.Errorf("DeskPhoneVendorClass(%q): got %t, want %t", class, got, want)
		}
	}
	for ua, want := range map[string]bool{
		"Yealink SIP-T42S 66.84.0.125": true, "PolycomVVX-VVX_450-UA/6.4.3.5018": true, "Cisco-CP7861/12.1.1": true, "Cisco/SPA525G-7.4.9a": true,
		"snom370/8.7.5.48": true, "Grandstream GXP2130 1.0.7.25": true, "Mitel-6920-SIP/6.4.0.140": true,
		"Grandstream HT802 1.0.25.5": false, "Grandstream UCM6202": false, "Zoiper rv2.10.3.2": false, "Avaya Communicator/3.0": false, "Cisco/SPA112-1.4.1": false, "friendly-scanner": false, "Cisco-SIPGateway/IOS-12.x": false, "": false,
	} {
		if got := DeskPhoneUserAgent(ua); got != want {
			t.Errorf("DeskPhoneUserAgent(%q): got %t, want %t", ua, got, want)
		}
	}
}

func FuzzCanonicalPort(f *testing.F) {
	for _, s := range []string{"GigabitEthernet1/0/3", "gi 1/0/3", "Port 1", " Te1 ", "Ethernet  1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := CanonicalPort(s)
		if again := CanonicalPort(got); again != got {
			t.Errorf("CanonicalPort(%q): got %q, and of that %q", s, got, again)
		}
	})
}

func FuzzCanonicalCircuit(f *testing.F) {
	for _, s := range []string{"\x00\x04\x00\x6e\x01\x07", "Gi1/0/3:110", "PON 1/1/07/01:1.0.1", "a1:1:1", "a:ge-0/0/3:1-2", "a:ge-0/0/:ge-0/0/3:1-2", "ge-0/0/1:ge-0/0/3:1-2", "sw eth 0/1:1", "eth 0/0/1:1.0 x:1.0 y/////", "\x00\x06\x00\x6e\x00\x01\x00\x07\x01\x06abcdef"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := CanonicalCircuit(Hex(s))
		if again := CanonicalCircuit(got); again != got {
			t.Errorf("CanonicalCircuit(%q): got %q, and of that %q", s, string(got), string(again))
		}
	})
}

func FuzzParseMAC(f *testing.F) {
	for _, s := range []string{"00:15:65:aa:bb:cc", "00-15-65-AA-BB-CC", "0015.65aa.bbcc", "001565aabbcc"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMAC(s)
		if err != nil {
			return
		}
		if again, err := ParseMAC(m.String()); err != nil || again != m {
			t.Errorf("ParseMAC(%q): got %v, and of that %v, %v", s, m, again, err)
		}
	})
}
