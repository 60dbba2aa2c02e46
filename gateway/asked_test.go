package gateway_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/sip"
)

// A MAC that is heard behind two ports in turn, which nobody has reported: each
// turn opens a question, but once each has been asked about a mail goes out once a
// day.
func TestOneMailADay(t *testing.T) {
	e, events := newEngine(t, &gateway.Memory{}, "company-claim-port")
	mac := discovery.MAC{0x00, 0x15, 0x65, 0xaa, 0x00, 0x01}
	relay := discovery.MAC{0x00, 0x1b, 0x0d, 0xaa, 0x00, 0x01}
	ip, giaddr := netip.MustParseAddr("10.1.2.21"), netip.MustParseAddr("10.1.2.1")
	start := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	const hours = 75
	for h := range hours {
		at := start.Add(time.Duration(h) * time.Hour)
		port := discovery.Hex(fmt.Sprintf("Gi1/0/%d", 7+h%2))
		see := func(o discovery.Observation) {
			o.Time, o.File = at, "mirror.pcap"
			e.Observe(&o)
		}
		xid := uint32(h + 1)
		see(discovery.Observation{Kind: discovery.KindDHCP, MAC: relay, SrcIP: giaddr, DHCP: &discovery.DHCP{
			Type: discovery.DHCPDiscover, Op: 1, XID: xid, Chaddr: mac, Giaddr: giaddr, CircuitID: port, RemoteID: "sw-9fl",
		}})
		see(discovery.Observation{Kind: discovery.KindDHCP, MAC: relay, SrcIP: giaddr, DHCP: &discovery.DHCP{
			Type: discovery.DHCPAck, Op: 2, XID: xid, Chaddr: mac, Yiaddr: ip, Giaddr: giaddr, SubnetBits: 24, LeaseSeconds: 7200, CircuitID: port, RemoteID: "sw-9fl",
		}})
		call := fmt.Sprint("call-", h)
		see(discovery.Observation{Kind: discovery.KindRegister, MAC: mac, SrcIP: ip, Register: &discovery.Register{
			Transport: "udp", Source: netip.AddrPortFrom(ip, 5060),
			Register: sip.Register{CallID: call, CSeq: 1, AOR: "sip:101@example.com", Expires: 3600, Contacts: []sip.Contact{{URI: "sip:101@10.1.2.21", Host: "10.1.2.21", Expires: 3600}}},
		}})
		see(discovery.Observation{Kind: discovery.KindRegisterResponse, MAC: relay, Response: &discovery.RegisterResponse{
			RegisterResponse: sip.RegisterResponse{Status: 200, CallID: call, CSeq: 1, AOR: "sip:101@example.com", Expires: 3600},
		}})
	}
	e.Settle()
	opened := 0
	var mailed []time.Duration
	for _, ev := range *events {
		switch ev.Name {
		case "prompt.opened":
			opened++
		case "mail.queued":
			mailed = append(mailed, ev.Time.Sub(start).Truncate(time.Hour))
		}
	}
	if opened != hours {
		t.Errorf("got %d questions, want %d: one for each turn", opened, hours)
	}
	want := []time.Duration{0, time.Hour, 25 * time.Hour, 49 * time.Hour, 73 * time.Hour}
	if fmt.Sprint(mailed) != fmt.Sprint(want) {
		t.Errorf("got mails after %v, want %v", mailed, want)
	}
}

// What a hostile wire was refused is counted.
func TestForgeriesAreCounted(t *testing.T) {
	for story, want := range map[string]discovery.Stats{
		"forged-arp": {Displaced: 62}, // two frames a minute for half an hour
		"forged-ack": {Unasked: 4},
	} {
		e, _ := newEngine(t, &gateway.Memory{}, story)
		for _, o := range observations(t, story) {
			e.Observe(o)
		}
		if got := e.Bounds(); got != want {
			t.Errorf("%s: got %+v, want %+v", story, got, want)
		}
	}
}
