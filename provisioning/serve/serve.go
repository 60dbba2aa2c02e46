// Package serve hands phones their configuration files.
//
// A file that is a phone's own has passwords in it, and its name is the phone's MAC, which
// anybody can guess: half of it is the vendor's. So nobody gets one for a name alone. A phone
// proves which it is by the certificate that its vendor gave it, or by a password that is its
// own; or else somebody has opened a window for it (window.go). The password is a function
// of the phone's MAC and of a key of this installation, so that a phone that nobody knows has
// one as well, and whoever asks cannot tell by the answer, nor by the time that it takes,
// which phones there are. What is handed out for a name alone, the common files, holds no
// secret.
//
// Who misses too often is not heard for a while. There is no file system behind the names.
//
//	s := serve.New(serve.Config{Key: key, Own: own, Common: common})
//	err := http.ServeTLS(listener, s, cert, key)
package serve

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"perch/discovery"
	"perch/provisioning"
	"perch/provisioning/settings"
)

// File is what is handed out.
type File struct {
	Vendor provisioning.Vendor
	Body   []byte
	Secret bool // it has passwords in it: with it the phone has all that it needs
}

// Handed is told of each file of a phone's own that was handed out.
type Handed struct {
	Time   time.Time
	MAC    discovery.MAC
	Name   string // of the file
	Level  Level
	Source netip.Addr
	Agent  string  // User-Agent
	Sum    [8]byte // of the file's octets: another one after the phone's settings have changed
}

// Level is how a phone proved which it is.
type Level uint8

// The levels of security.
const (
	Certificate Level = iota + 1 // by its vendor's certificate
	Password                     // by its own password, over TLS
	Opened                       // it did not: a window was open for it, over TLS
)

var levelNames = [...]string{"", "certificate", "password", "window"}

// String is the level's word.
func (l Level) String() string { return levelNames[l] }

// MarshalText writes the level's word.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads it.
func (l *Level) UnmarshalText(b []byte) error {
	i := slices.Index(levelNames[:], string(b))
	if i <= 0 {
		return fmt.Errorf("level %q: want certificate, password or window", b)
	}
	*l = Level(i)
	return nil
}

// Config says what is served.
type Config struct {
	// Key is what passwords are made with. With another one no phone has its password any
	// more.
	Key [32]byte
	// Own returns a file of a listed phone by the name that it asks for; ErrNoFile if there is
	// none, and another error if it cannot be made.
	Own func(m discovery.MAC, name string) (File, error)
	// Common returns what a vendor's phones may all have: the common file, or what names it.
	Common func(v provisioning.Vendor, kind settings.Kind) (File, bool)
	// Windows, if they are not nil, are open for phones that have no password yet.
	Windows *Windows
	// Lets, if it is not nil, reports whether a phone may prove which it is in a way.
	Lets func(m discovery.MAC, l Level) bool
	// Handed, if it is not nil, is told of what was handed out. It must not block.
	Handed func(Handed)
	// Refused, if it is not nil, is told of what was not, though the phone proved which it is.
	// It must not block.
	Refused func(Handed)
	// Blocked, if it is not nil, is told of each source that guesses. It must not block.
	Blocked func(source netip.Addr, until time.Time)
	// Vendors, if it is not nil, returns the authorities of vendors, which certify phones.
	Vendors func() *x509.CertPool
	// Mismatch, if it is not nil, is told of a certificate that is no proof of the phone whose
	// file is asked for, and why. It must not block.
	Mismatch func(m discovery.MAC, source netip.Addr, c *x509.Certificate, why error)
	// Asks, if they are not nil, note the phones that do not prove which they are.
	Asks *Asks
	Log  *slog.Logger
}

// Server is an http.Handler.
type Server struct {
	cfg    Config
	misses misses
	now    func() time.Time
}

// New returns a server.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{cfg: cfg, now: time.Now}
}

// ErrNoFile reports that a phone has no such file.
var ErrNoFile = errors.New("no such file")

// User is the name by which a phone fetches its file.
func User(m discovery.MAC) string { return m.Hex() }

// PasswordOf is a phone's password: 26 letters and digits of base32, which any phone can hold.
func PasswordOf(key [32]byte, m discovery.MAC) string {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte("phone\x00"))
	h.Write(m[:])
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:16]))
}

// maxName is how long the path of a request may be.
const maxName = 256

// ServeHTTP hands a file out.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	source := sourceOf(r)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch {
	case s.misses.blocked(source, s.now()):
		http.Error(w, "too many requests", http.StatusTooManyRequests)
		return
	case r.Method == http.MethodPut, r.Method == http.MethodPost: // logs and overrides of phones
		http.Error(w, "nothing is kept", http.StatusMethodNotAllowed)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	name := r.URL.Path
	if len(name) > maxName || strings.ContainsAny(name, "\x00\\") || strings.Contains(name, "..") {
		s.miss(w, source, name)
		return
	}
	asked, ok := settings.Parse(name, "")
	switch {
	case !ok:
		s.miss(w, source, name)
	case asked.Kind == settings.Absent: // a phone asks for it all the same
		http.NotFound(w, r)
	case asked.Kind.Open():
		f, ok := s.cfg.Common(asked.Vendor, asked.Kind)
		if !ok { // the admin is told why
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		s.send(w, r, f)
	default:
		s.own(w, r, asked, source)
	}
}

// own hands a phone its own file, if it proves which it is. That comes first: of a phone
// that is not there as much is done as of one that is.
func (s *Server) own(w http.ResponseWriter, r *http.Request, asked settings.Asked, source netip.Addr) {
	if r.TLS == nil { // nothing secret goes in the clear
		s.cfg.Asks.note(Asking{MAC: asked.MAC, By: "http", Source: source, Agent: r.UserAgent()}, s.now())
		s.miss(w, source, User(asked.MAC))
		return
	}
	level, open := s.proves(r, asked.MAC, source), s.cfg.Windows.lets(asked.MAC, source, s.now())
	if level == 0 && open {
		level = Opened
	}
	if open { // which is for all of it, once
		for _, h := range []string{"Range", "If-Range", "If-None-Match", "If-Match"} {
			r.Header.Del(h)
		}
	}
	if level == 0 {
		s.noteMiss(source, User(asked.MAC)+" "+r.Header.Get("Authorization")) // a phone begins so, and is forgiven when it proves who it is
		s.cfg.Asks.note(Asking{MAC: asked.MAC, By: "https", Source: source, Agent: r.UserAgent()}, s.now())
		w.Header().Set("WWW-Authenticate", s.challenge())
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	handed := Handed{Time: s.now(), MAC: asked.MAC, Name: r.URL.Path, Level: level, Source: source, Agent: r.UserAgent()}
	if s.cfg.Lets != nil && !s.cfg.Lets(asked.MAC, level) {
		if s.cfg.Refused != nil {
			s.cfg.Refused(handed)
		}
		http.Error(w, "not by its "+level.String(), http.StatusForbidden)
		return
	}
	if level != Opened {
		s.misses.forgive(source, s.now())
	}
	f, err := s.cfg.Own(asked.MAC, r.URL.Path)
	if errors.Is(err, ErrNoFile) { // it has the key's password and is not listed: it was
		http.NotFound(w, r)
		return
	}
	if err != nil { // the admin is told why
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	s.misses.forgive(source, s.now())
	s.cfg.Asks.forget(asked.MAC)
	n := &counted{ResponseWriter: w}
	handed.Sum = s.send(n, r, f)
	if f.Secret && open && r.Method == http.MethodGet && n.status == http.StatusOK && n.octets == len(f.Body) { // from now on it has its password
		if _, err := s.cfg.Windows.Shut(asked.MAC, s.now()); err != nil {
			s.cfg.Log.Error("the window of a phone that has fetched its configuration cannot be shut", "phone", asked.MAC, "error", err, "hint", "see that the directory of the database can be written; the window ends by itself")
		}
	}
	if s.cfg.Handed != nil && r.Method == http.MethodGet {
		s.cfg.Handed(handed)
	}
}

// counted is what is written of a file.
type counted struct {
	http.ResponseWriter
	status, octets int
}

// WriteHeader notes the status.
func (c *counted) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

// Write counts octets.
func (c *counted) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	n, err := c.ResponseWriter.Write(b)
	c.octets += n
	return n, err
}

// miss answers a name that is none.
func (s *Server) miss(w http.ResponseWriter, source netip.Addr, what string) {
	s.noteMiss(source, what)
	http.Error(w, "not found", http.StatusNotFound)
}

// noteMiss counts a miss, and tells of a source that has too many.
func (s *Server) noteMiss(source netip.Addr, what string) {
	s.misses.tell(source, what, s.now(), s.cfg.Blocked)
}

// Unblock lets the sources of a network be heard again: an admin knows them.
func (s *Server) Unblock(p netip.Prefix) { s.misses.unblock(p) }

// Blocked returns how many sources are not heard now.
func (s *Server) Blocked() int { return s.misses.count(s.now()) }

// send writes a file, or the part of it that is asked for, or that it is the one that the
// phone has. It returns what tells the file from others.
func (s *Server) send(w http.ResponseWriter, r *http.Request, f File) [8]byte {
	sum := sha256.Sum256(f.Body)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	w.Header().Set("Content-Type", settings.ContentType(f.Vendor))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.Body))
	return [8]byte(sum[:8])
}

// sourceOf is whom a request comes from.
func sourceOf(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}
