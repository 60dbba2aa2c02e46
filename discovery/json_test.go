package discovery_test

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"perch/discovery"
	"perch/sip"
)

func TestAppendJSON(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 1, 250_999, time.FixedZone("", 3600))
	for _, tc := range []struct {
		name     string
		o        discovery.Observation
		withFile bool
		want     string
	}{
		{
			"the design's example",
			discovery.Observation{
				Time: at, Frame: 4, File: "a.pcap", MAC: discovery.MAC{0, 0x15, 0x65, 0xaa, 0xbb, 0xcc}, Kind: discovery.KindARP,
				ARP: &discovery.ARP{Op: 1, SenderMAC: discovery.MAC{0, 0x15, 0x65, 0xaa, 0xbb, 0xcc}, SenderIP: netip.MustParseAddr("10.1.2.3"), TargetIP: netip.MustParseAddr("10.1.2.1")},
			},
			false,
			`{"frame":4,"time":"2026-03-02T08:00:01.000250Z","kind":"arp","mac":"00:15:65:aa:bb:cc","arp":{"op":1,"sender_mac":"00:15:65:aa:bb:cc","sender_ip":"10.1.2.3","target_ip":"10.1.2.1"}}`,
		},
		{
			"all that stands before the message",
			discovery.Observation{
				Time: at, Frame: 4, File: "a.pcap", Interface: "eth1", MAC: discovery.MAC{2}, Dst: discovery.MAC{4}, VLANs: []uint16{20, 110},
				SrcIP: netip.MustParseAddr("10.1.2.3"), DstIP: netip.MustParseAddr("10.1.2.1"), Malformed: "why", Kind: discovery.KindARP, ARP: &discovery.ARP{},
			},
			true,
			`{"file":"a.pcap","frame":4,"time":"2026-03-02T08:00:01.000250Z","kind":"arp","interface":"eth1","mac":"02:00:00:00:00:00","vlan":[20,110],"src":"10.1.2.3","dst":"10.1.2.1","malformed":"why","arp":{"op":0}}`,
		},
		{
			"text is neither escaped for HTML nor broken",
			discovery.Observation{
				Time: at, Kind: discovery.KindLLDP,
				LLDP: &discovery.LLDP{SystemName: "a<b>&\x00\"\n\xff", MED: &discovery.MED{Civic: &discovery.Civic{
					Country: "U\xff", Elements: []discovery.CivicElement{{Type: 3, Value: "<\">"}, {Type: 3, Value: "&"}},
				}}},
			},
			false,
			`{"frame":0,"time":"2026-03-02T08:00:01.000250Z","kind":"lldp","lldp":{"ttl":0,"system_name":"a<b>&\u0000\"\n\ufffd","med":{"civic":{"country":"U\ufffd","3":"<\">, &"}}}}`,
		},
		{
			"REGISTER without anything but zero Expires",
			discovery.Observation{Time: at, Kind: discovery.KindRegister, Register: &discovery.Register{
				Transport: "udp", Source: netip.AddrPortFrom(netip.Addr{}, 5060), Register: sip.Register{Expires: 0},
			}},
			false,
			`{"frame":0,"time":"2026-03-02T08:00:01.000250Z","kind":"register","register":{"transport":"udp","expires":0}}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.o.AppendJSON([]byte("before "), tc.withFile)
			if want := "before " + tc.want; err != nil || string(got) != want {
				t.Errorf("got  %s, %v\nwant %s", got, err, want)
			}
			if !json.Valid([]byte(tc.want)) {
				t.Error("what is wanted is no JSON")
			}
		})
	}
}

func TestMarshalJSON(t *testing.T) {
	o := &discovery.Observation{Frame: 1, File: "a.pcap", Kind: discovery.KindARP, ARP: &discovery.ARP{Op: 2}}
	got, err := json.Marshal(o)
	if want := `{"frame":1,"time":"0001-01-01T00:00:00.000000Z","kind":"arp","arp":{"op":2}}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}
