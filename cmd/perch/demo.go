package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"perch/discovery"
	"perch/discovery/capture"
	"perch/gateway"
)

// demoFiles are the bundled capture, its map and its directory. The capture is
// that of testdata/replay/real-move-two-links, recorded from real programs; of
// its two ports the demo's map knows only the first.
//
//go:embed demo
var demoFiles embed.FS

// demoCmd is the whole product on the bundled capture: the engine on a database
// of its own, mail over a real socket into an inbox, and the pages.
type demoCmd struct {
	Listen string  `help:"Address of the pages (default: 127.0.0.1:8080, or another port if that is taken)." placeholder:"HOST:PORT"`
	Speed  float64 `help:"How fast the capture plays, in seconds a second." default:"30" placeholder:"N"`
}

// Run is the command. It serves until it is interrupted.
func (c *demoCmd) Run(env *environment) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	dir, err := os.MkdirTemp("", "perch-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.CopyFS(dir, demoFiles); err != nil {
		return err
	}
	d := demo{dir: filepath.Join(dir, "demo"), env: env, log: slog.New(slog.NewTextHandler(env.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	if err := d.prepare(ctx, c); err != nil {
		return err
	}
	return d.run(ctx)
}

// demo is one run of the demo.
type demo struct {
	dir     string
	env     *environment
	log     *slog.Logger
	clock   *demoClock
	merge   *capture.Merge
	first   *discovery.Frame
	service *service
	inbox   *inbox
	teller  *teller
}

// prepare makes everything that can fail before anything is shown.
func (d *demo) prepare(ctx context.Context, c *demoCmd) error {
	if !(c.Speed > 0 && c.Speed <= 1e6) {
		return &usageError{fmt.Sprintf("speed %g", c.Speed), "a number above 0 and up to a million, such as 30"}
	}
	pages, err := listenPages(c.Listen)
	if err != nil {
		return err
	}
	conf := defaults()
	conf.Database = filepath.Join(d.dir, "perch.db")
	conf.Site = "hq"
	conf.Portal.URL = "http://" + pages.Addr().String()
	if d.inbox, err = newInbox(); err != nil {
		return errors.Join(err, pages.Close())
	}
	conf.Mail.SMTP = d.inbox.url()
	s, err := openSession(ctx, conf, conf.Database, false, false)
	if err != nil {
		return errors.Join(err, pages.Close())
	}
	if err := d.compose(ctx, s, pages, c.Speed); err != nil {
		return errors.Join(err, pages.Close(), s.store.Close())
	}
	return nil
}

// compose makes a service whose clock plays the capture.
func (d *demo) compose(ctx context.Context, s *session, pages net.Listener, speed float64) error {
	if err := s.engine.SetType(gateway.Live); err != nil {
		return err
	}
	var err error
	if d.merge, err = capture.Open([]string{filepath.Join(d.dir, "swp7.pcap"), filepath.Join(d.dir, "swp9.pcap")}, nil); err != nil {
		return err
	}
	f, err := d.merge.Next()
	if err != nil {
		return err
	}
	d.first = frameOf(f)
	d.clock = newDemoClock(d.first.Time, speed)
	if d.service, err = newService(s, d.clock, s.config.Database, d.log); err != nil {
		return err
	}
	d.service.pages = pages
	mux := http.NewServeMux()
	mux.Handle("/", d.service.web.Handler)
	d.inbox.register(mux)
	d.service.web.Handler = mux
	if d.service.commands, err = listenAdmin(s.config.Database + ".sock"); err != nil {
		return err
	}
	d.service.admin = newAdminServer(s, s.config.Database+".sock", s.config.Database, d.log)
	d.teller = newTeller(s.store, d.env.stdout)
	wake := s.live.after
	s.live.after = func() { wake(); d.teller.poke() }
	if err := s.importPaths(filepath.Join(d.dir, "map")); err != nil {
		return err
	}
	return s.engine.Checkpoint(ctx)
}

// run plays the capture and serves until ctx ends.
func (d *demo) run(ctx context.Context) error {
	if err := d.introduce(); err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	var wg sync.WaitGroup
	wg.Go(func() { d.inbox.serve() })
	wg.Go(func() { d.teller.run(ctx) })
	wg.Go(func() {
		if err := d.play(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("the capture could not be played", "error", err)
		}
	})
	err := d.service.run(ctx)
	end() // it may have ended by itself
	err = errors.Join(err, d.inbox.close())
	wg.Wait()
	return errors.Join(err, d.teller.err)
}

func (d *demo) introduce() error {
	intro, err := fs.ReadFile(demoFiles, "demo/intro.txt")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(d.env.stdout, string(intro), "http://"+d.service.pages.Addr().String()+"/inbox", d.service.session.config.Database)
	return err
}

// play hands the frames over when the clock shows their time, and lets the clock
// go at its own pace when what they changed has settled.
func (d *demo) play(ctx context.Context) error {
	live := d.service.session.live
	decoder := discovery.NewDecoder(discovery.DecoderConfig{})
	in := d.first
	for {
		if !d.clock.sleepUntil(ctx, in.Time) {
			return nil
		}
		decoder.Decode(in, live.observe)
		live.poke()
		f, err := d.merge.Next()
		for _, i := range d.merge.Ended() {
			d.service.session.engine.Pause([]string{"swp7.pcap", "swp9.pcap"}[i])
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		in = frameOf(f)
	}
	settled := in.Time.Add(time.Duration(d.service.session.config.Policy.Settle) + 5*time.Second)
	if d.clock.sleepUntil(ctx, settled) {
		d.clock.setSpeed(1)
		live.poke()
	}
	return d.merge.Close()
}

func frameOf(f *capture.Frame) *discovery.Frame {
	in := observed(f)
	in.File = filepath.Base(f.File)
	return &in
}

// listenPages listens where it is told, or at the usual port, or at any.
func listenPages(address string) (net.Listener, error) {
	if address == "" {
		if l, err := net.Listen("tcp", "127.0.0.1:8080"); err == nil {
			return l, nil
		}
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, withHint(err, "name another address: -listen 127.0.0.1:0 takes any free port")
	}
	return l, nil
}

// demoClock shows the capture's time, faster than the wall's while it plays.
type demoClock struct {
	mu    sync.Mutex
	shown time.Time // at wall time since
	since time.Time
	speed float64
}

func newDemoClock(start time.Time, speed float64) *demoClock {
	return &demoClock{shown: start, since: time.Now(), speed: speed}
}

func (c *demoClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at(time.Now())
}

func (c *demoClock) at(wall time.Time) time.Time {
	return c.shown.Add(time.Duration(float64(wall.Sub(c.since)) * c.speed)).Truncate(time.Microsecond)
}

func (c *demoClock) wait(t time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(float64(t.Sub(c.at(time.Now()))) / c.speed)
}

func (c *demoClock) setSpeed(s float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall := time.Now()
	c.shown, c.since, c.speed = c.at(wall), wall, s
}

// sleepUntil returns when the clock shows t; false if ctx ended before.
func (c *demoClock) sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(max(c.wait(t), 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// teller tells the story of what became durable.
type teller struct {
	store gateway.Store
	story *gateway.Story
	wake  chan struct{}
	last  int64
	err   error
}

func newTeller(s gateway.Store, w io.Writer) *teller {
	return &teller{store: s, story: gateway.NewStory(w), wake: make(chan struct{}, 1)}
}

func (t *teller) poke() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *teller) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		}
		err := t.store.Events(ctx, t.last, func(ev gateway.Event) error {
			t.last = ev.ID
			t.story.Add(ev)
			return nil
		})
		if ctx.Err() == nil {
			t.err = errors.Join(err, t.story.Flush())
		}
	}
}
