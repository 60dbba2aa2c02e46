package proxy

import (
	"container/heap"
	"crypto/rand"
	"encoding/base64"
	"sync"
	"time"

	"perch/sip"
)

// Where phones register with their PBX around the proxy, the PBX is asked who is
// registered, and from where: by a subscription to the event package reg (RFC 3680, RFC
// 6665) for each line. What its NOTIFYs say is handed to Config.Observe as the REGISTERs
// that they speak of.

// How subscriptions are kept.
const (
	regExpires = 3600                   // seconds that are asked for
	regTick    = 100 * time.Millisecond // how often it is looked what is due
	regPerTick = 5                      // that is 50 a second at most
	maxWatched = 100_000                // as many as that rate refreshes in time

	notifyWithin = 32 * time.Second // RFC 6665 section 4.1.2.4: timer N
	leastRefresh = 30 * time.Second
	regBackOff   = 30 * time.Second // after the first failure, twice as long each time
	mostBackOff  = 30 * time.Minute
	saidEvery    = time.Minute // refusals are logged at most
	lastedFor    = time.Minute // and what failed before is forgotten
	askedWait    = time.Minute // until all is asked for again
	refusedWait  = time.Hour   // until a PBX is asked again that does not want to say
)

// regEvents are the subscriptions.
type regEvents struct {
	on  bool
	now func() time.Time

	mu       sync.Mutex
	byAOR    map[sip.AOR]*subscription
	byID     map[string]*subscription // by Call-ID
	queue    agenda
	count    [subStates]int
	said     time.Time        // when a refusal was logged
	last     int              // status of the last refusal
	well     map[*target]bool // PBXs, as they were
	told     uint64
	broken   uint64
	nameless uint64
	cseq     uint32 // of REGISTERs that the PBX has no number for
}

// subState is what a subscription is.
type subState uint8

const (
	subWaiting subState = iota // nothing is known yet, or any more
	subActive                  // the PBX tells
	subRefused                 // it does not want to
	subStates
)

// subscription is that to one line.
type subscription struct {
	aor      sip.AOR
	state    subState
	place    int // in the agenda
	due      time.Time
	pbx      *target // that was asked last
	expires  int     // seconds that are asked for
	fails    int     // one after the other
	proofs   int     // challenges answered for this request
	dialog   dialog
	version  uint64    // of the last document
	known    bool      // there is one
	asked    time.Time // when all was asked for because something was left out
	contacts []toldContact
}

// dialog is ours with the PBX (RFC 3261 section 12).
type dialog struct {
	id, tag  string // Call-ID, and our tag
	remote   string // the PBX's tag; empty: it has none yet
	target   string // URI of what is sent in it; empty: the AOR
	routes   string // Route headers
	cseq     uint32
	heard    uint32 // CSeq of the last NOTIFY
	notified bool
	began    time.Time // when the PBX accepted the first SUBSCRIBE; zero: it has not
	refresh  time.Time
}

// Subscriptions are how many there are.
type Subscriptions struct {
	On      bool `json:"on"` // PBXs are asked
	Active  int  `json:"active"`
	Waiting int  `json:"waiting"` // nobody has answered yet, or not as it should be
	Refused int  `json:"refused"`
	// Status is that of the last refusal; 0: there was none.
	Status    int    `json:"status,omitempty"`
	Told      uint64 `json:"told"`      // registrations, and ends of some, that were news
	Malformed uint64 `json:"malformed"` // documents
	Nameless  uint64 `json:"nameless"`  // contacts whose address is not said
}

func (r *regEvents) init() {
	r.now, r.cseq = time.Now, uint32(time.Now().Unix())&(maxCSeq>>1)
	r.byAOR, r.byID, r.well = map[sip.AOR]*subscription{}, map[string]*subscription{}, map[*target]bool{}
}

func (r *regEvents) state() Subscriptions {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Subscriptions{
		On: r.on, Active: r.count[subActive], Waiting: r.count[subWaiting], Refused: r.count[subRefused], Status: r.last, Told: r.told, Malformed: r.broken, Nameless: r.nameless,
	}
}

// Watch replaces the lines that the PBXs are asked about. Those of a subscription that
// is dropped are told 481 with their next NOTIFY, which ends it.
func (p *Proxy) Watch(aors []sip.AOR) {
	if !p.cfg.RegEvents {
		return
	}
	r := &p.regs
	r.mu.Lock()
	defer r.mu.Unlock()
	wanted := map[sip.AOR]bool{}
	for _, a := range aors {
		if b, err := sip.ParseAOR(string(a)); err != nil || a != b || userOf(a) == "" {
			continue
		}
		if len(wanted) == maxWatched {
			p.log.Error("too many lines to subscribe to their registrations; the others are not asked about", "lines", len(aors), "most", maxWatched)
			break
		}
		wanted[a] = true
	}
	for a, s := range r.byAOR {
		if !wanted[a] {
			delete(r.byAOR, a)
			delete(r.byID, s.dialog.id)
			r.count[s.state]--
			heap.Remove(&r.queue, s.place)
		}
	}
	for a := range wanted {
		if r.byAOR[a] == nil {
			s := &subscription{aor: a, expires: regExpires}
			r.byAOR[a] = s
			r.count[s.state]++
			r.renew(s)
			heap.Push(&r.queue, s)
		}
	}
}

// renew gives a subscription a dialog that has not begun.
func (r *regEvents) renew(s *subscription) {
	var random [18]byte
	_, _ = rand.Read(random[:]) // never fails
	id := base64.RawURLEncoding.EncodeToString(random[:])
	delete(r.byID, s.dialog.id)
	s.dialog = dialog{id: "perch-reg-" + id[:16], tag: id[16:]}
	s.known, s.proofs = false, 0
	r.byID[s.dialog.id] = s
}

// become changes the state.
func (r *regEvents) become(s *subscription, state subState) {
	r.count[s.state]--
	r.count[state]++
	s.state = state
}

// at puts off what is to be done until a time.
func (r *regEvents) at(s *subscription, due time.Time) {
	s.due = due
	heap.Fix(&r.queue, s.place)
}

// fail begins anew after a while, which is longer each time, and not shorter than
// least.
func (r *regEvents) fail(s *subscription, least time.Duration, now time.Time) {
	if s.lasted(now) {
		s.fails = 0
	}
	r.become(s, subWaiting)
	r.renew(s)
	wait := min(regBackOff<<min(s.fails, 10), mostBackOff)
	s.fails++
	r.at(s, now.Add(max(wait, least)))
}

// anew begins anew after the PBX ended what it had accepted: at once, unless that goes
// on.
func (r *regEvents) anew(s *subscription, now time.Time) {
	first := s.fails == 0 || s.lasted(now)
	r.fail(s, 0, now)
	if first {
		r.at(s, now.Add(time.Second))
	}
}

// lasted reports whether the PBX has told for a while.
func (s *subscription) lasted(now time.Time) bool {
	return s.dialog.notified && now.Sub(s.dialog.began) >= lastedFor && !s.dialog.began.IsZero()
}

// refused begins anew after a long while.
func (r *regEvents) refused(s *subscription, now time.Time) {
	r.become(s, subRefused)
	r.renew(s)
	r.at(s, now.Add(refusedWait))
}
