package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"perch/discovery"
	"perch/location"
	"perch/provisioning"
	"perch/sip"
)

// Policy is how the workflow behaves; DefaultPolicy is where to start from.
type Policy struct {
	NoBootstrap        bool          // a network that matches a company location is taken silently
	Settle             time.Duration // how long a change must be stable, once a REGISTER counted
	SettleUnregistered time.Duration // the same without a REGISTER, with a lease in force
	PromptExpiry       time.Duration // how long a prompt waits for its answer
	AskAgain           time.Duration // after an expired prompt, if the phone is still there
}

// DefaultPolicy returns the policy of a new installation. Settle is longer than
// CDP's interval of 60 s and two LLDP intervals of 30 s.
func DefaultPolicy() Policy {
	return Policy{
		Settle:             65 * time.Second,
		SettleUnregistered: 5 * time.Minute,
		PromptExpiry:       14 * 24 * time.Hour,
		AskAgain:           30 * 24 * time.Hour,
	}
}

// Config is what an engine is made of, apart from its store.
type Config struct {
	Discovery discovery.Config
	Policy    Policy
	Renderer  Renderer
	Alarm     Alarm
	NoMails   bool         // nobody reads the mails: events tell of them, but no body is written
	Log       *slog.Logger // nil: the default one
}

// Engine is the workflow: one writer, one order. Its methods may be called from
// several goroutines; each call is one step.
type Engine struct {
	mu    sync.Mutex
	cfg   Config
	store Store

	committing sync.Mutex // held while the store works; taken before mu
	sealed     *Batch     // handed to the store, and not known to be durable

	now     time.Time // engine time
	until   time.Time // that it is on its way to
	tracker *discovery.Tracker
	dir     *provisioning.Directory
	phones  *discovery.PhoneMap[*phone]
	callers map[discovery.PhoneID]bool // whom TakeCallers is to tell of; nil: nobody asks
	lines   uint64                     // how often the listed lines changed
	aors    uint64                     // how often those that list AORs did
	prompts map[int64]*Prompt
	claims  map[int64]*Claim
	answers map[int64]*Answer
	replies map[int64]int64                 // prompt: the answer that closed it
	heirs   map[discovery.MAC]discovery.MAC // phones that were not heard yet: in whose place they are
	agenda  agenda

	emergencies []*Emergency          // by ID
	calls       map[string]*Emergency // the latest of each name
	forgetting  discovery.Instant     // when the oldest has been kept for long enough; zero: not planned

	ids     Counters
	typ     DatabaseType
	key     Key
	sources map[string]Position

	tx    transaction
	batch pending
	sink  func(Event)
	late  int

	observed  bool // since the last checkpoint
	resumed   bool // since the last checkpoint: see Resume
	forgetful bool // the store keeps no state
}

// New returns an engine over a store, going on from what the store holds.
func New(ctx context.Context, cfg Config, store Store) (*Engine, error) {
	if cfg.Renderer == nil {
		return nil, errors.New("gateway: no renderer")
	}
	state, in, err := take(ctx, cfg.Discovery, store)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: cfg, store: store,
		phones:  discovery.NewPhoneMap[*phone](),
		prompts: map[int64]*Prompt{},
		claims:  map[int64]*Claim{},
		answers: map[int64]*Answer{},
		replies: map[int64]int64{},
		heirs:   map[discovery.MAC]discovery.MAC{},
		calls:   map[string]*Emergency{},
		sources: map[string]Position{},
		batch:   newPending(),
	}
	_, e.forgetful = store.(stateless)
	if err := e.load(state, in); err != nil {
		return nil, fmt.Errorf("load state: %w", err)
	}
	return e, nil
}

// OnEvent sets what is called with each event, in order, as it happens. Events
// are durable only after the next Commit.
func (e *Engine) OnEvent(f func(Event)) { e.sink = f }

// Now returns the engine's time: that of the latest observation or decision.
func (e *Engine) Now() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now
}

// instant is the engine's time as discovery keeps it.
func (e *Engine) instant() discovery.Instant { return discovery.InstantOf(e.now) }

// Late returns how many observations came more than 2 s behind engine time.
func (e *Engine) Late() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.late
}

// Observe takes in one observation, after doing all that fell due before its
// time. One that is older than the engine acts at engine time.
func (e *Engine) Observe(o *discovery.Observation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := o.Time
	if at.Before(e.now) {
		if e.now.Sub(at) > discovery.LateAfter {
			e.late++
		}
		at = e.now
	}
	e.runUntil(at, false, true)
	e.now, e.observed = at, true
	e.begin()
	e.follow(e.tracker.Observe(o, at))
	e.end()
	e.agenda.compact(e)
}

// Advance moves the engine's time to t, doing all that falls due until then, t
// included. Time never runs backwards.
func (e *Engine) Advance(t time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(t)
}

func (e *Engine) advance(t time.Time) {
	if t.Before(e.now) {
		return
	}
	e.runUntil(t, true, true)
	if t.After(e.now) {
		e.now, e.observed = t, true
	}
}

// Settle runs the settle deadlines that are set, in order of time, and nothing
// else: after the last frame of a capture what was seen is acted on, but nobody
// was listening any more, so nothing ages or expires.
func (e *Engine) Settle() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		at, ok := e.next(false)
		if !ok {
			return
		}
		e.runUntil(at, true, false)
	}
}

// Next returns when Advance has work.
func (e *Engine) Next() (time.Time, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.next(true)
}

func (e *Engine) next(ageing bool) (time.Time, bool) {
	at, ok := e.agenda.next(e, ageing)
	if t, tok := e.tracker.Next(); ageing && tok && (!ok || t.Before(at)) {
		return t, true
	}
	return at, ok
}

// runUntil does what falls due before t, or until t if inclusive, one instant
// after another.
func (e *Engine) runUntil(t time.Time, inclusive, ageing bool) {
	e.until = t
	for {
		at, ok := e.next(ageing)
		if !ok || at.After(t) || !inclusive && at.Equal(t) {
			return
		}
		at = later(at, e.now)
		e.now = at
		e.begin()
		if ageing {
			e.follow(e.tracker.Advance(at))
		}
		for {
			d, ok := e.agenda.pop(e, at, ageing)
			if !ok {
				break
			}
			e.fallDue(d)
		}
		e.end()
	}
}

// fallDue does one thing whose time has come.
func (e *Engine) fallDue(d due) {
	switch d.what {
	case dueSettle:
		d.phone.Due = 0
		e.act(d.phone)
	case dueExpiry:
		e.expire(e.prompts[d.prompt])
	case dueAskAgain:
		e.askAgain(e.prompts[d.prompt])
	case dueMail:
		e.mailLater(e.prompts[d.prompt])
	case dueRemind:
		e.remind(e.emergency(d.prompt))
	case dueForget:
		e.forgetOld()
	}
}

// follow acts on what happened to phones.
func (e *Engine) follow(changes []discovery.Change) {
	for _, c := range changes {
		if c.What&discovery.NotAPhone != 0 {
			e.drop(c.Phone)
			delete(e.batch.alive, c.Phone.ID)
			continue
		}
		p := e.phone(c.Phone)
		if !e.forgetful {
			e.batch.alive[p.id()] = true
		}
		if c.What&discovery.Absorbed != 0 {
			e.absorb(p, c.From)
		}
		if from, is := e.heirs[p.id().MAC]; is && !p.id().Provisional() {
			e.succeed(p, from)
		}
		if p.kind(e) == provisioning.Ignore {
			continue
		}
		if c.What&discovery.Conflicting != 0 {
			e.emit(p, "phone.conflict", nil)
		}
		if c.What&discovery.Flapped != 0 {
			e.emit(p, "phone.flapping", nil)
		}
		if c.What&discovery.Vanished != 0 && p.acted() != nil {
			e.emit(p, "phone.vanished", nil)
		}
		if k := p.acted(); c.What&discovery.Renumbered != 0 && k != nil && k.at().PublicIP == p.track.WasPublic() {
			k.merge(p.track)
		}
		if c.What&(discovery.Reattached|discovery.Counted|discovery.Absorbed|discovery.Flapped) != 0 {
			e.evaluate(p)
		}
		if c.What&discovery.LinesMoved != 0 {
			e.recipientsChanged(p)
		}
		if c.What&(discovery.LinesMoved|discovery.Readdressed|discovery.Reattached|discovery.Renumbered|discovery.Absorbed) != 0 {
			e.concern(p.id())
		}
	}
}

// Pause notes that a capture has no more frames: what was heard there does not
// age until it is heard again.
func (e *Engine) Pause(file string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tracker.Pause(file, e.now)
}

// PauseInterface notes that a live interface has no carrier, is gone, or loses
// frames: what was heard there does not age until ResumeInterface.
func (e *Engine) PauseInterface(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tracker.PauseInterface(name, e.now)
}

// ResumeInterface notes that a live interface is listening (again).
func (e *Engine) ResumeInterface(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tracker.ResumeInterface(name, e.now)
}

// Wires returns what the captured interfaces show at a time, by name.
func (e *Engine) Wires(at time.Time) []discovery.Wire {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tracker.Wires(later(at, e.now))
}

// Resume takes up the clock again after a time in which nobody listened and
// nothing was sent: what was heard does not age for it, and what fell due
// meanwhile happens once, now, rather than as often as it would have.
//
// If that is nothing there is nothing to store: a later start resumes from the same
// stored time. The first commit afterwards stores the whole state with its effects,
// since from its time on it shows no more since when nobody listened.
func (e *Engine) Resume(t time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !t.After(e.now) {
		return
	}
	e.tracker.PauseAll(e.now)
	e.now, e.resumed = t, true
	e.runUntil(t, true, true)
}

// Directory returns the directory in force. It must not be changed.
func (e *Engine) Directory() *provisioning.Directory {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dir
}

// phonebook is the directory as discovery asks for it.
type phonebook struct{ *provisioning.Directory }

// PhoneListed implements discovery.Directory.
func (b phonebook) PhoneListed(m discovery.MAC) bool {
	_, ok := b.Phone(m)
	return ok
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// recipients returns who is asked about a phone: its users, else the users of
// the lines registered on it now; not those who said that it is not theirs.
func (e *Engine) recipients(p *phone) []string {
	if listed, ok := e.dir.Phone(p.id().MAC); ok && !p.id().Provisional() && len(listed.Users) > 0 {
		return p.without(sorted(listed.Users))
	}
	var to []string
	aors := p.track.AORs(e.now)
	if p.id().Provisional() && len(aors) == 0 {
		aors = []sip.AOR{p.id().AOR}
	}
	for _, aor := range aors {
		to = append(to, e.dir.UsersOfAOR(aor)...)
	}
	return p.without(sorted(to))
}

// without leaves out who said that it is not their phone.
func (p *phone) without(to []string) []string {
	return slices.DeleteFunc(to, func(email string) bool { return slices.Contains(p.Declined.all(), email) })
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return slices.Compact(s)
}

// place returns a location that exists, or nil.
func (e *Engine) place(id location.ID) *location.Location {
	if id == "" {
		return nil
	}
	l, ok := e.dir.Location(id)
	if !ok {
		return nil
	}
	l.Address = e.dir.Tree().Complete(id)
	return &l
}
