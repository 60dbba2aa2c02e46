package proxy

import (
	"net"

	"golang.org/x/sys/unix"
)

// share lets sockets of multicast groups have the port of one that hears all addresses, as
// that of SIP PnP has (provisioning/serve), if they are of the same user and ask for it. It is
// done behind the bind: a second proxy, which does not ask for it in time, still gets none of
// our datagrams but EADDRINUSE. What is sent to groups that others joined is kept from us.
func share(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var fault error
	err = raw.Control(func(fd uintptr) {
		if fault = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); fault == nil {
			fault = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0)
		}
	})
	if err != nil {
		return err
	}
	return fault
}
