package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"perch/discovery"
	"perch/sip"
)

// doctorCmd tells an admin what is heard.
type doctorCmd struct {
	databaseFlags
	For  time.Duration `help:"How long to listen, if no serve is listening already." default:"2m" placeholder:"2m"`
	JSON bool          `name:"json" help:"Print one JSON object for each interface, and one for what ails Perch as a whole, if anything does."`
}

// Run is the command. A running serve is asked for what it has heard since its
// start; otherwise the interfaces are listened to for a while, and nothing is
// kept.
func (c *doctorCmd) Run(env *environment) error {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	r := &doctorRequest{JSON: c.JSON}
	if asked, err := c.askServe(context.Background(), env, &conf, "doctor", r); asked {
		return err
	}
	if err := forbidden(c.socket(&conf)); err != nil {
		return err
	}
	if len(conf.Capture) == 0 && len(conf.SIP.Listen)+len(conf.Provision.Listen) > 0 {
		return withHint(errors.New("serve is not running"), "start it (perch serve): doctor asks it how the SIP path and the phones are")
	}
	if len(conf.Capture) == 0 {
		return errNoCapture()
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	p := newProbe(&conf)
	fault := p.ears.open()
	if p.ears.String() == "none" && fault != nil {
		return fault
	}
	ctx, cancel := context.WithTimeout(ctx, c.For)
	defer cancel()
	progress := newListening(ctx, env.stderr, p.ears)
	p.ears.run(ctx)
	<-progress
	return r.print(env.stdout, p.ears.reports(p.wires()), ailments(&conf, nil))
}

// newListening tells somebody at a terminal how long the listening goes on. What
// it returns is closed at the end.
func newListening(ctx context.Context, w io.Writer, e *ears) <-chan struct{} {
	done := make(chan struct{})
	until, bounded := ctx.Deadline()
	if !bounded || !isTerminal(w) {
		close(done)
		return done
	}
	const clear = "\r\x1b[K" // ECMA-48 8.3.41: erase to the end of the line
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			fmt.Fprintf(w, "%slistening on %s, %s left, %d frames; Ctrl-C ends it now", clear, e, time.Until(until).Round(time.Second), e.frames())
			select {
			case <-ctx.Done():
				fmt.Fprint(w, clear)
				return
			case <-tick.C:
			}
		}
	}()
	return done
}

func errNoCapture() error {
	return withHint(errors.New("no interface is configured"), `name one in perch.yaml: capture: [{interface: "eth1", site: hq}]; ip link lists them`)
}

// probe hears without a database.
type probe struct {
	ears *ears

	mu      sync.Mutex
	tracker *discovery.Tracker
	now     time.Time
}

func newProbe(c *config) *probe {
	p := &probe{tracker: discovery.NewTracker(c.discovery(), nobody{})}
	now := func() time.Time { return time.Now().UTC() }
	p.ears = newEars(c, now, newTurns(p, now), slog.New(slog.DiscardHandler))
	return p
}

// nobody is an empty directory.
type nobody struct{}

func (nobody) PhoneListed(discovery.MAC) bool      { return false }
func (nobody) PhonesOfAOR(sip.AOR) []discovery.MAC { return nil }
func (nobody) AORListed(sip.AOR) bool              { return false }
func (nobody) SiteSubnet(string, netip.Addr) (netip.Prefix, bool) {
	return netip.Prefix{}, false
}

func (p *probe) observe(o *discovery.Observation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.Time.After(p.now) {
		p.now = o.Time
	}
	p.tracker.Observe(o, p.now)
}

func (p *probe) hearing(string, bool, time.Time) {}

func (p *probe) wires() []discovery.Wire {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tracker.Wires(time.Now())
}

// doctorRequest asks a serve for what it has heard.
type doctorRequest struct{ JSON bool }

func (r *doctorRequest) carryOut(ctx context.Context, s *session, env *environment) error {
	if s.ears == nil && s.path == nil && s.phones == nil {
		return errNoCapture()
	}
	whole := ailments(&s.config, s.hasSite)
	var reports []earReport
	if s.ears != nil {
		reports = s.ears.reports(s.engine.Wires(s.live.clock.now()))
	}
	whole = append(whole, s.phones.ailments()...)
	if s.path != nil {
		whole = append(whole, alarmAilments(ctx, s)...)
		d := s.path.diagnose()
		whole = append(whole, d.Findings...)
		if err := r.printPath(env.stdout, d, len(reports) > 0); err != nil {
			return err
		}
	}
	if len(reports) == 0 {
		return r.printWhole(env.stdout, whole)
	}
	return r.print(env.stdout, reports, whole)
}

// print writes the reports with their findings, and what ails Perch as a whole.
// The error tells that nothing usable is heard anywhere.
func (r *doctorRequest) print(out io.Writer, reports []earReport, whole []symptom) error {
	usable, lines := false, json.NewEncoder(out)
	for i, rep := range reports {
		d := diagnosis{rep, findings(&rep, time.Now())}
		if d.Findings == nil {
			d.Findings = []symptom{} // a list for programs, also without any
		}
		usable = usable || len(rep.Heard.Kinds) > 0
		if r.JSON {
			if err := lines.Encode(d); err != nil {
				return err
			}
			continue
		}
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := d.print(out); err != nil {
			return err
		}
	}
	if err := r.printWhole(out, whole); err != nil {
		return err
	}
	if !usable {
		return withHint(errors.New("nothing is heard that would tell where a phone is"), "do what the findings say; README, \"Where to put it\", tells what is heard where")
	}
	return nil
}

// printWhole writes what ails Perch as a whole, if anything does.
func (r *doctorRequest) printWhole(out io.Writer, whole []symptom) error {
	switch {
	case len(whole) == 0 && r.JSON:
	case len(whole) == 0:
		fmt.Fprintln(out, "nothing else is amiss")
	case r.JSON:
		return json.NewEncoder(out).Encode(struct {
			Findings []symptom `json:"findings"`
		}{whole})
	default:
		fmt.Fprint(out, "\nperch\n")
		printSymptoms(out, whole)
	}
	return nil
}

// diagnosis is what doctor says of one interface.
type diagnosis struct {
	earReport
	Findings []symptom `json:"findings"`
}

func (d *diagnosis) print(out io.Writer) error {
	state := d.State
	if !d.Since.IsZero() {
		state += " since " + stamp(d.Since)
	}
	fmt.Fprintf(out, "%s  %s\n", d.Interface, state)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	if d.Error != "" {
		row("error", "%s", d.Error)
		row("hint", "%s", d.Hint)
	}
	if d.Site != "" {
		row("site", "%s", d.Site)
	}
	if d.Frames == 0 && d.Error != "" {
		return w.Flush()
	}
	row("frames", "%d%s%s%s", d.Frames, perSecond(d.Rate), counted(d.Dropped, "lost"), counted(d.Reopens, "reopens"))
	verdict := "mirror"
	if d.Wire.Link {
		verdict = "link"
	}
	row("role", "%s, because %s", verdict, because(d.Wire))
	for _, s := range d.Wire.Switches {
		row("switch port", "%s", s)
	}
	for _, p := range d.Wire.Phones {
		row("phone", "%s", p)
	}
	h := &d.Heard
	for _, k := range slices.Sorted(maps.Keys(h.Kinds)) {
		row("heard", "%s, %d times, last %s", strings.ReplaceAll(k, "_", " "), h.Kinds[k].Count, stamp(h.Kinds[k].Last))
	}
	if len(h.VLANs) > 0 {
		row("VLANs", "%s", strings.Trim(fmt.Sprint(slices.Sorted(maps.Keys(h.VLANs))), "[]"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(d.Findings) == 0 && len(h.Kinds) > 0 {
		fmt.Fprintln(out, "  nothing is amiss")
	}
	printSymptoms(out, d.Findings)
	return nil
}

func printSymptoms(out io.Writer, all []symptom) {
	for _, f := range all {
		fmt.Fprintf(out, "  - %s\n    %s\n", f.What, f.Remedy)
	}
}

// perSecond is ", 12.3 a second", or nothing for none.
func perSecond(rate float64) string {
	if rate < 0.05 {
		return ""
	}
	return fmt.Sprintf(", %.1f a second", rate)
}

func because(w discovery.Wire) string {
	if w.Why == "configured" {
		return "it is configured so"
	}
	return w.Why
}

// counted is ", N what", or nothing for none.
func counted(n uint64, what string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d %s", n, what)
}

// few is a number with what is counted.
func few(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
