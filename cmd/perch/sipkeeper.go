package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/provisioning"
	"perch/sip/proxy"
)

// sipKeeper sees to it that the process of the SIP path is there, and hands on what
// it observes. That process outlives a serve that is killed; the next one finds it.
type sipKeeper struct {
	spec  sipSpec
	sites []sipSiteConfig
	part  func(netip.Addr) string // of the SIP path, in which an address is
	turns *turns
	now   func() time.Time
	log   *slog.Logger

	seat    *seat
	decoder *discovery.Decoder
	engine  *gateway.Engine
	secret  func(*provisioning.Line) (string, error) // a line's password
	alarms  *alarms
	shows   *displays // nil: none
	resyncs resyncs
	live    *live
	help    func(gateway.EmergencyCall)
	calls   chan gateway.EmergencyCall  // on their way to the engine
	heard   atomic.Uint64               // messages
	signs   atomic.Uint64               // of life
	state   atomic.Pointer[proxy.State] // as it was told last; nil: not yet

	spawned bool // the process was started by us

	mu    sync.Mutex
	conn  net.Conn // to the process
	ended bool     // it is to end
	next  *sipSpec // what it is to be started anew with; nil: nothing else
}

// sipInterface is what the SIP path is called where interfaces have names; behind a
// colon is the site of a part of it. No interface has such a name.
const sipInterface = "sip"

// newSIPKeeper prepares the SIP path of a configuration; beside is what names of
// files beside the database begin with.
func newSIPKeeper(c *config, beside string, log *slog.Logger) (*sipKeeper, error) {
	k := &sipKeeper{alarms: newAlarms("alarm.webhook", "an emergency call", c.Alarm.Webhook, log), shows: newDisplays(c.SIP.Display), sites: c.SIP.Sites, part: c.sipPart, calls: make(chan gateway.EmergencyCall, maxCalls), log: log.With("process", "sip")}
	key, err := keyBeside(beside + ".sip.key")
	if err != nil {
		return nil, withHint(err, "make the directory of the database writable, or name another socket: whose directory is")
	}
	k.spec, err = newSIPSpec(c, beside, key)
	if err != nil {
		return nil, err
	}
	k.decoder = discovery.NewDecoder(discovery.DecoderConfig{SIPPorts: c.SIP.Ports, Panicked: func(p discovery.Panic) {
		k.log.Error("a decoder panicked, which costs its message; please report it", "sha256", fmt.Sprintf("%x", p.Frame), "what", p.What, "where", p.Where)
	}})
	return k, nil
}

// newSIPSpec is what the process of the SIP path is told of a configuration.
func newSIPSpec(c *config, beside string, key [32]byte) (sipSpec, error) {
	spec := sipSpec{Socket: beside + ".sip.sock", Callers: beside + ".sip.json", Phones: beside + ".sip.phones.json", Proxy: c.proxy()}
	spec.Proxy.Key = key
	var err error
	if spec.Proxy.RegPassword, err = c.SIP.RegEvents.secret(); err != nil {
		return spec, err
	}
	b, err := json.Marshal(spec)
	if err != nil {
		return spec, err
	}
	sum := sha256.Sum256(append([]byte(version), b...))
	spec.ID = hex.EncodeToString(sum[:8])
	return spec, nil
}

// reload has the SIP path started anew with a configuration that is another. If it
// cannot be, the one before goes on.
func (k *sipKeeper) reload(c *config) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	spec, err := newSIPSpec(c, strings.TrimSuffix(k.spec.Socket, ".sip.sock"), k.spec.Proxy.Key)
	if err != nil || spec.ID == k.spec.ID {
		return err
	}
	if err := spec.Proxy.CheckFiles(); err != nil { // while the path still runs
		return withHint(err, "tls: {certificate: ..., key: ..., ca: ...} name PEM files: the key is the certificate's, and both can be read")
	}
	k.next = &spec
	_, _ = io.WriteString(k.conn, stopLine) // its reader sees the end
	return nil
}

// again starts the process anew: with what it is to have next, if there is such a
// thing, and if that fails with what it had.
func (k *sipKeeper) again() error {
	k.mu.Lock()
	next, before := k.next, k.spec
	k.next = nil
	if next != nil {
		k.spec = *next
	}
	k.mu.Unlock()
	err := k.start()
	if err == nil || next == nil {
		return err
	}
	k.log.Error("the SIP path cannot be started with the new configuration; the one before goes on", "error", err, "hint", hintOf(err))
	k.mu.Lock()
	k.spec = before
	k.mu.Unlock()
	return k.start()
}

// renewed reports whether the process ended since it is to have another
// configuration.
func (k *sipKeeper) renewed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.next != nil
}

// serves says for whom the SIP path observes.
func (k *sipKeeper) serves(s *session, to *turns, now func() time.Time, help func(gateway.EmergencyCall)) {
	k.engine, k.secret, k.turns, k.now, k.help = s.engine, s.openSecret, to, now, help
	if k.live = s.live; k.shows != nil {
		k.live.opened = k.shows.opened
	}
}

// giveUp ends a SIP path that was started for a serve that cannot be; one that was
// there before goes on.
func (k *sipKeeper) giveUp() error {
	if k == nil {
		return nil
	}
	if k.spawned {
		k.end()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.conn.Close()
}

// run hands on what is observed until ctx ends, and ends the SIP path then. If that
// process dies it is started again.
func (k *sipKeeper) run(ctx context.Context) error {
	var parts []string
	for _, s := range k.sites {
		if name := sipInterface + ":" + s.Site; !slices.Contains(parts, name) {
			parts = append(parts, name)
		}
	}
	k.seat = k.turns.sit(sipInterface, parts...)
	defer k.turns.leave(k.seat)
	context.AfterFunc(ctx, k.end)
	var telling sync.WaitGroup
	telling.Go(func() { k.alarms.run(ctx) })
	if k.shows != nil {
		telling.Go(func() {
			k.shows.run(ctx, k.live, func(n proxy.Notice) { k.send(&callerNews{Show: []proxy.Notice{n}}) })
		})
	}
	telling.Go(func() { k.tellEngine(ctx) })
	defer func() {
		telling.Wait()
		k.tellRest()
	}()
	wait := 10 * time.Millisecond
	for {
		k.turns.hearing(k.seat, true)
		began := time.Now()
		telling, stop := context.WithCancel(ctx)
		var told sync.WaitGroup
		told.Go(func() { k.tellCallers(telling) })
		k.read()
		stop()
		told.Wait()
		k.turns.hearing(k.seat, false)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > time.Minute {
			wait = 10 * time.Millisecond
		}
		if k.renewed() {
			k.log.Info("the SIP path is started anew: its configuration is another")
		} else {
			k.log.Error("the process of the SIP path is gone; it is started again")
		}
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(wait):
			}
			wait = min(2*wait, 5*time.Second)
			err := k.again()
			if err == nil {
				break
			}
			k.log.Error("the SIP path cannot be started", "error", err, "hint", hintOf(err))
		}
	}
}

// read takes in what the process sends until it is gone.
func (k *sipKeeper) read() {
	k.mu.Lock()
	conn := k.conn
	k.mu.Unlock()
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 1<<16)
	for {
		kind, err := r.ReadByte()
		var o proxy.Observation
		switch {
		case err != nil:
		case kind == recordObservation:
			err = o.Read(r)
		case kind == recordEmergency:
			var c proxy.EmergencyCall
			if err = readRecord(r, &c); err == nil {
				k.emergency(&c)
				continue
			}
		case kind == recordState:
			var s proxy.State
			if err = readRecord(r, &s); err == nil {
				k.state.Store(&s)
				continue
			}
		case kind == recordResynced:
			var x proxy.Resynced
			if err = readRecord(r, &x); err == nil {
				k.resyncs.take(x)
				continue
			}
		case kind == recordKeepAlive:
			var a proxy.KeepAlive
			if err = readRecord(r, &a); err == nil && time.Since(a.Time) > maxSignAge {
				continue // it waited: who says that it is still so?
			} else if err == nil {
				k.decoder.Kept(&discovery.Kept{
					Time: k.now(), Interface: k.part(a.Source.Addr()), Number: int(k.heard.Load() + k.signs.Add(1)), Transport: a.Transport,
					Source: a.Source, AOR: a.AOR, Contact: a.Contact, CallID: a.CallID, UserAgent: a.Agent,
				}, k.observe)
				continue
			}
		default:
			err = fmt.Errorf("a record of kind %q", kind)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				k.log.Warn("the SIP path", "error", err)
			}
			return
		}
		phone := o.Source
		if strings.HasPrefix(string(o.Message), "SIP/2.0 ") {
			phone = o.Destination
		}
		n := k.heard.Add(1) + k.signs.Load()
		k.decoder.Handed(&discovery.Handed{
			Time: k.now(), Interface: k.part(phone.Addr()), Number: int(n), Transport: o.Transport,
			Source: o.Source, Destination: o.Destination, Message: o.Message,
		}, k.observe)
	}
}

// maxSignAge is how old a sign of life may be.
const maxSignAge = 10 * time.Second

func (k *sipKeeper) observe(o *discovery.Observation) { k.turns.observe(k.seat, o) }

// readRecord reads what stands in a record of JSON.
func readRecord(r io.Reader, v any) error {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxNews {
		return fmt.Errorf("a record of %d octets", n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}
