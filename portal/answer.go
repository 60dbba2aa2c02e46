package portal

import "net/http"

// showAnswer shows an answer to whoever was mailed about it.
func showAnswer(v *visit) { v.told(http.StatusOK, nil) }

func (v *visit) told(status int, n *notice) {
	t, ok := v.office.Told(v.id, v.who)
	if !ok || t.Answer == nil {
		v.closed()
		return
	}
	a := answeredOf(v, t.Letter)
	a.Standing, a.Object, a.There = t.Standing, t.Object, t.There
	v.answered(a, status, n)
}

// objectToAnswer takes back an answer, or the word of another user that it is
// not right.
func objectToAnswer(v *visit) {
	t, ok := v.office.Told(v.id, v.who)
	switch {
	case !ok:
		v.closed()
	case v.r.PostForm.Get("do") != "object":
		v.badForm()
	case !t.Object: // a double click
		v.redirect(v.path)
	default:
		v.finish(v.office.Object(v.r.Context(), v.id, v.who), "The answer may have been taken back already.", v.told)
	}
}
