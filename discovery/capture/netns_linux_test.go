package capture

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// namespace puts the test into a network namespace of its own, in which it is
// root, with a cable between the interfaces far and near. The thread that is in
// it ends with the test, and the namespace with the last of its sockets.
func namespace(t *testing.T) {
	t.Helper()
	needNetwork(t)
	runtime.LockOSThread() // for good: another goroutine must not get this thread
	must(t, unix.Unshare(unix.CLONE_NEWNET))
	// The kernel's own talk (router solicitations) is what we listen for.
	for _, which := range []string{"all", "default"} {
		err := os.WriteFile("/proc/thread-self/root/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	ip(t, "link set lo up")
	cable(t)
}

// needNetwork skips, or fails under CI, where namespaces cannot be made.
func needNetwork(t *testing.T) {
	t.Helper()
	why := ""
	if os.Geteuid() != 0 {
		why = "needs root, to make a network namespace"
	} else if _, err := exec.LookPath("ip"); err != nil {
		why = "needs ip (Debian package iproute2)"
	}
	if why == "" {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// cable makes the interfaces far and near, which hear each other. The kernel tells
// of a link some time after it is up.
func cable(t *testing.T) {
	t.Helper()
	ip(t, "link add far type veth peer name near")
	ip(t, "link set far up")
	ip(t, "link set near up")
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		near, err := net.InterfaceByName("near")
		must(t, err)
		if near.Flags&net.FlagRunning != 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("near: no link")
		}
	}
}

// ip runs the program ip in the test's namespace.
func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// sender is a raw socket that sends by an interface.
type sender struct{ fd int }

func newSender(t *testing.T, name string) sender {
	t.Helper()
	i, err := net.InterfaceByName(name)
	must(t, err)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	must(t, unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: i.Index}))
	return sender{fd}
}

func (s sender) send(t *testing.T, frames ...string) {
	t.Helper()
	for _, f := range frames {
		if _, err := unix.Write(s.fd, []byte(f)); err != nil {
			t.Fatal(err)
		}
	}
}

// listener listens in one of the two ways, until the end of the test.
func listener(t *testing.T, name string, cfg LiveConfig, noRing bool) *Live {
	t.Helper()
	l, err := listen(name, cfg, noRing)
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	if _, ok := l.queue.(*ring); ok == noRing {
		t.Fatalf("got queue %T, want the other", l.queue)
	}
	return l
}

// patience is how long the tests wait for what must come; nothing is taken for
// absent because it did not come in time.
const patience = 20 * time.Second

// hear returns the next n frames.
func hear(t *testing.T, l *Live, n int) []copied {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var all []copied
	for len(all) < n {
		f, err := l.Next(ctx)
		if err != nil {
			t.Fatalf("%v after %d of %d frames: %+v", err, len(all), n, l.Stats())
		}
		if f != nil {
			all = append(all, keep(f))
		}
	}
	return all
}

// await calls Next until the state is as wanted.
func await(t *testing.T, l *Live, want LiveState) LiveStats {
	t.Helper()
	return awaitStats(t, l, func(s LiveStats) bool { return s.State == want })
}

func awaitStats(t *testing.T, l *Live, wanted func(LiveStats) bool) LiveStats {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		s := l.Stats()
		if wanted(s) {
			return s
		}
		if f, err := l.Next(ctx); err != nil || f != nil {
			t.Fatalf("got frame %v, error %v while waiting for a state: %+v", f, err, s)
		}
	}
}

// ways runs a test with a ring and without one, in a namespace each.
func ways(t *testing.T, f func(t *testing.T, noRing bool)) {
	for _, way := range []struct {
		name   string
		noRing bool
	}{{"ring", false}, {"mailbox", true}} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			namespace(t)
			f(t, way.noRing)
		})
	}
}
