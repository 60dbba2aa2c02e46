package proxy

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sendSubscribe asks for a line's registrations, or for them to be told on (RFC 6665
// section 4.1.2), with a header that proves who asks, or without.
func (w *worker) sendSubscribe(s *subscription, proof string, now time.Time) {
	r, d := &w.regs, &s.dialog
	host := strings.TrimPrefix(string(s.aor)[strings.IndexByte(string(s.aor), '@'):], "@")
	ask := ownAsk{
		method: "SUBSCRIBE", uri: s.uri(), aor: string(s.aor), in: d, from: "sip:" + w.cfg.RegUser + "@" + host,
		headers: "Event: reg\r\nAccept: application/reginfo+xml\r\nExpires: " + strconv.Itoa(s.expires) + "\r\n" + proof,
	}
	id, number := d.id, d.cseq+1
	s.pbx.asked(time.Now())
	r.at(s, now.Add(2*ownTimeout)) // by then its answer, or that there is none, has said when
	if !w.ask(s.pbx.flow(), ask, func(w *worker, status int) { w.regAnswered(s, id, number, status) }) {
		r.at(s, now.Add(time.Second))
	}
}

// uri is what requests of the subscription are for.
func (s *subscription) uri() string {
	if s.dialog.target != "" {
		return s.dialog.target
	}
	return string(s.aor)
}

// regAnswered takes the answer at hand to a SUBSCRIBE; with 408 there may be none.
func (w *worker) regAnswered(s *subscription, id string, number uint32, status int) {
	r := &w.regs
	r.mu.Lock()
	defer r.mu.Unlock()
	d := &s.dialog
	if d.id != id || d.cseq != number || r.byAOR[s.aor] != s {
		return // nobody waits for it any more
	}
	now := r.now()
	switch {
	case status/100 == 2:
		w.regGranted(s, now)
	case status == 401, status == 407:
		w.regProve(s, status, now)
	case status == 423: // RFC 6665 section 4.1.2.1
		const most = 24 * 3600
		if n, err := strconv.Atoi(string(w.m.get(minimumExpires))); err == nil && n > s.expires && n <= most && s.expires == regExpires {
			s.expires = n
			w.sendSubscribe(s, "", now)
			return
		}
		w.regRefused(s, status, now)
	case status == 481 && d.remote != "": // the PBX has forgotten the dialog
		r.anew(s, now)
	case slices.Contains([]int{403, 404, 405, 489, 501}, status), status >= 600:
		w.regRefused(s, status, now)
	default:
		r.fail(s, w.retryAfter(status), now)
	}
}

// retryAfter is how long who refused a request wants nothing.
func (w *worker) retryAfter(status int) time.Duration {
	if status == 408 {
		return 0 // there may be no answer
	}
	wait, ok := w.m.retryAfter()
	if !ok {
		return 0
	}
	return min(wait, refusedWait)
}

// regProve answers a challenge, and another one if only the nonce was wrong.
func (w *worker) regProve(s *subscription, status int, now time.Time) {
	proof, stale := w.m.prove("SUBSCRIBE", s.uri(), w.cfg.RegUser, w.cfg.RegPassword)
	if proof == "" || s.proofs > 0 && !stale || s.proofs > 1 {
		w.regRefused(s, status, now)
		return
	}
	s.proofs++
	w.sendSubscribe(s, proof, now)
}

// regRefused leaves a PBX alone that does not want to say.
func (w *worker) regRefused(s *subscription, status int, now time.Time) {
	r := &w.regs
	if r.last = status; now.Sub(r.said) >= saidEvery {
		r.said = now
		w.log.Warn("a PBX refuses to say where a line is registered", "address", s.pbx.addr, "status", status)
	}
	r.refused(s, now)
}

// regGranted takes a 2xx to a SUBSCRIBE. Its dialog may have begun by a NOTIFY before
// it (RFC 6665 section 4.1.2.4).
func (w *worker) regGranted(s *subscription, now time.Time) {
	r, m, d := &w.regs, &w.m, &s.dialog
	tag, _ := tagOf(m.get(to))
	if d.remote == "" && plain(string(tag)) {
		d.remote = string(tag)
	}
	if d.began.IsZero() {
		d.began = now
		d.follow(m)
	}
	d.aim(m)
	n := m.generalExpires()
	if n < 0 || n > s.expires {
		n = s.expires
	}
	d.lasts(n, now)
	if !d.notified {
		r.at(s, now.Add(min(notifyWithin, d.refresh.Sub(now))))
		return
	}
	r.become(s, subActive)
	r.at(s, d.refresh)
}

// maxRegRoutes is how many Record-Routes are kept.
const maxRegRoutes = 8

// follow takes the route of the dialog from the Record-Routes of its first answer (RFC
// 3261 section 12.1.2).
func (d *dialog) follow(m *message) {
	var list []string
	m.values(recordRoute, func(_ header, at span) bool {
		list = append(list, string(m.text(at)))
		return len(list) < maxRegRoutes
	})
	slices.Reverse(list)
	if all := strings.Join(list, ", "); len(list) > 0 && plain(all) {
		d.routes = "Route: " + all + "\r\n"
	}
}

// aim takes the target of the dialog from a Contact.
func (d *dialog) aim(m *message) {
	if uri := address(m.get(contact)); len(uri) > 0 && plain(string(uri)) && !bytes.ContainsAny(uri, " \"<>") {
		if _, ok := parseURI(uri); ok {
			d.target = string(uri)
		}
	}
}

// lasts says when to refresh what lasts so many seconds.
func (d *dialog) lasts(seconds int, now time.Time) {
	const percent = 80
	d.refresh = now.Add(max(time.Duration(seconds)*time.Second*percent/100, leastRefresh))
}
