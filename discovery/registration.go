package discovery

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"perch/sip"
)

// response counts a REGISTER that was accepted. Before that it was a try, and
// scanners make no phones.
func (t *Tracker) response(s *sight) {
	r := s.Response
	if r.Status < 200 || r.Status > 299 {
		return
	}
	x := t.tries[transaction{valid(r.CallID), r.CSeq}]
	if x == nil || x.Register == nil {
		return
	}
	request := x.answered()
	reg := *s
	reg.Observation = &Observation{
		Time: x.Time.Time(), File: x.File, Interface: x.Interface, MAC: x.MAC, Dst: x.Dst, VLANs: x.VLANs,
	}
	reg.at = x.Time
	reg.wire = t.wire(x.File, x.Interface, x.Time)
	reg.site = reg.wire.Site
	t.register(&reg, request, r)
}

// register takes a counted REGISTER.
func (t *Tracker) register(s *sight, r *Register, resp *RegisterResponse) {
	c, seconds := granted(r, resp)
	p := t.placeOf(s, r, c)
	tr, conflict := t.identify(s, r, p)
	if tr != nil && t.isRouter(tr.ID.MAC, s.now) {
		return
	}
	if tr == nil && (len(r.Contacts) == 0 || seconds == 0) {
		tr = t.provisionalOf(r, c, p, s) // named, but never made, by what binds nothing
	}
	if len(r.Contacts) == 0 { // RFC 3261 section 10.2.3: a question, not a binding
		if tr != nil {
			t.alive(tr, s)
		}
		return
	}
	if seconds == 0 {
		if tr != nil {
			t.deregister(tr, r, resp)
		}
		return
	}
	if tr == nil {
		tr = t.provisional(s, r, c, p)
		if tr == nil {
			return
		}
	}
	t.absorb(tr, r, c, s)
	t.confirm(tr, s.now)
	if conflict && tr.past().Claim != r.ClaimedMAC {
		tr.stir().Claim = r.ClaimedMAC
		t.report(tr, Conflicting)
	}
	t.promote(tr, s, DeskPhoneUserAgent(r.UserAgent) || t.isPhone(tr.ID.MAC) || tr.ID.Provisional() && !softphone(r.UserAgent))
	t.saysUserAgent(tr, s, r.UserAgent)
	expires := time.Duration(seconds) * time.Second
	tr.Expires = expires
	if !conflict && !p.publicIP.IsValid() {
		t.vouch(s, p.ip, tr.ID.MAC, expires)
	}
	named := false // the address is not the one that names the network, or is not known

	if continues(tr, r, c) && tr.Stay.Net.publicIP != nil && p.publicIP.IsValid() &&
		tr.Stay.Net.PublicIP() != p.publicIP && tr.Stay.Net.IP == p.ip && !s.late {
		tr.stir().WasPublic = tr.Stay.Net.PublicIP()
		tr.Stay.Net.setPublicIP(p.publicIP) // the line was renumbered, the phone stayed
		t.report(tr, Renumbered)
	} else if named = !p.ip.IsValid() || !conflict && t.registersFrom(tr, s, p); !named && tr.elsewhere(p, s.site) {
		if s.late || conflict {
			return
		}
		t.endStay(tr, s, tr.boot())
	}
	if tr.Arrived.IsZero() {
		tr.Arrived = s.now
	}
	if !named {
		t.settleIn(tr, s, p)
		tr.registersOver(s, conflict)
	}
	t.noteVLAN(tr, s)
	if !s.late {
		tr.BootOpen = false
	}
	if !conflict && !s.late {
		tr.Registered = s.now
	}
	t.addLine(tr, r, c, s.now.Add(expires))
	t.report(tr, Counted)
	t.alive(tr, s)
	t.refresh(tr, s.now)
}

// granted returns the phone's own contact and for how long it was bound: as the
// registrar says, else as the phone asked (RFC 3261 section 10.2.4). Of several that
// it does not give up its own is the one from which it sends, else the first: the
// others may be of other devices (section 10.2.1).
func granted(r *Register, resp *RegisterResponse) (sip.Contact, int) {
	asks := func(c sip.Contact) int {
		if c.Expires >= 0 {
			return c.Expires
		}
		return r.Expires
	}
	n := len(r.Contacts)
	if n == 0 {
		return sip.Contact{}, 0
	}
	own := slices.IndexFunc(r.Contacts, func(c sip.Contact) bool { return asks(c) != 0 })
	if own < 0 {
		own = n - 1
	} else if n > 1 {
		src, _ := phoneSource(r)
		if i := slices.IndexFunc(r.Contacts, func(c sip.Contact) bool { return asks(c) != 0 && isAt(c, src) }); i >= 0 {
			own = i
		}
	}
	c := r.Contacts[own]
	asked := asks(c)
	if asked == 0 || c.URI == "*" {
		return c, 0
	}
	for _, b := range resp.Contacts {
		if b.URI == c.URI || b.Host == c.Host && b.Port == c.Port && b.Host != "" {
			if b.Expires > 0 {
				return c, b.Expires
			}
		}
	}
	switch {
	case resp.Expires > 0:
		return c, resp.Expires
	case asked > 0:
		return c, asked
	}
	return c, 3600 // RFC 3261 section 10.2: the suggested default
}

// isAt reports whether a contact's host is an address.
func isAt(c sip.Contact, ip netip.Addr) bool {
	host, err := netip.ParseAddr(c.Host)
	return err == nil && host.Unmap() == ip
}

// identify names the phone of a REGISTER, strongest evidence first; conflict
// reports that the message claims another MAC than its IP is bound to.
func (t *Tracker) identify(s *sight, r *Register, p place) (tr *Track, conflict bool) {
	m, conflict := t.named(s, r, p)
	if m.Nobody() {
		return nil, false
	}
	return t.device(s, m), conflict
}

// named is identify for a phone that may not be there; nobody if it has no MAC.
func (t *Tracker) named(s *sight, r *Register, p place) (m MAC, conflict bool) {
	bound, isBound := MAC{}, false
	if p.ip.IsValid() && !p.publicIP.IsValid() {
		bound, isBound = t.bound(s.site, p.ip, s.now)
	}
	if m := r.ClaimedMAC; !m.Nobody() {
		return m, isBound && bound != m
	}
	if isBound {
		return bound, false
	}
	known := t.tracks.OfMAC(s.MAC)
	if !s.MAC.Nobody() && !t.isRouter(s.MAC, s.now) && (t.isPhone(s.MAC) || known != nil && known.Desk) {
		return s.MAC, false
	}
	if m, ok := t.instances[valid(r.Instance)]; ok && r.Instance != "" {
		return m, false
	}
	if listed := t.dir.PhonesOfAOR(r.AOR); len(listed) == 1 && !softphone(r.UserAgent) {
		return listed[0], false
	}
	return MAC{}, false
}

// keptAlive takes a sign of life of a phone that registered, on the network where it did.
// It is no evidence of another one, and makes no phone.
func (t *Tracker) keptAlive(s *sight) {
	r := s.KeepAlive
	c, p := r.Contacts[0], place{ip: r.Source.Addr().Unmap()}
	m, conflict := t.named(s, r, p)
	tr := t.tracks.OfMAC(m)
	if m.Nobody() {
		tr = t.provisionalOf(r, c, p, s)
	}
	if tr == nil || conflict || !continues(tr, r, c) {
		return
	}
	if n := &tr.Stay.Net; n.IP == p.ip || n.PublicIP() == p.ip {
		t.alive(tr, s)
	}
}

// deregister takes an AOR from a phone (RFC 3261 section 10.2.2): the binding is
// named, or all are with *, or it is the phone's last and the answer, which lists
// what is bound, does not have it. The phone may be about to leave or to reboot:
// neither is known yet. Bindings of other phones that * removes as well are left
// to run out: those phones bind the AOR again before.
func (t *Tracker) deregister(tr *Track, r *Register, resp *RegisterResponse) {
	n := len(tr.Lines)
	tr.Lines = slices.DeleteFunc(tr.Lines, func(l Line) bool {
		is := func(c sip.Contact) bool { return c.URI == "*" || valid(c.URI) == l.Contact() }
		return l.AOR == r.AOR && (slices.ContainsFunc(r.Contacts, is) ||
			l.CallID() == valid(r.CallID) && !slices.ContainsFunc(resp.Contacts, is))
	})
	if len(tr.Lines) != n {
		t.report(tr, LinesMoved)
	}
}

// continues reports whether a REGISTER goes on with a binding of the phone.
func continues(tr *Track, r *Register, c sip.Contact) bool {
	return slices.ContainsFunc(tr.Lines, func(l Line) bool {
		return l.AOR == r.AOR && l.CallID() == valid(r.CallID) && l.Contact() == valid(c.URI)
	})
}

// valid makes text from the wire valid UTF-8, as it is after having been stored.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// softphone reports whether a User-Agent is that of a program on a computer or
// a mobile, or of a test tool.
func softphone(agent string) bool {
	agent = strings.ToLower(agent)
	for _, name := range []string{
		"microsip", "zoiper", "linphone", "x-lite", "bria", "eyebeam", "jitsi", "baresip", "pjsua", "sippts",
		"csipsimple", "blink", "ekiga", "twinkle", "phonerlite", "telephone ", "groundwire", "acrobits", "sipp",
		"friendly-scanner", "sip.js", "jssip",
	} {
		if strings.Contains(agent, name) {
			return true
		}
	}
	return false
}
