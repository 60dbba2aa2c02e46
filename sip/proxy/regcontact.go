package proxy

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"
)

// toldContact is a contact of a line, as it was told last.
type toldContact struct {
	regContact
	sum   uint64
	until time.Time // when it is not bound any more
}

// regSeen tells of a contact that is bound, if that is news.
func (w *worker) regSeen(s *subscription, c *regContact, now time.Time) {
	if w.throughUs(c) {
		return
	}
	if !c.source.IsValid() {
		w.regs.nameless++
		return
	}
	i := s.contact(c.uri)
	next := toldContact{*c, c.sum(), now.Add(time.Duration(c.seconds) * time.Second)}
	// A PBX that numbers REGISTERs says by that which is another; the seconds of one
	// that does not grow with each.
	switch {
	case i < 0 && len(s.contacts) == maxRegContacts:
		return
	case i < 0:
		s.contacts = append(s.contacts, next)
	case s.contacts[i].sum == next.sum && (c.cseq > 0 || next.until.Sub(s.contacts[i].until) < sameAgain):
		return
	default:
		s.contacts[i] = next
	}
	w.regTell(s, c, c.seconds, now)
}

// contact is where a contact stands among those that were told; -1: it was not.
func (s *subscription) contact(uri string) int {
	return slices.IndexFunc(s.contacts, func(c toldContact) bool { return c.uri == uri })
}

// regGone tells of a contact that was told and is bound no more.
func (w *worker) regGone(s *subscription, uri string, now time.Time) {
	i := s.contact(uri)
	if i < 0 {
		return
	}
	c := s.contacts[i].regContact
	s.contacts = slices.Delete(s.contacts, i, i+1)
	// The REGISTER or the time that ended it had no number that is known, and not that
	// of the one before.
	c.callID = ""
	w.regTell(s, &c, 0, now)
}

// throughUs reports whether a contact registered through the proxy, which has told of it.
func (w *worker) throughUs(c *regContact) bool {
	if w.ours[c.source.String()] {
		return true
	}
	for p := range strings.SplitSeq(c.path, ",") {
		if u, ok := parseURI(address([]byte(p))); ok && w.isOurs(u.host, u.port, u.transport) {
			return true
		}
	}
	return false
}

// sum is of all that would be news.
func (c *regContact) sum() uint64 {
	h := fnv.New64a()
	for _, x := range [...]string{c.uri, c.params, c.callID, strconv.Itoa(int(c.cseq)), c.agent, c.path, c.source.String()} {
		h.Write([]byte(x))
		h.Write([]byte{0})
	}
	return h.Sum64()
}

// regTell hands a contact over as a REGISTER and its answer; with 0 seconds as one that
// takes it back.
func (w *worker) regTell(s *subscription, c *regContact, seconds int, now time.Time) {
	h := fnv.New64a()
	h.Write([]byte(s.aor))
	line := h.Sum64() // and the name of what the PBX has none for, as that of one phone goes on
	if seconds == 0 {
		h.Write([]byte{0})
	}
	for _, x := range [...]string{c.uri, c.params, c.agent, c.path} {
		h.Write([]byte(x))
		h.Write([]byte{0})
	}
	r := &w.regs
	if w.cfg.Observe == nil || w.told.again(toldOf{flow{transport: c.transport, peer: c.source}, line}, h.Sum64(), now) {
		return
	}
	r.told++
	id, cseq := c.callID, c.cseq
	if id == "" {
		r.cseq++
		id, cseq = "perch-reg-"+strconv.FormatUint(line, 36), r.cseq
	}
	register, answer := c.messages(s, id, cseq, seconds)
	at := s.pbx.addr
	w.cfg.Observe(Observation{Time: now, Transport: c.transport.String(), Source: c.source, Destination: at, Message: register})
	w.cfg.Observe(Observation{Time: now, Transport: c.transport.String(), Source: at, Destination: c.source, Message: answer})
}

// messages are a REGISTER and its answer that say what the PBX said. Its Via is the
// phone's as its Contact has it: so it is seen whether there is NAT between.
func (c *regContact) messages(s *subscription, id string, cseq uint32, seconds int) (register, answer []byte) {
	aor := string(s.aor)
	sentBy := c.source
	if own := addressOf([]byte(c.uri), c.transport); own.IsValid() {
		sentBy = own
	}
	h := fnv.New64a()
	h.Write([]byte(id))
	common := "Via: SIP/2.0/" + viaTransports[c.transport] + " " + sentBy.String() + ";branch=" + cookie + strconv.FormatUint(h.Sum64(), 36) + strconv.Itoa(int(cseq)) +
		"\r\nFrom: <" + aor + ">;tag=perch\r\nTo: <" + aor + ">"
	numbers := "\r\nCall-ID: " + id + "\r\nCSeq: " + strconv.FormatUint(uint64(cseq), 10) + " REGISTER\r\n"
	b := []byte("REGISTER sip:" + aor[strings.IndexByte(aor, '@')+1:] + " SIP/2.0\r\n" + common + numbers + "Max-Forwards: 70\r\n")
	if c.path != "" {
		b = append(b, "Path: "+c.path+"\r\n"...)
	}
	b = append(b, "Contact: <"+c.uri+">"+c.params+"\r\nExpires: "+strconv.Itoa(seconds)+"\r\n"...)
	if c.agent != "" {
		b = append(b, "User-Agent: "+c.agent+"\r\n"...)
	}
	const end = "Content-Length: 0\r\n\r\n"
	register = append(b, end...)
	answer = []byte(version + " 200 OK\r\n" + common + ";tag=pbx" + numbers)
	if seconds > 0 {
		answer = append(answer, "Contact: <"+c.uri+">;expires="+strconv.Itoa(seconds)+"\r\n"...)
	}
	return slices.Clip(register), append(answer, end...)
}
