package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"perch/discovery"
	"perch/provisioning"
	"perch/provisioning/serve"
	"perch/sip"
)

// This is what becomes of a phone, from the box to the bin, as commands and the page of the
// admins have it done.

// decided makes a change that prints nothing; it is durable when this returns.
func (s *session) decided(ctx context.Context, do func() error) error {
	if s.live != nil {
		_, err := s.live.decide(ctx, do)
		return err
	}
	if err := s.resume(); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return s.engine.Checkpoint(ctx)
}

// phone returns a listed phone.
func (s *session) phone(m discovery.MAC) (p provisioning.Phone, err error) {
	s.engine.Read(func(d *provisioning.Directory) {
		var listed bool
		if p, listed = d.Phone(m); !listed {
			err = withHint(fmt.Errorf("%s is not listed", m), "perch phones list shows them; perch phones add lists it")
		}
	})
	return p, err
}

// waitingPhone is a phone that waits for an admin: nobody has listed it, or it asks for its
// files without the password that it had.
type waitingPhone struct {
	MAC      discovery.MAC       `json:"mac"`
	Why      string              `json:"why"` // new, or "no password"
	Vendor   provisioning.Vendor `json:"vendor"`
	Model    string              `json:"model,omitempty"`
	Firmware string              `json:"firmware,omitempty"`
	Label    string              `json:"label,omitempty"`
	Site     string              `json:"site,omitempty"`
	Source   netip.Addr          `json:"source,omitzero"`
	By       string              `json:"by"` // https, http, tftp, pnp; or heard
	Last     time.Time           `json:"last"`
}

// Why a phone waits.
const (
	waitsNew    = "new"
	waitsFirst  = "first fetch" // it is listed, and has never fetched its files
	waitsForget = "no password"
)

// waitSilence is how long a listed phone has to say its password after it was asked for it, and
// maxWaiting how many phones are shown.
const (
	waitSilence = 10 * time.Second
	maxWaiting  = 1000
)

// waiting returns the phones that wait, by MAC, the first few of them: those that asked here for
// their files, and those that were heard on the networks. All is how many there are.
func (s *session) waiting(now time.Time) (list []waitingPhone, all int) {
	asked := map[discovery.MAC]bool{}
	if s.phones != nil {
		for _, a := range s.phones.asks.List(now) {
			w := waitingPhone{MAC: a.MAC, Why: waitsNew, Vendor: a.Vendor, Model: a.Model, Firmware: a.Firmware, Site: s.siteOf(a.Source), Source: a.Source, By: a.By, Last: a.Last.UTC()}
			if p, err := s.phone(a.MAC); err == nil { // whose site it says, whoever asks from where
				w.Label, w.Site = p.Label, p.Site
				if p.Vendor != "" {
					if now.Sub(a.First) < waitSilence || a.By == "pnp" { // or it was told where it finds it
						continue
					}
					w.Why, w.Vendor, w.Model = waitsForget, p.Vendor, cmp.Or(w.Model, p.Model)
					if _, fetched := s.audit.lastOf(a.MAC); !fetched {
						w.Why = waitsFirst
					}
				}
			}
			asked[a.MAC] = true
			list = append(list, w)
		}
	}
	strangers, n := s.engine.Strangers(maxWaiting)
	all = len(list) + n
	for _, x := range strangers {
		v, err := provisioning.ParseVendor(string(x.Identity.Vendor))
		if err != nil || asked[x.MAC] {
			all--
			continue
		}
		list = append(list, waitingPhone{
			MAC: x.MAC, Why: waitsNew, Vendor: v, Model: x.Identity.Model, Firmware: x.Identity.Firmware, Site: x.Site, Source: x.IP, By: "heard", Last: x.Heard.UTC(),
		})
	}
	slices.SortFunc(list, func(a, b waitingPhone) int { return bytes.Compare(a.MAC[:], b.MAC[:]) })
	return list[:min(len(list), maxWaiting)], all
}

// waits returns a phone that waits.
func (s *session) waits(m discovery.MAC) (waitingPhone, bool) {
	list, _ := s.waiting(time.Now())
	i := slices.IndexFunc(list, func(w waitingPhone) bool { return w.MAC == m })
	if i < 0 {
		return waitingPhone{}, false
	}
	return list[i], true
}

// siteOf is the site of an address that phones come from.
func (s *session) siteOf(a netip.Addr) string {
	if _, site, ok := strings.Cut(s.config.sipPart(a), ":"); ok {
		return site
	}
	site := s.config.Site
	s.engine.Read(func(d *provisioning.Directory) {
		best := -1
		for _, x := range d.Sites() {
			if sub, ok := d.SiteSubnet(x.ID, a); ok && sub.Bits() > best {
				best, site = sub.Bits(), x.ID
			}
		}
	})
	return site
}

// windowAsk says for how long, and for which network, a phone's window is to be open; no
// time: it stays as it is.
type windowAsk struct {
	For     time.Duration
	Network netip.Prefix
}

// maxWindow is how long a window is open at most.
const maxWindow = 7 * 24 * time.Hour

func (w *windowAsk) check() error {
	if w.For < 0 || w.For > maxWindow {
		return withHint(fmt.Errorf("-for %v", w.For), "a week at most: as long as a window is open whoever names the phone gets its passwords")
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
	x = serve.Window{MAC: m, Network: ask.Network, Until: time.Now().Add(ask.For).Truncate(time.Second).UTC(), By: by}
	if err := w.Open(x); err != nil {
		return x, withHint(err, "see that the directory of the database can be written")
	}
	if s.phones != nil {
		for _, a := range s.phones.asks.List(time.Now()) {
			if a.MAC == m {
				s.phones.pages.Unblock(a.Source)
			}
		}
	}
	note := "until " + stamp(x.Until)
	if x.Network.IsValid() {
		note += ", from " + x.Network.String()
	}
	return x, s.record(serve.Entry{What: serve.WasOpen, MAC: m, By: by, Note: note})
}

// networkOf is the subnet in which a phone is, or from which it asked; zero: neither is known.
func (s *session) networkOf(m discovery.MAC) (p netip.Prefix) {
	site, from, ok := s.engine.AddressOf(m)
	if !ok && s.phones != nil {
		for _, a := range s.phones.asks.List(time.Now()) {
			if a.MAC == m {
				site, from, ok = s.siteOf(a.Source), a.Source, true
			}
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

// addPhone lists a phone, and opens its window if that is wanted and its site has some. What is
// not said of it is taken from what it says itself; a phone whose vendor nobody knows has no
// files.
func (s *session) addPhone(ctx context.Context, p provisioning.Phone, ask windowAsk, by string) (provisioning.Phone, *serve.Window, error) {
	if err := errors.Join(provisioning.CheckPhone(&p), ask.check()); err != nil {
		return p, nil, withHint(err, "give the MAC of a phone, as 00:15:65:aa:bb:cc; perch phones add --help tells of the rest")
	}
	if was, err := s.phone(p.MAC); err == nil && was.Vendor != "" {
		return p, nil, withHint(fmt.Errorf("%s is listed already: %s", p.MAC, cmp.Or(was.Label, "without a label")),
			"change it in what perch export phones prints, and import that; perch phones reset opens its window")
	} else if err == nil { // without its vendor: that is filled in
		p.Label, p.Site = cmp.Or(p.Label, was.Label), cmp.Or(p.Site, was.Site)
		if len(p.Users) == 0 {
			p.Users = was.Users
		}
		if len(p.AORs) == 0 {
			p.AORs = was.AORs
		}
		p.Kind = was.Kind
	}
	if !ask.Network.IsValid() {
		ask.Network = s.networkOf(p.MAC) // while it is not listed
	}
	s.fillIn(&p)
	if w, waits := s.waits(p.MAC); waits && p.Site == "" && s.hasSite(w.Site) { // which the configuration may only name
		p.Site = w.Site
	}
	if p.Vendor == "" {
		return p, nil, withHint(fmt.Errorf("%s: its vendor is not known", p.MAC), "say it: -vendor yealink, poly, cisco, grandstream, snom or fanvil")
	}
	p.Kind = cmp.Or(p.Kind, provisioning.Desk)
	none := s.canOpen(p.Site)
	if ask.For > 0 && none != nil && !errors.As(none, new(*errNoWindow)) {
		return p, nil, none
	}
	err := s.decided(ctx, func() error { return s.engine.ChangeDirectory(putPhone(p)) })
	if errors.As(err, new(*provisioning.Errors)) {
		err = withHint(err, "list its users in users.csv, and its site in sites.csv, and import those first")
	}
	if err != nil {
		return p, nil, err
	}
	if err := s.record(serve.Entry{What: serve.Added, MAC: p.MAC, By: by, Note: strings.TrimSpace(string(p.Vendor) + " " + p.Model)}); err != nil {
		return p, nil, err
	}
	if ask.For == 0 || none != nil {
		return p, nil, nil
	}
	x, err := s.openWindow(p.MAC, ask, by)
	if err != nil {
		return p, nil, err
	}
	return p, &x, nil
}

// fillIn fills in a phone's vendor and model: as it says itself, or whose its MAC is. A model
// that cannot stand in a file is left out: anybody can say one.
func (s *session) fillIn(p *provisioning.Phone) {
	if w, waits := s.waits(p.MAC); waits {
		p.Vendor = cmp.Or(p.Vendor, w.Vendor)
		if provisioning.CheckModel(w.Model) == nil {
			p.Model = cmp.Or(p.Model, w.Model)
		}
	}
	if v, err := provisioning.ParseVendor(string(discovery.OUIVendor(p.MAC))); err == nil {
		p.Vendor = cmp.Or(p.Vendor, v)
	}
}

func putPhone(p provisioning.Phone) provisioning.Changes {
	return provisioning.Changes{Put: provisioning.Content{Phones: []provisioning.Phone{p}}}
}

// replacePhone lets one phone take another's place. Its window is open to where it waits, or else
// to where the other one was.
func (s *session) replacePhone(ctx context.Context, old discovery.MAC, next provisioning.Phone, ask windowAsk, by string) (provisioning.Phone, *serve.Window, error) {
	was, err := s.phone(old)
	if err != nil {
		return next, nil, err
	}
	if err := errors.Join(provisioning.CheckPhone(&next), ask.check()); err != nil {
		return next, nil, withHint(err, "perch phones replace --help")
	}
	if !ask.Network.IsValid() {
		if ask.Network = s.networkOf(next.MAC); !ask.Network.IsValid() {
			ask.Network = s.networkOf(old)
		}
	}
	s.fillIn(&next)
	if next.Vendor = cmp.Or(next.Vendor, was.Vendor); next.Vendor == was.Vendor {
		next.Model = cmp.Or(next.Model, was.Model)
	}
	if err := s.decided(ctx, func() error { return s.engine.ReplacePhone(old, next) }); err != nil {
		return next, nil, err
	}
	_, err = s.shutWindow(old, by)
	if err := errors.Join(err, s.record(serve.Entry{What: serve.Replaced, MAC: old, By: by, Note: "by " + next.MAC.String()})); err != nil {
		return next, nil, err
	}
	p, err := s.phone(next.MAC)
	if err != nil || ask.For == 0 || p.Vendor == "" || s.canOpen(p.Site) != nil {
		return p, nil, err
	}
	x, err := s.openWindow(p.MAC, ask, by)
	if err != nil {
		return p, nil, err
	}
	return p, &x, nil
}

// removePhone takes a phone out of the directory; with lines, those as well that no other
// phone has. It returns the lines whose passwords are still in the phone.
func (s *session) removePhone(ctx context.Context, m discovery.MAC, lines bool, by string) (left []sip.AOR, err error) {
	p, err := s.phone(m)
	if err != nil {
		return nil, err
	}
	c := provisioning.Changes{GonePhones: []provisioning.Phone{{MAC: m}}}
	s.engine.Read(func(d *provisioning.Directory) {
		for _, a := range p.AORs {
			l, there := d.Line(a)
			switch {
			case lines && there && len(d.PhonesOfAOR(a)) == 1:
				c.GoneLines = append(c.GoneLines, string(a))
			case there && l.Secret != "":
				left = append(left, a)
			}
		}
	})
	if err := s.decided(ctx, func() error { return s.engine.ChangeDirectory(c) }); err != nil {
		return nil, err
	}
	_, err = s.shutWindow(m, by)
	return left, errors.Join(err, s.record(serve.Entry{What: serve.Removed, MAC: m, By: by}))
}

// rotateLine gives a line another password: the one given, or one that is made. It returns
// the phones that have the old one.
func (s *session) rotateLine(ctx context.Context, aor sip.AOR, password, by string) (made string, phones []discovery.MAC, err error) {
	key, err := s.secretKey()
	if err != nil {
		return "", nil, err
	}
	if made = password; made == "" {
		var b [20]byte
		_, _ = rand.Read(b[:]) // never fails
		made = strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
	}
	var l provisioning.Line
	var listed bool
	s.engine.Read(func(d *provisioning.Directory) {
		l, listed = d.Line(aor)
		phones = slices.Clone(d.PhonesOfAOR(aor))
	})
	switch {
	case !listed:
		return "", nil, withHint(fmt.Errorf("line %s is not listed", aor), "list it in lines.csv, and import that; perch export lines shows them")
	case provisioning.Secret(made).Sealed() || strings.ContainsAny(made, "\r\n\x00"):
		return "", nil, withHint(errors.New("this is no password"), "give the password itself, in one line")
	}
	l.Secret = provisioning.Secret(made)
	if err := key.Seal(&l); err != nil {
		return "", nil, sealFault(err)
	}
	if err := s.decided(ctx, func() error {
		return s.engine.ChangeDirectory(provisioning.Changes{Put: provisioning.Content{Lines: []provisioning.Line{l}}})
	}); err != nil {
		return "", nil, err
	}
	return made, phones, s.record(serve.Entry{What: serve.Rotated, By: by, Note: string(aor)})
}

// resync asks a phone to fetch its files again, and tells what it said.
func (s *session) resync(ctx context.Context, m discovery.MAC, reboot bool) (answer string, err error) {
	if _, err := s.phone(m); err != nil {
		return "", err
	}
	if s.path == nil {
		return "", withHint(errors.New("only a running serve, through which phones register, can tell them"), "start perch serve, with sip: {listen: [...]}; or restart the phone by hand")
	}
	switch sent, status := s.path.resync(ctx, m.String(), reboot); {
	case sent < 0:
		return "", withHint(errors.New("the SIP path does not answer"), "perch doctor, and the log of serve, say more; try again")
	case sent == 0:
		return "", withHint(fmt.Errorf("%s is not registered through Perch", m), "restart it by hand; perch explain "+m.String()+" tells where it was heard last")
	case status == 0 || status == 408:
		return "it was told, and has not answered yet", nil
	case status/100 == 2:
		return "it was told, and will", nil
	default:
		return "", withHint(fmt.Errorf("%s refuses: %d", m, status), "a Cisco wants its line's password for that: Auth_Resync-Reboot; a Yealink listens to sip.trust_ctrl; restart it by hand")
	}
}
