package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path"
	"slices"
	"strings"

	"perch/provisioning"
	"perch/provisioning/serve"
	"perch/provisioning/settings"
)

// provisionConfig says what phones are told.
type provisionConfig struct {
	Listen    []string           `yaml:"listen"`
	TLS       provisionTLSConfig `yaml:"tls"`
	Settings  string             `yaml:"settings"`
	URL       string             `yaml:"url"`
	Proxy     string             `yaml:"proxy"`
	Backup    string             `yaml:"backup"`
	VoiceVLAN int                `yaml:"voice_vlan"`
	Language  string             `yaml:"language"`
	NTP       string             `yaml:"ntp"`
	Levels    []serve.Level      `yaml:"levels"` // how phones may prove which they are; empty: in any way
	Firmware  []firmwareConfig   `yaml:"firmware"`
	Webhook   string             `yaml:"webhook"` // is told of sources that guess

	Sites []provisionSiteConfig `yaml:"sites"`
}

// provisionTLSConfig is with what phones' files are served over TLS: the certificate of the
// server, and the authorities that certificates of phones are of.
type provisionTLSConfig struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	Vendors     string `yaml:"vendors"`
}

// provisionSiteConfig is what is different at a site.
type provisionSiteConfig struct {
	Site      string `yaml:"site"`
	Proxy     string `yaml:"proxy"`
	Backup    string `yaml:"backup"`
	VoiceVLAN int    `yaml:"voice_vlan"`
	Language  string `yaml:"language"`
	NTP       string `yaml:"ntp"`

	Levels []serve.Level `yaml:"levels"`
}

// firmwareConfig is a firmware that no phone should have.
type firmwareConfig struct {
	Vendor string `yaml:"vendor"` // empty: any
	Model  string `yaml:"model"`  // pattern of models, as path.Match has it; empty: any
	Bad    string `yaml:"bad"`    // pattern of versions
	Why    string `yaml:"why"`
}

// of returns what holds at a site.
func (p *provisionConfig) of(site string) provisionSiteConfig {
	x := provisionSiteConfig{site, p.Proxy, p.Backup, p.VoiceVLAN, p.Language, p.NTP, p.Levels}
	for _, s := range p.Sites {
		if s.Site != site {
			continue
		}
		for _, f := range []struct{ to, from *string }{{&x.Proxy, &s.Proxy}, {&x.Backup, &s.Backup}, {&x.Language, &s.Language}, {&x.NTP, &s.NTP}} {
			if *f.from != "" {
				*f.to = *f.from
			}
		}
		if s.VoiceVLAN != 0 {
			x.VoiceVLAN = s.VoiceVLAN
		}
		if len(s.Levels) > 0 {
			x.Levels = s.Levels
		}
	}
	if len(x.Levels) == 0 {
		x.Levels = []serve.Level{serve.Certificate, serve.Password, serve.Opened}
	}
	return x
}

// check reports what is wrong with it.
func (p *provisionConfig) check() error {
	for _, x := range append([]provisionSiteConfig{p.of("")}, p.Sites...) {
		where := "provision"
		if x.Site != "" {
			where += ": site " + x.Site
		}
		for _, f := range []struct{ key, value string }{{"proxy", x.Proxy}, {"backup", x.Backup}} {
			if _, err := settings.ParsePeer(f.value); f.value != "" && err != nil {
				return fmt.Errorf("%s: %s: %w", where, f.key, err)
			}
		}
		if x.VoiceVLAN < 0 || x.VoiceVLAN > 4094 {
			return fmt.Errorf("%s: voice_vlan %d: want 1 to 4094", where, x.VoiceVLAN)
		}
	}
	for i, f := range p.Firmware {
		_, badModel := path.Match(f.Model, "")
		if _, err := path.Match(f.Bad, ""); err != nil || badModel != nil || f.Bad == "" {
			return fmt.Errorf("provision: firmware[%d]: bad %q, model %q: want patterns such as 66.84.*", i, f.Bad, f.Model)
		}
		if _, err := provisioning.ParseVendor(f.Vendor); f.Vendor != "" && err != nil {
			return fmt.Errorf("provision: firmware[%d]: %w", i, err)
		}
	}
	for _, l := range p.Listen {
		scheme, hostport, _ := strings.Cut(l, ":")
		if scheme == "pnp" && hostport != "" && !strings.ContainsAny(hostport, "/: ") && p.URL != "" {
			continue
		}
		if _, _, err := net.SplitHostPort(hostport); err != nil || strings.Contains(hostport, "/") || scheme != "https" && scheme != "http" && scheme != "tftp" {
			return fmt.Errorf("provision: listen %q: want https:HOST:PORT, or http: or tftp: for what is not secret; pnp:INTERFACE with an url", l)
		}
		if scheme == "https" && (p.TLS.Certificate == "" || p.TLS.Key == "") {
			return fmt.Errorf("provision: listen %q: name tls: {certificate: FILE, key: FILE}", l)
		}
	}
	if p.URL != "" && !strings.HasSuffix(p.URL, "/") { // file names stand behind it
		p.URL += "/"
	}
	for _, x := range append([]provisionSiteConfig{p.of("")}, p.Sites...) {
		if slices.Equal(p.of(x.Site).Levels, []serve.Level{serve.Certificate}) && p.TLS.Vendors == "" {
			return fmt.Errorf("provision: site %q takes certificates alone: name the vendors' authorities, tls: {vendors: FILE}", x.Site)
		}
	}
	if u := p.URL; u != "" && (!strings.HasPrefix(u, "https://") && !strings.HasPrefix(u, "http://") || strings.ContainsAny(u, " \"<>\\?#")) {
		return fmt.Errorf("provision: url %q: want https://HOST[:PORT]/", u)
	}
	return nil
}

// layers reads the settings of phones: those that are built in, and those of the admin's
// directory.
func (p *provisionConfig) layers() (*settings.Layers, error) {
	var dir fs.FS
	if p.Settings != "" {
		if s, err := os.Stat(p.Settings); err != nil || !s.IsDir() {
			return nil, withHint(fmt.Errorf("provision: settings: %s is no directory", p.Settings), "make it, or leave provision: {settings: ...} out: then the built-in settings hold")
		}
		dir = os.DirFS(p.Settings)
	}
	l, err := settings.Load(dir)
	if err != nil {
		return nil, withHint(err, "docs/provisioning.md tells what stands in these files")
	}
	return l, nil
}

// phoneFiles makes the files of phones.
type phoneFiles struct {
	config  *config
	layers  *settings.Layers
	secrets provisioning.SecretKey
	key     [32]byte // of phones' own passwords
}

// phoneFiles reads what they are made of.
func (s *session) phoneFiles() (f phoneFiles, err error) {
	f.config = &s.config
	if f.layers, err = s.config.Provision.layers(); err != nil {
		return f, err
	}
	if f.secrets, err = s.secretKey(); err != nil {
		return f, err
	}
	f.key = provisionKey(&f.secrets)
	return f, nil
}

// of returns the settings of a phone whose device is known.
func (f *phoneFiles) of(x *settings.Device) (*settings.Set, error) {
	set, err := f.layers.Of(x)
	if err != nil {
		return nil, withHint(err, "mend the template; perch provision check tries all phones")
	}
	return set, nil
}

// device is a listed phone, and what its files say. A line whose secret cannot be opened is
// an error, and so is a vendor that is not known.
func (f *phoneFiles) device(d *provisioning.Directory, p *provisioning.Phone) (*settings.Device, error) {
	if p.Vendor == "" {
		return nil, withHint(fmt.Errorf("%s: its vendor is not known", p.MAC), "fill in vendor, and model, in phones.csv, and import that")
	}
	c := f.config
	at, path := c.Provision.of(p.Site), c.proxy()
	x := &settings.Device{
		MAC: p.MAC, Vendor: p.Vendor, Model: p.Model, Label: p.Label, Site: p.Site, URL: c.Provision.URL,
		VoiceVLAN: at.VoiceVLAN, Language: at.Language, NTP: at.NTP, Emergency: path.NumbersAt(p.Site),
	}
	if len(c.Provision.Listen) > 0 {
		x.User, x.Secret = serve.User(p.MAC), serve.PasswordOf(f.key, p.MAC)
	}
	if site, ok := d.Site(p.Site); ok {
		x.Timezone = site.Timezone
	}
	var err error
	if x.Proxy, err = c.provisionProxy(at.Proxy); err != nil {
		return nil, err
	}
	backup := at.Backup
	if backup == "" && len(c.SIP.Upstream) > 0 {
		backup = c.SIP.Upstream[0]
	}
	if backup != "" {
		if x.Backup, err = settings.ParsePeer(backup); err != nil {
			return nil, fmt.Errorf("backup: %w", err)
		}
	}
	for i, a := range p.AORs {
		l := settings.Line{N: i + 1, AOR: a}
		if l.Host() == "" {
			return nil, withHint(fmt.Errorf("%s: line %s names no PBX", p.MAC, a), "write it as 101@example.com in aors of phones.csv, and import that")
		}
		row, listed := d.Line(a)
		if !listed {
			row = provisioning.Line{AOR: a}
		}
		l.Auth = row.User()
		l.User = (&provisioning.Line{AOR: a}).User()
		if l.Display = row.DisplayName; l.Display == "" {
			l.Display = p.Label
		}
		if l.Label = row.DisplayName; l.Label == "" {
			l.Label = l.User
		}
		if row.Secret != "" {
			if l.Secret, err = f.secrets.Open(&row); err != nil {
				return nil, sealFault(err)
			}
		}
		x.Lines = append(x.Lines, l)
	}
	return x, nil
}

// provisionProxy is where phones find Perch: as it is told, or else where the SIP path
// listens, if that is an address that others have.
func (c *config) provisionProxy(said string) (settings.Peer, error) {
	if said != "" {
		return settings.ParsePeer(said)
	}
	for _, l := range c.SIP.Listen {
		p, err := settings.ParsePeer(l)
		if err != nil {
			continue // ws and wss are for no desk phone
		}
		if c.SIP.Advertise != "" {
			p.Host = c.SIP.Advertise
		}
		if p.Host != "0.0.0.0" && p.Host != "::" {
			return p, nil
		}
	}
	return settings.Peer{}, withHint(errors.New("where phones find Perch is not known"),
		"name it with provision: {proxy: \"udp:HOST:5060\"}, or sip: {advertise: HOST}")
}
