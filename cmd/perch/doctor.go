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

	"golang.org/x/sys/unix"

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
	if server, running := findServer(c.socket(&conf), identity(c.name(&conf))); running {
		defer server.close()
		if err := server.ask(context.Background(), "doctor", r, env); !errors.Is(err, errOtherDatabase) {
			return err
		}
	}
	if err := forbidden(c.socket(&conf)); err != nil {
		return err
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
	return r.print(env.stdout, p.ears.reports(conf.Site, p.wires()), ailments(&conf))
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
	p.ears = newEars(c, func() time.Time { return time.Now().UTC() }, p, slog.New(slog.DiscardHandler))
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

func (p *probe) hearing(string, bool) {}

func (p *probe) wires() []discovery.Wire {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tracker.Wires(time.Now())
}

// doctorRequest asks a serve for what it has heard.
type doctorRequest struct{ JSON bool }

func (r *doctorRequest) carryOut(_ context.Context, s *session, env *environment) error {
	if s.ears == nil {
		return errNoCapture()
	}
	return r.print(env.stdout, s.ears.reports(s.config.Site, s.engine.Wires(s.live.clock.now())), ailments(&s.config))
}

// print writes the reports with their findings, and what ails Perch as a whole.
// The error tells that nothing usable is heard anywhere.
func (r *doctorRequest) print(out io.Writer, reports []earReport, whole []symptom) error {
	usable := false
	for i, rep := range reports {
		d := diagnosis{rep, findings(&rep, time.Now())}
		if d.Findings == nil {
			d.Findings = []symptom{} // a list for programs, also without any
		}
		usable = usable || len(rep.Heard.Kinds) > 0
		if r.JSON {
			line, err := json.Marshal(d)
			if err != nil {
				return err
			}
			if _, err := out.Write(append(line, '\n')); err != nil {
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
	switch {
	case len(whole) == 0:
	case r.JSON:
		line, err := json.Marshal(struct {
			Findings []symptom `json:"findings"`
		}{whole})
		if err != nil {
			return err
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return err
		}
	default:
		fmt.Fprint(out, "\nperch\n")
		printSymptoms(out, whole)
	}
	if !usable {
		return withHint(errors.New("nothing is heard that would tell where a phone is"), "do what the findings say; README, \"Where to put it\", tells what is heard where")
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

// symptom is one thing that is not heard, or not as it should be: what that means,
// and what to do about it.
type symptom struct {
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

// ailments judges what is not an interface's.
func ailments(c *config) []symptom {
	var out []symptom
	if c.Mail.SMTP == "" {
		out = append(out, symptom{"mail.smtp is not set: nobody is asked; mails wait in the outbox", "name a mail server in perch.yaml; perch config example tells how"})
	}
	if !clockInStep() {
		out = append(out, symptom{"the clock is not synchronized: the times that Perch tells may be off", "run an NTP client, such as chrony or systemd-timesyncd; timedatectl shows whether it works"})
	}
	return out
}

// clockInStep reports whether the kernel knows of somebody who keeps its clock in
// step (adjtimex(2)); where it does not tell, that is assumed.
func clockInStep() bool {
	state, err := unix.Adjtimex(&unix.Timex{})
	return err != nil || state != unix.TIME_ERROR
}

// patience is how long something may not be heard before doctor speaks of it:
// four LLDP intervals of 30 s.
const patience = 2 * time.Minute

// findings judges what was heard on an interface up to now.
func findings(r *earReport, now time.Time) []symptom {
	var out []symptom
	say := func(is bool, what, remedy string) {
		if is {
			out = append(out, symptom{what, remedy})
		}
	}
	h := &r.Heard
	n := func(kind string) int { return h.Kinds[kind].Count }
	switch {
	case r.State == "not opened", r.State == "waiting":
		return nil // its error says it all
	case r.State == "no carrier":
		say(true, "the link is down", "look at the cable, and at the switch's port; a mirror port may have to be enabled: ip link set "+r.Interface+" up")
		return out
	}
	if len(h.Kinds) == 0 {
		say(true, "nothing is heard: no ARP, no DHCP, no LLDP, no SIP",
			"see that the switch mirrors the voice VLAN to this port; tcpdump -ni "+r.Interface+" shows what comes in")
		return out
	}
	say(r.State == "dropping" || r.Dropped > 0, fmt.Sprintf("%d frames were lost: the machine does not keep up", r.Dropped),
		"mirror fewer VLANs or ports to this interface, or give Perch more of the processor")
	say(h.Phones == 0, "no LLDP or CDP from a phone is heard: this port is on no phone's link",
		"a phone's switch port is known then only from option 82; to hear LLDP, capture one access link, or let the switch mirror LLDP as well (few do)")
	say(h.Phones > 0 && h.Switches == 0, "phones announce themselves, but no switch port does",
		"switch LLDP on at the switch's port (lldp transmit), or its frames are not mirrored: most switches keep their own out of a mirror")
	say(h.Phones > 0 && h.Switches > 0 && !r.Wire.Link, "phones and switch ports announce themselves, and which belongs to which cannot be told here: "+because(r.Wire),
		"no phone is given a switch port from here, which is right for a mirror; to get ports, use option 82 or one capture for each access link")
	say(n("dhcp")+n("dhcpv6") == 0, "no DHCP is heard: leases, and with them most IP addresses, are not known",
		"capture between the phones and their DHCP server or relay; unicast renewals are seen only there")
	say(n("dhcp") > 0 && h.Option82 == 0, "DHCP is heard, but no option 82: no relay says through which port a phone came",
		"switch on DHCP snooping with option 82 at the access switches, and capture between relay and server")
	say(n("register") == 0, "no REGISTER is heard: a phone is then acted on only by its lease, and its lines are not known",
		"capture where the phones reach the PBX; SIP over TLS (port 5061) is opaque here; other ports go into sip: {ports: [...]}")
	say(n("register") > 0 && n("register_response") == 0, "REGISTERs are heard, but no answers to them: none of them counts",
		"mirror both directions of the port, or look at the PBX: it may not answer")
	say(n("register_response") > 0 && h.Answered == 0, "no REGISTER was accepted: only refusals are heard",
		"a scanner, or phones with wrong passwords: see the PBX's log")
	say(n("arp")+n("nd") == 0, "no ARP is heard: which MAC has which IP is known only from leases",
		"this is so behind a router; capture in the phones' own VLAN to see their MACs")
	say(len(h.IPSenders) == 1 && n("register")+n("dhcp") > 1, "all IP traffic comes from one MAC: a router's, or a single phone's",
		"behind a router the phones' own MACs are not seen; capture in their VLAN, or rely on DHCP and the MACs in their User-Agents")
	say(h.Malformed > 0, fmt.Sprintf("%d messages could be read in part only", h.Malformed),
		"perch decode of a recording says which, under \"malformed\"")
	if young := now.Sub(r.Since); !r.Since.IsZero() && young < patience && len(out) > 0 {
		out = append(out, symptom{"it was listened to for " + young.Round(time.Second).String() + " only",
			"phones speak LLDP every 30 s, and renew and register within the hour: ask again later"})
	}
	return out
}
