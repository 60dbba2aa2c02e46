package discovery

import (
	"slices"
	"time"
)

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

// MarshalText writes String.
func (s Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String writes; unknown names are no source.
func (s *Source) UnmarshalText(b []byte) error {
	*s = Source(max(0, slices.Index(sourceNames[:], string(b))))
	return nil
}

// Evidence is one field of an attachment with who vouches for it and since
// when.
type Evidence struct {
	Field  string    `json:"field"` // as in the attachment's JSON
	Value  string    `json:"value"`
	Source Source    `json:"source"`
	Seen   time.Time `json:"seen"` // last heard
}
