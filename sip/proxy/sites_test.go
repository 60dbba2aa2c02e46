package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"perch/location"
)

// policySite is a proxy that knows Alice's desk, a phone there and a PBX; the phone
// is at site hq, of which s says more.
func policySite(t *testing.T, s Site) (p *Proxy, phone, pbx *peer, told chan EmergencyCall) {
	t.Helper()
	phone, pbx, told = newPeer(t), newPeer(t), make(chan EmergencyCall, 20)
	s.Name, s.Prefixes = "hq", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	p = start(t, Config{Sites: []Site{{Name: "all", Prefixes: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}, s}, Emergency: func(c EmergencyCall) { told <- c }}, upstreamsOf(pbx)...)
	desk := aliceDesk
	desk.Sources, desk.ELIN = []netip.Addr{phone.addr().Addr()}, "+1 555-0199"
	p.SetCallers([]Caller{desk})
	return p, phone, pbx, told
}

const ownLocation = "Geolocation: <cid:own@phone>\r\nGeolocation-Routing: no\r\n"

// withOwn is a call for help whose phone tells its own location.
func withOwn(id string) string {
	return strings.Replace(helpCall("sip:911@example.com", "sip:alice@example.com", id), "X-Odd", ownLocation+"X-Odd", 1)
}

// What a site says of numbers and locations.
func TestSitePolicy(t *testing.T) {
	for _, tc := range []struct {
		name    string
		site    Site
		call    string
		help    bool   // it is a call for help
		located bool   // with our location
		own     bool   // with the phone's
		why     string // no location of ours
	}{
		{"as everywhere", Site{}, helpCall("sip:911@example.com", "sip:alice@example.com", "a"), true, true, false, ""},
		{"numbers of its own", Site{Numbers: []string{"110"}}, helpCall("sip:110@example.com", "sip:alice@example.com", "b"), true, true, false, ""},
		{"no others then", Site{Numbers: []string{"110"}}, helpCall("sip:911@example.com", "sip:alice@example.com", "c"), false, false, false, ""},
		{"but the service", Site{Numbers: []string{"110"}}, helpCall("urn:service:sos.fire", "sip:alice@example.com", "d"), true, true, false, ""},
		{"the phone's own", Site{}, withOwn("e"), true, false, true, "the phone's own location was passed"},
		{"ours in its place", Site{Geolocation: ReplaceGeolocation}, withOwn("f"), true, true, false, ""},
		{"none", Site{Geolocation: NoGeolocation}, helpCall("sip:911@example.com", "sip:alice@example.com", "g"), true, false, false, "the site sends none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, phone, pbx, told := policySite(t, tc.site)
			phone.send(p.Addr(0), tc.call)
			got := pbx.recv()
			pbx.respond(got, "486 Busy Here")
			phone.recv()
			if help := len(told) > 0; help != tc.help {
				t.Fatalf("a call for help: got %v", help)
			}
			if located := strings.Contains(got, "Content-Type: application/pidf+xml"); located != tc.located {
				t.Errorf("with a location of ours: got %v\n%s", located, got)
			}
			if own := strings.Contains(got, ownLocation); own != tc.own {
				t.Errorf("with the phone's location: got %v\n%s", own, got)
			}
			if n := len(fields(got, "Geolocation")); n > 1 {
				t.Errorf("%d headers Geolocation in\n%s", n, got)
			}
			if tc.help {
				if c := <-told; c.Why != tc.why || c.Site != "hq" {
					t.Errorf("told %q of site %q, want %q", c.Why, c.Site, tc.why)
				}
			}
		})
	}
}

// Who is not known is where its site is.
func TestUnknownCaller(t *testing.T) {
	p, phone, pbx, told := policySite(t, Site{})
	p.SetCallers(nil)
	p.SetPlaces([]Place{{Site: "all", Location: "x"}, {Site: "hq", Location: "hq-lobby", Address: location.CivicAddress{Country: "US", City: "Springfield", Additional: "Lobby"}}})
	phone.send(p.Addr(0), helpCall("sip:911@example.com", "sip:nobody@example.com", "a"))
	byType, _ := parts(t, pbx.recv())
	if !strings.Contains(byType["application/pidf+xml"], "<cl:LOC>Lobby</cl:LOC>") {
		t.Errorf("got %q", byType)
	}
	if c := <-told; c.Found != "site" || c.Caller == nil || !c.Caller.Unlocated || c.Caller.Location != "hq-lobby" {
		t.Errorf("told %+v", c)
	}
}

// Of a phone that has just come, and has no place yet, its site's is told as well: it is
// known better than who is not known at all.
func TestNewCaller(t *testing.T) {
	p, phone, pbx, told := policySite(t, Site{})
	p.SetCallers([]Caller{{Phone: "00:04:13:aa:00:01", Site: "hq", Sources: []netip.Addr{phone.addr().Addr()}, AORs: []string{"sip:alice@example.com"}, Moving: true}})
	p.SetPlaces([]Place{{Site: "hq", Location: "hq-lobby", Address: location.CivicAddress{Country: "US", City: "Springfield", Additional: "Lobby"}}})
	phone.send(p.Addr(0), helpCall("sip:911@example.com", "sip:alice@example.com", "a"))
	byType, _ := parts(t, pbx.recv())
	if !strings.Contains(byType["application/pidf+xml"], "<cl:LOC>Lobby</cl:LOC>") {
		t.Errorf("got %q", byType)
	}
	if c := <-told; c.Found != "source" || c.Caller == nil || c.Caller.Phone == "" || !c.Caller.Unlocated || !c.Caller.Moving || c.Caller.Location != "hq-lobby" {
		t.Errorf("told %+v", c)
	}
}

// A call goes out with the number of its location, and who calls that number back
// reaches the phone. A PBX that refuses the location gets the number alone, then what
// the phone wrote.
func TestELIN(t *testing.T) {
	p, phone, pbx, told := policySite(t, Site{ELIN: true})
	call := strings.Replace(helpCall("sip:911@example.com", "sip:alice@example.com", "a"), "X-Odd", "P-Preferred-Identity: <sip:alice@example.com>\r\nX-Odd", 1)
	phone.send(p.Addr(0), call)
	const identity = "<sip:+15550199@example.com;user=phone>"
	got := pbx.recv()
	if id := field(t, got, "P-Asserted-Identity"); id != identity || len(fields(got, "P-Preferred-Identity")) != 0 || !strings.Contains(got, "pidf+xml") {
		t.Fatalf("got P-Asserted-Identity %q in\n%s", id, got)
	}
	if f := field(t, got, "From"); f != "<sip:alice@example.com>;tag=1" {
		t.Errorf("got From %q, want it as it was", f)
	}
	pbx.respond(got, "415 Unsupported Media Type")
	pbx.recv() // ACK
	second := pbx.recv()
	if id := field(t, second, "P-Asserted-Identity"); id != identity || strings.Contains(second, "pidf+xml") {
		t.Errorf("got P-Asserted-Identity %q in\n%s", id, second)
	}
	pbx.respond(second, "400 Bad Request")
	pbx.recv() // ACK
	third := pbx.recv()
	if len(fields(third, "P-Asserted-Identity")) != 0 || len(fields(third, "P-Preferred-Identity")) != 1 {
		t.Errorf("got\n%s\nwant what the phone wrote", third)
	}
	pbx.respond(third, "200 OK")
	wantStatus(t, phone.recv(), "200")
	if c := <-told; c.ELIN != "+1 555-0199" {
		t.Errorf("told ELIN %q", c.ELIN)
	}
	if list := p.bindings.of(elinKey("15550199"), time.Now()); len(list) != 0 {
		t.Errorf("nobody has the number, and it leads to %+v", list)
	}
	phone.send(p.Addr(0), helpCall("sip:911@example.com", "sip:alice@example.com", "b"))
	pbx.respond(pbx.recv(), "180 Ringing")
	wantStatus(t, phone.recv(), "180")
	// Who reads the location back, or is not let in, does not take the call.
	other := newPeer(t)
	for i, status := range []string{"180 Ringing", "407 Proxy Authentication Required"} {
		other.send(p.Addr(0), strings.ReplaceAll(helpCall([]string{"sip:933@example.com", "sip:911@example.com"}[i], "sip:alice@example.com", fmt.Sprint("o", i)), "192.0.2.9:5062", other.addr().String()))
		pbx.respond(pbx.recv(), status)
		wantStatus(t, other.recv(), status[:3])
	}

	back := func(number, id string) string {
		return compose("INVITE sip:"+number+"@"+p.Addr(0).String()+" SIP/2.0", "Via: SIP/2.0/UDP "+pbx.addr().String()+";branch=z9hG4bK"+id, "From: <sip:psap@example.com>;tag=9",
			"To: <sip:"+number+"@example.com>", "Call-ID: "+id, "CSeq: 1 INVITE")
	}
	pbx.send(p.Addr(0), back("15550199", "k"))
	phone.from = netip.AddrPort{}
	got = phone.recv()
	if !strings.HasPrefix(got, "INVITE sip:alice@192.0.2.9:5062 SIP/2.0\r\n") || len(fields(got, "Record-Route")) != 1 {
		t.Errorf("got\n%s\nwant the call back", got)
	}
	pbx.send(p.Addr(0), strings.Replace(back("15550199", "k"), "INVITE", "CANCEL", 2))
	if c := phone.recv(); !strings.HasPrefix(c, "CANCEL sip:alice@192.0.2.9:5062 ") || fields(c, "Via")[0] != fields(got, "Via")[0] {
		t.Errorf("got\n%s", c)
	}
	pbx.send(p.Addr(0), back("15550198", "l"))
	wantStatus(t, pbx.recv(), "404")
	if list := p.bindings.of(elinKey("+1 555 0199"), time.Now().Add(callBackFor+time.Minute)); len(list) != 0 {
		t.Errorf("after a while there is %+v", list)
	}
	// What is kept of it is kept over a restart, and is nobody's line.
	kept, _ := p.Bindings(true)
	q := start(t, Config{}, upstreamsOf(pbx)...)
	q.SetBindings(kept)
	if list := q.bindings.of(elinKey("15550199"), time.Now()); len(list) != 1 || len(q.bindings.of("sip:15550199@example.com", time.Now())) != 0 {
		t.Errorf("got %+v", fmt.Sprint(list))
	}
}

// A phone that has another connection since it called is called back by that.
func TestELINElsewhere(t *testing.T) {
	pbx := newPeer(t)
	p := start(t, Config{Listen: []string{"tcp:127.0.0.1:0", "udp:127.0.0.1:0"}, Sites: []Site{{Name: "hq", Prefixes: PrivateNetworks, ELIN: true}}}, upstreamsOf(pbx)...)
	desk := aliceDesk
	desk.ELIN = "5550199"
	p.SetCallers([]Caller{desk})
	dial := func(message string) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", p.Addr(0).String())
		if err == nil {
			_, err = c.Write([]byte(strings.Replace(message, "SIP/2.0/UDP", "SIP/2.0/TCP", 1)))
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := dial(helpCall("sip:911@example.com", "sip:alice@example.com", "a"))
	pbx.respond(pbx.recv(), "200 OK")
	readMessage(t, c)
	_ = c.Close()
	c = dial(compose("REGISTER sip:example.com SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bKr", "From: <sip:alice@example.com>;tag=1", "To: <sip:alice@example.com>", "Call-ID: r",
		"CSeq: 1 REGISTER", "Contact: <sip:alice@192.0.2.9:5062>", "Content-Length: 0"))
	defer c.Close()
	got := pbx.recv()
	for !strings.HasPrefix(got, "REGISTER ") {
		got = pbx.recv()
	}
	pbx.respond(got, "200 OK", "Contact: <sip:alice@192.0.2.9:5062>;expires=300", "Content-Length: 0")
	wantStatus(t, readMessage(t, c), "200")
	pbx.send(p.Addr(1), compose("INVITE sip:5550199@"+p.Addr(1).String()+" SIP/2.0", "Via: SIP/2.0/UDP "+pbx.addr().String()+";branch=z9hG4bKk", "From: <sip:psap@example.com>;tag=9",
		"To: <sip:5550199@example.com>", "Call-ID: k", "CSeq: 1 INVITE", "Content-Length: 0"))
	if got := readMessage(t, c); !strings.HasPrefix(got, "INVITE sip:alice@192.0.2.9:5062 ") {
		t.Errorf("got\n%s", got)
	}
}
