package serve

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// listenGroup opens a socket that hears what is sent to a group on an interface. It is bound to
// the group's address, where net binds to all addresses, and would hear the machine's own SIP
// besides. Who has the port at all addresses, as the SIP path may, is no hindrance if it shares
// it with its user's programs (SO_REUSEPORT), nor are other members of the group.
func listenGroup(ifi *net.Interface, group netip.AddrPort) (*net.UDPConn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), group.String())
	defer f.Close() // net has a socket of its own of it
	for _, o := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}, {unix.SOL_SOCKET, unix.SO_REUSEPORT, 1},
		{unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0}, // of other interfaces' groups
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return nil, fmt.Errorf("setsockopt: %w", err)
		}
	}
	a := group.Addr().As4()
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(group.Port()), Addr: a}); err != nil {
		return nil, fmt.Errorf("bind: %w", err)
	}
	if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: a, Ifindex: int32(ifi.Index)}); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	c, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}
