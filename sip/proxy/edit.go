package proxy

// edits are the changes to a message, in the order of their places. What stands
// between them passes as it was written.
type edits struct {
	list []edit
	text []byte // of all, one behind the other
}

type edit struct {
	cut  span // what is taken out
	text span // of edits.text: what is put in its place
}

func (e *edits) reset() { e.list, e.text = e.list[:0], e.text[:0] }

// replace puts text in the place of a part of the message. Of two at one place the
// one that was told first stands first, and what is put before a part before what is put
// in its place.
func (e *edits) replace(cut span, text func(b []byte) []byte) {
	at := len(e.text)
	if text != nil {
		e.text = text(e.text)
	}
	x := edit{cut, span{at, len(e.text)}}
	i := len(e.list)
	for i > 0 && (e.list[i-1].cut.at > cut.at || e.list[i-1].cut.at == cut.at && cut.at == cut.end && e.list[i-1].cut.end > cut.at) {
		i--
	}
	e.list = append(e.list, x)
	copy(e.list[i+1:], e.list[i:])
	e.list[i] = x
}

// insert puts text before an octet of the message.
func (e *edits) insert(at int, text func(b []byte) []byte) { e.replace(span{at, at}, text) }

// apply appends the message with its changes.
func (e *edits) apply(dst, raw []byte) []byte {
	at := 0
	for _, x := range e.list {
		if x.cut.at < at {
			continue // within what was taken out already
		}
		dst = append(dst, raw[at:x.cut.at]...)
		dst = append(dst, e.text[x.text.at:x.text.end]...)
		at = x.cut.end
	}
	return append(dst, raw[at:]...)
}
