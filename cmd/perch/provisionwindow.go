package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"

	"perch/discovery"
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
	Network network       `help:"From where alone." placeholder:"PREFIX"`
	For     time.Duration `help:"How long." default:"1h"`
	JSON    bool          `name:"json" help:"Print it as JSON."`
}

// Run is the command.
func (c *provisionOpenCmd) Run(env *environment) error {
	if c.For <= 0 {
		return withHint(fmt.Errorf("-for %v", c.For), "say for how long, as 1h")
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
		return m, withHint(err, "give the MAC of a listed phone, as 00:15:65:aa:bb:cc")
	}
	return m, nil
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
