package discovery

import (
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
	SIPPorts []uint16 // ports of SIP, over UDP and TCP; default 5060

	// Panicked is told of a decoder's panic, once for each frame that causes it.
	// Nil tells nobody.
	Panicked func(Panic)
}

// Decoder turns frames into observations. It keeps the connections and fragments
// that a message may be spread over, of each source apart, and scratch space; so
// it serves one goroutine at a time.
type Decoder struct {
	sipPorts []uint16
	sip      *sip.Parser
	sources  map[int]*assembly
	stats    stats
	panicked func(Panic)

	ip4 layers.IPv4
	udp layers.UDP
	tcp layers.TCP
	out []*Observation // of the frame at hand

	stream streamKey // of the segment at hand
	parts  partsKey  // of the fragment at hand
}

// NewDecoder returns a decoder.
func NewDecoder(cfg DecoderConfig) *Decoder {
	ports := cfg.SIPPorts
	if len(ports) == 0 {
		ports = []uint16{5060}
	}
	return &Decoder{sipPorts: ports, sip: sip.NewParser(), sources: map[int]*assembly{}, panicked: cfg.Panicked}
}

// Decode reads one frame and calls emit for each message in it that Perch
// listens to, in their order: none for most frames, several where a datagram or
// a segment holds several SIP messages. Nothing that it emits refers to f.Data.
// A message that came in several frames is the last one's.
//
// A frame that is broken somewhere yields what stands before the fault, with
// Malformed set. One that makes a decoder panic yields what came before, is
// counted and told to DecoderConfig.Panicked. Traffic inside of tunnels is not
// read.
func (d *Decoder) Decode(f *Frame, emit func(*Observation)) {
	p, off := d.sift(f.LinkType, f.Data)
	if p == protoNone {
		return
	}
	d.read(p, f, off)
	for _, o := range d.out {
		d.stats.observed(o)
		emit(o)
	}
}

// Sift reports whether there is something in a frame for Decode to read. Of most
// frames of a trunk there is not, and whoever asks first need not make a Frame of
// them.
func (d *Decoder) Sift(linkType uint16, data []byte) bool {
	p, _ := d.sift(linkType, data)
	return p != protoNone
}

// Pass takes a frame for what it is to later ones only: a part of a connection or
// of a datagram. Its messages were read before. A replay that goes on where an
// earlier one ended passes what that one read.
func (d *Decoder) Pass(f *Frame) {
	p, off := d.sift(f.LinkType, f.Data)
	if p == protoSegment || p == protoFragment {
		before := d.stats
		d.read(p, f, off)
		d.stats = before
	}
}

// Forget drops what is kept of a source that has ended.
func (d *Decoder) Forget(source int) { delete(d.sources, source) }

// read leaves what a frame holds in d.out. Callbacks are not called from here: a
// panic of theirs is none of a decoder. Nor is the first look at a frame taken
// here, which indexes nothing that it has not measured: it would cost each frame
// of a trunk a third more.
func (d *Decoder) read(p proto, f *Frame, off int) {
	d.out = d.out[:0]
	d.stats.frames[p]++
	defer func() {
		if v := recover(); v != nil {
			d.caught(f, p, v)
		}
	}()
	d.payload(p, f, off)
}

// payload reads what begins at an offset of a frame.
func (d *Decoder) payload(p proto, f *Frame, off int) {
	b := f.Data[off:]
	switch p {
	case protoARP:
		o := envelope(f, off)
		o.Kind, o.ARP = KindARP, &ARP{}
		o.fault(decodeARP(b, o.ARP))
		d.add(o)
	case protoLLDP:
		o := envelope(f, off)
		o.Kind, o.LLDP = KindLLDP, &LLDP{}
		o.fault(decodeLLDP(b, o.LLDP))
		d.add(o)
	case protoCDP:
		o := envelope(f, off)
		o.Kind, o.CDP = KindCDP, &CDP{}
		b, err := snapPayload(f.LinkType, f.Data, off)
		o.fault(err)
		o.fault(decodeCDP(b, o.CDP))
		d.add(o)
	case protoSegment:
		d.segment(f, off)
	case protoFragment:
		d.fragment(f, off)
	case protoND:
		if h, ok := d.header(b); ok {
			o := envelope(f, off)
			o.SrcIP, o.DstIP = h.src, h.dst
			d.icmp6(h, b[7], o)
		}
	default:
		if h, ok := d.header(b); ok {
			o := envelope(f, off)
			o.SrcIP, o.DstIP = h.src, h.dst
			d.datagram(p, h.payload, h.length, o)
		}
	}
}

// envelope is what of a frame is the same for all messages in it.
func envelope(f *Frame, off int) *Observation {
	o := &Observation{Time: f.Time, Source: f.Source, Frame: f.Number, File: f.File, Interface: f.Interface}
	o.MAC, o.Dst, o.VLANs = linkHeader(f.LinkType, f.Data, off)
	return o
}

func (d *Decoder) add(o *Observation) { d.out = append(d.out, o) }

// fault notes the first fault of a frame.
func (o *Observation) fault(err error) {
	if err != nil && o.Malformed == "" {
		o.Malformed, o.reason = err.Error(), reasonOf(err)
	}
}

// datagram reads the messages of a UDP datagram, of which whole octets were sent.
func (d *Decoder) datagram(p proto, b []byte, whole int, o *Observation) {
	if d.udp.DecodeFromBytes(b, gopacket.NilDecodeFeedback) != nil {
		return
	}
	if n := int(d.udp.Length); n != 0 {
		whole = n // 0 stands for a datagram that was handed to the card in one piece
	}
	if whole > len(b) {
		o.fault(errCut("udp", len(b), whole))
	}
	switch p {
	case protoDHCP:
		o.Kind, o.DHCP = KindDHCP, &DHCP{}
		o.fault(decodeDHCP(d.udp.Payload, o.DHCP))
		d.add(o)
	case protoDHCP6:
		o.Kind, o.DHCP6 = KindDHCP6, &DHCP6{}
		o.fault(decodeDHCP6(d.udp.Payload, o.DHCP6))
		d.add(o)
	case protoSIP:
		d.messages(d.udp.Payload, o)
	}
}

// icmp6 reads an ICMPv6 message, as far as it was captured.
func (d *Decoder) icmp6(h header, hops uint8, o *Observation) {
	if h.length > len(h.payload) {
		o.fault(errCut("icmpv6", len(h.payload), h.length))
	}
	o.Kind, o.ND = KindND, &ND{}
	o.fault(decodeND(h.payload, h.src, hops, o.ND))
	d.add(o)
}

// ipAddr converts an address; the unspecified ones are no address.
func ipAddr(b []byte) netip.Addr {
	a, ok := netip.AddrFromSlice(b)
	if !ok || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}
