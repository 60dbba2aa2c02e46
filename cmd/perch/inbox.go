package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	gomail "github.com/emersion/go-message/mail"
	"github.com/emersion/go-smtp"
)

// inbox is the mail server of the demo and everybody's mailbox in it: what comes
// in over SMTP is shown at /inbox.
type inbox struct {
	listener net.Listener
	server   *smtp.Server

	mu    sync.Mutex
	mails []*inboxMail
}

// inboxMail is a mail as it came in.
type inboxMail struct {
	Number            int
	To, Subject, From string
	Date              time.Time
	text, html        []byte
}

//go:embed demo/inbox
var inboxFiles embed.FS

var inboxPages = template.Must(template.ParseFS(inboxFiles, "demo/inbox/*.html"))

func newInbox() (*inbox, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &inbox{listener: l}
	b.server = smtp.NewServer(b)
	b.server.Domain = "inbox.example"
	b.server.MaxMessageBytes = 1 << 20
	b.server.ReadTimeout, b.server.WriteTimeout = time.Minute, time.Minute
	return b, nil
}

// url is where the mailer finds it.
func (b *inbox) url() string { return "smtp://" + b.listener.Addr().String() + "?starttls=never" }

func (b *inbox) serve() { _ = b.server.Serve(b.listener) } // ends with close

func (b *inbox) close() error {
	if err := b.server.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// NewSession implements smtp.Backend.
func (b *inbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &inboxSession{inbox: b}, nil }

// inboxSession takes the mails of one connection.
type inboxSession struct {
	inbox *inbox
	to    []string
}

// Mail, Rcpt, Data, Reset and Logout implement smtp.Session.
func (s *inboxSession) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt notes the recipient.
func (s *inboxSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data takes the mail.
func (s *inboxSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := readInboxMail(b)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: err.Error()}
	}
	m.To = strings.Join(s.to, ", ")
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	m.Number = len(s.inbox.mails) + 1
	s.inbox.mails = append(s.inbox.mails, m)
	return nil
}

// Reset forgets the recipients.
func (s *inboxSession) Reset() { s.to = nil }

// Logout ends the session.
func (s *inboxSession) Logout() error { return nil }

// readInboxMail takes a mail apart.
func readInboxMail(b []byte) (*inboxMail, error) {
	r, err := gomail.CreateReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	m := &inboxMail{}
	if m.Subject, err = r.Header.Subject(); err != nil {
		return nil, err
	}
	if m.Date, err = r.Header.Date(); err != nil {
		return nil, err
	}
	from, err := r.Header.AddressList("From")
	if err != nil || len(from) == 0 {
		return nil, fmt.Errorf("no sender: %w", err)
	}
	m.From = from[0].String()
	for {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(p.Body)
		if err != nil {
			return nil, err
		}
		switch kind, _, _ := p.Header.(*gomail.InlineHeader).ContentType(); kind {
		case "text/html":
			m.html = body
		case "text/plain":
			m.text = body
		}
	}
}

// register adds the inbox to the pages.
func (b *inbox) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /inbox", b.list)
	mux.HandleFunc("GET /inbox/{n}", b.show)
	mux.HandleFunc("GET /inbox/{n}/text", b.plain)
	mux.HandleFunc("GET /inbox/style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, inboxFiles, "demo/inbox/style.css")
	})
}

func (b *inbox) list(w http.ResponseWriter, _ *http.Request) {
	b.mu.Lock()
	mails := make([]*inboxMail, 0, len(b.mails))
	for i := len(b.mails) - 1; i >= 0; i-- {
		mails = append(mails, b.mails[i])
	}
	b.mu.Unlock()
	b.page(w, "list.html", mails)
}

func (b *inbox) show(w http.ResponseWriter, r *http.Request) {
	if m := b.mail(w, r); m != nil {
		b.page(w, "mail.html", m)
	}
}

// page fills in one of the inbox's own pages.
func (b *inbox) page(w http.ResponseWriter, name string, data any) {
	var out bytes.Buffer
	if err := inboxPages.ExecuteTemplate(&out, name, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self' 'unsafe-inline'; base-uri 'none'")
	_, _ = w.Write(out.Bytes())
}

// mail returns the mail that a request names, or answers 404.
func (b *inbox) mail(w http.ResponseWriter, r *http.Request) *inboxMail {
	n, err := strconv.Atoi(r.PathValue("n"))
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil || n < 1 || n > len(b.mails) {
		http.NotFound(w, r)
		return nil
	}
	return b.mails[n-1]
}

// HTML is what the mail's body holds, to be shown within a page. Its text was
// escaped when the mail was written, and the page allows no scripts.
func (m *inboxMail) HTML() template.HTML {
	_, rest, _ := bytes.Cut(m.html, []byte("<body"))
	_, rest, _ = bytes.Cut(rest, []byte(">"))
	inner, _, _ := bytes.Cut(rest, []byte("</body>"))
	return template.HTML(inner)
}

func (b *inbox) plain(w http.ResponseWriter, r *http.Request) {
	if m := b.mail(w, r); m != nil {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(m.text)
	}
}
