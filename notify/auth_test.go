package notify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// authority signs the certificates of test servers.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // PEM
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: zero.AddDate(-1, 0, 0), NotAfter: zero.AddDate(100, 0, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{cert, key, filepath.Join(t.TempDir(), "ca.pem")}
	writeFile(t, a.file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return a
}

func writeFile(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// issue makes a certificate for a name that ends at a time.
func (a authority) issue(t testing.TB, name string, end time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: zero.AddDate(-1, 0, 0), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// config is a server's. Tickets would be written while nobody reads, which a
// connection without a buffer takes badly.
func (a authority) config(t testing.TB, name string, end time.Time) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.issue(t, name, end)}, SessionTicketsDisabled: true}
}

// TestAuth has servers, and what mail.smtp says of them.
func TestAuth(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	const host = "mail.example.com"
	far := zero.AddDate(50, 0, 0)
	good := ca.config(t, host, far)
	t.Setenv("PERCH_TEST_SECRET", "hunter2-hunter2")
	const secret = "?password_env=PERCH_TEST_SECRET"
	trusted := "&ca=" + ca.file
	const plain = "\x00perch\x00hunter2-hunter2"
	tests := []struct {
		name   string
		url    string
		server *scripted
		state  State    // StateIdle: it is sent
		error  string   // of Status
		hint   string   //
		brings []string // secrets that the server got
	}{
		{name: "PLAIN after STARTTLS", url: "smtp://perch@" + host + secret + trusted,
			server: &scripted{tls: good, extensions: []string{"STARTTLS", "AUTH LOGIN PLAIN CRAM-MD5"}}, brings: []string{plain}},
		{name: "PLAIN, TLS from the start", url: "smtps://perch@" + host + secret + trusted,
			server: &scripted{tls: good, implicit: true, extensions: []string{"AUTH PLAIN"}}, brings: []string{plain}},
		{name: "LOGIN alone", url: "smtp://perch@" + host + secret + trusted,
			server: &scripted{tls: good, extensions: []string{"STARTTLS", "AUTH LOGIN"}}, brings: []string{"perch", "hunter2-hunter2"}},
		{name: "LOGIN by choice", url: "smtp://perch@" + host + secret + trusted + "&auth=login",
			server: &scripted{tls: good, extensions: []string{"STARTTLS", "AUTH PLAIN LOGIN"}}, brings: []string{"perch", "hunter2-hunter2"}},
		{name: "XOAUTH2", url: "smtp://perch@" + host + secret + trusted + "&auth=xoauth2",
			server: &scripted{tls: good, extensions: []string{"STARTTLS", "AUTH PLAIN XOAUTH2"}}, brings: []string{"user=perch\x01auth=Bearer hunter2-hunter2\x01\x01"}},
		{name: "no user", url: "smtp://" + host + "?ca=" + ca.file, server: &scripted{tls: good, extensions: []string{"STARTTLS", "AUTH PLAIN"}}},
		{name: "on this machine, in the clear", url: "smtp://perch@127.0.0.1" + secret, server: &scripted{extensions: []string{"AUTH PLAIN"}}, brings: []string{plain}},
		{name: "in the clear by choice", url: "smtp://perch@" + host + secret + "&starttls=never",
			server: &scripted{tls: good, extensions: []string{"STARTTLS", "AUTH PLAIN"}}, brings: []string{plain}},

		{name: "STARTTLS is not offered", url: "smtp://perch@" + host + secret, server: &scripted{extensions: []string{"AUTH PLAIN"}},
			state: StateWaiting, error: "TLS: the server does not offer STARTTLS", hint: "smtps://"},
		{name: "STARTTLS is refused", url: "smtp://perch@" + host + secret, server: &scripted{extensions: []string{"STARTTLS", "AUTH PLAIN"},
			acts: map[string][]act{"starttls": {{say: "454 4.7.0 TLS not available"}}}, forever: true}, state: StateWaiting, error: "TLS: 454 4.7.0 TLS not available"},
		{name: "no password without TLS", url: "smtp://perch@" + host + secret + "&starttls=optional", server: &scripted{extensions: []string{"AUTH PLAIN"}},
			state: StateWaiting, error: "AUTH: the connection is not encrypted", hint: "starttls=never"},
		{name: "no access token without TLS", url: "smtp://perch@" + host + secret + "&starttls=optional&auth=xoauth2", server: &scripted{extensions: []string{"AUTH XOAUTH2"}},
			state: StateWaiting, error: "AUTH: the connection is not encrypted"},
		{name: "authority not known", url: "smtp://perch@" + host + secret, server: &scripted{tls: good, extensions: []string{"STARTTLS", "AUTH PLAIN"}},
			state: StateWaiting, error: "TLS: tls: failed to verify certificate: x509: certificate signed by unknown authority", hint: "ca=FILE"},
		{name: "authority not known, and TLS optional elsewhere", url: "smtp://perch@" + host + secret + "&starttls=optional",
			server: &scripted{tls: good, extensions: []string{"STARTTLS", "AUTH PLAIN"}}, state: StateWaiting, error: "unknown authority", hint: "ca=FILE"},
		{name: "another authority", url: "smtps://perch@" + host + secret + "&ca=" + other.file, server: &scripted{tls: good, implicit: true},
			state: StateWaiting, error: "unknown authority", hint: "ca=FILE"},
		{name: "another name", url: "smtp://perch@mx.example.com" + secret + trusted, server: &scripted{tls: good, extensions: []string{"STARTTLS", "AUTH PLAIN"}},
			state: StateWaiting, error: "valid for mail.example.com, not mx.example.com", hint: "as its certificate does"},
		{name: "expired", url: "smtp://perch@" + host + secret + trusted,
			server: &scripted{tls: ca.config(t, host, zero.Add(-time.Hour)), extensions: []string{"STARTTLS", "AUTH PLAIN"}},
			state:  StateWaiting, error: "expired", hint: "dates"},
		{name: "certificates cannot be read", url: "smtp://perch@" + host + secret + "&ca=/nonexistent", server: &scripted{},
			state: StateWaiting, error: "certificates: mail.smtp: certificates to trust", hint: "readable file"},

		{name: "method is not offered", url: "smtp://perch@" + host + secret + trusted, server: &scripted{tls: good, extensions: []string{"STARTTLS", "AUTH CRAM-MD5 NTLM"}},
			state: StateWaiting, error: "AUTH: the server does not offer PLAIN or LOGIN to authenticate, but CRAM-MD5 NTLM"},
		{name: "AUTH is not offered", url: "smtp://perch@" + host + secret + trusted + "&auth=xoauth2", server: &scripted{tls: good, extensions: []string{"STARTTLS"}},
			state: StateWaiting, error: "AUTH: the server does not offer XOAUTH2 to authenticate, but none at all"},
		{name: "wrong password", url: "smtp://perch@" + host + secret + trusted, server: &scripted{tls: good, extensions: []string{"STARTTLS", "AUTH PLAIN"},
			acts: map[string][]act{"auth": {{say: "535 5.7.8 bad password hunter2-hunter2 (" + base64.StdEncoding.EncodeToString([]byte(plain)) + ")"}}}, forever: true},
			state: StateRefused, error: "AUTH: 535 5.7.8 bad password (secret) ((secret))", hint: "check the user", brings: []string{plain}},
		{name: "wrong access token", url: "smtp://perch@" + host + secret + trusted + "&auth=xoauth2", server: &scripted{tls: good, extensions: []string{"STARTTLS", "AUTH XOAUTH2"},
			acts: map[string][]act{"auth": {{say: "535 5.7.8 no"}}}, forever: true},
			state: StateRefused, error: `AUTH: 535 5.7.8 no ({"status":"401","schemes":"Bearer"})`, brings: []string{"user=perch\x01auth=Bearer hunter2-hunter2\x01\x01"}},
		{name: "AUTH fails for now", url: "smtp://perch@" + host + secret + trusted, server: &scripted{tls: good, extensions: []string{"STARTTLS", "AUTH PLAIN"},
			acts: map[string][]act{"auth": {{say: "454 4.7.0 try later"}}}, forever: true}, state: StateWaiting, error: "AUTH: 454 4.7.0 try later", brings: []string{plain}},
		{name: "drops at AUTH", url: "smtp://perch@" + host + secret + trusted, server: &scripted{tls: good, extensions: []string{"STARTTLS", "AUTH PLAIN"},
			acts: map[string][]act{"auth": {{drop: true}}}, forever: true}, state: StateWaiting, error: "AUTH: the server closed the connection", brings: []string{plain}},
		{name: "password cannot be read", url: "smtp://perch@" + host + "?password_env=PERCH_TEST_NOTHING", server: &scripted{},
			state: StateRefused, error: "password: mail.smtp: the environment has no PERCH_TEST_NOTHING", hint: "perch's process"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, several(t, 2)...)
				srv, err := ParseServer(tt.url)
				if err != nil {
					t.Fatal(err)
				}
				b.cfg.Server, b.server = srv, tt.server
				b.cfg.Connections = 1
				b.start()
				b.after(90 * time.Second) // who refuses a certificate says so to somebody who does not listen: a pipe has no buffer
				s := b.Status()
				if s.State != tt.state || !strings.Contains(s.LastError, tt.error) || !strings.Contains(s.LastHint, tt.hint) || (s.LastError == "") != (tt.error == "") {
					t.Errorf("status: got %s, %q (%s), want %s, %q (%s)", s.State, s.LastError, s.LastHint, tt.state, tt.error, tt.hint)
				}
				if tt.state == StateIdle {
					b.wantStory("1.1 sent: "+sent250, "2.1 sent: "+sent250)
				} else {
					b.after(2 * time.Hour)
					b.wantQuiet(s.State)
				}
				if got := slices.Compact(b.server.secrets); !slices.Equal(got, tt.brings) {
					t.Errorf("secrets: got %q, want %q", got, tt.brings)
				}
				if strings.Contains(b.log.String(), "hunter2") {
					t.Errorf("the password is in the log: %s", b.log)
				}
			})
		})
	}
}

// wantQuiet checks that no mail was spoken of, and how often the server was
// tried in two hours.
func (b *bench) wantQuiet(state State) {
	b.t.Helper()
	for _, line := range b.outbox.story() {
		if !strings.Contains(line, "not tried yet: ") {
			b.t.Errorf("recorded: %s", line)
		}
	}
	for _, line := range b.server.heard() {
		if strings.HasPrefix(line, "MAIL") {
			b.t.Errorf("got command %s", line)
		}
	}
	if got := b.server.connections(); state == StateRefused && got > 25 || got > 35 {
		b.t.Errorf("connections in two hours: got %d", got)
	}
}

// TestSecretRotates changes the file of an access token: each connection uses
// what is in it, and a refused one is tried anew as soon as it changes.
func TestSecretRotates(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	ca := newAuthority(t)
	config := ca.config(t, "mail.example.com", zero.AddDate(50, 0, 0))
	synctest.Test(t, func(t *testing.T) {
		writeFile(t, file, "first-access-token\n")
		b := newBench(t, several(t, 1)...)
		b.server = &scripted{tls: config, extensions: []string{"STARTTLS", "AUTH XOAUTH2"}}
		b.cfg.Connections = 1
		var err error
		if b.cfg.Server, err = ParseServer("smtp://perch@mail.example.com?auth=xoauth2&password_file=" + file + "&ca=" + ca.file); err != nil {
			t.Fatal(err)
		}
		b.start()
		b.after(time.Minute)
		add := func(id int64) {
			m := queued(t, id, "bob@example.com")
			m.Time = time.Now()
			b.outbox.add(m)
			b.Wake()
		}
		writeFile(t, file, "second-access-token-longer\n")
		add(2)
		b.after(time.Minute)
		b.server.will("auth", act{say: "535 5.7.8 expired"})
		add(3)
		b.after(time.Minute)
		if s := b.Status(); s.State != StateRefused || s.Sent != 2 {
			t.Fatalf("status: got %+v", s)
		}
		writeFile(t, file, "third-access-token-longest\n")
		b.after(11 * time.Second)
		if s := b.Status(); s.State != StateIdle || s.Sent != 3 {
			t.Errorf("status: got %+v", s)
		}
		b.wantStory("1.1 sent: "+sent250, "2.1 sent: "+sent250, "3.1 sent: "+sent250)
		got := strings.Join(b.server.secrets, " ")
		if !strings.Contains(got, "first") || strings.Count(got, "second") != 2 || !strings.Contains(got, "third") {
			t.Errorf("secrets: got %q", got)
		}
	})
}

// TestWrongPort speaks over TCP with what is no server of the kind named.
func TestWrongPort(t *testing.T) {
	ca := newAuthority(t)
	listen := func(s *scripted) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go s.serve(c)
			}
		}()
		return l.Addr().String()
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	tests := []struct{ name, url, error, hint string }{
		{"nobody listens", "smtp://" + closed.Addr().String(), "connecting: dial tcp", "port in mail.smtp right?"},
		{"smtps to a server without", "smtps://" + listen(&scripted{}), "TLS: tls: first record does not look like a TLS handshake", "smtp:// instead"},
		{"smtp to a server with TLS from the start", "smtp://" + listen(&scripted{implicit: true, tls: ca.config(t, "x", zero.AddDate(50, 0, 0))}), "greeting: ", "needs smtps://"},
		{"certificate of another name", "smtps://" + listen(&scripted{implicit: true, tls: ca.config(t, "x", zero.AddDate(50, 0, 0))}) + "?ca=" + ca.file, "TLS: ", "as its certificate does"},
	}
	limits := Timeouts{Greeting: time.Second}.orDefaults()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv, err := ParseServer(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			s, f := open(t.Context(), srv, limits, new(net.Dialer).DialContext)
			if f == nil {
				s.close(false)
				t.Fatal("got a session")
			}
			if !strings.HasPrefix(f.String(), tt.error) || !strings.Contains(f.hint, tt.hint) || f.verdict() != verdictServer {
				t.Errorf("got %s (%s)", f, f.hint)
			}
		})
	}
}
