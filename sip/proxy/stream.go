package proxy

import (
	"bytes"
	"errors"
	"strconv"
)

// MaxMessage is how many octets a message may have.
const MaxMessage = 64 << 10

// stream cuts what comes over a connection into messages by their Content-Length
// (RFC 3261 section 18.3), and counts the pings between them (RFC 5626 section
// 3.5.1). Unlike a listener it is there from the beginning, so that what does not
// begin with a message ends the connection.
type stream struct {
	buf  []byte
	seen int // octets of buf in which no end of headers was found
	crlf int // empty lines before the message, not yet a ping
}

var (
	errTooLong = errors.New("a message is too long")
	errLength  = errors.New("a Content-Length that is none")
)

// feed takes the next octets and hands over the messages that they complete, valid
// during the call. It returns how many pings were among them. After an error
// nothing more can be read.
func (s *stream) feed(b []byte, take func(message []byte)) (pings int, err error) {
	s.add(b)
	b = s.buf
	for {
		for len(b) >= 2 && b[0] == '\r' && b[1] == '\n' {
			b, s.seen = b[2:], 0
			if s.crlf++; s.crlf == 2 {
				pings, s.crlf = pings+1, 0
			}
		}
		if len(b) == 0 || len(b) == 1 && b[0] == '\r' {
			break
		}
		s.crlf = 0
		from := max(s.seen-3, 0)
		i := bytes.Index(b[from:], []byte("\r\n\r\n"))
		if i < 0 {
			if s.seen = len(b); len(b) > MaxMessage {
				return pings, errTooLong
			}
			break
		}
		head := from + i + 4
		n, ok := bodyLength(b[:head])
		switch {
		case !ok:
			take(b[:head]) // to be told so
			return pings, errLength
		case head+n > MaxMessage:
			return pings, errTooLong
		}
		if len(b) < head+n {
			s.seen = head - 1 // found again at once
			break
		}
		take(b[:head+n])
		b, s.seen = b[head+n:], 0
	}
	s.buf = append(s.buf[:0], b...)
	return pings, nil
}

// add takes octets without looking at them.
func (s *stream) add(b []byte) { s.buf = append(s.buf, b...) }

// anyLine reports whether something holds for one of the lines from at on that are there
// whole, and where the next one begins.
func (s *stream) anyLine(at int, holds func(line []byte) bool) (next int, found bool) {
	for at < len(s.buf) {
		line, end, whole := cutLine(s.buf, at)
		if !whole {
			break
		}
		if at = end; holds(line) {
			return at, true
		}
	}
	return at, false
}

// bodyLength returns the Content-Length of a message's headers; 0 if there is none.
// Several may be read in several ways: that is nobody's message.
func bodyLength(head []byte) (n int, ok bool) {
	found := false
	for at := 0; at < len(head); {
		line, next, _ := cutLine(head, at)
		at = next
		key, value, colon := bytes.Cut(line, []byte(":"))
		if !colon || lookUp(bytes.TrimRight(key, " \t")) != contentLength {
			continue
		}
		v, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31)
		if err != nil || found {
			return 0, false
		}
		n, found = int(v), true
	}
	return n, true
}
