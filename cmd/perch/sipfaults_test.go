package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var (
	helpCalls = flag.Int("help-calls", 25, "how many calls for help are made during each fault")
	helpDelay = flag.Duration("help-delay", 0, "fail if 99 of 100 of them are not relayed within this; 0: do not look")
)

// exchangeOf is a PBX that is told when it is silent, and notes when calls come.
type exchangeOf struct {
	t *testing.T
	*net.UDPConn
	silent atomic.Bool

	mu    sync.Mutex
	calls map[string]heardCall // by Call-ID
}

type heardCall struct {
	at      time.Time
	located bool // with a location
}

func newExchange(t *testing.T) *exchangeOf {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	x := &exchangeOf{t: t, UDPConn: c, calls: map[string]heardCall{}}
	t.Cleanup(func() { _ = c.Close() })
	go x.serve()
	return x
}

func (x *exchangeOf) serve() {
	b := make([]byte, 1<<16)
	for {
		n, from, err := x.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		now, request := time.Now(), b[:n]
		if x.silent.Load() || bytes.HasPrefix(request, []byte("ACK ")) || bytes.HasPrefix(request, []byte("SIP/2.0 ")) {
			continue
		}
		status := "200 OK"
		if bytes.HasPrefix(request, []byte("INVITE ")) {
			x.mu.Lock()
			if id := sipField(request, "Call-ID"); x.calls[id].at.IsZero() {
				x.calls[id] = heardCall{now, bytes.Contains(request, []byte("application/pidf+xml"))}
			}
			x.mu.Unlock()
			status = "486 Busy Here"
		}
		_, _ = x.WriteToUDPAddrPort(sipAnswer(request, status), from)
	}
}

// sipField returns the value of a header of a message.
func sipField(message []byte, name string) string {
	_, rest, _ := bytes.Cut(message, []byte("\r\n"+name+": "))
	value, _, _ := bytes.Cut(rest, []byte("\r\n"))
	return string(value)
}

// sipAnswer answers a request, a REGISTER with its Contact.
func sipAnswer(request []byte, status string) []byte {
	out := []byte("SIP/2.0 " + status + "\r\n")
	for line := range bytes.SplitSeq(request, []byte("\r\n")) {
		switch name, _, _ := bytes.Cut(line, []byte(":")); string(name) {
		case "Via", "From", "Call-ID", "CSeq":
			out = append(append(out, line...), "\r\n"...)
		case "To":
			out = append(append(out, line...), ";tag=r\r\n"...)
		case "Contact":
			if bytes.HasPrefix(request, []byte("REGISTER ")) {
				out = append(append(out, line...), ";expires=600\r\n"...)
			}
		}
	}
	return append(out, "Content-Length: 0\r\n\r\n"...)
}

// helpSite is a serve in front of PBXs, and a phone there whose place is known.
type helpSite struct {
	*sipSite
	pbxs  []*exchangeOf
	phone *net.UDPConn
	calls int

	running *exec.Cmd
}

// newHelpSite makes one, its database in home.
func newHelpSite(t *testing.T, home, smtp string) *helpSite {
	t.Helper()
	s := &helpSite{sipSite: &sipSite{t: t, dir: t.TempDir(), perch: freeAddress(t)}, pbxs: []*exchangeOf{newExchange(t), newExchange(t)}}
	s.config = serveConfig(t, s.dir, filepath.Join(home, "perch.db"), smtp)
	s.add("policy: {settle: 200ms, bootstrap: false}\nsip: {listen: [\"udp:%s\"], upstream: [\"udp:%v\", \"udp:%v\"], sites: [{prefix: 127.0.0.0/8, site: hq}]}\n",
		s.perch, s.pbxs[0].LocalAddr(), s.pbxs[1].LocalAddr())
	s.write("sites.csv", "id,name,subnets\nhq,Headquarters,127.0.0.0/24\n")
	s.write("locations.csv", "id,name,site,country,city,street,house_number,floor\nhq-3f,Third floor,hq,US,Springfield,Main Street,100,3\n")
	s.write("wiremap.csv", "location_id,site,subnet\nhq-3f,hq,127.0.0.0/24\n")
	s.write("users.csv", "email,name,role\nalice@example.com,Alice,user\n")
	s.write("phones.csv", "mac,kind,label,site,users\n00:15:65:aa:00:01,desk,Alice's desk,hq,alice@example.com\n")
	s.command("import", filepath.Join(s.dir, "map"))
	var err error
	if s.log, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.log.Close() })
	to, err := net.ResolveUDPAddr("udp", s.perch)
	if err != nil {
		t.Fatal(err)
	}
	if s.phone, err = net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, to); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.phone.Close() })
	return s
}

// ask sends a request of the phone's as a phone does, until its final answer comes; it
// returns when it was sent first.
func (s *helpSite) ask(request []byte, branch string, patience time.Duration) (sent time.Time, answered bool) {
	s.t.Helper()
	in := make([]byte, 1<<16)
	sent = time.Now()
	for wait := 500 * time.Millisecond; time.Since(sent) < patience; {
		_, _ = s.phone.Write(request)
		_ = s.phone.SetReadDeadline(time.Now().Add(wait))
		for {
			n, err := s.phone.Read(in)
			if errors.Is(err, syscall.ECONNREFUSED) { // nobody is there: a phone sends again by its timer
				time.Sleep(wait)
			}
			if err != nil {
				break
			}
			if bytes.Contains(in[:n], []byte("branch="+branch)) && bytes.HasPrefix(in[:n], []byte("SIP/2.0 ")) && in[8] != '1' {
				return sent, true
			}
		}
		wait = min(2*wait, 4*time.Second) // RFC 3261 section 17.1: T2
	}
	return sent, false
}

// register registers the phone and waits until its place is known to the SIP path.
func (s *helpSite) register() {
	s.t.Helper()
	at := s.phone.LocalAddr()
	request := fmt.Appendf(nil, "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP %v;branch=z9hG4bKreg;rport\r\nMax-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=1\r\nTo: <sip:alice@example.com>\r\n"+
		"Call-ID: reg\r\nCSeq: 1 REGISTER\r\nContact: <sip:alice@%v>\r\nUser-Agent: Phone 1.0 001565aa0001\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n", at, at)
	if _, ok := s.ask(request, "z9hG4bKreg", 5*time.Second); !ok {
		s.t.Fatal("the phone is not registered")
	}
	s.await("the phone's place", func() bool { return s.help(1, time.Second).located == 1 })
}

// helped is what became of calls for help.
type helped struct {
	made, relayed, located, answered int
	delays                           []time.Duration // from the phone to a PBX
}

// help makes calls for help, 20 each second.
func (s *helpSite) help(n int, patience time.Duration) (h helped) {
	s.t.Helper()
	at := s.phone.LocalAddr()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range n {
		s.calls++
		h.made++
		id, branch := fmt.Sprintf("help-%d@perch", s.calls), fmt.Sprintf("z9hG4bKh%dx", s.calls)
		const body = "v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
		head := fmt.Sprintf(" sip:911@example.com SIP/2.0\r\nVia: SIP/2.0/UDP %v;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=%d\r\nTo: <sip:911@example.com>", at, branch, s.calls)
		sent, ok := s.ask([]byte("INVITE"+head+fmt.Sprintf("\r\nCall-ID: %s\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@%v>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", id, at, len(body), body)), branch, patience)
		if ok {
			h.answered++
			_, _ = s.phone.Write([]byte("ACK" + head + ";tag=r\r\nCall-ID: " + id + "\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"))
		}
		var first heardCall
		for _, x := range s.pbxs {
			x.mu.Lock()
			if c := x.calls[id]; !c.at.IsZero() && (first.at.IsZero() || c.at.Before(first.at)) {
				first = c
			}
			x.mu.Unlock()
		}
		if !first.at.IsZero() {
			h.relayed++
			h.delays = append(h.delays, first.at.Sub(sent))
		}
		if first.located {
			h.located++
		}
		<-tick.C
	}
	slices.Sort(h.delays)
	return h
}

// TestEmergencyFaults lets things befall serve, its database and its PBX while
// somebody calls for help: each call is relayed, with its location.
func TestEmergencyFaults(t *testing.T) {
	for _, f := range []struct {
		name     string
		failover bool // which takes its time
		strike   func(t *testing.T, s *helpSite, db fault)
	}{
		{"nothing", false, func(*testing.T, *helpSite, fault) {}},
		{"locked by another program", false, func(_ *testing.T, _ *helpSite, db fault) { db.strike() }},
		{"disk full", false, func(_ *testing.T, _ *helpSite, db fault) { db.strike() }},
		{"the mail server hangs", false, func(*testing.T, *helpSite, fault) {}}, // from the start
		{"serve killed: engine, portal and capture", false, func(_ *testing.T, s *helpSite, _ fault) { s.kill() }},
		{"the engine takes nothing, its queue is full", false, func(t *testing.T, s *helpSite, _ fault) { s.stuff(t) }},
		{"20 000 junk packets a second", false, func(t *testing.T, s *helpSite, _ fault) { s.junk(t) }},
		{"the first PBX is silent", true, func(_ *testing.T, s *helpSite, _ fault) { s.pbxs[0].silent.Store(true) }},
		{"the SIP path killed", true, func(_ *testing.T, s *helpSite, _ fault) { _ = syscall.Kill(s.path(), syscall.SIGKILL) }},
	} {
		t.Run(f.name, func(t *testing.T) {
			home, db := sqliteFault(t, f.name)
			s := newHelpSite(t, home, hangingServer(t))
			s.running = s.serve()
			s.register()
			f.strike(t, s, db)
			if db.repair != nil {
				defer db.repair()
			}
			h := s.help(*helpCalls, 10*time.Second)
			if h.relayed != h.made || h.located != h.made || h.answered != h.made {
				t.Errorf("of %d calls %d were relayed, %d with their location, and %d answered", h.made, h.relayed, h.located, h.answered)
			}
			if len(h.delays) == 0 {
				return
			}
			p99 := h.delays[len(h.delays)*99/100]
			if *helpDelay > 0 && p99 > *helpDelay && !f.failover {
				t.Errorf("99 of 100 calls were relayed within %v, want %v", p99, *helpDelay)
			}
			finding(t, "calls for help, "+f.name, "%d of %d relayed, all with the location; from the phone to the PBX %v in 99 of 100, %v at most",
				h.relayed, h.made, p99.Round(100*time.Microsecond), h.delays[len(h.delays)-1].Round(100*time.Microsecond))
		})
	}
}

// hangingServer is a mail server that takes connections and says nothing.
func hangingServer(t *testing.T) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return "smtp://" + l.Addr().String() + "?starttls=never"
}

// kill kills serve. Its SIP path goes on, until the next serve ends it.
func (s *helpSite) kill() {
	s.t.Helper()
	if err := s.running.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	_ = s.running.Wait()
	s.t.Cleanup(func() { s.serve() })
}

// stuff stops serve, and fills the queue of what it is to be told.
func (s *helpSite) stuff(t *testing.T) {
	t.Helper()
	if err := s.running.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.running.Process.Signal(syscall.SIGCONT) })
	to, err := net.ResolveUDPAddr("udp", s.perch)
	if err != nil {
		t.Fatal(err)
	}
	others, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 1, 1)}, to)
	if err != nil {
		t.Fatal(err)
	}
	defer others.Close()
	at, in := others.LocalAddr(), make([]byte, 1<<16)
	for n := range maxQueued {
		line := fmt.Sprintf("sip:%d@example.com", n)
		_, _ = fmt.Fprintf(others, "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP %v;branch=z9hG4bKq%d;rport\r\nMax-Forwards: 70\r\nFrom: <%s>;tag=1\r\nTo: <%s>\r\nCall-ID: q%d\r\nCSeq: 1 REGISTER\r\n"+
			"Contact: <sip:%d@%v>\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n", at, n, line, line, n, n, at)
		_ = others.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = others.Read(in) // two observations each: half of them do
	}
}

// junk sends what is no SIP, and what nearly is, as fast as 20 000 a second, until the
// test ends.
func (s *helpSite) junk(t *testing.T) {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp", s.perch)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 66)}, to)
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 400)
	_, _ = rand.Read(noise)
	nearly := append([]byte("INVITE sip:1@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKj\r\n"), bytes.Repeat([]byte("X: y\r\n"), 40)...)
	var ended atomic.Bool
	done := make(chan int)
	began := time.Now()
	go func() {
		sent := 0
		for !ended.Load() {
			for range 200 {
				_, _ = c.Write(noise)
				_, _ = c.Write(nearly)
				sent += 2
			}
			time.Sleep(time.Until(began.Add(time.Duration(sent) * time.Second / 20_000)))
		}
		done <- sent
	}()
	t.Cleanup(func() {
		ended.Store(true)
		sent := <-done
		t.Logf("%.0f packets a second", float64(sent)/time.Since(began).Seconds())
		_ = c.Close()
	})
}
