package proxy

import (
	"bytes"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"perch/sip"
)

// Binding is where a line is reached: one Contact of an address of record (RFC 3261
// section 10), and the flow that its REGISTER came by.
type Binding struct {
	AOR     sip.AOR   `json:"aor"`
	URI     string    `json:"uri"`              // of Contact
	Params  string    `json:"params,omitempty"` // of Contact, but expires; each with its semicolon
	Flow    string    `json:"flow"`             // as flow.String writes it
	CallID  string    `json:"call_id"`
	CSeq    uint32    `json:"cseq"`
	Expires time.Time `json:"expires"`
	Agent   string    `json:"agent,omitempty"`  // User-Agent
	Line    sip.AOR   `json:"line,omitempty"`   // of an ELIN: the line that called from there
	To      sip.AOR   `json:"to,omitempty"`     // what the phone calls the AOR; empty: the same
	Direct  bool      `json:"direct,omitempty"` // no proxy stands between: what comes by the flow is the phone's

	flow  flow
	key   string // what of the same AOR it replaces
	raw   string // its value of Contact, whole; empty: it was not here that it registered
	asked int    // its expires; -1: it has none
}

// What is kept of bindings, at most.
const (
	maxBindings      = 1 << 18
	maxBindingsOfAOR = 10
)

// bindings are where phones registered. With a PBX they are what it accepted, for
// the time when it does not answer; without one they are the location service.
type bindings struct {
	mu      sync.Mutex
	byAOR   map[sip.AOR][]Binding // the one that registered last is the last
	byUser  map[string][]sip.AOR
	byFlow  map[flow]*heard // whose phones come by it directly
	n       int
	changed bool // since they were listed last
	aged    bool // likewise, but only until when they hold
}

func (b *bindings) init() {
	b.byAOR, b.byUser, b.byFlow = map[sip.AOR][]Binding{}, map[string][]sip.AOR{}, map[flow]*heard{}
}

// put takes in what a REGISTER that was accepted says; what has expired by its own
// word is removed. It is false if there is no room.
func (b *bindings) put(list []Binding, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, x := range list {
		all := b.byAOR[x.AOR]
		rest := slices.DeleteFunc(slices.Clone(all), func(o Binding) bool { return o.key == x.key || !o.Expires.After(now) })
		if x.Expires.After(now) {
			if len(rest) >= maxBindingsOfAOR {
				rest = rest[1:] // the one that was heard of least lately
			} else if b.n-len(all)+len(rest) >= maxBindings {
				return false
			}
			rest = append(rest, x)
		}
		b.set(x.AOR, rest)
	}
	return true
}

func (b *bindings) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.n
}

// drop removes all bindings of an AOR.
func (b *bindings) drop(aor sip.AOR) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(aor, nil)
}

// set replaces what is kept of an AOR.
func (b *bindings) set(aor sip.AOR, list []Binding) {
	old := b.byAOR[aor]
	b.n += len(list) - len(old)
	b.changed = true
	b.hear(aor, old, list)
	user := userOf(aor)
	switch {
	case len(list) == 0:
		delete(b.byAOR, aor)
		rest := slices.DeleteFunc(slices.Clone(b.byUser[user]), func(a sip.AOR) bool { return a == aor })
		if b.byUser[user] = rest; len(rest) == 0 {
			delete(b.byUser, user)
		}
		return
	case len(old) == 0:
		b.byUser[user] = append(b.byUser[user], aor)
	}
	b.byAOR[aor] = list
}

// refresh prolongs the one binding of an AOR, if nothing else changes: as nearly every
// REGISTER does. It is false if something does.
func (b *bindings) refresh(aor sip.AOR, raw []byte, in flow, id []byte, cseq uint32, general, most int, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.byAOR[aor]
	if len(list) != 1 {
		return false
	}
	x := &list[0]
	seconds := x.asked
	if seconds < 0 {
		seconds = general
	}
	if seconds < 0 {
		seconds = defaultExpires
	}
	if x.raw != string(raw) || x.flow != in || x.CallID != string(id) || cseq < x.CSeq || seconds < minExpires || !x.Expires.After(now) {
		return false
	}
	x.CSeq, x.Expires = cseq, now.Add(time.Duration(min(seconds, most))*time.Second)
	b.aged = true
	return true
}

// of returns the bindings of an AOR that hold, the last one the latest; none of whose
// user alone is the AOR's unless it is the only one.
func (b *bindings) of(aor sip.AOR, now time.Time) []Binding { return b.appendOf(nil, aor, now) }

// appendOf is of, appending them.
func (b *bindings) appendOf(out []Binding, aor sip.AOR, now time.Time) []Binding {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.byAOR[aor]
	if list == nil { // the host may be the PBX's, or ours, in another spelling
		if like := b.byUser[userOf(aor)]; len(like) == 1 && userOf(aor) != "" {
			list = b.byAOR[like[0]]
		}
	}
	for i := range list {
		if list[i].Expires.After(now) {
			out = append(out, list[i])
		}
	}
	return out
}

// userOf is the user part of an AOR.
func userOf(aor sip.AOR) string {
	_, rest, _ := strings.Cut(string(aor), ":")
	user, _, found := strings.Cut(rest, "@")
	if !found {
		return ""
	}
	return user
}

// Bindings returns where phones registered, by AOR, and whether anything changed since
// it was asked before; if not, none. That some hold for longer is a change only if
// all changes are wanted.
func (p *Proxy) Bindings(all bool) (list []Binding, changed bool) {
	b := &p.bindings
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.changed && !(all && b.aged) {
		return nil, false
	}
	b.changed, b.aged = false, false
	now := time.Now()
	for _, aor := range slices.Sorted(maps.Keys(b.byAOR)) {
		rest := slices.DeleteFunc(slices.Clone(b.byAOR[aor]), func(x Binding) bool { return !x.Expires.After(now) })
		if len(rest) != len(b.byAOR[aor]) {
			b.set(aor, rest)
			b.changed = false
		}
		for _, x := range rest {
			x.Flow = x.flow.String()
			list = append(list, x)
		}
	}
	return list, true
}

// SetBindings takes in what Bindings returned, before the proxy runs. A connection
// does not outlive its process, so what came by one is left out.
func (p *Proxy) SetBindings(list []Binding) {
	now := time.Now()
	for _, x := range list {
		var ok bool
		x.flow, ok = parseFlow(x.Flow)
		x.key = bindingKey(x.URI, x.Params)
		elin := strings.HasPrefix(string(x.AOR), elinScheme)
		if elin {
			x.key = elinScheme // there is one
		}
		if ok && (elin || x.flow.transport == udp) {
			p.bindings.put([]Binding{x}, now)
		}
	}
}

// bindingKey is what a Contact replaces: by its instance and reg-id (RFC 5626 section
// 6), or else by its URI.
func bindingKey(uri, params string) string {
	instance, id := param(params, "+sip.instance"), param(params, "reg-id")
	if instance == "" || id == "" {
		return uri
	}
	return instance + ";" + id
}

// param returns a parameter of ";a=b;c"; empty if it is not there.
func param(params, name string) string {
	value := ""
	eachParam(params, func(p string) {
		if k, v, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(k), name) {
			value = strings.TrimSpace(v)
		}
	})
	return value
}

// eachParam calls f with each parameter of ";a=b;c".
func eachParam(params string, f func(p string)) {
	for b := []byte(params); len(b) > 0; {
		p := b
		if i := sip.IndexOutside(b[1:], ';'); i >= 0 {
			p = b[:i+1]
		}
		b = b[len(p):]
		f(strings.TrimLeft(string(p), "; \t"))
	}
}

// What a phone may ask for (RFC 3261 section 10.3, 7), in seconds.
const (
	minExpires     = 60
	maxExpires     = 3600
	defaultExpires = 3600
)

// generalExpires is what the header Expires says, in seconds; -1: there is none.
func (m *message) generalExpires() int {
	if n, err := strconv.ParseUint(string(m.get(expires)), 10, 32); err == nil {
		return int(n)
	}
	return -1
}

// onlyContact returns the one Contact of a message; nil if there are more or none.
func (m *message) onlyContact() (raw []byte) {
	n := 0
	m.values(contact, func(_ header, at span) bool {
		raw = m.text(at)
		n++
		return n < 2
	})
	if n != 1 {
		return nil
	}
	return raw
}

// contacts reads the Contacts of a message of a registration. Seconds are as the
// message says, -1 if it does not.
func (m *message) contacts(take func(uri, params string, seconds int)) {
	general := m.generalExpires()
	m.values(contact, func(_ header, at span) bool {
		b, seconds := m.text(at), general
		uri, rest := string(address(b)), b
		if i := sip.IndexOutside(b, '<'); i >= 0 {
			_, rest, _ = bytes.Cut(b[i:], []byte(">"))
		}
		var params strings.Builder
		if i := sip.IndexOutside(rest, ';'); i >= 0 {
			eachParam(string(rest[i:]), func(p string) {
				k, v, _ := strings.Cut(p, "=")
				if !strings.EqualFold(strings.TrimSpace(k), "expires") {
					params.WriteString(";" + p)
				} else if n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 32); err == nil {
					seconds = int(n)
				}
			})
		}
		take(uri, params.String(), seconds)
		return true
	})
}

// aorOf reads the AOR of a From or To.
func (m *message) aorOf(n name) (sip.AOR, bool) {
	aor, err := sip.ParseAOR(string(address(m.get(n))))
	return aor, err == nil
}

// learn notes what a PBX accepted, whose answer is at hand.
func (w *worker) learn(phone flow, register []byte, now time.Time) {
	q := &w.asked
	q.read(register) // it was valid before
	direct := q.isDirect()
	aor, ok := q.aorOf(to)
	if !ok {
		return
	}
	granted := map[string]int{}
	w.m.contacts(func(uri, _ string, seconds int) { granted[uri] = seconds })
	cseq := q.sequenceNumber()
	var list []Binding
	q.contacts(func(uri, params string, asked int) {
		if uri == "*" {
			w.bindings.drop(aor)
			return
		}
		seconds, ok := granted[uri]
		if !ok && len(granted) > 0 || asked == 0 {
			seconds = 0 // it is not among those that hold
		} else if seconds <= 0 {
			seconds = max(asked, minExpires)
		}
		x := Binding{AOR: aor, URI: uri, Params: params, flow: phone, CallID: string(q.get(callID)), CSeq: cseq, Agent: string(q.get(userAgent)), key: bindingKey(uri, params), Direct: direct}
		if seconds > 0 { // what is told again within moments is not looked at
			x.Expires = now.Add(time.Duration(seconds)*time.Second + sameAgain)
		}
		list = append(list, x)
	})
	w.bindings.put(list, now)
}

// String writes a flow as "udp:5060:192.0.2.1:5060", our port first; over a
// connection its number stands behind.
func (f flow) String() string {
	s := f.transport.String() + ":" + strconv.Itoa(int(f.port)) + ":" + f.peer.String()
	if f.conn != 0 {
		s += "#" + strconv.FormatUint(f.conn, 16)
	}
	return s
}

// parseFlow reads what String wrote.
func parseFlow(s string) (f flow, ok bool) {
	s, conn, stream := strings.Cut(s, "#")
	name, rest, _ := strings.Cut(s, ":")
	port, peer, _ := strings.Cut(rest, ":")
	n, err := strconv.ParseUint(port, 10, 16)
	if f.transport, ok = transportOfName[name]; !ok || err != nil {
		return f, false
	}
	f.port = uint16(n)
	if f.peer, err = netip.ParseAddrPort(peer); err != nil {
		return f, false
	}
	if stream {
		f.conn, err = strconv.ParseUint(conn, 16, 64)
	}
	return f, err == nil
}
