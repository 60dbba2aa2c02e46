package discovery

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// DHCP6 is a DHCPv6 message (RFC 8415) with the relays that it came through.
// Identifiers are raw bytes; unspecified addresses (::) are the zero Addr.
type DHCP6 struct {
	Type        DHCP6Type // of the client's or server's message, the innermost
	XID         uint32    // 24 bits
	Relays      []Relay6  // outermost first; the last one is next to the client
	ClientDUID  Hex
	ClientMAC   MAC // stated in the DUID (types LLT and LL); it may be another interface's
	ServerDUID  Hex
	Enterprise  uint32   // of the vendor class
	VendorClass []string // raw
	OptionList  []uint16 // option request
	Status      uint16   // of the whole message (RFC 8415 section 21.13)
	Addresses   []Address6
	Told        Told // where the server says that the client is (options 36 and 63)
}

// Relay6 is what one relay agent put around a message (RFC 8415 section 9).
type Relay6 struct {
	Type         DHCP6Type // RELAY-FORW or RELAY-REPL
	Hops         uint8
	LinkAddress  netip.Addr // of the client's link; none for an LDRA (RFC 6221)
	PeerAddress  netip.Addr // whom the relay had the message from
	InterfaceID  Hex        // option 18
	Enterprise   uint32     // of option 37
	RemoteID     Hex        // option 37 (RFC 4649)
	SubscriberID Hex        // option 38 (RFC 4580)
	ClientMAC    MAC        // option 79 (RFC 6939)
}

// Address6 is an address of an IA_NA, with its lifetimes in seconds.
type Address6 struct {
	IP        netip.Addr
	Preferred uint32
	Valid     uint32
}

// DHCP6Type is a message type (RFC 8415 section 7.3).
type DHCP6Type uint8

// The message types that the tracker acts on.
const (
	DHCP6Solicit      = DHCP6Type(dhcpv6.MessageTypeSolicit)
	DHCP6Request      = DHCP6Type(dhcpv6.MessageTypeRequest)
	DHCP6Confirm      = DHCP6Type(dhcpv6.MessageTypeConfirm)
	DHCP6Renew        = DHCP6Type(dhcpv6.MessageTypeRenew)
	DHCP6Rebind       = DHCP6Type(dhcpv6.MessageTypeRebind)
	DHCP6Reply        = DHCP6Type(dhcpv6.MessageTypeReply)
	DHCP6Release      = DHCP6Type(dhcpv6.MessageTypeRelease)
	DHCP6Decline      = DHCP6Type(dhcpv6.MessageTypeDecline)
	DHCP6Information  = DHCP6Type(dhcpv6.MessageTypeInformationRequest)
	DHCP6RelayForward = DHCP6Type(dhcpv6.MessageTypeRelayForward)
	DHCP6RelayReply   = DHCP6Type(dhcpv6.MessageTypeRelayReply)
)

// Names of the message types in the RFCs, by number (IANA; RFC 8415, 5007,
// 5460, 6977, 7341, 7653, 8156, 9686).
var dhcp6TypeNames = [...]string{
	"", "SOLICIT", "ADVERTISE", "REQUEST", "CONFIRM", "RENEW", "REBIND", "REPLY", "RELEASE", "DECLINE",
	"RECONFIGURE", "INFORMATION-REQUEST", "RELAY-FORW", "RELAY-REPL", "LEASEQUERY", "LEASEQUERY-REPLY",
	"LEASEQUERY-DONE", "LEASEQUERY-DATA", "RECONFIGURE-REQUEST", "RECONFIGURE-REPLY", "DHCPV4-QUERY",
	"DHCPV4-RESPONSE", "ACTIVELEASEQUERY", "STARTTLS", "BNDUPD", "BNDREPLY", "POOLREQ", "POOLRESP",
	"UPDREQ", "UPDREQALL", "UPDDONE", "CONNECT", "CONNECTREPLY", "DISCONNECT", "STATE", "CONTACT",
	"ADDR-REG-INFORM", "ADDR-REG-REPLY",
}

// String returns the type's name in the RFCs, or "" for numbers that name none.
func (t DHCP6Type) String() string {
	if int(t) < len(dhcp6TypeNames) {
		return dhcp6TypeNames[t]
	}
	return ""
}

// maxRelays bounds a chain of relays (RFC 8415 section 7.6: HOP_COUNT_LIMIT is
// 8, and an LDRA may stand in front).
const maxRelays = 9

// Lengths of the fixed parts of messages and options, in bytes.
const (
	dhcp6Header  = 4  // type and transaction ID
	relay6Header = 34 // type, hop count, link and peer address
	iaNAHeader   = 12 // IAID, T1, T2
	iaAddrHeader = 24 // address and two lifetimes
)

// decodeDHCP6 reads a DHCPv6 message option by option: those before a fault are
// kept, where the library's reader of whole messages gives nothing.
func decodeDHCP6(b []byte, m *DHCP6) (fault error) {
	for len(b) > 0 && isRelay6(DHCP6Type(b[0])) {
		if len(m.Relays) == maxRelays {
			return firstFault(fault, fmt.Errorf("dhcpv6: more than %d relays", maxRelays))
		}
		inner, err := m.relay(b)
		fault = firstFault(fault, err)
		if len(inner) == 0 {
			return firstFault(fault, fmt.Errorf("dhcpv6: relay message holds none"))
		}
		b = inner
	}
	if len(b) < dhcp6Header {
		return firstFault(fault, fmt.Errorf("dhcpv6: %d bytes, want at least %d", len(b), dhcp6Header))
	}
	m.Type = DHCP6Type(b[0])
	m.XID = binary.BigEndian.Uint32(b) & 0xffffff
	return firstFault(fault, options6(b[dhcp6Header:], m.read))
}

// relay reads what one relay added, and returns the message that it relayed.
func (m *DHCP6) relay(b []byte) (inner []byte, err error) {
	if len(b) < relay6Header {
		return nil, fmt.Errorf("dhcpv6: relay message: %d bytes, want at least %d", len(b), relay6Header)
	}
	r := Relay6{Type: DHCP6Type(b[0]), Hops: b[1], LinkAddress: ipAddr(b[2:18]), PeerAddress: ipAddr(b[18:34])}
	err = options6(b[relay6Header:], func(code dhcpv6.OptionCode, v []byte) error {
		if code == dhcpv6.OptionRelayMsg {
			inner = v
			return nil
		}
		return r.read(code, v)
	})
	m.Relays = append(m.Relays, r)
	return inner, err
}

func isRelay6(t DHCP6Type) bool { return t == DHCP6RelayForward || t == DHCP6RelayReply }

// options6 calls read for each option (RFC 8415 section 21.1) up to the first
// fault in their framing, and returns the first fault of all.
func options6(b []byte, read func(dhcpv6.OptionCode, []byte) error) (fault error) {
	for len(b) > 0 {
		if len(b) < 4 {
			return firstFault(fault, fmt.Errorf("dhcpv6: option header cut short"))
		}
		code, n := dhcpv6.OptionCode(binary.BigEndian.Uint16(b)), int(binary.BigEndian.Uint16(b[2:]))
		if b = b[4:]; len(b) < n {
			return firstFault(fault, fmt.Errorf("dhcpv6: option %d: length %d, %d bytes left", code, n, len(b)))
		}
		fault = firstFault(fault, read(code, b[:n]))
		b = b[n:]
	}
	return fault
}

func firstFault(first, next error) error {
	if first != nil {
		return first
	}
	return next
}

// read takes over an option that a relay added.
func (r *Relay6) read(code dhcpv6.OptionCode, v []byte) error {
	switch code {
	case dhcpv6.OptionInterfaceID:
		r.InterfaceID = Hex(v)
	case dhcpv6.OptionRemoteID:
		if len(v) < 4 {
			return errShort6(code, v, 4)
		}
		r.Enterprise, r.RemoteID = binary.BigEndian.Uint32(v), Hex(v[4:])
	case dhcpv6.OptionRelayAgentSubscriberID:
		r.SubscriberID = Hex(v)
	case dhcpv6.OptionClientLinkLayerAddr:
		if len(v) < 2 {
			return errShort6(code, v, 2)
		}
		r.ClientMAC = hardwareMAC(binary.BigEndian.Uint16(v), v[2:])
	}
	return nil
}

// read takes over an option of the message itself.
func (m *DHCP6) read(code dhcpv6.OptionCode, v []byte) error {
	switch code {
	case dhcpv6.OptionClientID:
		m.ClientDUID, m.ClientMAC = Hex(v), duidMAC(v)
	case dhcpv6.OptionServerID:
		m.ServerDUID = Hex(v)
	case dhcpv6.OptionIANA:
		if len(v) < iaNAHeader {
			return errShort6(code, v, iaNAHeader)
		}
		return options6(v[iaNAHeader:], m.readAddress)
	case dhcpv6.OptionORO:
		if len(v)%2 != 0 {
			return fmt.Errorf("dhcpv6: option %d: odd length %d", code, len(v))
		}
		for ; len(v) > 0; v = v[2:] {
			m.OptionList = append(m.OptionList, binary.BigEndian.Uint16(v))
		}
	case dhcpv6.OptionVendorClass:
		return m.vendorClass(v)
	case dhcpv6.OptionStatusCode:
		if len(v) < 2 {
			return errShort6(code, v, 2)
		}
		m.Status = binary.BigEndian.Uint16(v)
	case dhcpv6.OptionGeoConfCivic: // RFC 4776 section 3.2
		return wrap6(code, m.Told.civic(v))
	case dhcpv6.OptionGeolocation: // RFC 6225 section 2.1
		return wrap6(code, m.Told.coordinate(v))
	}
	return nil
}

func wrap6(code dhcpv6.OptionCode, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("dhcpv6: option %d: %w", code, err)
}

// readAddress takes over an option inside of an IA_NA (RFC 8415 section 21.6).
func (m *DHCP6) readAddress(code dhcpv6.OptionCode, v []byte) error {
	if code != dhcpv6.OptionIAAddr {
		return nil
	}
	if len(v) < iaAddrHeader {
		return errShort6(code, v, iaAddrHeader)
	}
	m.Addresses = append(m.Addresses, Address6{
		IP: ipAddr(v[:16]), Preferred: binary.BigEndian.Uint32(v[16:]), Valid: binary.BigEndian.Uint32(v[20:]),
	})
	return nil
}

// vendorClass reads option 16 (RFC 8415 section 21.16): the enterprise number,
// then texts of its own making, each behind its length.
func (m *DHCP6) vendorClass(v []byte) error {
	if len(v) < 4 {
		return errShort6(dhcpv6.OptionVendorClass, v, 4)
	}
	m.Enterprise = binary.BigEndian.Uint32(v)
	for v = v[4:]; len(v) > 0; {
		if len(v) < 2 || len(v) < 2+int(binary.BigEndian.Uint16(v)) {
			return fmt.Errorf("dhcpv6: option %d cut short", dhcpv6.OptionVendorClass)
		}
		n := 2 + int(binary.BigEndian.Uint16(v))
		m.VendorClass = append(m.VendorClass, string(v[2:n]))
		v = v[n:]
	}
	return nil
}

// duidMAC returns the MAC that a DUID of type LLT or LL was made of (RFC 8415
// section 11); the others hold none. A DUID is kept for good: the MAC may be
// that of another interface of the device.
func duidMAC(v []byte) MAC {
	d, err := dhcpv6.DUIDFromBytes(v)
	if err != nil {
		return MAC{}
	}
	switch d := d.(type) {
	case *dhcpv6.DUIDLLT:
		return hardwareMAC(uint16(d.HWType), d.LinkLayerAddr)
	case *dhcpv6.DUIDLL:
		return hardwareMAC(uint16(d.HWType), d.LinkLayerAddr)
	}
	return MAC{}
}

// hardwareMAC returns a link-layer address that is a MAC: of Ethernet, or of
// IEEE 802 networks.
func hardwareMAC(hw uint16, addr []byte) MAC {
	if len(addr) == 6 && (iana.HWType(hw) == iana.HWTypeEthernet || iana.HWType(hw) == iana.HWTypeIEEE802) {
		return MAC(addr)
	}
	return MAC{}
}

func errShort6(code dhcpv6.OptionCode, v []byte, want int) error {
	return fmt.Errorf("dhcpv6: option %d: %d bytes, want at least %d", code, len(v), want)
}
