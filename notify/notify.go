// Package notify writes the mails that Perch sends, as bytes, and hands them to
// an SMTP server.
//
// # Writing
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
// Writing reads no clock and draws no random numbers: the same letter gives the
// same bytes on every machine, so a replayed capture gives the mails that the
// live system sent. It makes no links of its own either: where the token of a
// link belongs stands gateway.TokenMark, to be replaced when the mail is sent.
// Mails carry no pictures, no remote content and nothing that tells whether they
// were read.
//
//	r, err := notify.New(notify.Config{From: "Perch <perch@example.com>", URL: "https://perch.example.com"})
//	subject, id, body, err := r.Render(letter)
//
// # Delivery
//
// SMTP (RFC 5321) is a dialogue in lines of text. A client connects, the server
// greets, and the client says who it is (EHLO), makes the connection confidential
// (STARTTLS) and logs in (AUTH). Then it hands over one mail after the other: the
// sender (MAIL), the recipient (RCPT), the message (DATA) and a line with a dot
// alone. The server answers each with a number: 2xx yes, 4xx not now, 5xx no. From
// the 250 that follows the dot the mail is the server's. If the connection breaks
// between the two, nobody knows whose it is: the client must try again, and the
// recipient may get a copy, with the same Message-ID and bytes.
//
// A Mailer takes mails from a gateway.Outbox and hands them to the one server that
// the operator named; it looks up no MX records and is no mail server itself. What
// it makes of an answer depends on whom it is about:
//
//	about the mail     5xx to RCPT, DATA or the dot: refused for good, and kept with
//	                   the server's words, to be shown beside the recipient; 4xx, a
//	                   timeout or a lost connection: tried again, without an end
//	about all mails    the server does not answer, EHLO, STARTTLS, AUTH or MAIL fail:
//	                   no mail is touched, the server is tried again, and the operator
//	                   is told, with what and hint, once a minute at most
//	perhaps either     5.7.x to RCPT, which may say "relay access denied": tried again
//	                   for a day, while the operator is told; then refused
//
// Which clause is obeyed where:
//
//	RFC 5321 3.8, 4.1.1.5    421 ends the connection; RSET after a mail not taken   failure.go, session.go
//	RFC 5321 4.1.4           EHLO with a full name or an address literal            session.go
//	RFC 5321 4.2             a reply may be a code alone                            failure.go
//	RFC 5321 4.5.2           dots are doubled                                       go-mail's smtp.Client
//	RFC 5321 4.5.3.2         timeouts; shorter but for the final dot's              session.go
//	RFC 5321 4.5.4.1         back-off; no mail is given up                          mailer.go
//	RFC 3207, 8314, 8997     STARTTLS, TLS from the start, TLS 1.2 at least         smtp.go
//	RFC 4954, 4616           AUTH; never in the clear without being told so         session.go
//	RFC 6152, 6531           8BITMIME; SMTPUTF8 for the mails that need it          session.go
//	RFC 3463                 enhanced codes tell recipient, sender, policy apart    failure.go
//	RFC 3461, 3030, 2920     not used: DSN, CHUNKING, PIPELINING
//
// The mailer reads clocks: the outbox's for when mails are due, the machine's for
// deadlines. It never logs or stores a token or a password, and takes both out of
// what a server repeats.
//
//	srv, err := notify.ParseServer("smtp://perch@mail.example.com?password_file=/run/secrets/smtp")
//	m, err := notify.NewMailer(notify.MailerConfig{Server: srv, From: "perch@example.com", Outbox: db, Token: token})
//	err = m.Run(ctx) // and m.Wake() after each commit
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

// Render writes the mail that a letter asks for. The body is the whole message
// with CRLF line ends and no line above 998 bytes; gateway.TokenMark stands in
// it unbroken. It fails on a purpose for which there are no words.
func (r *Renderer) Render(l gateway.Letter) (subject, messageID string, body []byte, err error) {
	s, ok := r.sheets[l.Purpose]
	if !ok {
		return "", "", nil, noWords(&l)
	}
	p := r.page(l)
	p.Headline, subject = p.heading(l.Purpose)
	w, err := s.write(&p)
	if err != nil {
		return "", "", nil, fmt.Errorf("mail %d: %w", l.ID, err)
	}
	m := message{
		from: r.from, to: mailbox(l.To.Name, l.To.Email), subject: subject, time: l.Time,
		id: r.messageID(&l),
		// "=_" cannot occur in quoted-printable (RFC 2045 section 6.7, note 3).
		boundary: fmt.Sprintf("=_perch_%d_%s", l.ID, r.digest("boundary", &l)),
		text:     w.text, html: w.html, urgent: l.Purpose == gateway.MailEmergency,
	}
	return subject, m.id, m.bytes(), nil
}

func noWords(l *gateway.Letter) error {
	return fmt.Errorf("mail %d: no template for purpose %q", l.ID, l.Purpose)
}
