package proxy

import (
	"time"
)

// Counts are what happened since the start.
type Counts struct {
	Forwarded  uint64 `json:"forwarded"` // messages passed on
	Answered   uint64 `json:"answered"`  // requests answered here
	Malformed  uint64 `json:"malformed"`
	NotSIP     uint64 `json:"not_sip"`
	Forged     uint64 `json:"forged"`      // entries and answers that are not what was written here
	Unsent     uint64 `json:"unsent"`      // messages that could not be handed over
	Strangers  uint64 `json:"strangers"`   // datagrams and connections from networks that are not allowed
	FailedOver uint64 `json:"failed_over"` // requests that were tried at another PBX
	Panics     uint64 `json:"panics"`      // messages that made the proxy panic
	Shown      uint64 `json:"shown"`       // lines that a phone has shown on its display
	NotShown   uint64 `json:"not_shown"`   // and that it has not
	Crowded    uint64 `json:"crowded"`     // messages dropped unread, of sources over their limit
	Banned     uint64 `json:"banned"`      // messages dropped unread, of sources that are banned
	Spared     uint64 `json:"spared"`      // messages of calls for help that passed though their source is one of those
	Guesses    uint64 `json:"guesses"`     // REGISTERs refused here, after too many that the PBX refused
	Unanswered uint64 `json:"unanswered"`  // requests whose answer would have been larger
}

// State is how a proxy is.
type State struct {
	Counts      Counts          `json:"counts"`
	Upstream    []UpstreamState `json:"upstream"`
	Connections int             `json:"connections"`
	Callers     int             `json:"callers"`  // phones of which it is known where they are
	Bindings    int             `json:"bindings"` // contacts of lines that are registered through us
	Lines       int             `json:"lines"`    // that may register here
	Dropped     uint64          `json:"dropped"`  // observations that nobody took in time
	// Expires is when our certificate does; zero: there is none.
	Expires time.Time `json:"certificate_expires,omitzero"`
	Banned  Banned    `json:"banned"`
	// Subscriptions are those to registration state; zero: nobody is asked.
	Subscriptions Subscriptions `json:"subscriptions,omitzero"`
}

// UpstreamState is how a PBX is.
type UpstreamState struct {
	Address string `json:"address"` // as "udp:192.0.2.1:5060"
	Up      bool   `json:"up"`      // it answers, and wants something
}

// State returns how the proxy is.
func (p *Proxy) State() State {
	s := State{Counts: p.Counts(), Connections: p.conns.len(), Banned: p.admission.banned(p.clock()), Subscriptions: p.regs.state()}
	for _, t := range p.upstreams.list() {
		s.Upstream = append(s.Upstream, UpstreamState{t.transport.String() + ":" + t.addr.String(), t.well(time.Now())})
	}
	if c := p.callers.Load(); c != nil {
		s.Callers = len(c.all)
	}
	s.Bindings = p.bindings.len()
	if l := p.lines.Load(); l != nil {
		s.Lines = len(l.byAOR)
	}
	if p.certificate != nil {
		s.Expires = p.certificate.Expires()
	}
	return s
}

// Counts returns what happened so far.
func (p *Proxy) Counts() Counts {
	c := &p.count
	return Counts{
		Forwarded: c.forwarded.Load(), Answered: c.answered.Load(), Malformed: c.malformed.Load(),
		NotSIP: c.notSIP.Load(), Forged: c.forged.Load(), Unsent: c.unsent.Load(), Strangers: c.strangers.Load(), FailedOver: c.failedOver.Load(), Panics: c.panics.Load(),
		Shown: c.shown.Load(), NotShown: c.notShown.Load(),
		Crowded: c.crowded.Load(), Banned: c.banned.Load(), Spared: c.spared.Load(), Guesses: c.guesses.Load(), Unanswered: c.unanswered.Load(),
	}
}
