package main

import (
	"cmp"
	"fmt"
	"path"
	"strings"
	"time"

	"perch/discovery"
	"perch/provisioning"
	"perch/provisioning/serve"
	"perch/provisioning/settings"
)

// behaviour is what phones do, as far as that was seen.
type behaviour struct {
	session *session
	last    func(discovery.MAC) (serve.Entry, bool)
	windows []serve.Window
	now     time.Time
}

func (s *session) behaviour() (*behaviour, error) {
	o := &behaviour{session: s, now: time.Now()}
	var err error
	if o.last, err = s.lastFetches(); err != nil || s.beside == "" {
		return o, err
	}
	w, err := s.openWindows()
	if err != nil {
		return o, err
	}
	o.windows = w.List(o.now)
	return o, nil
}

// unusedFor is how long a phone has to use the password that it was given in a window.
const unusedFor = time.Hour

// risks are those of one phone.
func (o *behaviour) risks(p *provisioning.Phone) (out []settings.Risk) {
	say := func(remedy, what string, args ...any) {
		out = append(out, settings.Risk{What: fmt.Sprintf(what, args...), Remedy: remedy})
	}
	for _, a := range p.AORs {
		if x, is := o.session.around.of(a, o.now); is && (x.MAC.Nobody() || x.MAC == p.MAC) {
			say("have it fetch its configuration (perch phones resync, or restart it), or correct its account by hand; where the PBX is its backup, see whether Perch was down then",
				"line %s registers around Perch, with %s: its calls for help have no location", a, x.To)
		}
	}
	e, fetched := o.last(p.MAC)
	if fetched && e.Level == serve.Opened && o.now.Sub(e.Time) > unusedFor {
		say("see that the phone has its configuration; if it has not, rotate the passwords of its lines", "its configuration was fetched in a window, and nobody has used the password since: somebody else may have it")
	}
	for _, w := range o.windows {
		if w.MAC == p.MAC && (!w.Network.IsValid() || w.Network.Bits() == 0) {
			say("perch provision shut; open it with -network", "its configuration, with its passwords, is open to anybody anywhere who names its MAC")
		}
	}
	firmware, model := o.firmware(p, e)
	for _, f := range o.session.config.Provision.Firmware {
		if f.Vendor != "" && !strings.EqualFold(f.Vendor, string(p.Vendor)) || !matches(cmp.Or(f.Model, "*"), model) || !matches(f.Bad, firmware) {
			continue
		}
		say("update it", "firmware %s is on your list%s", firmware, inParens(f.Why))
	}
	return out
}

// firmware is what a phone has, as it says itself.
func (o *behaviour) firmware(p *provisioning.Phone, e serve.Entry) (firmware, model string) {
	d := discovery.ParseUserAgent(e.Agent)
	firmware, model = d.Firmware, d.Model
	if id, ok := o.session.engine.IdentityOf(p.MAC); ok {
		firmware, model = cmp.Or(id.Firmware, firmware), cmp.Or(id.Model, model)
	}
	return firmware, cmp.Or(model, p.Model)
}

func matches(pattern, s string) bool {
	ok, _ := path.Match(pattern, s) // the configuration was checked
	return ok && s != ""
}
