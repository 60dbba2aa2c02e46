package proxy

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"

	"perch/sip"
)

// Config says where a proxy listens and to whom it forwards. As JSON it goes to
// another process, without those whom it tells.
type Config struct {
	// Listen are the addresses phones are heard at, as "udp:0.0.0.0:5060". Port 0 is
	// one that is free.
	Listen []string
	// Upstream are the PBXs, as "udp:pbx.example.com:5060", the first preferred; without
	// a port it is looked up (RFC 3263), with the priorities and weights of SRV records.
	// None: the proxy itself is the registrar, for the lines of SetLines.
	Upstream []string
	// Advertise is the host by which phones and PBX reach the proxy; empty: the
	// address it listens at, or, if that is any, the one that leads to the PBX.
	Advertise string
	// CertFile and KeyFile are the certificate of the listeners over TLS and its key, PEM;
	// they are read again when they change. CAFile are the authorities that certificates
	// of PBXs are of; empty: the system's.
	CertFile, KeyFile, CAFile string
	// Allow are the networks that phones are in; nil: PrivateNetworks. What comes from
	// elsewhere and from no PBX is dropped before anybody looks at it, unanswered.
	Allow []netip.Prefix
	// Realm is that of the digest by which lines register where no PBX is (RFC 7616
	// section 3.3).
	Realm string
	// Algorithms are the ones of that digest, the first preferred; nil: MD5 alone.
	Algorithms []string
	// Key seals what the proxy writes into messages. As long as it is the same, what
	// was written before a restart holds after it.
	Key [32]byte
	// Observe takes the REGISTERs that were accepted, each with its answer behind it;
	// nil: nobody does. It must not block.
	Observe func(Observation) `json:"-"`
	// KeepAlive takes the signs of life of phones that registered; nil: nobody does. It must
	// not block.
	KeepAlive func(KeepAlive) `json:"-"`
	// RegEvents is that the PBXs are asked where the lines of Watch are registered (RFC
	// 3680), for phones that register with them directly. It is asked in the name of
	// RegUser, whose password is RegPassword.
	RegEvents            bool
	RegUser, RegPassword string
	// Numbers are what is dialled for help; nil: DefaultEmergencyNumbers.
	// urn:service:sos is help whatever they are.
	Numbers []string
	// Site is that of phones which are in none of Sites; empty: not known.
	Site  string
	Sites []Site
	// Emergency is told of each call for help; nil: nobody is. It must not block.
	Emergency func(EmergencyCall) `json:"-"`
	// Log; nil: nothing is logged.
	Log *slog.Logger `json:"-"`
}

// NumbersAt are what is dialled for help at a site.
func (c *Config) NumbersAt(site string) []string {
	for i := range c.Sites {
		if x := &c.Sites[i]; x.Name == site && x.Numbers != nil {
			return x.Numbers
		}
	}
	return c.numbers()
}

// numbers are those of sites that have none of their own.
func (c *Config) numbers() []string {
	if c.Numbers == nil {
		return DefaultEmergencyNumbers
	}
	return c.Numbers
}

// CheckFiles reports what is wrong with the certificates and keys that are named.
func (c *Config) CheckFiles() error {
	p := &Proxy{cfg: *c}
	p.log = p.logger()
	if _, _, err := p.tlsConfigs(); err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	return nil
}

// Check reports what is wrong with a configuration as far as it tells by itself:
// addresses that are none, nobody to forward to, or ourselves.
func (c *Config) Check() error {
	if c.RegEvents && len(c.Upstream) == 0 {
		return errors.New("reg_events without upstream: which PBX knows where phones are registered?")
	}
	if c.RegEvents && (!sip.IsToken([]byte(c.RegUser)) || strings.ContainsAny(c.RegPassword, "\r\n")) {
		return errors.New("reg_events: want a user that is one word such as perch, and a password of one line")
	}
	if len(c.Listen) == 0 {
		return errors.New("upstream without listen: where are phones heard that are forwarded there?")
	}
	if len(c.Upstream) == 0 && (c.Realm == "" || strings.ContainsAny(c.Realm, "\"\\\r\n")) {
		return errors.New("listen without upstream makes Perch the registrar, which needs a realm without quotes: as example.com")
	}
	for _, a := range c.Algorithms {
		if !slices.Contains(Algorithms, a) {
			return fmt.Errorf("algorithm %q: want one of %s", a, strings.Join(Algorithms, ", "))
		}
	}
	for i, l := range c.Listen {
		if slices.Contains(c.Listen[:i], l) {
			return fmt.Errorf("listen %q is there twice", l)
		}
		t, _, err := cutAddress(l)
		if err == nil && t.secure() && (c.CertFile == "" || c.KeyFile == "") {
			err = errNoCertificate
		}
		if err != nil {
			return fmt.Errorf("listen %q: %w", l, err)
		}
	}
	for i := range c.Sites {
		if err := c.Sites[i].check(); err != nil {
			return err
		}
	}
	for _, u := range c.Upstream {
		t, hostport, err := cutUpstream(u)
		if err != nil {
			return fmt.Errorf("upstream %q: %w", u, err)
		}
		for _, l := range c.Listen {
			if lt, at, _ := cutAddress(l); lt == t && strings.EqualFold(at, hostport) {
				return fmt.Errorf("upstream %q: that is ourselves", u)
			}
		}
	}
	return nil
}
