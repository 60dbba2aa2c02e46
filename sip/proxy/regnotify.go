package proxy

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"
)

// regNotified takes a NOTIFY of a subscription of ours, and answers it. It is false
// for one that is for somebody else. From nobody but a PBX it is believed.
func (w *worker) regNotified(in flow, upstream bool) bool {
	m := &w.m
	if !w.cfg.RegEvents || !m.is("NOTIFY") {
		return false
	}
	u, ok := parseURI(m.requestURI())
	if !ok || string(u.user) != "perch" || !w.isOurs(u.host, u.port, u.transport) {
		return false
	}
	if !upstream {
		w.count.forged.Add(1)
		return w.refuse(in, &fault{403, "Forbidden", ""})
	}
	return w.refuse(in, w.regTake())
}

// regTake takes the NOTIFY at hand and returns its answer (RFC 6665 section 4.1.3).
func (w *worker) regTake() *fault {
	r, m := &w.regs, &w.m
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.owner(m)
	if s == nil {
		return &fault{481, "Subscription Does Not Exist", ""}
	}
	name, _, _ := bytes.Cut(m.get(event), []byte(";"))
	if !bytes.EqualFold(bytes.TrimSpace(name), []byte("reg")) {
		return &fault{489, "Bad Event", "Allow-Events: reg"}
	}
	state, params, _ := strings.Cut(string(m.get(subscriptionState)), ";")
	if state = strings.ToLower(strings.TrimSpace(state)); state == "" {
		return bad("Subscription-State")
	}
	d, now := &s.dialog, r.now()
	cseq := m.sequenceNumber()
	switch {
	case d.notified && cseq == d.heard:
		return taken // it comes again
	case d.notified && cseq < d.heard: // RFC 3261 section 12.2.2
		return &fault{500, "Server Internal Error", ""}
	}
	doc, fault := r.document(m, s)
	if fault != nil {
		return fault
	}
	tag, _ := tagOf(m.get(from))
	d.remote, d.heard, d.notified = string(tag), cseq, true
	d.aim(m)
	if params = ";" + params; state == "terminated" {
		w.regInform(s, doc, now)
		w.regEnded(s, param(params, "reason"), param(params, "retry-after"), now)
		return taken
	}
	r.goesOn(s, state, params, now)
	w.regInform(s, doc, now)
	return taken
}

// goesOn notes for how long a subscription does.
func (r *regEvents) goesOn(s *subscription, state, params string, now time.Time) {
	d := &s.dialog
	if state == "active" {
		r.become(s, subActive)
	}
	if n, err := strconv.Atoi(param(params, "expires")); err == nil && n >= 0 {
		d.lasts(min(n, s.expires), now)
	} else if d.refresh.IsZero() {
		d.lasts(s.expires, now)
	}
	r.at(s, d.refresh)
}

// owner returns the subscription that a NOTIFY is of, by its dialog; nil if there is
// none. Of a SUBSCRIBE that was forked the first dialog is kept.
func (r *regEvents) owner(m *message) *subscription {
	s := r.byID[string(m.get(callID))]
	ours, _ := tagOf(m.get(to))
	theirs, _ := tagOf(m.get(from))
	if s == nil || string(ours) != s.dialog.tag || len(theirs) == 0 || !plain(string(theirs)) {
		return nil
	}
	if s.dialog.remote != "" && string(theirs) != s.dialog.remote {
		return nil
	}
	return s
}

// document reads the body of a NOTIFY; nil if it has none.
func (r *regEvents) document(m *message, s *subscription) (*reginfo, *fault) {
	body := m.raw[m.head:]
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	if kind, _, _ := bytes.Cut(m.get(contentType), []byte(";")); !bytes.EqualFold(bytes.TrimSpace(kind), []byte("application/reginfo+xml")) {
		return nil, &fault{415, "Unsupported Media Type", "Accept: application/reginfo+xml"}
	}
	doc, err := readReginfo(body, s.aor)
	if err != nil {
		r.broken++
		return nil, bad("the document")
	}
	return doc, nil
}

// taken answers what was taken.
var taken = &fault{200, "OK", ""}

// regEnded begins anew after a subscription that the PBX ended, as it says why (RFC
// 6665 section 4.1.3).
func (w *worker) regEnded(s *subscription, reason, after string, now time.Time) {
	r := &w.regs
	switch strings.ToLower(reason) {
	case "rejected", "noresource", "invariant":
		r.refused(s, now)
		return
	case "deactivated", "timeout":
		r.anew(s, now)
		return
	}
	n, err := strconv.ParseUint(after, 10, 31)
	if err != nil {
		n = 0
	}
	r.fail(s, min(time.Duration(n)*time.Second, refusedWait), now)
}

// regInform takes in what a document says. One that leaves out what stood in those
// before is followed by asking for all (RFC 3680 section 5.1).
func (w *worker) regInform(s *subscription, doc *reginfo, now time.Time) {
	if doc == nil {
		return
	}
	switch {
	case doc.full: // whatever its version: by CSeq it is newer, and some PBXs do not count
	case s.known && doc.version <= s.version:
		return // what it says is known
	case (!s.known || doc.version > s.version+1) && now.Sub(s.asked) >= askedWait:
		s.dialog.refresh, s.asked, s.known = now, now, false
		w.regs.at(s, now)
		return
	} // what is left out by who was asked for all a moment ago it does not have
	s.known, s.version = true, doc.version
	listed := map[string]bool{}
	for i := range doc.contacts {
		c := &doc.contacts[i]
		listed[c.uri] = true
		if c.active {
			w.regSeen(s, c, now)
		} else {
			w.regGone(s, c.uri, now)
		}
	}
	if doc.full && !doc.cut {
		for _, c := range slices.Clone(s.contacts) {
			if !listed[c.uri] {
				w.regGone(s, c.uri, now)
			}
		}
	}
}
