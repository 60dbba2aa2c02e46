// Package portal is the web pages behind the links that Perch mails.
//
// Somebody gets a mail "Where is your desk phone?", taps its link on a telephone,
// says where the phone is, and is done in under a minute. There is no password
// and no account: the link carries a token that was made for one person and one
// thing (a question, a claim to review, or an answer that was given), and that
// opens nothing else. The first request checks the token, puts it into a cookie
// for that one page, and leads on to a clean address such as /prompts/17, so
// that the token stays out of the browser's history and of what it tells others.
//
//	/p/TOKEN   a question to the users of a phone   /prompts/17
//	/c/TOKEN   a claim for a reviewer               /claims/3
//	/a/TOKEN   an answer that was given             /answers/5
//	/e/TOKEN   the emergency calls of a site        /alerts
//	/w/TOKEN   the phones that wait for an admin    /phones
//
// What the pages refuse to do:
//
//   - GET and HEAD change nothing, because mail scanners follow every link before
//     its reader does. Only a button, that is a POST from these pages, does.
//   - No page needs JavaScript, loads anything from elsewhere, or may be framed. One
//     has a script, that of the emergency calls, to be heard and up to date.
//   - A link never shows one person's personal address to another, and a link that
//     opens nothing never tells why.
//   - Nothing here decides. The engine does, and says no with a *gateway.Refusal;
//     what it could not store is a page that says so, with all that was typed.
//
// An emergency call never waits for any of this.
package portal

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"perch/gateway"
	"perch/provisioning"
)

// Office is what the pages need of the engine. Each decision is durable when it
// returns; one that cannot be taken gives a *gateway.Refusal, and any other error
// means that it could not be stored.
type Office interface {
	Now() time.Time

	// Trouble returns why nothing can be stored now; nil if all is well. What the
	// views tell then may not be durable, so no page shows it.
	Trouble() error

	// Readers returns the emails of those for whom a link to that prompt, claim
	// or answer may have been made.
	Readers(p gateway.Purpose, id int64) []string

	// The views; false if there is no such thing, or it is not for that reader.
	Question(prompt int64, reader string) (gateway.Question, bool)
	Told(answer int64, reader string) (gateway.Told, bool)
	ReviewOf(claim int64, reader string) (gateway.Review, bool)

	// Read lets f look at the directory. f keeps nothing that it can see there.
	Read(f func(*provisioning.Directory))

	Answer(ctx context.Context, r gateway.Reply) error
	Disown(ctx context.Context, prompt int64, by string) error   // it is not their phone
	AskAgain(ctx context.Context, prompt int64, by string) error // an expired prompt, by a new mail
	Object(ctx context.Context, answer int64, by string) error
	Review(ctx context.Context, d gateway.Decision) error

	// Alerts returns the calls for help that a reader learns of, as soon as they are
	// known, durable or not; false if the reader is nobody's contact.
	Alerts(reader string) (gateway.Alerts, bool)
	// Acknowledge takes in that somebody sees to a call, also while nothing can be
	// stored: the sound must end.
	Acknowledge(ctx context.Context, a gateway.Acknowledgement) error
}

// Config is what the pages are made of. All fields but Phones, Organization and Log are
// needed.
type Config struct {
	Office       Office
	Phones       Phones      // nil: no page tells of them
	Key          gateway.Key // of the links
	URL          string      // of the portal as people reach it, such as https://perch.example.com
	Organization string      // whose phones these are, in the footer; may be empty
	Log          *slog.Logger
}

// Handler serves the pages. It may be used by many requests at once.
type Handler struct {
	office       Office
	phones       Phones
	key          gateway.Key
	prefix       string // path of the portal's URL, without a slash at its end
	secure       bool   // reached by https
	organization string
	log          *slog.Logger
	origin       *http.CrossOriginProtection
	sheets       map[string]*template.Template
	assets       map[string]asset
	mux          *http.ServeMux
}

// New returns the handler of a portal. Its pages are reached both with the path
// of the URL in front and, behind a proxy that takes it off, without.
func New(c Config) (*Handler, error) {
	at, err := url.Parse(c.URL)
	switch {
	case c.Office == nil:
		return nil, errors.New("portal: no office")
	case c.Key.IsZero():
		return nil, errors.New("portal: no key: links would open nothing")
	case err != nil:
		return nil, fmt.Errorf("portal: url: %w", err)
	case at.Scheme != "http" && at.Scheme != "https", at.Host == "", at.RawQuery != "", at.Fragment != "":
		return nil, fmt.Errorf("portal: url %q: want http:// or https://, a host and perhaps a path", c.URL)
	}
	h := &Handler{
		office: c.Office, phones: c.Phones, key: c.Key, organization: c.Organization, log: c.Log,
		prefix: strings.TrimRight(at.EscapedPath(), "/"), secure: at.Scheme == "https",
		origin: http.NewCrossOriginProtection(), assets: readAssets(), mux: http.NewServeMux(),
	}
	if h.log == nil {
		h.log = slog.Default()
	}
	// A proxy may rewrite Host: what people's browsers call us is our origin too.
	if err := h.origin.AddTrustedOrigin(at.Scheme + "://" + at.Host); err != nil {
		return nil, fmt.Errorf("portal: url: %w", err)
	}
	if h.sheets, err = readSheets(); err != nil {
		return nil, fmt.Errorf("portal: %w", err)
	}
	h.routes()
	return h, nil
}

// maxForm bounds a form in octets. The longest, an address, is below 2 KiB.
const maxForm = 64 << 10

func (h *Handler) routes() {
	for _, t := range things {
		h.mux.Handle("/"+t.short+"/{token}", h.openLink(t))
	}
	h.mux.Handle("/prompts/{id}", h.behind(prompts, showPrompt, answerPrompt))
	h.mux.Handle("/prompts/{id}/places", h.behind(prompts, showPlaces, nil))
	h.mux.Handle("/prompts/{id}/mine", h.behind(prompts, showMine, nil))
	h.mux.Handle("/prompts/{id}/address", h.behind(prompts, showCompanyForm, takeCompanyForm))
	h.mux.Handle("/prompts/{id}/own", h.behind(prompts, showOwnForm, takeOwnForm))
	h.mux.Handle("/claims/{id}", h.behind(claims, showClaim, decideClaim))
	h.mux.Handle("/claims/{id}/edit", h.behind(claims, showEdit, takeEdit))
	h.mux.Handle("/answers/{id}", h.behind(answers, showAnswer, objectToAnswer))
	h.mux.Handle("/alerts", h.behindAlerts(showAlerts, acknowledge))
	h.mux.Handle("/alerts/live", h.behindAlerts(showLive, nil))
	h.mux.Handle("/phones", h.behindPhones())
	h.mux.Handle("/{$}", h.open(showHome))
	h.mux.Handle("/{name}", h.open(showAsset))
	h.mux.Handle("/", h.open((*visit).notFound))
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	// The request of the mux has the path without the portal's prefix.
	inner, at := *r, *r.URL
	if rest, ok := strings.CutPrefix(at.Path, h.prefix); ok && h.prefix != "" && (rest == "" || rest[0] == '/') {
		at.Path = "/" + strings.TrimPrefix(rest, "/")
	}
	at.RawPath = ""
	inner.URL, inner.Body = &at, http.MaxBytesReader(w, r.Body, maxForm)
	v := &visit{Handler: h, w: w, r: &inner}
	defer v.rescue()
	// The mux would redirect a path that is not clean, and knows of no prefix.
	if at.Path != path.Clean("/"+at.Path) {
		v.notFound()
		return
	}
	h.mux.ServeHTTP(w, &inner)
}

// protect sets the headers that every answer has. The referrer stays within the
// portal rather than nowhere: with no-referrer a browser sends "Origin: null" with
// our own forms, and where it sends no Sec-Fetch-Site either, which is wherever
// the portal is plain http, they could not be told from another site's.
func protect(header http.Header) {
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Robots-Tag", "noindex, nofollow")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
}
