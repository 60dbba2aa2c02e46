package main

import "math/rand/v2"

// media makes what most of a trunk is: voice, and data passing by. Its payloads
// are made once; only headers differ from packet to packet.
type media struct {
	voice [12 + 160]byte // an RTP header and 20 ms of G.711
	bulk  [1400]byte
	sum   uint64 // of bulk
}

func newMedia(r *rand.Rand) *media {
	m := new(media)
	m.voice[0] = 0x80 // RFC 3550 section 5.1: version 2; payload type 0 is PCMU
	for i := 12; i < len(m.voice); i++ {
		m.voice[i] = 0xf8 | byte(r.Uint32()) // a quiet line
	}
	for i := range m.bulk {
		m.bulk[i] = byte(r.Uint32())
	}
	m.sum = sum(0, m.bulk[:])
	return m
}

// appendRTP appends one packet of a phone's call, n the number of the packet.
func (m *media) appendRTP(b []byte, p, n int) []byte {
	r := toServer(p, pbx)
	r.srcPort, r.dstPort = uint16(50000+p%2048*2), uint16(40000+p%2048*2) // no well-known ports
	if n%2 == 1 {
		r = r.reply()
	}
	be.PutUint16(m.voice[2:], uint16(n))
	be.PutUint32(m.voice[4:], uint32(n)*160)
	be.PutUint32(m.voice[8:], uint32(p)<<1|uint32(n%2))
	return appendUDP(b, r, m.voice[:])
}

// appendBulk appends one full segment of a transfer.
func (m *media) appendBulk(b []byte, p, n int) []byte {
	r := toServer(p, fileServer)
	r.srcPort, r.dstPort = 49152, 443
	return appendTCP(b, r, uint32(n)*uint32(len(m.bulk)), m.bulk[:], m.sum)
}
