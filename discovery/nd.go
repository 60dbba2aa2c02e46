package discovery

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// ND is a Neighbor Discovery message (RFC 4861). Link-layer addresses that are
// no MACs are left out, and unspecified addresses are the zero Addr.
type ND struct {
	Type           NDType
	SenderIP       netip.Addr // source of the packet; none while the sender tests an address (DAD)
	TargetIP       netip.Addr // of NS and NA
	SenderMAC      MAC        // source link-layer address option
	TargetMAC      MAC        // target link-layer address option
	Router         bool       // of NA: the sender is a router
	Solicited      bool       // of NA: it answers an NS
	Override       bool       // of NA: it replaces what was known
	RouterLifetime uint16     // of RA, in seconds; 0: no default router
	Managed        bool       // of RA: addresses come by DHCPv6
	OtherConfig    bool       // of RA: other configuration comes by DHCPv6
	Prefixes       []NDPrefix // of RA
}

// NDPrefix is a prefix information option of an RA (RFC 4861 section 4.6.2).
type NDPrefix struct {
	Prefix     netip.Prefix `json:"prefix"`
	OnLink     bool         `json:"on_link,omitempty"`
	Autonomous bool         `json:"autonomous,omitempty"` // hosts make addresses of it (RFC 4862)
	Valid      uint32       `json:"valid"`                // seconds
	Preferred  uint32       `json:"preferred"`            // seconds
}

// NDType is the ICMPv6 type of a message.
type NDType uint8

// The messages that are read.
const (
	NDRouterSolicitation    NDType = 133
	NDRouterAdvertisement   NDType = 134
	NDNeighborSolicitation  NDType = 135
	NDNeighborAdvertisement NDType = 136
)

// String returns the short name by which RFC 4861's readers call the message.
func (t NDType) String() string {
	switch t {
	case NDRouterSolicitation:
		return "RS"
	case NDRouterAdvertisement:
		return "RA"
	case NDNeighborSolicitation:
		return "NS"
	case NDNeighborAdvertisement:
		return "NA"
	}
	return ""
}

// isND reports whether an ICMPv6 type is one of those that are read.
func isND(typ byte) bool { return NDType(typ).String() != "" }

// ND options (RFC 4861 section 4.6), and the lengths of the messages before
// their options, in bytes.
const (
	ndSourceMAC  = 1
	ndTargetMAC  = 2
	ndPrefixInfo = 3

	icmp6Header = 8 // type, code, checksum and four bytes more
	raHeader    = 16
	nsHeader    = 24
)

// maxPrefixes bounds the prefixes that are kept of one RA; routers announce a
// few.
const maxPrefixes = 16

// decodeND reads an ICMPv6 message of Neighbor Discovery. A router forwards no
// packet without taking one from its hop limit, so that one of another than 255
// came from afar: such a message is nobody's (RFC 4861 section 6.1, 7.1).
func decodeND(b []byte, src netip.Addr, hopLimit uint8, m *ND) error {
	if len(b) < icmp6Header {
		return fmt.Errorf("nd: %d bytes, want at least %d", len(b), icmp6Header)
	}
	m.Type = NDType(b[0])
	if hopLimit != 255 {
		return fmt.Errorf("nd: hop limit %d, want 255", hopLimit)
	}
	if b[1] != 0 {
		return fmt.Errorf("nd: code %d, want 0", b[1])
	}
	m.SenderIP = src
	header := icmp6Header
	switch m.Type {
	case NDRouterAdvertisement:
		header = raHeader
		m.Managed, m.OtherConfig = b[5]&0x80 != 0, b[5]&0x40 != 0
		m.RouterLifetime = binary.BigEndian.Uint16(b[6:])
	case NDNeighborSolicitation, NDNeighborAdvertisement:
		header = nsHeader
		if m.Type == NDNeighborAdvertisement {
			m.Router, m.Solicited, m.Override = b[4]&0x80 != 0, b[4]&0x40 != 0, b[4]&0x20 != 0
		}
	}
	if len(b) < header {
		return fmt.Errorf("nd: %d bytes, want at least %d", len(b), header)
	}
	if header == nsHeader {
		m.TargetIP = ipAddr(b[8:24])
	}
	return m.options(b[header:])
}

// options reads the options: type, length in units of 8 bytes, value.
func (m *ND) options(b []byte) error {
	for len(b) > 0 {
		if len(b) < 2 || b[1] == 0 || len(b) < 8*int(b[1]) {
			return fmt.Errorf("nd: option %d cut short", b[0])
		}
		v := b[2 : 8*int(b[1])]
		switch {
		case b[0] == ndSourceMAC && len(v) == 6:
			m.SenderMAC = MAC(v)
		case b[0] == ndTargetMAC && len(v) == 6:
			m.TargetMAC = MAC(v)
		case b[0] == ndPrefixInfo && m.Type == NDRouterAdvertisement:
			if err := m.prefix(v); err != nil {
				return err
			}
		}
		b = b[8*int(b[1]):]
	}
	return nil
}

// prefix reads a prefix information option.
func (m *ND) prefix(v []byte) error {
	if len(v) != 30 || v[0] > 128 {
		return fmt.Errorf("nd: prefix information of %d bytes and %d bits", len(v)+2, v[0])
	}
	if len(m.Prefixes) == maxPrefixes {
		return nil
	}
	m.Prefixes = append(m.Prefixes, NDPrefix{
		Prefix: netip.PrefixFrom(netip.AddrFrom16([16]byte(v[14:])), int(v[0])).Masked(),
		OnLink: v[1]&0x80 != 0, Autonomous: v[1]&0x40 != 0,
		Valid: binary.BigEndian.Uint32(v[2:]), Preferred: binary.BigEndian.Uint32(v[6:]),
	})
	return nil
}
