package proxy

import (
	"bytes"
	"net/netip"
)

// maxFirstLine is how long a first line may be; no URI in use is a hundredth of it.
const maxFirstLine = 8 << 10

// firstLine returns the first line of a datagram, behind the empty ones that may stand
// there, if it may be one of SIP, or of a version of it that is not spoken here; nil if
// it is none, as of STUN, HTTP, TLS or noise.
func firstLine(b []byte) []byte {
	for len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	end := bytes.IndexByte(b[:min(len(b), maxFirstLine)], '\n')
	if end < 0 {
		return nil
	}
	line := b[:end]
	if bytes.HasPrefix(line, []byte(version+" ")) {
		return line
	}
	last := bytes.TrimRight(line, " \r")
	if last = last[bytes.LastIndexByte(last, ' ')+1:]; len(last) < 4 || !bytes.EqualFold(last[:4], []byte("SIP/")) {
		return nil
	}
	return line
}

// plea is why a message is read though its source is not heard.
type plea uint8

const (
	noPlea    plea = iota
	pleaHelp       // it looks like a call for help
	pleaToken      // it carries what was sealed here for its source
)

// lets reports whether a datagram of a phone's is read. What looks like a call for help
// is, whoever sends it; and what belongs to a call that is going on.
func (w *worker) lets(from netip.Addr, line, b []byte) bool {
	s := sourceOf(from)
	is := w.admission.admit(s, w.now)
	return is == admitted || w.passes(s, from, line, b, is)
}

// passes reports whether a message is read though its source is not heard.
func (w *worker) passes(s source, from netip.Addr, line, b []byte, is verdict) bool {
	switch {
	case w.maybeHelp(line):
		w.plea = pleaHelp
	case w.vouched(from, line, b):
		w.plea = pleaToken
	}
	if w.plea != noPlea && w.admission.spare(s, w.now) {
		w.count.spared.Add(1)
		return true
	}
	w.plea = noPlea
	if is == barred {
		w.count.banned.Add(1)
	} else {
		w.count.crowded.Add(1)
	}
	return false
}

// deserves reports whether the request at hand is what it looked like before it was read.
// Otherwise 911 in a first line would be a way around all limits, or the entry that
// somebody has from a call of his own.
func (w *worker) deserves(from netip.Addr) bool {
	switch w.plea {
	case pleaHelp:
		_, help := w.dialled(w.siteOf(from))
		return help
	case pleaToken:
		_, inDialog := tagOf(w.m.get(to))
		return inDialog
	}
	return true
}

// ofCall reports whether requests of a method belong to a call. Others within a dialog
// can wait until their source is heard again.
func ofCall(method []byte) bool {
	switch string(method) {
	case "INVITE", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE", "INFO":
		return true
	}
	return false
}

// maybeHelp reports whether a first line is that of a call for help, or of its ACK or
// CANCEL: its URI is the URN, or has a number that is dialled for help.
func (w *worker) maybeHelp(line []byte) bool {
	method, uri, _ := bytes.Cut(line, []byte(" "))
	if !ofCall(method) {
		return false
	}
	uri, _, _ = bytes.Cut(bytes.TrimLeft(uri, " "), []byte(" "))
	scheme, rest, _ := bytes.Cut(uri, []byte(":"))
	if bytes.EqualFold(scheme, []byte("urn")) {
		return isSOS(rest)
	}
	var number [maxNumber]byte
	n := 0
	for _, c := range rest {
		switch c {
		case '-', '.', '(', ')', ' ':
			continue
		case '@', ';', ':', '\r':
		default:
			if n == len(number) {
				return false
			}
			number[n] = c
			n++
			continue
		}
		break
	}
	return w.isNumber(number[:n])
}

// maxNumber is how long a number may be that is dialled for help.
const maxNumber = 32

func (w *worker) isNumber(b []byte) bool {
	for _, n := range w.anyNumbers {
		if string(b) == n {
			return true
		}
	}
	return false
}

// maxLook is how much of a message is looked at for what was sealed here.
const maxLook = 8 << 10

// vouched reports whether a message carries what was sealed here for its source: a
// request the entry of its own flow, as those within a call do; an answer a branch that
// was written for it.
func (w *worker) vouched(from netip.Addr, line, b []byte) bool {
	b = b[:min(len(b), maxLook)]
	isAnswer := bytes.HasPrefix(line, []byte(version+" "))
	if method, _, _ := bytes.Cut(line, []byte(" ")); !isAnswer && !ofCall(method) {
		return false
	}
	for at := 0; at < len(b); {
		text, next, _ := cutLine(b, at)
		at = next
		colon := bytes.IndexByte(text, ':')
		if colon < 0 {
			continue
		}
		switch n := lookUp(bytes.TrimRight(text[:colon], " \t")); {
		case n == via && isAnswer:
			_, token, _ := bytes.Cut(text, []byte("branch="+cookie))
			if i := bytes.IndexAny(token, ";, \t"); i >= 0 {
				token = token[:i]
			}
			if len(token) <= txnLen+markLen {
				return false
			}
			_, ok := w.sealer.open(token[txnLen+markLen+1:], back, from)
			return ok
		case n == route && !isAnswer:
			_, token, _ := bytes.Cut(text, []byte("sip:"))
			token, _, _ = bytes.Cut(token, []byte("@"))
			f, ok := w.sealer.open(token, towards, netip.Addr{})
			return ok && f.peer.Addr() == from
		}
	}
	return false
}
