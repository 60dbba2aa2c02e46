package capture

import "fmt"

// InterfaceReason says why an interface is not listened to.
type InterfaceReason uint8

// The reasons of an InterfaceError.
const (
	NotPermitted    InterfaceReason = iota + 1 // the process may not open a packet socket
	NoInterface                                // there is none of that name
	BadName                                    // there cannot be one of that name
	UnsupportedLink                            // its frames do not begin with an Ethernet header
	FilterRefused                              // the kernel does not take the filter
	NotSupported                               // no Linux, or one without packet sockets
	SystemFailed                               // the system gave something else than was asked, as for want of memory
)

var interfaceReasons = [...]string{"", "not permitted", "no interface", "bad name", "unsupported link type", "filter refused", "not supported", "system failed"}

// String returns the reason in words.
func (r InterfaceReason) String() string {
	if int(r) < len(interfaceReasons) {
		return interfaceReasons[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// InterfaceError is why an interface is not listened to.
type InterfaceError struct {
	Interface string
	Reason    InterfaceReason
	What      string // in words, without the interface's name
	Err       error  // the cause, if the system said so
}

// Error returns the fault with its place: "eth1: operation not permitted".
func (e *InterfaceError) Error() string { return e.Interface + ": " + e.What }

// Unwrap returns the cause.
func (e *InterfaceError) Unwrap() error { return e.Err }

// Hint returns what the reader of the error can do.
func (e *InterfaceError) Hint() string {
	switch e.Reason {
	case NotPermitted:
		return "grant cap_net_raw to the binary (setcap cap_net_raw+ep FILE, or AmbientCapabilities= of its unit), or replay a capture"
	case NoInterface:
		return "ip link lists the interfaces; it is listened to as soon as it is there"
	case BadName:
		return "ip link lists the interfaces"
	case UnsupportedLink:
		return "listen on the Ethernet interface that carries it"
	case FilterRefused:
		return "name fewer SIP ports; they make the kernel's filter long"
	case NotSupported:
		return "listen on Linux, where AF_PACKET sockets are not forbidden (RestrictAddressFamilies= of its unit, seccomp), or replay a capture"
	}
	return "see what the system has run out of (memory, open files), or give the interface a smaller ring"
}
