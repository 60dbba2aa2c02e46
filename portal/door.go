package portal

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"perch/gateway"
)

// thing is a kind of what links open.
type thing struct {
	purpose gateway.Purpose
	short   string // first part of a link's path
	long    string // first part of the clean path
}

var (
	prompts = thing{gateway.MailPrompt, "p", "prompts"}
	claims  = thing{gateway.MailClaim, "c", "claims"}
	answers = thing{gateway.MailNotice, "a", "answers"}
	alerts  = thing{gateway.MailEmergency, "e", "alerts"} // has one page for each contact, and no id
	phones  = thing{gateway.PhonesPage, "w", "phones"}    // likewise, for each admin
	things  = [...]thing{prompts, claims, answers, alerts, phones}
)

// single reports whether there is one such page for each reader, which has no id.
func (t thing) single() bool { return t == alerts || t == phones }

// path returns the clean path of one thing, without the portal's prefix.
func (t thing) path(id int64) string {
	if t.single() {
		return "/" + t.long
	}
	return "/" + t.long + "/" + strconv.FormatInt(id, 10)
}

// How long a browser keeps a token, in seconds: a working day; for the alerts, which
// stand open at a front desk, as long as browsers keep any (RFC 6265bis section 5.5).
const (
	cookieAge       = 8 * 60 * 60
	alertsCookieAge = 400 * 24 * 60 * 60
)

func (t thing) age() int {
	if t == alerts {
		return alertsCookieAge
	}
	return cookieAge
}

// openLink takes a token out of a link and puts it into a cookie.
func (h *Handler) openLink(t thing) http.Handler {
	return h.open(func(v *visit) {
		// The address of this page is the secret; of no other.
		v.w.Header().Set("Referrer-Policy", "no-referrer")
		// Mail programs take the full stop or bracket after a link for its end.
		token := strings.TrimFunc(v.r.PathValue("token"), notOfToken)
		link, ok := h.opens(t, token)
		if !ok {
			v.forged()
			return
		}
		if v.r.Method == http.MethodGet {
			h.setCookie(v.w, t, link.ID, token)
		}
		v.redirect(t.path(link.ID))
	})
}

// notOfToken reports what is not of the alphabet of RFC 4648 section 5.
func notOfToken(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// opens returns what a token opens, if it is a thing of that kind.
func (h *Handler) opens(t thing, token string) (gateway.Link, bool) {
	apart, ok := gateway.ParseToken(token)
	if !ok || apart.Purpose != t.purpose || apart.ID < 0 || (apart.ID == 0) != t.single() {
		return gateway.Link{}, false
	}
	return h.key.Opens(apart, h.office.Readers(t.purpose, apart.ID))
}

// setCookie hands a token to the browser for the pages of one thing alone, so
// that links opened in two tabs do not get into each other's way.
func (h *Handler) setCookie(w http.ResponseWriter, t thing, id int64, token string) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(t, id), Value: token, Path: h.prefix + t.path(id), MaxAge: t.age(),
		HttpOnly: true, Secure: h.secure, SameSite: http.SameSiteLaxMode,
	})
}

func cookieName(t thing, id int64) string { return "perch_" + t.long + "_" + strconv.FormatInt(id, 10) }

// reader returns for whom the link was made whose token the browser holds for
// one thing.
func (v *visit) reader(t thing, id int64) (string, bool) {
	c, err := v.r.Cookie(cookieName(t, id))
	if err != nil {
		return "", false
	}
	link, ok := v.opens(t, c.Value)
	return link.User, ok && link.ID == id
}

// behind makes the handler of a page that needs a link: get shows it, post takes
// its forms and may be nil. Whoever has no cookie learns nothing of what exists.
func (h *Handler) behind(t thing, get, post func(*visit)) http.Handler {
	return h.methods(post != nil, func(v *visit) {
		id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
		if err != nil || id <= 0 || v.r.PathValue("id") != strconv.FormatInt(id, 10) {
			v.notFound()
			return
		}
		v.id, v.path = id, t.path(id)
		var ok bool
		if v.who, ok = v.reader(t, id); !ok {
			v.closed()
			return
		}
		if err := v.office.Trouble(); err != nil && v.r.Method != http.MethodPost {
			v.unavailable(err)
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

// open makes the handler of a page that anybody may see, and that takes no form.
func (h *Handler) open(get func(*visit)) http.Handler { return h.methods(false, get) }

func (h *Handler) methods(post bool, serve func(*visit)) http.Handler {
	allow := "GET, HEAD"
	if post {
		allow += ", POST"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{Handler: h, w: w, r: r}
		switch {
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
		case r.Method != http.MethodPost || !post:
			w.Header().Set("Allow", allow)
			v.badMethod()
			return
		case h.origin.Check(r) != nil:
			v.foreign()
			return
		}
		serve(v)
	})
}

// readForm reads a POST's form, or shows what is wrong with it.
func (v *visit) readForm() bool {
	kind, _, _ := strings.Cut(v.r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") {
		v.badForm()
		return false
	}
	err := v.r.ParseForm()
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		v.tooBig()
	case err != nil:
		v.badForm()
	}
	return err == nil
}
