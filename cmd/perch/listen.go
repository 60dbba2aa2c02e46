package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"perch/discovery"
	"perch/discovery/capture"
)

// listener hears frames on one interface. It is capture.Live, or in tests a
// capture that is played.
type listener interface {
	Name() string
	Next(context.Context) (*capture.Frame, error)
	Stats() capture.LiveStats
	Close() error
}

// audience is who is told what is heard: a live engine, or doctor's tracker.
type audience interface {
	observe(*discovery.Observation)
	// hearing tells whether an interface is being listened to without loss,
	// from a time on.
	hearing(name string, yes bool, from time.Time)
}

// ears listen on all configured interfaces.
type ears struct {
	captures []captureConfig
	wires    discovery.Config // what the admin says of them
	ports    []uint16
	now      func() time.Time
	turns    *turns
	around   *around
	log      *slog.Logger
	listen   func(name string, cfg capture.LiveConfig) (listener, error)

	mu  sync.Mutex
	all []*ear // in order of name
}

func newEars(c *config, now func() time.Time, to *turns, log *slog.Logger) *ears {
	return &ears{
		around: newAround(c), captures: c.Capture, wires: c.discovery(), ports: c.SIP.Ports, now: now, turns: to, log: log,
		listen: func(name string, cfg capture.LiveConfig) (listener, error) { return capture.Listen(name, cfg) },
	}
}

// ear listens on one interface.
type ear struct {
	name  string
	in    listener // nil if it cannot be opened
	err   error    // why
	heard heard
	seat  *seat
	log   *slog.Logger

	began  time.Time         // when it was to be listened to, by the clock
	state  capture.LiveState // that the audience was told of last
	told   bool
	logged capture.LiveState // that the log was told of last
	spoken bool
	speak  *rate.Limiter // for the log: a link that comes and goes all the time fills no disk
}

// lookEvery is how often the machine's interfaces are compared with patterns.
const lookEvery = 5 * time.Second

// open opens what is configured and there. The error joins those of interfaces
// that cannot be listened to; the others can.
func (e *ears) open() error {
	var errs []error
	for _, name := range e.names() {
		errs = append(errs, e.add(name))
	}
	return errors.Join(errs...)
}

// add opens one more interface.
func (e *ears) add(name string) error {
	in, err := e.listen(name, capture.LiveConfig{SIPPorts: e.ports, Now: e.now})
	a := &ear{name: name, in: in, err: err, log: e.log.With("interface", name), began: e.now(), speak: rate.NewLimiter(rate.Every(time.Minute), 4)}
	if err != nil {
		a.in = nil // not a listener that is nil inside
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, a)
	slices.SortFunc(e.all, func(a, b *ear) int { return strings.Compare(a.name, b.name) })
	return err
}

// list returns the ears there are.
func (e *ears) list() []*ear {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.all)
}

// names returns the interfaces that are configured: those that are named, there or
// not, and those there are that fit a pattern. A pattern never means the loopback.
func (e *ears) names() []string {
	var out []string
	take := func(name string) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, c := range e.captures {
		if !c.isPattern() {
			take(c.Interface)
			continue
		}
		there, err := net.Interfaces()
		if err != nil {
			e.log.Warn("the interfaces of this machine cannot be listed", "error", err)
		}
		for _, i := range there {
			if ok, err := path.Match(c.Interface, i.Name); ok && err == nil && i.Flags&net.FlagLoopback == 0 {
				take(i.Name)
			}
		}
	}
	return out
}

// patterns reports whether interfaces may be added that are not there yet.
func (e *ears) patterns() bool {
	return slices.ContainsFunc(e.captures, captureConfig.isPattern)
}

// isPattern reports whether several interfaces may be meant.
func (c captureConfig) isPattern() bool { return strings.ContainsAny(c.Interface, `*?[\`) }

// run listens until ctx ends, and closes everything.
func (e *ears) run(ctx context.Context) {
	var group sync.WaitGroup
	started := map[string]bool{}
	start := func() {
		for _, a := range e.list() {
			if !started[a.name] {
				started[a.name] = true
				if a.in != nil {
					a.seat = e.turns.sit(a.name)
					group.Go(func() { a.run(ctx, e) })
				}
			}
		}
	}
	start()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for ctx.Err() == nil && e.patterns() {
		select {
		case <-ctx.Done():
		case <-tick.C:
			for _, name := range e.names() {
				if !started[name] {
					if err := e.add(name); err != nil {
						e.log.Error("an interface cannot be listened to", "error", err, "hint", hintOf(err))
					}
				}
			}
			start()
		}
	}
	group.Wait()
}

// run hands on what is heard until ctx ends.
func (a *ear) run(ctx context.Context, e *ears) {
	defer func() {
		e.turns.leave(a.seat) // while requests end, nobody listens any more
		if err := a.in.Close(); err != nil {
			a.log.Warn("closing an interface", "error", err)
		}
	}()
	decoder := discovery.NewDecoder(discovery.DecoderConfig{SIPPorts: e.ports, Panicked: func(p discovery.Panic) {
		a.log.Error("a decoder panicked, which costs its frame; please report it",
			"protocol", p.Protocol, "sha256", fmt.Sprintf("%x", p.Frame), "what", p.What, "where", p.Where)
	}})
	observe := func(o *discovery.Observation) {
		a.heard.add(o)
		e.around.heard(o)
		e.turns.observe(a.seat, o)
	}
	for {
		f, err := a.in.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				a.log.Error("listening ended", "error", err, "hint", hintOf(err))
			}
			return
		}
		if f == nil || f.Number%1024 == 0 {
			a.heard.decoded(decoder.Stats())
			a.tell(e)
		}
		if f == nil {
			continue
		}
		in := observed(f)
		decoder.Decode(&in, observe)
	}
}

// tell tells the audience and the log of a state that is new to them. The log is
// told of the last one in the end, however often it changed before.
func (a *ear) tell(e *ears) {
	s := a.in.Stats()
	if now := s.State == capture.Listening; !a.told || now != (a.state == capture.Listening) {
		e.turns.hearing(a.seat, now)
	}
	a.state, a.told = s.State, true
	if a.spoken && s.State == a.logged || !a.speak.Allow() {
		return
	}
	a.logged, a.spoken = s.State, true
	level, args := slog.LevelWarn, []any{"state", s.State.String()}
	if s.Err != nil {
		args = append(args, "because", s.Err.Error())
	}
	if s.Dropped > 0 {
		args = append(args, "lost", s.Dropped)
	}
	switch s.State {
	case capture.Listening:
		level = slog.LevelInfo
	case capture.NoCarrier:
		args = append(args, "hint", noCarrierHint(a.name))
	case capture.Dropping:
		args = append(args, "hint", droppingHint)
	default:
		args = append(args, "hint", hintOf(s.Err))
	}
	a.log.Log(context.Background(), level, "capture", args...)
}

func noCarrierHint(name string) string {
	return "look at the cable, and at the switch's port; a mirror port may have to be enabled: ip link set " + name + " up"
}

const droppingHint = "mirror fewer VLANs or ports to this interface, or give Perch more of the processor"

// earReport is what one interface has heard, for doctor.
type earReport struct {
	Interface string    `json:"interface"`
	Site      string    `json:"site,omitempty"`
	State     string    `json:"state"`
	Since     time.Time `json:"since,omitzero"`
	Error     string    `json:"error,omitempty"`
	Hint      string    `json:"hint,omitempty"`
	Frames    uint64    `json:"frames"`
	Rate      float64   `json:"frames_per_second,omitempty"` // on average
	Dropped   uint64    `json:"dropped"`
	Freezes   uint64    `json:"freezes,omitempty"` // times that the ring was full
	Reopens   uint64    `json:"reopens"`

	Heard counts         `json:"heard,omitzero"`
	Wire  discovery.Wire `json:"wire,omitzero"`
}

// notOpened is the state of an interface that cannot be listened to.
const notOpened = "not opened"

// reports returns what each interface has heard, in order of name; wires are the
// tracker's verdicts.
func (e *ears) reports(wires []discovery.Wire) []earReport {
	var out []earReport
	for _, a := range e.list() {
		site, _ := e.wires.ForInterface(a.name, "")
		r := earReport{Interface: a.name, Site: site, State: notOpened}
		if a.err != nil {
			r.Error, r.Hint = a.err.Error(), hintOf(a.err)
		}
		if a.in != nil {
			s := a.in.Stats()
			r.State, r.Since, r.Frames, r.Dropped, r.Freezes, r.Reopens = s.State.String(), s.Since, s.Frames, s.Dropped, s.Freezes, s.Reopens
			if d := e.now().Sub(a.began).Seconds(); d > 0 {
				r.Rate = float64(s.Frames) / d
			}
			if s.Err != nil {
				r.Error, r.Hint = s.Err.Error(), hintOf(s.Err)
			}
		}
		r.Heard = a.heard.counted()
		r.Wire = discovery.Wire{Name: a.name, Role: "auto", Why: "nothing was heard"}
		for _, w := range wires {
			if w.Name == a.name {
				r.Wire = w
			}
		}
		out = append(out, r)
	}
	return out
}

// frames returns how many were heard on all interfaces.
func (e *ears) frames() uint64 {
	n := uint64(0)
	for _, a := range e.list() {
		if a.in != nil {
			n += a.in.Stats().Frames
		}
	}
	return n
}

// String names the interfaces, for the log.
func (e *ears) String() string {
	var names []string
	for _, a := range e.list() {
		if a.in != nil {
			names = append(names, a.name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}
