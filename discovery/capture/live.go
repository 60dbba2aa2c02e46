package capture

import (
	"encoding/binary"
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
	// yet; 0 is 16 MiB. That is an eighth of a second of a full gigabit if all
	// of it were ours, and seconds of what is.
	Ring int
}

// MaxName is how many octets the name of an interface may have, on Linux.
const MaxName = 15

const (
	defaultRing = 16 << 20
	leastRing   = 2 * leastBlock

	// A frame lies in one block of the ring, so a block holds the longest, which
	// is maxData's with its headers cut; the least holds what a card sends up in
	// one piece, 64 KiB.
	ringBlock  = 256 << 10
	leastBlock = 128 << 10
)

const (
	// lookEvery is how often an interface is looked after while nothing says
	// that it changed.
	lookEvery = time.Second

	// droppingFor is how long a loss is told of.
	droppingFor = 5 * time.Second

	// maxAge bounds the time that a frame is believed to have waited to be read,
	// and so what a step of the wall clock, by which the kernel stamps, can do.
	maxAge = time.Second
)

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
	Freezes uint64    // how often the ring was full
	Reopens uint64    // how often it was opened again
}

// arrival is a frame as the kernel hands it over.
type arrival struct {
	data   []byte
	length int       // octets on the wire, the tag that was put back included
	stamp  time.Time // by the kernel's wall clock
	first  bool      // nothing was read just before: the clock is to be looked at
}

// tagLength is the length of a VLAN tag in octets (IEEE 802.1Q 9.5).
const tagLength = 4

// retag puts a VLAN tag, which the card or the kernel took out, back behind the
// addresses of the frame that begins tagLength octets into b.
func retag(b []byte, tpid, tci uint16) []byte {
	const addresses = 12
	if len(b) < tagLength+addresses {
		return b[tagLength:]
	}
	copy(b, b[tagLength:tagLength+addresses])
	binary.BigEndian.PutUint16(b[addresses:], tpid)
	binary.BigEndian.PutUint16(b[addresses+2:], tci)
	return b
}

// clock gives frames the time of LiveConfig.Now.
type clock struct {
	now      func() time.Time
	read, at time.Time // the wall clock and now, when they were last looked at
	last     time.Time // of the frame before
}

// look reads both clocks.
func (c *clock) look() {
	c.read, c.at = time.Now(), c.now()
}

// time is when a frame with that stamp was heard. Only its age is taken from the
// stamp: the wall clock may be set while we listen.
func (c *clock) time(stamp time.Time) time.Time {
	t := c.at.Add(-min(max(c.read.Sub(stamp), 0), maxAge)).UTC()
	if t.Before(c.last) {
		t = c.last
	}
	c.last = t
	return t
}
