package proxy

import (
	cryptotls "crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Certificate is a certificate with its key in two files, which are read again when
// they are written anew. While they do not fit each other, as between the writing of
// the one and of the other, the last that did goes on.
type Certificate struct {
	certFile, keyFile string

	mu      sync.Mutex
	log     *slog.Logger
	refused string // why the files that are there now are of no use
	last    *cryptotls.Certificate
	stamps  [2]time.Time // of the files
	looked  time.Time
}

// OpenCertificate reads the files, PEM both.
func OpenCertificate(cert, key string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: cert, keyFile: key, log: log}
	return c, c.load(time.Now())
}

// lookAgain is how often the files are looked at, at most.
const lookAgain = time.Second

// load reads the files.
func (c *Certificate) load(now time.Time) error {
	var stamps [2]time.Time
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		stamps[i] = info.ModTime()
	}
	if c.looked = now; c.last != nil && stamps == c.stamps {
		return nil
	}
	pair, err := cryptotls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("%s: %w", c.certFile, err)
	}
	c.last, c.stamps, c.refused = &pair, stamps, ""
	return nil
}

// Get is tls.Config.GetCertificate.
func (c *Certificate) Get(*cryptotls.ClientHelloInfo) (*cryptotls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= lookAgain {
		err := c.load(now)
		if err != nil && c.last == nil {
			return nil, err
		}
		if err != nil && c.refused != err.Error() {
			c.log.Warn("a replaced certificate is of no use; the one before is kept", "error", err)
			c.refused = err.Error()
		}
	}
	return c.last, nil
}

// Expires returns when the one in use does.
func (c *Certificate) Expires() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last.Leaf == nil {
		return time.Time{}
	}
	return c.last.Leaf.NotAfter
}

// tlsConfigs returns what listeners and connections to PBXs are configured with.
func (p *Proxy) tlsConfigs() (server, client *cryptotls.Config, err error) {
	cfg := &p.cfg
	client = &cryptotls.Config{MinVersion: cryptotls.VersionTLS12}
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, nil, err
		}
		client.RootCAs = x509.NewCertPool()
		if !client.RootCAs.AppendCertsFromPEM(pem) {
			return nil, nil, fmt.Errorf("%s: no certificate in it", cfg.CAFile)
		}
	}
	if cfg.CertFile == "" {
		return nil, client, nil
	}
	if p.certificate, err = OpenCertificate(cfg.CertFile, cfg.KeyFile, p.log); err != nil {
		return nil, nil, err
	}
	return &cryptotls.Config{MinVersion: cryptotls.VersionTLS12, GetCertificate: p.certificate.Get}, client, nil
}

var errNoCertificate = errors.New("TLS needs a certificate and its key")
