package matcher

import (
	"cmp"

	"perch/discovery"
)

// Reason says why a rule did not win; of several, the first.
type Reason uint8

// The reasons. Won is that of the winner; those after Ignored are of rules that
// do not hold, those after Weaker of rules that hold but lose.
const (
	Won           Reason = iota
	Ignored              // the network is on the ignore list, no rule counts
	NoSite               // the attachment lacks what the rule names
	NoChassis            //
	NoPort               //
	NoRemote             //
	NoCircuit            //
	NoBSSID              //
	NoVLAN               //
	NoIP                 //
	NoPublicIP           //
	OtherSite            // the attachment has another
	OtherChassis         //
	OtherPort            //
	OtherRemote          //
	OtherCircuit         //
	OtherBSSID           //
	OtherVLAN            //
	OutsideSubnet        //
	OtherPublicIP        //
	BehindNAT            // a private subnet alone
	CircuitShared        // to a place deeper than a building
	NotLive              // the location is retired or pending
	OtherOwner           // the location's owner is no user of the phone
	Weaker               // at a weaker level
	AfterPort            // a circuit, the winner a chassis with a port
	AfterSingle          // a range of ports, the winner a single one
	Wider                // a wider range of ports
	ShorterPrefix        //
	FewerFields          //
	Personal             // the winner is company data
	Shallower            // the winner's location is deeper
	HigherID             // all else is equal, the winner's location id is lower
	SameLocation         // all else is equal, the location too
)

var reasonTexts = [...]string{
	Won:           "won",
	Ignored:       "the network is ignored",
	NoSite:        "the site is not known",
	NoChassis:     "no switch is known",
	NoPort:        "no switch port is known",
	NoRemote:      "no remote ID is known",
	NoCircuit:     "no circuit is known",
	NoBSSID:       "no BSSID is known",
	NoVLAN:        "no VLAN is known",
	NoIP:          "no IP is known",
	NoPublicIP:    "no public IP is known",
	OtherSite:     "another site",
	OtherChassis:  "another switch",
	OtherPort:     "another switch port",
	OtherRemote:   "another remote ID",
	OtherCircuit:  "another circuit",
	OtherBSSID:    "another BSSID",
	OtherVLAN:     "another VLAN",
	OutsideSubnet: "the IP is not in the subnet",
	OtherPublicIP: "another public IP",
	BehindNAT:     "a private subnet behind NAT is no network by itself",
	CircuitShared: "the circuit is shared, the location is deeper than a building",
	NotLive:       "the location is retired or pending",
	OtherOwner:    "the location's owner is not a user of the phone",
	Weaker:        "a weaker level",
	AfterPort:     "a circuit after a switch port",
	AfterSingle:   "a range after a single port",
	Wider:         "a wider range",
	ShorterPrefix: "a shorter prefix",
	FewerFields:   "names fewer fields",
	Personal:      "personal after company",
	Shallower:     "a location less deep",
	HigherID:      "equal, the lower location id wins",
	SameLocation:  "equal, to the same location",
}

// String returns the reason in words.
func (r Reason) String() string { return reasonTexts[r] }

// MarshalText writes the words.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Holds reports whether the rule held, whether or not it won.
func (r Reason) Holds() bool { return r == Won || r >= Weaker }

// levelOf returns the level at which a record ranks: a shared circuit ranks as
// a subnet.
func (w *Wiremap) levelOf(rec *record, shared bool) discovery.Level {
	if shared && rec.extra != 0 {
		if level := w.extraOf(rec).shared; level != discovery.LevelNone {
			return level
		}
	}
	return rec.rank.level()
}

// compare orders two records by precedence, the stronger one first, and gives
// the reason why the one after loses. Only a record and itself are equal.
func (w *Wiremap) compare(i, j uint32, shared bool) (int, Reason) {
	if i == j {
		return 0, Won
	}
	a, b := &w.records[i], &w.records[j]
	level := w.levelOf(a, shared)
	if c := cmp.Compare(w.levelOf(b, shared), level); c != 0 {
		return c, Weaker
	}
	if c, why := w.comparePrecision(a, b, level); c != 0 {
		return c, why
	}
	if c := cmp.Compare(b.rank.fields(), a.rank.fields()); c != 0 {
		return c, FewerFields
	}
	p, q := &w.places[a.place], &w.places[b.place]
	switch {
	case p.personal != q.personal && q.personal:
		return -1, Personal
	case p.personal != q.personal:
		return 1, Personal
	}
	if c := cmp.Compare(q.depth, p.depth); c != 0 {
		return c, Shallower
	}
	if c := cmp.Compare(p.id, q.id); c != 0 {
		return c, HigherID
	}
	return Compare(w.rule(a).Key(), w.rule(b).Key()), SameLocation
}

// comparePrecision compares within a level: single ports before ranges and
// circuits, long prefixes before short ones.
func (w *Wiremap) comparePrecision(a, b *record, level discovery.Level) (int, Reason) {
	x, y := w.extraOf(a), w.extraOf(b)
	switch level {
	case discovery.LevelPort:
		if c := cmp.Compare(boolRank(a.port == 0), boolRank(b.port == 0)); c != 0 {
			return c, AfterPort
		}
		if c := cmp.Compare(x.width(), y.width()); c != 0 {
			if x.width() == 0 || y.width() == 0 {
				return c, AfterSingle
			}
			return c, Wider
		}
	case discovery.LevelBSSID:
		if c := cmp.Compare(y.bssid.nibbles, x.bssid.nibbles); c != 0 {
			return c, ShorterPrefix
		}
	}
	wide, narrow := cmp.Compare(y.public.bits(), x.public.bits()), cmp.Compare(b.subnet.bits(), a.subnet.bits())
	if level != discovery.LevelPublicIP {
		wide, narrow = narrow, wide
	}
	return cmp.Or(wide, narrow), ShorterPrefix
}

// width is how many ports a range has, less one; 0 if it is none.
func (x *extra) width() uint32 { return x.hi - x.lo }

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}
