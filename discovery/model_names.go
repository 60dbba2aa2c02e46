package discovery

import "strings"

// modelNames are how makers write the names of their models where the field is
// for nothing else: LLDP-MED's model, CDP's platform, option 60. A name that is
// distinctive is its maker's whatever else is known.
var modelNames = compile([]shape{
	{vendor: Yealink, text: `(?:yealink[ -]+)?SIP[- ](?:VP[- ]?)?(?P<model>(?:VP-?)?[A-Z]{1,2}\d{2,3}[A-Z]{0,3})`},
	{vendor: Yealink, text: `yealink[ -]+(?P<model>[A-Z]{1,2}\d{2,3}[A-Z]{0,3})`},
	{vendor: Poly, text: `(?:poly(?:com)?[ -]+)?(?:VVX[-_ ])?VVX[-_ ]?(?P<model>\d{3,4}[A-Z]?)`, model: "VVX $model"},
	{vendor: Poly, text: `(?:poly(?:com)?[ -]+)?SoundPoint(?: ?IP)?[-_ ](?:SPIP_)?(?P<model>\d{3}[A-Z]?)`, model: "SoundPoint IP $model"},
	{vendor: Poly, text: `(?:poly(?:com)?[ -]+)?SoundStation(?: ?IP)?[-_ ](?:SSIP_)?(?P<model>\d{4}[A-Z]?)`, model: "SoundStation IP $model"},
	{vendor: Poly, text: `(?:poly(?:com)?[ -]+)?(?:RealPresence ?)?Trio[-_ ]?(?P<model>[A-Z]?\d{2,4})`, model: "Trio $model"},
	{vendor: Poly, text: `poly(?:com)?[ -]+(?P<line>Edge|CCX|Rove)[-_ ]?(?P<model>[A-Z]?\d{2,4})`, model: "$line $model"},
	{vendor: Cisco, text: `(?:Cisco Systems, Inc\. IP Phone |Cisco IP Phone )(?:CP-)?(?P<model>\d{4}[A-Z]*(?:-3PCC)?)`, model: "CP-$model"},
	{vendor: Cisco, text: `(?:Cisco[ -])?CP-?(?P<model>\d{4}[A-Z]*(?:-3PCC)?)`, model: "CP-$model"},
	{vendor: Cisco, text: `(?:Cisco(?: IP Phone)?|Linksys) SPA-?(?P<model>\d{3}[A-Z]?\d?)`, model: "SPA$model"},
	{vendor: Cisco, text: `Cisco (?P<model>ATA\d{3}(?:-MPP)?)`},
	{vendor: Grandstream, text: `Grandstream (?P<model>[A-Z]{2,4}\d{3,4}[A-Z]{0,2})(?: dslforum\.org)?`},
	{vendor: Grandstream, text: `(?P<model>G(?:XP|RP|XV|HP|AC)\d{3,4}[A-Z]{0,2})`},
	{vendor: Snom, text: `snom[ -]?(?P<model>[A-Z]{0,2}\d{2,4}[A-Z]{0,2})`},
	{vendor: Fanvil, text: `Fanvil[ -](?P<model>[A-Z]{1,2}\d{1,3}[A-Z]{0,3}(?:-V\d)?)`},
	{vendor: Mitel, text: `(?:Aastra|Mitel)(?:IPPhone|[ -])(?P<model>\d{2,4}[A-Z]{0,2})(?: IP Phone)?`},
	{vendor: Avaya, text: `Avaya (?P<model>[A-Z]?\d{3,4}[A-Z]{0,2})(?: IP Phone)?`},
	{vendor: Panasonic, text: `(?:Panasonic[ _])?(?P<model>KX-[A-Z]{2,4}\d{2,4}[A-Z]{0,3})`},
	{vendor: Gigaset, text: `Gigaset[ _](?P<model>N\d{3}(?:[ _][A-Z]+)*)`},
	{vendor: Algo, text: `Algo (?P<model>\d{4}[A-Z]*)`},
	{vendor: Htek, text: `Htek (?P<model>U[CM]\w{3,6})`},
})

// modelOf reads the name of a model whose vendor may be known. A name that fits
// no shape is taken as it is, without the vendor's name before it: the field is
// the device's own word for its model.
func modelOf(text string, vendor Vendor) Device {
	if d, ok := modelNames().read(text, ""); ok && (vendor == "" || d.Vendor == vendor) {
		return d
	}
	if vendor != "" {
		if d, ok := modelNames().read(string(vendor)+" "+text, vendor); ok {
			return d
		}
	}
	d := Device{Vendor: vendor, Model: text}
	if d.Vendor == "" {
		d.Vendor = vendorOf(text)
	}
	if first, rest, ok := strings.Cut(text, " "); ok && d.Vendor != "" && vendorOf(first) == d.Vendor {
		d.Model = strings.TrimSpace(rest)
	}
	return d.bounded()
}
