package portal

import (
	"net/http"
	"slices"

	"perch/gateway"
	"perch/gateway/words"
	"perch/location"
)

// promptView is an open question.
type promptView struct {
	about
	Place     *words.Place // to be confirmed; nil if there is none, or it may not be shown
	Hidden    bool         // there is one, somebody else's own
	Unchanged bool         // it is what an emergency call says already
	Exact     exact
	Places    int      // in the company's list, for this site
	Mine      []string // the reader's saved places
	Unmoved   string   // the place of the last reported network
	Others    []string // who else was asked
	Expires   string
	Moving    bool // the phone is on another network just now
}

// Headline is the question, as the mail puts it.
func (p promptView) Headline() string {
	switch {
	case p.Place == nil:
		return "Where is your desk phone " + p.Phone.Name + "?"
	case p.Place.Name != "" && !p.Place.Personal:
		return "Is your desk phone " + p.Phone.Name + " at " + p.Place.Name + "?"
	}
	return "Is this where your desk phone " + p.Phone.Name + " is?"
}

func showPrompt(v *visit) {
	if q, ok := v.question(); ok {
		v.prompt(q, http.StatusOK, nil)
	}
}

// question returns the prompt of a visit, or shows that its link is void: the
// reader may have been taken off the phone since.
func (v *visit) question() (gateway.Question, bool) {
	q, ok := v.office.Question(v.id, v.who)
	if !ok {
		v.closed()
	}
	return q, ok
}

// openQuestion is question for the pages and forms that answer it: one that is
// closed leads to the page that says why.
func (v *visit) openQuestion() (gateway.Question, bool) {
	q, ok := v.question()
	if ok && !answerable(q) {
		v.redirect(v.path)
		return q, false
	}
	return q, ok
}

func answerable(q gateway.Question) bool { return q.State == 0 && !q.Declined }

// prompt shows a question, or what became of it.
func (v *visit) prompt(q gateway.Question, status int, n *notice) {
	switch {
	case q.State == gateway.Answered && q.Answer != nil && !q.Declined:
		v.answered(answeredIn(v, q), status, n)
	case !answerable(q):
		v.over(q, status, n)
	default:
		p := v.promptView(q)
		v.show(status, "prompt", p.Headline(), n, p)
	}
}

func (v *visit) promptView(q gateway.Question) promptView {
	p := promptView{
		about: aboutOf(q.Letter), Unmoved: words.Clean(q.Unmoved, words.MaxLine), Moving: !q.There,
		Expires: minute(q.Expires, v.zone(q.Attachment.Site)), Places: len(v.catalogue(q.Attachment.Site).listed),
	}
	if q.Kind == gateway.Confirm {
		p.Place, p.Hidden = words.PlaceOf(q.Location), q.Location == nil
	}
	p.Unchanged = p.Place != nil && p.InForce == words.Clean(p.Place.Line, words.MaxLine)
	for _, l := range q.Personal {
		p.Mine = append(p.Mine, nameOf(l))
	}
	p.Mine = words.CleanAll(p.Mine, words.MaxName)
	others := slices.DeleteFunc(slices.Clone(q.Recipient), func(s string) bool { return s == v.who })
	p.Others = words.CleanAll(others, words.MaxWord)
	if p.Place != nil {
		p.Exact = newExact(q.Within, q.Location.Address, v.r.URL.Query().Get("q"), location.ID(v.r.PostForm.Get("exact")))
	}
	return p
}

// nameOf names a location, by its address if it has no name.
func nameOf(l location.Location) string {
	if l.Name != "" {
		return l.Name
	}
	return l.Address.String()
}

// answerPrompt takes the buttons of a prompt's pages.
func answerPrompt(v *visit) {
	q, ok := v.question()
	if !ok {
		return
	}
	ctx, do := v.r.Context(), v.r.PostForm.Get("do")
	again := func(status int, n *notice) { v.promptAgain(q, status, n) }
	switch do {
	case "current":
		v.toCurrent(q)
	case "ask":
		v.finish(v.office.AskAgain(ctx, v.id, v.who), "The phone may be elsewhere by now, or somebody was asked already.", again)
	case "object":
		if q.Answer == nil {
			v.redirect(v.path)
			return
		}
		v.finish(v.office.Object(ctx, q.Answer.ID, v.who), "The answer may have been taken back already.", again)
	case "disown", "confirm", "unmoved", "company", "personal":
		if !answerable(q) { // a double click, or somebody was faster
			v.redirect(v.path)
			return
		}
		v.take(q, do)
	default:
		v.badForm()
	}
}

// take passes an answer on.
func (v *visit) take(q gateway.Question, do string) {
	again := func(status int, n *notice) { v.promptAgain(q, status, n) }
	r := gateway.Reply{Prompt: v.id, By: v.who}
	at := location.ID(v.r.PostForm.Get("place"))
	switch do {
	case "disown":
		v.finish(v.office.Disown(v.r.Context(), v.id, v.who), "The list of the phone’s users may have changed.", again)
		return
	case "unmoved":
		r.Kind = gateway.AnswerNotMoved
	case "confirm":
		r.Kind, r.Location = gateway.AnswerConfirm, location.ID(v.r.PostForm.Get("exact"))
	case "company":
		r.Kind, r.Location = gateway.AnswerCompany, at
		if slices.ContainsFunc(q.Within, func(l location.Location) bool { return l.ID == at }) {
			r.Kind = gateway.AnswerConfirm // of the detected place, more exactly
		}
		again = func(status int, n *notice) { v.placesAgain(q, at, status, n) }
	case "personal":
		r.Kind, r.Location = gateway.AnswerPersonal, at
		again = func(status int, n *notice) { v.mineAgain(q, at, status, n) }
	}
	const sorry = "That place may have been taken off the list, or the question may have changed meanwhile. Nothing was changed. Please look again and choose."
	v.finish(v.answer(r), sorry, again)
}

// finish ends a POST: what took effect leads to the page that shows it, what did
// not is shown again with a notice.
func (v *visit) finish(err error, sorry string, again func(status int, n *notice)) {
	switch {
	case err == nil:
		v.redirect(v.path)
	case isRefusal(err):
		again(http.StatusConflict, v.refused(err, sorry))
	default:
		again(http.StatusServiceUnavailable, v.unsaved(err))
	}
}

// promptAgain shows a question again after a decision that did not take effect.
// After a refusal it may have been closed by somebody else: that page says so.
func (v *visit) promptAgain(q gateway.Question, status int, n *notice) {
	if status != http.StatusConflict {
		v.prompt(q, status, n)
		return
	}
	now, ok := v.question()
	switch {
	case !ok:
	case answerable(q) && !answerable(now):
		v.redirect(v.path)
	default:
		v.prompt(now, status, n)
	}
}

// toCurrent opens the phone's open question for a reader who is asked by it.
func (v *visit) toCurrent(q gateway.Question) {
	if q.Current == 0 {
		v.redirect(v.path)
		return
	}
	token := v.key.Token(gateway.Link{Purpose: prompts.purpose, ID: q.Current, User: v.who})
	v.setCookie(v.w, prompts, q.Current, token)
	v.redirect(prompts.path(q.Current))
}
