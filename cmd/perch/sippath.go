package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"perch/sip/proxy"
)

// The SIP path is a process of its own, so that calls go on when serve is killed.
// It listens on a Unix socket, to which serve attaches: then it sends what it
// observes. serve is a client like any other: it may come and go.
//
// The first line of a client is "attach ID", where ID is of the configuration that
// it wants; the answer is "ok", or "other" if this process has another one. "stop"
// ends the process.

// sipSpec is what the process of the SIP path is told at its start, as JSON on its
// standard input.
type sipSpec struct {
	ID        string   `json:"id"`
	Socket    string   `json:"socket"`
	Listen    []string `json:"listen"`
	Upstream  []string `json:"upstream"`
	Advertise string   `json:"advertise"`
	Key       [32]byte `json:"key"`
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
	said := json.NewEncoder(env.stdout)
	out := newOutlet(spec.ID)
	p, err := proxy.New(proxy.Config{
		Listen: spec.Listen, Upstream: spec.Upstream, Advertise: spec.Advertise, Key: spec.Key,
		Observe: out.offer, Log: slog.New(slog.NewTextHandler(env.stderr, nil)).With("process", "sip"),
	})
	if err == nil {
		out.clients, err = listenAdmin(spec.Socket)
	}
	if err != nil {
		hint := hintOf(err)
		if errors.Is(err, syscall.EADDRINUSE) {
			hint = "stop who uses the port (ss -lnp), or name another in sip: {listen: [...]}"
		}
		return errors.Join(said.Encode(sipStart{err.Error(), hint}), err)
	}
	if err := said.Encode(sipStart{}); err != nil {
		return err
	}
	ctx, out.stop = context.WithCancel(ctx)
	defer out.stop()
	go out.serve()
	err = p.Run(ctx)
	return errors.Join(err, out.clients.Close())
}

// maxQueued is how many observations wait for serve. While it is away, or does not
// keep up, later ones are dropped and counted: a phone registers again.
const maxQueued = 1 << 14

// outlet hands observations to whoever is attached.
type outlet struct {
	id      string
	queue   chan []byte
	dropped atomic.Uint64
	clients net.Listener
	stop    context.CancelFunc

	mu       sync.Mutex
	attached net.Conn // nil: nobody
}

func newOutlet(id string) *outlet { return &outlet{id: id, queue: make(chan []byte, maxQueued)} }

// offer takes an observation in, and never waits.
func (o *outlet) offer(x proxy.Observation) {
	select {
	case o.queue <- x.Append(nil):
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
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		switch word, id, _ := strings.Cut(lines.Text(), " "); {
		case word == "stop":
			o.stop()
		case word == "attach" && id == o.id:
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
		default:
			_, _ = c.Write([]byte("other\n"))
		}
	}
}

// send sends observations until the client is gone.
func (o *outlet) send(c net.Conn, done <-chan struct{}) {
	w := bufio.NewWriterSize(c, 1<<16)
	for {
		select {
		case <-done:
			return
		case b := <-o.queue:
			_, err := w.Write(b)
			if err == nil && len(o.queue) == 0 {
				err = w.Flush()
			}
			if err != nil {
				_ = c.Close()
				return
			}
		}
	}
}
