package discovery

import (
	"net/netip"
	"slices"
	"time"

	"perch/sip"
)

// Directory is what the tracker asks of the directory of phones and lines.
type Directory interface {
	// PhoneListed reports whether the directory lists the MAC as a phone.
	PhoneListed(MAC) bool
	// PhonesOfAOR returns the listed phones that serve the line.
	PhonesOfAOR(sip.AOR) []MAC
	// AORListed reports whether a listed phone or user has the line.
	AORListed(sip.AOR) bool
	// SiteSubnet returns the site's configured subnet that contains the IP.
	SiteSubnet(site string, ip netip.Addr) (netip.Prefix, bool)
}

// What says what happened to a tracked phone, as a set.
type What uint16

// The things that can happen to a tracked phone.
const (
	Touched     What = 1 << iota // a sign of life, or a detail that identifies nothing
	Reattached                   // the attachment changed
	Counted                      // a REGISTER counted
	LinesMoved                   // another set of AORs is registered on it
	Readdressed                  // it has another IP, or another Contact on a line
	Conflicting                  // evidence about it contradicts itself
	Flapped                      // it began to change too often
	Vanished                     // all evidence went stale
	Renumbered                   // the same stay has another public IP
	Absorbed                     // it took over the provisional phone Change.From
	NotAPhone                    // its MAC turned out to be a router's; it is forgotten
)

// Change is what an observation did to one phone.
type Change struct {
	Phone *Track
	What  What
	From  PhoneID // of Absorbed
}

// Tracker joins observations into one attachment for each phone. The zero value
// is not usable; see NewTracker.
type Tracker struct {
	cfg Config
	dir Directory

	tracks        *PhoneMap[*Track]
	wires         map[string]*wire
	bindings      bindings
	routers       map[MAC]*router
	gateways      map[address]Instant // IPs that are a giaddr or a default router, when last said
	circuits      map[circuit][]holder
	watched       map[circuit]Instant // when a shared circuit is looked at next
	requests      map[MAC]request
	tries         map[transaction]*try
	instances     map[string]MAC
	instancesLeft int             // when they were last compacted
	counts        map[sip.AOR]int // provisional phones named so far

	requests6 map[Hex]request6  // by client DUID
	order6    []Hex             // of requests6, oldest first
	links     map[subnet6]link6 // prefixes that routers announce
	linkBits  uint64            // their lengths: bit 0 is shortestLink

	bounds    bounds
	stats     Stats
	accounted bool // bounds is up to date

	ageing  deadlines
	pruned  Instant  // when what is of no use any more was last dropped
	changes []Change // of the observation at hand
}

// NewTracker returns an empty tracker.
func NewTracker(cfg Config, dir Directory) *Tracker {
	return &Tracker{
		cfg: cfg, dir: dir,
		tracks:    NewPhoneMap[*Track](),
		wires:     map[string]*wire{},
		bindings:  bindings{},
		routers:   map[MAC]*router{},
		gateways:  map[address]Instant{},
		circuits:  map[circuit][]holder{},
		watched:   map[circuit]Instant{},
		requests:  map[MAC]request{},
		tries:     map[transaction]*try{},
		instances: map[string]MAC{},
		counts:    map[sip.AOR]int{},
		requests6: map[Hex]request6{},
		links:     map[subnet6]link6{},
		bounds:    newBounds(),
	}
}

// SetDirectory replaces the directory that the tracker asks.
func (t *Tracker) SetDirectory(dir Directory) {
	t.dir, t.accounted = dir, false
}

// Phone returns what is known of a phone, or nil.
func (t *Tracker) Phone(id PhoneID) *Track {
	if tr := t.tracks.Of(id); tr != nil && tr.IsPhone {
		return tr
	}
	return nil
}

// Phones returns all phones, ordered by id.
func (t *Tracker) Phones() []*Track { return t.sortedTracks(true) }

func (t *Tracker) sortedTracks(phones bool) []*Track {
	var all []*Track
	for _, tr := range t.tracks.All() {
		if tr.IsPhone == phones {
			all = append(all, tr)
		}
	}
	slices.SortFunc(all, func(a, b *Track) int { return a.ID.Compare(b.ID) })
	return all
}

// sight is an observation with what the tracker adds to it.
type sight struct {
	*Observation
	wire *wire
	site string
	at   Instant // the observation's own time
	now  Instant // engine time, never before the stamp of an earlier one
	late bool    // more than 2 s behind engine time: may fill, never move
}

// LateAfter is how far behind engine time an observation may be and still move
// a phone: captures of two machines whose clocks are in step interleave within
// this.
const LateAfter = 2 * time.Second

// Observe takes in one observation at engine time at, which is not before that
// of any earlier call. The changes are valid until the next call.
func (t *Tracker) Observe(o *Observation, at time.Time) []Change {
	t.changes = t.changes[:0]
	heard, now := InstantOf(o.Time), InstantOf(at)
	t.prune(now)
	w := t.wire(o.File, o.Interface, heard)
	if !t.accounted {
		t.account()
	}
	s := sight{Observation: o, wire: w, site: w.Site, at: heard, now: now, late: now.Sub(heard) > LateAfter}
	t.noteSender(&s)
	switch o.Kind {
	case KindARP:
		t.arp(&s)
	case KindND:
		t.nd(&s)
	case KindDHCP:
		t.dhcp(&s)
	case KindDHCP6:
		t.dhcp6(&s)
	case KindLLDP, KindCDP:
		t.announcement(&s)
	case KindRegister:
		t.try(&s)
	case KindRegisterResponse:
		t.response(&s)
	case KindKeepAlive:
		t.keptAlive(&s)
	case KindFetch:
		t.fetched(&s)
	}
	return t.sorted()
}

// sorted merges the changes of one phone and orders them by phone.
func (t *Tracker) sorted() []Change {
	if len(t.changes) < 2 {
		return t.changes
	}
	slices.SortStableFunc(t.changes, func(a, b Change) int { return a.Phone.ID.Compare(b.Phone.ID) })
	out := t.changes[:1]
	for _, c := range t.changes[1:] {
		last := &out[len(out)-1]
		if last.Phone == c.Phone && (last.From == PhoneID{} || c.From == PhoneID{}) {
			last.What |= c.What
			if c.From != (PhoneID{}) {
				last.From = c.From
			}
			continue
		}
		out = append(out, c)
	}
	t.changes = out
	return out
}

// report notes that something happened to a phone; of a device that is not yet
// known to be a phone nothing is said.
func (t *Tracker) report(tr *Track, what What) {
	if tr.IsPhone {
		t.changes = append(t.changes, Change{Phone: tr, What: what})
	}
}

// device returns the track of a MAC, made if need be of what was heard of it. It
// is not a phone before promote is called.
func (t *Tracker) device(s *sight, m MAC) *Track {
	id := PhoneID{MAC: m}
	tr := t.tracks.Of(id)
	if tr == nil {
		tr = NewTrack(id)
		tr.wire, tr.Life, tr.lifeWire = s.wire.name(), s.now, s.wire.name()
		t.tracks.Set(id, tr)
		t.admit(tr, s.now)
	}
	return tr
}

// promote marks a device as a phone: listed, registered, or announced.
func (t *Tracker) promote(tr *Track, s *sight, desk bool) {
	tr.Desk = tr.Desk || desk
	if tr.IsPhone {
		return
	}
	tr.IsPhone = true
	t.report(tr, Touched)
	if !tr.Changed.IsZero() {
		t.report(tr, Reattached)
	}
	t.recount(tr, s.now)
	t.watch(tr)
}

// isPhone reports whether a MAC is a phone by what it is, before anything that
// it does: listed, or a desk phone vendor's.
func (t *Tracker) isPhone(m MAC) bool { return DeskPhoneOUI(m) || t.dir.PhoneListed(m) }
