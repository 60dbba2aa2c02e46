package discovery

import (
	"net/netip"
	"time"

	"perch/sip"
)

// Kind is the protocol that an observation was read from.
type Kind uint8

// The kinds of observation, named in text as `perch decode` prints them.
const (
	KindRegister Kind = iota + 1
	KindRegisterResponse
	KindDHCP
	KindLLDP
	KindCDP
	KindARP
	KindDHCP6
	KindND
	KindKeepAlive
	KindFetch
	kinds = iota + 1
)

var kindNames = [kinds]string{"", "register", "register_response", "dhcp", "lldp", "cdp", "arp", "dhcpv6", "nd", "keep_alive", "fetch"}

// String returns the word that `perch decode` prints.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return ""
}

// Observation is one fact seen at one time by one source. It is immutable, and
// exactly one of the pointers below is set, the one that Kind names.
type Observation struct {
	Time      time.Time  // the frame's own stamp
	Source    int        // index of the capture or listener, from 0
	Frame     int        // number within the source, from 1
	File      string     // base name of the capture; empty on a live interface
	Interface string     // pcapng interface name or index; empty for a pcap file
	MAC       MAC        // source of the frame; zero where the link type has none
	Dst       MAC        // destination of the frame
	VLANs     []uint16   // 802.1Q and 802.1ad tags, outer first
	SrcIP     netip.Addr // outermost IP source, if any
	DstIP     netip.Addr // outermost IP destination, if any
	Malformed string     // why the frame was read only in part; empty if whole
	reason    Reason     // what Malformed is an instance of
	Kind      Kind

	Register *Register
	Response *RegisterResponse
	DHCP     *DHCP
	LLDP     *LLDP
	CDP      *CDP
	ARP      *ARP
	DHCP6    *DHCP6
	ND       *ND

	KeepAlive *Register // what the phone registered that says by it that it is alive
	Fetch     *Fetch
}

// VLAN returns the innermost tag, or 0 for an untagged frame.
func (o *Observation) VLAN() uint16 {
	if n := len(o.VLANs); n > 0 {
		return o.VLANs[n-1]
	}
	return 0
}

// Register is a REGISTER request (RFC 3261 section 10.2) and how it travelled.
type Register struct {
	Transport   string         // "udp", "tcp" or "tls"
	Source      netip.AddrPort // of the datagram or connection
	Destination netip.AddrPort
	sip.Register
	ClaimedMAC MAC // a MAC that the message states in one of its known forms
	octets     int // of the message
}

// RegisterResponse is the answer to a REGISTER.
type RegisterResponse struct {
	Source      netip.AddrPort
	Destination netip.AddrPort
	sip.RegisterResponse
}

// DHCP is a DHCPv4 message (RFC 2131). Unspecified addresses (0.0.0.0) are the
// zero Addr. Relay identifiers are raw bytes.
type DHCP struct {
	Type         DHCPType
	Op           uint8 // 1 request, 2 reply
	XID          uint32
	Chaddr       MAC
	Ciaddr       netip.Addr
	Yiaddr       netip.Addr
	Giaddr       netip.Addr
	ServerID     netip.Addr
	RequestedIP  netip.Addr
	Hostname     string
	VendorClass  string
	ParamList    []uint8
	SubnetBits   int // option 1 as a prefix length; 0 if absent
	Router       netip.Addr
	LeaseSeconds uint32
	CircuitID    Hex // option 82 sub-option 1
	RemoteID     Hex // option 82 sub-option 2
	SubscriberID Hex // option 82 sub-option 6

	LinkSelection netip.Addr // option 82 sub-option 5
	Told          Told       // options 99, 123 and 144
}

// DHCPType is option 53 (RFC 2132 section 9.6).
type DHCPType uint8

// The message types that the tracker acts on.
const (
	DHCPDiscover DHCPType = 1
	DHCPOffer    DHCPType = 2
	DHCPRequest  DHCPType = 3
	DHCPDecline  DHCPType = 4
	DHCPAck      DHCPType = 5
	DHCPNak      DHCPType = 6
	DHCPRelease  DHCPType = 7
	DHCPInform   DHCPType = 8
)

// Capability is a set of LLDP system capabilities (IEEE 802.1AB 8.5.8), the
// enabled ones.
type Capability uint16

// The LLDP system capabilities by bit.
const (
	CapOther Capability = 1 << iota
	CapRepeater
	CapBridge
	CapWLANAP
	CapRouter
	CapTelephone
	CapDOCSIS
	CapStation
)

// LLDP is one LLDPDU (IEEE 802.1AB) with its LLDP-MED part (ANSI/TIA-1057).
// Identifiers are text as `perch decode` prints them: MACs of subtype MAC,
// IPs of subtype network address, else text, or hex if not printable.
type LLDP struct {
	ChassisIDSubtype    uint8
	ChassisID           string
	PortIDSubtype       uint8
	PortID              string
	TTL                 uint16 // seconds; 0 is a shutdown
	PortDescription     string
	SystemName          string
	SystemDescription   string
	Capabilities        Capability
	HasCapabilities     bool // the TLV was there
	ManagementAddresses []string
	PVID                uint16     // IEEE 802.1Q annex D.2.1: the port's untagged VLAN
	ProtocolVLANs       []uint16   // D.2.2: port and protocol VLANs
	VLANNames           []VLANName // D.2.3
	MED                 *MED       // nil without LLDP-MED TLVs
}

// VLANName is what a switch calls a VLAN of the port.
type VLANName struct {
	VLAN uint16 `json:"vlan"`
	Name string `json:"name"`
}

// MED is the LLDP-MED part of an LLDPDU.
type MED struct {
	Class        uint8 // 1-3 endpoint classes, 4 network connectivity
	Hardware     string
	Firmware     string
	Software     string
	Serial       string
	Manufacturer string
	Model        string
	Asset        string
	Policies     []MEDPolicy
	ELIN         string
	Civic        *Civic
	Latitude     *float64 // degrees, WGS84
	Longitude    *float64
}

// MEDPolicy is one network policy TLV (TIA-1057 10.2.3).
type MEDPolicy struct {
	Application uint8  `json:"application"`
	VLAN        uint16 `json:"vlan"`
	Tagged      bool   `json:"tagged"`
	Priority    uint8  `json:"priority"`
	DSCP        uint8  `json:"dscp"`
}

// Civic is a civic address as LLDP-MED and DHCP carry it (RFC 4776).
type Civic struct {
	Country  string
	Elements []CivicElement
}

// CivicElement is one CAtype with its value (RFC 4776 section 3.4).
type CivicElement struct {
	Type  uint8
	Value string
}

// CDP is one Cisco Discovery Protocol frame.
type CDP struct {
	Version      uint8
	TTL          uint8 // seconds
	DeviceID     string
	PortID       string
	Platform     string
	Software     string
	Capabilities uint32
	Addresses    []netip.Addr
	NativeVLAN   uint16
	VoiceVLAN    uint16
	Appliance    uint8 // whom the voice VLAN is for; 1 is a telephone
}

// CDP capability bits that the tracker reads.
const (
	CDPRouter uint32 = 0x01
	CDPSwitch uint32 = 0x08
	CDPPhone  uint32 = 0x80
)

// ARP is an Ethernet/IPv4 ARP message (RFC 826).
type ARP struct {
	Op        uint16
	SenderMAC MAC
	SenderIP  netip.Addr
	TargetIP  netip.Addr
}
