package main

// maker is a maker of devices by the names under which the IEEE registered its
// OUIs, as a regular expression that ignores case.
type maker struct {
	name string // the vendor, as discovery names it
	desk bool   // what it makes for networks is desk phones before all
	orgs string
}

// makers are named in the table: those of desk phones, and those whose devices
// stand around them in an office's network. The first that fits counts.
var makers = []maker{
	// Desk phones.
	{"Algo", true, `^algo communication`},
	{"Avaya", true, `^avaya`},
	{"Fanvil", true, `^fanvil`},
	{"Gigaset", true, `^gigaset`},
	{"Grandstream", true, `^grandstream`},
	{"Htek", true, `^hanlong technology`},
	{"Mitel", true, `^(mitel (corporation|networks)|aastra telecom)`},
	{"Panasonic", false, `^panasonic`}, // of everything; its phones' are among the extras
	{"Poly", true, `^(poly|polycom|plantronics, inc.)$`},
	{"snom", true, `^snom`},
	{"Yealink", true, `yealink`},

	// Phones, intercoms and gateways, whose OUI alone makes no desk phone.
	{"2N", false, `^2n telekom`},
	{"Akuvox", false, `^akuvox`},
	{"Alcatel-Lucent", false, `^alcatel.lucent enterprise`},
	{"Ascom", false, `^ascom (tateco|danmark)`},
	{"ATCOM", false, `^atcom`},
	{"AudioCodes", false, `audiocodes`},
	{"Auerswald", false, `^auerswald`},
	{"AVM", false, `^avm `},
	{"Axis", false, `^axis communications`},
	{"CyberData", false, `^cyberdata`},
	{"Digium", false, `^digium`},
	{"Dinstar", false, `^dinstar`},
	{"Ericsson-LG", false, `^(ericsson-lg|lg-ericsson)`},
	{"Escene", false, `escene`},
	{"innovaphone", false, `^innovaphone`},
	{"Jabra", false, `^gn netcom`},
	{"NEC", false, `^nec (corporation|platforms|unified)`},
	{"Nortel", false, `^nortel`},
	{"Obihai", false, `^obihai`},
	{"Patton", false, `^patton`},
	{"RTX", false, `^rtx telecom`},
	{"Sangoma", false, `^sangoma`},
	{"ShoreTel", false, `^shoretel`},
	{"Spectralink", false, `^spectralink`},
	{"Swissvoice", false, `^swissvoice`},
	{"tiptel", false, `^tiptel`},
	{"Unify", false, `^unify`},
	{"VTech", false, `^vtech (communications|technology|telecommunications)`},
	{"Wildix", false, `^wildix`},
	{"Yeastar", false, `yeastar`},
	{"Zenitel", false, `^zenitel`},

	// Switches, routers, access points and firewalls.
	{"Cisco", false, `^(cisco (systems|meraki|spvtg)|cisco-linksys|the linksys group|sipura)`},
	{"Allied Telesis", false, `^allied.?teles(is|yn)`},
	{"Arista", false, `^arista`},
	{"Aruba", false, `^aruba`},
	{"Brocade", false, `^(brocade|foundry networks)`},
	{"Check Point", false, `^check point`},
	{"D-Link", false, `^d-link`},
	{"Extreme", false, `^(extreme networks|enterasys|cabletron)`},
	{"Fortinet", false, `^fortinet`},
	{"H3C", false, `h3c technologies`},
	{"Huawei", false, `^huawei`},
	{"Juniper", false, `^juniper`},
	{"LANCOM", false, `^lancom`},
	{"Linksys", false, `^(linksys|belkin)`},
	{"MikroTik", false, `^routerboard`},
	{"Netgear", false, `^netgear`},
	{"Palo Alto", false, `^palo alto`},
	{"Ruckus", false, `^ruckus`},
	{"SonicWall", false, `^sonicwall`},
	{"Sophos", false, `^sophos`},
	{"TP-Link", false, `^tp-link`},
	{"Ubiquiti", false, `^ubiquiti`},
	{"WatchGuard", false, `^watchguard`},
	{"ZTE", false, `^zte corporation`},
	{"Zyxel", false, `^zyxel`},

	// Computers, virtual ones too, and what else stands on desks.
	{"Apple", false, `^apple,? inc`},
	{"Asus", false, `^asustek`},
	{"Brother", false, `^brother industries`},
	{"Canon", false, `^canon inc`},
	{"Dell", false, `^dell`},
	{"Epson", false, `^seiko epson`},
	{"Google", false, `^google`},
	{"HP", false, `^(hewlett.packard|hp inc)`},
	{"Intel", false, `^intel corp`},
	{"Kyocera", false, `^kyocera (corporation|display|document)`},
	{"Lenovo", false, `^lenovo`},
	{"Lexmark", false, `^lexmark`},
	{"Microsoft", false, `^microsoft`},
	{"QNAP", false, `^qnap`},
	{"Raspberry Pi", false, `^raspberry pi`},
	{"Realtek", false, `^realtek`},
	{"Ricoh", false, `^ricoh`},
	{"Samsung", false, `^samsung electronics`},
	{"Supermicro", false, `^super micro`},
	{"Synology", false, `^synology`},
	{"VirtualBox", false, `^pcs systemtechnik`},
	{"VMware", false, `^vmware`},
	{"Xen", false, `^xensource`},
	{"Xerox", false, `^xerox corp`},
}

// extras are prefixes of desk phones that the IEEE's list lacks, or gives to
// somebody else.
var extras = []struct {
	source, vendor string
	ouis           []uint32
}{
	{manuf, "Poly", []uint32{0x8c9b2d}},
	{manuf, "Yealink", []uint32{0x44dbd2, 0xc4fc22, 0xec1da9}},
	{manuf + ", of Panasonic's those of phones", "Panasonic", []uint32{0x0080f0, 0x080023, 0xbcc342}},
	{wazo, "Fanvil", []uint32{0x00a859}},
	{wazo + "; the IEEE's list says RTX, who makes DECT bases for snom", "snom", []uint32{0x00087b}},
	{wazo, "Yealink", []uint32{0x3497d7, 0x644f56, 0xb061a9, 0xe434d7, 0xf01653}},
}

// Where the extras come from, read in November 2026.
const (
	manuf = "the Wireshark project's manuf file of release 4.0.17"
	wazo  = "the MAC prefixes by which the Wazo project recognises phones"
)
