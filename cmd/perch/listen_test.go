package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"perch/discovery"
	"perch/discovery/capture"
)

// player is a listener that plays a capture, as quick as it is read, and then is
// in one state after another, a second each.
type player struct {
	name   string
	frames *capture.File // nil: none
	states []capture.LiveState

	mu    sync.Mutex
	stats capture.LiveStats
}

func newPlayer(t *testing.T, name, file string, states ...capture.LiveState) *player {
	t.Helper()
	p := &player{name: name, states: states, stats: capture.LiveStats{State: capture.Listening}}
	if file == "" {
		return p
	}
	f, err := capture.OpenFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p.frames = f
	return p
}

func (p *player) Name() string { return p.name }

func (p *player) Stats() capture.LiveStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

func (p *player) Close() error {
	if p.frames != nil {
		return p.frames.Close()
	}
	return nil
}

func (p *player) Next(ctx context.Context) (*capture.Frame, error) {
	if p.frames != nil {
		f, err := p.frames.Next()
		if err == nil {
			f.File, f.Interface = "", p.name
			p.mu.Lock()
			p.stats.Frames++
			p.mu.Unlock()
			return f, nil
		}
		if !errors.Is(err, io.EOF) {
			return nil, err
		}
		_ = p.frames.Close()
		p.frames = nil
		return nil, nil
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Second):
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.states) > 0 {
		p.stats.State, p.states = p.states[0], p.states[1:]
	}
	return nil, nil
}

// gallery notes what it is told, in order.
type gallery struct {
	mu    sync.Mutex
	seen  []*discovery.Observation
	heard []string
}

func (g *gallery) observe(o *discovery.Observation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := *o
	g.seen = append(g.seen, &c)
}

func (g *gallery) hearing(name string, yes bool, _ time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.heard = append(g.heard, fmt.Sprint(name, " ", yes))
}

// earsOn are ears that open these listeners; of other names none can be opened.
func earsOn(to audience, log io.Writer, names string, listeners ...listener) *ears {
	conf := defaults()
	for n := range strings.FieldsSeq(names) {
		conf.Capture = append(conf.Capture, captureConfig{Interface: n})
	}
	e := newEars(&conf, time.Now, newTurns(to, time.Now), slog.New(slog.NewTextHandler(log, nil)))
	e.listen = func(name string, _ capture.LiveConfig) (listener, error) {
		for _, l := range listeners {
			if l.Name() == name {
				return l, nil
			}
		}
		return nil, &capture.InterfaceError{Interface: name, Reason: capture.NotPermitted, What: "operation not permitted"}
	}
	return e
}

// runFor lets ears listen for a while, of a bubble's time.
func runFor(e *ears, d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	e.run(ctx)
}

// firstAppearance is a capture of one access link.
var firstAppearance = filepath.Join(root, "testdata", "replay", "real-first-appearance", "swp7.pcap")

// Of two interfaces one is refused: the other is heard, whole and in order, and
// doctor and the metrics tell of both.
func TestOthersGoOn(t *testing.T) {
	var log bytes.Buffer
	g := &gallery{}
	var e *ears
	synctest.Test(t, func(t *testing.T) {
		e = earsOn(g, &log, "eth0 eth1", newPlayer(t, "eth1", firstAppearance))
		if err := e.open(); err == nil || err.Error() != "eth0: operation not permitted" || !strings.Contains(hintOf(err), "cap_net_raw") {
			t.Errorf("got error %v, hint %q, want it to name eth0 and what to grant", err, hintOf(err))
		}
		if got := e.String(); got != "eth1" {
			t.Errorf("listens on %q, want eth1", got)
		}
		runFor(e, 3*time.Second)
	})
	var want []*discovery.Observation
	f, err := capture.OpenFile(firstAppearance)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	frames := uint64(0)
	for {
		x, err := f.Next()
		if err != nil {
			break
		}
		frames++
		in := observed(x)
		d.Decode(&in, func(o *discovery.Observation) { c := *o; want = append(want, &c) })
	}
	same := func(a, b *discovery.Observation) bool {
		return a.Frame == b.Frame && a.Kind == b.Kind && a.Time.Equal(b.Time) && a.File == "" && a.Interface == "eth1"
	}
	if len(want) < 10 || !slices.EqualFunc(g.seen, want, same) {
		t.Errorf("got %d observations, want the %d of the file, in order", len(g.seen), len(want))
	}

	e.list()[1].heard.decoded(discovery.DecoderStats{Panics: 1, FragmentsExpired: 2, FragmentsRefused: 3, FragmentsEvicted: 4, StreamsEvicted: 5, StreamsBroken: 6})
	reports := e.reports(nil)
	if len(reports) != 2 || reports[0].State != "not opened" || reports[0].Error == "" || reports[0].Hint == "" || reports[1].Frames != frames || reports[1].Rate == 0 {
		t.Errorf("got reports %+v, want eth0 refused and %d frames of eth1", reports, frames)
	}
	scraped := scrape(t, e)
	for _, line := range []string{
		`perch_capture_state{interface="eth0",state="not opened"} 1`,
		`perch_capture_state{interface="eth1",state="not opened"} 0`,
		`perch_capture_state{interface="eth1",state="listening"} 1`,
		fmt.Sprintf(`perch_capture_frames_total{interface="eth1"} %d`, frames),
		`perch_capture_dropped_total{interface="eth1"} 0`,
		`perch_capture_freezes_total{interface="eth1"} 0`,
		`perch_capture_reopens_total{interface="eth1"} 0`,
		fmt.Sprintf(`perch_observations_total{interface="eth1",kind="lldp"} %d`, reports[1].Heard.Kinds["lldp"].Count),
		`perch_malformed_total{interface="eth1",kind="lldp"} 0`,
		`perch_unread_total{interface="eth1",what="panic"} 1`,
		`perch_unread_total{interface="eth1",what="fragments"} 9`,
		`perch_unread_total{interface="eth1",what="connection"} 11`,
	} {
		if !strings.Contains(scraped, line+"\n") {
			t.Errorf("metrics lack %s:\n%s", line, scraped)
		}
	}
}

// earMetrics collects only what is heard.
type earMetrics struct{ *metrics }

func (m earMetrics) Describe(chan<- *prometheus.Desc)    {} // unchecked
func (m earMetrics) Collect(to chan<- prometheus.Metric) { m.collectEars(to) }

func scrape(t *testing.T, e *ears) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(earMetrics{&metrics{service: &service{ears: e}}})
	out := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(out, httptest.NewRequest("GET", "/metrics", nil))
	return out.Body.String()
}

// The audience hears of each beginning and end of listening without loss, and of
// the end of it all.
func TestStatesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gallery{}
		e := earsOn(g, io.Discard, "eth1", newPlayer(t, "eth1", "",
			capture.NoCarrier, capture.Waiting, capture.Listening, capture.Dropping, capture.NoCarrier, capture.Listening))
		if err := e.open(); err != nil {
			t.Fatal(err)
		}
		runFor(e, 10500*time.Millisecond)
		want := []string{"eth1 false", "eth1 true", "eth1 false", "eth1 true", "eth1 false"}
		if !slices.Equal(g.heard, want) {
			t.Errorf("got %q, want %q", g.heard, want)
		}
	})
}

// A link that comes and goes for an hour fills no log, and its last state is told
// in the end.
func TestFlappingLinkFillsNoLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var states []capture.LiveState
		for range 1800 {
			states = append(states, capture.NoCarrier, capture.Listening)
		}
		e := earsOn(&gallery{}, &log, "eth1", newPlayer(t, "eth1", "", append(states, capture.NoCarrier)...))
		if err := e.open(); err != nil {
			t.Fatal(err)
		}
		runFor(e, time.Hour+2*time.Minute)
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if n := len(lines); n < 10 || n > 66 {
			t.Errorf("%d lines in an hour, want about one a minute", n)
		}
		if last := lines[len(lines)-1]; !strings.Contains(last, `state="no carrier"`) {
			t.Errorf("the last line is\n%s\nand the link is down", last)
		}
	})
}

// Doctor does not listen beside a serve that it may not ask.
func TestForbiddenSocket(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.sock")
	if err := forbidden(path); err != nil {
		t.Errorf("no socket: got %v", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := forbidden(path); err != nil {
		t.Errorf("one's own socket: got %v", err)
	}
	if os.Geteuid() == 0 {
		return // root may connect to every socket; TestCapabilityAlone asks as somebody else
	}
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if err := forbidden(path); err == nil || !strings.Contains(hintOf(err), "as the user that serve runs as") {
		t.Errorf("somebody else's socket: got %v", err)
	}
}
