package portal

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"

	"perch/gateway"
)

// message is a page that says only that something is not to be had.
type message struct {
	Title     string
	Text      []string
	Reference string
}

// newReference returns a short random id that is told to people and logged.
func newReference() string {
	b := make([]byte, 5)
	_, _ = rand.Read(b) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(b))
}

// tell shows a message page with a reference, which stands in the log with
// the reason. Paths are not logged: those of links hold tokens.
func (v *visit) tell(status int, why, title string, text ...string) {
	ref := newReference()
	v.log.Info("portal: a page was refused", "reference", ref, "status", status, "reason", why, "page", v.r.Pattern, "method", v.r.Method)
	v.show(status, "message", title, nil, message{Title: title, Text: text, Reference: ref})
}

// forged answers every link that opens nothing, and tells nobody why: a
// difference would tell what exists.
func (v *visit) forged() {
	const title = "This link opens nothing"
	v.log.Info("portal: a link opened nothing", "page", v.r.Pattern)
	v.show(http.StatusNotFound, "forged", title, nil, message{Title: title})
}

// closed answers a page without its cookie, whether or not there is such a
// thing.
func (v *visit) closed() {
	v.show(http.StatusForbidden, "closed", "Please open the link in your mail again", nil, nil)
}

func (v *visit) notFound() {
	v.tell(http.StatusNotFound, "no such page", "There is no such page",
		"The address may be cut off. If you came here by the link of a mail, please open it once more, or copy all of it.")
}

func (v *visit) badMethod() {
	v.tell(http.StatusMethodNotAllowed, "method", "This page cannot be used like that",
		"Please open the link in your mail and use the buttons of the page.")
}

func (v *visit) badForm() {
	v.tell(http.StatusBadRequest, "form cannot be read", "We could not read what was sent",
		"Nothing was changed. Please go back, and send it again.")
}

func (v *visit) tooBig() {
	v.tell(http.StatusRequestEntityTooLarge, "form too big", "That is too much text",
		"What was sent is far longer than any address, so nothing was changed. Please go back, shorten it, and send it again.")
}

// unavailable answers while the database cannot be written. A form that is sent
// meanwhile comes back filled in, see unsaved.
func (v *visit) unavailable(err error) {
	v.w.Header().Set("Retry-After", "60")
	v.tell(http.StatusServiceUnavailable, "not stored: "+err.Error(), "This page is not to be had just now",
		"Nothing that you told us is lost. Please try again in a minute.")
}

func (v *visit) foreign() {
	v.tell(http.StatusForbidden, "cross-origin", "This came from another web site",
		"Nothing was changed. Please open the link in your mail and use the buttons of the page.")
}

// rescue turns a panic into a page.
func (v *visit) rescue() {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	ref := newReference()
	v.log.Error("portal: a page failed", "reference", ref, "page", v.r.Pattern, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	v.failed(ref)
}

// failed shows that a page could not be made. If that page cannot be made
// either, plain text has to do.
func (v *visit) failed(ref string) {
	const title = "Something went wrong here"
	text := []string{"It is our fault and not yours. Nothing that was saved is lost. Please try again in a minute."}
	defer func() {
		if recover() != nil {
			http.Error(v.w, title+". Reference: "+ref, http.StatusInternalServerError)
		}
	}()
	v.show(http.StatusInternalServerError, "message", title, nil, message{Title: title, Text: text, Reference: ref})
}

// refused makes the notice of a decision that the engine would not take, in
// words that fit the page; its own are for the command line, and logged.
func (v *visit) refused(err error, text string) *notice {
	ref := newReference()
	v.log.Info("portal: a decision was refused", "reference", ref, "page", v.r.Pattern, "reason", err)
	return &notice{Title: "That could not be done", Text: text, Reference: ref}
}

// unsaved makes the notice of a decision that could not be stored.
func (v *visit) unsaved(err error) *notice {
	ref := newReference()
	v.log.Error("portal: a decision could not be stored", "reference", ref, "page", v.r.Pattern, "error", err)
	v.w.Header().Set("Retry-After", "60")
	return &notice{
		Title:     "This could not be saved just now",
		Text:      "Nothing that you entered is lost: it is still here. Please try again in a minute.",
		Reference: ref,
	}
}

// isRefusal reports whether the engine said no, rather than failed.
func isRefusal(err error) bool {
	var no *gateway.Refusal
	return errors.As(err, &no)
}
