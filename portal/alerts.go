package portal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"perch/gateway"
	"perch/gateway/words"
	"perch/provisioning"
)

// alertsPolicy is the content security policy of the one page that has a script: it
// makes itself heard, and looks for new calls.
const alertsPolicy = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// alertsView is the page of all calls for help that its reader learns of.
type alertsView struct {
	Sites    string // their names
	Waiting  []callView
	Recent   []callView
	Unstored bool   // nothing can be stored just now
	Tag      string // of all that the page shows
	Live     string // where a script asks for more
	Title    string
	Now      int64 // milliseconds since 1970
}

// callView is one call.
type callView struct {
	*words.Call
	At    int64  // when it went out, milliseconds since 1970
	Ago   string // how long ago that is
	Name  string // what stands in the field for a name
	Wrong string // what is wrong with it
}

// signature is what a reader typed as their name for one call.
type signature struct {
	call        int64
	name, wrong string
}

// behindAlerts makes the handler of a page for contacts. It needs no database: who
// is called for must be seen while that is down.
func (h *Handler) behindAlerts(get, post func(*visit)) http.Handler {
	return h.methods(post != nil, func(v *visit) {
		v.path = alerts.path(0)
		var ok bool
		if v.who, ok = v.reader(alerts, 0); !ok {
			v.closed()
			return
		}
		if v.r.Method != http.MethodPost {
			get(v)
			return
		}
		if v.readForm() {
			post(v)
		}
	})
}

// alerts returns what the page shows, or shows that its link is void.
func (v *visit) alerts(typed signature) (alertsView, bool) {
	a, ok := v.office.Alerts(v.who)
	if !ok {
		v.closed()
		return alertsView{}, false
	}
	p := alertsView{Unstored: v.office.Trouble() != nil, Live: v.prefix + v.path + "/live"}
	name := v.who
	var sites []string
	v.office.Read(func(d *provisioning.Directory) {
		if u, _ := d.User(v.who); u.Name != "" {
			name = u.Name
		}
		for _, id := range a.Sites {
			if s, _ := d.Site(id); s.Name != "" {
				id = s.Name
			}
			if id != "" {
				sites = append(sites, words.Clean(id, words.MaxName))
			}
		}
	})
	p.Sites = strings.Join(sites, ", ")
	now := v.office.Now()
	p.Now = now.UnixMilli()
	for _, x := range a.Waiting {
		c := v.callView(&x, a.Callbacks[x.AOR], now)
		c.Name = words.Clean(name, words.MaxName)
		if typed.call == x.ID {
			c.Name, c.Wrong = shown(typed.name), typed.wrong
		}
		p.Waiting = append(p.Waiting, c)
	}
	for _, x := range a.Recent {
		p.Recent = append(p.Recent, v.callView(&x, a.Callbacks[x.AOR], now))
	}
	p.Title = "Emergency calls"
	if n := len(p.Waiting); n > 0 {
		p.Title = fmt.Sprintf("(%d) EMERGENCY CALL", n)
	}
	p.Tag = tagOf(a, p.Unstored)
	return p, true
}

func (v *visit) callView(x *gateway.Emergency, callback string, now time.Time) callView {
	z := v.zone(x.Site)
	stamp := func(t time.Time) string { return t.In(z).Format("15:04:05 MST, Monday, 2 January 2006") }
	return callView{Call: words.CallOf(x, callback, stamp), At: x.Time.UnixMilli(), Ago: words.Age(now.Sub(x.Time)) + " ago"}
}

// tagOf is different for pages that tell different things.
func tagOf(a gateway.Alerts, unstored bool) string {
	h := sha256.New()
	// What changes with each second stands in none of it.
	_ = json.NewEncoder(h).Encode(a) // of nothing that cannot be written
	fmt.Fprint(h, unstored)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}

func showAlerts(v *visit) {
	if v.r.Method == http.MethodGet {
		// A page that stands open at a front desk is used for as long as its reader
		// is a contact.
		if c, err := v.r.Cookie(cookieName(alerts, 0)); err == nil {
			v.setCookie(v.w, alerts, 0, c.Value)
		}
	}
	v.showAlerts(http.StatusOK, nil, signature{})
}

func (v *visit) showAlerts(status int, n *notice, typed signature) {
	p, ok := v.alerts(typed)
	if !ok {
		return
	}
	v.w.Header().Set("Content-Security-Policy", alertsPolicy)
	v.show(status, "alerts", p.Title, n, p)
}

// showLive tells the page's script what there is. All of it is told only if the
// script has something else.
func showLive(v *visit) {
	p, ok := v.alerts(signature{})
	if !ok {
		return
	}
	out := struct {
		Tag     string `json:"tag"`
		Waiting int    `json:"waiting"`
		Title   string `json:"title"`
		Now     int64  `json:"now"` // milliseconds since 1970
		HTML    string `json:"html,omitempty"`
	}{p.Tag, len(p.Waiting), p.Title, p.Now, ""}
	if v.r.URL.Query().Get("tag") != p.Tag {
		var b bytes.Buffer
		if err := v.sheets["alerts"].ExecuteTemplate(&b, "calls", frame{Path: v.prefix + v.path, Page: p}); err != nil {
			panic(fmt.Errorf("page alerts: %w", err))
		}
		out.HTML = b.String()
	}
	v.w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(v.w).Encode(out) // whoever went away needs nothing
}

// acknowledge takes the button of a call.
func acknowledge(v *visit) {
	id, err := strconv.ParseInt(v.r.PostForm.Get("call"), 10, 64)
	if err != nil {
		v.badForm()
		return
	}
	typed := signature{call: id, name: v.r.PostForm.Get("name")}
	name := words.Clean(tidy(typed.name), words.MaxName)
	if name == "" {
		typed.wrong = "Please give your name, so that others know who sees to it."
		v.showAlerts(http.StatusUnprocessableEntity, nil, typed)
		return
	}
	err = v.office.Acknowledge(v.r.Context(), gateway.Acknowledgement{Emergency: id, Name: name, By: v.who})
	switch {
	case err == nil:
		v.redirect(v.path)
	case isRefusal(err):
		v.showAlerts(http.StatusConflict, v.refused(err, "Somebody else may have acknowledged the call already: see below."), typed)
	default:
		v.showAlerts(http.StatusServiceUnavailable, v.unsaved(err), typed)
	}
}
