package capture

import (
	"fmt"
	"time"
)

// Frame is one frame as it was heard on a wire. It belongs to the reader that
// returned it: the whole of it, Data included, is valid until the next call.
type Frame struct {
	// Time is when the frame was heard, in UTC. A pcapng Simple Packet Block
	// tells no time: its frame has the time of the one before it in the file,
	// and the zero Time if there is none.
	Time time.Time

	// Source is the index of the file among those that were opened, Number the
	// frame's number in that file, from 1. Numbers are Wireshark's: frames of
	// unknown link types and pcapng's custom blocks are counted, though not
	// returned.
	Source int
	Number int

	// File is the base name of the file, "-" for standard input.
	File string

	// Interface is the name of the interface that heard the frame (pcapng's
	// if_name), else the interface's index, counted from 0 through all sections
	// of the file. It is empty for pcap. It is the file's word and may hold any
	// characters.
	Interface string

	LinkType LinkType // what Data begins with
	Data     []byte   // what was kept of the frame, at most 256 KiB
	Length   int      // octets on the wire, at least len(Data)
}

// LinkType says what the first octets of a frame are. The numbers are those of
// capture files (LINKTYPE_ in the tcpdump.org registry), which are the same on
// every system, unlike the DLT_ numbers of libpcap.
type LinkType uint16

// The link types that are read.
const (
	Null      LinkType = 0   // BSD loopback: address family in the byte order of the recording host
	Ethernet  LinkType = 1   // IEEE 802.3 without preamble and usually without FCS
	RawBSD    LinkType = 12  // an IPv4 or IPv6 packet, as some BSDs number it
	Raw       LinkType = 101 // an IPv4 or IPv6 packet
	Loop      LinkType = 108 // OpenBSD loopback: address family in network byte order
	LinuxSLL  LinkType = 113 // Linux cooked capture, 16-octet header
	IPv4      LinkType = 228 // an IPv4 packet
	IPv6      LinkType = 229 // an IPv6 packet
	LinuxSLL2 LinkType = 276 // Linux cooked capture v2, 20-octet header with interface index
)

// Known reports whether frames of the link type are read.
func (t LinkType) Known() bool {
	switch t {
	case Null, Ethernet, RawBSD, Raw, Loop, LinuxSLL, IPv4, IPv6, LinuxSLL2:
		return true
	}
	return false
}

// String returns the type's name and number, as in "Linux cooked (113)". Some
// types that are not read have names too, so that an error says what was
// recorded.
func (t LinkType) String() string {
	name := ""
	switch t {
	case Null:
		name = "BSD loopback"
	case Ethernet:
		name = "Ethernet"
	case RawBSD, Raw:
		name = "raw IP"
	case Loop:
		name = "OpenBSD loopback"
	case LinuxSLL:
		name = "Linux cooked"
	case IPv4:
		name = "raw IPv4"
	case IPv6:
		name = "raw IPv6"
	case LinuxSLL2:
		name = "Linux cooked v2"
	case 9:
		name = "PPP"
	case 105:
		name = "IEEE 802.11"
	case 127:
		name = "IEEE 802.11 radiotap"
	case 187, 201:
		name = "Bluetooth HCI"
	case 189, 220, 249:
		name = "USB"
	case 227:
		name = "CAN"
	case 239:
		name = "netfilter log"
	case 253:
		name = "netlink"
	case 281, 282:
		name = "Broadcom switch tag"
	default:
		return fmt.Sprintf("link type %d", uint16(t))
	}
	return fmt.Sprintf("%s (%d)", name, uint16(t))
}
