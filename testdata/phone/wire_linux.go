package main

import (
	"encoding/binary"
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// The ports of DHCP (RFC 2131 section 4.1).
const (
	serverPort = 67
	clientPort = 68
)

// wire is an interface that has no address yet. What is sent goes by an ordinary socket, from
// 0.0.0.0; what comes is heard beside the kernel, which may drop what is for no address of its
// own.
type wire struct {
	iface string
	out   int
	in    int
}

func newWire(iface string) (*wire, error) {
	i, err := net.InterfaceByName(iface)
	if err != nil {
		return nil, err
	}
	w := &wire{iface: iface, in: -1}
	if w.out, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return nil, err
	}
	if w.in, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(network(unix.ETH_P_IP))); err != nil {
		w.close()
		return nil, err
	}
	err = errors.Join(
		unix.SetsockoptInt(w.out, unix.SOL_SOCKET, unix.SO_BROADCAST, 1),
		unix.SetsockoptInt(w.out, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.BindToDevice(w.out, iface),
		unix.Bind(w.out, &unix.SockaddrInet4{Port: clientPort}),
		unix.Bind(w.in, &unix.SockaddrLinklayer{Protocol: network(unix.ETH_P_IP), Ifindex: i.Index}),
		unix.SetsockoptTimeval(w.in, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 200_000}),
	)
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// network is a number in the order of octets of the network.
func network(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

func (w *wire) send(b []byte) error {
	return unix.Sendto(w.out, b, 0, &unix.SockaddrInet4{Port: serverPort, Addr: [4]byte{255, 255, 255, 255}})
}

// receive returns what the next datagram to a DHCP client holds; nothing if for a while there
// is none.
func (w *wire) receive() ([]byte, error) {
	b := make([]byte, 1<<16)
	n, _, err := unix.Recvfrom(w.in, b, 0)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b = b[:n]
	if len(b) < 20 || b[0]>>4 != 4 || b[9] != unix.IPPROTO_UDP {
		return nil, nil
	}
	head := int(b[0]&0xf) * 4
	if len(b) < head+8 || binary.BigEndian.Uint16(b[head+2:]) != clientPort {
		return nil, nil
	}
	return b[head+8:], nil
}

func (w *wire) close() {
	_ = unix.Close(w.out)
	if w.in >= 0 {
		_ = unix.Close(w.in)
	}
}
