package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"perch/discovery"
	"perch/provisioning"
	"perch/provisioning/serve"
	"perch/provisioning/settings"
	"perch/sip/proxy"
)

// provisioner serves phones their files.
type provisioner struct {
	session   *session
	log       *slog.Logger
	files     atomic.Pointer[phoneFiles] // of the settings that were right last
	listeners []net.Listener
	web       http.Server
	sockets   []net.PacketConn // of TFTP
	tftp      []*serve.TFTP
	groups    []*net.UDPConn // of PnP
	pnp       serve.PnP
	asks      *serve.Asks
	audit     *auditor
	guesses   *alarms
	pages     *serve.Server

	certificate *proxy.Certificate              // nil: there is none
	vendors     atomic.Pointer[x509.CertPool]   // whose certificates of phones are believed
	faults      *rate.Limiter                   // of files that cannot be made
	done        chan struct{}                   // closed when no request is under way any more
	served      [serve.Opened + 1]atomic.Uint64 // files, by level
}

// provisionKey is what passwords of phones are made with.
func provisionKey(k *provisioning.SecretKey) (out [32]byte) {
	h := hmac.New(sha256.New, k[:])
	h.Write([]byte("provision"))
	copy(out[:], h.Sum(nil))
	return out
}

// newProvisioner opens its sockets; nil if there are none to be opened.
func newProvisioner(s *session, log *slog.Logger) (*provisioner, error) {
	c := &s.config.Provision
	if len(c.Listen) == 0 {
		return nil, nil
	}
	p := &provisioner{session: s, log: log, done: make(chan struct{}), faults: rate.NewLimiter(1, 10)}
	files, err := s.phoneFiles()
	if err != nil {
		return nil, err
	}
	p.files.Store(&files)
	over, certificate, err := c.TLS.config(log)
	p.certificate = certificate
	if err != nil {
		return nil, withHint(fmt.Errorf("provision: tls: %w", err), provisionTLSHint)
	}
	pool, err := c.TLS.authorities()
	if err != nil {
		return nil, withHint(fmt.Errorf("provision: tls: %w", err), provisionTLSHint)
	}
	p.vendors.Store(pool)
	p.audit = s.audit
	p.guesses = newAlarms("provision.webhook", "a source that guesses", c.Webhook, log)
	p.asks = &serve.Asks{Allow: s.config.SIP.Allow}
	conf := serve.Config{
		Key: files.key, Windows: s.windows, Own: p.own, Common: p.common, Lets: p.lets, Handed: p.handed, Refused: p.refused, Blocked: p.blocked,
		Asks: p.asks, Log: log, Mismatch: newDoubts(log).mismatch,
	}
	if pool != nil {
		conf.Vendors = p.vendors.Load
	}
	p.pages = serve.New(conf)
	p.web = http.Server{
		Handler:  p.pages,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	p.pnp.URL, p.pnp.Allow, p.pnp.Asks, p.pnp.Blocked, p.pnp.Log = p.url, s.config.SIP.Allow, p.asks, p.blocked, log
	for _, at := range c.Listen {
		scheme, hostport, _ := strings.Cut(at, ":")
		if scheme == "pnp" {
			g, err := serve.ListenPnP(hostport)
			if err != nil {
				return nil, errors.Join(withHint(fmt.Errorf("provision: listen %s: %w", at, err), "name an interface (ip link); if it is one, see who has UDP port 5060 at all addresses (ss -lunp): Perch's own SIP path shares it, other programs name an address instead"), p.close())
			}
			p.groups = append(p.groups, g)
			continue
		}
		var l net.Listener
		if scheme == "tftp" {
			var c net.PacketConn
			if c, err = net.ListenPacket("udp", hostport); err == nil {
				p.sockets, p.tftp = append(p.sockets, c), append(p.tftp, serve.NewTFTP(conf, s.config.SIP.Allow))
				continue
			}
		} else {
			// A phone that is gone is noticed by the times that a request may take.
			lc := net.ListenConfig{KeepAlive: -1}
			l, err = lc.Listen(context.Background(), "tcp", hostport)
		}
		if err != nil {
			return nil, errors.Join(withHint(fmt.Errorf("provision: listen %s: %w", at, err), "name another address, or stop who uses this one (ss -lnp); ports below 1024 need CAP_NET_BIND_SERVICE"), p.close())
		}
		if scheme == "https" {
			l = tls.NewListener(l, over)
		}
		p.listeners = append(p.listeners, l)
	}
	log.Info("phones fetch their configuration", "listen", c.Listen, "url", c.URL, "vendors' certificates", c.TLS.Vendors != "")
	return p, nil
}

// reload reads the settings again, and the authorities of vendors. If something is wrong with
// them, or a phone that has its file would have none any more, those before go on.
func (p *provisioner) reload() error {
	c := &p.session.config.Provision
	pool, err := c.TLS.authorities()
	if err != nil {
		return withHint(fmt.Errorf("provision: tls: %w", err), provisionTLSHint)
	}
	l, err := c.layers()
	if err != nil {
		return err
	}
	before := p.files.Load()
	next := *before
	next.layers = l
	for _, x := range p.session.devices(&next) {
		if x.err != nil || x.Vendor == "" {
			continue
		}
		if _, err := l.File(x.device, settings.Own); err != nil {
			if _, failed := before.layers.File(x.device, settings.Own); failed == nil {
				return withHint(fmt.Errorf("phone %s: %w", x.MAC, err), "mend the template; perch provision check tries all phones")
			}
		}
	}
	p.files.Store(&next)
	if pool != nil {
		p.vendors.Store(pool)
	}
	return nil
}

// own makes a phone's file.
func (p *provisioner) own(m discovery.MAC, name string) (serve.File, error) {
	var device *settings.Device
	var err error
	var kind settings.Kind
	ok := false
	p.session.engine.Read(func(d *provisioning.Directory) {
		phone, listed := d.Phone(m)
		if !listed || phone.Vendor == "" {
			return
		}
		var asked settings.Asked
		if asked, ok = settings.Parse(name, phone.Vendor); ok {
			kind = asked.Kind
			device, err = p.files.Load().device(d, &phone)
		}
	})
	if !ok {
		return serve.File{}, serve.ErrNoFile
	}
	return p.file(m.String(), device, err, kind)
}

// common makes what a vendor's phones may all have.
func (p *provisioner) common(v provisioning.Vendor, kind settings.Kind) (serve.File, bool) {
	c := &p.session.config
	path := c.proxy()
	proxy, err := c.provisionProxy(c.Provision.Proxy)
	f, err := p.file("any of "+string(v), &settings.Device{Vendor: v, URL: c.Provision.URL, Proxy: proxy, Emergency: path.NumbersAt("")}, err, kind)
	return f, err == nil
}

// url is where a listed phone finds its files, as it is told by PnP; empty: it is not listed.
func (p *provisioner) url(m discovery.MAC) string {
	var v provisioning.Vendor
	p.session.engine.Read(func(d *provisioning.Directory) {
		phone, _ := d.Phone(m)
		v = phone.Vendor
	})
	switch v {
	case "":
		return ""
	case provisioning.Snom: // which puts its MAC there
		return p.session.config.Provision.URL + settings.SnomFile
	}
	return p.session.config.Provision.URL
}

// file writes a file. What fails is told to the admin, and to the phone that there is none now.
func (p *provisioner) file(whose string, d *settings.Device, err error, kind settings.Kind) (serve.File, error) {
	var text []byte
	if err == nil {
		text, err = p.files.Load().layers.File(d, kind)
	}
	if err != nil {
		if p.faults.Allow() {
			p.log.Error("the configuration of a phone cannot be made", "phone", whose, "error", err, "hint", "perch provision check tells of all phones")
		}
		return serve.File{}, err
	}
	return serve.File{Vendor: d.Vendor, Body: text, Secret: kind == settings.Own}, nil
}

// lets reports whether the site of a phone lets it prove in a way which it is.
func (p *provisioner) lets(m discovery.MAC, l serve.Level) bool {
	var site string
	p.session.engine.Read(func(d *provisioning.Directory) {
		phone, _ := d.Phone(m)
		site = phone.Site
	})
	return slices.Contains(p.session.config.Provision.of(site).Levels, l)
}

// handed tells of a file that was handed out: the audit log, and the engine, to which it says
// where the phone is.
func (p *provisioner) handed(h serve.Handed) {
	p.audit.fetched(h)
	p.served[h.Level].Add(1)
	if h.Level == serve.Opened { // when the power is back tens of thousands fetch by the others
		p.log.Info("a phone fetched its configuration in its window", "phone", h.MAC, "file", h.Name, "from", h.Source, "agent", fmt.Sprintf("%.120s", h.Agent))
	}
	if l := p.session.live; h.Level != serve.Opened { // in a window anybody may have named it
		l.observe(&discovery.Observation{
			Time: l.clock.now(), Interface: p.session.config.sipPart(h.Source), SrcIP: h.Source, Kind: discovery.KindFetch,
			Fetch: &discovery.Fetch{MAC: h.MAC, Source: h.Source, UserAgent: h.Agent},
		})
	}
}

// refused tells of a file that was not, since its site wants other proof.
func (p *provisioner) refused(h serve.Handed) {
	p.log.Warn("a phone did not get its configuration: its site wants other proof", "phone", h.MAC, "by", h.Level, "from", h.Source, "hint", "provision: {levels: [...]} says which")
	p.audit.note(entryOf(serve.Refused, h))
}

func entryOf(what serve.What, h serve.Handed) serve.Entry {
	return serve.Entry{Time: h.Time, What: what, MAC: h.MAC, Name: h.Name, Level: h.Level, Source: h.Source.String(), Agent: strings.ToValidUTF8(fmt.Sprintf("%.200s", h.Agent), "?")}
}

// guess is what provision.webhook is told.
type guess struct {
	What   serve.What `json:"what"`
	Source netip.Addr `json:"source"`
	Until  time.Time  `json:"until"`
}

// blocked tells of a source that guesses.
func (p *provisioner) blocked(source netip.Addr, until time.Time) {
	p.log.Warn("somebody guesses which phones there are, or their passwords; it is not heard for a while", "from", source, "until", until.UTC().Format(time.TimeOnly))
	p.audit.note(serve.Entry{Time: time.Now(), What: serve.Blocked, Source: source.String(), Note: "until " + until.UTC().Format(time.RFC3339)})
	p.guesses.raise(guess{serve.Blocked, source, until.UTC()})
}

// ailments says what an admin should see to.
func (p *provisioner) ailments() (out []symptom) {
	if p == nil {
		return nil
	}
	if n := p.pages.Blocked(); n > 0 {
		out = append(out, symptom{few(n, "source guesses", "sources guess") + " which phones there are, or their passwords: not heard for an hour", "perch provision audit shows which: find out whose they are; perch provision open MAC -network ADDRESS has the phones there be heard again"})
	}
	if c := p.certificate; c != nil && time.Until(c.Expires()) < 30*24*time.Hour {
		out = append(out, symptom{"the certificate of provision.tls expires on " + c.Expires().UTC().Format(time.DateOnly) + ": then no phone fetches its configuration", "replace the files; they are read again by themselves"})
	}
	if _, n := p.session.waiting(time.Now()); n > 0 {
		out = append(out, symptom{few(n, "phone waits", "phones wait") + " to be let in", "perch phones waiting shows which; perch phones adopt MAC lets one in"})
	}
	return out
}

// run serves until it is shut down.
func (p *provisioner) run() error {
	var files sync.WaitGroup
	for i, t := range p.tftp {
		files.Go(func() { _ = t.Serve(p.sockets[i]) }) // its socket is closed at the end
	}
	for _, g := range p.groups {
		files.Go(func() { _ = p.pnp.Serve(g) })
	}
	defer files.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	files.Go(func() { p.guesses.run(ctx) })
	failed := make(chan error, len(p.listeners))
	for _, l := range p.listeners {
		go func() { failed <- p.web.Serve(l) }()
	}
	var errs []error
	for range p.listeners {
		if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
	}
	<-p.done // requests under way
	return errors.Join(errs...)
}

func (p *provisioner) shutdown(ctx context.Context) error {
	defer close(p.done)
	var ending sync.WaitGroup
	for i, t := range p.tftp {
		_ = p.sockets[i].Close()
		ending.Go(t.Shutdown)
	}
	for _, g := range p.groups {
		_ = g.Close()
	}
	defer ending.Wait()
	return p.web.Shutdown(ctx)
}

// close closes its sockets before it runs.
func (p *provisioner) close() error {
	var errs []error
	for _, l := range p.listeners {
		errs = append(errs, l.Close())
	}
	for _, c := range p.sockets {
		errs = append(errs, c.Close())
	}
	for _, g := range p.groups {
		errs = append(errs, g.Close())
	}
	return errors.Join(errs...)
}
