//go:build !linux

package proxy

import "net"

// share does nothing: no group has the port of a socket that hears all addresses.
func share(*net.UDPConn) error { return nil }
