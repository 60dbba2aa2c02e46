package main

import (
	"io"
	"math/rand/v2"
	"time"

	"perch/discovery/capture"
)

// trunk writes what is heard on a campus trunk. The same campus and length give
// the same octets.
type trunk struct {
	campus campus
	out    frameWriter
	limit  int
	clock  time.Time
	step   time.Duration // between two frames
	random *rand.Rand
	order  []int32 // of the phones: who is next to register or to lease
	media  *media
	sip    exchange
	frame  []byte
	body   []byte
	err    error // of the first write that failed
	tally  tally
	turns  struct{ sip, register, lease, announce int }
}

// frameWriter takes frames: a capture's writer does.
type frameWriter interface {
	WriteFrame(t time.Time, frame []byte, length int) error
	Flush() error
}

// tally is what was written: frames by kind, and who must have been noticed.
type tally struct {
	frames, registers, responses, dhcp, lldp, cdp, arp int

	active []bool // phones that registered or took a lease, all of it on the trunk
}

// step parts two frames: an hour has 2 000 000.
const step = 1800 * time.Microsecond

// weights are how often each kind of event happens in 10 000. SIP and DHCP
// events have several frames, so that of 100 frames about 78 are RTP, 14 TCP,
// 5 SIP, 1 DHCP, 1 ARP, 0.5 LLDP and CDP.
var weights = []struct {
	until int // sum of the weights so far
	event func(t *trunk, p int)
}{
	{8200, (*trunk).voice},
	{9636, (*trunk).bulk},
	{9806, (*trunk).signal},
	{9916, (*trunk).arp},
	{9944, (*trunk).lease},
	{9972, (*trunk).lldp},
	{10000, (*trunk).cdp},
}

// writeTrunk writes a capture of so many frames.
func writeTrunk(w io.Writer, c campus, frames int) (tally, error) {
	r := rand.New(rand.NewPCG(1, 2))
	t := newTrunk(c, capture.NewWriter(w, capture.Ethernet), frames, step)
	t.random, t.media = r, newMedia(r)
	for _, p := range r.Perm(c.phones) {
		t.order = append(t.order, int32(p))
	}
	for t.tally.frames < frames && t.err == nil {
		p, x := r.IntN(c.phones), r.IntN(weights[len(weights)-1].until)
		for _, kind := range weights {
			if x < kind.until {
				kind.event(t, p)
				break
			}
		}
	}
	if t.err != nil {
		return t.tally, t.err
	}
	return t.tally, t.out.Flush()
}

// trunkStart is when the hour begins.
var trunkStart = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func newTrunk(c campus, out frameWriter, limit int, step time.Duration) *trunk {
	return &trunk{
		campus: c, out: out, limit: limit, step: step,
		clock: trunkStart,
		tally: tally{active: make([]bool, c.phones)},
	}
}

// emit writes the frame at hand, and reports whether there was room for it.
func (t *trunk) emit(frame []byte) bool {
	t.frame = frame
	if t.tally.frames == t.limit || t.err != nil {
		return false
	}
	t.err = t.out.WriteFrame(t.clock, frame, 0)
	t.clock = t.clock.Add(t.step)
	t.tally.frames++
	return t.err == nil
}

func (t *trunk) voice(p int) { t.emit(t.media.appendRTP(t.frame[:0], p, t.tally.frames)) }
func (t *trunk) bulk(p int)  { t.emit(t.media.appendBulk(t.frame[:0], p, t.tally.frames)) }

func (t *trunk) arp(p int) {
	if t.emit(appendARP(t.frame[:0], p)) {
		t.tally.arp++
	}
}

func (t *trunk) cdp(p int) {
	if t.emit(appendCDP(t.frame[:0], p)) {
		t.tally.cdp++
	}
}

// lldp is a phone's announcement; every eighth is followed by its switch's.
func (t *trunk) lldp(p int) {
	if t.emit(appendPhoneLLDP(t.frame[:0], p)) {
		t.tally.lldp++
	}
	if t.turns.announce++; t.turns.announce%8 == 0 && t.emit(appendSwitchLLDP(t.frame[:0], p)) {
		t.tally.lldp++
	}
}

// signal is a REGISTER with its challenge, or every third time an OPTIONS. All
// phones register in turn, one after the other: in an hour, each once.
func (t *trunk) signal(p int) {
	t.turns.sip++
	t.sip.number = t.turns.sip
	if t.turns.sip%3 == 0 {
		t.sip.phone = p
		r := sipRoute(p)
		t.datagram(r, t.sip.options())
		t.datagram(r.reply(), t.sip.alive())
		return
	}
	t.register(t.turn(&t.turns.register))
}

// register is a phone's REGISTER, its challenge, the REGISTER with digest and the
// answer to that.
func (t *trunk) register(p int) {
	t.sip.phone = p
	r := sipRoute(p)
	for cseq := 1; cseq <= 2; cseq++ {
		if t.datagram(r, t.sip.register(cseq, cseq == 2)) {
			t.tally.registers++
		}
		answer := t.sip.challenge
		if cseq == 2 {
			answer = t.sip.ok
		}
		if t.datagram(r.reply(), answer(cseq)) {
			t.tally.responses++
			t.tally.active[p] = t.tally.active[p] || cseq == 2
		}
	}
}

func sipRoute(p int) route {
	r := toServer(p, pbx)
	r.srcPort, r.dstPort = 5060, 5060
	return r
}

// lease is an exchange between a phone's relay and the DHCP server.
func (t *trunk) lease(int) {
	p := t.turn(&t.turns.lease)
	for !leases(p) {
		p = t.turn(&t.turns.lease)
	}
	t.leaseOf(p)
}

func (t *trunk) leaseOf(p int) {
	r := route{srcMAC: routerMAC, dstMAC: serverMAC, vlan: vlanOf(p), src: gatewayOf(p), dst: dhcpServer, srcPort: 67, dstPort: 67}
	for _, kind := range []byte{dhcpDiscover, dhcpOffer, dhcpRequest, dhcpAck} {
		way := r
		if kind == dhcpOffer || kind == dhcpAck {
			way = r.reply()
		}
		t.body = appendDHCP(t.body[:0], p, t.turns.lease, kind)
		if t.datagram(way, t.body) {
			t.tally.dhcp++
			t.tally.active[p] = t.tally.active[p] || kind == dhcpAck
		}
	}
}

// turn returns the phone whose turn it is, all of them one after the other.
func (t *trunk) turn(n *int) int {
	p := t.order[*n%len(t.order)]
	*n++
	return int(p)
}

func (t *trunk) datagram(r route, payload []byte) bool {
	return t.emit(appendUDP(t.frame[:0], r, payload))
}

// phones is how many must have appeared.
func (t *tally) phones() int {
	n := 0
	for _, yes := range t.active {
		if yes {
			n++
		}
	}
	return n
}

// observations is how many messages are of the kinds that tell of phones.
func (t *tally) observations() int {
	return t.registers + t.responses + t.dhcp + t.lldp + t.cdp + t.arp
}
