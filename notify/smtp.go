package notify

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Server is the SMTP server that takes all mails over, as mail.smtp of the
// configuration names it. The zero Server is none.
type Server struct {
	Host string // name or IP address
	Port uint16
	TLS  TLSMode
	Auth AuthMethod
	User string // empty: no authentication
	CA   string // file of PEM certificates to trust instead of the system's
	Helo string // what to call ourselves; empty: the host's full name, else an address literal

	secret secret
}

// TLSMode says how a connection becomes confidential.
type TLSMode uint8

// The modes. RFC 8314 section 3 wants submission encrypted, by either of the
// first and the last.
const (
	TLSRequired TLSMode = iota // STARTTLS (RFC 3207), or no mail at all
	TLSOptional                // STARTTLS if the server offers it
	TLSNever                   // not even if the server offers it
	TLSImplicit                // from the first byte (RFC 8314 section 3.3)
)

var tlsModes = [...]string{"required", "optional", "never", "implicit"}

// String returns the word of the parameter starttls, or "implicit".
func (m TLSMode) String() string { return tlsModes[m] }

// AuthMethod says how to authenticate (RFC 4954).
type AuthMethod uint8

// The methods.
const (
	AuthBest    AuthMethod = iota // PLAIN or LOGIN, whichever the server offers; none without a user
	AuthNone                      // none
	AuthPlain                     // RFC 4616
	AuthLogin                     // the older one, in no RFC, which some servers offer alone
	AuthXOAUTH2                   // an OAuth 2 access token, as Google and Microsoft take it
)

var authMethods = [...]string{"", "none", "plain", "login", "xoauth2"}

// String returns the word of the parameter auth; "" for AuthBest.
func (a AuthMethod) String() string { return authMethods[a] }

// Trouble is what keeps mail from being delivered, for whoever runs Perch.
type Trouble struct {
	What string // what is wrong
	Do   string // what to do about it
}

// Error returns what is wrong.
func (t *Trouble) Error() string { return t.What }

// Hint returns what to do about it.
func (t *Trouble) Hint() string { return t.Do }

func trouble(do, what string, args ...any) error {
	return &Trouble{What: fmt.Sprintf(what, args...), Do: do}
}

const serverForm = "write smtp://[USER[:PASSWORD]@]HOST[:PORT] or smtps://..., " +
	"with characters such as @ : / ? # % of a password as %40 %3A %2F %3F %23 %25, or use password_file or password_env"

// passwordVariable holds the password of a user for whom none is named.
const passwordVariable = "PERCH_SMTP_PASSWORD"

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?$`)

func isAddr(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == ""
}

// Ports of RFC 6409 section 3.1 and RFC 8314 section 3.3.
const (
	portSubmission  = 587
	portSubmissions = 465
)

// ParseServer reads the URL of an SMTP server:
//
//	smtp://[user[:password]@]host[:port]    STARTTLS is required; port 587 by default
//	smtps://[user[:password]@]host[:port]   TLS from the first byte; port 465
//
// Its query may hold
//
//	starttls=required|optional|never   default: required, but optional on this machine, where
//	                                   the certificate then counts only if ca is given
//	auth=plain|login|xoauth2|none      default: the best that the server offers; none without a user
//	password_file=FILE                 holds the password or, for xoauth2, the access token;
//	                                   read anew at each connection, so it may be rotated
//	password_env=NAME                  the same, in a variable of the environment; for a user
//	                                   without a password it is PERCH_SMTP_PASSWORD
//	ca=FILE                            PEM certificates to trust instead of the system's
//	helo=NAME                          what to call ourselves
//
// It reads no file; Check does. An error is a *Trouble and never shows a secret.
func ParseServer(s string) (Server, error) {
	// The errors of url.Parse quote what they could not read, which may be a piece
	// of a password that holds a "/", "?" or "#": what we say never does.
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Opaque != "" {
		return Server{}, trouble(serverForm, "mail.smtp is not a URL of an SMTP server")
	}
	if strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") || u.Fragment != "" {
		return Server{}, trouble(serverForm, "mail.smtp has characters in its password, or after its host, that a URL cannot hold as they are")
	}
	srv := Server{Host: u.Hostname()}
	switch u.Scheme {
	case "smtp":
		srv.Port, srv.TLS = portSubmission, TLSRequired
		if srv.Loopback() {
			srv.TLS = TLSOptional
		}
	case "smtps":
		srv.Port, srv.TLS = portSubmissions, TLSImplicit
	default:
		return Server{}, trouble(serverForm, "mail.smtp does not begin with smtp:// or smtps://")
	}
	if !hostName.MatchString(srv.Host) && !isAddr(srv.Host) {
		return Server{}, trouble(serverForm, "mail.smtp names no host that can be connected to")
	}
	if u.Path != "" && u.Path != "/" {
		return Server{}, trouble(serverForm, "mail.smtp has a path, which SMTP does not know")
	}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return Server{}, trouble("give a port from 1 to 65535: 587 for smtp, 465 for smtps, 25 without authentication", "mail.smtp has no valid port")
		}
		srv.Port = uint16(n)
	}
	if u.User != nil {
		srv.User = u.User.Username()
		if password, ok := u.User.Password(); ok {
			srv.secret = secret{secretGiven, password}
		}
	}
	if err := srv.parameters(u.RawQuery); err != nil {
		return Server{}, err
	}
	if srv.User != "" && srv.Auth != AuthNone && srv.secret.from == secretNone {
		srv.secret = secret{secretEnv, passwordVariable}
	}
	if err := srv.consistent(); err != nil {
		return Server{}, err
	}
	return srv, nil
}

// parameters reads the query.
func (srv *Server) parameters(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return trouble(serverForm, "mail.smtp has parameters that cannot be read")
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names) // the first error is always the same one
	for _, name := range names {
		v := values.Get(name)
		if len(values[name]) > 1 || v == "" {
			return trouble("give each parameter once, with a value", "mail.smtp: parameter %q is empty, or there twice", name)
		}
		switch name {
		case "starttls":
			i := slices.Index(tlsModes[:TLSImplicit], v)
			if i < 0 || srv.TLS == TLSImplicit {
				return trouble("smtp:// takes starttls=required, optional or never; smtps:// takes none, since it is encrypted from the start",
					"mail.smtp: starttls=%s does not go with it", v)
			}
			srv.TLS = TLSMode(i)
		case "auth":
			i := slices.Index(authMethods[1:], v)
			if i < 0 {
				return trouble("use auth=plain, login, xoauth2 or none, or leave it away", "mail.smtp: auth=%s is not known", v)
			}
			srv.Auth = AuthMethod(i + 1)
		case "password_file", "password_env":
			if srv.secret.from != secretNone {
				return trouble("keep one of: a password in the URL, password_file, password_env", "mail.smtp has more than one password")
			}
			srv.secret = secret{secretFile, v}
			if name == "password_env" {
				srv.secret.from = secretEnv
			}
		case "ca":
			srv.CA = v
		case "helo":
			if !ascii(v) || strings.ContainsAny(v, " <>") || len(v) > 255 { // RFC 5321 section 4.5.3.1.2
				return trouble("use a full host name, such as perch.example.com, or an address literal, such as [192.0.2.1]", "mail.smtp: helo=%q is not a name", v)
			}
			srv.Helo = v
		default:
			return trouble("the parameters are starttls, auth, password_file, password_env, ca and helo", "mail.smtp: parameter %q is not known", name)
		}
	}
	return nil
}

// consistent refuses what cannot work together.
func (srv Server) consistent() error {
	switch {
	case srv.User == "" && (srv.Auth > AuthNone || srv.secret.from != secretNone):
		return trouble("write smtp://USER@HOST...", "mail.smtp asks for authentication and names no user")
	case srv.User != "" && srv.Auth == AuthNone:
		return trouble("take away the user, or auth=none", "mail.smtp names a user and auth=none")
	case strings.ContainsAny(srv.User, "\x00\x01\r\n"):
		return trouble(serverForm, "mail.smtp: the user's name has control characters")
	case srv.CA != "" && srv.TLS == TLSNever:
		return trouble("take away one of the two", "mail.smtp has ca and starttls=never")
	}
	return nil
}

// IsZero reports whether no server is named.
func (srv Server) IsZero() bool { return srv == Server{} }

// Addr returns host and port.
func (srv Server) Addr() string {
	if strings.Contains(srv.Host, ":") {
		return fmt.Sprintf("[%s]:%d", srv.Host, srv.Port)
	}
	return fmt.Sprintf("%s:%d", srv.Host, srv.Port)
}

// Loopback reports whether the server is on this machine, by its address or by
// the name localhost.
func (srv Server) Loopback() bool {
	if strings.EqualFold(srv.Host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(srv.Host)
	return err == nil && a.Unmap().IsLoopback()
}

// String returns the URL without a password in it.
func (srv Server) String() string {
	if srv.IsZero() {
		return "(none)"
	}
	var b strings.Builder
	b.WriteString("smtp")
	if srv.TLS == TLSImplicit {
		b.WriteString("s")
	}
	b.WriteString("://")
	if srv.User != "" {
		b.WriteString(url.User(srv.User).String())
		if srv.secret.from == secretGiven {
			b.WriteString(":xxxxx")
		}
		b.WriteString("@")
	}
	b.WriteString(srv.Addr())
	sep := "?"
	add := func(name, value string) {
		if value != "" {
			b.WriteString(sep + name + "=" + url.QueryEscape(value))
			sep = "&"
		}
	}
	if srv.TLS != TLSImplicit {
		add("starttls", srv.TLS.String())
	}
	add("auth", srv.Auth.String())
	add(srv.secret.parameter(), srv.secret.name())
	add("ca", srv.CA)
	add("helo", srv.Helo)
	return b.String()
}

// GoString hides the password from %#v, and MarshalText from JSON.
func (srv Server) GoString() string { return "notify.Server(" + srv.String() + ")" }

// MarshalText writes String.
func (srv Server) MarshalText() ([]byte, error) { return []byte(srv.String()), nil }

// Check reads the files and variables that the server's URL names, as each
// connection does. An error is a *Trouble.
func (srv Server) Check() error {
	if _, err := srv.tls(); err != nil {
		return err
	}
	_, err := srv.secret.read()
	return err
}

// tls makes what a connection needs to be confidential, reading the file of
// certificates anew.
func (srv Server) tls() (*tls.Config, error) {
	c := &tls.Config{ServerName: srv.Host, MinVersion: tls.VersionTLS12} // RFC 8997
	// A mail server on this machine comes with a certificate that it made for
	// itself. Where all may go in the clear as well, which is what "optional" says,
	// nothing is gained by not liking it.
	c.InsecureSkipVerify = srv.TLS == TLSOptional && srv.CA == "" && srv.Loopback()
	if srv.CA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(srv.CA)
	if err != nil {
		return nil, trouble("name a readable file of PEM certificates with ca=FILE", "mail.smtp: certificates to trust: %v", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, trouble("put at least one -----BEGIN CERTIFICATE----- block into it", "mail.smtp: %s holds no certificate", srv.CA)
	}
	return c, nil
}
