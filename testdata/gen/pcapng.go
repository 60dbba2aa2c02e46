package main

import (
	"encoding/binary"
	"time"
)

// A capture is a little-endian pcapng section with microsecond stamps, the
// default of if_tsresol.
type capture struct{ bytes []byte }

func newCapture() *capture {
	c := &capture{}
	body := binary.LittleEndian.AppendUint32(nil, 0x1a2b3c4d) // byte-order magic
	body = binary.LittleEndian.AppendUint16(body, 1)          // version 1.0
	body = binary.LittleEndian.AppendUint16(body, 0)
	body = binary.LittleEndian.AppendUint64(body, ^uint64(0)) // section length unknown
	c.block(0x0a0d0d0a, body)
	return c
}

// addInterface writes an Interface Description Block: Ethernet, with if_name.
func (c *capture) addInterface(name string) {
	body := []byte{1, 0, 0, 0, 0, 0, 4, 0} // LINKTYPE_ETHERNET, reserved, snap length 262144
	body = binary.LittleEndian.AppendUint16(body, 2)
	body = binary.LittleEndian.AppendUint16(body, uint16(len(name)))
	body = pad4(append(body, name...))
	body = append(body, 0, 0, 0, 0) // opt_endofopt
	c.block(1, body)
}

// addPacket writes an Enhanced Packet Block.
func (c *capture) addPacket(iface int, t time.Time, data []byte) {
	stamp := uint64(t.UnixMicro())
	body := binary.LittleEndian.AppendUint32(nil, uint32(iface))
	body = binary.LittleEndian.AppendUint32(body, uint32(stamp>>32))
	body = binary.LittleEndian.AppendUint32(body, uint32(stamp))
	body = binary.LittleEndian.AppendUint32(body, uint32(len(data)))
	body = binary.LittleEndian.AppendUint32(body, uint32(len(data)))
	c.block(6, pad4(append(body, data...)))
}

// block writes a block with its length before and after the body.
func (c *capture) block(kind uint32, body []byte) {
	size := uint32(len(body) + 12)
	c.bytes = binary.LittleEndian.AppendUint32(c.bytes, kind)
	c.bytes = binary.LittleEndian.AppendUint32(c.bytes, size)
	c.bytes = append(c.bytes, body...)
	c.bytes = binary.LittleEndian.AppendUint32(c.bytes, size)
}

func pad4(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
