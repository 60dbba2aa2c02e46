package proxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"net/netip"
)

// transport is what carries SIP (RFC 3261 section 18).
type transport uint8

// The transports, in the order of their numbers in tokens.
const (
	udp transport = iota
	tcp
	tls
	ws
	wss
	transports
)

var (
	transportNames  = [transports]string{"udp", "tcp", "tls", "ws", "wss"}
	viaTransports   = [transports]string{"UDP", "TCP", "TLS", "WS", "WSS"}
	defaultPorts    = [transports]uint16{5060, 5060, 5061, 80, 443}
	transportOfName = map[string]transport{"udp": udp, "tcp": tcp, "tls": tls, "ws": ws, "wss": wss}
)

// String returns the name in the configuration.
func (t transport) String() string { return transportNames[t] }

// inURI is the name in a URI (RFC 7118 section 4.2: WebSockets have one).
func (t transport) inURI() string {
	if t == wss {
		t = ws
	}
	return transportNames[t]
}

// secure reports whether the transport needs our certificate.
func (t transport) secure() bool { return t == tls || t == wss }

// web reports whether it is one of WebSockets.
func (t transport) web() bool { return t == ws || t == wss }

// flow is a way to somebody: through which port of ours, to which address, and by
// which connection (RFC 5626 section 3.1). It is comparable.
type flow struct {
	transport transport
	port      uint16         // of the listener
	peer      netip.AddrPort // without zone; IPv4 as such
	conn      uint64         // which connection; 0 over UDP
}

// nowhere is where the answers to our own requests go.
var nowhere = flow{peer: netip.AddrPortFrom(netip.IPv4Unspecified(), 0)}

// Octets of what stands in a token.
const (
	sumLen    = 10
	flowHead  = 1 + 2 + 2 // transport and family, port, the peer's port
	maxFlow   = flowHead + 16 + 8
	maxSealed = maxFlow + sumLen
)

const isIPv6 = 0x80

// append appends the octets of a flow.
func (f flow) append(b []byte) []byte {
	kind := byte(f.transport)
	if f.peer.Addr().Is6() {
		kind |= isIPv6
	}
	b = append(b, kind)
	b = binary.BigEndian.AppendUint16(b, f.port)
	b = binary.BigEndian.AppendUint16(b, f.peer.Port())
	if f.peer.Addr().Is6() {
		a := f.peer.Addr().As16()
		b = append(b, a[:]...)
	} else {
		a := f.peer.Addr().As4()
		b = append(b, a[:]...)
	}
	if f.transport != udp {
		b = binary.BigEndian.AppendUint64(b, f.conn)
	}
	return b
}

// readFlow reads what append wrote.
func readFlow(b []byte) (f flow, ok bool) {
	if len(b) < flowHead {
		return f, false
	}
	f.transport = transport(b[0] &^ isIPv6)
	ip, rest := 4, b[flowHead:]
	if b[0]&isIPv6 != 0 {
		ip = 16
	}
	want := ip
	if f.transport != udp {
		want += 8
	}
	if f.transport >= transports || len(rest) != want {
		return f, false
	}
	f.port = binary.BigEndian.Uint16(b[1:])
	addr, _ := netip.AddrFromSlice(rest[:ip])
	f.peer = netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[3:]))
	if f.transport != udp {
		f.conn = binary.BigEndian.Uint64(rest[ip:])
	}
	return f, true
}

// sealer writes flows into tokens, and reads them. A token is of a purpose, and of
// nobody else: what is read was written here, with the same key. It is for one
// goroutine at a time.
type sealer struct {
	mac hash.Hash
	sum [sha256.Size]byte
	buf [maxSealed + 1 + 16]byte
}

func newSealer(key []byte) *sealer { return &sealer{mac: hmac.New(sha256.New, key)} }

// purpose is what a token is for.
type purpose byte

const (
	towards  purpose = 'f' // in Path and Record-Route: requests go to this flow
	forNonce purpose = 'n' // of a digest
	back     purpose = 'b' // in a branch: answers go to this flow, if they come from whom they should
)

// sign signs octets; from is who else they are about, or the zero Addr.
func (s *sealer) sign(p purpose, b []byte, from netip.Addr) []byte {
	s.mac.Reset()
	head := append(s.buf[maxSealed:maxSealed], byte(p))
	if from.IsValid() {
		a := from.As16()
		head = append(head, a[:]...)
	}
	s.mac.Write(head)
	s.mac.Write(b)
	return s.mac.Sum(s.sum[:0])[:sumLen]
}

// seal appends a token.
func (s *sealer) seal(dst []byte, p purpose, f flow, from netip.Addr) []byte {
	b := f.append(s.buf[:0])
	b = append(b, s.sign(p, b, from)...)
	return base64.RawURLEncoding.AppendEncode(dst, b)
}

// open reads a token. It is false for one that was not sealed here.
func (s *sealer) open(token []byte, p purpose, from netip.Addr) (f flow, ok bool) {
	if base64.RawURLEncoding.DecodedLen(len(token)) > maxSealed {
		return f, false
	}
	n, err := base64.RawURLEncoding.Decode(s.buf[:maxSealed], token)
	if err != nil || n < sumLen {
		return f, false
	}
	b, sum := s.buf[:n-sumLen], s.buf[n-sumLen:n]
	if !hmac.Equal(sum, s.sign(p, b, from)) {
		return f, false
	}
	return readFlow(b)
}
