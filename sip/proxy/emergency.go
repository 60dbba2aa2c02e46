package proxy

import (
	"bytes"
	"hash/fnv"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// DefaultEmergencyNumbers are the numbers that mean help, as they are dialled. 933
// reads back the location, and is treated alike.
var DefaultEmergencyNumbers = []string{"911", "9911", "933", "9933", "112", "9112"}

// How long a PBX may be silent about an emergency call until it is sent as the phone
// wrote it, and until the next PBX is tried.
const (
	plainAfter = 500 * time.Millisecond
	nextAfter  = time.Second
	hurries    = 12 // so often
	// emergencyKept is how long a call that is being set up is known: longer than any
	// phone rings (RFC 3261 section 16.6, timer C).
	emergencyKept = 5 * time.Minute
)

// EmergencyCall is a call for help, and what was sent on it. It is told of at the
// moment the call goes out, and again when more is known.
type EmergencyCall struct {
	ID      string         `json:"id"` // the same each time
	Time    time.Time      `json:"time"`
	Dialled string         `json:"dialled"`
	Test    bool           `json:"test,omitempty"` // 933: the location is read back, nobody needs help
	Site    string         `json:"site,omitempty"` // that it came from; empty: not known
	AOR     string         `json:"aor"`            // of From
	From    netip.AddrPort `json:"from"`           // where it came from
	Caller  *Caller        `json:"caller,omitempty"`
	Found   string         `json:"found,omitempty"` // how the caller was
	Sent    string         `json:"sent,omitempty"`  // the PIDF-LO that went along; empty: none
	Why     string         `json:"why,omitempty"`   // why none, or none any more
	ELIN    string         `json:"elin,omitempty"`  // that was put in the place of the caller's number
	To      netip.AddrPort `json:"to"`              // the PBX
	Status  int            `json:"status,omitempty"`
}

// emergency is one. It has legs: the same INVITE with the location, as the phone
// wrote it, and at other PBXs. What is answered on one of them is passed; the phone
// has one call.
type emergency struct {
	key txn
	in  flow
	raw []byte // as it came

	site   *Site
	mu     sync.Mutex
	call   EmergencyCall
	told   EmergencyCall // as it was told last
	legs   []emergencyLeg
	passed int  // the leg whose answer the phone had last; -1: our own
	final  bool // that ends the INVITE

	hungUp  bool // the phone cancelled it
	insists bool // CANCELs are sent again
}

// dialled returns what is called if that is help: the number, or the URN (RFC 5031).
func (w *worker) dialled(at *Site) (string, bool) {
	u := w.m.requestURI()
	scheme, rest, _ := bytes.Cut(u, []byte(":"))
	switch {
	case bytes.EqualFold(scheme, []byte("urn")):
		return string(u), isSOS(rest)
	case bytes.EqualFold(scheme, []byte("tel")):
		rest, _, _ = bytes.Cut(rest, []byte(";"))
	default:
		p, ok := parseURI(u)
		if !ok {
			return "", false
		}
		rest, _, _ = bytes.Cut(p.user, []byte(";"))
		rest, _, _ = bytes.Cut(rest, []byte(":"))
	}
	number := strings.Map(func(r rune) rune {
		if strings.ContainsRune("-.() ", r) { // visual separators (RFC 3966 section 3)
			return -1
		}
		return r
	}, string(rest))
	return number, slices.Contains(w.numbersOf(at), number)
}

// isSOS reports whether what stands behind urn: is an emergency service (RFC 5031
// section 4.2).
func isSOS(b []byte) bool {
	const sos = "service:sos"
	return len(b) >= len(sos) && bytes.EqualFold(b[:len(sos)], []byte(sos)) && (len(b) == len(sos) || b[len(sos)] == '.')
}

// emergency sends an INVITE for help. It is false if it is no new one: then it goes
// the way of all others.
func (w *worker) emergency(in flow) bool {
	if !w.m.is("INVITE") {
		return false
	}
	if _, inDialog := tagOf(w.m.get(to)); inDialog {
		return false
	}
	site := w.siteOf(in.peer.Addr())
	number, help := w.dialled(site)
	if !help {
		return false
	}
	e := w.emergencyOf(in)
	if e == nil {
		return false // too many: it is sent as all others are
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.legs) > 0 { // the phone sends again, as what was answered may have been lost: so do we
		w.repeat(e)
		return true
	}
	now := time.Now()
	t := w.upstreams.choose(&w.m, nil, now)
	aor := string(address(w.m.get(from)))
	caller, found := w.callers.Load().find(in.peer.Addr(), plainAOR(aor), string(address(w.m.get(contact))))
	e.call = EmergencyCall{
		ID: w.callName(), Time: now, Dialled: number, Test: isTest(number), AOR: aor, From: in.peer, Caller: caller, Found: found,
	}
	if e.call.Site = site.Name; caller == nil {
		e.call.Caller, e.call.Found = w.unknownCaller(site.Name), foundBySite
	} else if s := w.siteNamed(caller.Site); s != nil || site.Name == "" {
		e.call.Site = caller.Site
		if s != nil {
			site = s
		}
	}
	if e.call.Caller == nil {
		e.call.Found = ""
	} else if u := w.unknownCaller(e.call.Site); u != nil && e.call.Caller.Location == "" { // it has just come
		x := *e.call.Caller
		x.Location, x.Address, x.ELIN, x.Source, x.Unlocated = u.Location, u.Address, u.ELIN, u.Source, true
		e.call.Caller = &x
	}
	e.site = site
	if t == nil {
		e.call.Why = "there is no PBX that could take it"
		w.tell(e)
		return false // a line may have the number
	}
	e.call.To = t.addr
	w.leave(e, t, all)
	w.tell(e)
	// The call's own timers, and few: what was lost is sent again, also for a phone that
	// does not do that itself, having a connection.
	for i := range hurries {
		w.later(plainAfter+time.Duration(i)*nextAfter, &e.mu, func(w *worker) { w.hurry(e) })
	}
	w.later(plainAfter+hurries*nextAfter, &e.mu, func(w *worker) { w.giveUp(e) })
	return true
}

// isTest reports whether a number asks to have the location read back.
func isTest(number string) bool { return strings.HasSuffix(number, "933") }

// callName names a call: what is sent again with an answer to a challenge is the
// same.
func (w *worker) callName() string {
	h := fnv.New64a()
	h.Write(w.cfg.Key[:])
	h.Write(w.m.get(callID))
	return strconv.FormatUint(h.Sum64(), 36)
}

// legCopies is how many copies of its INVITE a call has, when a PBX is silent.
const legCopies = 4

// emergencyOf returns the call of the INVITE at hand, new or known; nil if there are too
// many.
func (w *worker) emergencyOf(in flow) *emergency {
	key, raw := w.key, w.m.raw
	e, added := w.emergencies.orAdd(key, legCopies*len(raw), func() *emergency { return &emergency{key: key, in: in, raw: slices.Clone(raw)} })
	if added {
		p := w.Proxy
		p.after(emergencyKept, func() { p.emergencies.forget(key) })
	}
	return e
}

// plainAOR is a URI without parameters.
func plainAOR(uri string) string {
	uri, _, _ = strings.Cut(uri, ";")
	return uri
}

// tell tells of a call, if there is something new. The call is locked.
func (w *worker) tell(e *emergency) {
	if w.cfg.Emergency != nil && e.call != e.told {
		e.told = e.call
		w.cfg.Emergency(e.call)
	}
}
