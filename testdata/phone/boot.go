package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

var errNoServer = errors.New("neither DHCP nor the phone itself names a server")

// told is what a phone's files told it.
type told struct {
	flash   flash
	account *account
}

// base is where the phone looks for its files: DHCP's word, or else its own.
func (p *phone) base(l *lease) (string, error) {
	s := l.server(p.maker.servers)
	if s == "" {
		s = p.flash.URL
	}
	if s == "" {
		return "", errNoServer
	}
	if !strings.Contains(s, "://") { // a name alone is that of a TFTP server, which is not spoken here
		return "", fmt.Errorf("%q is no URL", s)
	}
	p.report.URL = s
	return s, nil
}

// yealink asks for a file that names others, its own or else everybody's; only where there is
// none it asks for the two that it knew before: the model's and its own.
func (p *phone) yealink(f *fetcher, l *lease) (told, error) {
	base, err := p.base(l)
	if err != nil {
		return told{}, err
	}
	code, err := yealinkCode(p.model)
	if err != nil {
		return told{}, err
	}
	names := []string{fmt.Sprintf("y0000000000%02d.cfg", code), p.hex() + ".cfg"}
	for _, name := range []string{p.hex() + ".boot", "y000000000000.boot"} {
		body, err := f.get(join(base, name))
		if err != nil {
			return told{}, err
		}
		if body != nil {
			if names, err = readBoot(body); err != nil {
				return told{}, fmt.Errorf("%s: %w", name, err)
			}
			break
		}
	}
	all := settings{}
	for _, name := range names { // one over the other
		body, err := f.get(join(base, name))
		if err != nil {
			return told{}, err
		}
		if body == nil {
			continue
		}
		if err := readINI(body, all); err != nil {
			return told{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return all.yealink(), nil
}

// yealinkCode is the number of a model in the name of its file.
func yealinkCode(model string) (int, error) {
	switch strings.TrimPrefix(model, "SIP-") {
	case "T46G":
		return 28, nil
	case "T46S":
		return 66, nil
	case "T54W":
		return 96, nil
	case "T46U":
		return 108, nil
	}
	return 0, fmt.Errorf("model %q: its file's number is not known here", model)
}

// poly asks for its master file, or else everybody's, and for what that lists; then for what
// it asks for each time, and would leave its log behind.
func (p *phone) poly(f *fetcher, l *lease) (told, error) {
	base, err := p.base(l)
	if err != nil {
		return told{}, err
	}
	all := settings{}
	for _, name := range []string{p.hex() + ".cfg", "000000000000.cfg"} {
		body, err := f.get(join(base, name))
		if err != nil {
			return told{}, err
		}
		if body == nil {
			continue
		}
		list, err := readMaster(body)
		if err != nil {
			return told{}, fmt.Errorf("%s: %w", name, err)
		}
		for _, file := range list {
			file = strings.ReplaceAll(file, "[PHONE_MAC_ADDRESS]", p.hex())
			if body, err = f.get(join(base, file)); err != nil {
				return told{}, err
			}
			if body == nil {
				continue
			}
			if err := readPoly(body, all); err != nil {
				return told{}, fmt.Errorf("%s: %w", file, err)
			}
		}
		break
	}
	for _, name := range []string{"-phone.cfg", "-license.cfg", "-directory.xml"} {
		if _, err := f.get(join(base, p.hex()+name)); err != nil {
			return told{}, err
		}
	}
	if _, err := f.send(http.MethodPut, join(base, p.hex()+"-app.log"), "booted\n"); err != nil {
		return told{}, err
	}
	return all.poly(), nil
}

// cisco follows its profile rule: the one that it has, or else DHCP's, or else that of the
// factory, which is the model's file on DHCP's server. A file may have another rule, which it
// follows once.
func (p *phone) cisco(f *fetcher, l *lease) (told, error) {
	base, err := p.base(l)
	if err != nil {
		return told{}, err
	}
	rule := p.flash.URL
	if rule == "" {
		rule = base
	}
	all := settings{}
	body, err := p.follow(f, rule)
	if err == nil && body == nil {
		u, err := url.Parse(base)
		if err != nil {
			return told{}, err
		}
		rule = u.Scheme + "://" + u.Host + "/$PSN.xml"
		if body, err = p.follow(f, rule); err != nil {
			return told{}, err
		}
	}
	if err != nil || body == nil {
		return told{}, err
	}
	if err := readFlatProfile(body, all); err != nil {
		return told{}, err
	}
	if next := all["Profile_Rule"]; all["Proxy_1_"] == "" && next != "" && next != rule {
		if body, err = p.follow(f, next); err != nil {
			return told{}, err
		}
		if body != nil {
			if err := readFlatProfile(body, all); err != nil {
				return told{}, err
			}
		}
	}
	return all.cisco(), nil
}

// follow fetches what a profile rule names: [--uid USER --pwd PASSWORD] may stand before the
// URL, $MA is the MAC, $PSN the model.
func (p *phone) follow(f *fetcher, rule string) ([]byte, error) {
	if strings.HasPrefix(rule, "[") {
		options, rest, ok := strings.Cut(rule[1:], "]")
		words := strings.Fields(options)
		if !ok || len(words)%2 != 0 {
			return nil, fmt.Errorf("profile rule %q: want [--uid USER --pwd PASSWORD]URL", rule)
		}
		for i := 0; i < len(words); i += 2 {
			switch words[i] {
			case "--uid":
				f.user = words[i+1]
			case "--pwd":
				f.password = words[i+1]
			default:
				return nil, fmt.Errorf("profile rule %q: %s is not known", rule, words[i])
			}
		}
		rule = strings.TrimSpace(rest)
	}
	if strings.HasSuffix(rule, "/") {
		rule += "$PSN.xml"
	}
	return f.get(strings.NewReplacer("$PSN", p.model, "$MA", p.hex()).Replace(rule))
}

// grandstream asks by four names, and takes the first file that it gets.
func (p *phone) grandstream(f *fetcher, l *lease) (told, error) {
	base, err := p.base(l)
	if err != nil {
		return told{}, err
	}
	for _, name := range []string{"cfg" + p.hex(), "cfg" + p.hex() + ".xml", "cfg" + strings.ToLower(p.model) + ".xml", "cfg.xml"} {
		body, err := f.get(join(base, name))
		if err != nil {
			return told{}, err
		}
		if body == nil {
			continue
		}
		all := settings{}
		if err := readGrandstream(body, p.hex(), all); err != nil {
			return told{}, fmt.Errorf("%s: %w", name, err)
		}
		return all.grandstream(), nil
	}
	return told{}, nil
}

// snom asks for the file of option 67 on the server of option 66; without one for its model's
// and its own.
func (p *phone) snom(f *fetcher, l *lease) (told, error) {
	base, err := p.base(l)
	if err != nil {
		return told{}, err
	}
	mac := strings.ToUpper(p.hex())
	urls := []string{join(base, "snom"+p.model+".htm"), join(base, "snom"+p.model+"-"+mac+".htm"), join(base, mac+".xml")}
	switch {
	case l.options[67] != "":
		urls = []string{join(base, l.options[67])}
	case base == p.flash.URL: // which is that of a file
		urls = []string{base}
	}
	all := settings{}
	for _, u := range urls {
		u = strings.ReplaceAll(u, "{mac}", mac)
		body, err := f.get(u)
		if err != nil {
			return told{}, err
		}
		if body == nil {
			continue
		}
		if err := readSnom(body, all); err != nil {
			return told{}, fmt.Errorf("%s: %w", u, err)
		}
	}
	return all.snom(), nil
}

// fanvil asks for its model's file, and for its own.
func (p *phone) fanvil(f *fetcher, l *lease) (told, error) {
	base, err := p.base(l)
	if err != nil {
		return told{}, err
	}
	all := settings{}
	for _, name := range []string{"f0" + p.model + "hw1.cfg", p.hex() + ".cfg"} {
		body, err := f.get(join(base, name))
		if err != nil {
			return told{}, err
		}
		if body == nil {
			continue
		}
		if err := readFanvil(body, all); err != nil {
			return told{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return all.fanvil(), nil
}
