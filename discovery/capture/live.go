package capture

import (
	"fmt"
	"time"
)

// LiveConfig says how an interface is listened to.
type LiveConfig struct {
	// SIPPorts are the ports of SIP that the kernel lets through, over UDP and
	// TCP; none stands for 5060.
	SIPPorts []uint16

	// Now stamps what is heard. Nil is the wall clock.
	Now func() time.Time

	// Ring is how many octets the kernel keeps for frames that were not read
	// yet; 0 is a default that holds a third of a second of a busy gigabit.
	Ring int
}

// LiveState says whether an interface is being listened to.
type LiveState uint8

// The states of a live interface.
const (
	Waiting   LiveState = iota // not opened yet, or gone: it is opened when it is there (again)
	Listening                  // frames come in
	NoCarrier                  // it is open, and its link is down
	Dropping                   // frames come in, and some were lost just now
)

var liveStates = [...]string{"waiting", "listening", "no carrier", "dropping"}

// String returns the state in words.
func (s LiveState) String() string {
	if int(s) < len(liveStates) {
		return liveStates[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// LiveStats counts what an interface has heard since it was opened first.
type LiveStats struct {
	State   LiveState
	Since   time.Time // when State began, by LiveConfig.Now
	Err     error     // why it is Waiting; nil otherwise
	Frames  uint64    // that passed the kernel's filter and were handed over
	Dropped uint64    // that passed it and were lost, because they were not read in time
	Reopens uint64    // how often it was opened again
}
