package notify

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"perch/gateway"
)

// need skips a test for want of a program, and fails it where CI is set.
func need(t *testing.T, program, debian string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	lack(t, program+" is not installed: apt-get install --no-install-recommends "+debian)
}

func lack(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// postfix is a Postfix of the test's own: its configuration, queue, users and
// log are in a temporary directory, its ports on loopback, and it sends nothing
// anywhere but to the test's sink.
type postfix struct {
	dir         string
	port, ports uint16 // with STARTTLS; with TLS from the start
	ca          authority
	sink        chan taken
}

func newPostfix(t *testing.T) *postfix {
	t.Helper()
	for program, debian := range map[string]string{"postfix": "postfix", "saslpasswd2": "sasl2-bin libsasl2-modules"} {
		need(t, program, debian)
	}
	if os.Getuid() != 0 {
		lack(t, "Postfix can be started by root alone")
	}
	p := &postfix{dir: t.TempDir(), ca: newAuthority(t), sink: make(chan taken, 100)}
	// Postfix's processes give up root, and must still get here.
	for _, d := range []string{filepath.Dir(p.dir), p.dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p.port, p.ports = freePort(t), freePort(t)
	p.certify(t)
	p.users(t)
	for name, content := range map[string]string{"main.cf": p.main(p.startSink(t)), "master.cf": p.master()} {
		writeFile(t, filepath.Join(p.dir, name), content)
	}
	p.command(t, "start")
	t.Cleanup(func() {
		p.command(t, "stop")
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(p.dir, "log"))
			t.Logf("Postfix's log:\n%s", b)
		}
	})
	return p
}

func freePort(t *testing.T) uint16 {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

func (p *postfix) certify(t *testing.T) {
	c := p.ca.issue(t, "localhost", time.Now().AddDate(1, 0, 0))
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(p.dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})))
	writeFile(t, filepath.Join(p.dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
}

// users makes Cyrus SASL's database, and the directories of Postfix's own user.
func (p *postfix) users(t *testing.T) {
	owner, err := user.Lookup("postfix")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	for _, d := range []string{"queue", "data", "sasl"} {
		if err := os.Mkdir(filepath.Join(p.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	db := filepath.Join(p.dir, "sasldb2")
	c := exec.CommandContext(t.Context(), "saslpasswd2", "-c", "-p", "-f", db, "-u", "perch.test", "perch")
	c.Stdin = strings.NewReader("open sesame")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("saslpasswd2: %v: %s", err, out)
	}
	for _, name := range []string{"data", "sasldb2"} {
		if err := os.Chown(filepath.Join(p.dir, name), uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(p.dir, "sasl", "smtpd.conf"), "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: "+db+"\nmech_list: PLAIN LOGIN\n")
	if err := os.Chmod(filepath.Join(p.dir, "sasl", "smtpd.conf"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// startSink starts the server that Postfix delivers to.
func (p *postfix) startSink(t *testing.T) (port int) {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &sink{to: p.sink}, nil }))
	s.Domain, s.EnableSMTPUTF8 = "sink.test", true
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

type sink struct {
	to   chan<- taken
	mail taken
}

func (s *sink) Reset()                                      { s.mail = taken{} }
func (s *sink) Logout() error                               { return nil }
func (s *sink) Mail(from string, _ *smtp.MailOptions) error { s.mail.from = from; return nil }
func (s *sink) Rcpt(to string, _ *smtp.RcptOptions) error   { s.mail.to = to; return nil }
func (s *sink) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.mail.body = string(b)
	s.to <- s.mail
	return err
}

func (p *postfix) main(sink int) string {
	return fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/log
maillog_file_prefixes = %[1]s
myhostname = mail.perch.test
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
smtpd_peername_lookup = no
disable_dns_lookups = yes
default_transport = error:nothing leaves this machine
virtual_mailbox_domains = example.com
virtual_mailbox_maps = inline:{ {alice@example.com = x}, {bob@example.com = x}, {zoë@example.com = x} }
virtual_transport = smtp:[127.0.0.1]:%[2]d
smtp_tls_security_level = none
smtpd_tls_cert_file = %[1]s/cert.pem
smtpd_tls_key_file = %[1]s/key.pem
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_local_domain = perch.test
cyrus_sasl_config_path = %[1]s/sasl
smtpd_client_restrictions = permit_sasl_authenticated, reject
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_reject_unlisted_recipient = yes
smtpd_error_sleep_time = 0
`, p.dir, sink)
}

func (p *postfix) master() string {
	return fmt.Sprintf(`127.0.0.1:%d inet n - n - - smtpd
127.0.0.1:%d inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
`, p.port, p.ports)
}

func (p *postfix) command(t *testing.T, what string) {
	t.Helper()
	c := exec.Command("postfix", "-c", p.dir, what)
	if out, err := c.CombinedOutput(); err != nil {
		b, _ := os.ReadFile(filepath.Join(p.dir, "log"))
		t.Errorf("postfix %s: %v: %s\n%s", what, err, out, b)
	}
}

// mailer starts a mailer on an outbox.
func (p *postfix) mailer(t *testing.T, url string, outbox gateway.Outbox) *Mailer {
	t.Helper()
	srv, err := ParseServer(url)
	if err != nil {
		t.Fatal(err)
	}
	log := new(logbook)
	m, err := NewMailer(MailerConfig{
		Server: srv, From: "perch@example.com", Outbox: outbox, Token: token, Log: slog.New(slog.NewTextHandler(log, nil)),
		Reconnect: Backoff{First: 50 * time.Millisecond, Max: 50 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := m.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		stop()
		<-done
		if strings.Contains(log.String(), "sesame") {
			t.Error("the password is in the log")
		}
		if t.Failed() {
			t.Logf("Perch's log:\n%s", log)
		}
	})
	return m
}

// arrived waits for a mail that Postfix delivered, and takes off what servers on
// the way put in front (RFC 5321 section 4.4).
func (p *postfix) arrived(t *testing.T) taken {
	t.Helper()
	select {
	case m := <-p.sink:
		i := strings.Index(m.body, "\r\nFrom: ")
		if i < 0 || !strings.HasPrefix(m.body, "Received: ") {
			t.Fatalf("got no trace information in front of %q", m.body)
		}
		m.body = m.body[i+2:]
		return m
	case <-time.After(30 * time.Second):
		t.Fatal("got no mail in 30 s")
	}
	return taken{}
}

// due makes mails due now.
func due(mails ...gateway.Mail) []gateway.Mail {
	for i := range mails {
		mails[i].Time = time.Now().Add(-time.Second)
	}
	return mails
}

// TestPostfix sends through a real server.
func TestPostfix(t *testing.T) {
	p := newPostfix(t)
	good := filepath.Join(t.TempDir(), "password")
	writeFile(t, good, "open sesame\n")
	const user = "perch%40perch.test@localhost"
	tail := "?ca=" + p.ca.file + "&password_file="

	for name, url := range map[string]string{
		"PLAIN": fmt.Sprintf("smtp://%s:%d%s%s&starttls=required", user, p.port, tail, good),
		"LOGIN": fmt.Sprintf("smtp://%s:%d%s%s&starttls=required&auth=login", user, p.port, tail, good),
		"certificate not asked for on this machine": fmt.Sprintf("smtp://%s:%d?password_file=%s", user, p.port, good),
		"PLAIN over implicit TLS":                   fmt.Sprintf("smtps://%s:%d%s%s", user, p.ports, tail, good),
	} {
		t.Run(name, func(t *testing.T) {
			dots := queued(t, 3, "alice@example.com")
			dots.Body = append(dots.Body, "\r\n.\r\n..\r\n.dots\r\n"...)
			mails := due(queued(t, 1, "alice@example.com"), queued(t, 2, "bob@example.com"), dots, queued(t, 4, "zoë@example.com"))
			outbox := newMemory(mails...)
			p.mailer(t, url, outbox)
			want := map[string]bool{}
			for _, m := range mails {
				want[m.To+"\n"+final(m)] = true
			}
			for _, o := range outbox.await(t, len(mails)) {
				if o.State != gateway.DeliverySent || o.Attempt != 1 || !strings.HasPrefix(o.Reply, "250 2.0.0 Ok: queued as ") {
					t.Errorf("got %+v", o)
				}
			}
			for range mails {
				m := p.arrived(t)
				if !want[m.to+"\n"+m.body] || m.from != "perch@example.com" {
					t.Errorf("from %s to %s: got other bytes than were sent:\n%s", m.from, m.to, m.body)
				}
				delete(want, m.to+"\n"+m.body)
			}
		})
	}

	t.Run("unknown recipient", func(t *testing.T) {
		outbox := newMemory(due(queued(t, 1, "nobody@example.com"), queued(t, 2, "alice@example.com"))...)
		p.mailer(t, fmt.Sprintf("smtp://%s:%d%s%s", user, p.port, tail, good), outbox)
		outbox.await(t, 2)
		p.arrived(t)
		u, err := outbox.Undeliverable(t.Context())
		if err != nil || len(u) != 1 || u[0].Email != "nobody@example.com" || !strings.HasPrefix(u[0].Reply, "550 5.1.1 <nobody@example.com>: Recipient address rejected: User unknown") {
			t.Errorf("got %+v, %v", u, err)
		}
	})

	t.Run("wrong password", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "password")
		writeFile(t, file, "close sesame")
		outbox := newMemory(due(several(t, 1)...)...)
		outbox.rows[0].To = "alice@example.com"
		m := p.mailer(t, fmt.Sprintf("smtp://%s:%d%s%s", user, p.port, tail, file), outbox)
		s := awaitState(t, m, StateRefused)
		if !strings.HasPrefix(s.LastError, "AUTH: 535 5.7.8 Error: authentication failed") || !strings.Contains(s.LastHint, "check the user in mail.smtp and the password") {
			t.Errorf("status: got %+v", s)
		}
		if got := outbox.story(); len(got) != 0 {
			t.Errorf("recorded: got %q", got)
		}
		// The operator corrects the file: it flows by itself.
		writeFile(t, file, "open sesame\n")
		if got := outbox.await(t, 1); got[0].State != gateway.DeliverySent || got[0].Attempt != 1 {
			t.Errorf("got %+v", got)
		}
		p.arrived(t)
	})

	t.Run("not logged in", func(t *testing.T) {
		outbox := newMemory(due(queued(t, 1, "alice@example.com"))...)
		m := p.mailer(t, fmt.Sprintf("smtp://localhost:%d?ca=%s", p.port, p.ca.file), outbox)
		got := outbox.await(t, 1)
		if got[0].State != gateway.DeliveryWaiting || !strings.Contains(got[0].Reply, "554 5.7.1") || !strings.Contains(m.Status().LastHint, "log in with a user") {
			t.Errorf("got %+v, status %+v", got[0], m.Status())
		}
	})

	t.Run("certificate of a stranger", func(t *testing.T) {
		outbox := newMemory(due(queued(t, 1, "alice@example.com"))...)
		m := p.mailer(t, fmt.Sprintf("smtp://%s:%d?password_file=%s&starttls=required", user, p.port, good), outbox)
		if s := awaitState(t, m, StateWaiting); !strings.Contains(s.LastError, "unknown authority") || !strings.Contains(s.LastHint, "ca=FILE") || len(outbox.story()) != 0 {
			t.Errorf("status: got %+v, recorded %q", s, outbox.story())
		}
	})

	select {
	case m := <-p.sink:
		t.Errorf("arrived, and nobody sent it: %+v", m)
	default:
	}
	if b, err := os.ReadFile(filepath.Join(p.dir, "log")); err != nil || !bytes.Contains(b, []byte("sasl_method=LOGIN")) || !bytes.Contains(b, []byte("sasl_method=PLAIN")) {
		t.Errorf("Postfix's log: %v, want both methods in\n%s", err, b)
	}
}

// awaitState waits, in real time, for a state that nothing is recorded of.
func awaitState(t *testing.T, m *Mailer, want State) Status {
	t.Helper()
	end := time.NewTimer(30 * time.Second)
	defer end.Stop()
	for {
		m.mu.Lock()
		changed := m.changed
		m.mu.Unlock()
		if s := m.Status(); s.State == want {
			return s
		}
		select {
		case <-changed:
		case <-end.C:
			t.Fatalf("state: got %+v, want %s", m.Status(), want)
		}
	}
}
