package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"perch/discovery"
	"perch/provisioning"
	"perch/provisioning/settings"
)

// provisionCmd shows and checks what phones are told.
type provisionCmd struct {
	Render  provisionRenderCmd `cmd:"" help:"Print the configuration file of a phone, or which layer gave each setting."`
	Check   provisionCheckCmd  `cmd:"" help:"Check the settings of all listed phones."`
	Open    provisionOpenCmd   `cmd:"" help:"Let a phone that has no password yet fetch its configuration, once."`
	Shut    provisionShutCmd   `cmd:"" help:"Take that back."`
	Windows provisionListCmd   `cmd:"" help:"List the phones that may."`
	Lint    provisionLintCmd   `cmd:"" help:"Find what in the settings may cost a call for help, or a secret."`
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
	mac, err := discovery.ParseMAC(r.MAC)
	if err != nil {
		return withHint(err, "give the MAC of a listed phone, as 00:15:65:aa:bb:cc")
	}
	layers, err := s.config.Provision.layers()
	if err != nil {
		return err
	}
	key, err := s.secretKey()
	if err != nil {
		return err
	}
	var set *settings.Set
	s.engine.Read(func(d *provisioning.Directory) { set, err = s.config.settingsOf(d, layers, &key, mac) })
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

// settingsOf are the settings of a listed phone.
func (c *config) settingsOf(d *provisioning.Directory, l *settings.Layers, key *provisioning.SecretKey, mac discovery.MAC) (*settings.Set, error) {
	p, ok := d.Phone(mac)
	if !ok {
		return nil, withHint(fmt.Errorf("%s is not listed", mac), "list it in phones.csv with its vendor, and import that")
	}
	if p.Vendor == "" {
		return nil, withHint(fmt.Errorf("%s: its vendor is not known", mac), "fill in vendor, and model, in phones.csv, and import that")
	}
	x, err := c.device(d, &p, key)
	if err != nil {
		return nil, err
	}
	set, err := l.Of(x)
	if err != nil {
		return nil, withHint(err, "mend the template; perch provision check tries all phones")
	}
	return set, nil
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
	layers, err := s.config.Provision.layers()
	if err != nil {
		return err
	}
	key, err := s.secretKey()
	if err != nil {
		return err
	}
	var errs []error
	seen := map[string]bool{}
	right, without := 0, 0
	s.engine.Read(func(d *provisioning.Directory) {
		for _, p := range d.Phones() {
			if p.Vendor == "" {
				without++
				continue
			}
			set, err := s.config.settingsOf(d, layers, &key, p.MAC)
			if err == nil {
				_, err = set.File(settings.Own)
			}
			switch {
			case err == nil:
				right++
			case !seen[err.Error()]: // a fault in a layer is that of many phones
				seen[err.Error()] = true
				errs = append(errs, err)
			}
		}
	})
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
