package discovery_test

import (
	"strings"
	"testing"
)

// lldpStart is what the mandatory TLVs give.
const lldpStart = `"chassis_id_subtype":4,"chassis_id":"00:04:96:1f:a7:26","port_id_subtype":5,"port_id":"Gi1/0/3","ttl":120`

func lldpFrame(tlvs ...string) string {
	return ethernet(lldpMAC, phoneMAC, 0x88cc, strings.Join(tlvs, ""))
}

func lldpLine(rest string) []string {
	return []string{`"kind":"lldp","lldp":{` + lldpStart + rest + `}}`}
}

func lldpBroken(reason, rest string) []string {
	return []string{`"kind":"lldp","malformed":"lldp: ` + reason + `","lldp":{` + lldpStart + rest + `}}`}
}

const lldpEnd = "\x00\x00"

func TestDecodeLLDP(t *testing.T) {
	ids := func(chassis, port string) string { return tlv(1, chassis) + tlv(2, port) + tlv(3, "\x00\x78") }
	runDecodeCases(t, 1, []decodeCase{
		{"switch", lldpFrame(mandatory(), tlv(4, "GigabitEthernet1/0/3"), tlv(5, "sw-3fl"), tlv(6, "IOS\nline 2"), tlv(7, "\x00\x14\x00\x04"),
			tlv(8, "\x05\x01"+ip2+"\x02\x00\x00\x00\x01\x00"), lldpEnd),
			lldpLine(`,"port_description":"GigabitEthernet1/0/3","system_name":"sw-3fl","system_description":"IOS\nline 2","capabilities":["bridge"],"management_addresses":["10.1.2.1"]`)},
		{"padding and FCS behind the end", lldpFrame(mandatory(), lldpEnd, strings.Repeat("\x00", 20), "\xff\xff\xaa\xbb"), lldpLine("")},
		{"no end", lldpFrame(mandatory(), tlv(5, "sw-3fl")), lldpLine(`,"system_name":"sw-3fl"`)},
		{"shutdown", lldpFrame(tlv(1, "\x04\x00\x04\x96\x1f\xa7\x26"), tlv(2, "\x05Gi1/0/3"), tlv(3, "\x00\x00"), lldpEnd),
			[]string{strings.Replace(lldpLine("")[0], "120", "0", 1)}},
		{"all capabilities", lldpFrame(mandatory(), tlv(7, "\x07\xff\x07\xff"), lldpEnd),
			lldpLine(`,"capabilities":["other","repeater","bridge","wlan-ap","router","telephone","docsis","station"]`)},
		{"no capability enabled", lldpFrame(mandatory(), tlv(7, "\x00\x14\x00\x00"), lldpEnd), lldpLine(`,"capabilities":[]`)},
		{"unknown TLVs", lldpFrame(mandatory(), tlv(9, "x"), tlv(126, ""), tlv(127, "\x00\x12\x0f\x01\x00\x01"), vlanTLV(4, "\x01"), tlv(5, "sw-3fl"), lldpEnd), lldpLine(`,"system_name":"sw-3fl"`)},
		{"repeated TLVs: the first counts", lldpFrame(mandatory(), tlv(3, "\x00\x01"), tlv(5, "a"), tlv(5, "b"), tlv(1, "\x07x"), tlv(2, "\x07x"), lldpEnd), lldpLine(`,"system_name":"a"`)},

		// IEEE 802.1Q annex D.2.
		{"VLANs of the port", lldpFrame(mandatory(), vlanTLV(1, "\x00\x0a"), vlanTLV(2, "\x03\x00\x6e"), vlanTLV(2, "\x01\x00\x00"), vlanTLV(3, "\x00\x6e\x05voice"), vlanTLV(3, "\x00\x0a\x00"), lldpEnd),
			lldpLine(`,"pvid":10,"protocol_vlans":[110],"vlan_names":[{"vlan":110,"name":"voice"},{"vlan":10,"name":""}]`)},
		{"no untagged VLAN", lldpFrame(mandatory(), vlanTLV(1, "\x00\x00"), lldpEnd), lldpLine("")},
		{"VLANs told twice: the first counts", lldpFrame(mandatory(), vlanTLV(1, "\x00\x0a"), vlanTLV(1, "\x00\x0b"), vlanTLV(2, "\x01\x00\x6e"), vlanTLV(2, "\x03\x00\x6e"),
			vlanTLV(3, "\x00\x6e\x01a"), vlanTLV(3, "\x00\x6e\x01b"), lldpEnd), lldpLine(`,"pvid":10,"protocol_vlans":[110],"vlan_names":[{"vlan":110,"name":"a"}]`)},
		{"port VLAN too short", lldpFrame(mandatory(), vlanTLV(1, "\x00"), lldpEnd), lldpBroken("port VLAN ID: 1 bytes, want at least 2", "")},
		{"protocol VLAN too short", lldpFrame(mandatory(), vlanTLV(1, "\x00\x0a"), vlanTLV(2, "\x00\x6e"), lldpEnd), lldpBroken("port and protocol VLAN ID: 2 bytes, want at least 3", `,"pvid":10`)},
		{"VLAN name too long", lldpFrame(mandatory(), vlanTLV(3, "\x00\x6e\x06voice"), lldpEnd), lldpBroken("VLAN name cut short", "")},
		{"phone before DHCP", lldpFrame(ids("\x05\x01\x00\x00\x00\x00", "\x03"+phoneMAC), lldpEnd),
			[]string{`"kind":"lldp","lldp":{"chassis_id_subtype":5,"port_id_subtype":3,"port_id":"00:15:65:aa:bb:cc","ttl":120}}`}},
		{"phone behind DHCP", lldpFrame(ids("\x05\x01"+ip1, "\x07001565AABBCC:P1"), lldpEnd),
			[]string{`"kind":"lldp","lldp":{"chassis_id_subtype":5,"chassis_id":"10.1.2.3","port_id_subtype":7,"port_id":"001565AABBCC:P1","ttl":120}}`}},
		{"network addresses: IPv6 and MAC", lldpFrame(ids("\x05\x02\x20\x01"+strings.Repeat("\x00", 13)+"\x01", "\x04\x06"+phoneMAC), lldpEnd),
			[]string{`"kind":"lldp","lldp":{"chassis_id_subtype":5,"chassis_id":"2001::1","port_id_subtype":4,"port_id":"00:15:65:aa:bb:cc","ttl":120}}`}},
		{"binary and padded identifiers", lldpFrame(ids("\x07\x00\x01\xfe", "\x05eth0\x00\x00"), lldpEnd),
			[]string{`"kind":"lldp","lldp":{"chassis_id_subtype":7,"chassis_id":"0001fe","port_id_subtype":5,"port_id":"eth0","ttl":120}}`}},
		{"MAC of five bytes", lldpFrame(ids("\x04\x00\x04\x96\x1f\xa7", "\x05Gi1/0/3"), lldpEnd),
			[]string{strings.Replace(lldpLine("")[0], "00:04:96:1f:a7:26", "0004961fa7", 1)}},

		{"TLV longer than the frame keeps the earlier ones", lldpFrame(mandatory(), tlv(5, "sw-3fl"), "\x0c\xffabc"), lldpBroken("TLV 5 cut short", `,"system_name":"sw-3fl"`)},
		{"half a TLV header", lldpFrame(mandatory(), tlv(5, "sw-3fl"), "\x0c"), lldpBroken("TLV 5 cut short", `,"system_name":"sw-3fl"`)},
		{"capabilities too short", lldpFrame(mandatory(), tlv(7, "\x00\x14"), tlv(5, "sw-3fl"), lldpEnd), lldpBroken("system capabilities: 2 bytes, want at least 4", `,"system_name":"sw-3fl"`)},
		{"the first of several faults", lldpFrame(mandatory(), tlv(8, "\x00"), tlv(7, "\x00"), tlv(5, "sw-3fl"), "\x0c\xffabc"), lldpBroken("management address cut short", `,"system_name":"sw-3fl"`)},
		{"the phone's class behind a fault", lldpFrame(mandatory(), tlv(8, "\x00\x02\x00\x00\x00\x01\x00"), med(1, "\x00\x33\x03"), lldpEnd), lldpBroken("management address cut short", `,"med":{"class":3}`)},
		{"a mandatory TLV behind a fault", lldpFrame(tlv(1, "\x07sw"), tlv(8, "\x00"), tlv(2, "\x071"), tlv(3, "\x00\x78"), tlv(5, "sw-3fl"), lldpEnd),
			[]string{`"kind":"lldp","malformed":"lldp: management address cut short","lldp":{"chassis_id_subtype":7,"chassis_id":"sw","port_id_subtype":7,"port_id":"1","ttl":120,"system_name":"sw-3fl"}}`}},
		{"a port ID that is none ends it", lldpFrame(tlv(1, "\x07sw"), tlv(2, "\x07"), tlv(3, "\x00\x78"), lldpEnd),
			[]string{`"kind":"lldp","malformed":"lldp: port ID: 1 bytes, want at least 2","lldp":{"chassis_id_subtype":7,"chassis_id":"sw"}}`}},
		{"management address too short", lldpFrame(mandatory(), tlv(8, "\x05\x01\x0a"), lldpEnd), lldpBroken("management address cut short", "")},
		{"management address of length 0", lldpFrame(mandatory(), tlv(8, "\x00"), lldpEnd), lldpBroken("management address cut short", "")},
		{"management address of 255 bytes", lldpFrame(mandatory(), tlv(8, "\xff\x07"+strings.Repeat("a", 254)), lldpEnd), lldpLine(`,"management_addresses":["` + strings.Repeat("a", 254) + `"]`)},
		{"organization too short", lldpFrame(mandatory(), tlv(127, "\x00\x12\xbb"), lldpEnd), lldpBroken("organization: 3 bytes, want at least 4", "")},
		{"chassis only", lldpFrame(tlv(1, "\x07sw"), lldpEnd), []string{`"kind":"lldp","malformed":"lldp: no port ID","lldp":{"chassis_id_subtype":7,"chassis_id":"sw"}}`}},
		{"no time to live", lldpFrame(tlv(1, "\x07sw"), tlv(2, "\x071"), lldpEnd),
			[]string{`"kind":"lldp","malformed":"lldp: no time to live","lldp":{"chassis_id_subtype":7,"chassis_id":"sw","port_id_subtype":7,"port_id":"1"}}`}},
		{"empty chassis ID", lldpFrame(tlv(1, "\x07"), lldpEnd), []string{`"kind":"lldp","malformed":"lldp: chassis ID: 1 bytes, want at least 2","lldp":{}}`}},
		{"only padding", lldpFrame(strings.Repeat("\x00", 46)), []string{`"kind":"lldp","malformed":"lldp: no chassis ID","lldp":{}}`}},
	})
}

// coordinate composes RFC 6225's 16 bytes with a resolution of 34 bits and no
// altitude.
func coordinate(lat, lon float64) string {
	fixed := func(deg float64) string {
		v := uint64(34)<<34 | uint64(int64(deg*(1<<25)))&(1<<34-1)
		return string([]byte{byte(v >> 32)}) + be32(int(v&0xffffffff))
	}
	return fixed(lat) + fixed(lon) + "\x00\x00\x00\x00\x00\x01"
}

func TestDecodeMED(t *testing.T) {
	caps := med(1, "\x00\x33\x03")
	runDecodeCases(t, 1, []decodeCase{
		{"class and inventory", lldpFrame(mandatory(), caps, med(5, "HW"), med(6, "FW"), med(7, "SW"), med(8, "S1"), med(9, "Yealink"), med(10, "T46S\x00\x00"), med(11, "A7"), lldpEnd),
			lldpLine(`,"med":{"class":3,"hardware":"HW","firmware":"FW","software":"SW","serial":"S1","manufacturer":"Yealink","model":"T46S","asset":"A7"}`)},
		{"all policies", lldpFrame(mandatory(), med(2, unhex("01 40dd6e")), med(2, unhex("02 000000")), med(2, unhex("08 1fffff")), lldpEnd),
			lldpLine(`,"med":{"policies":[{"application":1,"vlan":110,"tagged":true,"priority":5,"dscp":46},` +
				`{"application":2,"vlan":0,"tagged":false,"priority":0,"dscp":0},{"application":8,"vlan":4095,"tagged":false,"priority":7,"dscp":63}]}`)},
		{"civic address", lldpFrame(mandatory(), med(3, "\x02\x0e\x02US\x01\x02CA\x1a\x03R3L\x03\x00"), lldpEnd),
			lldpLine(`,"med":{"civic":{"country":"US","1":"CA","26":"R3L","3":""}}`)},
		{"civic address in two languages", lldpFrame(mandatory(), med(3, "\x02\x0f\x02CH\x03\x04Bern\x03\x04<BE>"), lldpEnd),
			lldpLine(`,"med":{"civic":{"country":"CH","3":"Bern, <BE>"}}`)},
		{"civic address with padding behind", lldpFrame(mandatory(), med(3, "\x02\x07\x02US\x01\x02CA"+strings.Repeat("\x00", 30)), lldpEnd),
			lldpLine(`,"med":{"civic":{"country":"US","1":"CA"}}`)},
		{"emergency number", lldpFrame(mandatory(), med(3, "\x03+13125550100"), lldpEnd), lldpLine(`,"med":{"elin":"+13125550100"}`)},
		{"coordinate", lldpFrame(mandatory(), med(3, "\x01"+coordinate(38.5, -77.0625)), lldpEnd), lldpLine(`,"med":{"latitude":38.5,"longitude":-77.0625}`)},
		{"coordinate in the south", lldpFrame(mandatory(), med(3, "\x01"+coordinate(-33.85693359375, 151.21484375)), lldpEnd),
			lldpLine(`,"med":{"latitude":-33.85693359375,"longitude":151.21484375}`)},
		{"coordinate where equator and meridian meet", lldpFrame(mandatory(), med(3, "\x01"+coordinate(0, 0)), lldpEnd), lldpLine(`,"med":{"latitude":0,"longitude":0}`)},
		{"coordinate beyond the pole", lldpFrame(mandatory(), med(3, "\x01"+coordinate(90.5, 0)), lldpEnd), lldpBroken("MED coordinate out of range", `,"med":{}`)},

		{"policy too short keeps the class", lldpFrame(mandatory(), caps, med(2, "\x01\x40"), lldpEnd), lldpBroken("MED network policy: 2 bytes, want at least 4", `,"med":{"class":3}`)},
		{"civic element too long keeps the earlier ones", lldpFrame(mandatory(), med(3, "\x02\x0a\x02US\x01\x02CA\x03\x09B"), lldpEnd),
			lldpBroken("MED civic location: CAtype 3 cut short", `,"med":{"civic":{"country":"US","1":"CA"}}`)},
		{"civic length too long", lldpFrame(mandatory(), med(3, "\x02\x40\x02US"), lldpEnd), lldpBroken("MED civic location cut short", `,"med":{"civic":{"country":"US"}}`)},
		{"coordinate too short", lldpFrame(mandatory(), med(3, "\x01\x00\x00"), lldpEnd), lldpBroken("MED coordinate: 2 bytes, want at least 16", `,"med":{}`)},
		{"no location", lldpFrame(mandatory(), med(3, ""), lldpEnd), lldpBroken("MED location: 0 bytes, want at least 1", `,"med":{}`)},
		{"unknown subtypes", lldpFrame(mandatory(), med(4, "\x01\x02\x03"), med(3, "\x09x"), lldpEnd), lldpLine(`,"med":{}`)},
	})
}
