//go:build !linux

package serve

import (
	"net"
	"net/netip"
)

// listenGroup opens a socket that hears what is sent to a group on an interface.
func listenGroup(ifi *net.Interface, group netip.AddrPort) (*net.UDPConn, error) {
	return net.ListenMulticastUDP("udp4", ifi, net.UDPAddrFromAddrPort(group))
}
