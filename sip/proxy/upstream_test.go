package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// request composes a request of a phone's.
func request(method, id string) string {
	return compose(method+" sip:1@pbx.example.com SIP/2.0", "Via: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK"+id, "From: <sip:a@b>;tag=1", "To: <sip:1@b>", "Call-ID: "+id,
		"CSeq: 3 "+method)
}

// respond answers a request that a PBX got.
func (p *peer) respond(request, status string, more ...string) {
	p.t.Helper()
	lines := []string{"SIP/2.0 " + status}
	for _, v := range fields(request, "Via") {
		lines = append(lines, "Via: "+v)
	}
	for _, n := range []string{"From", "To", "Call-ID", "CSeq"} {
		lines = append(lines, n+": "+field(p.t, request, n))
	}
	p.send(p.from, compose(append(lines, more...)...))
}

func upstreamsOf(peers ...*peer) (out []string) {
	for _, p := range peers {
		out = append(out, "udp:"+p.addr().String())
	}
	return out
}

// A PBX that is found to be silent while one is chosen is chosen, or is not.
func TestPreferWhileItChanges(t *testing.T) {
	looks := 0
	one := &target{}
	if got := prefer([]*target{one}, func(*target) bool { looks++; return looks == 1 }, 7); got != one {
		t.Errorf("got %v", got)
	}
	if got := prefer([]*target{one}, func(*target) bool { return false }, 7); got != nil {
		t.Errorf("got %v", got)
	}
}

// A PBX that is silent costs seconds, once: then the next one gets what it owes, and
// what comes after. When it answers again it is preferred again.
func TestFailover(t *testing.T) {
	phone, first, second := newPeer(t), newPeer(t), newPeer(t)
	p := start(t, Config{}, upstreamsOf(first, second)...)
	first.ill = true
	began := time.Now()
	phone.send(p.Addr(0), request("INVITE", "a"))
	if got := first.recv(); !strings.HasPrefix(got, "INVITE ") {
		t.Fatalf("the first got\n%s", got)
	}
	invite := second.recv()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v to try the second, want 4 s at most", took)
	}
	phone.send(p.Addr(0), request("INVITE", "a")) // again: to where it went
	if got := second.recv(); fields(got, "Via")[0] != fields(invite, "Via")[0] {
		t.Errorf("again got Via %q, want %q", fields(got, "Via")[0], fields(invite, "Via")[0])
	}
	second.respond(invite, "100 Trying")
	if got := phone.recv(); !strings.HasPrefix(got, "SIP/2.0 100 ") {
		t.Errorf("got\n%s", got)
	}
	phone.send(p.Addr(0), request("CANCEL", "a"))
	if got := second.recv(); !strings.HasPrefix(got, "CANCEL ") {
		t.Errorf("got\n%s\nwant the CANCEL where its INVITE is", got)
	}
	began = time.Now()
	phone.send(p.Addr(0), request("OPTIONS", "b"))
	second.respond(second.recv(), "200 OK")
	phone.recv()
	if took := time.Since(began); took > time.Second {
		t.Errorf("the next request took %v, while the first is known to be down", took)
	}
	first.ill = false
	for p.upstreams.list()[0].down.Load() {
		if got, err := first.read(100 * time.Millisecond); err == nil {
			t.Fatalf("the first is down, and got\n%s", got)
		}
	}
	phone.send(p.Addr(0), request("OPTIONS", "c"))
	if got := first.recv(); !strings.HasPrefix(got, "OPTIONS sip:1@") {
		t.Errorf("the first is well again, and got\n%s", got)
	}
	if c := p.Counts(); c.FailedOver != 1 {
		t.Errorf("got %d failed over, want 1", c.FailedOver)
	}
}

// A 503 is not for the phone as long as there is another PBX; Retry-After is kept.
func TestUnavailable(t *testing.T) {
	phone, first, second := newPeer(t), newPeer(t), newPeer(t)
	p := start(t, Config{}, upstreamsOf(first, second)...)
	phone.send(p.Addr(0), request("INVITE", "a"))
	first.respond(first.recv(), "503 Service Unavailable", "Retry-After: 60 (maintenance)")
	second.respond(second.recv(), "200 OK")
	if got := phone.recv(); !strings.HasPrefix(got, "SIP/2.0 200 ") {
		t.Errorf("got\n%s", got)
	}
	phone.send(p.Addr(0), request("INVITE", "b"))
	first.silent() // for a minute
	second.respond(second.recv(), "503 Service Unavailable", "Retry-After: 60")
	first.respond(first.recv(), "503 Service Unavailable") // nobody is left: that is asked, too
	if got := phone.recv(); !strings.HasPrefix(got, "SIP/2.0 503 ") {
		t.Errorf("got\n%s", got)
	}
	phone.send(p.Addr(0), request("INVITE", "c"))
	first.respond(first.recv(), "200 OK") // both want nothing: the preferred one
	phone.recv()
}

// The last PBX is sent to whether or not it is down.
func TestLastUpstream(t *testing.T) {
	phone, pbx := newPeer(t), newPeer(t)
	pbx.ill = true
	p := start(t, Config{}, upstreamsOf(pbx)...)
	for id := range 4 {
		phone.send(p.Addr(0), request("OPTIONS", fmt.Sprint("x", id)))
		pbx.recv()
		time.Sleep(800 * time.Millisecond)
	}
	if !p.upstreams.list()[0].down.Load() {
		t.Error("a PBX that never answered is not down")
	}
}

func TestRefusedConnection(t *testing.T) {
	phone, second := newPeer(t), newPeer(t)
	closed := fmt.Sprintf("tcp:127.0.0.1:%d", freePort(t))
	p := start(t, Config{}, closed, "udp:"+second.addr().String())
	began := time.Now()
	phone.send(p.Addr(0), request("INVITE", "a"))
	second.respond(second.recv(), "200 OK")
	phone.recv()
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v to try the second, want less than a second", took)
	}
}

// records is a resolver with a few names.
type records struct {
	srv   map[string][]*net.SRV
	hosts map[string][]string
}

func (r *records) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if s := r.srv["_"+service+"._"+proto+"."+name]; s != nil {
		return name, s, nil
	}
	return "", nil, errors.New("no such name")
}

func (r *records) LookupNetIP(_ context.Context, _, host string) (out []netip.Addr, err error) {
	for _, a := range r.hosts[host] {
		out = append(out, netip.MustParseAddr(a))
	}
	if out == nil {
		return nil, errors.New("no such name")
	}
	return out, nil
}

func TestResolve(t *testing.T) {
	r := &records{
		srv: map[string][]*net.SRV{"_sip._udp.example.com": {
			{Target: "b.example.com.", Port: 5070, Priority: 20}, {Target: "a.example.com.", Port: 5060, Priority: 10, Weight: 3},
			{Target: "gone.example.com.", Port: 5060, Priority: 5}, {Target: "c.example.com.", Port: 5060, Priority: 10, Weight: 1},
		}},
		hosts: map[string][]string{"a.example.com": {"192.0.2.1"}, "b.example.com": {"192.0.2.2", "2001:db8::2"}, "c.example.com": {"192.0.2.3"}, "plain": {"192.0.2.9"}},
	}
	u := upstreams{lookUp: r, log: (&Proxy{}).logger()}
	for _, s := range []string{"udp:example.com", "tcp:plain", "udp:plain:5090", "udp:[2001:db8::7]:5060"} {
		if err := u.add(s); err != nil {
			t.Fatal(err)
		}
	}
	list := func() (out []string) {
		for _, x := range u.list() {
			out = append(out, x.transport.String()+":"+x.addr.String())
		}
		return out
	}
	want := []string{
		"udp:192.0.2.1:5060", "udp:192.0.2.3:5060", "udp:192.0.2.2:5070", "udp:[2001:db8::2]:5070", "tcp:192.0.2.9:5060", "udp:192.0.2.9:5090", "udp:[2001:db8::7]:5060",
	}
	if err := u.resolve(t.Context()); err != nil || !slices.Equal(list(), want) {
		t.Fatalf("got %v, %q\nwant %q", err, list(), want)
	}

	// What is chosen goes by priority, and by weight for many calls.
	got := map[string]int{}
	for id := range 4000 {
		var m message
		m.read([]byte(request("INVITE", fmt.Sprint("call", id))))
		got[u.choose(&m, nil, time.Now()).addr.String()]++
	}
	if a, c := got["192.0.2.1:5060"], got["192.0.2.3:5060"]; a+c != 4000 || a < c*3/2 || c < 800 {
		t.Errorf("got %v, want the two of priority 10 by their weights", got)
	}

	// Names that are not found any more keep their addresses and state.
	u.list()[0].down.Store(true)
	r.hosts, r.srv = nil, nil
	if err := u.resolve(t.Context()); err != nil || !slices.Equal(list(), want) || !u.list()[0].down.Load() {
		t.Errorf("without a name server got %v, %q, down %t", err, list(), u.list()[0].down.Load())
	}
	for _, s := range []string{"udp:", "example.com", "sctp:a:1", "udp:a:b", "udp:a:0", "udp:a b"} {
		if err := u.add(s); err == nil {
			t.Errorf("%q: got no error", s)
		}
	}
}
