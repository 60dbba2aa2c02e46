// Package provisioning holds the directory: which phones, users and sites
// exist, which lines they share, and the map of locations that goes with them.
//
// A directory comes from CSV files (one for each kind of row) and from the
// decisions of users and admins. It is checked as a whole: every reference must
// be to something that exists, and a wiremap whose rules tie is refused.
//
// The package does not watch traffic and makes no decision about a phone.
package provisioning

import (
	"fmt"
	"net/netip"

	"perch/discovery"
	"perch/location"
	"perch/sip"
)

// PhoneKind says what a device is. Only desk phones are asked about by mail.
type PhoneKind uint8

// The kinds of device.
const (
	UnknownKind PhoneKind = iota // not listed, no evidence yet
	Desk
	Softphone
	Ignore
)

var phoneKindNames = [...]string{"", "desk", "softphone", "ignore"}

// String returns the word of the CSV files.
func (k PhoneKind) String() string { return phoneKindNames[k] }

// MarshalText writes the word of the CSV files.
func (k PhoneKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the word of the CSV files; empty means desk.
func (k *PhoneKind) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*k = Desk
		return nil
	}
	for i, name := range phoneKindNames {
		if i > 0 && name == string(b) {
			*k = PhoneKind(i)
			return nil
		}
	}
	return fmt.Errorf("kind %q: want desk, softphone or ignore", b)
}

// Role is what a user may do in the portal.
type Role uint8

// The roles; reviewers approve claims, admins do everything.
const (
	Member Role = iota
	Reviewer
	Admin
)

var roleNames = [...]string{"user", "reviewer", "admin"}

// String returns the word of the CSV files.
func (r Role) String() string { return roleNames[r] }

// MarshalText writes the word of the CSV files.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the word of the CSV files; empty means user.
func (r *Role) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*r = Member
		return nil
	}
	for i, name := range roleNames {
		if name == string(b) {
			*r = Role(i)
			return nil
		}
	}
	return fmt.Errorf("role %q: want user, reviewer or admin", b)
}

// Site is a place with networks of its own. Subnets are what its phones use;
// IgnoreSubnets are networks without a location, such as VPN pools.
type Site struct {
	ID              string         `json:"id"`
	Name            string         `json:"name,omitempty"`
	DefaultLocation location.ID    `json:"default_location_id,omitempty"`
	Timezone        string         `json:"timezone,omitempty"` // IANA name
	Subnets         []netip.Prefix `json:"subnets,omitempty"`
	IgnoreSubnets   []netip.Prefix `json:"ignore_subnets,omitempty"`
}

// User is a person who is asked, reviews or administers.
type User struct {
	Email    string    `json:"email"` // key, lower case
	Name     string    `json:"name,omitempty"`
	Role     Role      `json:"role"`
	Site     string    `json:"site,omitempty"` // empty means all sites
	Language string    `json:"language,omitempty"`
	AORs     []sip.AOR `json:"aors,omitempty"`
}

// Phone is a listed device.
type Phone struct {
	MAC   discovery.MAC `json:"mac"`
	Kind  PhoneKind     `json:"kind"`
	Label string        `json:"label,omitempty"`
	Site  string        `json:"site,omitempty"`
	Users []string      `json:"users,omitempty"` // emails
	AORs  []sip.AOR     `json:"aors,omitempty"`  // its lines, the first one first

	// By whom and which it is, for its configuration; empty: not known.
	Vendor Vendor `json:"vendor,omitempty"`
	Model  string `json:"model,omitempty"`
}
