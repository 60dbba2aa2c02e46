package proxy

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// peer is a phone or a PBX that does what the test says.
type peer struct {
	t *testing.T
	*net.UDPConn
	from netip.AddrPort // whom the last message came from
	ill  bool           // it does not answer when it is asked whether it is there
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &peer{t: t, UDPConn: c}
}

func (p *peer) addr() netip.AddrPort { return p.LocalAddr().(*net.UDPAddr).AddrPort() }

func (p *peer) send(to netip.AddrPort, message string) {
	p.t.Helper()
	if _, err := p.WriteToUDPAddrPort([]byte(message), to); err != nil {
		p.t.Fatal(err)
	}
}

// recv returns the next message. When it is asked whether it is there, it says so.
func (p *peer) recv() string {
	p.t.Helper()
	got, err := p.read(5 * time.Second)
	if err != nil {
		p.t.Fatal(err)
	}
	return got
}

func (p *peer) read(patience time.Duration) (string, error) {
	b := make([]byte, 1<<16)
	_ = p.SetReadDeadline(time.Now().Add(patience))
	for {
		n, from, err := p.ReadFromUDPAddrPort(b)
		if err != nil {
			return "", err
		}
		p.from = from
		if got := string(b[:n]); !isProbe(got) {
			return got, nil
		} else if !p.ill {
			p.respond(got, "200 OK")
		}
	}
}

func isProbe(message string) bool { return strings.Contains(message, "\r\nCall-ID: probe-") }

// silent reports that nothing comes.
func (p *peer) silent() {
	p.t.Helper()
	if got, err := p.read(100 * time.Millisecond); err == nil {
		p.t.Fatalf("got\n%s\nwant nothing", got)
	}
}

// start starts a proxy before a PBX, at a free port unless cfg says otherwise.
func start(t *testing.T, cfg Config, upstream ...string) *Proxy {
	t.Helper()
	p, stop := startOnce(t, cfg, upstream...)
	t.Cleanup(stop)
	return p
}

// startOnce is start; the proxy ends when it is stopped.
func startOnce(t *testing.T, cfg Config, upstream ...string) (p *Proxy, stop func()) {
	t.Helper()
	cfg.Upstream = upstream
	if cfg.Listen == nil {
		cfg.Listen = []string{"udp:127.0.0.1:0"}
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p, run(t, p)
}

// run lets a proxy run until it is stopped.
func run(t *testing.T, p *Proxy) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func compose(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

// field returns the value of a header that stands once.
func field(t *testing.T, message, name string) string {
	t.Helper()
	all := fields(message, name)
	if len(all) != 1 {
		t.Fatalf("%d headers %s in\n%s", len(all), name, message)
	}
	return all[0]
}

func fields(message, name string) (values []string) {
	head, _, _ := strings.Cut(message, "\r\n\r\n")
	for _, line := range strings.Split(head, "\r\n") {
		if v, ok := strings.CutPrefix(line, name+": "); ok {
			values = append(values, v)
		}
	}
	return values
}

// without returns a message without the headers of some names.
func without(message string, names ...string) string {
	var kept []string
	for _, line := range strings.SplitAfter(message, "\r\n") {
		drop := false
		for _, n := range names {
			drop = drop || strings.HasPrefix(line, n+": ")
		}
		if !drop {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// oddities are headers and a body that a proxy has no business with.
const oddities = "X-Odd :  a\tb \r\nm: \"Bob, B.\" <sip:bob@192.0.2.9:5062;x=\"1,2\">;methods=\"INVITE, ACK\" ; q=0.5\r\nk:timer,  replaces\r\nSubject: \r\n  folded\r\n"

func TestRegister(t *testing.T) {
	phone, pbx := newPeer(t), newPeer(t)
	seen := make(chan Observation, 9)
	p := start(t, Config{Observe: func(o Observation) { o.Message = slices.Clone(o.Message); seen <- o }}, "udp:"+pbx.addr().String())
	request := "REGISTER sip:pbx.example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bKa;rport\r\nMax-Forwards: 70\r\n" +
		"From: <sip:bob@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: a@b\r\nCSeq: 1 REGISTER\r\n" + oddities + "Content-Length: 4\r\n\r\n\x00a\rb"
	phone.send(p.Addr(0), request)
	got := pbx.recv()

	vias := fields(got, "Via")
	if len(vias) != 2 || !strings.HasPrefix(vias[0], "SIP/2.0/UDP "+p.Addr(0).String()+";branch=z9hG4bK") {
		t.Fatalf("got Vias %q", vias)
	}
	if want := fmt.Sprintf("SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bKa;rport=%d;received=127.0.0.1", phone.addr().Port()); vias[1] != want {
		t.Errorf("got Via %q, want %q", vias[1], want)
	}
	if hops := field(t, got, "Max-Forwards"); hops != "69" {
		t.Errorf("got Max-Forwards %s", hops)
	}
	path := field(t, got, "Path")
	if !strings.HasSuffix(path, "@"+p.Addr(0).String()+";lr>") {
		t.Errorf("got Path %q", path)
	}
	if s := field(t, got, "Supported"); s != "path" {
		t.Errorf("got Supported %q", s)
	}
	mine := []string{"Via", "Max-Forwards", "Path", "Supported"}
	if got, want := without(got, mine...), without(request, mine...); got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}

	answer := "SIP/2.0 200 OK\r\nVia: " + vias[0] + ", " + vias[1] + "\r\nFrom: <sip:bob@example.com>;tag=1\r\nTo: <sip:bob@example.com>;tag=2\r\n" +
		"Call-ID: a@b\r\nCSeq: 1 REGISTER\r\n" + oddities + "Content-Length: 0\r\n\r\n"
	pbx.send(pbx.from, answer)
	back := phone.recv()
	if want := strings.Replace(answer, vias[0]+", ", "", 1); back != want {
		t.Errorf("got\n%q\nwant\n%q", back, want)
	}

	for i, want := range []struct {
		message  string
		from, to netip.AddrPort
	}{{request, phone.addr(), p.Addr(0)}, {answer, p.Addr(0), phone.addr()}} {
		o := <-seen
		if string(o.Message) != want.message || o.Source != want.from || o.Destination != want.to || o.Transport != "udp" {
			t.Errorf("observation %d: got %s %v -> %v\n%s", i, o.Transport, o.Source, o.Destination, o.Message)
		}
	}

	// The PBX calls the phone by what it was told, also after a restart.
	call := compose("INVITE sip:bob@192.0.2.9:5062 SIP/2.0", "Via: SIP/2.0/UDP "+pbx.addr().String()+";branch=z9hG4bKb", "Route: "+path, "Max-Forwards: 70",
		"From: <sip:alice@example.com>;tag=3", "To: <sip:bob@example.com>", "Call-ID: c", "CSeq: 7 INVITE", "Content-Length: 0")
	other := start(t, Config{Advertise: "127.0.0.1"}, "udp:"+pbx.addr().String())
	pbx.send(p.Addr(0), call)
	invite := phone.recv()
	if r := fields(invite, "Route"); len(r) != 0 {
		t.Errorf("got Route %q, want it gone", r)
	}
	entry := field(t, invite, "Record-Route")
	if entry != path {
		t.Errorf("got Record-Route %q, want %q", entry, path)
	}
	pbx.send(other.Addr(0), strings.Replace(call, p.Addr(0).String(), other.Addr(0).String(), 1))
	if again := phone.recv(); !strings.HasPrefix(again, "INVITE sip:bob@192.0.2.9:5062 SIP/2.0\r\n") {
		t.Errorf("after a restart got\n%s", again)
	}

	// A hang-up by the phone goes to the PBX.
	bye := compose("BYE sip:alice@"+pbx.addr().String()+" SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bKd", "Route: "+entry, "Max-Forwards: 70",
		"From: <sip:bob@example.com>;tag=5", "To: <sip:alice@example.com>;tag=3", "Call-ID: c", "CSeq: 1 BYE")
	phone.send(p.Addr(0), bye)
	if got := pbx.recv(); !strings.HasPrefix(got, "BYE ") || len(fields(got, "Route"))+len(fields(got, "Record-Route")) != 0 {
		t.Errorf("got\n%s", got)
	}
}

// A CANCEL and the ACK of a refusal have the branch of their INVITE, and what is
// sent twice is the same twice; another call has another.
func TestBranch(t *testing.T) {
	phone, pbx := newPeer(t), newPeer(t)
	p := start(t, Config{}, "udp:"+pbx.addr().String())
	of := func(method, branch, id string) string {
		phone.send(p.Addr(0), compose(method+" sip:1@pbx.example.com SIP/2.0", "Via: SIP/2.0/UDP 127.0.0.1:5062;branch="+branch, "From: <sip:a@b>;tag=1",
			"To: <sip:1@b>", "Call-ID: "+id, "CSeq: 3 "+method))
		return strings.Split(fields(pbx.recv(), "Via")[0], ";")[1]
	}
	invite := of("INVITE", "z9hG4bK1", "x")
	for _, method := range []string{"INVITE", "CANCEL", "ACK"} {
		if got := of(method, "z9hG4bK1", "x"); got != invite {
			t.Errorf("%s: got branch %s, want the INVITE's, %s", method, got, invite)
		}
	}
	for _, other := range [][2]string{{"z9hG4bK2", "x"}, {"z9hG4bK1", "y"}} {
		if got := of("INVITE", other[0], other[1]); got == invite {
			t.Errorf("branch %s, Call-ID %s: got the other call's branch", other[0], other[1])
		}
	}
}

func TestAnswers(t *testing.T) {
	phone, pbx := newPeer(t), newPeer(t)
	p := start(t, Config{}, "udp:"+pbx.addr().String())
	us := p.Addr(0).String()
	base := []string{"Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1", "From: <sip:a@b>;tag=1", "To: <sip:1@b>", "Call-ID: x"}
	for _, tc := range []struct{ name, method, uri, more, want string }{
		{"no hops left", "INVITE", "sip:1@pbx", "Max-Forwards: 0", "483 Too Many Hops"},
		{"an extension", "INVITE", "sip:1@pbx", "Proxy-Require: nothing", "420 Bad Extension"},
		{"are you there", "OPTIONS", "sip:" + us, "Subject: x", "200 OK"},
		{"another scheme", "INVITE", "soap.beep://a", "Subject: x", "416 Unsupported URI Scheme"},
		{"a Route that is not from here", "INVITE", "sip:1@pbx", "Route: <sip:AAAA@" + us + ";lr>", "403 Forbidden"},
		{"two Call-IDs", "INVITE", "sip:1@pbx", "Call-ID: y", "400 Bad Request (a header repeated)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			phone.send(p.Addr(0), compose(append([]string{tc.method + " " + tc.uri + " SIP/2.0", tc.more, "CSeq: 1 " + tc.method}, base...)...))
			got := phone.recv()
			if !strings.HasPrefix(got, "SIP/2.0 "+tc.want+"\r\n") {
				t.Errorf("got\n%s\nwant %s", got, tc.want)
			}
			if to := field(t, got, "To"); !strings.HasPrefix(to, "<sip:1@b>;tag=") {
				t.Errorf("got To %q, want a tag", to)
			}
			if tc.want == "420 Bad Extension" && field(t, got, "Unsupported") != "nothing" {
				t.Errorf("got\n%s\nwant it to name the extension", got)
			}
		})
	}
	phone.send(p.Addr(0), compose(append([]string{"ACK sip:1@pbx SIP/2.0", "Max-Forwards: 0", "CSeq: 1 ACK"}, base...)...))
	phone.silent()
	pbx.silent()
}

// Only the PBX that was asked may answer, and what answers is sent to is nothing
// that others can choose.
func TestForged(t *testing.T) {
	phone, pbx := newPeer(t), newPeer(t)
	p := start(t, Config{}, "udp:"+pbx.addr().String())
	phone.send(p.Addr(0), compose("OPTIONS sip:pbx.example.com SIP/2.0", "Via: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK1", "From: <sip:a@b>;tag=1", "To: <sip:1@b>",
		"Call-ID: x", "CSeq: 3 OPTIONS"))
	vias := fields(pbx.recv(), "Via")
	answer := func(top string) string {
		return compose("SIP/2.0 401 Unauthorized", "Via: "+top, "Via: "+vias[1], "From: <sip:a@b>;tag=1", "To: <sip:1@b>;tag=2", "Call-ID: x", "CSeq: 3 OPTIONS")
	}
	stranger, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if _, err := stranger.WriteToUDPAddrPort([]byte(answer(vias[0])), p.Addr(0)); err != nil {
		t.Fatal(err)
	}
	i := strings.LastIndexByte(vias[0][:strings.LastIndex(vias[0], ";")], '.') + 3
	other := "A"
	if vias[0][i] == 'A' {
		other = "B"
	}
	changed := vias[0][:i] + other + vias[0][i+1:]
	pbx.send(p.Addr(0), answer(changed))
	pbx.send(p.Addr(0), answer("SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1"))
	phone.silent()
	pbx.send(p.Addr(0), answer(vias[0]))
	if got := phone.recv(); !strings.HasPrefix(got, "SIP/2.0 401 ") {
		t.Errorf("got\n%s", got)
	}
	if c := p.Counts(); c.Forged != 3 {
		t.Errorf("got %d forged, want 3", c.Forged)
	}
}

func TestLoop(t *testing.T) {
	phone, pbx := newPeer(t), newPeer(t)
	p := start(t, Config{}, "udp:"+pbx.addr().String())
	phone.send(p.Addr(0), compose("INVITE sip:1@pbx.example.com SIP/2.0", "Via: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK1", "From: <sip:a@b>;tag=1", "To: <sip:1@b>",
		"Call-ID: x", "CSeq: 3 INVITE"))
	got := pbx.recv()
	// A PBX that sends it back as it came.
	pbx.send(p.Addr(0), strings.Replace(got, "Via: ", "Via: SIP/2.0/UDP "+pbx.addr().String()+";branch=z9hG4bK9\r\nVia: ", 1))
	if got := pbx.recv(); !strings.HasPrefix(got, "SIP/2.0 482 Loop Detected\r\n") {
		t.Errorf("got\n%s", got)
	}
}

// Phones over TCP alone, and a PBX over UDP: the proxy has a socket for that, which
// is the same after a restart.
func TestTCPAlone(t *testing.T) {
	pbx := newPeer(t)
	p := start(t, Config{Listen: []string{"tcp:127.0.0.1:0"}}, "udp:"+pbx.addr().String())
	c, err := net.Dial("tcp", p.Addr(0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(compose("OPTIONS sip:pbx SIP/2.0", "Via: SIP/2.0/TCP 127.0.0.1:5062;branch=z9hG4bK1", "From: <sip:a@b>;tag=1", "To: <sip:1@b>", "Call-ID: x",
		"CSeq: 3 OPTIONS"))); err != nil {
		t.Fatal(err)
	}
	pbx.respond(pbx.recv(), "200 OK")
	if pbx.from != p.Addr(0) {
		t.Errorf("the PBX is sent to from %v, want %v", pbx.from, p.Addr(0))
	}
	b := make([]byte, 1000)
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := c.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), "SIP/2.0 200 OK\r\n") {
		t.Errorf("got %v\n%s", err, b[:n])
	}
}

// What comes from elsewhere is not answered, over UDP and TCP.
func TestStrangers(t *testing.T) {
	pbx := newPeer(t) // at 127.0.0.1, which only as a PBX is let in
	p := start(t, Config{Listen: []string{"udp:0.0.0.0:0", "tcp:0.0.0.0:0"}, Advertise: "127.0.0.1", Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")}},
		"udp:"+pbx.addr().String())
	from := func(network, address string) net.Conn {
		t.Helper()
		var local net.Addr = &net.UDPAddr{IP: net.ParseIP(address)}
		i := 0
		if network == "tcp" {
			local, i = &net.TCPAddr{IP: net.ParseIP(address)}, 1
		}
		d := net.Dialer{LocalAddr: local}
		c, err := d.Dial(network, fmt.Sprintf("127.0.0.1:%d", p.Addr(i).Port()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	options := request("OPTIONS", "a")
	for _, tc := range []struct {
		network, address string
		want             bool
	}{{"udp", "127.0.0.8", false}, {"udp", "127.0.0.9", true}, {"udp", "127.0.0.1", true}, {"tcp", "127.0.0.8", false}, {"tcp", "127.0.0.9", true}} {
		c := from(tc.network, tc.address)
		_, _ = c.Write([]byte(options))
		got := pbx.next(map[bool]time.Duration{true: 5 * time.Second, false: 200 * time.Millisecond}[tc.want])
		if (got != "") != tc.want {
			t.Errorf("%s from %s: got %q", tc.network, tc.address, got)
		}
	}
	if c := p.Counts(); c.Strangers != 2 || c.Answered != 0 {
		t.Errorf("got %+v, want two strangers and no answer", c)
	}
}

// A phone that knows another's entry, as from a call, reaches it by the PBX all the
// same, unless the call is still going on.
func TestAnothersEntry(t *testing.T) {
	alice, bob, pbx := newPeer(t), newPeer(t), newPeer(t)
	p := start(t, Config{}, "udp:"+pbx.addr().String())
	entryOf := func(phone *peer, id string) string {
		phone.send(p.Addr(0), request("REGISTER", id))
		return field(t, pbx.recv(), "Path")
	}
	routes := "Route: " + entryOf(bob, "b") + ", " + entryOf(alice, "a")
	invite := strings.Replace(request("INVITE", "c"), "From:", routes+"\r\nFrom:", 1)
	bob.send(p.Addr(0), invite)
	if got := pbx.recv(); !strings.HasPrefix(got, "INVITE ") {
		t.Errorf("got\n%s", got)
	}
	alice.silent()
	bob.send(p.Addr(0), strings.Replace(strings.ReplaceAll(invite, "INVITE", "BYE"), "To: <sip:1@b>", "To: <sip:1@b>;tag=2", 1))
	if got := alice.recv(); !strings.HasPrefix(got, "BYE ") {
		t.Errorf("got\n%s", got)
	}
}

// What a PBX sends over a connection to a phone that has none is sent again until the
// phone says something; an ACK is not.
func TestRepeated(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := start(t, Config{}, "tcp:"+l.Addr().String())
	phone := newPeer(t)
	phone.send(p.Addr(0), request("REGISTER", "a"))
	pbx, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer pbx.Close()
	registered := readMessage(t, pbx)
	for isProbe(registered) {
		registered = readMessage(t, pbx)
	}
	invite := func(method, id string) string {
		return compose(method+" sip:1@127.0.0.1 SIP/2.0", "Via: SIP/2.0/TCP "+l.Addr().String()+";branch=z9hG4bK"+id, "Route: "+field(t, registered, "Path"),
			"From: <sip:b@b>;tag=3", "To: <sip:a@b>", "Call-ID: "+id, "CSeq: 7 "+method, "Content-Length: 0")
	}
	say := func(message string) {
		if _, err := pbx.Write([]byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	say(invite("INVITE", "c"))
	got := phone.recv()
	for range 2 {
		if again := phone.recv(); again != got {
			t.Errorf("again got\n%s\nwant\n%s", again, got)
		}
	}
	say(invite("CANCEL", "c"))
	if c := phone.recv(); !strings.HasPrefix(c, "CANCEL ") {
		t.Fatalf("got\n%s", c)
	}
	c := phone.recv()
	if !strings.HasPrefix(c, "CANCEL ") {
		t.Errorf("got\n%s\nwant the CANCEL again, and its INVITE no more", c)
	}
	phone.respond(c, "200 OK")
	say(invite("ACK", "d"))
	if a := phone.recv(); !strings.HasPrefix(a, "ACK ") {
		t.Errorf("got\n%s", a)
	}
	if again, err := phone.read(1200 * time.Millisecond); err == nil {
		t.Errorf("got\n%s\nwant nothing more", again)
	}
}

// A message of 64 KiB passes, over UDP and over a connection, octet for octet; a longer one
// has no room in a datagram.
func TestLongest(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	overTCP := start(t, Config{Listen: []string{"tcp:127.0.0.1:0"}}, "tcp:"+l.Addr().String())
	phone, err := net.Dial("tcp", overTCP.Addr(0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer phone.Close()
	long := func(size int, via string) string {
		head := strings.Replace(strings.TrimSuffix(request("MESSAGE", "a"), "\r\n"), "SIP/2.0/UDP", "SIP/2.0/"+via, 1) + "Content-Type: text/plain\r\n"
		n := size - len(head) - len("Content-Length: 65000\r\n\r\n")
		return head + fmt.Sprintf("Content-Length: %d\r\n\r\n", n) + strings.Repeat("0123456789abcde\n", n/16+1)[:n]
	}
	body := func(m string) string { _, b, _ := strings.Cut(m, "\r\n\r\n"); return b }
	const most = MaxMessage - 1
	sent := long(most, "TCP")
	go func() { _, _ = phone.Write([]byte(sent)) }()
	pbx, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer pbx.Close()
	_ = pbx.SetReadDeadline(time.Now().Add(5 * time.Second))
	var got []byte
	b := make([]byte, 1<<16)
	for !strings.HasSuffix(string(got), body(sent)) {
		n, err := pbx.Read(b)
		if err != nil {
			t.Fatalf("%d octets: %v", len(got), err)
		}
		got = append(got, b[:n]...)
	}

	over, peer := newPeer(t), newPeer(t)
	p := start(t, Config{}, upstreamsOf(peer)...)
	const datagram = 65507 - 400 // what is added to it has room
	sent = long(datagram, "UDP")
	over.send(p.Addr(0), sent)
	if got := peer.recv(); body(got) != body(sent) || len(got) <= datagram {
		t.Errorf("got %d octets of %d", len(got), len(sent))
	}
}

// What is put before the first header is there, also when that is a Route that is taken
// out.
func TestRouteFirst(t *testing.T) {
	pbx, phone := newPeer(t), newPeer(t)
	p := start(t, Config{}, upstreamsOf(pbx)...)
	p.SetCallers([]Caller{aliceDesk})
	r := strings.Replace(request("INVITE", "r"), "Via:", "Route: <sip:"+p.Addr(0).String()+";lr>\r\nVia:", 1)
	phone.send(p.Addr(0), r)
	got := pbx.recv()
	if len(fields(got, "Record-Route")) != 1 || len(fields(got, "Max-Forwards")) != 1 || len(fields(got, "Route")) != 0 {
		t.Errorf("got\n%s", got)
	}
	phone.send(p.Addr(0), strings.Replace(helpCall("sip:911@pbx", "sip:alice@example.com", "h"), "Via:", "Route: <sip:"+p.Addr(0).String()+";lr>\r\nVia:", 1))
	got = pbx.recv()
	if len(fields(got, "Record-Route")) != 1 || len(fields(got, "Geolocation")) != 1 || len(fields(got, "Route")) != 0 {
		t.Errorf("got\n%s", got)
	}
}
