package discovery

// agents are the User-Agents that phones send: in SIP, and in HTTP when they ask
// for their configuration. Sources: captures, and the expressions by which the
// Wazo and FusionPBX projects recognise phones.
var agents = compile([]shape{
	// "Yealink SIP-T46G 28.83.0.120 00:15:65:4a:a9:37"; two spaces on the T5x; "Yealink-T46G
	// 28.71.0.81 28.1.0.128.0.0.0" with the hardware's version. Some have no maker's name.
	{vendor: Yealink, text: `yealink[ -]+(?:SIP[ -]+)?(?:VP-)?(?P<model>[A-Z]{1,2}\d{2,3}[A-Z]{0,3}) +(?P<firmware>\d+(?:\.\d+){3})(?: +(?P<hardware>\d+(?:\.\d+){4,7}))?(?: +{MAC})?`},
	{vendor: Yealink, text: `(?P<model>VP\d{3}P?) (?P<firmware>\d+(?:\.\d+){3})(?: {MAC})?`},

	// "PolycomVVX-VVX_450-UA/6.4.3.5018", a MAC behind an underscore if it is so configured.
	{vendor: Poly, text: `(?:FileTransport )?PolycomSoundPointIP-SPIP_(?P<model>\d{3})-UA/(?P<firmware>[\d.]+)(?:_{MAC})?(?: Type/\w+)?`, model: "SoundPoint IP $model"},
	{vendor: Poly, text: `(?:FileTransport )?PolycomSoundStationIP-SSIP_(?P<model>\d{4})-UA/(?P<firmware>[\d.]+)(?:_{MAC})?(?: Type/\w+)?`, model: "SoundStation IP $model"},
	{vendor: Poly, text: `(?:FileTransport )?Polycom[a-z]+-(?P<model>(?:VVX|Trio)_[A-Z]?\d{2,4})-UA/(?P<firmware>[\d.]+)(?:_{MAC})?(?: Type/\w+)?`},
	{vendor: Poly, text: `(?:FileTransport )?Poly(?:com)?Edge-(?:Edge[_ -]?)?(?P<model>[A-Z]\d{2,4})-UA/(?P<firmware>[\d.]+)(?:_{MAC})?(?: Type/\w+)?`, model: "Edge $model"},

	// "Cisco-CP-8841-3PCC/11.0 (00562b043615)", and of phones for CUCM "Cisco-CP7861/12.1.1".
	{vendor: Cisco, text: `Cisco-CP-?(?P<model>\d{4}[A-Z]*(?:-3PCC)?)/(?P<firmware>[\w.()-]+)(?: \({MAC}\))?`, model: "CP-$model"},
	// "Cisco/SPA508G-7.4.4 (0002FDFF2103)(CBT141400UK)": MAC and serial number.
	{vendor: Cisco, text: `(?:Cisco|Linksys)/(?P<model>SPA\d{3}[A-Z]?\d?)-(?P<firmware>[\w.]+(?:\([\w.]+\))?)(?: \({MAC}\)(?: ?\((?P<serial>\w+)\))?)?`},

	{vendor: Grandstream, text: `Grandstream (?P<model>[A-Z]{2,4}\d{3,4}[A-Z]{0,2}) (?P<firmware>\d+(?:\.\d+){3})(?: {MAC})?`},
	{vendor: Grandstream, text: `Grandstream Model HW (?P<model>[A-Z]{2,4}\d{3,4}[A-Z]{0,2})(?: V(?P<hardware>[\w.]+))? SW (?P<firmware>\d+(?:\.\d+){3})(?: DevId(?: {MAC})?)?`},

	// "snom370/8.7.5.48", "snom105-2.04g", "snomM700/03.23.0005 (MAC=...; SER=...; HW=255)".
	{vendor: Snom, text: `snom(?P<model>[A-Z]{0,2}\d{2,4}[A-Z]{0,2})[/-](?P<firmware>\d[\w.]*)(?: {MAC})?`},
	{vendor: Snom, text: `snom(?P<model>M\d{2,3})/(?P<firmware>\d[\w.]*) \(MAC=[^;)]*; ?SER=(?P<serial>[^;)]*); ?HW=(?P<hardware>[^;)]*)\)?`},
	{vendor: Snom, text: `snom(?P<model>M\d{2,3})/(?P<firmware>\d[\w.]*) \(MAC=.*`},
	{vendor: Snom, text: `Mozilla/4\.0 \(compatible; snom(?P<model>[A-Z]{0,2}\d{2,4}[A-Z]{0,2})-SIP (?P<firmware>\d[\w.]*)(?: [\w.-]+)?(?: {MAC})?\)?`},

	{vendor: Fanvil, text: `Fanvil (?P<model>[A-Z]{1,2}\d{1,3}[A-Z]{0,3}(?:-V\d)?) (?P<firmware>\d+(?:\.\d+)+)(?: {MAC})?`},

	{vendor: Mitel, text: `Aastra (?P<model>\d{2,4}[A-Z]{0,3})/(?P<firmware>\d[\w.]*)`},
	{vendor: Mitel, text: `Mitel-(?P<model>\d{4}[A-Z]{0,3})-SIP/(?P<firmware>\d[\w.]*)`},
	{vendor: Mitel, text: `(?:Aastra|Mitel)(?P<model>\d{2,4}[A-Z]{0,3}) MAC:{MAC} V:(?P<firmware>\d[\w.]*)(?:-SIP)?`},

	// The one-X Deskphone is all of the 9600 series and more.
	{vendor: Avaya, text: `Avaya one-X Deskphone (?P<firmware>\d[\w.]*)(?: {MAC})?`, model: "one-X Deskphone", kind: ofFamily},
	{vendor: Avaya, text: `Avaya (?P<model>H\d{3}) Collaboration Station (?P<firmware>[\w.-]+?)(?:\.tar)?`},
	{vendor: Avaya, text: `Avaya (?P<model>J\d{3})(?: IP Phone)? (?P<firmware>\d[\w.]*)(?: {MAC})?`},
	{vendor: Avaya, text: `(?:.* )?AVAYA/(?P<model>J\d{3})-(?P<firmware>\d[\w.]*)(?: \(MAC:{MAC}\))?`},

	{vendor: Panasonic, text: `Panasonic_(?P<model>KX-[A-Z]{2,4}\d{2,4}[A-Z]{0,3})/(?P<firmware>\d[\w.]*)(?: \({MAC}\))?`},

	// "N510 IP PRO/42.245.00.000.000;7C2F804DF9A9", "Gigaset N870 IP PRO/83.V2.11.0+build...".
	{vendor: Gigaset, text: `(?:Gigaset )?(?P<model>N\d{3}(?: [A-Z]+)* PRO)/(?P<firmware>\d{2,3}\.[\w.+-]+)(?:;{MAC})?(?:;Handset=\d+)?`},

	{vendor: Htek, text: `Htek (?P<model>U[CM]\w{3,6}) V?(?P<firmware>\d+(?:\.\d+){3})(?: {MAC})?`},

	// Programs: name and version.
	{text: `(?P<model>Linphone[a-z]*)(?:-Desktop)?/(?P<firmware>\d[\w.-]*)(?: .*)?`, kind: ofProgram},
	{text: `(?P<model>baresip|Zoiper|Blink|PhonerLite|Telephone|PJSUA|JsSIP|Bria|eyeBeam|X-Lite|Twinkle|Ekiga|Groundwire|MicroSIP|SIP\.js|SIPp|Acrobits Softphone|Verso Softphone|Nero SIPPS IP Phone)` +
		`(?: \d)?[ /](?:(?:release|Version) )?(?P<firmware>(?:v|rv)?\d[\w.-]*)(?:[ (].*)?`, kind: ofProgram},
	{text: `(?P<model>Jitsi|CSipSimple)[_ /]?(?P<firmware>\d[\w.-]*).*`, kind: ofProgram},
})

// ParseUserAgent reads a User-Agent of SIP or HTTP. Of one that has no known shape
// it tells the maker at most, and of a program that it knows by name the program.
func ParseUserAgent(s string) Device {
	s = clean(s, maxSaid)
	if d, ok := agents().read(s, ""); ok {
		return d
	}
	if v := vendorOf(s); v != "" {
		return Device{Vendor: v}
	}
	return Device{}
}
