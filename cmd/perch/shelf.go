package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/portal"
	"perch/provisioning"
	"perch/provisioning/serve"
)

// shelf is the portal's way to the phones that wait.
type shelf struct{ session *session }

// siteOf returns the site that an admin is of, "" for all of them; false for who is none.
func (x *shelf) siteOf(reader string) (site string, is bool) {
	x.session.engine.Read(func(d *provisioning.Directory) {
		u, _ := d.User(reader)
		site, is = u.Site, u.Role == provisioning.Admin
	})
	return site, is
}

// WaitingPhones implements portal.Phones.
func (x *shelf) WaitingPhones(reader string) (out portal.Waiting) {
	mine, is := x.siteOf(reader)
	if !is {
		return out
	}
	now := time.Now()
	windows := map[discovery.MAC]serve.Window{}
	if w, err := x.session.openWindows(); err == nil {
		for _, o := range w.List(now) {
			windows[o.MAC] = o
			p, _ := x.session.phone(o.MAC)
			if mine == "" || p.Site == mine {
				out.Open = append(out.Open, portal.OpenWindow{MAC: o.MAC, Label: p.Label, Until: o.Until})
			}
		}
	}
	list, _ := x.session.waiting(now)
	for _, w := range list {
		if _, open := windows[w.MAC]; open || mine != "" && w.Site != mine {
			continue
		}
		out.Phones = append(out.Phones, portal.WaitingPhone{
			MAC: w.MAC, Listed: w.Why != waitsNew, First: w.Why == waitsFirst, Vendor: w.Vendor, Model: w.Model, Firmware: w.Firmware, Label: w.Label, Site: w.Site,
			Source: w.Source, Asked: w.By != "heard", Last: w.Last,
		})
	}
	return out
}

// adoptFor is how long a phone that was adopted on the page may fetch its configuration.
const adoptFor = duration(time.Hour)

// Adopt implements portal.Phones.
func (x *shelf) Adopt(ctx context.Context, p provisioning.Phone, by string) error {
	mine, is := x.siteOf(by)
	w, waits := x.session.waits(p.MAC)
	if !is || !waits || mine != "" && w.Site != mine {
		return &gateway.Refusal{What: fmt.Sprintf("%s does not wait any more", p.MAC), Do: "load the page again"}
	}
	if err := x.ofSite(&p, mine); err != nil {
		return err
	}
	var err error
	if w.Why == waitsNew {
		if without := x.session.passwordless(&p); len(without) > 0 {
			return &gateway.Refusal{What: fmt.Sprintf("%s has no password here", strings.TrimPrefix(string(without[0]), "sip:")), Do: "see that it is written right; or list it in lines.csv with its secret, and import that"}
		}
		_, _, err = x.session.addPhone(ctx, p, windowAsk{For: adoptFor}, by)
	} else {
		_, err = x.session.openWindow(p.MAC, windowAsk{For: adoptFor}, by)
	}
	if err == nil || errors.Is(err, errFailing) || errors.Is(err, errNotDurable) {
		return err
	}
	if h := hinter(nil); errors.As(err, &h) {
		return &gateway.Refusal{What: oneLine(err.Error()), Do: h.Hint()}
	}
	var faults *provisioning.Errors
	if errors.As(err, &faults) {
		return &gateway.Refusal{What: oneLine(err.Error()), Do: "correct it"}
	}
	return err
}

// ofSite refuses users and lines of other sites than an admin's own: with a line goes its
// password. A line is of the sites of the phones and the users that have it.
func (x *shelf) ofSite(p *provisioning.Phone, site string) (err error) {
	if site == "" {
		return nil
	}
	x.session.engine.Read(func(d *provisioning.Directory) {
		user := func(email string) bool {
			u, _ := d.User(email)
			return u.Site == site
		}
		for _, email := range p.Users {
			if !user(email) {
				err = &gateway.Refusal{What: email + " is no user of your site", Do: "ask an admin of all sites"}
			}
		}
		for _, a := range p.AORs {
			ours := slices.ContainsFunc(d.UsersOfAOR(a), user) || slices.ContainsFunc(d.PhonesOfAOR(a), func(m discovery.MAC) bool {
				other, _ := d.Phone(m)
				return other.Site == site
			})
			if !ours {
				err = &gateway.Refusal{What: fmt.Sprintf("%s is no line of your site", a), Do: "ask an admin of all sites"}
			}
		}
	})
	return err
}
