package proxy

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// A line is shown on the phone that it is for, in the way of its vendor, until the phone
// says that it has it; not on another phone with the same line.
func TestShow(t *testing.T) {
	for _, tc := range []struct{ agent, method, kind, text string }{
		{"Phone 1.0", "MESSAGE", "text/plain;charset=UTF-8", "Where & why?"},
		{"snom370/8.7.5.48", "NOTIFY", "application/snomxml", "<Text>Where &amp; why?</Text>"},
		{"Yealink SIP-T42S 66.84.0.125", "NOTIFY", "application/xml", "<Message>Where &amp; why?</Message>"},
		{"Mitel-6920-SIP/6.4.0.140", "NOTIFY", "application/xml", "<Message index=\"0\">Where &amp; why?</Message>"},
	} {
		t.Run(tc.agent, func(t *testing.T) {
			pbx, phone, other := newPeer(t), newPeer(t), newPeer(t)
			p := start(t, Config{}, upstreamsOf(pbx)...)
			for _, x := range []*peer{phone, other} {
				x.send(p.Addr(0), register("sip:101@example.com", "r"+x.addr().String(), 1, x.addr(), "User-Agent: "+tc.agent))
				got := pbx.recv()
				pbx.respond(got, "200 OK", "Contact: "+field(t, got, "Contact")+";expires=300")
				wantStatus(t, x.recv(), "200")
			}
			p.SetCallers([]Caller{{Phone: "00:15:65:aa:00:01", Sources: []netip.Addr{phone.addr().Addr()}, AORs: []string{"sip:101@example.com"}, Contacts: []string{"sip:101@" + phone.addr().String()}}})
			if n := p.Show(Notice{"00:15:65:aa:00:02", "x"}); n != 0 {
				t.Errorf("shown %d times on a phone that is not known", n)
			}
			if n := p.Show(Notice{"00:15:65:aa:00:01", "Where & why?"}); n != 1 {
				t.Fatalf("shown %d times, want once", n)
			}
			got := phone.recv()
			if !strings.HasPrefix(got, tc.method+" sip:101@"+phone.addr().String()+" SIP/2.0\r\n") || field(t, got, "Content-Type") != tc.kind || !strings.Contains(got, tc.text) {
				t.Errorf("got\n%s", got)
			}
			if again := phone.recv(); again != got {
				t.Errorf("again got\n%s\nwant the same", again)
			}
			phone.respond(got, "200 OK")
			for range 100 {
				if p.Counts().Shown == 1 {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if c := p.Counts(); c.Shown != 1 || c.NotShown != 0 {
				t.Errorf("got %+v", c)
			}
			other.silent()
			p.own.mu.Lock()
			defer p.own.mu.Unlock()
			if len(p.own.byKey) != 0 {
				t.Error("it is sent again, though it was answered")
			}
		})
	}
}
