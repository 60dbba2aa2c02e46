package matcher

import (
	"net/netip"

	"perch/discovery"
	"perch/location"
)

// symbol stands for a text of the wiremap; equal texts have equal symbols. 0 is
// the empty text, and texts that no rule has are unknown.
type symbol uint32

const unknown symbol = 1<<32 - 1

// symbols gives texts their symbols. A wiremap of a million rules has few
// different chassis, ports and sites, and the collector need not look into what
// holds symbols only.
type symbols struct {
	of   map[string]symbol
	text []string
}

func newSymbols() symbols {
	return symbols{of: map[string]symbol{"": 0}, text: []string{""}}
}

func (s *symbols) intern(text string) symbol {
	if y, ok := s.of[text]; ok {
		return y
	}
	y := symbol(len(s.text))
	s.of[text], s.text = y, append(s.text, text)
	return y
}

func (s *symbols) find(text string) symbol {
	if y, ok := s.of[text]; ok {
		return y
	}
	return unknown
}

// cidr is a netip.Prefix without the pointer inside: 18 bytes. The zero value
// is no prefix.
type cidr struct {
	addr [16]byte
	bits uint8
	size uint8 // of the address: 0, 32 or 128
}

func newCIDR(p netip.Prefix) cidr {
	if p = canonicalPrefix(p); !p.IsValid() {
		return cidr{}
	}
	c := cidr{bits: uint8(p.Bits()), size: uint8(p.Addr().BitLen())}
	copy(c.addr[:], p.Addr().AsSlice())
	return c
}

func (c cidr) prefix() netip.Prefix {
	switch c.size {
	case 32:
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(c.addr[:4])), int(c.bits))
	case 128:
		return netip.PrefixFrom(netip.AddrFrom16(c.addr), int(c.bits))
	}
	return netip.Prefix{}
}

func (c cidr) contains(a netip.Addr) bool { return c.prefix().Contains(a) }

// key is what a rule names, in canonical form: two rules tie only if their keys
// are equal. A zero field is not named.
type key struct {
	site, chassis, port symbol // port is the name before the number if hi is set
	lo, hi              uint32
	remote, circuit     symbol
	bssid               bssid
	subnet, public      cidr
	vlan                uint16
}

// fields counts what the rule names.
func (k *key) fields() int {
	named := [...]bool{
		k.site != 0, k.chassis != 0, k.port != 0, k.remote != 0, k.circuit != 0,
		k.bssid.nibbles != 0, k.vlan != 0, k.subnet.size != 0, k.public.size != 0,
	}
	n := 0
	for _, is := range named {
		if is {
			n++
		}
	}
	return n
}

// width is how many ports the rule may mean, less one.
func (k *key) width() uint32 {
	if k.hi == 0 {
		return 0
	}
	return k.hi - k.lo
}

// record is a stored rule. It holds no pointer.
type record struct {
	key
	spelled struct{ chassis, port, circuit, bssid symbol } // as in the rule
	place   uint32                                         // index into Wiremap.places
	line    uint32
	next    uint32 // next record of the same index entry, or none
	level   discovery.Level
	shared  discovery.Level // level while the attachment's circuit is shared
}

// none ends a chain of records.
const none = ^uint32(0)

// place is what matching needs to know of a location.
type place struct {
	id       location.ID
	owner    string // of a personal location
	rules    int    // rules that lead here
	depth    int
	live     bool
	personal bool
	deep     bool // deeper than a building
}

func (w *Wiremap) newRecord(r Rule) record {
	p, _ := parseBSSID(r.BSSID) // checked before
	port := parsePort(r.Port)
	rec := record{
		key: key{
			site:    w.symbols.intern(r.Site),
			chassis: w.symbols.intern(string(foldChassis(nil, r.ChassisID))),
			port:    w.symbols.intern(port.name),
			lo:      port.lo, hi: port.hi,
			remote:  w.symbols.intern(string(r.RemoteID)),
			circuit: w.symbols.intern(string(discovery.CanonicalCircuit(r.CircuitID))),
			bssid:   p,
			subnet:  newCIDR(r.Subnet), public: newCIDR(r.PublicIP),
			vlan: r.VLAN,
		},
		line:  uint32(r.Line),
		next:  none,
		level: r.Level(), shared: r.levelWithoutCircuit(),
	}
	if r.CircuitID != "" {
		rec.shared = max(rec.shared, discovery.LevelSubnet)
	}
	rec.spelled.chassis = w.symbols.intern(r.ChassisID)
	rec.spelled.port = w.symbols.intern(r.Port)
	rec.spelled.circuit = w.symbols.intern(string(r.CircuitID))
	rec.spelled.bssid = w.symbols.intern(r.BSSID)
	return rec
}

// rule returns the rule that was stored.
func (w *Wiremap) rule(rec *record) Rule {
	text := w.symbols.text
	return Rule{
		Location:  w.places[rec.place].id,
		Site:      text[rec.site],
		ChassisID: text[rec.spelled.chassis],
		Port:      text[rec.spelled.port],
		RemoteID:  discovery.Hex(text[rec.remote]),
		CircuitID: discovery.Hex(text[rec.spelled.circuit]),
		BSSID:     text[rec.spelled.bssid],
		VLAN:      rec.vlan,
		Subnet:    rec.subnet.prefix(),
		PublicIP:  rec.public.prefix(),
		Line:      int(rec.line),
	}
}
