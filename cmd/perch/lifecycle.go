package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

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

// addPhone lists a phone, and opens its window if that is wanted and its site has some. What is
// not said of it is taken from what it says itself; a phone whose vendor nobody knows has no
// files.
func (s *session) addPhone(ctx context.Context, p provisioning.Phone, ask windowAsk, by string) (provisioning.Phone, *serve.Window, error) {
	if err := ask.check(); err != nil {
		return p, nil, err
	}
	if err := provisioning.CheckPhone(&p); err != nil {
		return p, nil, withHint(err, "give the MAC of a phone, as 00:15:65:aa:bb:cc; perch phones add --help tells of the rest")
	}
	if was, err := s.phone(p.MAC); err == nil && was.Vendor != "" {
		return p, nil, withHint(fmt.Errorf("%s is listed already: %s", p.MAC, strings.TrimSpace(string(was.Vendor)+" "+was.Model+inParens(was.Label))),
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
	w, _ := s.waits(p.MAC)
	fillIn(&p, &w)
	if p.Site == "" && s.hasSite(w.Site) { // which the configuration may only name
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

// passwordless returns the lines of a phone that cannot register.
func (s *session) passwordless(p *provisioning.Phone) (out []sip.AOR) {
	s.engine.Read(func(d *provisioning.Directory) {
		for _, a := range p.AORs {
			if l, listed := d.Line(a); !listed || l.Secret == "" {
				out = append(out, a)
			}
		}
	})
	return out
}

// fillIn fills in a phone's vendor and model: as it says itself where it waits, or whose its
// MAC is. A model that cannot stand in a file is left out: anybody can say one.
func fillIn(p *provisioning.Phone, waits *waitingPhone) {
	p.Vendor = cmp.Or(p.Vendor, waits.Vendor)
	if provisioning.CheckModel(waits.Model) == nil {
		p.Model = cmp.Or(p.Model, waits.Model)
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
	if err := ask.check(); err != nil {
		return next, nil, err
	}
	if err := provisioning.CheckPhone(&next); err != nil {
		return next, nil, withHint(err, "perch phones replace --help")
	}
	if !ask.Network.IsValid() {
		if ask.Network = s.networkOf(next.MAC); !ask.Network.IsValid() {
			ask.Network = s.networkOf(old)
		}
	}
	w, _ := s.waits(next.MAC)
	fillIn(&next, &w)
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
