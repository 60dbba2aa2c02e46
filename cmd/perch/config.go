package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/mail"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"

	"perch/discovery"
	"perch/discovery/capture"
	"perch/gateway"
	"perch/matcher"
	"perch/notify"
	"perch/sip/proxy"
)

//go:embed perch.example.yaml
var exampleConfig []byte

// config is the configuration file. Every key has a default.
type config struct {
	Database string          `yaml:"database"`
	Socket   string          `yaml:"socket"`
	Site     string          `yaml:"site"`
	Capture  []captureConfig `yaml:"capture"`
	Relays   []relayConfig   `yaml:"relays"`
	SIP      sipConfig       `yaml:"sip"`
	Secrets  secretsConfig   `yaml:"secrets"`
	Mail     mailConfig      `yaml:"mail"`
	Alarm    alarmConfig     `yaml:"alarm"`
	Portal   portalConfig    `yaml:"portal"`
	Policy   policyConfig    `yaml:"policy"`

	Provision provisionConfig `yaml:"provision"`
}

type captureConfig struct {
	Interface string `yaml:"interface"`
	Site      string `yaml:"site"`
	Role      string `yaml:"role"`
}

type relayConfig struct {
	RemoteID string `yaml:"remote_id"`
	Access   bool   `yaml:"access"`
}

type secretsConfig struct {
	KeyFile string `yaml:"key_file"`
}

type mailConfig struct {
	SMTP         string `yaml:"smtp"`
	From         string `yaml:"from"`
	Organization string `yaml:"organization"`
}

type portalConfig struct {
	Listen string `yaml:"listen"`
	URL    string `yaml:"url"`
}

type policyConfig struct {
	Bootstrap          bool     `yaml:"bootstrap"`
	Settle             duration `yaml:"settle"`
	SettleUnregistered duration `yaml:"settle_unregistered"`
	PromptExpiry       duration `yaml:"prompt_expiry"`
	AskAgain           duration `yaml:"ask_again"`
	Incident           any      `yaml:"incident"`
}

// unused names the keys that are given but that this version makes no use of.
func (c *config) unused() []string {
	var out []string
	for _, k := range []struct {
		name  string
		value any
	}{
		{"policy.incident", c.Policy.Incident},
	} {
		if k.value != nil {
			out = append(out, k.name)
		}
	}
	return out
}

// placeholders names the keys with which mails are sent that still have the
// example's value.
func (c *config) placeholders() []string {
	var out []string
	d := defaults()
	if c.Mail.From == d.Mail.From {
		out = append(out, "mail.from")
	}
	if c.Portal.URL == d.Portal.URL {
		out = append(out, "portal.url")
	}
	return out
}

// sites returns the sites that are named, each once.
func (c *config) sites() []string {
	all := []string{c.Site}
	for _, i := range c.Capture {
		all = append(all, i.Site)
	}
	for _, s := range c.SIP.Sites {
		all = append(all, s.Site)
	}
	for _, s := range c.SIP.EmergencySites {
		all = append(all, s.Site)
	}
	for _, s := range c.Provision.Sites {
		all = append(all, s.Site)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(s string) bool { return s == "" })
}

// defaults is what holds without a configuration file.
func defaults() config {
	p, a := gateway.DefaultPolicy(), gateway.DefaultAlarm()
	return config{
		Database: "perch.db",
		SIP: sipConfig{
			Ports: []uint16{5060}, Allow: proxy.PrivateNetworks, Emergency: proxy.DefaultEmergencyNumbers,
			Registrar: sipRegistrarConfig{Algorithms: proxy.Algorithms[:1]},
		},
		Mail:   mailConfig{From: "Perch <perch@example.com>"},
		Portal: portalConfig{Listen: "127.0.0.1:8080", URL: "https://perch.example.com"},
		Alarm:  alarmConfig{Repeat: duration(a.Repeat), Retention: duration(a.Retention)},
		Policy: policyConfig{
			Bootstrap: !p.NoBootstrap, Settle: duration(p.Settle), SettleUnregistered: duration(p.SettleUnregistered),
			PromptExpiry: duration(p.PromptExpiry), AskAgain: duration(p.AskAgain),
		},
	}
}

// defaultConfigFile is read if it is there and -config is not given.
const defaultConfigFile = "perch.yaml"

// loadConfig reads a configuration file. An empty name means the default file,
// which need not exist.
func loadConfig(name string) (config, error) {
	given := name != ""
	if !given {
		name = defaultConfigFile
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && !given {
		return defaults(), nil
	}
	if err != nil {
		return config{}, withHint(err, "name a readable file with -config; perch config example prints one")
	}
	return parseConfig(name, b)
}

func parseConfig(name string, b []byte) (config, error) {
	c := defaults()
	err := yaml.NewDecoder(strings.NewReader(string(b)), yaml.Strict()).Decode(&c)
	if err != nil && !errors.Is(err, io.EOF) {
		at := name
		what := err.Error()
		var ye yaml.Error
		if errors.As(err, &ye) {
			what = ye.GetMessage()
			if tok := ye.GetToken(); tok != nil && tok.Position != nil {
				at = fmt.Sprintf("%s:%d", name, tok.Position.Line)
			}
		}
		hint := exampleHint
		if strings.Contains(what, "alias") || strings.Contains(what, "unexpected scalar") {
			hint = `a text that begins with * & ! % @ or { is put in quotes: interface: "*"`
		}
		return c, withHint(fmt.Errorf("%s: %s", at, what), hint)
	}
	for i, ic := range c.Capture {
		if _, err := path.Match(ic.Interface, ""); err != nil || ic.Interface == "" {
			return c, configFault(name, "capture[%d]: interface %q is not a pattern", i, ic.Interface)
		}
		if !ic.isPattern() && (len(ic.Interface) > capture.MaxName || strings.ContainsAny(ic.Interface, "/ \t")) {
			return c, configFault(name, "capture[%d]: interface %q: a name has 1 to %d octets, without spaces and /", i, ic.Interface, capture.MaxName)
		}
		if slices.ContainsFunc(c.Capture[:i], func(o captureConfig) bool { return o.Interface == ic.Interface }) {
			return c, configFault(name, "capture[%d]: interface %q is configured twice", i, ic.Interface)
		}
		if _, ok := roleOf(ic.Role); !ok {
			return c, configFault(name, "capture[%d]: role %q: want auto, link or mirror", i, ic.Role)
		}
	}
	if c.SIP.RegEvents.User == "" && c.SIP.RegEvents.SecretFile != "" {
		return c, configFault(name, "sip.reg_events: want a user whose password is in secret_file")
	}
	if len(c.SIP.Listen)+len(c.SIP.Upstream) > 0 || c.SIP.RegEvents.User != "" {
		p := c.proxy()
		if err := p.Check(); err != nil {
			return c, configFault(name, "sip: %v", err)
		}
	}
	for i, s := range c.SIP.Sites {
		if !s.Prefix.IsValid() || s.Site == "" {
			return c, configFault(name, "sip.sites[%d]: want a prefix and a site", i)
		}
	}
	for _, hook := range []struct{ key, url string }{{"alarm.webhook", c.Alarm.Webhook}, {"provision.webhook", c.Provision.Webhook}} {
		if u, err := url.Parse(hook.url); err != nil || hook.url != "" && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			return c, configFault(name, "%s: want a URL with http:// or https://", hook.key) // it may hold a secret
		}
	}
	if err := c.Provision.check(); err != nil {
		return c, configFault(name, "%v", err)
	}
	if what := c.Alarm.check(); what != "" {
		return c, configFault(name, "alarm.%s", what)
	}
	if _, err := c.renderer(); err != nil {
		return c, configFault(name, "%v", err)
	}
	_, port, err := net.SplitHostPort(c.Portal.Listen)
	if err != nil {
		return c, configFault(name, "portal.listen: %v", err)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return c, configFault(name, "portal.listen %q: the port is no number up to 65535", c.Portal.Listen)
	}
	if c.Mail.SMTP != "" {
		if _, err := notify.ParseServer(c.Mail.SMTP); err != nil {
			return c, withHint(fmt.Errorf("%s: %w", name, err), hintOf(err))
		}
	}
	return c, nil
}

// envelope is the sender's address alone, for MAIL FROM.
func (c *config) envelope() (string, error) {
	a, err := mail.ParseAddress(c.Mail.From)
	if err != nil {
		return "", fmt.Errorf("mail.from %q: %w", c.Mail.From, err)
	}
	return a.Address, nil
}

const exampleHint = "perch config example prints every key with its meaning"

func configFault(name, what string, args ...any) error {
	return withHint(fmt.Errorf("%s: "+what, append([]any{name}, args...)...), exampleHint)
}

func roleOf(s string) (discovery.Role, bool) {
	switch s {
	case "", "auto":
		return discovery.RoleAuto, true
	case "link":
		return discovery.RoleLink, true
	case "mirror":
		return discovery.RoleMirror, true
	}
	return 0, false
}

// discovery returns what the configuration says about the wires.
func (c *config) discovery() discovery.Config {
	out := discovery.Config{Site: c.Site}
	for _, s := range c.SIP.Sites {
		out.Interfaces = append(out.Interfaces, discovery.InterfaceConfig{Pattern: sipInterface + ":" + s.Site, Site: s.Site, Role: discovery.RoleMirror})
	}
	for _, i := range c.Capture {
		role, _ := roleOf(i.Role)
		out.Interfaces = append(out.Interfaces, discovery.InterfaceConfig{Pattern: i.Interface, Site: i.Site, Role: role})
	}
	for _, r := range c.Relays {
		out.Relays = append(out.Relays, discovery.RelayConfig{RemoteID: matcher.ParseRelayID(r.RemoteID), Access: r.Access})
	}
	return out
}

func (c *config) renderer() (*notify.Renderer, error) {
	return notify.New(notify.Config{From: c.Mail.From, URL: c.Portal.URL, Organization: c.Mail.Organization})
}

// engine returns what the configuration says about the workflow.
func (c *config) engine() (gateway.Config, error) {
	r, err := c.renderer()
	if err != nil {
		return gateway.Config{}, err
	}
	return gateway.Config{
		Discovery: c.discovery(),
		Policy: gateway.Policy{
			NoBootstrap: !c.Policy.Bootstrap, Settle: time.Duration(c.Policy.Settle),
			SettleUnregistered: time.Duration(c.Policy.SettleUnregistered),
			PromptExpiry:       time.Duration(c.Policy.PromptExpiry), AskAgain: time.Duration(c.Policy.AskAgain),
		},
		Renderer: r, Alarm: c.Alarm.gateway(),
	}, nil
}

// configCmd prints or checks the configuration.
type configCmd struct {
	Example struct{} `cmd:"" help:"Print every key with its default and its meaning."`
	Check   struct {
		Config string `help:"Configuration file." placeholder:"FILE"`
	} `cmd:"" help:"Check the configuration file."`
}

// Run is the command.
func (c *configCmd) Run(env *environment, ctx *kong.Context) error {
	if ctx.Command() == "config example" {
		_, err := env.stdout.Write(exampleConfig)
		return err
	}
	conf, err := loadConfig(c.Check.Config)
	if err != nil {
		return err
	}
	name := c.Check.Config
	if name == "" {
		name = defaultConfigFile
	}
	if conf.Mail.SMTP != "" {
		server, err := notify.ParseServer(conf.Mail.SMTP)
		if err == nil {
			err = server.Check() // its files and variables are there
		}
		if err != nil {
			return withHint(fmt.Errorf("%s: %w", name, err), hintOf(err))
		}
	}
	if _, err := conf.SIP.RegEvents.secret(); err != nil {
		return err
	}
	if p := conf.proxy(); len(p.Listen) > 0 {
		if err := p.CheckFiles(); err != nil {
			return withHint(fmt.Errorf("%s: sip: %w", name, err), "tls: {certificate: ..., key: ..., ca: ...} name PEM files: the key is the certificate's, and both can be read")
		}
	}
	if _, err := conf.Provision.layers(); err != nil {
		return err
	}
	_, _, err = conf.Provision.TLS.config(slog.New(slog.DiscardHandler))
	if err == nil {
		_, err = conf.Provision.TLS.authorities()
	}
	if err != nil {
		return withHint(fmt.Errorf("%s: provision: tls: %w", name, err), provisionTLSHint)
	}
	for i, ic := range conf.Capture {
		if ic.isPattern() {
			continue
		}
		if _, err := net.InterfaceByName(ic.Interface); err != nil {
			fmt.Fprintf(env.stdout, "%s: capture[%d]: there is no interface %s here just now; serve waits for it\n", name, i, ic.Interface)
		}
	}
	if conf.Mail.SMTP != "" {
		for _, key := range conf.placeholders() {
			fmt.Fprintf(env.stdout, "%s: %s is still the example's\n", name, key)
		}
	}
	for _, key := range conf.unused() {
		fmt.Fprintf(env.stdout, "%s: %s is for a later version; this one does not use it\n", name, key)
	}
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		_, err = fmt.Fprintf(env.stdout, "there is no %s here: the defaults hold\n", name)
		return err
	}
	_, err = fmt.Fprintf(env.stdout, "%s: ok\n", name)
	return err
}
