package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"text/tabwriter"
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

type provisionOpenCmd struct {
	databaseFlags
	MAC     string        `arg:"" name:"mac" help:"Of a listed phone whose vendor is known."`
	Network netip.Prefix  `help:"From where alone." placeholder:"PREFIX"`
	For     time.Duration `help:"How long." default:"1h"`
	JSON    bool          `name:"json" help:"Print it as JSON."`
}

// Run is the command.
func (c *provisionOpenCmd) Run(env *environment) error {
	if c.For <= 0 || c.For > 7*24*time.Hour {
		return withHint(fmt.Errorf("-for %v", c.For), "a week at most: as long as a window is open whoever names the phone gets its passwords")
	}
	return c.ask(env, "provision/open", &windowRequest{MAC: c.MAC, Network: c.Network, For: c.For, By: operator(), JSON: c.JSON}, refuseMissing)
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
	Network    netip.Prefix
	For        time.Duration
	By         string
	List, JSON bool
}

func (r *windowRequest) carryOut(_ context.Context, s *session, env *environment) error {
	w, err := s.openWindows()
	if err != nil {
		return err
	}
	if r.List {
		return printWindows(env, w.List(time.Now()), r.JSON)
	}
	mac, err := discovery.ParseMAC(r.MAC)
	if err != nil {
		return withHint(err, "give the MAC of a listed phone, as 00:15:65:aa:bb:cc")
	}
	if r.For == 0 {
		was, err := w.Shut(mac, time.Now())
		if err == nil && !was {
			return withHint(fmt.Errorf("no window is open for %s", mac), "perch provision windows lists them")
		}
		return err
	}
	known := false
	s.engine.Read(func(d *provisioning.Directory) {
		p, ok := d.Phone(mac)
		known = ok && p.Vendor != ""
	})
	if !known {
		return withHint(fmt.Errorf("%s is not listed with its vendor", mac), "list it in phones.csv with vendor, model and aors, and import that")
	}
	x := serve.Window{MAC: mac, Network: r.Network, Until: time.Now().Add(r.For).Truncate(time.Second).UTC(), By: r.By}
	if err := w.Open(x); err != nil {
		return withHint(err, "see that the directory of the database can be written")
	}
	return printWindows(env, []serve.Window{x}, r.JSON)
}

func printWindows(env *environment, list []serve.Window, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(env.stdout)
		for _, x := range list {
			if err := e.Encode(x); err != nil {
				return err
			}
		}
		return nil
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(env.stdout, "no window is open")
		return err
	}
	t := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PHONE\tFROM\tUNTIL\tBY")
	for _, x := range list {
		from := "anywhere"
		if x.Network.IsValid() {
			from = x.Network.String()
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", x.MAC, from, stamp(x.Until), dash(x.By))
	}
	return t.Flush()
}
