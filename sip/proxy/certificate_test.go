package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	cryptotls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCertificate writes a certificate of its own for localhost, and its key.
func writeCertificate(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, x, x, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// trusting dials TLS, and trusts a certificate and nobody else.
func trusting(t *testing.T, cert, to string) *cryptotls.Conn {
	t.Helper()
	b, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b)
	c, err := cryptotls.Dial("tcp", to, &cryptotls.Config{RootCAs: pool, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func readMessage(t *testing.T, c net.Conn) string {
	t.Helper()
	b := make([]byte, 1<<16)
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// Phones over TLS register with a PBX over UDP and are called by it; a certificate
// that is replaced is used at once.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, 1)
	pbx := newPeer(t)
	var log lockedBuffer
	p := start(t, Config{
		Listen: []string{"tls:127.0.0.1:0", "udp:127.0.0.1:0"}, CertFile: cert, KeyFile: key, Log: slog.New(slog.NewTextHandler(&log, nil)),
	}, "udp:"+pbx.addr().String())
	phone := trusting(t, cert, p.Addr(0).String())
	if _, err := phone.Write([]byte(strings.Replace(request("REGISTER", "a"), "SIP/2.0/UDP", "SIP/2.0/TLS", 1))); err != nil {
		t.Fatal(err)
	}
	got := pbx.recv()
	path := field(t, got, "Path")
	pbx.respond(got, "200 OK")
	if back := readMessage(t, phone); !strings.HasPrefix(back, "SIP/2.0 200 ") {
		t.Errorf("got\n%s", back)
	}
	pbx.send(p.Addr(1), compose("INVITE sip:a@127.0.0.1:5062;transport=tls SIP/2.0", "Via: SIP/2.0/UDP "+pbx.addr().String()+";branch=z9hG4bKb", "Route: "+path,
		"From: <sip:b@b>;tag=3", "To: <sip:a@b>", "Call-ID: c", "CSeq: 7 INVITE", "Content-Length: 0"))
	invite := readMessage(t, phone)
	entries := fields(invite, "Record-Route")
	if !strings.HasPrefix(invite, "INVITE ") || len(entries) != 2 || !strings.Contains(entries[0], ";transport=tls;lr>") || strings.Contains(entries[1], "transport") {
		t.Errorf("got\n%s\nwant a Record-Route for each side, the phone's first", invite)
	}
	if via := fields(invite, "Via")[0]; !strings.HasPrefix(via, "SIP/2.0/TLS "+p.Addr(0).String()) {
		t.Errorf("got Via %q", via)
	}

	replaced := func(after time.Duration) {
		t.Helper()
		later := time.Now().Add(after)
		for _, name := range []string{cert, key} {
			if err := os.Chtimes(name, later, later); err != nil {
				t.Fatal(err)
			}
		}
	}
	serial := func() int64 {
		t.Helper()
		c, err := cryptotls.Dial("tcp", p.Addr(0).String(), &cryptotls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	await := func(what string, is func() bool) {
		t.Helper()
		for range 100 {
			if is() {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Errorf("no %s", what)
	}
	writeCertificate(t, dir, 2)
	replaced(5 * time.Second)
	await("new certificate", func() bool { return serial() == 2 })
	if s := p.State(); s.Expires.Before(time.Now()) {
		t.Errorf("it expires at %v", s.Expires)
	}
	// One that is of no use is told of once, and the last one goes on.
	if err := os.WriteFile(key, []byte("no key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	replaced(10 * time.Second)
	const refused = "a replaced certificate is of no use"
	await("word of a key that is none", func() bool { return serial() == 2 && strings.Contains(log.String(), refused) })
	time.Sleep(lookAgain + 100*time.Millisecond)
	if serial() != 2 || strings.Count(log.String(), refused) != 1 {
		t.Errorf("got certificate %d, and the log says\n%s", serial(), log.String())
	}
}

// A PBX over TLS must have a certificate for its name.
func TestUpstreamTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, 1)
	pair, err := cryptotls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := cryptotls.Listen("tcp", "127.0.0.1:0", &cryptotls.Config{Certificates: []cryptotls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan string, 9)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				b := make([]byte, 1<<16)
				n, _ := c.Read(b)
				asked <- string(b[:n])
			}()
		}
	}()
	for _, tc := range []struct {
		host, ca string
		want     bool
	}{{"127.0.0.1", cert, true}, {"localhost", cert, true}, {"127.0.0.1", "", false}} {
		phone := newPeer(t)
		p := start(t, Config{CAFile: tc.ca}, fmt.Sprintf("tls:%s:%d", tc.host, l.Addr().(*net.TCPAddr).Port))
		phone.send(p.Addr(0), request("OPTIONS", "a"))
		select {
		case got := <-asked:
			if (got != "") != tc.want || tc.want && !strings.HasPrefix(got, "OPTIONS sip:1@") {
				t.Errorf("%+v: the PBX got %q", tc, got)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%+v: nothing came", tc)
		}
	}
}

func TestCertificateFaults(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, 1)
	for _, cfg := range []Config{
		{Listen: []string{"tls:127.0.0.1:0"}},
		{Listen: []string{"tls:127.0.0.1:0"}, CertFile: cert, KeyFile: cert},
		{Listen: []string{"tls:127.0.0.1:0"}, CertFile: filepath.Join(dir, "none"), KeyFile: key},
		{Listen: []string{"udp:127.0.0.1:0"}, CAFile: key},
	} {
		cfg.Upstream = []string{"udp:127.0.0.1:5070"}
		if p, err := New(cfg); err == nil {
			_ = p.Close()
			t.Errorf("%+v: got no error", cfg)
		}
	}
}
