package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

//go:embed kamailio.cfg
var kamailioConfig string

// How F1 loads a proxy: so many REGISTERs, 95 of 100 of them refreshes, from so many
// phones, each at one of as many addresses as are waited for at a time.
const (
	registers   = 100_000
	registrants = 5_000
	inFlight    = 64
)

// f1 measures the CPU of forwarding REGISTERs with Path and rport, and of taking them
// into the engine, beside Kamailio forwarding them without state. All processes of
// serve count. Each server is in a session of its own, so that the scheduler treats
// them alike.
func (b *bench) f1() error {
	kamailio, err := peer("kamailio")
	if err != nil {
		return err
	}
	upstream, err := newRegistrar()
	if err != nil {
		return err
	}
	defer upstream.Close()
	text := strings.ReplaceAll(kamailioConfig, "UPSTREAM", strconv.Itoa(upstream.port()))
	if err := b.inTurn("F1", nil, b.serveUpstream(upstream.port()), kamailioWith(kamailio, text)); err != nil {
		return err
	}
	fmt.Printf("    CPU of perch serve, SIP path and engine, to Kamailio stateless, for %d REGISTERs of %d phones, medians of %d pairs; all answered, all phones known\n",
		registers, registrants, b.pairs)
	return nil
}

// inTurn measures serve and Kamailio by turns, and prints the medians of a figure whose
// bound is 1.
func (b *bench) inTurn(figure string, with func(*office), perch, kamailio preparation) error {
	var ours, theirs []time.Duration
	var ratios []float64
	for range b.pairs {
		u, err := b.underLoad(with, perch)
		if err != nil {
			return fmt.Errorf("perch: %w", err)
		}
		t, err := b.underLoad(with, kamailio)
		if err != nil {
			return fmt.Errorf("kamailio: %w", err)
		}
		ours, theirs = append(ours, u), append(theirs, t)
		ratios = append(ratios, float64(u)/float64(t))
		b.say("pair %d: %.2f s / %.2f s = %.2f", len(ours), u.Seconds(), t.Seconds(), ratios[len(ratios)-1])
	}
	ratio := median(ratios)
	fmt.Printf("%s: %.2f s / %.2f s = %.2f %s\n", figure, median(ours).Seconds(), median(theirs).Seconds(), ratio, bound(ratio, 1, "1.0"))
	return nil
}

// preparation prepares a server in a directory, at a port: what starts it, and what is
// to hold when it has borne its load.
type preparation func(dir string, listen int) (*exec.Cmd, func() error, error)

// kamailioWith prepares Kamailio with the text of a configuration.
func kamailioWith(kamailio, text string) preparation {
	return func(dir string, listen int) (*exec.Cmd, func() error, error) {
		conf := filepath.Join(dir, "kamailio.cfg")
		err := os.WriteFile(conf, []byte(text), 0o644)
		cmd := exec.Command(kamailio, "-DD", "-E", "-f", conf, "-x", "fm", "-m", "1024", "-M", "32", "-w", dir, "-Y", dir, "-P", filepath.Join(dir, "pid"),
			"-l", fmt.Sprint("udp:127.0.0.1:", listen))
		return cmd, func() error { return nil }, err
	}
}

// serveUpstream prepares a serve in front of a registrar.
func (b *bench) serveUpstream(upstream int) preparation {
	return func(dir string, listen int) (*exec.Cmd, func() error, error) {
		return b.prepareServe(dir, fmt.Sprintf("listen: [\"udp:127.0.0.1:%d\"], upstream: [\"udp:127.0.0.1:%d\"]", listen, upstream))
	}
}

// prepareServe prepares a serve with keys of sip. The check asks it how many phones it
// knows.
func (b *bench) prepareServe(dir, sip string) (*exec.Cmd, func() error, error) {
	portal, err := freePort()
	if err != nil {
		return nil, nil, err
	}
	cmd, err := b.serve(dir, portal, sip)
	return cmd, func() error { return knows(portal, registrants) }, err
}

// underLoad starts a server, measures what the phones' REGISTERs cost it, and ends it.
func (b *bench) underLoad(with func(*office), prepare preparation) (time.Duration, error) {
	dir, err := os.MkdirTemp(b.dir, "f1")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	listen, err := freePort()
	if err != nil {
		return 0, err
	}
	cmd, check, err := prepare(dir, listen)
	if err != nil {
		return 0, err
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, 5*time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	cost, err := measureLoad(cmd.Process.Pid, listen, with, check)
	err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM))
	if waited := cmd.Wait(); err == nil && waited != nil {
		err = waited
	}
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, out.String())
	}
	return cost, nil
}

func measureLoad(pid, listen int, with func(*office), check func() error) (time.Duration, error) {
	target := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: listen}
	load, err := newOffice(target)
	if err != nil {
		return 0, err
	}
	defer load.close()
	if with != nil {
		with(load)
	}
	if err := load.run(1); err != nil { // whether it is there
		return 0, err
	}
	before, err := treeCPU(pid)
	if err != nil {
		return 0, err
	}
	if err := load.run(registers - 1); err != nil {
		return 0, err
	}
	time.Sleep(time.Second) // for what is taken in behind it
	after, err := treeCPU(pid)
	return after - before, errors.Join(err, check())
}

// office are phones that register.
type office struct {
	conns   []*net.UDPConn
	next    int
	phones  int
	digests []credentials // of each phone; nil: they are not challenged
}

func newOffice(target *net.UDPAddr) (*office, error) {
	l := &office{phones: registrants}
	for i := range inFlight {
		c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 1, 0, byte(1+i))}, target)
		if err != nil {
			return l, err
		}
		l.conns = append(l.conns, c)
	}
	return l, nil
}

func (l *office) close() {
	for _, c := range l.conns {
		c.Close()
	}
}

// run has so many REGISTERs sent and answered. A phone is always at the same address.
func (l *office) run(n int) error {
	first := l.next
	l.next += n
	errs := make([]error, len(l.conns))
	var all sync.WaitGroup
	for i, c := range l.conns {
		all.Go(func() {
			in := make([]byte, 4096)
			for k := first; k < first+n && errs[i] == nil; k++ {
				if phone := k % l.phones; phone%len(l.conns) == i {
					if l.digests != nil {
						errs[i] = l.registerDigest(c, phone, k, in)
					} else {
						errs[i] = register(c, phone, k, in)
					}
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// register sends a REGISTER, and wants a 200.
func register(c *net.UDPConn, phone, n int, in []byte) error {
	got, err := askRegistrar(c, phone, n, "", in)
	if err == nil && !bytes.HasPrefix(got, []byte("SIP/2.0 200 ")) {
		err = fmt.Errorf("answered by %q", got[:min(len(got), 60)])
	}
	return err
}

// askRegistrar sends a REGISTER until it is answered, and returns the answer.
func askRegistrar(c *net.UDPConn, phone, n int, more string, in []byte) ([]byte, error) {
	at := c.LocalAddr().String()
	request := fmt.Appendf(nil, "REGISTER sip:pbx.example.com SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:%d@pbx.example.com>;tag=%d\r\nTo: <sip:%d@pbx.example.com>\r\nCall-ID: %d@%s\r\nCSeq: %d REGISTER\r\n"+
		"Contact: <sip:%d@%s>;+sip.instance=\"<urn:uuid:00000000-0000-4000-8000-%012d>\"\r\nExpires: 3600\r\nUser-Agent: Phone/1.0 001565%06x\r\n"+
		"Supported: path, outbound, gruu\r\nAllow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO\r\n%sContent-Length: 0\r\n\r\n",
		at, n, phone, n, phone, phone, at, n+1, phone, at, phone, phone, more)
	for range 20 {
		if _, err := c.Write(request); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, err
		}
		_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		for {
			got, err := c.Read(in)
			if err != nil {
				if errors.Is(err, syscall.ECONNREFUSED) {
					time.Sleep(50 * time.Millisecond) // it is not there yet
				}
				break
			}
			if !bytes.Contains(in[:got], fmt.Appendf(nil, "branch=z9hG4bK%d;", n)) {
				continue // of one that was sent twice
			}
			return in[:got], nil
		}
	}
	return nil, errors.New("a REGISTER was not answered")
}

// registrar answers each REGISTER by a 200.
type registrar struct{ *net.UDPConn }

func newRegistrar() (*registrar, error) {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	r := &registrar{c}
	go r.answer()
	return r, nil
}

func (r *registrar) port() int { return r.LocalAddr().(*net.UDPAddr).Port }

func (r *registrar) answer() {
	in, out := make([]byte, 1<<16), make([]byte, 0, 1<<16)
	for {
		n, from, err := r.ReadFromUDPAddrPort(in)
		if err != nil {
			return
		}
		if _, err := r.WriteToUDPAddrPort(answerTo(out[:0], in[:n]), from); err != nil {
			return
		}
	}
}

// answerTo appends a 200 for a request.
func answerTo(out, request []byte) []byte {
	out = append(out, "SIP/2.0 200 OK\r\n"...)
	for line := range bytes.SplitSeq(request, []byte("\r\n")) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		switch string(name) {
		case "Via", "From", "Call-ID", "CSeq", "Path", "Record-Route":
			out = append(append(out, line...), "\r\n"...)
		case "To":
			out = append(append(out, line...), ";tag=r\r\n"...)
		case "Contact":
			out = append(append(out, line...), ";expires=3600\r\n"...)
		}
	}
	return append(out, "Content-Length: 0\r\n\r\n"...)
}

func freePort() (int, error) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port, nil
}

// treeCPU returns the user and system time of a process and of all below it
// (proc(5): stat). A tick is a hundredth of a second.
func treeCPU(pid int) (time.Duration, error) {
	ticks, err := sumTree(pid, func(pid int) (int64, error) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		user, err1 := strconv.ParseInt(f[11], 10, 64)
		system, err2 := strconv.ParseInt(f[12], 10, 64)
		return user + system, errors.Join(err1, err2)
	})
	return time.Duration(ticks) * 10 * time.Millisecond, err
}

// sumTree adds up a quantity of a process and of all below it.
func sumTree(pid int, of func(pid int) (int64, error)) (int64, error) {
	sum, err := of(pid)
	if err != nil {
		return 0, err
	}
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range children {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // a thread that has ended
		}
		for c := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(c); err == nil {
				below, err := sumTree(n, of)
				if err != nil {
					return 0, err
				}
				sum += below
			}
		}
	}
	return sum, err
}
