package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"perch/sip/proxy"
)

// pathReport is what doctor says of the SIP path.
type pathReport struct {
	Listen []string `json:"listen"`
	proxy.State
	Told     uint64    `json:"registrations"` // what the engine was told of
	Findings []symptom `json:"findings"`
}

// diagnose says how the SIP path is.
func (k *sipKeeper) diagnose() pathReport {
	k.mu.Lock()
	listen := k.spec.Proxy.Listen
	k.mu.Unlock()
	d := pathReport{Listen: listen, Told: k.heard.Load() / 2, Findings: []symptom{}} // a REGISTER and its answer
	s := k.state.Load()
	if s == nil {
		d.Findings = append(d.Findings, symptom{"the SIP path says nothing of itself yet", "ask again in a second; the log says whether it had to be started again"})
		return d
	}
	d.State = *s
	say := func(is bool, what, remedy string) {
		if is {
			d.Findings = append(d.Findings, symptom{what, remedy})
		}
	}
	for _, u := range s.Upstream {
		say(!u.Up, "the PBX at "+u.Address+" does not answer, or wants nothing for a while", "see whether it runs and takes SIP from here; sip: {upstream: [...]} names it")
	}
	say(len(s.Upstream) == 0 && s.Lines == 0, "no line may register: there is neither a PBX nor a line with a secret",
		"list lines with their secrets in lines.csv and import it, or name the PBX in sip: {upstream: [...]}")
	say(s.Dropped > 0, fmt.Sprintf("%d messages of the SIP path were not observed: serve did not take them in time", s.Dropped),
		"phones register again by themselves; if it grows, see what keeps serve busy: the database first")
	if !s.Expires.IsZero() {
		say(s.Expires.Sub(k.now()) < 30*24*time.Hour, "the certificate of sip.tls expires on "+s.Expires.UTC().Format(time.DateOnly), "replace the files; they are read again by themselves")
	}
	diagnoseRegEvents(s.Subscriptions, say)
	say(d.Told == 0 && !s.Subscriptions.On, "no phone registers through Perch", "give phones Perch as their outbound proxy; the PBX must take REGISTERs with a Path (RFC 3327)")
	say(s.Counts.Panics > 0, fmt.Sprintf("%d messages could not be handled because of a defect in Perch", s.Counts.Panics),
		"the log has the hash of each and the place: please report it, see SECURITY.md")
	say(s.Counts.Strangers > 0, fmt.Sprintf("%d messages and connections came from networks that are not in sip.allow", s.Counts.Strangers),
		"if they are phones, add their network; if not, nobody was answered")
	say(s.Banned.Count > 0, fmt.Sprintf("%d sources are not heard for a while, but for emergency calls, as the PBX refused them too often: %s", s.Banned.Count, strings.Join(s.Banned.Sources, ", ")),
		"if one is a phone, put its password right: it is heard again within the hour; if not, somebody is scanning for lines and passwords")
	say(s.Counts.Guesses > 0, fmt.Sprintf("%d REGISTERs were refused here, after too many that the PBX refused", s.Counts.Guesses),
		"a phone has a wrong password, or somebody guesses; the PBX's log says of which line")
	say(s.Counts.Crowded > 0, fmt.Sprintf("%d messages were dropped unread, as their sources sent too many", s.Counts.Crowded), "see who floods; docs/hostile.md has the limits")
	return d
}

// diagnoseRegEvents says how the subscriptions to registration state are.
func diagnoseRegEvents(s proxy.Subscriptions, say func(is bool, what, remedy string)) {
	if !s.On {
		return
	}
	remedy := "it must serve the event package reg (RFC 3680) to the user of sip.reg_events: in Kamailio by presence_reginfo and pua_reginfo"
	switch s.Status {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		remedy = "put user and secret of sip.reg_events right; MD5 and SHA-256 are known"
	case http.StatusNotFound:
		remedy = "take the lines that the PBX does not know out of phones.csv, users.csv and lines.csv"
	}
	say(s.Refused > 0, fmt.Sprintf("the PBX does not say where %d lines are registered (last: %d); they are asked for again within the hour", s.Refused, s.Status), remedy)
	say(s.Active == 0 && s.Refused == 0 && s.Waiting == 0, "no line is listed whose registrations the PBX could be asked for", "import phones.csv, users.csv or lines.csv with aors")
	say(s.Active == 0 && s.Waiting > 0, fmt.Sprintf("the PBX has told nothing yet of %d lines", s.Waiting),
		"wait for a minute; then see whether it reaches Perch with its NOTIFYs: sip: {advertise: ...} says where")
	say(s.Nameless > 0 && s.Told == 0, "the PBX names no address of any phone: their contacts have names, and it does not say where REGISTERs came from",
		"have it say so (received), or give the phones addresses in their contacts")
	say(s.Malformed > 0, fmt.Sprintf("%d documents of the PBX could not be read", s.Malformed), "see what it sends: a NOTIFY with application/reginfo+xml is wanted")
}

func (r *doctorRequest) printPath(out io.Writer, d pathReport, more bool) error {
	if r.JSON {
		d.Findings = []symptom{} // they stand with those of Perch as a whole
		return json.NewEncoder(out).Encode(struct {
			SIP pathReport `json:"sip"`
		}{d})
	}
	fmt.Fprintf(out, "sip  %s\n", strings.Join(d.Listen, " "))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, u := range d.Upstream {
		state := "up"
		if !u.Up {
			state = "down"
		}
		fmt.Fprintf(w, "  upstream\t%s, %s\n", u.Address, state)
	}
	c := d.Counts
	if len(d.Upstream) == 0 {
		fmt.Fprintf(w, "  registrar\tof %s; %s by phones\n", few(d.Lines, "line", "lines"), few(d.Bindings, "registration", "registrations"))
	}
	fmt.Fprintf(w, "  messages\t%d forwarded%s%s%s%s\n", c.Forwarded-min(c.Answered, c.Forwarded), counted(c.Answered, "answered here"), counted(c.Malformed, "malformed"), counted(c.Forged, "forged"), counted(c.FailedOver, "tried at another PBX"))
	fmt.Fprintf(w, "  registrations\t%d told to the engine\n", d.Told)
	if s := d.Subscriptions; s.On {
		fmt.Fprintf(w, "  subscriptions\t%d active, %d waiting, %d refused\n", s.Active, s.Waiting, s.Refused)
	}
	fmt.Fprintf(w, "  callers\t%s for which the path has what it would tell a dispatcher\n", few(d.Callers, "phone", "phones"))
	err := w.Flush()
	if more {
		fmt.Fprintln(out)
	}
	return err
}
