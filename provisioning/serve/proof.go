package serve

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"perch/discovery"
	"perch/sip/digest"
)

const realm = "perch"

// nonceLife is how long a nonce is good. Over TLS nobody else has it.
const nonceLife = 10 * time.Minute

// proves reports how a request proves that it is of a phone; 0 if it does not.
func (s *Server) proves(r *http.Request, m discovery.MAC, source netip.Addr) Level {
	if shown := r.TLS.PeerCertificates; len(shown) > 0 && s.cfg.Vendors != nil {
		err := s.certified(shown, m)
		if err == nil {
			return Certificate
		}
		if s.cfg.Mismatch != nil {
			s.cfg.Mismatch(m, source, shown[0], err)
		}
	}
	if s.proved(r, m) {
		return Password
	}
	return 0
}

var errOtherPhone = errors.New("it is of another phone")

// certified returns nil if a certificate, with those between it and the authority behind it,
// is of a vendor's and of a phone. A phone that shows another one may still have its password,
// so this is no matter of the handshake.
func (s *Server) certified(shown []*x509.Certificate, m discovery.MAC) error {
	between := x509.NewCertPool()
	for _, c := range shown[1:] {
		between.AddCert(c)
	}
	_, err := shown[0].Verify(x509.VerifyOptions{Roots: s.cfg.Vendors(), Intermediates: between, CurrentTime: s.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err == nil && !certifies(shown[0], m) {
		err = errOtherPhone
	}
	return err
}

// certifies reports whether a certificate, which one of the vendors' authorities has signed,
// is of a phone: vendors put the MAC into the common name, alone or behind other words, or
// into a name of the subject (RFC 5280 section 4.2.1.6).
func certifies(c *x509.Certificate, m discovery.MAC) bool {
	for _, name := range append([]string{c.Subject.CommonName, c.Subject.SerialNumber}, c.DNSNames...) {
		if names(name, m) {
			return true
		}
	}
	return false
}

// names reports whether a text has a MAC in it as a word of its own.
func names(text string, m discovery.MAC) bool {
	words := strings.FieldsFunc(strings.NewReplacer(":", "").Replace(strings.ToLower(text)), func(c rune) bool {
		return !('a' <= c && c <= 'z' || '0' <= c && c <= '9')
	})
	for _, w := range words {
		if w = strings.TrimPrefix(w, "sep"); w == User(m) {
			return true
		}
	}
	return false
}

// challenge asks for a password (RFC 7616 section 3.3).
func (s *Server) challenge() string {
	return `Digest realm="` + realm + `", qop="auth", algorithm=MD5, nonce="` + s.nonce(s.now()) + `"`
}

// nonce is the time, signed.
func (s *Server) nonce(now time.Time) string {
	var b [8 + 16]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixMicro()))
	copy(b[8:], s.sign(b[:8]))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (s *Server) sign(b []byte) []byte {
	h := hmac.New(sha256.New, s.cfg.Key[:])
	h.Write([]byte("nonce\x00"))
	h.Write(b)
	return h.Sum(nil)[:16]
}

// fresh reports whether a nonce is ours, and not old.
func (s *Server) fresh(nonce string) bool {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(b) != 8+16 || !hmac.Equal(b[8:], s.sign(b[:8])) {
		return false
	}
	age := s.now().Sub(time.UnixMicro(int64(binary.BigEndian.Uint64(b))))
	return age >= -time.Minute && age <= nonceLife
}

// proved reports whether the digest of a request is that of a phone's password (RFC 7616
// section 3.4.1). Basic, too, tells the password, over TLS.
func (s *Server) proved(r *http.Request, m discovery.MAC) bool {
	if r.Header.Get("Authorization") == "" {
		return false // whoever asks, for whomever
	}
	password := PasswordOf(s.cfg.Key, m)
	if user, said, ok := r.BasicAuth(); ok {
		return subtle.ConstantTimeCompare([]byte(user+":"+said), []byte(User(m)+":"+password)) == 1
	}
	d, _ := digest.Read([]byte(r.Header.Get("Authorization"))) // as much is done for nothing
	h := digest.Hash(d.Algorithm)
	known := h != nil
	if !known {
		h = digest.Hash(nil)
	}
	right := d.Proves(h, digest.A1(h, User(m), realm, password), r.Method)
	return right && known && (len(d.QOP) == 0 || string(d.QOP) == "auth") &&
		s.fresh(string(d.Nonce)) && string(d.User) == User(m) && string(d.URI) == r.RequestURI && string(d.Realm) == realm
}
