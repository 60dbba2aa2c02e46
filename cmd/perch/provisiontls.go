package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"perch/discovery"
	"perch/sip/proxy"
)

const provisionTLSHint = "tls: {certificate: ..., key: ..., vendors: ...} name PEM files that can be read: the key is the certificate's"

// config is what connections over TLS are taken with; certificate is nil if there is none. A
// phone may show a certificate; whether it is worth anything is for who hands files out: one
// that is not must not cost the phone that has its password.
func (t *provisionTLSConfig) config(log *slog.Logger) (c *tls.Config, certificate *proxy.Certificate, err error) {
	c = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.NoClientCert}
	if t.Certificate != "" {
		if certificate, err = proxy.OpenCertificate(t.Certificate, t.Key, log); err != nil {
			return nil, nil, err
		}
		c.GetCertificate = certificate.Get
	}
	if t.Vendors != "" {
		c.ClientAuth = tls.RequestClientCert
	}
	return c, certificate, nil
}

// authorities reads those of vendors; nil if there are none.
func (t *provisionTLSConfig) authorities() (*x509.CertPool, error) {
	if t.Vendors == "" {
		return nil, nil
	}
	b, err := os.ReadFile(t.Vendors)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s: no certificate in it", t.Vendors)
	}
	return pool, nil
}

// doubts tell of certificates that are no proof, once a minute for each source.
type doubts struct {
	log *slog.Logger

	mu   sync.Mutex
	told map[netip.Addr]time.Time
	rest *rate.Limiter
}

const maxDoubts = 1 << 10

func newDoubts(log *slog.Logger) *doubts {
	return &doubts{log: log, told: map[netip.Addr]time.Time{}, rest: rate.NewLimiter(5, 10)}
}

// mismatch tells of one.
func (d *doubts) mismatch(m discovery.MAC, source netip.Addr, c *x509.Certificate, why error) {
	d.mu.Lock()
	now := time.Now()
	if len(d.told) >= maxDoubts {
		clear(d.told)
	}
	again := now.Sub(d.told[source]) < time.Minute
	d.told[source] = now
	d.mu.Unlock()
	if again || !d.rest.Allow() {
		return
	}
	d.log.Warn("a phone's certificate is no proof of which it is", "phone", m, "from", source, "certificate", fmt.Sprintf("%.120s", c.Subject), "issuer", fmt.Sprintf("%.120s", c.Issuer), "error", why,
		"hint", "tls: {vendors: ...} has the authorities that are believed; the phone may still have its password, or a window")
}
