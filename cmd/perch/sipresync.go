package main

import (
	"context"
	"sync"
	"time"

	"perch/sip/proxy"
)

// resyncs are those of which it is not yet known what became of them.
type resyncs struct {
	mu   sync.Mutex
	last uint64
	by   map[uint64]chan proxy.Resynced
}

// resyncWait is how long a phone has for its answer. Over UDP it is asked again meanwhile.
const resyncWait = 5 * time.Second

// begin returns the number of a new one, and where what becomes of it is told.
func (r *resyncs) begin() (id uint64, told chan proxy.Resynced) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = map[uint64]chan proxy.Resynced{}
	}
	r.last++
	told = make(chan proxy.Resynced, 16)
	r.by[r.last] = told
	return r.last, told
}

func (r *resyncs) end(id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.by, id)
}

// take takes in what became of one. Nobody may wait any more.
func (r *resyncs) take(x proxy.Resynced) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case r.by[x.ID] <- x:
	default:
	}
}

// resync asks a phone to look for its configuration again. Sent is 0 if it is not
// registered through Perch, less if the SIP path does not answer, and status, of the phone's
// first answer, if it did not.
func (k *sipKeeper) resync(ctx context.Context, phone string, reboot bool) (sent, status int) {
	id, told := k.resyncs.begin()
	defer k.resyncs.end(id)
	k.send(&callerNews{Resync: []proxy.Resync{{ID: id, Phone: phone, Reboot: reboot}}})
	ctx, cancel := context.WithTimeout(ctx, resyncWait)
	defer cancel()
	sent = -1
	for known := false; ; {
		select {
		case <-ctx.Done():
			return sent, status
		case x := <-told:
			if x.Status == 0 {
				sent, known = x.Sent, true
			} else {
				sent, status = max(sent, x.Sent), x.Status
			}
		}
		if known && (sent == 0 || status != 0) {
			return sent, status
		}
	}
}
