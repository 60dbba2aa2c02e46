package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"perch/provisioning"
	"perch/provisioning/settings"
)

// provisionCmd shows and checks what phones are told.
type provisionCmd struct {
	Render  provisionRenderCmd `cmd:"" help:"Print the configuration file of a phone, or which layer gave each setting."`
	Check   provisionCheckCmd  `cmd:"" help:"Check the settings of all listed phones."`
	Open    provisionOpenCmd   `cmd:"" help:"Let a phone that has no password yet fetch its configuration, once."`
	Shut    provisionShutCmd   `cmd:"" help:"Shut the window of a phone."`
	Windows provisionListCmd   `cmd:"" help:"List the windows that are open: phones that may fetch their configuration without a password."`
	Lint    provisionLintCmd   `cmd:"" help:"Find what in the settings may cost a call for help, or a secret."`
	Audit   provisionAuditCmd  `cmd:"" help:"Tell what was handed to whom, and what admins changed in that."`
	DHCP    provisionDHCPCmd   `cmd:"" name:"dhcp" help:"Print what a DHCP server is to be told, so that phones find their files."`
}

type provisionRenderCmd struct {
	databaseFlags
	MAC    string `arg:"" name:"mac" help:"Of a listed phone."`
	Layers bool   `help:"Print each setting, its value and the layer that gave it; secrets are left out."`
	Common bool   `help:"Print the file that anybody may have."`
	JSON   bool   `name:"json" help:"With -layers: print one JSON object a line."`
}

// Run is the command.
func (c *provisionRenderCmd) Run(env *environment) error {
	if c.JSON && !c.Layers {
		return withHint(errors.New("-json is of -layers"), "perch provision render -layers -json MAC")
	}
	return c.ask(env, "provision/render", &renderRequest{c.MAC, c.Layers, c.Common, c.JSON}, refuseMissing)
}

type renderRequest struct {
	MAC                  string
	Layers, Common, JSON bool
}

func (r *renderRequest) carryOut(_ context.Context, s *session, env *environment) error {
	mac, err := parseMAC(r.MAC)
	if err != nil {
		return err
	}
	files, err := s.phoneFiles()
	if err != nil {
		return err
	}
	var device *settings.Device
	s.engine.Read(func(d *provisioning.Directory) {
		if p, ok := d.Phone(mac); ok {
			device, err = files.device(d, &p)
		} else {
			err = withHint(fmt.Errorf("%s is not listed", mac), "list it in phones.csv with its vendor, and import that")
		}
	})
	if err != nil {
		return err
	}
	set, err := files.of(device)
	if err != nil {
		return err
	}
	kind, list := settings.Own, set.Own
	if r.Common {
		kind, list = settings.Common, set.Common
	}
	if r.Layers {
		return printLayers(env, set, list, r.JSON)
	}
	text, err := set.File(kind)
	if err != nil {
		return withHint(err, "mend the value in the directory, or in the layer that is named")
	}
	_, err = env.stdout.Write(text)
	return err
}

// listedPhone is a phone as it was when all were looked through: what its files say, or why
// that is not known.
type listedPhone struct {
	provisioning.Phone
	device *settings.Device
	err    error
}

// devices are all listed phones. Their files are made of that later, when the engine goes on.
func (s *session) devices(f *phoneFiles) (out []listedPhone) {
	s.engine.Read(func(d *provisioning.Directory) {
		for _, p := range d.Phones() {
			x := listedPhone{Phone: p}
			x.device, x.err = f.device(d, &p)
			out = append(out, x)
		}
	})
	return out
}

// settings are those of one of them.
func (x *listedPhone) settings(f *phoneFiles) (*settings.Set, error) {
	if x.err != nil {
		return nil, x.err
	}
	return f.of(x.device)
}

// printLayers prints where each setting is from. What a secret is nobody needs to see for
// that.
func printLayers(env *environment, set *settings.Set, list []settings.Setting, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(env.stdout)
		e.SetEscapeHTML(false)
		for _, x := range list {
			if err := e.Encode(struct {
				Key   string `json:"key"`
				Value string `json:"value"`
				Layer string `json:"layer"`
			}{x.Key, set.Shown(&x), x.Layer}); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SETTING\tVALUE\tLAYER")
	for _, x := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\n", x.Key, dash(set.Shown(&x)), x.Layer)
	}
	return w.Flush()
}

type provisionCheckCmd struct{ databaseFlags }

// Run is the command.
func (c *provisionCheckCmd) Run(env *environment) error {
	return c.ask(env, "provision/check", &checkRequest{}, refuseMissing)
}

type checkRequest struct{}

func (r *checkRequest) carryOut(_ context.Context, s *session, env *environment) error {
	files, err := s.phoneFiles()
	if err != nil {
		return err
	}
	var errs []error
	seen := map[string]bool{}
	right, without := 0, 0
	for _, p := range s.devices(&files) {
		if p.Vendor == "" {
			without++
			continue
		}
		set, err := p.settings(&files)
		if err == nil {
			_, err = set.File(settings.Own)
		}
		switch {
		case err == nil:
			right++
		case !seen[err.Error()]: // a fault in a layer is that of many phones
			seen[err.Error()] = true
			if h := hinter(nil); !errors.As(err, &h) {
				err = withHint(err, "docs/provisioning.md tells what stands in files of settings")
			}
			errs = append(errs, err)
		}
	}
	fmt.Fprintf(env.stdout, "%d phones have their files", right)
	if without > 0 {
		fmt.Fprintf(env.stdout, ", of %d the vendor is not known", without)
	}
	fmt.Fprintln(env.stdout)
	return errors.Join(errs...)
}

type provisionDHCPCmd struct {
	Config string `help:"Configuration file." placeholder:"FILE"`
	Server string `arg:"" help:"kea, dnsmasq or isc."`
}

// Run is the command.
func (c *provisionDHCPCmd) Run(env *environment) error {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	if conf.Provision.URL == "" {
		return withHint(errors.New("where phones find their files is not known"), "name it with provision: {url: \"https://HOST:PORT/\"}")
	}
	text, err := settings.DHCP(c.Server, conf.Provision.URL)
	if err != nil {
		return withHint(err, "perch provision dhcp kea, dnsmasq or isc")
	}
	_, err = fmt.Fprint(env.stdout, text)
	return err
}
