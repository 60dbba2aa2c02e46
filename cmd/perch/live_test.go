package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perch/discovery"
	"perch/discovery/capture"
	"perch/gateway"
)

// What a deadline queues must wake the mailer too, not only what a request or an
// observation does.
func TestDeadlineWakesMailer(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	conf := defaults()
	conf.Database, conf.Site = filepath.Join(dir, "p.db"), "hq"
	s, err := openSession(ctx, conf, conf.Database, false, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.engine.SetType(gateway.Live); err != nil {
		t.Fatal(err)
	}
	story := filepath.Join(root, "testdata", "replay", "company-claim-port")
	if err := s.importPaths(filepath.Join(story, "map")); err != nil {
		t.Fatal(err)
	}
	var seen []*discovery.Observation
	merge, err := capture.Open([]string{filepath.Join(story, "in.pcapng")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	for {
		f, err := merge.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		d.Decode(frameOf(f), func(o *discovery.Observation) { c := *o; seen = append(seen, &c) })
	}
	box, err := newInbox()
	if err != nil {
		t.Fatal(err)
	}
	go box.serve()
	defer box.close()
	s.config.Mail.SMTP = box.url()
	for len(seen) > 1 && seen[len(seen)-1].Time.Sub(seen[0].Time) > 30*time.Second {
		seen = seen[:len(seen)-1] // nothing has settled yet
	}
	last := seen[len(seen)-1].Time
	clock := newDemoClock(last, 1)
	v, err := newService(s, clock, conf.Database+".sent", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if v.pages, err = listenPages("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- v.run(ctx) }()
	defer func() { cancel(); <-ended }()
	for _, o := range seen {
		s.live.observe(o)
	}
	s.live.poke()
	// The observations are durable, and the mailer has looked at the outbox.
	if _, err := s.live.decide(ctx, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	if b, _ := s.store.(gateway.Outbox).Backlog(ctx); b.Waiting+b.Sent > 0 {
		t.Fatalf("too early: %+v", b)
	}
	clock.setSpeed(60) // the settle deadline comes
	s.live.poke()
	deadline := time.Now().Add(15 * time.Second)
	for {
		b, err := s.store.(gateway.Outbox).Backlog(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if b.Sent > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after 15 s the outbox has %+v, engine time is %s", b, s.engine.Now())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// An error of a failing database is two lines.
func TestFailingIsTwoLines(t *testing.T) {
	conf := defaults()
	ec, err := conf.engine()
	if err != nil {
		t.Fatal(err)
	}
	e, err := gateway.New(context.Background(), ec, &gateway.Stream{})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := newClock(time.Time{})
	l := newLive(e, c, slog.New(slog.DiscardHandler), nil)
	l.settled(0, errors.New("commit: disk full"))
	_, err = l.decide(context.Background(), func() error { return nil })
	var out strings.Builder
	report(&out, err)
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
}

// A decision that panics (net/http recovers it) must not leave serve alive and
// deaf.
func TestPanicLeavesNoLock(t *testing.T) {
	conf := defaults()
	ec, err := conf.engine()
	if err != nil {
		t.Fatal(err)
	}
	e, err := gateway.New(context.Background(), ec, &gateway.Stream{})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := newClock(time.Time{})
	l := newLive(e, c, slog.New(slog.DiscardHandler), nil)
	ctx, stop := context.WithCancel(context.Background())
	go l.run(ctx)
	defer stop()
	func() {
		defer func() { _ = recover() }()
		_, _ = l.decide(ctx, func() error { panic("bug") })
	}()
	done := make(chan error, 1)
	go func() { _, err := l.decide(ctx, func() error { return nil }); done <- err }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("after a panic nothing is decided any more, and trouble() says:", l.trouble())
	}
}

// A demo whose service fails ends, and says why.
func TestDemoEndsWhenItsServiceFails(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	dir := t.TempDir()
	d := demoIn(t, ctx, dir)
	d.service.pages.Close()
	done := make(chan error, 1)
	go func() { done <- d.run(ctx) }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(15 * time.Second):
		t.Error("the pages are gone, the service has ended, and the demo still runs")
	}
	cancel()
}

func TestRedacted(t *testing.T) {
	for _, u := range []string{
		"postgres://db.example.com/perch?user=perch&password=geheim",
		"postgres://perch:x@db.example.com/perch?sslpassword=geheim",
		"POSTGRES://perch:geheim@db.example.com/perch",
	} {
		if got := redacted(u); strings.Contains(got, "geheim") {
			t.Errorf("redacted(%q) = %q", u, got)
		}
	}
}

func demoIn(t *testing.T, ctx context.Context, dir string) *demo {
	t.Helper()
	if err := os.CopyFS(dir, demoFiles); err != nil {
		t.Fatal(err)
	}
	d := &demo{dir: filepath.Join(dir, "demo"), env: &environment{strings.NewReader(""), io.Discard, io.Discard}, log: slog.New(slog.DiscardHandler)}
	if err := d.prepare(ctx, &demoCmd{Listen: "127.0.0.1:0", Speed: 30}); err != nil {
		t.Fatal(err)
	}
	return d
}
