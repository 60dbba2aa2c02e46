package main

import (
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-smtp"
)

// inbox is the site's mail server and everybody's mailbox on it.
type inbox struct {
	server *smtp.Server

	mu    sync.Mutex
	mails []letter
}

// letter is a mail as it came in.
type letter struct{ To, Subject, Text string }

// newInbox serves SMTP on port 2525 of a host's own 127.0.0.1.
func newInbox(h *host) (*inbox, error) {
	b := &inbox{}
	b.server = smtp.NewServer(b)
	b.server.Domain = "inbox.example.com"
	b.server.MaxMessageBytes = 1 << 20
	b.server.ReadTimeout, b.server.WriteTimeout = time.Minute, time.Minute
	var l net.Listener
	err := h.inside(func() error {
		var err error
		l, err = net.Listen("tcp", "127.0.0.1:2525")
		return err
	})
	if err != nil {
		return nil, err
	}
	go func() { _ = b.server.Serve(l) }() // ends with close
	return b, nil
}

func (b *inbox) close() { _ = b.server.Close() }

// all returns the mails so far.
func (b *inbox) all() []letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]letter(nil), b.mails...)
}

// NewSession implements smtp.Backend.
func (b *inbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &delivery{inbox: b}, nil }

// delivery takes the mails of one connection.
type delivery struct {
	inbox *inbox
	to    []string
}

// Mail implements smtp.Session.
func (d *delivery) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt notes the recipient.
func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to = append(d.to, to)
	return nil
}

// Data takes the mail.
func (d *delivery) Data(r io.Reader) error {
	m, err := mail.CreateReader(r)
	if err != nil {
		return err
	}
	l := letter{To: strings.Join(d.to, ", ")}
	if l.Subject, err = m.Header.Subject(); err != nil {
		return err
	}
	for {
		p, err := m.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		body, err := io.ReadAll(p.Body)
		if err != nil {
			return err
		}
		if h, ok := p.Header.(*mail.InlineHeader); ok {
			if kind, _, _ := h.ContentType(); kind == "text/plain" {
				l.Text = string(body)
			}
		}
	}
	d.inbox.mu.Lock()
	defer d.inbox.mu.Unlock()
	d.inbox.mails = append(d.inbox.mails, l)
	return nil
}

// Reset forgets the recipients.
func (d *delivery) Reset() { d.to = nil }

// Logout ends the session.
func (d *delivery) Logout() error { return nil }
