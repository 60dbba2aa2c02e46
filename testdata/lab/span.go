package main

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// span is a monitor session: it copies the frames that go in and out of ports to
// a port of its own, as a switch's SPAN does. The kernels at hand have neither a
// bridge that mirrors nor tc's mirred.
type span struct {
	from []int // packet sockets of the ports
	to   int   // and of the monitor port
	// linkLocal tells whether frames to 01-80-C2-00-00-0X are copied too (IEEE
	// 802.1Q 8.6.3), LLDP among them. Most switches leave them out; a tap has them.
	linkLocal bool
}

// newSpan opens a monitor session.
func newSpan(to end, linkLocal bool, from ...end) (*span, error) {
	s := &span{to: -1, linkLocal: linkLocal}
	for _, e := range from {
		fd, err := openPacket(e, unix.ETH_P_ALL)
		if err != nil {
			s.close()
			return nil, err
		}
		s.from = append(s.from, fd)
	}
	var err error
	if s.to, err = openPacket(to, 0); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// openPacket opens a packet socket on an interface of a host. Protocol 0 hears nothing.
func openPacket(e end, protocol uint16) (int, error) {
	var fd int
	err := e.host.inside(func() error {
		i, err := net.InterfaceByName(e.iface)
		if err != nil {
			return err
		}
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol<<8 | protocol>>8, Ifindex: i.Index})
	})
	if err != nil {
		return -1, fmt.Errorf("%s %s: %w", e.host.name, e.iface, err)
	}
	return fd, nil
}

func (s *span) close() {
	for _, fd := range append(s.from, s.to) {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// run copies until ctx ends, and closes the session. One loop serves all ports, so
// that what happened in order is copied in order, nearly.
func (s *span) run(ctx context.Context) {
	defer s.close()
	frame := make([]byte, 1<<16)
	polled := make([]unix.PollFd, len(s.from))
	for ctx.Err() == nil {
		for i, fd := range s.from {
			polled[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		}
		if n, err := unix.Poll(polled, 200); n <= 0 || err != nil {
			continue
		}
		for i, fd := range s.from {
			if polled[i].Revents == 0 {
				continue
			}
			n, _, err := unix.Recvfrom(fd, frame, unix.MSG_DONTWAIT)
			if err != nil || n < 14 {
				continue // a port that went down says so once
			}
			if !s.linkLocal && isLinkLocal(frame) {
				continue
			}
			if _, err := unix.Write(s.to, frame[:n]); err != nil {
				continue // a monitor port that is full or unplugged loses frames, as real ones do
			}
		}
	}
}

func isLinkLocal(frame []byte) bool {
	return [5]byte(frame[:5]) == [5]byte{0x01, 0x80, 0xc2, 0, 0} && frame[5]&0xf0 == 0
}
