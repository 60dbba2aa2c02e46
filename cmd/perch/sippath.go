package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"perch/sip"
	"perch/sip/proxy"
)

// The SIP path is a process of its own, so that calls go on when serve is killed.
// It listens on a Unix socket, to which serve attaches: then it sends what it
// observes. serve is a client like any other: it may come and go.
//
// A client says lines. "attach ID", where ID is of the configuration that it wants,
// is answered by "ok", or by "other" if this process has another one. "callers N" is
// followed by N octets, a callerNews. "stop" ends the process. What this process
// sends to who is attached is records: 'o' and an observation; or 'e' for an emergency
// call, 's' for its state, 'k' for a sign of life of a phone or 'r' for what became of a
// resync, each with a length in 4 octets and JSON.

// sipSpec is what the process of the SIP path is told at its start, as JSON on its
// standard input.
type sipSpec struct {
	ID      string       `json:"id"`
	Socket  string       `json:"socket"`
	Callers string       `json:"callers"` // file that keeps who may call for help
	Phones  string       `json:"phones"`  // file that keeps where phones registered
	Proxy   proxy.Config `json:"proxy"`
}

// callerNews is what changed of who may call for help. What comes between Begin and
// End replaces all that was told before, at End.
type callerNews struct {
	Begin  bool           `json:"begin,omitempty"`
	Lines  *[]proxy.Line  `json:"lines,omitempty"`  // all that may register without a PBX; nil: as before
	AORs   *[]sip.AOR     `json:"aors,omitempty"`   // whose registrations the PBX is asked for; nil: as before
	Places *[]proxy.Place `json:"places,omitempty"` // of callers that are not known; nil: as before
	Put    []proxy.Caller `json:"put,omitempty"`
	Gone   []string       `json:"gone,omitempty"`
	End    bool           `json:"end,omitempty"`
	Show   []proxy.Notice `json:"show,omitempty"`   // on the displays of phones
	Resync []proxy.Resync `json:"resync,omitempty"` // phones that are to look for their configuration
}

// sipStart is what it says on its standard output: that it is ready, or why not.
type sipStart struct {
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
}

// sipPathCmd is that process. It is started by serve.
type sipPathCmd struct{}

// Run is the command.
func (c *sipPathCmd) Run(env *environment) error {
	var spec sipSpec
	if err := json.NewDecoder(env.stdin).Decode(&spec); err != nil {
		return withHint(fmt.Errorf("standard input: %w", err), "perch serve starts this command; it is for nobody else")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	defer lean(pathSpare, pathPercent)()
	said := json.NewEncoder(env.stdout)
	out := newOutlet(spec.ID)
	log := slog.New(slog.NewTextHandler(env.stderr, nil)).With("process", "sip")
	spec.Proxy.Observe, spec.Proxy.KeepAlive, spec.Proxy.Emergency, spec.Proxy.Log = out.offer, out.keepAlive, out.alarm, log
	p, err := proxy.New(spec.Proxy)
	if err == nil {
		out.state = func() proxy.State {
			s := p.State()
			s.Dropped = out.dropped.Load()
			return s
		}
		out.lines, out.watch, out.show, out.resync = p.SetLines, p.Watch, p.Show, p.Resync
		out.roll = newRoll(spec.Callers, p, log)
		out.register = newRegister(spec.Phones, p, log)
		out.clients, err = listenAdmin(spec.Socket)
	}
	if err != nil {
		return said.Encode(sipStart{err.Error(), sipHint(err)}) // serve says it
	}
	if err := said.Encode(sipStart{}); err != nil {
		return err
	}
	ctx, out.stop = context.WithCancel(ctx)
	defer out.stop()
	go out.serve()
	var kept sync.WaitGroup
	kept.Go(func() { keepFile(ctx, out.roll.write) })
	kept.Go(func() { keepFile(ctx, out.register.write) })
	err = p.Run(ctx)
	kept.Wait()
	return errors.Join(err, out.clients.Close())
}

// sipHint says what to do about a SIP path that cannot be started.
func sipHint(err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "stop who uses the port (ss -lnp), or name another in sip: {listen: [...]}"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "name an address of this machine (ip address), or 0.0.0.0 for all of them, in sip: {listen: [...]}"
	case errors.Is(err, fs.ErrPermission):
		return "ports below 1024 need CAP_NET_BIND_SERVICE; files must be readable by the user that serve runs as"
	case errors.As(err, &dns):
		return "see whether the name in sip: {upstream: [...]} is right and the name server answers; an address needs neither"
	}
	if h := hinter(nil); errors.As(err, &h) {
		return h.Hint()
	}
	return "look at sip: in the configuration; perch config example tells of each key"
}

// maxQueued is how many observations wait for serve. While it is away, or does not
// keep up, later ones are dropped and counted: a phone registers again.
const (
	maxQueued = 1 << 14
	maxAlarms = 1 << 10
)

// Kinds of record.
const (
	recordObservation = 'o'
	recordEmergency   = 'e'
	recordState       = 's'
	recordKeepAlive   = 'k'
	recordResynced    = 'r'
)

// stateEvery is how often the state is told.
const stateEvery = time.Second

// record makes one of JSON.
func record(kind byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(text))), text...), nil
}

// outlet hands observations to whoever is attached.
type outlet struct {
	id     string
	roll   *roll
	lines  func([]proxy.Line)
	watch  func([]sip.AOR)
	show   func(proxy.Notice) int
	resync func(proxy.Resync, func(proxy.Resynced))
	state  func() proxy.State

	register *register
	queue    chan []byte
	alarms   chan []byte // before all others
	dropped  atomic.Uint64
	clients  net.Listener
	stop     context.CancelFunc

	mu       sync.Mutex
	attached net.Conn // nil: nobody
}

func newOutlet(id string) *outlet {
	return &outlet{id: id, queue: make(chan []byte, maxQueued), alarms: make(chan []byte, maxAlarms)}
}

// offer takes an observation in, and never waits.
func (o *outlet) offer(x proxy.Observation) { o.enqueue(x.Append([]byte{recordObservation})) }

// keepAlive takes a sign of life in, and never waits. It takes no room that registrations
// may need, as while nobody is attached: there will be another one.
func (o *outlet) keepAlive(x proxy.KeepAlive) {
	if b, err := record(recordKeepAlive, x); err == nil && len(o.queue) < maxQueued/2 { // nothing in it cannot be written
		o.enqueue(b)
	}
}

func (o *outlet) enqueue(b []byte) {
	select {
	case o.queue <- b:
	default:
		o.dropped.Add(1)
	}
}

// alarm takes an emergency call in, and never waits.
func (o *outlet) alarm(c proxy.EmergencyCall) { o.urgent(recordEmergency, c) }

// urgent takes in what goes before all others, and never waits.
func (o *outlet) urgent(kind byte, v any) {
	b, err := record(kind, v)
	if err != nil {
		return // of nothing that it holds
	}
	select {
	case o.alarms <- b:
	default:
		o.dropped.Add(1)
	}
}

// serve takes clients until the listener is closed.
func (o *outlet) serve() {
	for {
		c, err := o.clients.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		go o.client(c)
	}
}

// client does what a client says. Who attaches takes the place of who was attached.
func (o *outlet) client(c net.Conn) {
	defer c.Close()
	done := make(chan struct{})
	defer close(done)
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch word, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " "); {
		case word == "stop":
			o.stop()
		case word == "attach" && rest == o.id:
			o.mu.Lock()
			if o.attached != nil {
				_ = o.attached.Close()
			}
			o.attached = c
			o.mu.Unlock()
			if _, err := c.Write([]byte("ok\n")); err != nil {
				return
			}
			go o.send(c, done)
		case word == "callers":
			n, err := strconv.Atoi(rest)
			if err != nil || n < 0 || n > maxNews {
				return
			}
			text := make([]byte, n)
			if _, err := io.ReadFull(in, text); err != nil {
				return
			}
			var news callerNews
			if err := json.Unmarshal(text, &news); err != nil {
				return
			}
			if news.Lines != nil {
				o.lines(*news.Lines)
			}
			if news.AORs != nil {
				o.watch(*news.AORs)
			}
			if news.Begin || news.End || len(news.Put)+len(news.Gone) > 0 {
				o.roll.take(&news)
			}
			for _, n := range news.Show {
				o.show(n)
			}
			for _, r := range news.Resync {
				o.resync(r, func(x proxy.Resynced) { o.urgent(recordResynced, x) })
			}
		default:
			_, _ = c.Write([]byte("other\n"))
		}
	}
}

// maxNews is how long a callerNews may be.
const maxNews = 64 << 20

// send sends observations until the client is gone.
func (o *outlet) send(c net.Conn, done <-chan struct{}) {
	w := bufio.NewWriterSize(c, 1<<16)
	tick := time.NewTicker(stateEvery)
	defer tick.Stop()
	for {
		var b []byte
		select {
		case b = <-o.alarms:
		default:
			select {
			case <-done:
				return
			case b = <-o.alarms:
			case b = <-o.queue:
			case <-tick.C:
				b, _ = record(recordState, o.state()) // nothing in it cannot be written
			}
		}
		_, err := w.Write(b)
		if err == nil && len(o.queue)+len(o.alarms) == 0 {
			err = w.Flush()
		}
		if err != nil {
			_ = c.Close()
			return
		}
	}
}
