package capture

import (
	"slices"

	"golang.org/x/net/bpf"
)

// What the filter tells frames by.
const (
	etherIPv4   = 0x0800
	etherARP    = 0x0806
	etherVLAN   = 0x8100 // IEEE 802.1Q
	etherQinQ   = 0x88a8 // IEEE 802.1ad
	etherQinQ91 = 0x9100 // 802.1ad before it was a standard
	etherQinQ92 = 0x9200
	etherIPv6   = 0x86dd
	etherLLDP   = 0x88cc
	etherLeast  = 0x0600 // below, a length and an IEEE 802.2 frame follow

	protoHopByHop    = 0
	protoTCP         = 6
	protoUDP         = 17
	protoRouting     = 43
	protoFragment    = 44
	protoICMPv6      = 58
	protoDestination = 60

	routerSolicitation = 133 // RFC 4861 section 4: the first of its five messages
	advertisement      = 136 // ... and the last but one; the last, a redirect, says nothing of a phone

	defaultSIPPort = 5060
)

// extensions are the headers of IPv6 that lie in front of the transport's, but for
// that of a fragment.
var extensions = []uint32{protoHopByHop, protoRouting, protoDestination}

// filterTags is how many VLAN tags in a frame the filter looks behind, as many as
// discovery does; the one that the card took out is not among them.
const filterTags = 4

// Filter is the program that the kernel runs over each frame: it passes what
// discovery reads, and as little else as can be told from headers.
//
//   - ARP, LLDP, CDP
//   - DHCPv4 and DHCPv6, by their ports
//   - Neighbor Discovery (ICMPv6 types 133 to 136)
//   - SIP by the given ports, none standing for 5060, over UDP and TCP
//   - fragments of UDP that say no port: those of IPv4 after the first, all of IPv6
//   - what is rare in IPv6: three extension headers and more, and fragments that are
//     the whole packet (RFC 6946)
//
// each behind up to four VLAN tags. The kernel shows the program a frame without
// the tag that the card, or itself on receiving, took out, so the first of them
// is usually not seen here.
//
// It is a program for the machine of McCanne and Jacobson's BSD Packet Filter: a
// load beyond the frame's end rejects it, and jumps only go forward. The index
// register X holds where the ethertype lies, and in the end how far the ports are
// behind that; so one code reads frames with any number of tags.
func Filter(ports []uint16) []bpf.Instruction {
	var p program
	p.ethernet()
	p.ipv4()
	p.ipv6()
	p.end()
	if len(ports) == 0 {
		ports = []uint16{defaultSIPPort}
	}
	ports = slices.Compact(slices.Sorted(slices.Values(ports)))
	p.label(sipPorts)
	for _, at := range []uint32{sourcePort, destinationPort} {
		p.load(at, 2)
		for _, port := range ports { // each with its own end: a long list is beyond the reach of a jump
			p.add(bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(port), SkipTrue: 1}, accept)
		}
	}
	p.add(reject)
	return p.link()
}

var (
	accept = bpf.RetConstant{Val: maxData}
	reject = bpf.RetConstant{}
)

// Offsets in octets from X. That lies at the ethertype first, and then as far in
// front of each header that was passed over as it lay in front of the first.
const (
	header          = 2 // what follows the ethertype
	sourcePort      = header
	destinationPort = header + 2
)

// place is a place in the program to jump to.
type place uint8

const (
	tagged place = iota // one for each tag, the first of them here
	typed        = tagged + filterTags + iota
	ipv4Header
	ipv4UDP
	ipv6Header
	ipv6Extension // one for each header that is passed over
	_
	ipv6Upper
	ipv6UDP
	icmp6
	fragment6
	passed
	dropped
	sipPorts
)

// program is a filter that is being written.
type program struct {
	code  []bpf.Instruction
	jumps []jump
	at    map[place]int
}

type jump struct {
	from int
	to   place
}

func (p *program) add(code ...bpf.Instruction) { p.code = append(p.code, code...) }

func (p *program) label(l place) {
	if p.at == nil {
		p.at = make(map[place]int)
	}
	p.at[l] = len(p.code)
}

// load loads size octets at X + off.
func (p *program) load(off uint32, size int) { p.add(bpf.LoadIndirect{Off: off, Size: size}) }

// on jumps if the comparison of what was loaded holds, and goes on otherwise.
func (p *program) on(test bpf.JumpTest, value uint32, to place) {
	p.jumps = append(p.jumps, jump{len(p.code), to})
	p.add(bpf.JumpIf{Cond: test, Val: value})
}

func (p *program) goTo(to place) {
	p.jumps = append(p.jumps, jump{len(p.code), to})
	p.add(bpf.Jump{})
}

// link fills in how far the jumps go.
func (p *program) link() []bpf.Instruction {
	for _, j := range p.jumps {
		skip := p.at[j.to] - j.from - 1
		switch code := p.code[j.from].(type) {
		case bpf.Jump:
			code.Skip = uint32(skip)
			p.code[j.from] = code
		case bpf.JumpIf:
			code.SkipTrue = uint8(skip) // all lie in front of the ports, and so within reach
			p.code[j.from] = code
		}
	}
	return p.code
}

// ethernet goes by the ethertype, behind the tags.
func (p *program) ethernet() {
	p.add(bpf.LoadConstant{Dst: bpf.RegX, Val: 12})
	p.load(0, 2)
	for i := range place(filterTags) {
		p.on(bpf.JumpEqual, etherIPv4, ipv4Header) // most frames
		for _, tag := range []uint32{etherVLAN, etherQinQ, etherQinQ91, etherQinQ92} {
			p.on(bpf.JumpEqual, tag, tagged+i)
		}
		p.goTo(typed)
		p.label(tagged + i)
		p.add(bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: tagLength}, bpf.TAX{})
		p.load(0, 2)
	}
	p.label(typed)
	p.on(bpf.JumpEqual, etherIPv4, ipv4Header)
	p.on(bpf.JumpEqual, etherIPv6, ipv6Header)
	p.on(bpf.JumpEqual, etherARP, passed)
	p.on(bpf.JumpEqual, etherLLDP, passed)
	p.on(bpf.JumpGreaterOrEqual, etherLeast, dropped)
	p.load(header, 4) // CDP: SNAP with Cisco's OUI and the protocol 0x2000
	p.on(bpf.JumpNotEqual, 0xaaaa0300, dropped)
	p.load(header+4, 4)
	p.on(bpf.JumpEqual, 0x000c2000, passed)
	p.goTo(dropped)
}

// ipv4 looks behind an IPv4 header (RFC 791). Only the first fragment says which
// ports it is for.
func (p *program) ipv4() {
	const (
		fragment       = header + 6
		fragmentOffset = 0x1fff
		protocol       = header + 9
	)
	p.label(ipv4Header)
	p.load(protocol, 1)
	p.on(bpf.JumpEqual, protoUDP, ipv4UDP)
	p.on(bpf.JumpNotEqual, protoTCP, dropped)
	p.load(fragment, 2)
	p.on(bpf.JumpBitsSet, fragmentOffset, dropped)
	p.ipv4Options()
	p.goTo(sipPorts)

	p.label(ipv4UDP)
	p.load(fragment, 2)
	p.on(bpf.JumpBitsSet, fragmentOffset, passed)
	p.ipv4Options()
	p.onPorts(67, 68) // RFC 2131 section 4.1
	p.goTo(sipPorts)
}

// ipv4Options moves X behind the header, whose length in words is in its first
// octet.
func (p *program) ipv4Options() {
	p.load(header, 1)
	p.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x0f}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2}, bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{})
}

// onPorts passes what is from or to one of two ports.
func (p *program) onPorts(a, b uint32) {
	for _, at := range []uint32{sourcePort, destinationPort} {
		p.load(at, 2)
		p.on(bpf.JumpEqual, a, passed)
		p.on(bpf.JumpEqual, b, passed)
	}
}

// ipv6 looks behind an IPv6 header and up to two of the extension headers that
// say their length in units of 8 octets, the first not counted (RFC 8200 section 4).
// It passes what has more.
func (p *program) ipv6() {
	p.label(ipv6Header)
	p.load(header+6, 1)
	p.moved(bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 40})
	for i := range place(2) {
		for _, next := range extensions {
			p.on(bpf.JumpEqual, next, ipv6Extension+i)
		}
		p.goTo(ipv6Upper)
		p.label(ipv6Extension + i)
		p.load(header, 1)
		p.moved(bpf.LoadIndirect{Off: header + 1, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 1},
			bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 3}, bpf.ALUOpX{Op: bpf.ALUOpAdd})
	}
	p.label(ipv6Upper)
	p.on(bpf.JumpEqual, protoUDP, ipv6UDP)
	p.on(bpf.JumpEqual, protoTCP, sipPorts)
	p.on(bpf.JumpEqual, protoICMPv6, icmp6)
	p.on(bpf.JumpEqual, protoFragment, fragment6)
	for _, next := range extensions {
		p.on(bpf.JumpEqual, next, passed)
	}
	p.goTo(dropped)

	p.label(ipv6UDP)
	p.onPorts(546, 547) // RFC 8415 section 7.2
	p.goTo(sipPorts)

	p.label(icmp6)
	p.load(header, 1)
	p.on(bpf.JumpLessThan, routerSolicitation, dropped)
	p.on(bpf.JumpGreaterThan, advertisement, dropped)
	p.goTo(passed)

	p.label(fragment6)
	p.load(header+2, 2)
	p.on(bpf.JumpBitsNotSet, 0xfff9, passed) // the whole packet: no offset, and no more to come
	p.load(header, 1)
	p.on(bpf.JumpEqual, protoUDP, passed)
}

// moved keeps what was loaded, the number of the next header, while the code sets
// X anew from what it leaves.
func (p *program) moved(code ...bpf.Instruction) {
	p.add(bpf.StoreScratch{Src: bpf.RegA})
	p.add(code...)
	p.add(bpf.TAX{}, bpf.LoadScratch{Dst: bpf.RegA})
}

func (p *program) end() {
	p.label(dropped)
	p.add(reject)
	p.label(passed)
	p.add(accept)
}
