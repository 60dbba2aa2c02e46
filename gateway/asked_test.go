package gateway_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/sip"
)

// reply is what is answered in TestOneMailADay.
type reply int

const (
	none    reply = iota
	first         // where the phone is, once
	denials       // then that it has not moved, whenever it is asked about
	each          // where it is, each time
)

// A MAC that is heard behind one port after another, a new one each hour: a mail
// goes out at once, and then one a day. What waits is mailed if the phone is
// still there.
func TestOneMailADay(t *testing.T) {
	const day = 24
	for _, c := range []struct {
		name   string
		port   func(hour int) int
		hours  int
		answer reply // within the hour
		want   []int
	}{
		{"between two ports", func(h int) int { return h % 2 }, 3*day + 3, none, []int{0, 1, 25, 49, 73}},
		{"between its own and another", func(h int) int { return h % 2 }, 3*day + 3, first, []int{0, 1, 25, 49, 73}},
		{"from its own to port after port", func(h int) int { return h }, 2*day + 3, first, []int{0, 1, 25, 49}},
		{"from port to port", func(h int) int { return h }, 2*day + 3, none, []int{0, 1, 25, 49}},
		{"from port to port, and each time it has not moved", func(h int) int { return h }, 2*day + 3, denials, []int{0, 1, 25, 49}},
		{"carried about, and each time somebody says where it is", func(h int) int { return h }, 4, each, []int{0, 1, 2, 3}},
		{"three ports, and then it stays", func(h int) int { return min(h, 2) }, 2*day + 3, none, []int{0, 1, 25}},
		{"two ports, and then it stays", func(h int) int { return min(h, 1) }, 2*day + 3, none, []int{0, 1}},
		{"a new port each day", func(h int) int { return h / day }, 4 * day, none, []int{0, 24, 48, 72}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newDesk(t, "company-claim-port", gateway.DefaultPolicy(), nil)
			start := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
			for h := range c.hours {
				at := start.Add(time.Duration(h) * time.Hour)
				plugs(e.Engine, at, uint32(h+1), fmt.Sprintf("Gi1/0/%d", 7+c.port(h)))
				e.restart()
				e.Advance(at.Add(10 * time.Minute))
				q := e.Explain("00:15:65:aa:00:01")[0].Prompt
				r := gateway.Reply{Kind: gateway.AnswerCompany, Location: "hq-307", By: "alice@example.com"}
				switch {
				case q == nil, c.answer == none, c.answer == first && h > 0:
					continue
				case c.answer == denials && h > 0:
					r = gateway.Reply{Kind: gateway.AnswerNotMoved, By: "alice@example.com"}
				}
				r.Prompt = q.ID
				if err := e.Answer(r); err != nil {
					t.Fatal(err)
				}
			}
			e.Settle()
			var got []int
			var last time.Time
			for _, ev := range *e.said {
				if ev.Name == "mail.queued" && bytes.Contains(ev.Data, []byte(`"purpose":"prompt"`)) {
					got, last = append(got, int(ev.Time.Sub(start)/time.Hour)), ev.Time
				}
			}
			x, wait := e.Explain("00:15:65:aa:00:01")[0], time.Time{}
			if x.Prompt != nil && x.Prompt.Opened.After(last) {
				wait = last.Add(24 * time.Hour)
			}
			if !x.MailAt.Equal(wait) {
				t.Errorf("the mail of prompt %v waits until %v, want %v", x.Prompt, x.MailAt, wait)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got mails after %d hours, want %d", got, c.want)
			}
		})
	}
}

// plugs has Alice's phone boot and register behind a port that its relay names.
func plugs(e *gateway.Engine, at time.Time, n uint32, port string) {
	mac := discovery.MAC{0x00, 0x15, 0x65, 0xaa, 0x00, 0x01}
	relay := discovery.MAC{0x00, 0x1b, 0x0d, 0xaa, 0x00, 0x01}
	ip, giaddr := netip.MustParseAddr("10.1.2.21"), netip.MustParseAddr("10.1.2.1")
	see := func(o discovery.Observation) {
		o.Time, o.File = at, "mirror.pcap"
		e.Observe(&o)
	}
	see(discovery.Observation{Kind: discovery.KindDHCP, MAC: relay, SrcIP: giaddr, DHCP: &discovery.DHCP{
		Type: discovery.DHCPDiscover, Op: 1, XID: n, Chaddr: mac, Giaddr: giaddr, CircuitID: discovery.Hex(port), RemoteID: "sw-9fl",
	}})
	see(discovery.Observation{Kind: discovery.KindDHCP, MAC: relay, SrcIP: giaddr, DHCP: &discovery.DHCP{
		Type: discovery.DHCPAck, Op: 2, XID: n, Chaddr: mac, Yiaddr: ip, Giaddr: giaddr, SubnetBits: 24, LeaseSeconds: 7200,
		CircuitID: discovery.Hex(port), RemoteID: "sw-9fl",
	}})
	call := fmt.Sprint("call-", n)
	see(discovery.Observation{Kind: discovery.KindRegister, MAC: mac, SrcIP: ip, Register: &discovery.Register{
		Transport: "udp", Source: netip.AddrPortFrom(ip, 5060),
		Register: sip.Register{CallID: call, CSeq: 1, AOR: "sip:101@example.com", Expires: 3600, Contacts: []sip.Contact{{URI: "sip:101@10.1.2.21", Host: "10.1.2.21", Expires: 3600}}},
	}})
	see(discovery.Observation{Kind: discovery.KindRegisterResponse, MAC: relay, Response: &discovery.RegisterResponse{
		RegisterResponse: sip.RegisterResponse{Status: 200, CallID: call, CSeq: 1, AOR: "sip:101@example.com", Expires: 3600},
	}})
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
