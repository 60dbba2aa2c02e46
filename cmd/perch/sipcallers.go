package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"perch/gateway"
	"perch/location"
	"perch/provisioning"
	"perch/sip/proxy"
)

// emergency tells of an emergency call.
func (k *sipKeeper) emergency(c *proxy.EmergencyCall) {
	args := []any{"call", c.ID, "dialled", c.Dialled, "line", c.AOR, "from", c.From, "to", c.To}
	if x := c.Caller; x != nil {
		args = append(args, "phone", x.Phone, "label", x.Label, "found_by", c.Found, "location", x.Location, "network", x.Network, "since", x.Since)
		for _, f := range []struct {
			is   bool
			name string
		}{{x.Moving, "moving"}, {x.Unapproved, "unapproved"}, {x.Unlocated, "unlocated"}} {
			if f.is { // then whoever reads it should look twice
				args = append(args, f.name, true)
			}
		}
	}
	if c.Sent != "" {
		args = append(args, "sent", "location")
	} else {
		args = append(args, "sent", "no location", "because", c.Why)
	}
	if c.Status != 0 {
		args = append(args, "status", c.Status)
	}
	k.log.Warn("emergency call", args...)
	k.alarms.raise(c)
	select {
	case k.calls <- k.helpOf(c):
	default:
		k.log.Error("an emergency call is neither kept nor told of by mail: too many others wait for that", "call", c.ID, "waiting", len(k.calls))
	}
}

// maxCalls is how much of calls for help waits for an engine that is busy, as with a
// large import.
const maxCalls = 4096

// tellEngine hands on calls for help until ctx ends.
func (k *sipKeeper) tellEngine(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-k.calls:
			k.help(c)
		}
	}
}

// tellRest hands on what came until the end.
func (k *sipKeeper) tellRest() {
	for {
		select {
		case c := <-k.calls:
			k.help(c)
		default:
			return
		}
	}
}

// helpOf is a call for help as the engine keeps it.
func (k *sipKeeper) helpOf(c *proxy.EmergencyCall) gateway.EmergencyCall {
	x := gateway.EmergencyCall{
		Name: c.ID, Time: c.Time, Dialled: c.Dialled, Test: c.Test, Site: c.Site, AOR: c.AOR, From: c.From, Found: c.Found,
		Sent: c.Sent, Why: c.Why, ELIN: c.ELIN, PBX: c.To, Status: c.Status,
	}
	if y := c.Caller; y != nil {
		// What cannot be read is not known: it came from our own engine.
		_ = x.Phone.UnmarshalText([]byte(y.Phone))
		_ = x.Source.UnmarshalText([]byte(y.Source))
		x.Label, x.Network, x.Since, x.Heard = y.Label, y.Network, y.Since, y.Heard
		x.Location, x.Address = location.ID(y.Location), strings.Join(y.Address.Lines(), "\n")
		x.Moving, x.Unapproved, x.Unlocated = y.Moving, y.Unapproved, y.Unlocated
	}
	return x
}

// How often the SIP path is told who may call for help, and of how many phones at
// a time.
const (
	tellEvery = 250 * time.Millisecond
	tellMost  = 1000
)

// tellCallers tells the SIP path who may call for help, all and then what changes,
// until ctx ends.
func (k *sipKeeper) tellCallers(ctx context.Context) {
	k.engine.WatchCallers()
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	var told, toldAORs uint64
	var places []proxy.Place
	for first := true; ; {
		news := callerNews{Begin: first}
		if now := k.places(); first || !slices.Equal(now, places) {
			places, news.Places = now, &now
		}
		if list, now, changed := k.engine.Lines(told); changed && len(k.spec.Proxy.Listen) > 0 {
			told, news.Lines = now, k.linesOf(list)
		}
		if k.spec.Proxy.RegEvents {
			if list, now, changed := k.engine.AORs(toldAORs); changed {
				toldAORs, news.AORs = now, &list
			}
		}
		more := k.engine.TakeCallers(tellMost, func(c gateway.Caller, gone bool) {
			if gone {
				news.Gone = append(news.Gone, c.Phone.String())
			} else {
				news.Put = append(news.Put, callerOf(&c))
			}
		})
		news.End = !more
		if first || news.Lines != nil || news.AORs != nil || news.Places != nil || len(news.Put)+len(news.Gone) > 0 {
			k.send(&news)
		}
		if first = false; more {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// places are the defaults of the sites, for callers that are not known.
func (k *sipKeeper) places() []proxy.Place {
	list := []proxy.Place{}
	k.engine.Read(func(d *provisioning.Directory) {
		for _, s := range d.Sites() {
			if l, ok := d.Location(s.DefaultLocation); ok && l.Live() {
				list = append(list, proxy.Place{Site: s.ID, Location: string(l.ID), Address: d.Tree().Complete(l.ID), ELIN: l.ELIN})
			}
		}
	})
	return list
}

// linesOf are the lines as the SIP path knows them: by what proves a password.
func (k *sipKeeper) linesOf(list []provisioning.Line) *[]proxy.Line {
	out := make([]proxy.Line, 0, len(list))
	for i := range list {
		l := &list[i]
		if l.Secret == "" {
			continue
		}
		password, err := k.secret(l)
		if err != nil {
			k.log.Error("a line cannot register", "line", l.AOR, "error", err, "hint", hintOf(err))
			continue
		}
		out = append(out, proxy.HashLine(l.AOR, l.User(), k.spec.Proxy.Realm, password))
	}
	return &out
}

func (k *sipKeeper) send(news *callerNews) {
	b, err := json.Marshal(news)
	if err != nil {
		k.log.Error("who may call for help cannot be told", "error", err)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := fmt.Fprintf(k.conn, "callers %d\n%s", len(b), b); err != nil {
		_ = k.conn.Close() // its reader sees it
	}
}

// callerOf is a caller as the SIP path knows it.
func callerOf(c *gateway.Caller) proxy.Caller {
	x := proxy.Caller{
		Phone: c.Phone.String(), Site: c.Site, Label: c.Label, Sources: c.Sources, Contacts: c.Contacts,
		Location: string(c.Location), Address: c.Address, ELIN: c.ELIN, Source: c.Assignment.Source.String(), Network: c.Network.String(),
		Since: c.Since, Heard: c.Heard, Moving: c.Moving, Unapproved: c.Assignment.Unapproved, Unlocated: c.Assignment.Unlocated,
	}
	for _, a := range c.AORs {
		x.AORs = append(x.AORs, string(a))
	}
	return x
}
