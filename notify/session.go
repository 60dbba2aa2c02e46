package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// Timeouts are the deadlines of the steps of an SMTP session. Each is one point
// in time for the whole step, which no trickle of bytes moves: a server that
// sends one byte a minute keeps one connection for a bounded time. RFC 5321
// section 4.5.3.2 asks for the values in brackets where they differ; they are for
// servers out in the internet, and ours is the one that the operator chose.
type Timeouts struct {
	Dial     time.Duration // name, TCP: 30 s
	Greeting time.Duration // until its 220: 1 min [5 min]
	Hello    time.Duration // EHLO, each of up to two: 30 s
	TLS      time.Duration // STARTTLS and the handshake: 30 s
	Auth     time.Duration // all of AUTH: 1 min
	Mail     time.Duration // 1 min [5 min]
	Rcpt     time.Duration // 1 min [5 min]
	Data     time.Duration // until its 354: 1 min [2 min]
	Chunk    time.Duration // 4 KiB of the body: 1 min [3 min for "each TCP SEND call"]
	Body     time.Duration // the whole body: 5 min
	// Dot is for the reply to the final dot: 10 min, as in section 4.5.3.2.6. Who
	// gives up earlier, while the server has the mail and still thinks about it,
	// hands it over twice (RFC 1047).
	Dot   time.Duration
	Reset time.Duration // RSET: 15 s
	Quit  time.Duration // 5 s
}

// orDefaults fills in what is zero.
func (t Timeouts) orDefaults() Timeouts {
	for _, d := range [...]struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Dial, 30 * time.Second}, {&t.Greeting, time.Minute}, {&t.Hello, 30 * time.Second}, {&t.TLS, 30 * time.Second},
		{&t.Auth, time.Minute}, {&t.Mail, time.Minute}, {&t.Rcpt, time.Minute}, {&t.Data, time.Minute}, {&t.Chunk, time.Minute},
		{&t.Body, 5 * time.Minute}, {&t.Dot, 10 * time.Minute}, {&t.Reset, 15 * time.Second}, {&t.Quit, 5 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return t
}

// attempt is the longest that one mail can take on an open session.
func (t Timeouts) attempt() time.Duration { return t.Mail + t.Rcpt + t.Data + t.Body + t.Dot + t.Reset }

// setup is the longest that it can take to open a session.
func (t Timeouts) setup() time.Duration { return t.Dial + t.TLS + t.Greeting + 2*t.Hello + t.Auth }

// wire is a connection that reads only so much in one step: a server that talks
// without an end, in however many lines, fills no memory.
type wire struct {
	net.Conn
	left int // bytes
}

// maxStep is what may be read in one step: far more than any reply or TLS
// handshake. RFC 5321 section 4.5.3.1.5 has 512 octets a reply line.
const maxStep = 256 << 10

var errFlood = errors.New("the server sends without an end")

func (w *wire) Read(p []byte) (int, error) {
	if w.left <= 0 {
		return 0, errFlood
	}
	n, err := w.Conn.Read(p[:min(len(p), w.left)])
	w.left -= n
	return n, err
}

// session is one connection to the server, ready to take mails over. Its bytes
// are go-mail's smtp.Client's, which speaks the commands and writes the body with
// its dots doubled (RFC 5321 section 4.5.2) and else as it is. The steps are
// taken one by one here, and not by go-mail's mail.Client, because that one has
// one deadline for all of greeting, STARTTLS and AUTH, does not tell which of
// them failed, and keeps the socket when one did.
type session struct {
	wire   *wire
	client *smtp.Client
	limits Timeouts
	used   int // mails that it was asked to take
}

// open connects, and goes as far as AUTH. Its context ends what is under way.
func open(ctx context.Context, srv Server, limits Timeouts, dial func(context.Context, string, string) (net.Conn, error)) (*session, *failure) {
	config, err := srv.tls()
	if err != nil {
		return nil, failed(stepFiles, 0, err)
	}
	password, err := srv.secret.read()
	if err != nil {
		return nil, failed(stepSecret, 0, err)
	}
	dialing, cancel := context.WithTimeout(ctx, limits.Dial)
	defer cancel()
	conn, err := dial(dialing, "tcp", srv.Addr())
	if err != nil {
		return nil, failed(stepDial, limits.Dial, err)
	}
	s := &session{wire: &wire{Conn: conn}, limits: limits}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if f := s.greet(ctx, srv, config, password); f != nil {
		conn.Close()
		f.reply = hide(f.reply, password, plain(srv.User, password))
		return nil, f
	}
	return s, nil
}

// step begins a step that may take so long.
func (s *session) step(d time.Duration) {
	s.wire.left = maxStep
	// A deadline that cannot be set is that of a connection that is closed.
	_ = s.wire.SetDeadline(time.Now().Add(d))
}

func (s *session) greet(ctx context.Context, srv Server, config *tls.Config, password string) *failure {
	conn := net.Conn(s.wire)
	if srv.TLS == TLSImplicit {
		s.step(s.limits.TLS)
		t := tls.Client(conn, config)
		if err := t.HandshakeContext(ctx); err != nil {
			return failed(stepTLS, s.limits.TLS, err)
		}
		conn = t
	}
	var err error
	s.step(s.limits.Greeting)
	if s.client, err = smtp.NewClient(conn, srv.Host); err != nil {
		return failed(stepGreeting, s.limits.Greeting, err)
	}
	s.step(s.limits.Hello)
	if err := s.client.Hello(srv.hello(s.wire.LocalAddr())); err != nil {
		return failed(stepHello, s.limits.Hello, err)
	}
	if srv.TLS == TLSRequired || srv.TLS == TLSOptional {
		offered, _ := s.client.Extension("STARTTLS")
		if !offered && srv.TLS == TLSRequired {
			return failed(stepTLS, 0, trouble("use smtps:// if the server has TLS on a port of its own; starttls=optional sends mail for all to read",
				"the server does not offer STARTTLS"))
		}
		if offered {
			s.step(s.limits.TLS + s.limits.Hello) // EHLO again (RFC 3207 section 4.2)
			if err := s.client.StartTLS(config); err != nil {
				return failed(stepTLS, s.limits.TLS+s.limits.Hello, err)
			}
		}
	}
	return s.authenticate(srv, password)
}

// hello returns what EHLO says of us: the configured name, else the host's full
// name, else an address literal (RFC 5321 section 4.1.4).
func (srv Server) hello(local net.Addr) string {
	if srv.Helo != "" {
		return srv.Helo
	}
	if name, err := os.Hostname(); err == nil && strings.Contains(name, ".") && ascii(name) && !strings.Contains(name, " ") {
		return name
	}
	tcp, ok := local.(*net.TCPAddr)
	switch {
	case !ok:
		return "[127.0.0.1]"
	case tcp.IP.To4() == nil:
		return "[IPv6:" + tcp.IP.String() + "]" // section 4.1.3
	}
	return "[" + tcp.IP.String() + "]"
}

func (s *session) authenticate(srv Server, password string) *failure {
	if srv.User == "" {
		return nil
	}
	if _, encrypted := s.client.TLSConnectionState(); !encrypted && !srv.Loopback() && srv.TLS != TLSNever {
		return failed(stepAuth, 0, trouble("let the server offer STARTTLS; starttls=never sends the password for all to read",
			"the connection is not encrypted: the password was not sent"))
	}
	_, offered := s.client.Extension("AUTH")
	method := pick(srv.Auth, strings.Fields(strings.ToUpper(offered)))
	auth := told{}
	switch method {
	case AuthPlain:
		auth.Auth = smtp.PlainAuth("", srv.User, password, srv.Host, true) // checked above
	case AuthLogin:
		auth.Auth = smtp.LoginAuth(srv.User, password, srv.Host, true)
	case AuthXOAUTH2:
		auth.Auth, auth.keep = smtp.XOAuth2Auth(srv.User, password), true
	default:
		want := "PLAIN or LOGIN"
		if srv.Auth != AuthBest {
			want = strings.ToUpper(srv.Auth.String())
		}
		if offered == "" {
			offered = "none at all"
		}
		return failed(stepAuth, 0, trouble("give auth=, or another port: servers offer AUTH on 587 and 465, and often only after STARTTLS",
			"the server does not offer %s to authenticate, but %s", want, offered))
	}
	s.step(s.limits.Auth)
	err := s.client.Auth(&auth)
	if err == nil {
		return nil
	}
	f := failed(stepAuth, s.limits.Auth, err)
	if auth.challenge != "" {
		f.reply = oneLine(f.reply + " (" + auth.challenge + ")")
	}
	return f
}

// plain is what PLAIN says (RFC 4616 section 2).
func plain(user, password string) string {
	if password == "" {
		return ""
	}
	return "\x00" + user + "\x00" + password
}

// pick returns the method to use of those offered; AuthNone if there is none.
func pick(want AuthMethod, offered []string) AuthMethod {
	for _, m := range [...]AuthMethod{AuthPlain, AuthLogin, AuthXOAUTH2} {
		if want != m && (want != AuthBest || m == AuthXOAUTH2) {
			continue
		}
		for _, o := range offered {
			if o == strings.ToUpper(m.String()) {
				return m
			}
		}
	}
	return AuthNone
}

// told keeps the server's last challenge if asked to: with XOAUTH2 it tells why
// the server refuses.
type told struct {
	smtp.Auth
	keep      bool
	challenge string
}

func (t *told) Next(from []byte, more bool) ([]byte, error) {
	if more && t.keep {
		t.challenge = string(from)
	}
	return t.Auth.Next(from, more)
}

// hand hands one mail over, as it is. It returns the server's reply to the final
// dot.
func (s *session) hand(from, to string, body []byte) (string, *failure) {
	// RFC 6531 section 3.4: SMTPUTF8 is for the mails that need it, since a server
	// on their way that does not know it must bounce the others too. go-mail says
	// BODY=8BITMIME where it may, which is true of 7-bit mails as well (RFC 6152
	// section 3).
	utf8 := !ascii(to)
	if offered, _ := s.client.Extension("SMTPUTF8"); utf8 && !offered {
		return "", &failure{step: stepRcpt, code: codeNoUTF8, reply: "not sent: the address has characters beyond ASCII, and the server does not take those (it does not offer SMTPUTF8, RFC 6531)"}
	}
	s.used++
	s.client.SkipSMTPUTF8(!utf8)
	s.step(s.limits.Mail)
	if err := s.client.Mail("<" + from + ">"); err != nil && bare(err) != 250 {
		return "", failed(stepMail, s.limits.Mail, err)
	}
	s.step(s.limits.Rcpt)
	if err := s.client.Rcpt("<" + to + ">"); err != nil && bare(err)/10 != 25 {
		return "", failed(stepRcpt, s.limits.Rcpt, err)
	}
	s.step(s.limits.Data)
	w, err := s.client.Data()
	if err != nil {
		return "", failed(stepData, s.limits.Data, err)
	}
	end := time.Now().Add(s.limits.Body)
	for len(body) > 0 {
		n := min(len(body), chunk)
		s.step(min(s.limits.Chunk, time.Until(end)))
		if _, err := w.Write(body[:n]); err != nil {
			return "", failed(stepBody, s.limits.Body, err)
		}
		body = body[n:]
	}
	s.step(s.limits.Dot)
	if err := w.Close(); err != nil && bare(err) != 250 {
		return "", failed(stepDot, s.limits.Dot, err)
	}
	reply := "250"
	if d, ok := w.(*smtp.DataCloser); ok {
		reply += " " + d.ServerResponse()
	}
	return oneLine(reply), nil
}

// chunk is the piece of a body that one deadline is for, in bytes.
const chunk = 4 << 10

// reset makes the session ready for the next mail after one that was not taken
// (RFC 5321 section 4.1.1.5); false if it is of no use any more.
func (s *session) reset() bool {
	s.step(s.limits.Reset)
	return s.client.Reset() == nil
}

// close says QUIT and closes the connection; polite is false for one that broke.
func (s *session) close(polite bool) {
	if polite {
		s.step(s.limits.Quit)
		_ = s.client.Quit() // nothing is left to be lost
	}
	s.wire.Close()
}
