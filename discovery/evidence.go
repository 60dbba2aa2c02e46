package discovery

import "time"

// Source says who vouches for a piece of evidence, from weak to strong.
type Source uint8

// The sources of evidence (docs: "Evidence and stays").
const (
	SourceNone   Source = iota
	SourceClaim         // the phone says so: Contact, User-Agent
	SourceFrame         // the frame itself: source address, VLAN tag, interface
	SourceServer        // the DHCP server's ACK
	SourceRelay         // a DHCP relay's option 82
	SourceSwitch        // the switch's own LLDP or CDP
)

var sourceNames = [...]string{"", "claim", "frame", "dhcp server", "dhcp relay", "switch"}

// String names the source in explanations.
func (s Source) String() string { return sourceNames[s] }

// Evidence is one field of an attachment with who vouches for it and since
// when.
type Evidence struct {
	Field  string    `json:"field"` // as in the attachment's JSON
	Value  string    `json:"value"`
	Source Source    `json:"-"`
	Seen   time.Time `json:"seen"` // last heard
}
