package capture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Live listens to one network interface. One goroutine calls Next; Stats and
// Close may be called from any.
//
// It is one packet socket for all its life: opened once, which needs CAP_NET_RAW,
// and bound to the interface of its name whenever there is one, which needs
// nothing. So privileges may be given up after Listen.
type Live struct {
	name string
	file *os.File // the socket
	conn syscall.RawConn

	closed atomic.Bool
	frames atomic.Uint64

	reading sync.Mutex // held by Next, and by Close to see whether Next is at it
	queue   queue
	arrival arrival
	taken   bool // by poll
	failed  bool // by poll, as take says
	lent    bool // the caller has a frame
	frame   Frame
	clock   clock
	looked  time.Time // when the interface was last looked after
	told    LiveState // the state when Next last returned
	poll    func(fd uintptr) bool

	mu     sync.Mutex
	stats  LiveStats
	state  LiveState // losses aside
	lost   time.Time // when a loss was last seen
	index  int       // of the interface that the socket is bound to; 0 for none
	opened bool      // it was bound once
}

// queue is where the kernel leaves frames: ring or mailbox.
type queue interface {
	// ready reports whether the next frame can be taken without the socket.
	ready() bool

	// take takes the next frame, if there is one, and gives the one before back.
	// The socket has failed when its interface went down or vanished: ENETDOWN.
	take(fd int, a *arrival) (taken, failed bool)

	// losses returns the counters since they were last asked for.
	losses(fd int) (dropped, freezes uint32)

	// close gives the memory back. It may be called again.
	close()
}

// Listen makes a listener on the network interface of that name. It does not
// fail for an interface that is not there, has no carrier or another link type:
// those are waited for, and Stats tells of them. It fails with an *InterfaceError
// for what waiting will not mend.
//
// The interface is made promiscuous for as long as it is listened to. What leaves
// the host by it is heard as well, except on loopback, where it comes in again.
func Listen(name string, cfg LiveConfig) (*Live, error) {
	return listen(name, cfg, false)
}

// listen does without a ring if noRing is set.
func listen(name string, cfg LiveConfig, noRing bool) (*Live, error) {
	if name == "" || len(name) > MaxName {
		return nil, &InterfaceError{Interface: name, Reason: BadName, What: fmt.Sprintf("an interface's name has 1 to %d octets", MaxName)}
	}
	// Protocol 0 hears nothing: no frame may come in before the filter is there.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, socketError(name, err)
	}
	queue, err := openQueue(fd, cfg.Ring, noRing)
	if err != nil {
		unix.Close(fd)
		return nil, failure(name, SystemFailed, err)
	}
	if err := attachFilter(fd, Filter(cfg.SIPPorts)); err != nil {
		queue.close()
		unix.Close(fd)
		return nil, failure(name, FilterRefused, err)
	}
	l := &Live{name: name, file: os.NewFile(uintptr(fd), name), queue: queue}
	l.clock.now = cfg.Now
	if cfg.Now == nil {
		l.clock.now = time.Now
	}
	l.frame.Interface, l.frame.LinkType = name, Ethernet
	l.poll = func(fd uintptr) bool {
		l.taken, l.failed = l.queue.take(int(fd), &l.arrival)
		return l.taken || l.failed
	}
	if l.conn, err = l.file.SyscallConn(); err != nil {
		queue.close()
		l.file.Close()
		return nil, failure(name, SystemFailed, err)
	}
	l.stats.Since = l.clock.now()
	l.look()
	l.told = l.stats.State
	return l, nil
}

// openQueue prefers a ring.
func openQueue(fd, size int, noRing bool) (queue, error) {
	if !noRing {
		if r, err := openRing(fd, size); err == nil {
			return r, nil
		}
		// Half made, it would be in the way.
		unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq3{})
	}
	return openMailbox(fd, size)
}

// attachFilter makes the kernel run the program over each frame.
func attachFilter(fd int, program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	if len(code) > unix.BPF_MAXINSNS {
		return fmt.Errorf("a filter of %d instructions, at most %d are allowed", len(code), unix.BPF_MAXINSNS)
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
}

// Name returns the interface's name.
func (l *Live) Name() string { return l.name }

// Next returns the frames in turn. It blocks until one is there, and returns nil
// and no error when none was for a second or when the state has changed, so that
// the caller can look at Stats. In the end it returns the error of ctx, or
// os.ErrClosed after Close.
//
// The frame is valid until the next call. Its Data lies in the kernel's ring.
func (l *Live) Next(ctx context.Context) (*Frame, error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	l.lent = false
	for quiet := false; ; {
		if l.closed.Load() {
			l.queue.close()
			return nil, os.ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if l.queue.ready() {
			l.queue.take(-1, &l.arrival)
			return l.hand(), nil
		}
		if time.Since(l.looked) >= lookEvery {
			l.look()
			if l.changed() || quiet {
				return nil, nil
			}
		}
		if err := l.wait(ctx); err != nil {
			return nil, err
		}
		if l.taken {
			return l.hand(), nil
		}
		quiet = !l.failed
	}
}

// wait waits for a frame, at most until the interface is to be looked after
// again.
func (l *Live) wait(ctx context.Context) error {
	l.taken, l.failed = false, false
	l.file.SetReadDeadline(l.looked.Add(lookEvery))
	stop := context.AfterFunc(ctx, func() { l.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err := l.conn.Read(l.poll)
	if l.failed {
		l.looked = time.Time{}
	}
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || l.closed.Load() {
		return nil
	}
	return failure(l.name, SystemFailed, err)
}

// hand is the frame that was taken, as the caller sees it.
func (l *Live) hand() *Frame {
	a := &l.arrival
	if a.first {
		l.clock.look()
	}
	f := &l.frame
	f.Number++
	f.Time = l.clock.time(a.stamp)
	f.Data, f.Length = a.data, max(a.length, len(a.data))
	l.lent = true
	l.frames.Add(1)
	return f
}

// changed reports whether the state is another than it was told of.
func (l *Live) changed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed := l.told != l.stats.State
	l.told = l.stats.State
	return changed
}

// Stats returns what was heard so far. It may be called from any goroutine.
func (l *Live) Stats() LiveStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count()
	s := l.stats
	s.Frames = l.frames.Load()
	return s
}

// count adds the losses since it was last called and sets the state. l.mu is
// held.
func (l *Live) count() {
	now := l.clock.now()
	l.conn.Control(func(fd uintptr) {
		dropped, freezes := l.queue.losses(int(fd))
		l.stats.Dropped += uint64(dropped)
		l.stats.Freezes += uint64(freezes)
		if dropped > 0 {
			l.lost = now
		}
	})
	state := l.state
	if state == Listening && !l.lost.IsZero() && now.Sub(l.lost) < droppingFor {
		state = Dropping
	}
	if state != l.stats.State {
		l.stats.State, l.stats.Since = state, now
	}
}

// Close ends the listening, and a Next that waits. A frame that Next has
// returned stays valid until the next call of Next or Close.
func (l *Live) Close() error {
	first := !l.closed.Swap(true)
	var err error
	if first {
		l.mute()
		err = l.file.Close() // also wakes Next
	}
	l.reading.Lock()
	defer l.reading.Unlock()
	if !l.lent || !first {
		l.queue.close()
	}
	return err
}

// mute makes the socket hear nothing and the interface no longer promiscuous. For
// the kernel the socket lives on while its ring is mapped.
func (l *Live) mute() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn.Control(func(fd uintptr) {
		attachFilter(int(fd), []bpf.Instruction{reject})
		if l.index != 0 {
			promiscuous(int(fd), l.index, false)
		}
	})
}
