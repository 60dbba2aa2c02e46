package discovery

import (
	"errors"
	"fmt"
)

// Reason is a class of faults, for counting: what exactly is wrong with a message
// stands in Observation.Malformed.
type Reason uint8

// The classes of faults.
const (
	ReasonInvalid  Reason = iota + 1 // not as its specification has it
	ReasonCut                        // a part was not captured
	ReasonFragment                   // a part was sent in another packet
	ReasonLost                       // a part of the connection was not heard
	reasons        = iota + 1
)

var reasonNames = [reasons]string{"", "invalid", "cut", "fragment", "lost"}

// String returns the reason in a word.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return ""
}

// partError reports a message of which only a part is there.
type partError struct {
	what   string
	reason Reason
}

func (e *partError) Error() string { return e.what }

var (
	errFirstFragment = &partError{"ip: first fragment only", ReasonFragment}
	errLost          = &partError{"tcp: a part was not heard", ReasonLost}
)

// errCut reports a message of which only a part was captured.
func errCut(what string, got, want int) error {
	return &partError{fmt.Sprintf("%s: %d bytes of %d captured", what, got, want), ReasonCut}
}

// reasonOf classifies a fault.
func reasonOf(err error) Reason {
	var part *partError
	if errors.As(err, &part) {
		return part.reason
	}
	return ReasonInvalid
}
