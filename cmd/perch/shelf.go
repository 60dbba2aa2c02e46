package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/portal"
	"perch/provisioning"
	"perch/provisioning/serve"
)

// shelf is the portal's way to the phones that wait.
type shelf struct{ session *session }

// siteOf returns the site that an admin is of, "" for all of them.
func (x *shelf) siteOf(reader string) (site string) {
	x.session.engine.Read(func(d *provisioning.Directory) {
		u, _ := d.User(reader)
		site = u.Site
	})
	return site
}

// WaitingPhones implements portal.Phones.
func (x *shelf) WaitingPhones(reader string) (out portal.Waiting) {
	mine, now := x.siteOf(reader), time.Now()
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
	for _, w := range x.session.waiting(now) {
		if _, open := windows[w.MAC]; open || mine != "" && w.Site != mine {
			continue
		}
		out.Phones = append(out.Phones, portal.WaitingPhone{
			MAC: w.MAC, Listed: w.Why == waitsForget, Vendor: w.Vendor, Model: w.Model, Firmware: w.Firmware, Label: w.Label, Site: w.Site,
			Source: w.Source, Asked: w.By != "heard", Last: w.Last,
		})
	}
	return out
}

// adoptFor is how long a phone that was adopted on the page may fetch its configuration.
const adoptFor = time.Hour

// Adopt implements portal.Phones.
func (x *shelf) Adopt(ctx context.Context, p provisioning.Phone, by string) error {
	var found *waitingPhone
	for _, w := range x.session.waiting(time.Now()) {
		if mine := x.siteOf(by); w.MAC == p.MAC && (mine == "" || w.Site == mine) {
			found = &w
		}
	}
	if found == nil {
		return &gateway.Refusal{What: fmt.Sprintf("%s does not wait any more", p.MAC), Do: "load the page again"}
	}
	var err error
	if found.Why == waitsForget {
		_, err = x.session.openWindow(p.MAC, windowAsk{For: adoptFor}, by)
	} else {
		_, _, err = x.session.addPhone(ctx, p, windowAsk{For: adoptFor}, by)
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
