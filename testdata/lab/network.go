package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// network is a set of hosts of its own, each a network namespace, with cables
// between them and nothing else. All it makes has names that begin with its own,
// and remove removes just that.
type network struct {
	name string
	dir  string // what is made on the way: logs, configurations, recordings

	mu    sync.Mutex
	hosts []*host
	start chan func() // runs on the thread that all programs are children of
}

// host is one machine of a network.
type host struct {
	net  *network
	name string

	mu       sync.Mutex
	programs []*program
}

// program is one that a host runs until it ends or is killed.
type program struct {
	cmd  *exec.Cmd
	log  string        // file with what it printed
	done chan struct{} // closed when it has ended
}

func newNetwork(name, dir string) (*network, error) {
	n := &network{name: name, dir: dir, start: make(chan func())}
	// A program is told to end when the thread that started it does: so that none
	// outlives a lab that is killed, all are started by one thread that stays.
	go func() {
		runtime.LockOSThread()
		for do := range n.start {
			do()
		}
	}()
	return n, errors.Join(os.MkdirAll(filepath.Join(dir, "logs"), 0o755), os.MkdirAll(filepath.Join(dir, "config"), 0o755))
}

// host makes a host, without IPv6.
func (n *network) host(name string) (*host, error) {
	h := &host{net: n, name: name}
	if out, err := exec.Command("ip", "netns", "add", h.namespace()).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, out)
	}
	n.mu.Lock()
	n.hosts = append(n.hosts, h)
	n.mu.Unlock()
	_, err := h.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1", "net.ipv4.ip_forward=0")
	return h, errors.Join(err, h.ip("link set lo up"))
}

// remove ends what runs on the hosts and removes them, the last one first.
func (n *network) remove() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var errs []error
	for _, h := range slices.Backward(n.hosts) {
		h.kill()
		if out, err := exec.Command("ip", "netns", "delete", h.namespace()).CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w: %s", h.name, err, out))
		}
	}
	n.hosts = nil
	return errors.Join(errs...)
}

func (h *host) namespace() string { return h.net.name + "-" + h.name }

// ip runs lines of the ip command on the host.
func (h *host) ip(format string, args ...any) error {
	script := fmt.Sprintf(format, args...)
	c := exec.Command("ip", "-n", h.namespace(), "-batch", "-")
	c.Stdin = strings.NewReader(script)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: ip %q: %w: %s", h.name, script, err, out)
	}
	return nil
}

// run runs a program on the host until it ends and returns what it printed.
func (h *host) run(name string, args ...string) (string, error) {
	c := exec.Command("ip", append([]string{"netns", "exec", h.namespace(), name}, args...)...)
	out, err := c.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %s %s: %w: %s", h.name, name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// spawn starts a program on the host. Its /run is its own, so that each program has
// the sockets and pid files of a machine by itself.
func (h *host) spawn(name string, args ...string) (*program, error) {
	file := filepath.Join(h.net.dir, "logs", h.name+"."+filepath.Base(name))
	log, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	shell := []string{"netns", "exec", h.namespace(), "sh", "-c", `mount -t tmpfs tmpfs /run && mkdir /run/lldpd && exec "$@"`, "sh", name}
	c := exec.Command("ip", append(shell, args...)...)
	c.Stdout, c.Stderr = log, log
	c.Env = append(os.Environ(), "KEA_PIDFILE_DIR=/run", "KEA_LOCKFILE_DIR=none")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true} // the terminal's Ctrl-C is for the lab
	started := make(chan error)
	h.net.start <- func() { started <- c.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", h.name, err)
	}
	p := &program{cmd: c, log: file, done: make(chan struct{})}
	go func() {
		_ = c.Wait() // most are killed
		close(p.done)
	}()
	h.mu.Lock()
	h.programs = append(h.programs, p)
	h.mu.Unlock()
	return p, nil
}

// stop asks a program to end, and waits until it has.
func (p *program) stop(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(20 * time.Second):
		return fmt.Errorf("%s does not end", p.cmd.Path)
	}
}

// processes returns the ids of all that runs on the host.
func (h *host) processes() []int {
	out, err := exec.Command("ip", "netns", "pids", h.namespace()).Output()
	if err != nil {
		return nil
	}
	var ids []int
	for _, f := range strings.Fields(string(out)) {
		if id, err := strconv.Atoi(f); err == nil && id != os.Getpid() {
			ids = append(ids, id)
		}
	}
	return ids
}

// kill ends all programs of the host at once, as a power cut does.
func (h *host) kill() {
	for range 50 {
		ids := h.processes()
		if len(ids) == 0 {
			break
		}
		for _, id := range ids {
			_ = syscall.Kill(id, syscall.SIGKILL) // it may have ended by itself
		}
		time.Sleep(20 * time.Millisecond)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.programs {
		<-p.done
	}
	h.programs = nil
}

// signal sends a signal to the host's processes of a name and tells how many there were.
func (h *host) signal(name string, sig syscall.Signal) int {
	n := 0
	for _, id := range h.processes() {
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", id))
		if err == nil && strings.TrimSpace(string(comm)) == name && syscall.Kill(id, sig) == nil {
			n++
		}
	}
	return n
}

// inside does something on a thread that is in the host's network: sockets that
// are opened there stay there.
func (h *host) inside(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this
		done <- func() error {
			f, err := os.Open("/run/netns/" + h.namespace())
			if err != nil {
				return err
			}
			defer f.Close()
			if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("%s: setns: %w", h.name, err)
			}
			return do()
		}()
	}()
	return <-done
}

// address returns the IPv4 address of an interface, or "".
func (h *host) address(iface string) string {
	out, err := exec.Command("ip", "-n", h.namespace(), "-o", "-4", "address", "show", "dev", iface).Output()
	if err != nil {
		return ""
	}
	_, rest, ok := strings.Cut(string(out), " inet ")
	if !ok {
		return ""
	}
	a, _, _ := strings.Cut(rest, "/")
	return a
}

// listens reports whether something on the host listens on a UDP port.
func (h *host) listens(port int) bool {
	out, err := h.run("ss", "-Hlun", fmt.Sprintf("sport = :%d", port))
	return err == nil && strings.TrimSpace(out) != ""
}

// end is one end of a cable.
type end struct {
	host  *host
	iface string
	mac   string // "": any
}

// cable lays a cable between two hosts. The UDP checksums are filled in that the
// kernel leaves to a network card.
func cable(a, b end) error {
	with := func(mac string) string {
		if mac == "" {
			return ""
		}
		return "address " + mac
	}
	if err := a.host.ip("link add %s %s type veth peer name %s %s netns %s", a.iface, with(a.mac), b.iface, with(b.mac), b.host.namespace()); err != nil {
		return err
	}
	for _, e := range []end{a, b} {
		if _, err := e.host.run("ethtool", "-K", e.iface, "tx", "off"); err != nil {
			return err
		}
	}
	return nil
}

// bridge makes the host a switch with the address of its management.
func (h *host) bridge(name, mac, address string) error {
	return h.ip("link add %s address %s type bridge mcast_snooping 0\naddress add %s dev %s\nlink set %s up", name, mac, address, name, name)
}

//go:embed config
var configs embed.FS

// variable is how one stands in a configuration.
var variable = regexp.MustCompile(`@[a-z0-9_]+@`)

// config writes one of the configurations in config/ with its variables filled in,
// and returns the file's name.
func (h *host) config(name string, vars map[string]string) (string, error) {
	b, err := configs.ReadFile("config/" + name)
	if err != nil {
		return "", err
	}
	text := string(b)
	for k, v := range vars {
		text = strings.ReplaceAll(text, "@"+k+"@", v)
	}
	if v := variable.FindString(text); v != "" {
		return "", fmt.Errorf("%s: %s is not set", name, v)
	}
	file := filepath.Join(h.net.dir, "config", h.name+"."+name)
	return file, os.WriteFile(file, []byte(text), 0o755) // some are scripts
}

// patience is how long something is waited for that should happen soon.
const patience = 40 * time.Second

// await waits until something is so.
func await(ctx context.Context, what string, so func() bool) error {
	late := time.After(patience)
	for !so() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return fmt.Errorf("no %s within %s", what, patience)
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// pass lets time pass.
func pass(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
