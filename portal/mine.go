package portal

import (
	"net/http"

	"perch/gateway"
	"perch/gateway/words"
	"perch/location"
	"perch/provisioning"
)

// mineView is the choice among the reader's own saved places.
type mineView struct {
	Phone words.Phone
	Rows  []exactRow
}

func showMine(v *visit) {
	if q, ok := v.openQuestion(); ok {
		v.mine(q, "", http.StatusOK, nil)
	}
}

func (v *visit) mineAgain(q gateway.Question, at location.ID, status int, n *notice) {
	if status == http.StatusConflict {
		now, ok := v.openQuestion()
		if !ok {
			return
		}
		q = now
	}
	v.mine(q, at, status, n)
}

func (v *visit) mine(q gateway.Question, at location.ID, status int, n *notice) {
	m := mineView{Phone: words.PhoneOf(q.Letter)}
	for i, l := range q.Personal {
		row := exactRow{ID: string(l.ID), Name: words.Clean(nameOf(l), words.MaxLine)}
		row.Chosen = l.ID == at || at == "" && i == 0
		if l.Name != "" {
			row.Line = words.Clean(l.Address.String(), words.MaxLine)
		}
		m.Rows = append(m.Rows, row)
	}
	v.show(status, "mine", "Which of your own places is "+m.Phone.Name+" at?", n, m)
}

// formView is a page with an address to be filled in.
type formView struct {
	Phone  words.Phone
	Own    bool // the reader's own place; else one for the company's list
	Form   addressForm
	Action string // where the form goes
}

func showCompanyForm(v *visit) { v.showForm(forCompany) }
func showOwnForm(v *visit)     { v.showForm(forPerson) }
func takeCompanyForm(v *visit) { v.takeForm(forCompany) }
func takeOwnForm(v *visit)     { v.takeForm(forPerson) }

// showForm shows an address form, with what is known of the place filled in.
func (v *visit) showForm(p purpose) {
	if q, ok := v.openQuestion(); ok {
		v.form(q, p, v.guess(q, p), nil, http.StatusOK, nil)
	}
}

func (v *visit) form(q gateway.Question, p purpose, e entry, faults []fault, status int, n *notice) {
	f := formView{Phone: words.PhoneOf(q.Letter), Own: p == forPerson, Form: newAddressForm(e, p, faults), Action: v.prefix + v.path + "/address"}
	title := "A new address for the company’s list: where " + f.Phone.Name + " is"
	if f.Own {
		f.Action = v.prefix + v.path + "/own"
		title = "A place of your own: where " + f.Phone.Name + " is"
	}
	v.show(status, "address", title, n, f)
}

// guess returns what a form starts with: for the company's list the building of
// the detected place, or of the site's default, else the city that all places of
// the site are in; for somebody's own the country.
func (v *visit) guess(q gateway.Question, p purpose) entry {
	var a location.CivicAddress
	v.office.Read(func(d *provisioning.Directory) {
		site, _ := d.Site(q.Attachment.Site)
		if _, ok := d.Location(site.DefaultLocation); ok {
			a = d.Tree().Complete(site.DefaultLocation)
			return
		}
		a = shared(d.Tree(), q.Attachment.Site)
	})
	if q.Kind == gateway.Confirm && q.Location != nil && q.Location.Kind == location.Company {
		a = q.Location.Address
	}
	if p == forPerson {
		return entryOf(location.CivicAddress{Country: a.Country})
	}
	a.Floor, a.Room, a.Unit, a.Additional, a.Landmark = "", "", "", "", ""
	return entryOf(a)
}

// shared returns country, state and city of a site's places, each if it is the
// same for all.
func shared(tree *location.Tree, site string) location.CivicAddress {
	var a location.CivicAddress
	first := true
	for l := range tree.All() {
		if l.Kind != location.Company || l.Site != site || !l.Live() {
			continue
		}
		at := tree.Complete(l.ID)
		at = location.CivicAddress{Country: at.Country, State: at.State, City: at.City}
		if first {
			a, first = at, false
		}
		if at.Country != a.Country {
			return location.CivicAddress{}
		}
		if at.State != a.State {
			a.State, a.City = "", ""
		}
		if at.City != a.City {
			a.City = ""
		}
	}
	return a
}

// takeForm takes a filled-in address form. Its button for another country only
// shows it anew.
func (v *visit) takeForm(p purpose) {
	q, ok := v.openQuestion()
	if !ok {
		return
	}
	e := readEntry(v.r.PostForm)
	if v.r.PostForm.Get("do") == "country" {
		v.form(q, p, e, nil, http.StatusOK, nil)
		return
	}
	l, faults := e.check()
	if faults != nil {
		v.form(q, p, e, faults, http.StatusUnprocessableEntity, nil)
		return
	}
	r := gateway.Reply{Prompt: v.id, By: v.who, Kind: gateway.AnswerPropose, Address: l}
	if p == forPerson {
		r.Kind = gateway.AnswerAddPersonal
	}
	const sorry = "The question may have changed meanwhile. Nothing was changed, and what you entered is still here. Please try once more."
	v.finish(v.answer(r), sorry, func(status int, n *notice) {
		if status == http.StatusConflict {
			if q, ok = v.openQuestion(); !ok {
				return
			}
		}
		v.form(q, p, e, nil, status, n)
	})
}

func (v *visit) answer(r gateway.Reply) error { return v.office.Answer(v.r.Context(), r) }
