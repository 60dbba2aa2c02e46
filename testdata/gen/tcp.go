package main

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// A stream is a phone's TCP connection to its registrar (RFC 9293).
type stream struct {
	p          *phone
	from, to   netip.AddrPort
	sent, gone uint32 // sequence numbers of what either end sends next: the phone, the server
	swapped    bool   // the segments of a request are caught in the wrong order
}

// The flags of a segment.
const (
	flagFIN = 0x01
	flagSYN = 0x02
	flagPSH = 0x08
	flagACK = 0x10
)

// Connect opens a connection: from then on the phone registers over it. The
// sequence numbers of the first of them wrap round soon.
func (p *phone) Connect(t time.Time) {
	p.stream = p.connection()
	s := p.stream
	s.up(t, flagSYN, nil)
	s.down(t.Add(ms), flagSYN|flagACK, nil)
	s.up(t.Add(2*ms), flagACK, nil)
}

// Connected is a connection whose beginning was not caught.
func (p *phone) Connected() { p.stream = p.connection() }

func (p *phone) connection() *stream {
	return &stream{
		p: p, from: netip.AddrPortFrom(p.ip, 40000+uint16(p.sessions)), to: netip.AddrPortFrom(p.registrar.ip, 5060),
		sent: 0xffffff00 + uint32(p.sessions), gone: uint32(p.hash()),
	}
}

// Close ends the connection.
func (s *stream) Close(t time.Time) {
	s.up(t, flagFIN|flagACK, nil)
	s.down(t.Add(ms), flagFIN|flagACK, nil)
	s.up(t.Add(2*ms), flagACK, nil)
}

// KeepAlive is a ping and its pong (RFC 5626 §4.4.1).
func (s *stream) KeepAlive(t time.Time) {
	s.up(t, flagPSH|flagACK, []byte("\r\n\r\n"))
	s.down(t.Add(ms), flagPSH|flagACK, []byte("\r\n"))
	s.up(t.Add(2*ms), flagACK, nil)
}

// exchange is a request in three segments, the second of which is sent twice, and
// its answer behind an OPTIONS of the server's.
func (s *stream) exchange(t time.Time, request, response []byte) {
	a, b := len(request)/3, 2*len(request)/3
	first, second, third := s.segment(request[:a]), s.segment(request[a:b]), s.segment(request[b:])
	order := [][]byte{first, second, second, third}
	if s.swapped {
		order = [][]byte{second, first, third, second}
	}
	for i, packet := range order {
		s.p.upPacket(t.Add(time.Duration(i)*100*time.Microsecond), s.p.registrar.mac, packet)
	}
	options := message([]string{
		"OPTIONS sip:" + s.from.String() + ";transport=tcp SIP/2.0", "Via: SIP/2.0/TCP " + s.to.String() + ";branch=z9hG4bKo", "Max-Forwards: 70",
		"From: <sip:pbx@example.com>;tag=o", "To: <sip:" + s.from.String() + ">", "Call-ID: options@pbx", "CSeq: 1 OPTIONS",
	})
	s.down(t.Add(ms), flagPSH|flagACK, append(options, response...))
	s.up(t.Add(ms+500*time.Microsecond), flagACK, nil)
}

// segment composes the phone's next segment of data.
func (s *stream) segment(payload []byte) []byte {
	packet := tcp(s.from, s.to, s.sent, s.gone, flagPSH|flagACK, payload)
	s.sent += uint32(len(payload))
	return packet
}

func (s *stream) up(t time.Time, flags byte, payload []byte) {
	s.p.upPacket(t, s.p.registrar.mac, tcp(s.from, s.to, s.sent, s.gone, flags, payload))
	s.sent += uint32(len(payload)) + counted(flags)
}

func (s *stream) down(t time.Time, flags byte, payload []byte) {
	s.p.downPacket(t, s.p.registrar.mac, tcp(s.to, s.from, s.gone, s.sent, flags, payload))
	s.gone += uint32(len(payload)) + counted(flags)
}

// counted is how many sequence numbers the flags of a segment take.
func counted(flags byte) uint32 {
	if flags&(flagSYN|flagFIN) != 0 {
		return 1
	}
	return 0
}

// tcp composes an IPv4 packet with a TCP segment in it.
func tcp(src, dst netip.AddrPort, seq, ack uint32, flags byte, payload []byte) []byte {
	d := binary.BigEndian.AppendUint16(nil, src.Port())
	d = binary.BigEndian.AppendUint16(d, dst.Port())
	d = binary.BigEndian.AppendUint32(d, seq)
	if flags&flagACK == 0 {
		ack = 0
	}
	d = binary.BigEndian.AppendUint32(d, ack)
	d = append(d, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0) // 20 bytes of header, window 65535
	d = append(d, payload...)
	binary.BigEndian.PutUint16(d[16:], transportSum(src, dst, 6, d))
	return ipv4(src, dst, 6, d)
}
