package capture

import (
	"bytes"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

const (
	// maxInterfaces bounds the interfaces of a section: as many as an obsolete
	// Packet Block can name.
	maxInterfaces = 1 << 16

	// maxName bounds an interface's name, in octets: several times Linux's 15
	// and what Windows makes of a GUID.
	maxName = 255

	// maxSeconds is the end of the year 9999, the last that RFC 3339 can write.
	maxSeconds = 253402300799
)

// Options of an Interface Description Block (draft-ietf-opsawg-pcapng section
// 4.2).
const (
	optionEnd      = 0
	optionName     = 2
	optionTSResol  = 9
	optionTSOffset = 14
)

// netInterface is one interface of a pcapng section.
type netInterface struct {
	name  string
	link  LinkType
	snap  uint32 // most octets kept of a frame; 0 is no limit
	units uint64 // of time in a second; 0 is 1<<shift
	shift uint8
	add   int64 // seconds to add to every time
}

// heardOn returns the interface with that index in the current section.
func (f *File) heardOn(index uint32) (*netInterface, error) {
	if int64(index) >= int64(len(f.ng.interfaces)) {
		return nil, f.fault(Garbled, "heard on interface %d of %d", index, len(f.ng.interfaces))
	}
	return &f.ng.interfaces[index], nil
}

// addInterface reads an Interface Description Block.
func (f *File) addInterface(b []byte) error {
	s := f.ng
	if len(b) < 8 {
		return f.fault(Garbled, "interface block of %d octets, want at least 8", len(b))
	}
	if len(s.interfaces) == maxInterfaces {
		return f.fault(Garbled, "more than %d interfaces", maxInterfaces)
	}
	i := netInterface{link: LinkType(f.order.uint16(b)), snap: f.order.uint32(b[4:]), units: 1e6}
	for b = b[8:]; len(b) >= 4; {
		code, n := f.order.uint16(b), int(f.order.uint16(b[2:]))
		if code == optionEnd {
			break
		}
		padded := 4 + (n+3)&^3
		if padded > len(b) {
			return f.fault(Garbled, "option %d of an interface has %d octets, %d are left", code, n, len(b)-4)
		}
		if !i.set(f.order, code, b[4:4+n]) {
			return f.fault(Garbled, "option %d of an interface is % x", code, b[4:4+min(n, 8)])
		}
		b = b[padded:]
	}
	if i.name == "" {
		i.name = strconv.Itoa(s.earlier + len(s.interfaces))
	}
	s.interfaces = append(s.interfaces, i)
	return nil
}

// set takes over an option. It reports false if the value is impossible.
func (i *netInterface) set(o byteOrder, code uint16, v []byte) bool {
	switch code {
	case optionName:
		name, _, _ := bytes.Cut(v, []byte{0}) // some writers end it as in C
		i.name = strings.ToValidUTF8(string(name[:min(len(name), maxName)]), "\ufffd")
	case optionTSResol:
		if len(v) != 1 {
			return false
		}
		return i.resolve(v[0])
	case optionTSOffset:
		if len(v) != 8 {
			return false
		}
		i.add = int64(o.uint64(v))
		return -maxSeconds <= i.add && i.add <= maxSeconds
	}
	return true
}

// resolve takes over if_tsresol: a negative power of ten, or of two if the top
// bit is set.
func (i *netInterface) resolve(v byte) bool {
	if v&0x80 != 0 {
		i.units, i.shift = 0, v&0x7f
		return i.shift < 64
	}
	if v > 19 { // 1e20 units do not fit the 64 bits of a time stamp
		return false
	}
	i.units = 1
	for range v {
		i.units *= 10
	}
	return true
}

// time converts a time stamp, cut to nanoseconds. It reports false for a time
// that no calendar writes in four digits.
func (i *netInterface) time(ticks uint64) (time.Time, bool) {
	var sec, nsec uint64
	switch {
	case i.units == 0:
		sec = ticks >> i.shift
		hi, lo := bits.Mul64(ticks-sec<<i.shift, 1e9)
		nsec = hi<<(64-i.shift) | lo>>i.shift
	case i.units <= 1e9:
		sec = ticks / i.units
		nsec = (ticks - sec*i.units) * (1e9 / i.units)
	default:
		sec = ticks / i.units
		nsec = (ticks - sec*i.units) / (i.units / 1e9)
	}
	if sec > 2*maxSeconds {
		return time.Time{}, false
	}
	s := int64(sec) + i.add
	if s < 0 || s > maxSeconds {
		return time.Time{}, false
	}
	return time.Unix(s, int64(nsec)).UTC(), true
}
