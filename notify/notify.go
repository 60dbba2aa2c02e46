// Package notify writes the mails that Perch sends, as bytes.
//
// A mail is an Internet message (RFC 5322): header fields, an empty line and a
// body. Its body here is one multipart/alternative (RFC 2046 section 5.1.4): the
// same words once as plain text and once as HTML, of which the reader's program
// shows the one that it likes best. Both travel as quoted-printable (RFC 2045
// section 6.7), which keeps every line short and every byte ASCII.
//
// What a mail says comes from a gateway.Letter, which holds facts. Much of it
// was read from the wire, where anybody may have written it: no field of a
// letter reaches a header or a template before its control characters, its
// direction overrides and its excess of length are gone.
//
// The package reads no clock and draws no random numbers: the same letter gives
// the same bytes on every machine, so a replayed capture gives the mails that
// the live system sent. It makes no links of its own either: where the token of
// a link belongs stands gateway.TokenMark, to be replaced when the mail is sent.
// Mails carry no pictures, no remote content and nothing that tells whether they
// were read.
//
//	r, err := notify.New(notify.Config{From: "Perch <perch@example.com>", URL: "https://perch.example.com"})
//	subject, id, body, err := r.Render(letter)
package notify

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strings"

	"perch/gateway"
	"perch/gateway/words"
)

// Config is what all mails have in common.
type Config struct {
	From         string // mailbox of RFC 5322, such as "Perch <perch@example.com>"; ASCII address
	URL          string // base of the portal, http or https, without query and fragment
	Organization string // whose telephone system it is; may be empty
}

// Renderer writes mails; it is a gateway.Renderer. It never changes after New
// and may be used by several goroutines at once.
type Renderer struct {
	from         string // header value
	domain       string // of the sender, for the right side of Message-ID
	url          string // without a slash at its end
	organization string
	sheets       map[gateway.Purpose]sheet
}

var _ gateway.Renderer = (*Renderer)(nil)

// New checks the configuration and reads the templates.
func New(c Config) (*Renderer, error) {
	from, err := mail.ParseAddress(c.From)
	if err != nil || mailbox(from.Name, from.Address) == nobody {
		return nil, fmt.Errorf("mail from %q: want an ASCII address such as Perch <perch@example.com>", c.From)
	}
	base, err := baseURL(c.URL)
	if err != nil {
		return nil, fmt.Errorf("portal url %q: %w", c.URL, err)
	}
	sheets, err := readSheets()
	if err != nil {
		return nil, fmt.Errorf("mail templates: %w", err)
	}
	return &Renderer{
		from:         mailbox(from.Name, from.Address),
		domain:       from.Address[strings.LastIndexByte(from.Address, '@')+1:],
		url:          base,
		organization: words.Clean(c.Organization, words.MaxName),
		sheets:       sheets,
	}, nil
}

// baseURL returns the portal's address without a slash at its end.
func baseURL(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", errors.New("not a URL")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "", u.User != nil, u.RawQuery != "", u.Fragment != "":
		return "", errors.New("want https://host, with a path at most")
	}
	base := strings.TrimRight(u.String(), "/")
	if len(base) > 200 || !ascii(base) || strings.Contains(base, gateway.TokenMark) {
		return "", errors.New("want at most 200 ASCII characters")
	}
	return base, nil
}

// Subject writes only what an event tells of a mail: its subject and its
// Message-ID, the same that Render gives.
func (r *Renderer) Subject(l gateway.Letter) (subject, messageID string, err error) {
	s, ok := r.sheets[l.Purpose]
	if !ok {
		return "", "", fmt.Errorf("mail %d: no template for purpose %q", l.ID, l.Purpose)
	}
	p := r.heading(l)
	subject, err = s.subject(&p)
	if err != nil {
		return "", "", fmt.Errorf("mail %d: %w", l.ID, err)
	}
	return subject, r.messageID(l), nil
}

func (r *Renderer) messageID(l gateway.Letter) string {
	return fmt.Sprintf("<%d.%s.%s@%s>", l.ID, l.Purpose, r.digest("message-id", l), r.domain)
}

// Render writes the mail that a letter asks for. The body is the whole message
// with CRLF line ends and no line above 998 bytes; gateway.TokenMark stands in
// it unbroken. It fails on a purpose for which there are no words.
func (r *Renderer) Render(l gateway.Letter) (subject, messageID string, body []byte, err error) {
	s, ok := r.sheets[l.Purpose]
	if !ok {
		return "", "", nil, fmt.Errorf("mail %d: no template for purpose %q", l.ID, l.Purpose)
	}
	p := r.page(l)
	w, err := s.write(&p)
	if err != nil {
		return "", "", nil, fmt.Errorf("mail %d: %w", l.ID, err)
	}
	m := message{
		from: r.from, to: mailbox(l.To.Name, l.To.Email), subject: w.subject, time: l.Time,
		id: r.messageID(l),
		// "=_" cannot occur in quoted-printable (RFC 2045 section 6.7, note 3).
		boundary: fmt.Sprintf("=_perch_%d_%s", l.ID, r.digest("boundary", l)),
		text:     w.text, html: w.html,
	}
	return w.subject, m.id, m.bytes(), nil
}
