package proxy

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// minimal are the shortest requests that are answered here, and why.
func minimal(us string) map[string]string {
	short := func(method, uri string, more ...string) string {
		return compose(append([]string{method + " " + uri + " SIP/2.0", "v:SIP/2.0/UDP a;rport;branch=z9hG4bK1", "f:<sip:a@b>;tag=1", "t:<sip:b>", "i:x", "CSeq:1 " + method}, more...)...)
	}
	return map[string]string{
		"400, nothing at all":      "A sip:a SIP/2.0\r\n\r\n",
		"400, one letter":          "A sip:a SIP/2.0\r\nv:SIP/2.0/UDP a\r\ni:x\r\n\r\n",
		"400, a header twice":      short("A", "sip:a", "i:y"),
		"400, no colon":            short("A", "sip:a", "x"),
		"400, a length":            short("A", "sip:a", "l:9"),
		"400, From":                strings.Replace(short("A", "sip:a"), "f:<sip:a@b>;tag=1", "f:a", 1),
		"400, Call-ID":             strings.Replace(short("A", "sip:a"), "i:x", "i:", 1),
		"400, a start line":        short("A", "<sip:a>"),
		"200, are you there":       short("OPTIONS", "sip:"+us),
		"403, an entry":            short("A", "sip:a", "Route:<sip:A@"+us+">"),
		"416, a scheme":            short("A", "a:b"),
		"420, an extension":        short("A", "sip:a", "Proxy-Require:a"),
		"420, a long one":          short("A", "sip:a", "Proxy-Require:"+strings.Repeat("a", 300)),
		"483, no hops":             short("A", "sip:a", "Max-Forwards:0"),
		"505, a version":           strings.Replace(short("A", "sip:a"), "SIP/2.0\r\n", "SIP/3\r\n", 1),
		"many Vias":                short("A", "sip:a", strings.Repeat("v:SIP/2.0/UDP a\r\n", 50)+"Max-Forwards:0"),
		"a Via that says received": strings.Replace(short("A", "sip:a", "Max-Forwards:0"), ";rport", ";rport;received=1.1.1.1", 1),
	}
}

// TestAmplification sends requests from an address that nobody registers from and wants
// no more octets back than it sent, for each of them (THREATS 2.7); and none at all from
// outside of the allowed networks, whatever it is.
func TestAmplification(t *testing.T) {
	pbx := newPeer(t)
	p := start(t, Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}}, "udp:"+pbx.addr().String())
	all := minimal(p.Addr(0).String())
	for name, x := range torture(t) {
		all["RFC 4475, "+name] = string(x.message)
	}
	inside, outside := newPeerAt(t, "127.0.0.2"), newPeerAt(t, "127.0.0.3")
	last := strings.Replace(request("OPTIONS", "last"), "sip:1@pbx.example.com", "sip:"+p.Addr(0).String(), 1)
	in, out, worst, answered := 0, 0, 0.0, 0
	for _, name := range slices.Sorted(maps.Keys(all)) {
		m := all[name]
		outside.send(p.Addr(0), m)
		inside.send(p.Addr(0), m)
		inside.send(p.Addr(0), last) // whose answer comes behind that of the other
		got := 0
		for a := inside.recv(); !strings.Contains(a, "Call-ID: last\r\n"); a = inside.recv() {
			got += len(a)
			answered++
		}
		ratio := float64(got) / float64(len(m))
		if ratio > 1 {
			t.Errorf("%s: %d octets were answered by %d", name, len(m), got)
		}
		in, out, worst = in+len(m), out+got, max(worst, ratio)
	}
	t.Logf("%d requests, %d answered: %d octets in, %d out; the worst: %.2f", len(all), answered, in, out, worst)
	if answered < len(all)/3 {
		t.Errorf("%d of %d were answered: that shows little", answered, len(all))
	}
	outside.silent()
	inside.silent()
}

// What is left out of an answer depends on who asks: over TCP, and for a phone that
// registers, nothing is.
func TestAnswerWhole(t *testing.T) {
	const short = "A sip:a SIP/2.0\r\nv:SIP/2.0/UDP a\r\nf:<sip:a@b>;tag=1\r\nt:<sip:b>\r\ni:x\r\nCSeq:1 A\r\nMax-Forwards:0\r\n\r\n"
	for _, tc := range []struct {
		known bool
		want  []string
	}{
		{false, []string{"SIP/2.0 483 \r\nv:SIP/2.0/UDP a;received=10.0.0.9\r\nf:<sip:a@b>;tag=1\r\nt:<sip:b>\r\ni:x\r\nCSeq:1 A\r\n\r\n"}},
		{true, []string{"Too Many Hops", ";tag=", "Content-Length: 0\r\n"}},
	} {
		b := newBench()
		if tc.known {
			b.w.admission.accept(sourceOf(limited.peer.Addr()), 1, 0)
		}
		sent := b.receive(limited, 0, short)
		if len(sent) != 1 {
			t.Fatalf("known %t: got %d answers", tc.known, len(sent))
		}
		for _, w := range tc.want {
			if !strings.Contains(sent[0], w) {
				t.Errorf("known %t: got\n%s\nwant %q in it", tc.known, sent[0], w)
			}
		}
	}
	p := start(t, Config{Listen: []string{"tcp:127.0.0.1:0"}}, "tcp:127.0.0.1:9")
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", p.Addr(0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = fmt.Fprint(c, short)
	in := make([]byte, 1000)
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := c.Read(in); err != nil || !strings.Contains(string(in[:n]), "Content-Length: 0\r\n\r\n") {
		t.Errorf("over TCP got %v %q", err, in[:n])
	}
}
