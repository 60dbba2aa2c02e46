package capture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// spoken are frames of every kind that is passed, with their tags.
func spoken() []string {
	filler := strings.Repeat("\x5a", 40)
	kinds := []string{
		ether(0x0806, filler),
		ether(0x88cc, filler),
		ether(48, "\xaa\xaa\x03\x00\x00\x0c\x20\x00"+filler),
		ether(0x0800, ip4(17, 0, "", ports(68, 67)+filler)),
		ether(0x86dd, ip6(17, ports(546, 547)+filler)),
		ether(0x86dd, ip6(58, "\x87\x00"+filler)),
		ether(0x0800, ip4(17, 0, "", ports(5060, 5060)+filler)),
		ether(0x0800, ip4(6, 0, "", ports(5060, 5060)+filler)),
		ether(0x86dd, ip6(6, ports(5060, 5060)+filler)),
		ether(0x0800, ip4(17, 0x00b9, "", filler)),
		ether(0x86dd, ip6(44, fragmentHeader(17, 8)+filler)),
		ether(0x0800, ip4(17, 0, "", ports(5060, 5060)+strings.Repeat("REGISTER", 180))),
	}
	all := append([]string(nil), kinds...)
	for _, tags := range [][]int{{0x8100, 110}, {0x8100, 0xa000}, {0x88a8, 20}, {0x88a8, 20, 0x8100, 110}, {0x8100, 20, 0x8100, 0x606e}, {0x9100, 20, 0x8100, 110}} {
		for _, f := range kinds {
			tagged := f[:12]
			for _, tag := range tags {
				tagged += be16(tag)
			}
			all = append(all, tagged+f[12:])
		}
	}
	return all
}

// unheard are frames that are not ours.
var unheard = []string{
	ether(0x888e, "\x01\x00"), ether(0x0800, ip4(17, 0, "", ports(11780, 11782))),
	ether(0x0800, ip4(6, 0, "", ports(443, 40000))), ether(0x86dd, ip6(58, "\x80\x00\x00\x00")),
	ether(0x0800, ip4(17, 0, "", ports(11780, 11782)), 0x8100, 110),
}

// checkHeard compares what was heard with what was sent, in order, octet by octet.
func checkHeard(t *testing.T, got []copied, want []string) {
	t.Helper()
	last := time.Time{}
	for i, f := range got {
		if f.Data != want[i] {
			t.Errorf("frame %d:\ngot  % x\nwant % x", i+1, f.Data, want[i])
		}
		if f.Length != len(want[i]) || f.Number != i+1 || f.Interface != "near" || f.LinkType != Ethernet {
			t.Errorf("got frame %d of %q, %v, %d octets, want %d of near, Ethernet, %d", f.Number, f.Interface, f.LinkType, f.Length, i+1, len(want[i]))
		}
		if age := time.Since(f.Time); f.Time.Before(last) || age < 0 || age > patience || f.Time.Location() != time.UTC {
			t.Errorf("frame %d: got time %v, want one after %v", i+1, f.Time, last)
		}
		last = f.Time
	}
}

// Every kind of frame arrives as it was sent, in order, with its tags, and
// nothing else does.
func TestLive(t *testing.T) {
	ways(t, func(t *testing.T, noRing bool) {
		near := listener(t, "near", LiveConfig{}, noRing)
		far := newSender(t, "far")
		var want []string
		for i, f := range spoken() {
			far.send(t, unheard[i%len(unheard)], f)
			want = append(want, f)
		}
		checkHeard(t, hear(t, near, len(want)), want)
		if s := near.Stats(); s.State != Listening || s.Frames != uint64(len(want)) || s.Dropped != 0 || s.Reopens != 0 || s.Err != nil {
			t.Errorf("got %+v, want %d frames and no loss", s, len(want))
		}
	})
}

// What leaves by the interface is heard as well, its tags in the frame.
func TestLiveOutgoing(t *testing.T) {
	ways(t, func(t *testing.T, noRing bool) {
		l := listener(t, "near", LiveConfig{}, noRing)
		newSender(t, "near").send(t, spoken()...)
		checkHeard(t, hear(t, l, len(spoken())), spoken())
	})
}

// On loopback every frame is heard once, though it goes out and comes in.
func TestLiveLoopback(t *testing.T) {
	ways(t, func(t *testing.T, noRing bool) {
		l := listener(t, "lo", LiveConfig{SIPPorts: []uint16{5080}}, noRing)
		newSender(t, "lo").send(t, ether(0x0800, ip4(17, 0, "", ports(5060, 5060))),
			ether(0x0800, ip4(17, 0, "", ports(5080, 1))), ether(0x0800, ip4(17, 0, "", ports(5080, 2))))
		for i, f := range hear(t, l, 2) {
			if want := ether(0x0800, ip4(17, 0, "", ports(5080, i+1))); f.Data != want {
				t.Errorf("got % x, want % x", f.Data, want)
			}
		}
	})
}

// The interface goes down and comes back, loses its carrier, changes its
// address, vanishes and is made anew, and moves to another namespace.
func TestLiveLink(t *testing.T) {
	ways(t, func(t *testing.T, noRing bool) {
		l := listener(t, "near", LiveConfig{}, noRing)
		n := 0
		check := func(reopens uint64) {
			t.Helper()
			awaitStats(t, l, func(s LiveStats) bool { return s.State == Listening && s.Reopens == reopens })
			n++
			f := ether(0x0800, ip4(17, 0, "", ports(5060, n)))
			newSender(t, "far").send(t, f)
			if got := hear(t, l, 1)[0]; got.Data != f || got.Number != n {
				t.Errorf("got frame %d % x, want %d % x", got.Number, got.Data, n, f)
			}
			if s := l.Stats(); s.Err != nil {
				t.Errorf("got %+v, want no error", s)
			}
		}
		check(0)

		ip(t, "link set near down")
		down := await(t, l, NoCarrier)
		if down.Err != nil || down.Since.IsZero() {
			t.Errorf("got %+v, want a time and no error", down)
		}
		ip(t, "link set near up")
		check(0)
		ip(t, "link set far down")
		await(t, l, NoCarrier)
		ip(t, "link set far up")
		check(0)
		ip(t, "link set near address 02:00:00:00:00:99")
		check(0)

		ip(t, "link del near")
		var e *InterfaceError
		if s := await(t, l, Waiting); !errors.As(s.Err, &e) || e.Reason != NoInterface || e.Error() != "near: no such interface" {
			t.Errorf("got error %v, want no such interface", s.Err)
		}
		cable(t)
		check(1)
		ip(t, "link del near") // and at once
		cable(t)
		check(2)
		ip(t, "link set near down") // to be renamed
		ip(t, "link set near name other")
		ip(t, "link set other up")
		await(t, l, Waiting)
		newSender(t, "far").send(t, ether(0x0806, "not heard under the wrong name"))
		ip(t, "link set other down")
		ip(t, "link set other name near")
		ip(t, "link set near up")
		check(3)

		away := exec.Command("unshare", "-n", "sleep", "60")
		must(t, away.Start())
		defer func() { away.Process.Kill(); away.Wait() }()
		waitForNamespace(t, away.Process.Pid)
		ip(t, fmt.Sprint("link set near netns ", away.Process.Pid))
		await(t, l, Waiting)
	})
}

// waitForNamespace waits until a process has a network namespace other than ours.
func waitForNamespace(t *testing.T, pid int) {
	own, err := os.Readlink("/proc/thread-self/ns/net")
	must(t, err)
	for range int(patience / time.Millisecond) {
		if other, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err == nil && other != own {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the process stays in our namespace")
}

// An interface that is not there yet is waited for.
func TestLiveWaits(t *testing.T) {
	namespace(t)
	ip(t, "link del far")
	l := listener(t, "near", LiveConfig{}, false)
	if s := l.Stats(); s.State != Waiting || s.Err == nil || s.Since.IsZero() {
		t.Errorf("got %+v, want waiting, and why", s)
	}
	cable(t)
	ip(t, "link set near down")
	if s := await(t, l, NoCarrier); s.Err != nil || s.Reopens != 0 {
		t.Errorf("got %+v, want no error and no reopening", s)
	}
	ip(t, "link set near up")
	await(t, l, Listening)
	newSender(t, "far").send(t, spoken()...)
	checkHeard(t, hear(t, l, len(spoken())), spoken())
}

// What nobody reads is lost, and counted.
func TestLiveDrops(t *testing.T) {
	ways(t, func(t *testing.T, noRing bool) {
		var later atomic.Int64
		l := listener(t, "near", LiveConfig{Ring: 1, Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) }}, noRing)
		far := newSender(t, "far")
		const sent = 3000
		big := ether(0x88cc, strings.Repeat("x", 1400))
		for range sent {
			far.send(t, big)
		}
		s := l.Stats()
		if s.State != Dropping || s.Dropped == 0 || s.Dropped > sent || s.Since.IsZero() || !noRing && s.Freezes == 0 {
			t.Fatalf("got %+v, want losses", s)
		}
		hear(t, l, sent-int(s.Dropped))
		if again := l.Stats(); again.Dropped != s.Dropped || again.Frames+again.Dropped != sent || again.State != Dropping {
			t.Errorf("got %+v, want %d frames and the losses as they were, %d", again, sent-s.Dropped, s.Dropped)
		}
		later.Store(int64(droppingFor))
		if s := await(t, l, Listening); s.Dropped == 0 || time.Until(s.Since) < droppingFor/2 {
			t.Errorf("got %+v, want the losses kept", s)
		}
	})
}

// Next returns at once when its context ends or the listener is closed, and a
// frame in hand outlives Close.
func TestLiveEnds(t *testing.T) {
	ways(t, func(t *testing.T, noRing bool) {
		l, err := listen("near", LiveConfig{}, noRing)
		must(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		end := func(f func(), want error) {
			t.Helper()
			ended := make(chan error)
			go func() {
				for {
					if _, err := l.Next(ctx); err != nil {
						ended <- err
						return
					}
				}
			}()
			time.Sleep(50 * time.Millisecond) // so that it waits
			began := time.Now()
			f()
			if err := <-ended; err != want || time.Since(began) > lookEvery/2 {
				t.Errorf("got %v after %v, want %v at once", err, time.Since(began), want)
			}
		}
		end(cancel, context.Canceled)
		ctx = context.Background()
		newSender(t, "far").send(t, spoken()...)
		f, err := l.Next(ctx)
		for f == nil && err == nil {
			f, err = l.Next(ctx)
		}
		must(t, err)
		must(t, l.Close())
		if string(f.Data) != spoken()[0] {
			t.Errorf("got % x after Close, want the frame unchanged", f.Data)
		}
		if _, err := l.Next(ctx); err != os.ErrClosed {
			t.Errorf("got %v after Close, want %v", err, os.ErrClosed)
		}
		l.Close()
		l.Stats()
		if out, err := exec.Command("ip", "-d", "link", "show", "near").Output(); err != nil || !strings.Contains(string(out), "promiscuity 0") {
			t.Errorf("got %s, %v, want no promiscuity", out, err)
		}

		l, err = listen("near", LiveConfig{}, noRing)
		must(t, err)
		end(func() { must(t, l.Close()) }, os.ErrClosed)
	})
}

// A tun device has IP packets without an Ethernet header.
func TestLiveUnsupportedLink(t *testing.T) {
	namespace(t)
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	must(t, err)
	r, err := unix.NewIfreq("tun9")
	must(t, err)
	r.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	must(t, unix.IoctlIfreq(fd, unix.TUNSETIFF, r))
	l, err := Listen("tun9", LiveConfig{})
	must(t, err)
	defer l.Close()
	s := l.Stats()
	if s.State != Waiting {
		t.Errorf("got state %s, want waiting", s.State)
	}
	checkInterfaceError(t, s.Err, UnsupportedLink, "tun9: unsupported link type: no link header (tun, WireGuard) (65534)")
	must(t, unix.Close(fd)) // it vanishes, and comes back as another
	ip(t, "link add tun9 type veth peer name far9")
	ip(t, "link set tun9 up")
	ip(t, "link set far9 up")
	if s := await(t, l, Listening); s.Err != nil {
		t.Errorf("got %v, want it listened to", s.Err)
	}
}

func TestLiveRefused(t *testing.T) {
	needNetwork(t)
	_, err := Listen("an-interface-name", LiveConfig{})
	checkInterfaceError(t, err, BadName, "an-interface-name: an interface's name has 1 to 15 octets")
	_, err = Listen("", LiveConfig{})
	checkInterfaceError(t, err, BadName, ": an interface's name has 1 to 15 octets")
	var ports []uint16
	for p := range 5000 {
		ports = append(ports, uint16(p))
	}
	_, err = Listen("lo", LiveConfig{SIPPorts: ports})
	checkInterfaceError(t, err, FilterRefused, "lo: a filter of 20135 instructions, at most 4096 are allowed")
}

func checkInterfaceError(t *testing.T, err error, reason InterfaceReason, text string) {
	t.Helper()
	var e *InterfaceError
	if !errors.As(err, &e) {
		t.Fatalf("got error %v (%T), want an *InterfaceError: %v", err, err, reason)
	}
	if e.Reason != reason || e.Error() != text {
		t.Errorf("got error %q (%v), want %q (%v)", e, e.Reason, text, reason)
	}
	if e.Hint() == "" || strings.Contains(e.Error()+e.Hint(), "\n") {
		t.Errorf("got error %q, hint %q, want a line each", e, e.Hint())
	}
}
