package discovery

import "bytes"

// fingerprint is a parameter list (DHCP option 55) by which a family of phones can be
// told. The list is what a device asks for, in its own order.
type fingerprint struct {
	params []uint8
	text   string // the same in decimal
	device Device
}

// fingerprints are the lists that are known and that no other device is known to send.
// Grandstream's 1,3,6,12,15,28,43,125 is not among them: it is a common client's
// default with two options more. Sources: captures, Wazo, Satori.
var fingerprints = [...]fingerprint{
	{[]uint8{1, 66, 6, 3, 15, 150, 35}, "1,66,6,3,15,150,35",
		Device{Vendor: Cisco, Model: "7900 series", Family: true}},
	{[]uint8{1, 42, 66, 6, 3, 15, 150, 35}, "1,42,66,6,3,15,150,35",
		Device{Vendor: Cisco, Model: "7800 and 8800 series", Family: true}},
	{[]uint8{1, 3, 6, 15, 35, 66, 150, 2, 7, 42, 43, 58, 59, 159, 160}, "1,3,6,15,35,66,150,2,7,42,43,58,59,159,160",
		Device{Vendor: Cisco, Model: "7800 and 8800 series", Family: true}},
	{[]uint8{1, 33, 3, 6, 15, 28, 42, 51, 58, 59, 66, 160}, "1,33,3,6,15,28,42,51,58,59,66,160",
		Device{Vendor: Poly, Model: "Studio X series", Family: true}},
	{[]uint8{1, 3, 6, 12, 42, 44, 51, 54, 58, 59, 128, 66, 120, 129, 130, 131, 132, 133, 134, 135, 224, 138, 125, 43},
		"1,3,6,12,42,44,51,54,58,59,128,66,120,129-135,224,138,125,43",
		Device{Vendor: Mitel, Model: "MiNet phones", Family: true}},
	// Option 242 is Avaya's own, and 176 was before it.
	{[]uint8{1, 28, 3, 6, 15, 42, 242}, "1,28,3,6,15,42,242",
		Device{Vendor: Avaya, Model: "9600 and J100 series", Family: true}},
	{[]uint8{1, 3, 6, 15, 66, 69, 43, 176}, "1,3,6,15,66,69,43,176",
		Device{Vendor: Avaya, Model: "4600 series", Family: true}},
}

// ParseParamList tells the family of phones that sends a parameter list (DHCP
// option 55), if it is known and distinctive.
func ParseParamList(params []uint8) Device {
	if p := printOf(params); p != nil {
		return p.device
	}
	return Device{}
}

func printOf(params []uint8) *fingerprint {
	for i := range fingerprints {
		if bytes.Equal(fingerprints[i].params, params) {
			return &fingerprints[i]
		}
	}
	return nil
}

// printNamed returns the device of a print by its text.
func printNamed(text string) Device {
	for i := range fingerprints {
		if fingerprints[i].text == text {
			return fingerprints[i].device
		}
	}
	return Device{}
}
