package proxy

import (
	"errors"
	"net/netip"
	"os"
	"time"
)

// reader reads one connection. What comes over one is not lost like a datagram, so of a
// source that is over its limit it is not dropped: the connection is not read on for a
// while, and TCP tells its other end to wait. Meanwhile what comes is held, and only
// looked at: a call for help ends the pause at once, and is handled with all that came
// before it, of which what is over the limit is dropped then. Of a source that is banned
// everything but calls for help is dropped.
type reader struct {
	*worker
	conn     *conn
	from     source
	pbx      bool
	cut      stream
	buf      [32 << 10]byte
	patience time.Time // until when something must come; none: there is no hurry
	wait     int64     // how long the source should have waited so far
	hurry    bool      // a pause was ended by what may be a call for help
}

// read reads on, after the pause that is due. It is false at the connection's end.
func (r *reader) read() bool {
	r.hurry = false
	if r.wait > 0 {
		return r.pause() // what was held meanwhile comes first
	}
	return r.more(r.patience) == nil
}

// more takes what comes next, until a time.
func (r *reader) more(until time.Time) error {
	_ = r.conn.net.SetReadDeadline(until)
	n, err := r.conn.net.Read(r.buf[:])
	r.cut.add(r.buf[:n])
	r.now = r.clock()
	return err
}

// pause holds what comes until the source has waited, or somebody calls for help. It is
// false at the connection's end.
func (r *reader) pause() bool {
	until := time.Now().Add(time.Duration(r.wait))
	r.wait = 0
	looked := 0
	for time.Now().Before(until) {
		if len(r.cut.buf) >= MaxMessage {
			time.Sleep(time.Until(until)) // what is held is enough
			return true
		}
		if err := r.more(until); errors.Is(err, os.ErrDeadlineExceeded) {
			return true
		} else if err != nil {
			return false
		}
		if looked, r.hurry = r.cut.anyLine(looked, r.maybeHelp); r.hurry {
			return true
		}
	}
	return true
}

// takes reports whether a message is handled.
func (r *reader) takes(from netip.Addr, message []byte) bool {
	if r.plea = noPlea; r.pbx {
		return true
	}
	wait, is := r.admission.spend(r.from, r.now)
	r.wait = max(r.wait, wait)
	if is != admitted || r.hurry && wait > 0 {
		line, _, _ := cutLine(message, 0)
		return r.passes(r.from, from, line, message, is)
	}
	return true
}
