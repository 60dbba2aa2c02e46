package sip

import (
	"fmt"
	"testing"
)

func TestParseVia(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1", "192.0.2.7 invalid IP 0"},
		{"SIP/2.0/UDP 10.1.2.3;rport=40012;received=203.0.113.5;branch=x", "10.1.2.3 203.0.113.5 40012"},
		{"SIP/2.0/TCP 10.1.2.3:5062;Received=203.0.113.5;RPORT;branch=x", "10.1.2.3 203.0.113.5 0"},
		{"SIP / 2.0 / UDP  192.0.2.7 : 5060 ;received = 203.0.113.5", "192.0.2.7 203.0.113.5 0"},
		{"SIP/2.0/UDP [2001:DB8::7]:5060;received=2001:db8::8", "2001:db8::7 2001:db8::8 0"},
		{"SIP/2.0/UDP [2001:db8::7];received=[2001:db8::8]", "2001:db8::7 2001:db8::8 0"},
		{"SIP/2.0/UDP 2001:db8::7;branch=x", "2001:db8::7 invalid IP 0"},
		{"SIP/2.0/TLS Phone.example.com;received=nonsense;rport=99999", "phone.example.com invalid IP 0"},
		{"SIP/2.0/UDP ;branch=x", ""},
		{"SIP/2.0/UDP a b c;branch=x", "abc invalid IP 0"},
		{"SIP/2.0/UDP \"x\"", ""},
		{"nonsense", ""},
		{"", ""},
	} {
		v, ok := ParseVia(tc.in)
		got := fmt.Sprintf("%s %s %d", v.Host, v.Received, v.RPort)
		if !ok {
			got = ""
		}
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestPathReceived(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"<sip:edge.example.com;lr;received=sip:203.0.113.5:40012>", "203.0.113.5"},
		{"<sip:edge.example.com;lr;received=sip:203.0.113.5:40012%3Btransport%3Dtcp>;x=y", "203.0.113.5"},
		{"<sip:edge.example.com;lr;received=sip%3A203.0.113.5%3A40012>", "203.0.113.5"},
		{"<sip:a@192.0.2.1:5070;Received=203.0.113.5;lr>", "203.0.113.5"},
		{"<sip:edge;lr;received=sip:[2001:db8::7]:5060>", "2001:db8::7"},
		{"<sip:edge;lr>;received=203.0.113.5", "invalid IP"}, // the header's parameter, which nobody defines
		{"<sip:edge;lr;received=%zz>", "invalid IP"},
		{"<sip:edge;lr;received=sip:phone.example.com>", "invalid IP"},
		{"<sip:edge;lr>", "invalid IP"},
		{"", "invalid IP"},
	} {
		if got := PathReceived(tc.in).String(); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.in, got, tc.want)
		}
	}
}
