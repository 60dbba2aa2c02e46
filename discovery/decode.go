package discovery

import (
	"errors"
	"net/netip"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"perch/sip"
)

// Frame is one captured frame. The decoder borrows Data for the call only.
type Frame struct {
	Time      time.Time
	Source    int    // index of the capture or listener, from 0
	Number    int    // within the source, from 1
	File      string // base name of the capture; empty on a live interface
	Interface string // pcapng interface name or index
	LinkType  uint16 // as the pcap file header numbers it
	Data      []byte
}

// DecoderConfig says what a decoder listens to.
type DecoderConfig struct {
	SIPPorts []uint16 // UDP ports of SIP; default 5060
}

// Decoder turns frames into observations. It keeps scratch space between calls
// and so serves one goroutine at a time.
type Decoder struct {
	sipPorts []uint16
	sip      *sip.Parser

	ip4 layers.IPv4
	ip6 layers.IPv6
	udp layers.UDP
}

// NewDecoder returns a decoder.
func NewDecoder(cfg DecoderConfig) *Decoder {
	ports := cfg.SIPPorts
	if len(ports) == 0 {
		ports = []uint16{5060}
	}
	return &Decoder{sipPorts: ports, sip: sip.NewParser()}
}

// Decode reads one frame and calls emit for each message in it that Perch
// listens to, in their order: none for most frames, several where a datagram
// holds several SIP messages. Nothing that it emits refers to f.Data.
//
// A frame that is broken somewhere yields what stands before the fault, with
// Malformed set. Fragments after the first and traffic inside of tunnels are
// not read.
func (d *Decoder) Decode(f *Frame, emit func(*Observation)) {
	p, off := d.sift(f.LinkType, f.Data)
	if p == protoNone {
		return
	}
	o := &Observation{Time: f.Time, Source: f.Source, Frame: f.Number, File: f.File, Interface: f.Interface}
	o.MAC, o.Dst, o.VLANs = linkHeader(f.LinkType, f.Data, off)
	b := f.Data[off:]
	switch p {
	case protoARP:
		o.Kind, o.ARP = KindARP, &ARP{}
		o.fault(decodeARP(b, o.ARP))
		emit(o)
	case protoLLDP:
		o.Kind, o.LLDP = KindLLDP, &LLDP{}
		o.fault(decodeLLDP(b, o.LLDP))
		emit(o)
	case protoCDP:
		o.Kind, o.CDP = KindCDP, &CDP{}
		b, err := snapPayload(f.LinkType, f.Data, off)
		o.fault(err)
		o.fault(decodeCDP(b, o.CDP))
		emit(o)
	case protoDHCP:
		if b, ok := d.datagram(b, o); ok {
			o.Kind, o.DHCP = KindDHCP, &DHCP{}
			o.fault(decodeDHCP(b, o.DHCP))
			emit(o)
		}
	case protoDHCP6:
		if b, ok := d.datagram(b, o); ok {
			o.Kind, o.DHCP6 = KindDHCP6, &DHCP6{}
			o.fault(decodeDHCP6(b, o.DHCP6))
			emit(o)
		}
	case protoND:
		if b, ok := d.icmp6(b, o); ok {
			o.Kind, o.ND = KindND, &ND{}
			o.fault(decodeND(b, o.SrcIP, d.ip6.HopLimit, o.ND))
			emit(o)
		}
	case protoSIP:
		if b, ok := d.datagram(b, o); ok {
			d.messages(b, o, emit)
		}
	}
}

// fault notes the first fault of a frame.
func (o *Observation) fault(err error) {
	if err != nil && o.Malformed == "" {
		o.Malformed = err.Error()
	}
}

// datagram reads the IP and UDP headers and returns the UDP payload, as far as
// it was captured. It is false for what is no UDP datagram after all.
func (d *Decoder) datagram(b []byte, o *Observation) ([]byte, bool) {
	var whole int
	if b[0]>>4 == 4 {
		if d.ip4.DecodeFromBytes(b, gopacket.NilDecodeFeedback) != nil {
			return nil, false
		}
		o.SrcIP, o.DstIP = ipAddr(d.ip4.SrcIP), ipAddr(d.ip4.DstIP)
		if d.ip4.Flags&layers.IPv4MoreFragments != 0 {
			o.fault(errors.New("ip: first fragment only"))
		}
		b, whole = d.ip4.Payload, int(d.ip4.Length)-int(d.ip4.IHL)*4
	} else {
		if d.ip6.DecodeFromBytes(b, gopacket.NilDecodeFeedback) != nil {
			return nil, false
		}
		o.SrcIP, o.DstIP = ipAddr(d.ip6.SrcIP), ipAddr(d.ip6.DstIP)
		b, whole = d.ip6.Payload, int(d.ip6.Length)
	}
	if d.udp.DecodeFromBytes(b, gopacket.NilDecodeFeedback) != nil {
		return nil, false
	}
	if n := int(d.udp.Length); n != 0 {
		whole = n // 0 stands for a datagram that was handed to the card in one piece
	}
	if whole > len(b) {
		o.fault(errCut("udp", len(b), whole))
	}
	return d.udp.Payload, true
}

// icmp6 reads the IPv6 header and returns the ICMPv6 message behind it, as far as
// it was captured.
func (d *Decoder) icmp6(b []byte, o *Observation) ([]byte, bool) {
	if d.ip6.DecodeFromBytes(b, gopacket.NilDecodeFeedback) != nil {
		return nil, false
	}
	o.SrcIP, o.DstIP = ipAddr(d.ip6.SrcIP), ipAddr(d.ip6.DstIP)
	if whole, got := int(d.ip6.Length), len(d.ip6.Payload); whole > got {
		o.fault(errCut("icmpv6", got, whole))
	}
	return d.ip6.Payload, true
}

// ipAddr converts an address; the unspecified ones are no address.
func ipAddr(b []byte) netip.Addr {
	a, ok := netip.AddrFromSlice(b)
	if !ok || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}
