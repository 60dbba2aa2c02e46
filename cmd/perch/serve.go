package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"perch/gateway"
	"perch/notify"
	"perch/portal"
)

// serveCmd is the gateway, live.
type serveCmd struct {
	databaseFlags

	path *sipKeeper // nil: no phone registers through us
}

// Run is the command.
func (c *serveCmd) Run(env *environment) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := slog.New(slog.NewTextHandler(env.stderr, nil))
	slog.SetDefault(log)
	c.held = func(conf *config) error { return c.standInPath(conf, log) } // phones do not wait for what is loaded
	loaded := lean(0, loadPercent)
	s, err := c.open(ctx, false)
	loaded()
	if err != nil {
		return errors.Join(err, c.path.giveUp())
	}
	v, err := c.prepare(ctx, s, log)
	if err != nil {
		return errors.Join(err, c.path.giveUp(), s.store.Close())
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	go c.reload(ctx, v.phones, hup, log)
	log.Info("serving", "portal", "http://"+v.pages.Addr().String(), "links", s.config.Portal.URL, "database", redacted(c.name(&s.config)), "version", version)
	err = v.run(ctx)
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// reload reads the configuration again for each signal. What the SIP path is told takes
// effect, and so do the settings of phones; all else does at the next start. One that is
// wrong changes nothing.
func (c *serveCmd) reload(ctx context.Context, phones *provisioner, hup <-chan os.Signal, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		}
		if phones != nil {
			if err := phones.reload(); err != nil {
				log.Error("the settings of phones are not taken: those before go on", "error", err, "hint", hintOf(err))
			} else {
				log.Info("the settings of phones were read again")
			}
		}
		conf, err := loadConfig(c.Config)
		switch {
		case err != nil:
		case c.path == nil:
			log.Info("the configuration is right; it takes effect at the next start")
			continue
		case len(conf.SIP.Listen) == 0:
			err = withHint(errors.New("sip.listen is empty now"), "stop serve and start it again to take Perch out of the path")
		default:
			err = c.path.reload(&conf)
		}
		if err != nil {
			log.Error("the configuration is not taken: the one before goes on", "error", err, "hint", hintOf(err))
			continue
		}
		log.Info("the configuration of the SIP path was read again; all else takes effect at the next start")
	}
}

// prepare makes a live service of a database, with everything that can fail
// before the first request.
func (c *serveCmd) prepare(ctx context.Context, s *session, log *slog.Logger) (*service, error) {
	if err := s.engine.SetType(gateway.Live); err != nil {
		return nil, err
	}
	clock, err := newClock(s.engine.Now())
	if err != nil {
		return nil, err
	}
	path := c.socket(&s.config)
	v, err := newService(s, clock, c.beside(&s.config), log)
	if err != nil {
		return nil, err
	}
	if v.pages, err = net.Listen("tcp", s.config.Portal.Listen); err != nil {
		return nil, withHint(fmt.Errorf("portal: %w", err), "name another address with portal: {listen: ...}, or stop who uses this one")
	}
	if !s.engine.Now().IsZero() { // a new database has nothing to go on from
		s.engine.Resume(clock.now())
	}
	if v.commands, err = listenAdmin(path); err != nil {
		return nil, errors.Join(err, v.pages.Close())
	}
	v.admin = newAdminServer(s, path, c.name(&s.config), log)
	s.live.tellLog()
	for _, a := range ailments(&s.config, s.hasSite) {
		log.Warn(a.What, "hint", a.Remedy)
	}
	v.listen()
	if c.path != nil {
		for _, a := range alarmAilments(ctx, s) {
			log.Warn(a.What, "hint", a.Remedy)
		}
		c.path.serves(s, v.turns, s.live.clock.now, s.live.help)
		v.path, s.path = c.path, c.path
	}
	if err := s.keepAudit(log); err != nil {
		return nil, errors.Join(err, v.pages.Close(), v.commands.Close())
	}
	if v.phones, err = newProvisioner(s, log); err != nil {
		return nil, errors.Join(err, v.pages.Close(), v.commands.Close())
	}
	s.phones = v.phones
	if err := s.engine.Checkpoint(ctx); err != nil {
		return nil, errors.Join(err, v.pages.Close(), v.commands.Close())
	}
	return v, nil
}

// service is an engine that is served: its pages, its mailer and its commands,
// over one database.
type service struct {
	session  *session
	log      *slog.Logger
	mailer   *notify.Mailer // nil: no server is configured, mails wait
	pages    net.Listener
	web      http.Server
	phones   *provisioner // nil: phones fetch nothing here
	commands net.Listener // nil: none are taken
	admin    *adminServer
	ears     *ears      // nil: nothing is captured
	path     *sipKeeper // nil: no phone registers through us
	turns    *turns     // of what is heard
}

// listen opens the interfaces that are to be captured. One that cannot be opened
// is told of, and keeps nothing else from being served.
func (v *service) listen() {
	s := v.session
	v.turns = newTurns(s.live, s.live.clock.now)
	if len(s.config.Capture)+len(s.config.SIP.Listen) > 0 {
		s.live.lag = hearingLag + liveGroup // a busy machine is late
	}
	if len(s.config.Capture) == 0 {
		if len(s.config.SIP.Listen) == 0 {
			v.log.Warn("neither capture nor sip.listen is set: no phone is heard until one is; see perch config example")
		}
		return
	}
	if os.Geteuid() == 0 {
		v.log.Warn("running as root, which listening does not need",
			"hint", "run as a user of its own with cap_net_raw alone; README, \"Serving it\", has a systemd unit")
	}
	s.ears = newEars(&s.config, s.live.clock.now, v.turns, v.log)
	v.ears, s.around = s.ears, s.ears.around
	for _, err := range flatten(v.ears.open()) {
		if err != nil {
			v.log.Error("an interface cannot be listened to", "error", err, "hint", hintOf(err))
		}
	}
	v.log.Info("listening", "interfaces", v.ears.String())
}

// standInPath starts the SIP path, if phones are to register through it.
func (c *serveCmd) standInPath(conf *config, log *slog.Logger) error {
	if len(conf.SIP.Listen) == 0 {
		return nil
	}
	k, err := newSIPKeeper(conf, c.beside(conf), log)
	if err != nil {
		return err
	}
	if err := k.start(); err != nil {
		return err
	}
	c.path = k
	log.Info("in the SIP path", "listen", conf.SIP.Listen, "upstream", conf.SIP.Upstream)
	return nil
}

// newService composes what a live session needs. The database gets its secret;
// beside is what names of files beside it begin with.
func newService(s *session, clock ticker, beside string, log *slog.Logger) (*service, error) {
	var secret gateway.Key
	if _, err := rand.Read(secret[:]); err != nil {
		return nil, err
	}
	s.engine.SetKey(secret)
	v := &service{session: s, log: log}
	s.live = newLive(s.engine, clock, log, func() {
		if v.mailer != nil {
			v.mailer.Wake()
		}
	})
	if err := v.setMailer(s.config.Mail.SMTP, journalName(beside, s.engine.Key())); err != nil {
		return nil, err
	}
	pages, err := portal.New(portal.Config{
		Office: &office{s.engine, s.live}, Phones: &shelf{s}, Key: s.engine.Key(), URL: s.config.Portal.URL,
		Organization: s.config.Mail.Organization, Log: log,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	metrics := newMetrics(v)
	mux.Handle("/", metrics.count(pages))
	mux.HandleFunc("GET /healthz", v.health)
	mux.Handle("GET /metrics", direct(metrics.handler()))
	v.web = http.Server{
		Handler: mux, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
	}
	return v, nil
}

// journalName names the journal of mails (see notify.MailerConfig) for one
// database and no other that may stand in its place: it has the key's hash in it.
func journalName(beside string, k gateway.Key) string {
	sum := sha256.Sum256(append([]byte("journal\x00"), k[:]...))
	return fmt.Sprintf("%s-%x.sent", beside, sum[:4])
}

// setMailer makes the mailer for a server's URL; without one mails wait.
func (v *service) setMailer(url, journal string) error {
	if url == "" {
		return nil
	}
	box, ok := v.session.store.(gateway.Outbox)
	if !ok {
		return errors.New("this database has no outbox")
	}
	server, err := notify.ParseServer(url)
	if err != nil {
		return err
	}
	from, err := v.session.config.envelope()
	if err != nil {
		return err
	}
	key := v.session.engine.Key()
	v.mailer, err = notify.NewMailer(notify.MailerConfig{
		Server: server, From: from, Outbox: box, Log: v.log, Now: v.session.live.clock.now, Journal: journal,
		Token: func(m gateway.Mail) (string, bool) {
			l, ok := m.Link()
			if !ok {
				return "", false
			}
			return key.Token(l), true
		},
	})
	if err != nil {
		return withHint(err, "make the directory of the database writable, or name another socket: whose directory is")
	}
	return nil
}

// How long things get at the end, in the order in which they end.
const (
	stopPages = 10 * time.Second // requests under way
	stopAdmin = 10 * time.Second // commands under way
)

// run serves until ctx ends, and stops in order: nothing more is heard, no new
// requests are taken, those under way finished, the mails under way handed over,
// everything stored.
func (v *service) run(ctx context.Context) error {
	failed := make(chan error, 8)
	start := func(f func() error) <-chan struct{} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := f(); err != nil {
				failed <- err
			}
		}()
		return done
	}
	captureCtx, stopCapture := context.WithCancel(context.Background())
	defer stopCapture()
	engineCtx, stopEngine := context.WithCancel(context.Background())
	mailCtx, stopMail := context.WithCancel(context.Background())
	auditCtx, stopAudit := context.WithCancel(context.Background())
	defer stopEngine()
	defer stopMail()
	defer stopAudit()

	engine := start(func() error { return v.session.live.run(engineCtx) })
	capture := start(func() error {
		if v.ears != nil {
			v.ears.run(captureCtx)
		}
		return nil
	})
	path := start(func() error {
		if v.path == nil {
			return nil
		}
		return v.path.run(captureCtx)
	})
	mail := start(func() error {
		if v.mailer == nil {
			return nil
		}
		return v.mailer.Run(mailCtx)
	})
	pages := start(func() error {
		if err := v.web.Serve(v.pages); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	phones := start(func() error {
		if v.phones == nil {
			return nil
		}
		return v.phones.run()
	})
	audit := start(func() error {
		if v.session.audit == nil {
			return nil
		}
		return v.session.audit.run(auditCtx)
	})
	admin := start(func() error {
		if v.commands == nil {
			return nil
		}
		return v.admin.serve(v.commands)
	})

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	stopCapture()
	<-capture
	<-path
	err = errors.Join(err, v.stopRequests())
	<-pages
	<-phones
	<-admin
	stopAudit()
	<-audit
	stopMail()
	<-mail
	stopEngine()
	<-engine
	close(failed)
	for e := range failed {
		err = errors.Join(err, e)
	}
	return errors.Join(err, v.session.store.Close())
}

// stopRequests takes no more requests and waits for those under way.
func (v *service) stopRequests() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopPages)
	defer cancel()
	err := v.web.Shutdown(ctx)
	if v.phones != nil {
		err = errors.Join(err, v.phones.shutdown(ctx))
	}
	if v.commands != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopAdmin)
		defer cancel()
		err = errors.Join(err, v.admin.shutdown(ctx))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		v.log.Warn("requests were cut off at the end")
		return nil
	}
	return err
}
