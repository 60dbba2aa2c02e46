package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// look looks after the interface: which one has the name now, whether its link is
// up, and how many frames were lost. Polling that once a second, and at once when
// the socket reports an error, needs no second socket whose messages may be lost.
func (l *Live) look() {
	l.looked = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn.Control(func(fd uintptr) {
		l.state, l.stats.Err = l.follow(int(fd))
	})
	l.count()
}

// follow binds the socket to the interface of its name. Errors are *InterfaceError.
func (l *Live) follow(fd int) (LiveState, error) {
	found, err := inspect(fd, l.name)
	if found.index != l.index || err != nil {
		l.unbind(fd)
	}
	if err != nil {
		return Waiting, err
	}
	if l.index == 0 {
		if err := bindTo(fd, found); err != nil {
			return Waiting, failure(l.name, SystemFailed, err)
		}
		if l.index = found.index; l.opened {
			l.stats.Reopens++
		}
		l.opened = true
	}
	if !found.running {
		return NoCarrier, nil
	}
	return Listening, nil
}

// unbind makes the socket hear nothing, if it is bound.
func (l *Live) unbind(fd int) {
	if l.index == 0 {
		return
	}
	// The interface has gone, or has another name now: then it is still heard.
	promiscuous(fd, l.index, false)
	unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(nothing), Ifindex: l.index})
	l.index = 0
}

// nothing is an ethertype that nobody sends (IANA: reserved) and the filter does
// not pass. Binding to protocol 0 would keep the one before.
const nothing = 0xffff

// found is what the kernel says of an interface.
type found struct {
	index    int
	running  bool // up, and its link too
	loopback bool
}

// inspect asks for the interface of that name, in the socket's network namespace.
func inspect(fd int, name string) (found, error) {
	var f found
	ask := func(request uint) (*unix.Ifreq, error) {
		r, err := unix.NewIfreq(name)
		if err == nil {
			err = unix.IoctlIfreq(fd, request, r)
		}
		if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) {
			return nil, &InterfaceError{Interface: name, Reason: NoInterface, What: "no such interface", Err: err}
		}
		if err != nil {
			return nil, failure(name, SystemFailed, err)
		}
		return r, nil
	}
	index, err := ask(unix.SIOCGIFINDEX)
	if err != nil {
		return f, err
	}
	hardware, err := ask(unix.SIOCGIFHWADDR)
	if err != nil {
		return f, err
	}
	flags, err := ask(unix.SIOCGIFFLAGS)
	if err != nil {
		return f, err
	}
	switch link := hardware.Uint16(); link {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
	default:
		return f, &InterfaceError{Interface: name, Reason: UnsupportedLink, What: fmt.Sprintf("unsupported link type: %s", hardwareName(link))}
	}
	const up = unix.IFF_UP | unix.IFF_RUNNING
	return found{int(index.Uint32()), flags.Uint16()&up == up, flags.Uint16()&unix.IFF_LOOPBACK != 0}, nil
}

// bindTo makes the socket hear the interface.
func bindTo(fd int, f found) error {
	// On loopback each frame goes out and comes in again. Linux before 4.20 shows
	// both; discovery counts them once.
	ignore := 0
	if f.loopback {
		ignore = 1
	}
	unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, ignore)
	if err := promiscuous(fd, f.index, true); err != nil {
		return fmt.Errorf("promiscuous mode: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: f.index}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// networkOrder is v as it lies in memory on the wire.
func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

// promiscuous makes the interface hear what is for others, or not any more. The
// kernel counts who wants it, and forgets us with the socket.
func promiscuous(fd, index int, on bool) error {
	option := unix.PACKET_DROP_MEMBERSHIP
	if on {
		option = unix.PACKET_ADD_MEMBERSHIP
	}
	return unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, option, &unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC})
}

// hardwareName names the hardware types (ARPHRD_ in if_arp.h) that are met most.
func hardwareName(t uint16) string {
	name := "hardware type"
	switch t {
	case unix.ARPHRD_INFINIBAND:
		name = "InfiniBand"
	case unix.ARPHRD_CAN:
		name = "CAN"
	case unix.ARPHRD_RAWIP:
		name = "raw IP"
	case unix.ARPHRD_PPP:
		name = "PPP"
	case unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT:
		name = "IP tunnel"
	case unix.ARPHRD_IPGRE, unix.ARPHRD_IP6GRE:
		name = "GRE tunnel"
	case unix.ARPHRD_IEEE80211, unix.ARPHRD_IEEE80211_PRISM, unix.ARPHRD_IEEE80211_RADIOTAP:
		name = "IEEE 802.11 monitor"
	case unix.ARPHRD_NETLINK:
		name = "netlink monitor"
	case unix.ARPHRD_NONE:
		name = "no link header (tun, WireGuard)"
	}
	return fmt.Sprintf("%s (%d)", name, t)
}

// socketError is why there is no packet socket.
func socketError(name string, err error) error {
	reason := SystemFailed
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		reason = NotPermitted
	case errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.ENOSYS):
		reason = NotSupported
	}
	return failure(name, reason, err)
}

func failure(name string, reason InterfaceReason, err error) error {
	return &InterfaceError{Interface: name, Reason: reason, What: err.Error(), Err: err}
}
