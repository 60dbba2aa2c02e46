package sip

import (
	"bytes"
	"strconv"
)

// What a Framer keeps of a message at most, and of a start line.
const (
	MaxMessage = 64 << 10
	maxLine    = 8 << 10
)

// Framer cuts one direction of a TCP connection into SIP messages. TCP knows no
// messages: one may come in several segments and several in one, so each says
// with its Content-Length where it ends (RFC 3261 section 18.3). Between them
// stand the empty lines by which phones keep a connection open (RFC 5626 section
// 4.4.1).
//
// It hands over REGISTER requests and what may be answers to them; other messages
// are counted off by their length and not kept. Where the stream does not go on
// with a message, or was not heard from its beginning, it looks for the next one
// behind an empty line. It keeps at most MaxMessage octets and a segment.
//
// The zero value begins in the middle of a stream.
type Framer struct {
	buf    []byte // a message that has not ended, or what may become the start of one
	seen   int    // octets of buf without an end of headers
	need   int    // octets of the message in buf, once its headers told; else 0
	skip   int    // octets of a body that are still to be passed over
	synced bool   // buf begins, or what comes next, where a message does
	tried  bool   // while not synced: what came first was no message
	broken int
}

// Begin says that a message begins next: a connection was opened.
func (f *Framer) Begin() { *f = Framer{synced: true, broken: f.broken} }

// Len is how many octets are kept.
func (f *Framer) Len() int { return len(f.buf) }

// Broken counts how often the stream did not go on with a message, or missed a
// part of one.
func (f *Framer) Broken() int { return f.broken }

// Lost says that n octets of the stream are missing. Of a REGISTER, or an answer
// to one, take is handed what there was of it.
func (f *Framer) Lost(n int, take func(message []byte)) {
	if f.skip >= n && n > 0 {
		f.skip -= n // nobody would have read them
		return
	}
	if f.synced && len(f.buf) > 0 && ours(f.buf) {
		take(f.buf)
	}
	if f.synced {
		f.broken++
	}
	*f = Framer{broken: f.broken}
}

// Feed takes the next octets of the stream and hands over the messages that they
// complete. A message is valid during the call of take only.
func (f *Framer) Feed(b []byte, take func(message []byte)) {
	if len(f.buf) > 0 {
		if f.need > len(f.buf)+len(b) {
			f.buf = append(f.buf, b...)
			return
		}
		f.buf = append(f.buf, b...)
		b = f.buf
	}
	switch b = f.cut(b, take); {
	case len(b) > 0:
		f.buf = append(f.buf[:0], b...)
	default:
		f.buf = nil
	}
}

var (
	crlf     = []byte("\r\n")
	crlfcrlf = []byte("\r\n\r\n")
)

// cut hands over what is complete and returns what is not.
func (f *Framer) cut(b []byte, take func(message []byte)) []byte {
	seen := f.seen
	f.seen, f.need = 0, 0
	for {
		n := min(f.skip, len(b))
		f.skip -= n
		b = b[n:]
		if !f.synced {
			if b = f.search(b); !f.synced {
				return b
			}
			seen = 0
		}
		rest := bytes.TrimLeft(b, "\r\n")
		seen = max(seen-(len(b)-len(rest)), 0)
		if b = rest; len(b) == 0 {
			return nil
		}
		starts, sure := startsMessage(b)
		if !sure {
			return b
		}
		end := -1
		if starts {
			at := max(min(seen, len(b))-len(crlfcrlf)+1, 0)
			if i := bytes.Index(b[at:min(len(b), MaxMessage)], crlfcrlf); i >= 0 {
				end = at + i + len(crlfcrlf)
			} else if len(b) < MaxMessage {
				f.seen = len(b)
				return b
			}
		}
		if seen = 0; end < 0 {
			f.unsync()
			continue
		}
		var waits bool
		if b, waits = f.message(b, end, take); waits {
			return b
		}
	}
}

// message takes a message whose headers end at end. It waits if its body is to be
// read and has not come yet.
func (f *Framer) message(b []byte, end int, take func(message []byte)) (rest []byte, waits bool) {
	head := b[:end]
	length, ok := contentLength(head)
	switch {
	case !ok: // nobody knows where the next message begins
		if ours(head) {
			take(head)
		}
		f.unsync()
		return b[end:], false
	case !ours(head):
	case end+length > MaxMessage:
		take(head)
	case len(b) < end+length:
		f.need = end + length
		return b, true
	default:
		take(b[:end+length])
	}
	f.skip = length
	return b[end:], false
}

// unsync notes that what stands next is no message.
func (f *Framer) unsync() {
	f.synced, f.tried = false, true
	f.broken++
}

// search looks for a message in the middle of a stream: the first octets, if
// nothing is known of what was before them, or those behind an empty line.
// Without one it returns the end of b that may belong to an empty line.
func (f *Framer) search(b []byte) []byte {
	for {
		if rest := bytes.TrimLeft(b, "\r\n"); !f.tried && len(rest) > 0 {
			starts, sure := startsMessage(rest)
			if !sure {
				return rest
			}
			if starts {
				f.synced, f.tried = true, false
				return rest
			}
			f.tried = true
		} else if !f.tried {
			return b[len(b)-len(tail(b)):]
		}
		i := bytes.Index(b, crlfcrlf)
		if i < 0 {
			return tail(b)
		}
		b = b[i+len(crlfcrlf):]
		f.tried = false
	}
}

// tail returns the end of b with which an empty line may begin.
func tail(b []byte) []byte {
	for n := len(crlfcrlf) - 1; n > 0; n-- {
		if bytes.HasSuffix(b, crlfcrlf[:n]) {
			return b[len(b)-n:]
		}
	}
	return nil
}

// ours reports whether a message is a REGISTER, or may be an answer to one.
func ours(head []byte) bool {
	return bytes.HasPrefix(head, []byte(methodRegister+" ")) ||
		bytes.HasPrefix(head, versionBlank) && bytes.Contains(head, []byte(methodRegister))
}

var versionBlank = []byte("SIP/2.0 ")

// startsMessage reports whether b begins with a start line (RFC 3261 section 7).
// As long as too little of it is there it is not sure.
func startsMessage(b []byte) (starts, sure bool) {
	for _, prefix := range [...][]byte{versionBlank, []byte(methodRegister + " ")} {
		if bytes.HasPrefix(b, prefix) {
			return true, true
		}
		if bytes.HasPrefix(prefix, b) {
			return false, false
		}
	}
	line, _, whole := bytes.Cut(b[:min(len(b), maxLine)], crlf)
	method, _, blank := bytes.Cut(line, []byte(" "))
	if len(method) == 0 || len(method) > maxMethod || !IsToken(method) && (blank || whole || !IsToken(bytes.TrimRight(method, "\r"))) {
		return false, true
	}
	if !whole {
		return false, len(b) >= maxLine
	}
	return blank && bytes.HasSuffix(line, []byte(" SIP/2.0")), true
}

// maxMethod is longer than any method that is registered with IANA.
const maxMethod = 32

// IsToken reports whether b is a token (RFC 3261 section 25.1).
func IsToken(b []byte) bool {
	for _, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', bytes.IndexByte([]byte("-.!%*_+`'~"), c) >= 0:
		default:
			return false
		}
	}
	return len(b) > 0
}

// contentLength returns the Content-Length in the headers of a message, the first
// of several; 0 if there is none, which only a datagram may do without. It is
// false for one that is no number.
func contentLength(head []byte) (n int, ok bool) {
	_, rest, _ := bytes.Cut(head, crlf)
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, crlf)
		name, value, found := bytes.Cut(line, []byte(":"))
		if name = bytes.TrimSpace(name); !found || !bytes.EqualFold(name, []byte("l")) && !bytes.EqualFold(name, []byte("content-length")) {
			continue
		}
		for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') { // folded: RFC 3261 section 7.3.1
			line, rest, _ = bytes.Cut(rest, crlf)
			value = append(append(bytes.Clone(value), ' '), line...)
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31)
		return int(n), err == nil
	}
	return 0, true
}
