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

// cidr is a netip.Prefix without the pointer inside: 17 bytes. The zero value is
// no prefix.
type cidr struct {
	addr [16]byte
	code uint8 // 0 is none, 1 to 33 the length of an IPv4 prefix plus 1, then that of IPv6 plus 34
}

func newCIDR(p netip.Prefix) cidr {
	if p = canonicalPrefix(p); !p.IsValid() {
		return cidr{}
	}
	c := cidr{code: uint8(p.Bits() + 1)}
	if p.Addr().Is6() {
		c.code = uint8(p.Bits() + 34)
	}
	copy(c.addr[:], p.Addr().AsSlice())
	return c
}

func (c *cidr) isSet() bool { return c.code != 0 }

// bits returns the prefix length, 0 for none.
func (c *cidr) bits() int {
	switch {
	case c.code >= 34:
		return int(c.code) - 34
	case c.code > 0:
		return int(c.code) - 1
	}
	return 0
}

func (c *cidr) prefix() netip.Prefix {
	switch {
	case c.code >= 34:
		return netip.PrefixFrom(netip.AddrFrom16(c.addr), c.bits())
	case c.code > 0:
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(c.addr[:4])), c.bits())
	}
	return netip.Prefix{}
}

func (c *cidr) contains(a netip.Addr) bool { return c.prefix().Contains(a) }

// record is a stored rule, or as much of it as most rules have. It holds no
// pointer and fits a cache line of 64 bytes, because a search in a big wiremap
// waits for memory more than for anything else.
type record struct {
	chassis     chassisID
	port        portID
	site        symbol
	chassisText symbol // as spelled
	portText    symbol
	place       uint32 // index into Wiremap.places, or none if the record is free
	line        uint32
	next        uint32 // next record of the same index entry, or none
	extra       uint32 // index into Wiremap.extras; 0 has nothing
	vlan        uint16
	subnet      cidr
	rank        rank
}

// rank holds the strongest level that a rule names in its low three bits, and
// how many fields it names above them.
type rank uint8

func (r rank) level() discovery.Level { return discovery.Level(r & 7) }
func (r rank) fields() uint8          { return uint8(r >> 3) }

// extra is what few rules have.
type extra struct {
	lo, hi          uint32 // range of ports; hi is 0 if it is none
	remote, circuit symbol
	shared          discovery.Level // level while the attachment's circuit is shared; of rules with a circuit
	bssid           bssid
	public          cidr
	spelled         struct{ circuit, bssid symbol } // where not canonical
}

// key is what a rule names, in canonical form: two rules tie only if their keys
// are equal. A zero field is not named.
type key struct {
	site            symbol
	chassis         chassisID
	port            portID
	lo, hi          uint32
	remote, circuit symbol
	bssid           bssid
	subnet, public  cidr
	vlan            uint16
}

func (w *Wiremap) extraOf(rec *record) *extra { return &w.extras[rec.extra] }

func (w *Wiremap) key(rec *record) key { return newKey(rec, w.extraOf(rec)) }

func newKey(rec *record, x *extra) key {
	return key{
		rec.site, rec.chassis, rec.port, x.lo, x.hi, x.remote, x.circuit,
		x.bssid, rec.subnet, x.public, rec.vlan,
	}
}

// none ends a chain of records.
const none = ^uint32(0)

// place is what matching needs to know of a location.
type place struct {
	id       location.ID
	owner    symbol // of a personal location
	rules    uint32 // that lead here
	depth    uint16
	live     bool
	personal bool
	deep     bool // deeper than a building
}

// translate returns a rule that Check accepts as a record and its extra, but
// for its location and spellings. Texts become symbols by sym.
func translate(r *Rule, sym func(string) symbol) (record, extra) {
	radio, _ := parseBSSID(r.BSSID)
	port := parsePort(r.Port)
	rec := record{
		chassis: chassisOf(r.ChassisID, func(b []byte) symbol { return sym(string(b)) }),
		port:    port.id(sym),
		site:    sym(r.Site),
		place:   none,
		line:    uint32(r.Line),
		next:    none,
		vlan:    r.VLAN,
		subnet:  newCIDR(r.Subnet),
		rank:    rank(r.fields()<<3 | uint8(r.Level())),
	}
	x := extra{
		lo: port.lo, hi: port.hi,
		remote:  sym(string(r.RemoteID)),
		circuit: sym(string(discovery.CanonicalCircuit(r.CircuitID))),
		bssid:   radio,
		public:  newCIDR(r.PublicIP),
	}
	if r.CircuitID != "" {
		x.shared = max(r.levelWithoutCircuit(), discovery.LevelSubnet)
	}
	return rec, x
}

// spell keeps how a rule was written, where that is not the canonical form.
func (w *Wiremap) spell(r *Rule, rec *record, x *extra) {
	rec.chassisText = w.symbols.intern(r.ChassisID)
	rec.portText = w.symbols.intern(r.Port)
	x.spelled.circuit = w.symbols.spelling(x.circuit, string(r.CircuitID))
	x.spelled.bssid = w.symbols.intern(r.BSSID)
}

// spelling returns the symbol of a text that differs from its canonical form,
// else 0.
func (s *symbols) spelling(canonical symbol, text string) symbol {
	if s.text[canonical] == text {
		return 0
	}
	return s.intern(text)
}

// fields counts what the rule names.
func (r *Rule) fields() uint8 {
	n := uint8(0)
	for _, named := range [...]bool{
		r.Site != "", r.ChassisID != "", r.Port != "", r.RemoteID != "", r.CircuitID != "",
		r.BSSID != "", r.VLAN != 0, r.Subnet.IsValid(), r.PublicIP.IsValid(),
	} {
		if named {
			n++
		}
	}
	return n
}

// rule returns the rule that was stored.
func (w *Wiremap) rule(rec *record) Rule {
	r := Rule{
		Location:  w.places[rec.place].id,
		Site:      w.symbols.text[rec.site],
		ChassisID: w.symbols.text[rec.chassisText],
		Port:      w.symbols.text[rec.portText],
		VLAN:      rec.vlan,
		Subnet:    rec.subnet.prefix(),
		Line:      int(rec.line),
	}
	if rec.extra != 0 {
		w.extras[rec.extra].complete(&r, w.symbols.text)
	}
	return r
}

func (x *extra) complete(r *Rule, text []string) {
	r.RemoteID = discovery.Hex(text[x.remote])
	r.CircuitID = discovery.Hex(text[x.circuit])
	r.BSSID = text[x.spelled.bssid]
	r.PublicIP = x.public.prefix()
	if x.spelled.circuit != 0 {
		r.CircuitID = discovery.Hex(text[x.spelled.circuit])
	}
}
