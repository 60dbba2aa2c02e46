package capture

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mailbox reads a packet socket by a system call for each frame. It serves where
// the kernel gives no ring.
type mailbox struct {
	buffer  []byte // tagLength octets, and then the frame
	control []byte // what the kernel says beside it
}

// openMailbox prepares the socket, which must not be bound yet, for about size
// octets of waiting frames.
func openMailbox(fd, size int) (*mailbox, error) {
	if size == 0 {
		size = defaultRing
	}
	// The system's own limit (net.core.rmem_max) holds for this; the other needs
	// CAP_NET_ADMIN.
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size)
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		return nil, fmt.Errorf("auxdata: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return nil, fmt.Errorf("time stamps: %w", err)
	}
	return &mailbox{buffer: make([]byte, tagLength+maxData), control: make([]byte, 256)}, nil
}

func (*mailbox) ready() bool { return false }

// take receives the next frame, if there is one.
func (m *mailbox) take(fd int, a *arrival) (taken, failed bool) {
	n, controls, err := m.receive(fd)
	if err != nil {
		return false, err != unix.EAGAIN
	}
	*a = arrival{data: m.buffer[tagLength : tagLength+n], length: n, stamp: time.Now(), first: true}
	for len(controls) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(controls)
		if err != nil {
			break
		}
		controls = rest
		switch {
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_TIMESTAMPNS && len(data) >= int(unsafe.Sizeof(unix.Timespec{})):
			a.stamp = time.Unix((*unix.Timespec)(unsafe.Pointer(&data[0])).Unix())
		case h.Level == unix.SOL_PACKET && h.Type == unix.PACKET_AUXDATA && len(data) >= int(unsafe.Sizeof(unix.TpacketAuxdata{})):
			aux := (*unix.TpacketAuxdata)(unsafe.Pointer(&data[0]))
			a.length = int(aux.Len)
			if tpid, ok := strippedTag(aux.Status, aux.Vlan_tpid); ok {
				a.data = retag(m.buffer[:tagLength+n], tpid, aux.Vlan_tci)
				a.length += tagLength
			}
		}
	}
	return true, false
}

// receive returns the length of the frame that it put into the buffer.
func (m *mailbox) receive(fd int) (n int, controls []byte, err error) {
	for {
		n, controlled, _, _, err := unix.Recvmsg(fd, m.buffer[tagLength:], m.control, unix.MSG_DONTWAIT)
		if err != unix.EINTR {
			return n, m.control[:max(controlled, 0)], err
		}
	}
}

func (*mailbox) losses(fd int) (dropped, freezes uint32) {
	s, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, 0
	}
	return s.Drops, 0
}

func (*mailbox) close() {}
