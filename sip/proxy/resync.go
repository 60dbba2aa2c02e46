package proxy

import "strings"

// Resync asks a phone to look for its configuration again.
type Resync struct {
	ID     uint64 `json:"id"`    // of whoever asks, to know the answer by
	Phone  string `json:"phone"` // as Caller.Phone
	Reboot bool   `json:"reboot,omitempty"`
}

// Resynced is what became of it.
type Resynced struct {
	ID     uint64 `json:"id"`
	Sent   int    `json:"sent"`             // requests; 0: the phone is not registered through us
	Status int    `json:"status,omitempty"` // of an answer; 408: there was none; 0: it is not there yet
}

// Resync asks a phone, by NOTIFY outside of any subscription, as all vendors have it. Done is
// told first what was sent, and then of each answer; it must not block.
func (p *Proxy) Resync(r Resync, done func(Resynced)) {
	event := func(agent string) ownAsk {
		return ownAsk{method: "NOTIFY", headers: "Event: " + resyncEvent(agent, r.Reboot) + "\r\nSubscription-State: terminated\r\n"}
	}
	sent := p.tell(r.Phone, event, func(status int) { done(Resynced{ID: r.ID, Sent: 1, Status: status}) })
	done(Resynced{ID: r.ID, Sent: sent})
}

// resyncEvent is the event by which a vendor's phones are told. Most have check-sync, and
// start again only if that is said; a Poly starts again if its configuration wants that; a
// Cisco has two events.
func resyncEvent(agent string, reboot bool) string {
	agent = strings.ToLower(agent)
	switch {
	case strings.HasPrefix(agent, "poly"):
		return "check-sync"
	case strings.HasPrefix(agent, "cisco") && reboot:
		return "reboot"
	case strings.HasPrefix(agent, "cisco"):
		return "resync"
	case reboot:
		return "check-sync;reboot=true"
	}
	return "check-sync;reboot=false"
}
