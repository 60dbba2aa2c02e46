package gateway

import (
	"net/netip"
	"strings"
	"time"

	"perch/discovery"
	"perch/matcher"
	"perch/provisioning"
	"perch/sip"
)

// Explanation is everything that led to the location in force of one phone.
type Explanation struct {
	Phone      discovery.PhoneID
	Kind       provisioning.PhoneKind
	Label      string
	Identity   discovery.Identity // what the phone says of itself
	Users      []string
	AORs       []sip.AOR
	Attachment discovery.Attachment
	Evidence   []discovery.Evidence
	Arrived    time.Time
	LastSeen   time.Time
	Network    discovery.Network // of the attachment
	Settles    time.Time         // when a change is to be acted on; zero if none is waiting
	Moving     bool              // the network is not the one last acted on
	Flapping   bool
	Gone       bool
	Networks   []KnownNetwork
	Match      matcher.Explanation
	Assignment Assignment
	Prompt     *Prompt   // open
	MailAt     time.Time // when its mail goes out, if that waits
}

// KnownNetwork is a network that is known for a phone, and why.
type KnownNetwork struct {
	Network  discovery.Network
	Relation discovery.Relation // of the attachment now to it
	Current  bool               // the one last acted on
	Because  string             // "answer 3 by alice@example.com", "prompt 2 expired", ...
}

// Explain explains all phones that a MAC, an IP, an AOR or a provisional name
// means, in order of phone. It changes nothing.
func (e *Engine) Explain(query string) []Explanation {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []Explanation
	for _, p := range e.sortedPhones() {
		if p.track != nil && p.answersTo(query) {
			out = append(out, e.explain(p))
		}
	}
	return out
}

// answersTo reports whether a query means the phone.
func (p *phone) answersTo(query string) bool {
	if id, err := discovery.ParsePhoneID(query); err == nil {
		return id == p.id()
	}
	if ip, err := netip.ParseAddr(query); err == nil {
		return p.track.Attachment().IP == ip || p.track.Attachment().PublicIP == ip || p.track.Stay.Other().IP == ip
	}
	query = strings.Trim(query, "<>")
	if !strings.HasPrefix(query, "sip:") && !strings.HasPrefix(query, "sips:") {
		query = "sip:" + query
	}
	aor, err := sip.ParseAOR(query)
	if err != nil {
		return false
	}
	return p.id().AOR == aor || p.track.Registers(aor)
}

func (e *Engine) explain(p *phone) Explanation {
	tr := p.track
	x := Explanation{
		Phone: p.id(), Kind: p.kind(e), Identity: tr.Identity(), Users: e.recipients(p), AORs: tr.AORs(e.now),
		Attachment: tr.Attachment(), Evidence: tr.Evidence(), Network: tr.Attachment().Network(),
		Arrived: tr.Arrived.Time(), LastSeen: tr.Heard().Time(), Settles: p.Due.Time(),
		Flapping: tr.Flapping(e.now), Gone: tr.Gone, Assignment: p.Assignment,
	}
	if listed, ok := e.dir.Phone(p.id().MAC); ok {
		x.Label = listed.Label
	}
	x.Moving = e.moving(p)
	at := tr.Attachment()
	for _, k := range p.Known {
		rel := discovery.Compare(k.at(), tr.Attachment())
		x.Networks = append(x.Networks, KnownNetwork{k.at().Network(), rel, k == p.acted(), e.because(p, k)})
		if k == p.acted() && rel != discovery.Different {
			at = k.at() // what was decided rests on all that is known of the network
		}
	}
	x.Match = e.dir.Wiremap().Explain(at, x.Users)
	if q := e.prompts[p.Prompt]; q != nil {
		c := *q
		x.Prompt, x.MailAt = &c, p.Later.Time()
	}
	return x
}

// because says why a network is known.
func (e *Engine) because(p *phone, k *known) string {
	if a := e.standing(p, k); a != nil {
		s := "answered by " + a.By + " (" + a.Kind.String() + " " + string(a.Location) + ")"
		if c := e.claims[a.Claim]; c != nil {
			s += ", claim " + c.State.String()
		}
		return s
	}
	q := e.prompts[k.Prompt]
	switch {
	case q != nil && q.Open():
		return "asked, no answer yet"
	case q != nil && q.Reason == Expired:
		return "asked, the prompt expired"
	case k.Silent:
		return "matches the wiremap"
	case k.Nobody:
		return "nobody to ask"
	}
	return "no longer known"
}

// Prompts returns all prompts, by id.
func (e *Engine) Prompts() []Prompt {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]Prompt, 0, len(e.prompts))
	for _, id := range sortedKeys(e.prompts) {
		out = append(out, *e.prompts[id])
	}
	return out
}

// Claims returns all claims, by id.
func (e *Engine) Claims() []Claim {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]Claim, 0, len(e.claims))
	for _, id := range sortedKeys(e.claims) {
		out = append(out, *e.claims[id])
	}
	return out
}

// AnswerTo returns the answer that closed a prompt; false if none did.
func (e *Engine) AnswerTo(prompt int64) (Answer, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.answers[e.replies[prompt]]
	if a == nil {
		return Answer{}, false
	}
	return *a, true
}

// Bounds returns what the tracker gave up since the engine was made, because its
// tables are bounded.
func (e *Engine) Bounds() discovery.Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tracker.Stats()
}

// Count is how much an engine has to do.
type Count struct {
	Phones  int // that were seen
	Prompts int // open
	Claims  int // open

	Emergencies int // calls for help that are kept, tests among them
	Waiting     int // of them, that nobody has acknowledged
}

// Count counts phones, open prompts and claims, and calls for help.
func (e *Engine) Count() Count {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := Count{Phones: e.phones.Len(), Emergencies: len(e.emergencies)}
	for _, x := range e.emergencies {
		if x.Waits() {
			c.Waiting++
		}
	}
	for _, q := range e.prompts {
		if q.Open() {
			c.Prompts++
		}
	}
	for _, x := range e.claims {
		if x.State == ClaimOpen {
			c.Claims++
		}
	}
	return c
}
