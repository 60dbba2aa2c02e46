package portal

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"perch/discovery"
	"perch/gateway"
	"perch/gateway/words"
)

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
	Wrong    string // what is wrong with the reason as typed
	Now      string
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
	level  discovery.Level
	reason string
	wrong  string // what is wrong with the reason
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
	c.Reason, c.Wrong = shown(typed.reason), typed.wrong
	c.Choices = choiceViews(r, typed.level)
	for _, choice := range c.Choices {
		if choice.Level == r.Default.String() {
			c.Default = choice
		}
	}
	return c
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
		d.Reason, typed.wrong = readReason(typed.reason)
	default:
		v.badForm()
		return
	}
	switch {
	case r.Claim.State != gateway.ClaimOpen: // a double click, or another reviewer
		v.redirect(v.path)
	case typed.wrong != "":
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

// readReason makes one line of a reason, since it goes into mails and events, and
// tells what is wrong with it.
func readReason(typed string) (reason, wrong string) {
	typed = tidy(typed)
	switch n := utf8.RuneCountInString(typed); {
	case n == 0:
		wrong = "Please say why, so that the next answer is better."
	case n > words.MaxReason:
		wrong = fmt.Sprintf("At most %d characters, please. This has %d.", words.MaxReason, n)
	}
	return words.Clean(typed, words.MaxReason), wrong
}
