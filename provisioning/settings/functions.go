package settings

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"time"
	_ "time/tzdata" // what a phone is told must not depend on the machine

	"perch/provisioning"
)

// functions are what templates may call besides text/template's own.
func functions(z *zones) template.FuncMap {
	return template.FuncMap{
		"join": strings.Join, "upper": strings.ToUpper, "lower": strings.ToLower,
		"hour": z.hours, "seconds": z.seconds, "gmt": z.gmt,
		"transport": transport, "language": language,
		"method": method, "bare": bare, "backup": backup,
	}
}

// zones are the time zones that were asked for: each is a file, of which there are 600.
type zones struct{ offsets sync.Map }

// offset is the standard offset of a time zone from UTC, in seconds; without its summer time,
// which phones add themselves.
func (z *zones) offset(name string) (int, error) {
	if s, ok := z.offsets.Load(name); ok {
		return s.(int), nil
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return 0, fmt.Errorf("time zone %q: want a name such as Europe/Berlin", name)
	}
	_, winter := time.Date(2026, 1, 1, 0, 0, 0, 0, l).Zone()
	_, summer := time.Date(2026, 7, 1, 0, 0, 0, 0, l).Zone()
	s := min(winter, summer)
	z.offsets.Store(name, s)
	return s, nil
}

// seconds is a zone's offset in seconds; empty for none.
func (z *zones) seconds(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	s, err := z.offset(name)
	return strconv.Itoa(s), err
}

// hours is a zone's offset as "+5:30".
func (z *zones) hours(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	s, err := z.offset(name)
	sign, minutes := "+", s/60
	if minutes < 0 {
		sign, minutes = "-", -minutes
	}
	out := sign + strconv.Itoa(minutes/60)
	if rest := minutes % 60; rest != 0 {
		out += fmt.Sprintf(":%02d", rest)
	}
	return out, err
}

// gmt is a zone's offset as "GMT+05:30".
func (z *zones) gmt(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	s, err := z.offset(name)
	sign, minutes := "+", s/60
	if minutes < 0 {
		sign, minutes = "-", -minutes
	}
	return fmt.Sprintf("GMT%s%02d:%02d", sign, minutes/60, minutes%60), err
}

// transports are the vendors' words for UDP, TCP and TLS.
var transports = map[provisioning.Vendor][3]string{
	provisioning.Yealink:     {"0", "1", "2"},
	provisioning.Poly:        {"UDPOnly", "TCPOnly", "TLS"},
	provisioning.Cisco:       {"UDP", "TCP", "TLS"},
	provisioning.Grandstream: {"0", "1", "2"},
	provisioning.Snom:        {"udp", "tcp", "tls"},
	provisioning.Fanvil:      {"0", "1", "3"},
}

func transport(v provisioning.Vendor, name string) (string, error) {
	for i, t := range [...]string{"udp", "tcp", "tls"} {
		if t == name {
			return transports[v][i], nil
		}
	}
	return "", fmt.Errorf("transport %q: want udp, tcp or tls", name)
}

// languages are the vendors' words for those that most of their phones have.
var languages = map[provisioning.Vendor]map[string]string{
	provisioning.Yealink: {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian"},
	provisioning.Poly: {
		"en": "English_United_States", "de": "German_Germany", "fr": "French_France", "es": "Spanish_Spain", "it": "Italian_Italy",
	},
	provisioning.Snom: {"en": "English", "de": "Deutsch", "fr": "Francais", "es": "Espanol", "it": "Italiano"},
}

// language is the vendor's word for a language; empty if it is not known.
func language(v provisioning.Vendor, name string) string { return languages[v][name] }

// method is how Grandstream says by what files are fetched.
func method(url string) string {
	scheme, _, _ := strings.Cut(url, ":")
	switch scheme {
	case "http":
		return "1"
	case "https":
		return "2"
	}
	return "0"
}

// bare is a URL without its scheme, and without the slash at its end.
func bare(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	return strings.TrimSuffix(rest, "/")
}

// backup is the identity by which a Snom registers a line when its proxy is gone: behind
// those of all lines.
func backup(n int) int { return n + maxLines }

// maxLines is how many lines a phone may have: half of a Snom's identities.
const maxLines = 6
