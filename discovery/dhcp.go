package discovery

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// The fixed part of a DHCP message (RFC 2131 figure 1): offsets in bytes.
const (
	bootpHtype   = 1
	bootpHlen    = 2
	bootpXID     = 4
	bootpCiaddr  = 12
	bootpYiaddr  = 16
	bootpGiaddr  = 24
	bootpChaddr  = 28
	bootpSname   = 44
	bootpFile    = 108
	bootpCookie  = 236
	bootpOptions = 240
)

// Options that the library has no names for.
const (
	optionCivic   = 99  // RFC 4776
	optionGeoConf = 123 // RFC 6225 section 2.2.1
	optionGeoLoc  = 144 // RFC 6225 section 2.2.2
)

// Where options may continue (RFC 2132 section 9.3).
const (
	overloadFile  = 1
	overloadSname = 2
)

var dhcpTypeNames = [...]string{
	"", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM",
	"FORCERENEW", "LEASEQUERY", "LEASEUNASSIGNED", "LEASEUNKNOWN", "LEASEACTIVE",
	"BULKLEASEQUERY", "LEASEQUERYDONE", "ACTIVELEASEQUERY", "LEASEQUERYSTATUS", "TLS",
}

// String returns the type's name in the RFCs without its DHCP prefix, or "" for
// numbers that name none (RFC 2132, 3203, 4388, 6926, 7724).
func (t DHCPType) String() string {
	if int(t) < len(dhcpTypeNames) {
		return dhcpTypeNames[t]
	}
	return ""
}

// decodeDHCP reads a DHCPv4 message (RFC 2131). What stands before a fault is
// kept: a cut message still has its chaddr, and a broken option 82 costs no
// other option.
func decodeDHCP(b []byte, m *DHCP) error {
	var fixed [bootpOptions]byte
	n := copy(fixed[:], b)
	if n < bootpChaddr+16 {
		return fmt.Errorf("dhcp: %d bytes, want at least %d", len(b), bootpOptions)
	}
	m.Op = fixed[0]
	m.XID = binary.BigEndian.Uint32(fixed[bootpXID:])
	if fixed[bootpHtype] == 1 && fixed[bootpHlen] == 6 {
		m.Chaddr = MAC(fixed[bootpChaddr:])
	}
	m.Ciaddr = ipAddr(fixed[bootpCiaddr:][:4])
	m.Yiaddr = ipAddr(fixed[bootpYiaddr:][:4])
	m.Giaddr = ipAddr(fixed[bootpGiaddr:][:4])
	if n < bootpOptions {
		return fmt.Errorf("dhcp: %d bytes, want at least %d", len(b), bootpOptions)
	}
	if string(fixed[bootpCookie:]) != "\x63\x82\x53\x63" {
		return fmt.Errorf("dhcp: no magic cookie")
	}
	opts, err := dhcpOptions(b)
	if e := m.read(opts); err == nil {
		err = e
	}
	return err
}

// dhcpOptions collects the options of a message. An option that stands several
// times is one that was cut in pieces (RFC 3396 section 7): the options field is
// read first, then, if option 52 says so, file and sname.
//
// The library's reader of whole messages gives nothing for a message with a
// fault, and does not know option 52; its reader of options keeps those before
// the fault.
func dhcpOptions(b []byte) (dhcpv4.Options, error) {
	opts := dhcpv4.Options{}
	err := opts.FromBytes(b[bootpOptions:])
	var overload byte
	if v := opts.Get(dhcpv4.OptionOptionOverload); len(v) > 0 {
		overload = v[0]
	}
	for _, f := range []struct {
		bit   byte
		field []byte
	}{
		{overloadFile, b[bootpFile:bootpCookie]},
		{overloadSname, b[bootpSname:bootpFile]},
	} {
		if overload&f.bit != 0 {
			if e := opts.FromBytes(f.field); err == nil {
				err = e
			}
		}
	}
	if err != nil {
		return opts, fmt.Errorf("dhcp: option cut short")
	}
	return opts, nil
}

// read takes over the options. One of a wrong length is left out.
func (m *DHCP) read(opts dhcpv4.Options) error {
	if v := opts.Get(dhcpv4.OptionDHCPMessageType); len(v) == 1 {
		m.Type = DHCPType(v[0])
	}
	m.ServerID = firstIPv4(opts.Get(dhcpv4.OptionServerIdentifier))
	m.RequestedIP = firstIPv4(opts.Get(dhcpv4.OptionRequestedIPAddress))
	m.Router = firstIPv4(opts.Get(dhcpv4.OptionRouter))
	m.Hostname = text(opts.Get(dhcpv4.OptionHostName))
	// Not text: some phones send binary. Others end it with a NUL.
	m.VendorClass = string(bytes.TrimRight(opts.Get(dhcpv4.OptionClassIdentifier), "\x00"))
	m.ParamList = opts.Get(dhcpv4.OptionParameterRequestList)
	m.SubnetBits = maskBits(opts.Get(dhcpv4.OptionSubnetMask))
	if v := opts.Get(dhcpv4.OptionIPAddressLeaseTime); len(v) == 4 {
		m.LeaseSeconds = binary.BigEndian.Uint32(v)
	}
	err := m.relay(opts.Get(dhcpv4.OptionRelayAgentInformation))
	return firstFault(err, m.readTold(opts))
}

// readTold reads where the server says that the client is: options 99, 123 and 144
// (RFC 4776, RFC 6225). Of the last two, both of which are coordinates, 144 says
// how exact it is and is the newer one.
func (m *DHCP) readTold(opts dhcpv4.Options) (fault error) {
	read := func(code dhcpv4.OptionCode, take func([]byte) error) {
		if v := opts.Get(code); v != nil {
			if err := take(v); err != nil {
				fault = firstFault(fault, fmt.Errorf("dhcp: option %d: %w", code.Code(), err))
			}
		}
	}
	read(dhcpv4.GenericOptionCode(optionCivic), m.Told.civic)
	read(dhcpv4.GenericOptionCode(optionGeoConf), m.Told.coordinate)
	read(dhcpv4.GenericOptionCode(optionGeoLoc), m.Told.coordinate)
	return fault
}

// relay reads option 82 (RFC 3046). Unlike an option, a sub-option that stands
// twice is not one in pieces: the last one wins. Sub-options that say nothing of
// the client's place are passed over: vendor (9, RFC 4243), the server's address
// (11, RFC 5107), a VPN (151, RFC 6607) and others.
func (m *DHCP) relay(b []byte) error {
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return fmt.Errorf("dhcp: option 82: sub-option %d cut short", b[0])
		}
		v := Hex(b[2 : 2+int(b[1])])
		switch b[0] {
		case 1:
			m.CircuitID = v
		case 2:
			m.RemoteID = v
		case 5: // RFC 3527: the client's subnet, where giaddr is another
			if len(v) == 4 {
				m.LinkSelection = ipAddr([]byte(v))
			}
		case 6: // RFC 3993
			m.SubscriberID = v
		}
		b = b[2+int(b[1]):]
	}
	return nil
}

// firstIPv4 returns the first address of a list; none if its length is wrong.
func firstIPv4(b []byte) netip.Addr {
	if len(b) < 4 || len(b)%4 != 0 {
		return netip.Addr{}
	}
	return ipAddr(b[:4])
}

// maskBits returns a subnet mask as a prefix length; 0 if it is none.
func maskBits(b []byte) int {
	if len(b) != 4 {
		return 0
	}
	mask := binary.BigEndian.Uint32(b)
	n := bits.LeadingZeros32(^mask)
	if mask<<n != 0 {
		return 0 // not contiguous
	}
	return n
}
