package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The storm: so many phones register within so long, as after a power cut, while calls
// go on.
const (
	stormPhones = 50_000
	stormTime   = 30 * time.Second
	callEvery   = 50 * time.Millisecond

	// stormSettles is longer than a phone takes to settle, and what comes of that.
	stormSettles = 100 * time.Second
)

// f3 measures what forwarding 100 000 REGISTERs in 10 s adds to the memory of serve and
// its SIP path, and what is left of that 40 s later.
func (b *bench) f3() error {
	s, err := b.startSite(nil)
	if err != nil {
		return err
	}
	defer s.end()
	load, err := newOffice(s.target())
	if err != nil {
		return err
	}
	defer load.close()
	if err := load.run(registrants); err != nil { // all phones are known
		return err
	}
	time.Sleep(3 * time.Second)
	before, err := treePSS(s.pid())
	if err != nil {
		return err
	}
	watch := watchPSS(s.pid())
	began := time.Now()
	for i := range 100 { // a hundredth each 100 ms
		if err := load.run(registers / 100); err != nil {
			return err
		}
		time.Sleep(time.Until(began.Add(time.Duration(i+1) * 100 * time.Millisecond)))
	}
	took := time.Since(began)
	most := watch()
	time.Sleep(40 * time.Second)
	after, err := treePSS(s.pid())
	if err != nil {
		return err
	}
	const mib = 1 << 20
	fmt.Printf("F3: %.1f MiB more at most %s\n", float64(most-before)/mib, bound(float64(most-before)/mib, 64, "64"))
	ratio := float64(after) / float64(before)
	fmt.Printf("F3: %.2f times the start 40 s later %s\n", ratio, bound(ratio, 1.2, "1.2"))
	fmt.Printf("    PSS of perch serve and its SIP path, %.1f MiB before, while %d REGISTERs of %d phones are forwarded in %.1f s\n", float64(before)/mib, registers, registrants, took.Seconds())
	return nil
}

// storm measures a register storm: how long until all are registered, what that does to
// calls, and to memory.
func (b *bench) storm() error {
	s, err := b.startSite(nil)
	if err != nil {
		return err
	}
	defer s.end()
	load, err := newOffice(s.target())
	if err != nil {
		return err
	}
	defer load.close()
	load.phones = stormPhones
	calls, stop := s.call()
	watch := watchPSS(s.pid())
	began := time.Now()
	done, err := load.storm(began)
	if err != nil {
		return err
	}
	for s.check(stormPhones) != nil { // the engine has them as well
		if time.Since(began) > 2*time.Minute {
			return s.check(stormPhones)
		}
		time.Sleep(200 * time.Millisecond)
	}
	known := time.Since(began)
	stop()
	time.Sleep(stormSettles) // all phones are acted on meanwhile
	most := watch()
	time.Sleep(40 * time.Second)
	after, err := treePSS(s.pid())
	if err != nil {
		return err
	}
	slices.Sort(*calls)
	n := len(*calls)
	if n == 0 {
		return errors.New("no call was answered")
	}
	p99 := (*calls)[n*99/100].Seconds() * 1000
	fmt.Printf("storm: all registered after %.1f s %s\n", done.Seconds(), bound(done.Seconds(), 120, "120 s"))
	fmt.Printf("storm: %.1f ms for an INVITE and its answer in 99 of 100, of %d %s\n", p99, n, bound(p99, 250, "250 ms"))
	ratio := float64(most) / float64(after)
	fmt.Printf("storm: %.2f times the memory afterwards at most %s\n", ratio, bound(ratio, 1.5, "1.5"))
	fmt.Printf("    %d phones in %v; all known to the engine and stored after %.1f s; PSS %.1f MiB at most, %.1f MiB 40 s later; longest INVITE %.1f ms\n",
		stormPhones, stormTime, known.Seconds(), float64(most)/(1<<20), float64(after)/(1<<20), (*calls)[n-1].Seconds()*1000)
	return nil
}

// storm has all phones register, each at its time, and returns when the last one had.
func (l *office) storm(began time.Time) (time.Duration, error) {
	errs := make([]error, len(l.conns))
	var all sync.WaitGroup
	for i, c := range l.conns {
		all.Go(func() {
			in := make([]byte, 4096)
			for phone := i; phone < l.phones && errs[i] == nil; phone += len(l.conns) {
				time.Sleep(time.Until(began.Add(stormTime * time.Duration(phone) / time.Duration(l.phones))))
				errs[i] = register(c, phone, phone, in)
			}
		})
	}
	all.Wait()
	return time.Since(began), errors.Join(errs...)
}

// site is a serve in front of a registrar.
type site struct {
	*served
	upstream *registrar
}

// startSite starts one; with nil its registrar answers.
func (b *bench) startSite(upstreams []*net.UDPConn) (*site, error) {
	s := &site{}
	var err error
	if s.upstream, err = newRegistrar(); err != nil {
		return nil, err
	}
	list := []string{}
	for _, u := range upstreams {
		list = append(list, fmt.Sprintf("%q", "udp:"+u.LocalAddr().String()))
	}
	if upstreams == nil {
		list = append(list, fmt.Sprintf("\"udp:127.0.0.1:%d\"", s.upstream.port()))
	}
	if s.served, err = b.startServe(strings.Join(list, ", "), ""); err != nil {
		return nil, errors.Join(err, s.upstream.Close())
	}
	return s, nil
}

func (s *site) end() {
	s.served.end()
	s.upstream.Close()
}

// call sends an INVITE each 50 ms, until it is stopped, and notes how long its answer
// takes. One that is not answered within 5 s counts as 5 s.
func (s *site) call() (times *[]time.Duration, stop func()) {
	times = new([]time.Duration)
	var ended atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 2, 0, 1)}, s.target())
		if err != nil {
			return
		}
		defer c.Close()
		in := make([]byte, 1<<16)
		for n := 0; !ended.Load(); n++ {
			began := time.Now()
			*times = append(*times, ring(c, "sip:100@pbx.example.com", n, in))
			time.Sleep(time.Until(began.Add(callEvery)))
		}
	}()
	return times, func() { ended.Store(true); <-done }
}

// ring sends an INVITE as a phone does, until something comes back for it.
func ring(c *net.UDPConn, uri string, n int, in []byte) time.Duration {
	branch := "z9hG4bKi" + strconv.Itoa(n)
	request := fmt.Appendf(nil, "INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP %v;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: <sip:200@pbx.example.com>;tag=%d\r\nTo: <%s>\r\n"+
		"Call-ID: i%d@%v\r\nCSeq: 1 INVITE\r\nContact: <sip:200@%v>\r\nContent-Length: 0\r\n\r\n", uri, c.LocalAddr(), branch, n, uri, n, c.LocalAddr(), c.LocalAddr())
	began := time.Now()
	for wait := 500 * time.Millisecond; time.Since(began) < 5*time.Second; wait = min(2*wait, 4*time.Second) {
		if _, err := c.Write(request); err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		_ = c.SetReadDeadline(time.Now().Add(wait))
		for {
			got, err := c.Read(in)
			if err != nil {
				break
			}
			if strings.Contains(string(in[:got]), "branch="+branch+";") {
				return time.Since(began)
			}
		}
	}
	return 5 * time.Second
}

// watchPSS samples the memory of a process tree until it is told to stop, and returns
// the most.
func watchPSS(pid int) (most func() int64) {
	var peak int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			if n, err := treePSS(pid); err == nil {
				peak = max(peak, n)
			}
			select {
			case <-stop:
				return
			case <-time.After(250 * time.Millisecond):
			}
		}
	}()
	return func() int64 { close(stop); <-done; return peak }
}

// treePSS is the proportional share of resident pages of a process and of all below it.
func treePSS(pid int) (int64, error) {
	return sumTree(pid, func(pid int) (sum int64, err error) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		for line := range strings.Lines(string(b)) {
			var kib int64
			if _, err := fmt.Sscanf(line, "Pss: %d kB", &kib); err == nil {
				sum += kib << 10
			}
		}
		return sum, err
	})
}
