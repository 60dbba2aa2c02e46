package portal

import (
	"net/http"
	"slices"
	"strings"

	"perch/discovery"
	"perch/gateway"
	"perch/gateway/words"
)

// maxTouched is how many phones of a choice are listed one by one.
const maxTouched = 20

// claimView is a claim as a reviewer sees it.
type claimView struct {
	about
	ID       int64
	By       string
	ByMail   bool // who said so can be told of the decision
	When     string
	Place    *words.Place
	Open     bool
	Approved bool
	Closed   string
	Decider  string
	Made     string // the network of the rule that was made; empty if none was
	Default  choiceView
	Choices  []choiceView
	Reason   string // of a rejection, or as it was typed
	NoReason bool   // it was left out
	Now      string
}

// choiceView is what approving at one level does.
type choiceView struct {
	Level    string
	Chosen   bool
	What     string // "The whole switch"
	Network  string
	Made     bool
	Rule     string // in the wiremap's notation
	Place    *words.Place
	Wider    bool // Place is one that the claimed place lies in
	Replaces *words.Place
	Phones   []touchedView
	Count    int
	More     int // phones that are not listed
	Changes  int
}

type touchedView struct {
	Name      string
	Users     []string
	Now, Then string // Then is empty if nothing changes
}

func showClaim(v *visit) {
	if r, ok := v.review(); ok {
		v.claim(r, claimTyped{}, http.StatusOK, nil)
	}
}

// review returns the claim of a visit, or shows that its link is void.
func (v *visit) review() (gateway.Review, bool) {
	r, ok := v.office.ReviewOf(v.id, v.who)
	if !ok || r.Claim == nil {
		v.closed()
		return r, false
	}
	return r, true
}

// claimTyped is what a reviewer entered on the claim's page.
type claimTyped struct {
	level    discovery.Level
	reason   string
	noReason bool
}

func (v *visit) claim(r gateway.Review, typed claimTyped, status int, n *notice) {
	c := v.claimView(r, typed)
	title := "Please review: the address of desk phone " + c.Phone.Name
	if !c.Open {
		title = "Decided: the address of desk phone " + c.Phone.Name
	}
	v.show(status, "claim", title, n, c)
}

func (v *visit) claimView(r gateway.Review, typed claimTyped) claimView {
	claim, z := r.Claim, v.zone(r.Attachment.Site)
	c := claimView{
		about: aboutOf(r.Letter), ID: claim.ID, By: words.By(claim.By), ByMail: !strings.HasPrefix(claim.By, "cli:"),
		When: minute(claim.Opened, z), Place: words.PlaceOf(r.Location),
		Open: claim.State == gateway.ClaimOpen, Approved: claim.State == gateway.ClaimApproved,
		Closed: minute(claim.Closed, z), Decider: words.By(claim.Decider), Now: minute(v.office.Now(), z),
		Reason: words.Clean(claim.Reason, words.MaxReason),
	}
	if claim.Level != discovery.LevelNone {
		c.Made = words.Network(atLevel(claim.Attachment, claim.Level))
	}
	if !c.Open {
		return c
	}
	c.Reason, c.NoReason = strings.ToValidUTF8(typed.reason, "\ufffd"), typed.noReason
	c.Choices = choiceViews(r, typed.level)
	for _, choice := range c.Choices {
		if choice.Level == r.Default.String() {
			c.Default = choice
		}
	}
	return c
}

// choiceViews puts the levels to choose from into words.
func choiceViews(r gateway.Review, chosen discovery.Level) []choiceView {
	if chosen == discovery.LevelNone {
		chosen = r.Default
	}
	var out []choiceView
	for _, c := range r.Choices {
		out = append(out, choiceOf(r, c, c.Level == chosen))
	}
	return out
}

func choiceOf(r gateway.Review, c gateway.Choice, chosen bool) choiceView {
	x := choiceView{
		Level: c.Level.String(), Chosen: chosen, What: levelWords(c.Level, r.Attachment),
		Network: words.Network(atLevel(r.Attachment, c.Level)), Made: c.Made, Count: len(c.Phones),
		Place: words.PlaceOf(c.Place), Replaces: words.PlaceOf(c.Replaces),
	}
	if !c.Made {
		return x
	}
	x.Rule = words.Clean(c.Rule.String(), words.MaxLine)
	x.Wider = c.Place != nil && c.Place.ID != r.Claim.Location
	for i, t := range c.Phones {
		if t.Changes {
			x.Changes++
		}
		if i >= maxTouched {
			x.More++
			continue
		}
		seen := touchedView{
			Name:  words.PhoneOf(gateway.Letter{Phone: t.Phone, Label: t.Label}).Name,
			Users: words.CleanAll(t.Users, words.MaxWord), Now: words.Clean(t.Now, words.MaxLine),
		}
		if t.Changes && x.Place != nil {
			seen.Then = x.Place.Line
		}
		x.Phones = append(x.Phones, seen)
	}
	return x
}

// levelWords says how much of the network a level is.
func levelWords(l discovery.Level, a discovery.Attachment) string {
	switch l {
	case discovery.LevelPort:
		if a.PortID == "" || a.ChassisID == "" {
			return "This circuit only"
		}
		return "This socket only"
	case discovery.LevelBSSID:
		return "This Wi-Fi access point"
	case discovery.LevelChassis:
		return "The whole switch"
	case discovery.LevelSubnet:
		return "The whole network"
	case discovery.LevelPublicIP:
		return "All behind this internet address"
	}
	return ""
}

// atLevel is a network as seen at one of its levels: what is stronger is left
// out.
func atLevel(a discovery.Attachment, l discovery.Level) discovery.Network {
	if l < discovery.LevelPort {
		a.PortID = ""
		if !a.Shared {
			a.RemoteID, a.CircuitID = "", ""
		}
	}
	if l < discovery.LevelBSSID {
		a.BSSID = discovery.MAC{}
	}
	if l < discovery.LevelChassis {
		a.ChassisID = ""
	}
	return a.Network()
}

// decideClaim takes the buttons of a claim's page.
func decideClaim(v *visit) {
	r, ok := v.review()
	if !ok {
		return
	}
	form := v.r.PostForm
	typed := claimTyped{level: readLevel(r, form.Get("level")), reason: form.Get("reason")}
	d := gateway.Decision{Claim: v.id, By: v.who}
	switch form.Get("do") {
	case "approve":
		d.Approve, d.Level = true, typed.level
	case "reject":
		d.Reason = tidyReason(typed.reason)
		typed.noReason = d.Reason == ""
	default:
		v.badForm()
		return
	}
	switch {
	case r.Claim.State != gateway.ClaimOpen: // a double click, or another reviewer
		v.redirect(v.path)
	case typed.noReason:
		v.claim(r, typed, http.StatusUnprocessableEntity, nil)
	default:
		v.decide(r, d, func(r gateway.Review, status int, n *notice) { v.claim(r, typed, status, n) })
	}
}

// decide passes a decision on.
func (v *visit) decide(r gateway.Review, d gateway.Decision, again func(r gateway.Review, status int, n *notice)) {
	const sorry = "The claim or the list may have changed meanwhile. Nothing was changed. Please look again."
	v.finish(v.office.Review(v.r.Context(), d), sorry, func(status int, n *notice) {
		if status == http.StatusConflict {
			now, ok := v.review()
			if !ok {
				return
			}
			if now.Claim.State != gateway.ClaimOpen {
				v.redirect(v.path)
				return
			}
			r = now
		}
		again(r, status, n)
	})
}

// readLevel reads a level that the claim's network has; none is its own.
func readLevel(r gateway.Review, s string) discovery.Level {
	l, ok := discovery.ParseLevel(s)
	if !ok || !slices.ContainsFunc(r.Choices, func(c gateway.Choice) bool { return c.Level == l }) {
		return discovery.LevelNone
	}
	return l
}

// tidyReason makes one line of a reason: it goes into mails and events.
func tidyReason(s string) string { return words.Clean(s, words.MaxReason) }

// editView is the form for "edit and approve".
type editView struct {
	claimView
	Form   addressForm
	Action string
}

func showEdit(v *visit) {
	if r, ok := v.editable(); ok {
		v.edit(r, entryOf(r.Location.Address), discovery.LevelNone, nil, http.StatusOK, nil)
	}
}

// editable returns a claim whose address may be edited: a proposed one that is
// still open.
func (v *visit) editable() (gateway.Review, bool) {
	r, ok := v.review()
	if ok && (r.Claim.State != gateway.ClaimOpen || r.Location == nil || !r.Location.Pending) {
		v.redirect(v.path)
		return r, false
	}
	return r, ok
}

func (v *visit) edit(r gateway.Review, e entry, level discovery.Level, faults []fault, status int, n *notice) {
	c := editView{
		claimView: v.claimView(r, claimTyped{level: level}), Form: newAddressForm(e, forReview, faults), Action: v.prefix + v.path + "/edit",
	}
	v.show(status, "edit", "Edit and approve: the address of desk phone "+c.Phone.Name, n, c)
}

// takeEdit approves a claim with an edited address.
func takeEdit(v *visit) {
	r, ok := v.editable()
	if !ok {
		return
	}
	form := v.r.PostForm
	e, level := readEntry(form), readLevel(r, form.Get("level"))
	if form.Get("do") == "country" {
		v.edit(r, e, level, nil, http.StatusOK, nil)
		return
	}
	l, faults := e.check()
	if faults != nil {
		v.edit(r, e, level, faults, http.StatusUnprocessableEntity, nil)
		return
	}
	d := gateway.Decision{Claim: v.id, By: v.who, Approve: true, Level: level, Edit: &l.Address}
	v.decide(r, d, func(r gateway.Review, status int, n *notice) {
		if r.Location == nil || !r.Location.Pending {
			v.redirect(v.path)
			return
		}
		v.edit(r, e, level, nil, status, n)
	})
}
