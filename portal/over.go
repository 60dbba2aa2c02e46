package portal

import (
	"perch/gateway"
	"perch/gateway/words"
)

// overView is a question that cannot be answered any more, by its link at least.
type overView struct {
	about
	Title   string
	Text    []string
	InForce string // of the phone; empty: nothing
	Tells   bool   // what an emergency call says now
	Action  string // the button's "do"; empty: none
	Button  string
}

// over shows why a question cannot be answered, and where to go from there.
func (v *visit) over(q gateway.Question, status int, n *notice) {
	o := overView{about: aboutOf(q.Letter), Tells: true}
	o.InForce = o.about.InForce
	o.explain(q)
	if q.Current != 0 && o.Action == "" {
		o.Action, o.Button = "current", "Answer the current question"
	}
	v.show(status, "over", o.Title, n, o)
}

func (o *overView) explain(q gateway.Question) {
	name := o.Phone.Name
	switch {
	case q.Declined:
		o.Title, o.Tells = "You told us that "+name+" is not your phone", false
		o.Text = []string{"We do not ask you about it any more, and have told the telephone administrators. If that was a mistake, please tell them."}
	case q.State == gateway.Superseded, q.State == gateway.Returned && q.Current != 0:
		o.Title = "Your phone " + name + " has moved on"
		o.Text = []string{"This question was about " + orElse(o.Network, "a network") + ", where the phone is no longer connected."}
		if q.Current == 0 {
			o.Text = append(o.Text, "There is nothing left for you to do. If we need to know where it is now, you get another mail.")
		} else {
			o.Text = append(o.Text, "There is a question about where it is now.")
		}
	case q.State == gateway.Returned:
		o.Title = "Your phone " + name + " is back"
		o.Text = []string{"It is connected again at a place that we know, so there is nothing left for you to do."}
	case q.State == gateway.Expired:
		o.explainExpired(q)
	default: // withdrawn, or closed by an answer that is not known any more
		o.Title = "This question about " + name + " was withdrawn"
		o.Text = []string{"There is nothing left for you to do. We asked by mistake, or it was settled otherwise."}
	}
}

func (o *overView) explainExpired(q gateway.Question) {
	o.Title = "Nobody told us in time where " + o.Phone.Name + " is"
	switch {
	case q.Current != 0:
		o.Text = []string{"We have asked again: a new mail with a new link is on its way to you. You can answer here just as well."}
	case q.Askable:
		o.Text = []string{"This link does not work any more, but it is not too late: we can ask you again by a new mail, with a new link."}
		o.Action, o.Button = "ask", "Ask me again"
	default:
		o.Text = []string{"This link does not work any more. If we still need to know, you get another mail."}
	}
}

// answeredView is an answer that was given, as a receipt to who gave it and as
// news to the phone's other users.
type answeredView struct {
	about
	Mine     bool
	By       string
	When     string
	Place    *words.Place // nil: somebody else's own
	Standing bool
	Object   bool // the reader may object to it
	There    bool // the phone is where the answer is about
	Open     bool // it waits for review
	Rejected bool
	Decider  string
	Reason   string
	Current  bool // there is another question, to which the page leads
}

// Headline says whose answer it is and whether it holds.
func (a answeredView) Headline() string {
	switch {
	case a.Mine && a.Standing:
		return "Thank you. We know where " + a.Phone.Name + " is."
	case a.Mine:
		return "Your answer for " + a.Phone.Name + " does not hold any more"
	case a.Standing:
		return "Somebody told us already where " + a.Phone.Name + " is"
	}
	return "An answer for " + a.Phone.Name + " does not hold any more"
}

// Sent reports whether the answer's place is what an emergency call says now.
func (a answeredView) Sent() bool {
	return a.Standing && (a.There || a.Place != nil && a.InForce == words.Clean(a.Place.Line, words.MaxLine))
}

// answeredIn makes the view of a question that was answered.
func answeredIn(v *visit, q gateway.Question) answeredView {
	a := answeredOf(v, q.Letter)
	a.Standing, a.Object, a.There, a.Current = q.Standing, q.Object, q.There, q.Current != 0
	return a
}

func answeredOf(v *visit, l gateway.Letter) answeredView {
	z := v.zone(l.Attachment.Site)
	a := answeredView{
		about: aboutOf(l), Mine: l.Answer.By == v.who, By: words.By(l.Answer.By), When: minute(l.Answer.Time, z),
		Place: words.PlaceOf(v.place(l.Answer.Location, v.who)),
	}
	if c := l.Claim; c != nil {
		a.Open, a.Rejected = c.State == gateway.ClaimOpen, c.State == gateway.ClaimRejected
		a.Decider, a.Reason = words.By(c.Decider), words.Clean(c.Reason, words.MaxReason)
	}
	return a
}

func (v *visit) answered(a answeredView, status int, n *notice) {
	v.show(status, "answered", a.Headline(), n, a)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
