package portal

import (
	"net/http"

	"perch/discovery"
	"perch/gateway"
)

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
