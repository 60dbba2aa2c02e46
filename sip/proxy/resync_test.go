package proxy

import (
	"net/netip"
	"strings"
	"testing"
)

// A phone that registered through us is told to look for its configuration, in the way of its
// vendor, and what it answers is known; one that did not is not.
func TestResync(t *testing.T) {
	for _, tc := range []struct {
		agent, event string
		reboot       bool
	}{
		{"Yealink SIP-T42S 66.84.0.125", "check-sync;reboot=false", false},
		{"snomD785/10.1.84.12", "check-sync;reboot=true", true},
		{"PolycomVVX-VVX_450-UA/6.4.3.5018", "check-sync", true},
		{"Cisco/SPA525G-7.4.9a", "resync", false},
		{"Cisco-CP-8841-3PCC/11.0", "reboot", true},
		{"", "check-sync;reboot=false", false},
	} {
		t.Run(tc.agent, func(t *testing.T) {
			pbx, phone := newPeer(t), newPeer(t)
			p := start(t, Config{}, upstreamsOf(pbx)...)
			const mac = "00:15:65:aa:00:01"
			told := make(chan Resynced, 4)
			p.Resync(Resync{ID: 1, Phone: mac}, func(r Resynced) { told <- r })
			if got := <-told; got != (Resynced{ID: 1}) {
				t.Errorf("of a phone that is not registered: got %+v", got)
			}
			phone.send(p.Addr(0), register("sip:101@example.com", "r1", 1, phone.addr(), "User-Agent: "+tc.agent))
			got := pbx.recv()
			pbx.respond(got, "200 OK", "Contact: "+field(t, got, "Contact")+";expires=300")
			wantStatus(t, phone.recv(), "200")
			p.SetCallers([]Caller{{Phone: mac, Sources: []netip.Addr{phone.addr().Addr()}, AORs: []string{"sip:101@example.com"}, Contacts: []string{"sip:101@" + phone.addr().String()}}})
			p.Resync(Resync{ID: 2, Phone: mac, Reboot: tc.reboot}, func(r Resynced) { told <- r })
			if got := <-told; got != (Resynced{ID: 2, Sent: 1}) {
				t.Errorf("got %+v", got)
			}
			got = phone.recv()
			if !strings.HasPrefix(got, "NOTIFY sip:101@"+phone.addr().String()+" SIP/2.0\r\n") || field(t, got, "Event") != tc.event || field(t, got, "Subscription-State") != "terminated" {
				t.Errorf("got\n%s", got)
			}
			phone.respond(got, "403 Forbidden")
			if got := <-told; got != (Resynced{ID: 2, Sent: 1, Status: 403}) {
				t.Errorf("got %+v", got)
			}
		})
	}
}
