package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"perch/discovery"
	"perch/provisioning"
	"perch/provisioning/serve"
	"perch/sip"
)

// network is a prefix on the command line.
type network struct{ netip.Prefix }

// UnmarshalText reads it.
func (n *network) UnmarshalText(b []byte) (err error) {
	n.Prefix, err = provisioning.ParsePrefix(string(b))
	return err
}

// windowFlags say for how long a phone may fetch without its password, and from where.
type windowFlags struct {
	For     duration `help:"How long it may fetch its configuration without its password." default:"1h"`
	Network network  `help:"From where alone, 0.0.0.0/0 for anywhere (default: the subnet it waits in)." placeholder:"PREFIX"`
}

func (f *windowFlags) window() windowAsk { return windowAsk{f.For, f.Network.Prefix} }

// phoneFlags are what is said of a phone.
type phoneFlags struct {
	Vendor string   `help:"Yealink, Poly, Cisco, Grandstream, Snom or Fanvil (default: what the phone says, or whose its MAC is)."`
	Model  string   `help:"Model (default: what the phone says)."`
	Label  string   `help:"What people call it."`
	Site   string   `help:"Where it stands (default: as its address says)."`
	Users  []string `help:"Emails of its users." placeholder:"EMAIL,..."`
	AORs   []string `name:"aors" help:"Its lines, the first one first." placeholder:"AOR,..."`
}

// phone reads them.
func (f *phoneFlags) phone(mac string) (p provisioning.Phone, err error) {
	if p.MAC, err = parseMAC(mac); err != nil {
		return p, err
	}
	row := func(name string, set func() error) {
		if fault := set(); fault != nil && err == nil {
			err = &usageError{"-" + name + ": " + fault.Error(), "perch phones add --help"}
		}
	}
	p.Label, p.Site = strings.TrimSpace(f.Label), f.Site
	row("vendor", func() (err error) {
		if f.Vendor != "" {
			p.Vendor, err = provisioning.ParseVendor(f.Vendor)
		}
		return err
	})
	row("model", func() error { p.Model = f.Model; return provisioning.CheckModel(f.Model) })
	for _, u := range f.Users {
		row("users", func() error {
			email, err := provisioning.ParseEmail(u)
			p.Users = append(p.Users, email)
			return err
		})
	}
	for _, a := range f.AORs {
		row("aors", func() error {
			aor, err := provisioning.ParseAOR(a)
			p.AORs = append(p.AORs, aor)
			if err == nil && !strings.Contains(string(aor), "@") {
				err = fmt.Errorf("%q: want 101@example.com, with the PBX", a)
			}
			return err
		})
	}
	return p, err
}

type phonesAddCmd struct {
	databaseFlags
	MAC string `arg:"" name:"mac" help:"Of the phone; it stands on the box."`
	phoneFlags
	Open    bool     `help:"It may fetch its configuration now, without a password."`
	For     duration `help:"With -open: how long." default:"1h"`
	Network network  `help:"With -open: from where alone (default: anywhere)." placeholder:"PREFIX"`
	JSON    bool     `name:"json" help:"Print it as JSON."`
}

// Run is the command.
func (c *phonesAddCmd) Run(env *environment) error {
	p, err := c.phone(c.MAC)
	if err != nil {
		return err
	}
	r := &addPhoneRequest{Phone: p, By: operator(), JSON: c.JSON}
	if c.Open {
		r.Window = windowAsk{c.For, c.Network.Prefix}
	}
	return c.ask(env, "phones/add", r, refuseMissing)
}

type phonesAdoptCmd struct {
	databaseFlags
	MAC string `arg:"" name:"mac" help:"Of a phone that waits."`
	phoneFlags
	windowFlags
	JSON bool `name:"json" help:"Print it as JSON."`
}

// Run is the command.
func (c *phonesAdoptCmd) Run(env *environment) error {
	p, err := c.phone(c.MAC)
	if err != nil {
		return err
	}
	return c.ask(env, "phones/add", &addPhoneRequest{Phone: p, Window: c.window(), Waits: true, By: operator(), JSON: c.JSON}, refuseMissing)
}

type addPhoneRequest struct {
	Phone  provisioning.Phone
	Window windowAsk
	Waits  bool // else it is not listed, unless it is said from where it will ask
	By     string
	JSON   bool
}

func (r *addPhoneRequest) carryOut(ctx context.Context, s *session, env *environment) error {
	if r.Waits && !r.Window.Network.IsValid() && s.canOpen(r.Phone.Site) == nil {
		if _, waits := s.waits(r.Phone.MAC); !waits {
			return withHint(fmt.Errorf("%s does not wait: it is not known from where it will ask", r.Phone.MAC),
				"perch phones waiting shows those that do, while perch serve runs; or say from where: -network PREFIX, 0.0.0.0/0 for anywhere")
		}
	}
	p, w, err := s.addPhone(ctx, r.Phone, r.Window, r.By)
	if err != nil {
		return err
	}
	return s.printPhone(env, p, w, r.Window, "is listed", r.JSON)
}

// printPhone tells what a phone is now, and what to do next.
func (s *session) printPhone(env *environment, p provisioning.Phone, w *serve.Window, ask windowAsk, what string, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(env.stdout).Encode(struct {
			provisioning.Phone
			Window *serve.Window `json:"window,omitempty"`
		}{p, w})
	}
	fmt.Fprintf(env.stdout, "%s %s: %s %s%s\n", p.MAC, what, p.Vendor, dash(p.Model), inParens(p.Label))
	if len(p.AORs) == 0 {
		fmt.Fprintln(env.stdout, "it has no line yet: give it one in aors of phones.csv (perch export phones > phones.csv)")
	}
	for _, a := range s.passwordless(&p) {
		fmt.Fprintf(env.stdout, "%s has no password here: list it in lines.csv with its secret, and import that, before the phone fetches its configuration\n", a)
	}
	switch {
	case w == nil && ask.For > 0:
		_, err := fmt.Fprintln(env.stdout, "its site opens no windows: it fetches its configuration by its vendor's certificate")
		return err
	case w == nil:
		_, err := fmt.Fprintf(env.stdout, "next: perch phones reset %s lets it fetch its configuration the first time\n", p.MAC)
		return err
	}
	from := " from anywhere (-network narrows that)"
	if w.Network.IsValid() {
		from = " from " + w.Network.String()
	}
	next := "start it now"
	if s.live == nil {
		next = "start perch serve, and then the phone"
	}
	_, err := fmt.Fprintf(env.stdout, "until %s UTC it may fetch its configuration%s without a password: %s\n", stamp(w.Until), from, next)
	return err
}

type phonesResetCmd struct {
	databaseFlags
	MAC string `arg:"" name:"mac" help:"Of a listed phone."`
	windowFlags
	JSON bool `name:"json" help:"Print it as JSON."`
}

// Run is the command.
func (c *phonesResetCmd) Run(env *environment) error {
	return c.ask(env, "provision/open", &windowRequest{MAC: c.MAC, Ask: c.window(), By: operator(), JSON: c.JSON}, refuseMissing)
}

type phonesReplaceCmd struct {
	databaseFlags
	Old    string `arg:"" help:"MAC of the phone that goes."`
	New    string `arg:"" help:"MAC of the one that comes."`
	Vendor string `help:"Of the new one (default: what it says, whose its MAC is, or as the old one's)."`
	Model  string `help:"Of the new one (default: what it says, or as the old one's)."`
	windowFlags
	JSON bool `name:"json" help:"Print it as JSON."`
}

// Run is the command.
func (c *phonesReplaceCmd) Run(env *environment) error {
	old, err := parseMAC(c.Old)
	if err != nil {
		return err
	}
	f := phoneFlags{Vendor: c.Vendor, Model: c.Model}
	next, err := f.phone(c.New)
	if err != nil {
		return err
	}
	return c.ask(env, "phones/replace", &replacePhoneRequest{Old: old, New: next, Window: c.window(), By: operator(), JSON: c.JSON}, refuseMissing)
}

type replacePhoneRequest struct {
	Old    discovery.MAC
	New    provisioning.Phone
	Window windowAsk
	By     string
	JSON   bool
}

func (r *replacePhoneRequest) carryOut(ctx context.Context, s *session, env *environment) error {
	p, w, err := s.replacePhone(ctx, r.Old, r.New, r.Window, r.By)
	if err != nil {
		return err
	}
	if err := s.printPhone(env, p, w, r.Window, "is in the place of "+r.Old.String(), r.JSON); err != nil || r.JSON {
		return err
	}
	_, err = fmt.Fprintf(env.stdout, "%s still has the passwords of its lines: reset it, or perch lines rotate\n", r.Old)
	return err
}

type phonesRemoveCmd struct {
	databaseFlags
	MAC   string `arg:"" name:"mac" help:"Of a listed phone."`
	Lines bool   `help:"Remove its lines, too, if no other phone has them."`
	JSON  bool   `name:"json" help:"Print it as JSON."`
}

// Run is the command.
func (c *phonesRemoveCmd) Run(env *environment) error {
	m, err := parseMAC(c.MAC)
	if err != nil {
		return err
	}
	return c.ask(env, "phones/remove", &removePhoneRequest{m, c.Lines, operator(), c.JSON}, refuseMissing)
}

type removePhoneRequest struct {
	MAC   discovery.MAC
	Lines bool
	By    string
	JSON  bool
}

func (r *removePhoneRequest) carryOut(ctx context.Context, s *session, env *environment) error {
	left, err := s.removePhone(ctx, r.MAC, r.Lines, r.By)
	if err != nil {
		return err
	}
	if r.JSON {
		return json.NewEncoder(env.stdout).Encode(struct {
			MAC  discovery.MAC `json:"mac"`
			Left []sip.AOR     `json:"secrets_left,omitempty"`
		}{r.MAC, left})
	}
	fmt.Fprintf(env.stdout, "%s is listed no more\n", r.MAC)
	for _, a := range left {
		fmt.Fprintf(env.stdout, "the password of %s is still in it: perch lines rotate %s, or reset the phone\n", a, strings.TrimPrefix(string(a), "sip:"))
	}
	return nil
}

type phonesResyncCmd struct {
	databaseFlags
	MAC    string `arg:"" name:"mac" help:"Of a phone that is registered through Perch."`
	Reboot bool   `help:"It is to start again."`
	JSON   bool   `name:"json" help:"Print it as JSON."`
}

// Run is the command.
func (c *phonesResyncCmd) Run(env *environment) error {
	m, err := parseMAC(c.MAC)
	if err != nil {
		return err
	}
	return c.ask(env, "phones/resync", &resyncRequest{m, c.Reboot, c.JSON}, refuseMissing)
}

type resyncRequest struct {
	MAC    discovery.MAC
	Reboot bool
	JSON   bool
}

func (r *resyncRequest) carryOut(ctx context.Context, s *session, env *environment) error {
	answer, err := s.resync(ctx, r.MAC, r.Reboot)
	if err != nil {
		return err
	}
	if r.JSON {
		return json.NewEncoder(env.stdout).Encode(struct {
			MAC    discovery.MAC `json:"mac"`
			Answer string        `json:"answer"`
		}{r.MAC, answer})
	}
	_, err = fmt.Fprintf(env.stdout, "%s: %s\n", r.MAC, answer)
	return err
}
