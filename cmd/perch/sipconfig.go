package main

import (
	"fmt"
	"net/mail"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"perch/gateway"
	"perch/sip/proxy"
)

// What the configuration says of the SIP path, and of who is told that help was called.

type sipConfig struct {
	Ports []uint16 `yaml:"ports"`

	Listen    []string        `yaml:"listen"`
	Upstream  []string        `yaml:"upstream"`
	Advertise string          `yaml:"advertise"`
	TLS       sipTLSConfig    `yaml:"tls"`
	Allow     []netip.Prefix  `yaml:"allow"`
	Sites     []sipSiteConfig `yaml:"sites"`
	Emergency []string        `yaml:"emergency"`

	EmergencySites []emergencySiteConfig `yaml:"emergency_sites"`
	Display        []string              `yaml:"display"`

	Registrar sipRegistrarConfig `yaml:"registrar"`
	RegEvents regEventsConfig    `yaml:"reg_events"`
}

// regEventsConfig is in whose name PBXs are asked who is registered.
type regEventsConfig struct {
	User       string `yaml:"user"`
	SecretFile string `yaml:"secret_file"`
}

// regSecretVariable has the password where no file does.
const regSecretVariable = "PERCH_REG_SECRET"

// secret returns the password; empty if there is none.
func (r *regEventsConfig) secret() (string, error) {
	if r.SecretFile == "" {
		return os.Getenv(regSecretVariable), nil
	}
	b, err := os.ReadFile(r.SecretFile)
	if err != nil {
		return "", withHint(fmt.Errorf("sip.reg_events.secret_file: %w", err), "name a file with the password alone in it, or set "+regSecretVariable+" in its place")
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

type sipTLSConfig struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	CA          string `yaml:"ca"`
}

type sipSiteConfig struct {
	Prefix netip.Prefix `yaml:"prefix"`
	Site   string       `yaml:"site"`
}

type sipRegistrarConfig struct {
	Realm      string   `yaml:"realm"`
	Algorithms []string `yaml:"algorithms"`
}

// emergencySiteConfig is what is different at a site when help is called.
type emergencySiteConfig struct {
	Site        string   `yaml:"site"`
	Numbers     []string `yaml:"numbers"`
	Geolocation string   `yaml:"geolocation"`
	ELIN        bool     `yaml:"elin"`
}

// proxy returns what the configuration says about the SIP path.
func (c *config) proxy() proxy.Config {
	return proxy.Config{
		Listen: c.SIP.Listen, Upstream: c.SIP.Upstream, Advertise: c.SIP.Advertise, Allow: c.SIP.Allow, Numbers: c.SIP.Emergency,
		CertFile: c.SIP.TLS.Certificate, KeyFile: c.SIP.TLS.Key, CAFile: c.SIP.TLS.CA,
		RegEvents: c.SIP.RegEvents.User != "", RegUser: c.SIP.RegEvents.User,
		Site: c.Site, Sites: c.proxySites(), Realm: c.SIP.Registrar.Realm, Algorithms: c.SIP.Registrar.Algorithms,
	}
}

// proxySites are the sites that the SIP path knows: their networks, and what is
// different there when help is called.
func (c *config) proxySites() []proxy.Site {
	byName := map[string]*proxy.Site{}
	var names []string
	site := func(name string) *proxy.Site {
		if byName[name] == nil {
			byName[name] = &proxy.Site{Name: name}
			names = append(names, name)
		}
		return byName[name]
	}
	for _, s := range c.SIP.Sites {
		x := site(s.Site)
		x.Prefixes = append(x.Prefixes, s.Prefix)
	}
	for _, e := range c.SIP.EmergencySites {
		x := site(e.Site)
		x.Numbers, x.Geolocation, x.ELIN = e.Numbers, e.Geolocation, e.ELIN
	}
	out := make([]proxy.Site, len(names))
	for i, name := range names {
		out[i] = *byName[name]
	}
	return out
}

type alarmConfig struct {
	Webhook   string          `yaml:"webhook"`
	Contacts  []contactConfig `yaml:"contacts"`
	Repeat    duration        `yaml:"repeat"`
	Retention duration        `yaml:"retention"`
}

type contactConfig struct {
	Site     string   `yaml:"site"`
	To       []string `yaml:"to"`
	Escalate []string `yaml:"escalate"`
}

// The bounds of what alarm: says.
const (
	leastRepeat    = 30 * time.Second
	leastRetention = 24 * time.Hour
)

// check says what is wrong with the alarms besides the webhook; empty if nothing is.
func (a *alarmConfig) check() string {
	switch {
	case time.Duration(a.Repeat) < leastRepeat:
		return fmt.Sprintf("repeat: want at least %s, or the mails hide what they tell of", leastRepeat)
	case time.Duration(a.Retention) < leastRetention:
		return fmt.Sprintf("retention: want at least %s", leastRetention)
	}
	for i := range a.Contacts {
		c := &a.Contacts[i]
		if len(c.To) == 0 {
			return fmt.Sprintf("contacts[%d]: to: want somebody who is told at once", i)
		}
		if slices.ContainsFunc(a.Contacts[:i], func(o contactConfig) bool { return o.Site == c.Site }) {
			return fmt.Sprintf("contacts[%d]: site %q is configured twice", i, c.Site)
		}
		for _, list := range [][]string{c.To, c.Escalate} {
			for j, email := range list {
				a, err := mail.ParseAddress(email)
				if err != nil || a.Address != email {
					return fmt.Sprintf("contacts[%d]: %q is no address such as desk@example.com", i, email)
				}
				list[j] = strings.ToLower(email) // as in the directory
			}
		}
	}
	return ""
}

func (a *alarmConfig) gateway() gateway.Alarm {
	out := gateway.Alarm{Repeat: time.Duration(a.Repeat), Retention: time.Duration(a.Retention)}
	for _, c := range a.Contacts {
		out.Contacts = append(out.Contacts, gateway.Contact(c))
	}
	return out
}

// sipPart names the part of the SIP path that a phone's address is in: that of the longest
// prefix.
func (c *config) sipPart(a netip.Addr) string {
	best, name := -1, sipInterface
	for _, s := range c.SIP.Sites {
		if s.Prefix.Contains(a) && s.Prefix.Bits() > best {
			best, name = s.Prefix.Bits(), sipInterface+":"+s.Site
		}
	}
	return name
}
