package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"perch/discovery"
	"perch/provisioning"
	"perch/provisioning/serve"
)

// windowFile is where the windows of phones are kept.
func (s *session) windowFile() string { return s.beside + ".windows.json" }

// openWindows returns the windows: those of serve, or those that are kept.
func (s *session) openWindows() (*serve.Windows, error) {
	if s.windows != nil {
		return s.windows, nil
	}
	if s.beside == "" {
		return nil, errors.New("this database keeps no windows")
	}
	var list []serve.Window
	b, err := os.ReadFile(s.windowFile())
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, withHint(fmt.Errorf("the windows of phones: %w", err), "remove the file: then none is open")
	}
	return serve.NewWindows(list, func(l []serve.Window) error { return writeSynced(s.windowFile(), l) }), nil
}

// windowAsk says for how long, and for which network, a phone's window is to be open; no
// time: it stays as it is.
type windowAsk struct {
	For     duration `json:",omitzero"`
	Network netip.Prefix
}

// maxWindow is how long a window is open at most.
const maxWindow = 7 * 24 * time.Hour

func (w *windowAsk) check() error {
	if d := time.Duration(w.For); d < 0 || d > maxWindow {
		return withHint(fmt.Errorf("a window of %v", d), "a week at most: as long as a window is open whoever names the phone gets its passwords")
	}
	return nil
}

// errNoWindow reports that a site takes other proof alone.
type errNoWindow struct{ site string }

func (e *errNoWindow) Error() string {
	return fmt.Sprintf("site %q opens no windows: its phones prove which they are otherwise", e.site)
}

func (e *errNoWindow) Hint() string {
	return "provision: {levels: [...]} says how its phones may prove which they are"
}

// canOpen reports whether a phone of a site may have a window: nil if it may.
func (s *session) canOpen(site string) error {
	if levels := s.config.Provision.of(site).Levels; !slices.Contains(levels, serve.Opened) {
		return &errNoWindow{site}
	}
	if !slices.ContainsFunc(s.config.Provision.Listen, func(l string) bool { return strings.HasPrefix(l, "https:") }) {
		return withHint(errors.New("no phone fetches its own configuration here"), "passwords go by HTTPS alone: provision: {listen: [\"https:0.0.0.0:8443\"], tls: ...}, and start serve again")
	}
	return nil
}

// openWindow lets a phone fetch its files once without its password. Whoever asks for it is
// heard again, if it had asked too often.
func (s *session) openWindow(m discovery.MAC, ask windowAsk, by string) (x serve.Window, err error) {
	p, err := s.phone(m)
	if err != nil {
		return x, err
	}
	if err := ask.check(); err != nil {
		return x, err
	}
	if p.Vendor == "" {
		return x, withHint(fmt.Errorf("%s is not listed with its vendor", m), "list it in phones.csv with vendor, model and aors, and import that")
	}
	if err := s.canOpen(p.Site); err != nil {
		return x, err
	}
	w, err := s.openWindows()
	if err != nil {
		return x, err
	}
	if !ask.Network.IsValid() {
		ask.Network = s.networkOf(m)
	}
	x = serve.Window{MAC: m, Network: ask.Network, Until: time.Now().Add(time.Duration(ask.For)).Truncate(time.Second).UTC(), By: by}
	if err := w.Open(x); err != nil {
		return x, withHint(err, "see that the directory of the database can be written")
	}
	if s.phones != nil {
		if x.Network.IsValid() && x.Network.Bits() > 0 {
			s.phones.pages.Unblock(x.Network)
		}
		if from, asked := s.phones.asks.SourceOf(m, time.Now()); asked {
			s.phones.pages.Unblock(netip.PrefixFrom(from, from.BitLen()))
		}
	}
	return x, s.record(serve.Entry{What: serve.WasOpen, MAC: m, By: by, Note: "until " + stamp(x.Until) + ", from " + openTo(x.Network)})
}

// networkOf is the subnet in which a phone is, or from which it asked; zero: neither is known.
func (s *session) networkOf(m discovery.MAC) (p netip.Prefix) {
	site, from, ok := s.engine.AddressOf(m)
	if !ok && s.phones != nil {
		if from, ok = s.phones.asks.SourceOf(m, time.Now()); ok {
			site = s.siteOf(from)
		}
	}
	if !ok {
		return p
	}
	bits := 24
	if from.Is6() {
		bits = 64
	}
	p, _ = from.Prefix(bits) // of bits that it has
	s.engine.Read(func(d *provisioning.Directory) {
		if sub, ok := d.SiteSubnet(site, from); ok {
			p = sub
		}
	})
	return p
}

// shutWindow takes a window back, and reports whether there was one.
func (s *session) shutWindow(m discovery.MAC, by string) (was bool, err error) {
	w, err := s.openWindows()
	if err != nil {
		return false, err
	}
	if was, err = w.Shut(m, time.Now()); err != nil || !was {
		return was, err
	}
	return true, s.record(serve.Entry{What: serve.WasShut, MAC: m, By: by})
}

type provisionOpenCmd struct {
	databaseFlags
	MAC     string   `arg:"" name:"mac" help:"Of a listed phone whose vendor is known."`
	Network network  `help:"From where alone." placeholder:"PREFIX"`
	For     duration `help:"How long." default:"1h"`
	JSON    bool     `name:"json" help:"Print it as JSON."`
}

// Run is the command.
func (c *provisionOpenCmd) Run(env *environment) error {
	if c.For <= 0 {
		return withHint(fmt.Errorf("-for %v", time.Duration(c.For)), "say for how long, as 1h")
	}
	return c.ask(env, "provision/open", &windowRequest{MAC: c.MAC, Ask: windowAsk{c.For, c.Network.Prefix}, By: operator(), JSON: c.JSON}, refuseMissing)
}

type provisionShutCmd struct {
	databaseFlags
	MAC string `arg:"" name:"mac" help:"Of a phone."`
}

// Run is the command.
func (c *provisionShutCmd) Run(env *environment) error {
	return c.ask(env, "provision/open", &windowRequest{MAC: c.MAC, By: operator()}, refuseMissing)
}

type provisionListCmd struct {
	databaseFlags
	JSON bool `name:"json" help:"Print one JSON object a line."`
}

// Run is the command.
func (c *provisionListCmd) Run(env *environment) error {
	return c.ask(env, "provision/open", &windowRequest{List: true, JSON: c.JSON}, refuseMissing)
}

// windowRequest opens the window of a phone; without a time it shuts it.
type windowRequest struct {
	MAC        string
	Ask        windowAsk
	By         string
	List, JSON bool
}

func (r *windowRequest) carryOut(_ context.Context, s *session, env *environment) error {
	if r.List {
		w, err := s.openWindows()
		if err != nil {
			return err
		}
		return printWindows(env, w.List(time.Now()), r.JSON)
	}
	mac, err := parseMAC(r.MAC)
	if err != nil {
		return err
	}
	if r.Ask.For == 0 {
		was, err := s.shutWindow(mac, r.By)
		if err == nil && !was {
			return withHint(fmt.Errorf("no window is open for %s", mac), "perch provision windows lists them")
		}
		return err
	}
	x, err := s.openWindow(mac, r.Ask, r.By)
	if err != nil {
		return err
	}
	return printWindows(env, []serve.Window{x}, r.JSON)
}

// parseMAC reads the MAC of a phone.
func parseMAC(text string) (discovery.MAC, error) {
	m, err := discovery.ParseMAC(text)
	if err != nil {
		return m, withHint(err, "give the MAC of a phone, as 00:15:65:aa:bb:cc: perch phones list and perch phones waiting show them")
	}
	return m, nil
}

func printWindows(env *environment, rows []serve.Window, asJSON bool) error {
	table := list[serve.Window]{what: "window is open", header: "PHONE\tFROM\tUNTIL\tBY", rows: rows, cells: func(x serve.Window) []any {
		return []any{x.MAC, openTo(x.Network), stamp(x.Until), dash(x.By)}
	}}
	return table.print(env.stdout, asJSON, true)
}

// openTo says from where a phone may fetch in a window.
func openTo(p netip.Prefix) string {
	if !p.IsValid() {
		return "anywhere"
	}
	return p.String()
}
