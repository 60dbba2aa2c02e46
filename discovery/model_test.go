package discovery_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"perch/discovery"
	"perch/testdata/swarm"
)

// device is a short way to write a discovery.Device: vendor, model, firmware.
func device(vendor discovery.Vendor, model, firmware string) discovery.Device {
	return discovery.Device{Vendor: vendor, Model: model, Firmware: firmware}
}

func family(vendor discovery.Vendor, model, firmware string) discovery.Device {
	return discovery.Device{Vendor: vendor, Model: model, Family: true, Firmware: firmware}
}

func program(name, version string) discovery.Device {
	return discovery.Device{Model: name, Program: true, Firmware: version}
}

func TestParseUserAgent(t *testing.T) {
	d := discovery.Device{}
	hardware := func(d discovery.Device, hardware string) discovery.Device { d.Hardware = hardware; return d }
	serial := func(d discovery.Device, serial string) discovery.Device { d.Serial = serial; return d }
	for agent, want := range map[string]discovery.Device{
		// SIP.
		"Yealink SIP-T42S 66.84.0.125":                                                   device("Yealink", "T42S", "66.84.0.125"),
		"Yealink SIP-T23G 44.80.0.60":                                                    device("Yealink", "T23G", "44.80.0.60"),
		"Yealink W60B 77.83.0.85":                                                        device("Yealink", "W60B", "77.83.0.85"),
		"PolycomVVX-VVX_450-UA/6.4.3.5018":                                               device("Poly", "VVX 450", "6.4.3.5018"),
		"PolycomVVX-VVX_150-UA/6.4.1.2280_482567164887":                                  device("Poly", "VVX 150", "6.4.1.2280"),
		"PolycomSoundPointIP-SPIP_335-UA/4.0.8.1608":                                     device("Poly", "SoundPoint IP 335", "4.0.8.1608"),
		"PolycomSoundStationIP-SSIP_6000-UA/4.0.8.1608":                                  device("Poly", "SoundStation IP 6000", "4.0.8.1608"),
		"PolycomRealPresenceTrio-Trio_8800-UA/5.9.0.11338":                               device("Poly", "Trio 8800", "5.9.0.11338"),
		"PolyEdge-Edge_E220-UA/8.0.0.12345":                                              device("Poly", "Edge E220", "8.0.0.12345"),
		"PolyEdge-something else":                                                        device("Poly", "", ""),
		"Cisco-CP-8841-3PCC/11.0":                                                        device("Cisco", "CP-8841-3PCC", "11.0"),
		"Cisco/SPA525G-7.4.9a":                                                           device("Cisco", "SPA525G", "7.4.9a"),
		"Cisco/SPA525G2-7.6.1(ES_RC01)":                                                  device("Cisco", "SPA525G2", "7.6.1(ES_RC01)"),
		"Linksys/SPA942-6.1.5(a)":                                                        device("Cisco", "SPA942", "6.1.5(a)"),
		"Cisco-CP7861/12.1.1":                                                            device("Cisco", "CP-7861", "12.1.1"),
		"Cisco-CP7960G/8.0":                                                              device("Cisco", "CP-7960G", "8.0"),
		"Cisco-SIPGateway/IOS-12.x":                                                      device("Cisco", "", ""),
		"Grandstream GXP2130 1.0.7.25":                                                   device("Grandstream", "GXP2130", "1.0.7.25"),
		"Grandstream HT802 1.0.25.5":                                                     device("Grandstream", "HT802", "1.0.25.5"),
		"snom370/8.7.5.48":                                                               device("snom", "370", "8.7.5.48"),
		"snomD785/10.1.84.12":                                                            device("snom", "D785", "10.1.84.12"),
		"snom105-2.04g":                                                                  device("snom", "105", "2.04g"),
		"snomM700/03.23.0005 (MAC=0004136322A0; SER=00000; HW=255)":                      serial(hardware(device("snom", "M700", "03.23.0005"), "255"), "00000"),
		"snomM700/03.23.0005 (MAC=000413":                                                device("snom", "M700", "03.23.0005"),
		"Fanvil X303 2.12.18.9 0c383e63963b":                                             device("Fanvil", "X303", "2.12.18.9"),
		"Fanvil i16SV 2.4.0":                                                             device("Fanvil", "i16SV", "2.4.0"),
		"Fanvil X4U 2.12.7.6":                                                            device("Fanvil", "X4U", "2.12.7.6"),
		"Aastra 51i/2.5.1.41":                                                            device("Mitel", "51i", "2.5.1.41"),
		"Mitel-6920-SIP/6.4.0.140":                                                       device("Mitel", "6920", "6.4.0.140"),
		"Avaya one-X Deskphone 7.1.15.1.3 b4475ea2e9a0":                                  family("Avaya", "one-X Deskphone", "7.1.15.1.3"),
		"Avaya H175 Collaboration Station H1xx_SIP-R1_0_2_3_3050.tar":                    device("Avaya", "H175", "H1xx_SIP-R1_0_2_3_3050"),
		"Avaya J179 IP Phone 4.1.3.0.6 c81fea83e85a":                                     device("Avaya", "J179", "4.1.3.0.6"),
		"Avaya Communicator/3.0":                                                         device("Avaya", "", ""),
		"Panasonic_KX-UT113/01.133 (0080f0c8c381)":                                       device("Panasonic", "KX-UT113", "01.133"),
		"Panasonic_KX-HDV130/06.001 (0080f0c8c381)":                                      device("Panasonic", "KX-HDV130", "06.001"),
		"N510 IP PRO/42.245.00.000.000;7C2F804DF9A9":                                     device("Gigaset", "N510 IP PRO", "42.245.00.000.000"),
		"Gigaset N870 IP PRO/83.V2.11.0+build.8f2a;7C2F80E0D605":                         device("Gigaset", "N870 IP PRO", "83.V2.11.0+build.8f2a"),
		"Gigaset N870 IP PRO/83.V2.11.0+build.8f2a;7C2F80E0D605;Handset=2":               device("Gigaset", "N870 IP PRO", "83.V2.11.0+build.8f2a"),
		"Algo-8301/5.3":                                                                  device("Algo", "", ""),
		"Htek UC924E V3.0.4.5":                                                           device("Htek", "UC924E", "3.0.4.5"),
		"Htek UC926 2.0.4.2 00:1f:c1:00:00:00":                                           device("Htek", "UC926", "2.0.4.2"),
		"Yealink SIP-T46G 28.83.0.120 00:15:65:4a:a9:37":                                 device("Yealink", "T46G", "28.83.0.120"), // HTTP from here on
		"Yealink SIP-T56A  58.80.0.25 001565f429a4":                                      device("Yealink", "T56A", "58.80.0.25"),
		"yealink SIP VP-T49G 51.80.0.75 00:15:65:4a:a9:37":                               device("Yealink", "T49G", "51.80.0.75"),
		"Yealink W60B 77.81.0.35 80:5e:c0:09:ab:dc":                                      device("Yealink", "W60B", "77.81.0.35"),
		"VP530P 23.70.0.40 00:15:65:31:4b:c0":                                            device("Yealink", "VP530P", "23.70.0.40"),
		"Yealink-T46G 28.71.0.81 28.1.0.128.0.0.0":                                       hardware(device("Yealink", "T46G", "28.71.0.81"), "28.1.0.128.0.0.0"),
		"FileTransport PolycomSoundStationIP-SSIP_6000-UA/5.0.3.1667 Type/Updater":       device("Poly", "SoundStation IP 6000", "5.0.3.1667"),
		"Cisco-CP-8841-3PCC/11.0 (00562b043615)":                                         device("Cisco", "CP-8841-3PCC", "11.0"),
		"Cisco/SPA508G-7.4.4 (0002FDFF2103)(CBT141400UK)":                                serial(device("Cisco", "SPA508G", "7.4.4"), "CBT141400UK"),
		"Grandstream Model HW GXP2135 SW 1.0.7.97 DevId 000b828aa872":                    device("Grandstream", "GXP2135", "1.0.7.97"),
		"Mozilla/4.0 (compatible; snom710-SIP 8.7.5.35 1.1.5-IFX-05.01.12 000413741767)": device("snom", "710", "8.7.5.35"),
		"Fanvil X5U-V2 2.12.1 0c3800000000":                                              device("Fanvil", "X5U-V2", "2.12.1"),
		"Mitel6920 MAC:14-00-E9-1F-03-EA V:6.4.0.140-SIP":                                device("Mitel", "6920", "6.4.0.140"),
		"Aastra6731i MAC:00-08-5D-1F-03-EA V:3.2.2.56-SIP":                               device("Mitel", "6731i", "3.2.2.56"),
		"Mozilla/5.0 AVAYA/J179-4.1.3.0.6 (MAC:c81fea83e85a)":                            device("Avaya", "J179", "4.1.3.0.6"),
		// Programs.
		"Linphone/3.6.1 (eXosip2/4.1.0)":                      program("Linphone", "3.6.1"),
		"LinphoneAndroid/4.5.0 (Pixel 4a) LinphoneSDK/5.0.49": program("LinphoneAndroid", "4.5.0"),
		"baresip v1.0.0 (x86_64/linux)":                       program("baresip", "v1.0.0"),
		"Zoiper rv2.10.3.2":                                   program("Zoiper", "rv2.10.3.2"),
		"MicroSIP/3.20.7":                                     program("MicroSIP", "3.20.7"),
		"X-Lite release 1103m":                                program("X-Lite", "1103m"),
		"Verso Softphone release 1104w":                       program("Verso Softphone", "1104w"),
		"Nero SIPPS IP Phone Version 2.0.51.16":               program("Nero SIPPS IP Phone", "2.0.51.16"),
		// Nobody's, and look-alikes.
		"friendly-scanner": d, "": d, "yealinked 1.2.3.4": d, "Polygon-VVX_450-UA/1.2": d, "algorithm/1.0": d, "Cisc": d,
		"IPhone/16.1": d, "snow370/1": d, "not a Yealink SIP-T42S 66.84.0.125": d,
		"Yealink SIP-T46S":                         device("Yealink", "", ""), // no version: cut short
		"Yealink T46S; DROP TABLE 66.84.0.1":       device("Yealink", "", ""),
		"PolycomVVX-VVX_450-UA/x":                  device("Poly", "", ""),
		"Fanvil X4U 2.12.7.6 and something":        device("Fanvil", "", ""),
		"Yealink SIP-T42S 66.84.0.125\x00\x1b[31m": device("Yealink", "", ""),
	} {
		if got := discovery.ParseUserAgent(agent); got != want {
			t.Errorf("%q:\ngot  %+v\nwant %+v", agent, got, want)
		}
	}
}

func TestParseVendorClass(t *testing.T) {
	poly := device("Poly", "VVX 410", "")
	poly.Hardware = "2345-46162-001"
	for class, want := range map[string]discovery.Device{
		"yealink":          device("Yealink", "", ""),
		polyClass:          poly,
		polyClass[:8]:      device("Poly", "", ""),
		"\x00\x00\x36\x3d": device("", "", ""),
		"Poly-EdgeE220":    device("Poly", "Edge E220", ""),
		"Poly-TrioC60":     device("Poly", "Trio C60", ""),
		"Cisco Systems, Inc. IP Phone CP-7911G\x00":     device("Cisco", "CP-7911G", ""),
		"Cisco Systems, Inc. IP Phone CP-8841-3PCC\x00": device("Cisco", "CP-8841-3PCC", ""),
		"Cisco Systems, Inc. IP Phone 7912":             device("Cisco", "CP-7912", ""),
		"CP-8851":                                       device("Cisco", "CP-8851", ""),
		"Cisco SPA504G":                                 device("Cisco", "SPA504G", ""),
		"LINKSYS SPA-942":                               device("Cisco", "SPA942", ""),
		"CISCO ATA191-MPP":                              device("Cisco", "ATA191-MPP", ""),
		"Grandstream GXP1405 dslforum.org":              device("Grandstream", "GXP1405", ""),
		"snom320":                                       device("snom", "320", ""),
		"snomD785":                                      device("snom", "D785", ""),
		"snomM900":                                      device("snom", "M900", ""),
		"AastraIPPhone6867i":                            device("Mitel", "6867i", ""),
		"MitelIPPhone6920":                              device("Mitel", "6920", ""),
		"MitelIPPhone":                                  device("Mitel", "", ""),
		"ipphone.mitel.com":                             device("Mitel", "", ""),
		"ccp.avaya.com":                                 device("Avaya", "", ""),
		"Panasonic":                                     device("Panasonic", "", ""),
		"Gigaset_N720_DM_PRO":                           device("Gigaset", "N720 DM PRO", ""),
		"Algo":                                          device("Algo", "", ""),
		"htek":                                          device("Htek", "", ""),
		"Cisco Systems, Inc.":                           device("Cisco", "", ""), // a router
		"MSFT 5.0":                                      device("", "", ""), "udhcp 1.23.2": device("", "", ""), "": device("", "", ""),
		"T46S": device("", "", ""), "7911G": device("", "", ""), "GXP2130": device("", "", ""),
	} {
		if got := discovery.ParseVendorClass(class); got != want {
			t.Errorf("%q:\ngot  %+v\nwant %+v", class, got, want)
		}
	}
}

// polyClass is a vendor class of RFC 3925's form: enterprise 13885, length,
// sub-options with part number, model and BootROM.
var polyClass = func() string {
	v := option(2, "2345-46162-001") + option(3, "VVX-VVX_410") + option(4, "5.0.4.0512\x00")
	return "\x00\x00\x36\x3d" + string(rune(len(v))) + v
}()

func TestParseParamList(t *testing.T) {
	for _, tc := range []struct {
		name   string
		params []uint8
		want   discovery.Device
	}{
		{"Cisco 79xx", []uint8{1, 66, 6, 3, 15, 150, 35}, family("Cisco", "7900 series", "")},
		{"Cisco MPP", []uint8{1, 3, 6, 15, 35, 66, 150, 2, 7, 42, 43, 58, 59, 159, 160}, family("Cisco", "7800 and 8800 series", "")},
		{"Cisco CUCM", []uint8{1, 42, 66, 6, 3, 15, 150, 35}, family("Cisco", "7800 and 8800 series", "")},
		{"Poly", []uint8{1, 33, 3, 6, 15, 28, 42, 51, 58, 59, 66, 160}, family("Poly", "Studio X series", "")},
		{"Mitel", []uint8{1, 3, 6, 12, 42, 44, 51, 54, 58, 59, 128, 66, 120, 129, 130, 131, 132, 133, 134, 135, 224, 138, 125, 43}, family("Mitel", "MiNet phones", "")},
		{"Avaya SIP", []uint8{1, 28, 3, 6, 15, 42, 242}, family("Avaya", "9600 and J100 series", "")},
		{"Avaya 46xx", []uint8{1, 3, 6, 15, 66, 69, 43, 176}, family("Avaya", "4600 series", "")},
		{"Grandstream's is not distinctive", []uint8{1, 3, 6, 12, 15, 28, 43, 125}, discovery.Device{}},
		{"another order", []uint8{66, 1, 6, 3, 15, 150, 35}, discovery.Device{}},
		{"none", nil, discovery.Device{}},
	} {
		if got := discovery.ParseParamList(tc.params); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

func TestParseAnnouncements(t *testing.T) {
	for _, tc := range []struct {
		name      string
		got, want discovery.Device
	}{
		{"CDP, Cisco 7912", discovery.ParseCDP("Cisco IP Phone 7912", "CP7912-v8-00-1-060412A"), device("Cisco", "CP-7912", "CP7912-v8-00-1-060412A")},
		{"CDP, Cisco 7970", discovery.ParseCDP("Cisco IP Phone 7970", "SIP70.8-5-3S"), device("Cisco", "CP-7970", "SIP70.8-5-3S")},
		{"CDP, a switch", discovery.ParseCDP("cisco WS-C3560-24TS", "Cisco IOS Software, C3560 Software"), device("Cisco", "", "")},
		{"CDP, Yealink", discovery.ParseCDP("Yealink SIP-T46S", "66.84.0.125"), device("Yealink", "T46S", "66.84.0.125")},
		{"CDP, nothing", discovery.ParseCDP("", ""), device("", "", "")},
		{"LLDP, Cisco", discovery.ParseSystemDescription("Cisco IP Phone CP-7911G,V2, SCCP11.8-4-3S"),
			discovery.Device{Vendor: "Cisco", Model: "CP-7911G", Hardware: "V2", Firmware: "SCCP11.8-4-3S"}},
		{"LLDP, Cisco without CP", discovery.ParseSystemDescription("Cisco IP Phone 7911G,V1, SCCP11.9-4-2SR3-1S"),
			discovery.Device{Vendor: "Cisco", Model: "CP-7911G", Hardware: "V1", Firmware: "SCCP11.9-4-2SR3-1S"}},
		{"LLDP, Poly", discovery.ParseSystemDescription("Polycom;VVX-VVX_410;SIP/5.9.5.0614/12-Jun-20 10:00;UP/5.9.5.0614/12-Jun-20"), device("Poly", "VVX 410", "5.9.5.0614")},
		{"LLDP, Poly of an unknown model", discovery.ParseSystemDescription("Polycom; 2345-1; x; y"), device("Poly", "", "")},
		{"LLDP, Yealink's default", discovery.ParseSystemDescription("yealink"), device("Yealink", "", "")},
		{"LLDP, a version alone", discovery.ParseSystemDescription("66.85.0.5"), device("", "", "")},
		{"LLDP, a switch", discovery.ParseSystemDescription("Cisco IOS Software, C3560 Software (C3560-ADVIPSERVICESK9-M), Version 12.2(44)SE"), device("Cisco", "", "")},
		{"LLDP-MED, Yealink", discovery.ParseInventory(&discovery.MED{Manufacturer: "Yealink", Model: "SIP-T46S", Hardware: "66.2.128.0.0.0.0", Firmware: "66.85.0.5", Software: "66.85.0.5", Serial: "805ec0d57d72"}),
			discovery.Device{Vendor: "Yealink", Model: "T46S", Hardware: "66.2.128.0.0.0.0", Firmware: "66.85.0.5", Serial: "805ec0d57d72"}},
		{"LLDP-MED, Avaya: the boot loader is no firmware", discovery.ParseInventory(&discovery.MED{Manufacturer: "Avaya", Model: "9608", Hardware: "9608D01A", Firmware: "hb96xxua3_1_03_S.bin", Software: "S96x1_SALBR6_2_2r.tar", Serial: "11WZ2"}),
			discovery.Device{Vendor: "Avaya", Model: "9608", Hardware: "9608D01A", Firmware: "S96x1_SALBR6_2_2r.tar", Serial: "11WZ2"}},
		{"LLDP-MED, Cisco MPP: firmware alone", discovery.ParseInventory(&discovery.MED{Manufacturer: "Cisco Systems, Inc.", Model: "CP-8841-3PCC", Firmware: "sip88xx.11-0-0"}), device("Cisco", "CP-8841-3PCC", "sip88xx.11-0-0")},
		{"LLDP-MED, Poly", discovery.ParseInventory(&discovery.MED{Manufacturer: "Polycom", Model: "VVX 410"}), device("Poly", "VVX 410", "")},
		{"LLDP-MED, Mitel", discovery.ParseInventory(&discovery.MED{Manufacturer: "Aastra Telecom", Model: "6867i"}), device("Mitel", "6867i", "")},
		{"LLDP-MED, snom", discovery.ParseInventory(&discovery.MED{Manufacturer: "snom technology", Model: "snom D785"}), device("snom", "D785", "")},
		{"LLDP-MED, a maker nobody knows", discovery.ParseInventory(&discovery.MED{Manufacturer: "Acme", Model: "Phone 1"}), device("Acme", "Phone 1", "")},
		{"LLDP-MED, a number for a maker", discovery.ParseInventory(&discovery.MED{Manufacturer: "0xbc00", Model: "SG 200-08P"}), device("", "SG 200-08P", "")},
		{"LLDP-MED, a model that names another maker", discovery.ParseInventory(&discovery.MED{Manufacturer: "Acme", Model: "SIP-T46S"}), device("Acme", "SIP-T46S", "")},
		{"LLDP-MED without inventory", discovery.ParseInventory(&discovery.MED{}), device("", "", "")},
	} {
		if tc.got != tc.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tc.name, tc.got, tc.want)
		}
	}
}

// faultOfDevice returns what of a device does not hold for whatever a device sends:
// fields are printable UTF-8 of at most 64 bytes.
func faultOfDevice(d discovery.Device) error {
	for _, s := range []string{string(d.Vendor), d.Model, d.Firmware, d.Hardware, d.Serial} {
		if len(s) > 64 || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return fmt.Errorf("field %q of %d bytes, want at most 64 of printable UTF-8", s, len(s))
		}
	}
	return nil
}

// describe reads a text in every way in which a device says what it is; where a
// way has two texts, they are parted by a line end.
func describe(text string) error {
	s, other, _ := strings.Cut(text, "\n")
	return errors.Join(
		faultOfDevice(discovery.ParseUserAgent(s)),
		faultOfDevice(discovery.ParseVendorClass(text)),
		faultOfDevice(discovery.ParseSystemDescription(text)),
		faultOfDevice(discovery.ParseCDP(s, other)),
		faultOfDevice(discovery.ParseParamList([]byte(text))),
		faultOfDevice(discovery.ParseInventory(&discovery.MED{Manufacturer: other, Model: s, Hardware: s, Software: other, Serial: s})),
	)
}

func FuzzDevice(f *testing.F) {
	var seeds [][]byte
	for _, s := range []string{
		"Yealink SIP-T42S 66.84.0.125", "PolycomVVX-VVX_150-UA/6.4.1.2280_482567164887", "Cisco/SPA508G-7.4.4 (0002FDFF2103)(CBT141400UK)",
		"snomM700/03.23.0005 (MAC=0004136322A0; SER=00000; HW=255)", "Gigaset N870 IP PRO/83.V2.11.0+build;7C2F80E0D605", "Zoiper rv2.10.3.2",
		"Cisco Systems, Inc. IP Phone CP-7911G\x00", polyClass, "Cisco IP Phone CP-7911G,V2, SCCP11.8-4-3S", "Polycom;VVX-VVX_410;SIP/5.9.5.0614;UP/5",
		"Avaya H175 Collaboration Station H1xx_SIP-R1_0_2_3_3050.tar", "Cisco IP Phone 7970\nSIP70.8-5-3S", "SIP-T46S\nYealink", "\xff\xfe\x1b[31m\u202eYealink",
		"baresip v1." + strings.Repeat("0", 100),
	} {
		seeds = append(seeds, []byte(s))
		f.Add([]byte(s))
	}
	swarm.Run(f, seeds, func() func([]byte) {
		return func(b []byte) {
			if err := describe(string(b)); err != nil {
				panic(err)
			}
		}
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := describe(string(b)); err != nil {
			t.Error(err)
		}
	})
}
