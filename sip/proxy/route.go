package proxy

import (
	"bytes"
	"net/netip"

	"perch/sip"
)

// route takes our own entries off the Route headers (RFC 3261 section 16.4) and
// returns the flow that they lead to; none if they lead to the PBX. It is false if
// the request was answered.
//
// What comes from a phone has the phone's own entry first: it was told it with the
// dialog's first message. A second one is that of another phone, with no PBX
// between. What comes from the PBX has the phone's.
func (w *worker) route(in flow, upstream bool) (toward flow, ok bool) {
	m := &w.m
	var popped []flow
	var line header // whose values were all taken off so far
	ok = true
	m.values(route, func(h header, at span) bool {
		u, isURI := parseURI(address(m.text(at)))
		if !isURI || !w.isOurs(u.host, u.port, u.transport) {
			if line.end == h.end && line.end > 0 { // the same line goes on
				w.edits.replace(span{line.value, at.at}, func(b []byte) []byte { return append(b, ' ') })
				line = header{}
			}
			return false
		}
		if line.end > 0 && line.end != h.end {
			w.edits.replace(span{line.at, line.end}, nil)
		}
		line = h
		if len(u.user) == 0 {
			return true // the outbound proxy that a phone is told of
		}
		f, sealed := w.sealer.open(u.user, towards, netip.Addr{})
		if ok = sealed; !ok {
			w.count.forged.Add(1)
			w.answer(in, &fault{403, "Forbidden", ""})
			return false
		}
		if len(popped) == 0 || popped[len(popped)-1] != f {
			popped = append(popped, f)
		}
		return true
	})
	if line.end > 0 {
		w.edits.replace(span{line.at, line.end}, nil)
	}
	_, inDialog := tagOf(m.get(to))
	switch {
	case !ok:
		return flow{}, false
	case upstream && len(popped) > 0, len(popped) > 1 && inDialog, w.alone && len(popped) > 0 && inDialog: // a call goes by the PBX
		toward = popped[len(popped)-1]
		if !w.alive(toward) {
			w.answer(in, &fault{430, "Flow Failed", ""}) // RFC 5626 section 5.3
			return flow{}, false
		}
	}
	return toward, true
}

// path tells the registrar how the phone is reached (RFC 3327 section 5.1), and
// that the phone may be: few say so themselves.
func (w *worker) path(phone, toward flow) {
	m := &w.m
	outbound := bytes.Contains(m.get(contact), []byte("reg-id=")) // RFC 5626 section 5.1
	w.edits.insert(m.headers[0].at, func(b []byte) []byte {
		b = w.entry(append(b, "Path: "...), phone, toward)
		if outbound {
			b = append(b[:len(b)-1], ";ob>"...)
		}
		return append(b, "\r\n"...)
	})
	said := false
	m.values(supported, func(_ header, at span) bool {
		said = bytes.EqualFold(m.text(at), []byte("path"))
		return !said
	})
	if !said {
		w.edits.insert(m.headers[0].at, func(b []byte) []byte { return append(b, "Supported: path\r\n"...) })
	}
}

// recordRoute keeps us in the dialog (RFC 3261 section 16.6, 4), on both sides
// where they use different transports (RFC 5658).
func (w *worker) recordRoute(in, toward, phone flow) {
	if _, inDialog := tagOf(w.m.get(to)); inDialog {
		return
	}
	w.edits.insert(w.m.headers[0].at, func(b []byte) []byte {
		b = append(w.entry(append(b, "Record-Route: "...), phone, toward), "\r\n"...)
		if w.leg(in) != w.leg(toward) {
			b = append(w.entry(append(b, "Record-Route: "...), phone, in), "\r\n"...)
		}
		return b
	})
}

// entry appends the URI that leads to a phone, for whom the side of a flow reaches.
func (w *worker) entry(b []byte, phone, side flow) []byte {
	b = w.sealer.seal(append(b, "<sip:"...), towards, phone, netip.Addr{})
	b = append(append(b, '@'), w.leg(side).advertised...)
	if side.transport != udp {
		b = append(append(b, ";transport="...), side.transport.inURI()...)
	}
	return append(b, ";lr>"...)
}

// tagOf returns the tag of a From or To.
func tagOf(b []byte) (tag []byte, ok bool) {
	if i := sip.IndexOutside(b, '<'); i >= 0 {
		_, b, _ = bytes.Cut(b[i:], []byte(">"))
	}
	for {
		i := sip.IndexOutside(b, ';')
		if i < 0 {
			return nil, false
		}
		b = b[i+1:]
		p := b
		if j := sip.IndexOutside(b, ';'); j >= 0 {
			p = b[:j]
		}
		if key, value, _ := bytes.Cut(p, []byte("=")); bytes.EqualFold(bytes.TrimSpace(key), []byte("tag")) {
			return bytes.TrimSpace(value), true
		}
	}
}
