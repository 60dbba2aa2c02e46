package proxy

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// An observation on its way to another process: its length in 4 octets, the time in
// microseconds in 8, the transport in one, source and destination, each as the
// length of its address, the address and the port, then the message.

// Append appends an observation as Read reads it.
func (o *Observation) Append(b []byte) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(o.Time.UnixMicro()))
	b = append(b, byte(transportOfName[o.Transport]))
	for _, a := range [...]netip.AddrPort{o.Source, o.Destination} {
		ip := a.Addr().AsSlice()
		b = append(append(b, byte(len(ip))), ip...)
		b = binary.BigEndian.AppendUint16(b, a.Port())
	}
	b = append(b, o.Message...)
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// Read reads the next observation; io.EOF if there is none.
func (o *Observation) Read(r *bufio.Reader) error {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > MaxMessage+100 {
		return fmt.Errorf("an observation of %d octets", n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	return o.decode(b)
}

var errShort = errors.New("an observation is cut")

func (o *Observation) decode(b []byte) error {
	if len(b) < 9 || b[8] >= byte(transports) {
		return errShort
	}
	o.Time = time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()
	o.Transport = transport(b[8]).String()
	b = b[9:]
	for _, a := range [...]*netip.AddrPort{&o.Source, &o.Destination} {
		if len(b) < 1 || len(b) < 1+int(b[0])+2 {
			return errShort
		}
		n := int(b[0])
		ip, ok := netip.AddrFromSlice(b[1 : 1+n])
		if !ok {
			return errShort
		}
		*a = netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[1+n:]))
		b = b[1+n+2:]
	}
	o.Message = b
	return nil
}
