package discovery_test

import (
	"net/netip"
	"testing"

	"perch/discovery"
	"perch/sip"
)

// nobody is a directory without entries.
type nobody struct{}

func (nobody) PhoneListed(discovery.MAC) bool                     { return false }
func (nobody) PhonesOfAOR(sip.AOR) []discovery.MAC                { return nil }
func (nobody) AORListed(sip.AOR) bool                             { return false }
func (nobody) SiteSubnet(string, netip.Addr) (netip.Prefix, bool) { return netip.Prefix{}, false }

// TestPlaceOf: where a phone is that registers straight, through NAT and through
// proxies, and where nobody can tell.
func TestPlaceOf(t *testing.T) {
	const unknown = "invalid IP"
	for _, tc := range []struct {
		name, source string
		via, path    []string // the hosts, top first
		contact      string
		ip, public   string // empty: none
	}{
		{"straight", "10.1.2.20", []string{"10.1.2.20"}, nil, "10.1.2.20", "10.1.2.20", ""},
		{"through NAT", "203.0.113.5", []string{"192.168.1.20"}, nil, "192.168.1.20", "192.168.1.20", "203.0.113.5"},
		{"through NAT, a contact learned by STUN", "203.0.113.5", []string{"192.168.1.20"}, nil, "203.0.113.5", "203.0.113.5", ""},
		{"STUN, seen from inside", "10.1.2.20", []string{"203.0.113.5"}, nil, "203.0.113.5", "10.1.2.20", ""},
		{"names", "10.1.2.20", []string{"phone.example.com"}, nil, "phone.example.com", "10.1.2.20", ""},
		{"a phone's own word in received", "10.1.2.20", []string{"10.1.2.20;received=203.0.113.9"}, nil, "10.1.2.20", "10.1.2.20", ""},
		{"no Via", "10.1.2.20", nil, nil, "10.1.2.20", "10.1.2.20", ""},
		{"a Via that cannot be read", "10.1.2.20", []string{""}, nil, "10.1.2.20", "10.1.2.20", ""},

		{"edge proxy", "198.51.100.1", []string{"198.51.100.1", "192.168.1.20;rport=40012;received=203.0.113.5"}, nil, "192.168.1.20", "192.168.1.20", "203.0.113.5"},
		{"edge proxy with a private inner leg", "10.0.0.7", []string{"10.0.0.7", "192.168.1.20;rport=40012;received=203.0.113.5"}, nil, "192.168.1.20", "192.168.1.20", "203.0.113.5"},
		{"edge proxy that repairs the contact", "198.51.100.1", []string{"198.51.100.1", "192.168.1.20;received=203.0.113.5"}, nil, "203.0.113.5", "203.0.113.5", ""},
		{"two proxies", "198.51.100.2", []string{"198.51.100.2", "198.51.100.1", "192.168.1.20;received=203.0.113.5"}, nil, "192.168.1.20", "192.168.1.20", "203.0.113.5"},
		{"proxy of the same site", "10.1.0.6", []string{"10.1.0.6", "10.1.2.20"}, nil, "10.1.2.20", "10.1.2.20", ""},
		{"proxy of the same site, a phone with a name", "10.1.0.6", []string{"10.1.0.6", "phone.local;received=10.1.2.20"}, nil, "10.1.2.20", "10.1.2.20", ""},
		{"proxy of a branch, behind its NAT", "203.0.113.5", []string{"10.1.0.6", "10.1.2.20"}, nil, "10.1.2.20", "10.1.2.20", "203.0.113.5"},
		{"and another after it", "198.51.100.1", []string{"198.51.100.1", "10.1.0.6;received=203.0.113.5", "10.1.2.20"}, nil, "10.1.2.20", "10.1.2.20", "203.0.113.5"},
		{"public phone", "198.51.100.1", []string{"198.51.100.1", "203.0.113.20"}, nil, "203.0.113.20", "203.0.113.20", ""},
		{"a public proxy that says nothing", "198.51.100.1", []string{"198.51.100.1", "192.168.1.20"}, nil, "192.168.1.20", unknown, ""},
		{"a proxy that says nothing of a name", "198.51.100.1", []string{"198.51.100.1", "phone.local"}, nil, "phone.local", unknown, ""},
		{"received is nonsense of loopback", "198.51.100.1", []string{"198.51.100.1", "192.168.1.20;received=127.0.0.1"}, nil, "192.168.1.20", unknown, ""},

		{"Path for a name", "198.51.100.1", []string{"198.51.100.1", "phone.local"}, []string{"<sip:edge;lr;received=sip:203.0.113.5:40012>"}, "192.168.1.20", "192.168.1.20", "203.0.113.5"},
		{"Path, the Via hidden", "198.51.100.1", []string{"198.51.100.1"}, []string{"<sip:core;lr>", "<sip:edge;lr;received=sip:203.0.113.5:40012>"}, "192.168.1.20", "192.168.1.20", "203.0.113.5"},
		{"Path without a word", "198.51.100.1", []string{"198.51.100.1", "192.168.1.20;received=203.0.113.5"}, []string{"<sip:198.51.100.1;lr>"}, "192.168.1.20", "192.168.1.20", "203.0.113.5"},

		{"IPv6", "2001:db8:1::20", []string{"[2001:db8:1::20]:5060"}, nil, "2001:db8:1::20", "2001:db8:1::20", ""},
		{"IPv6, a temporary address", "2001:db8:1::c0de", []string{"[2001:db8:1::20]:5060"}, nil, "2001:db8:1::20", "2001:db8:1::c0de", ""},
		{"IPv6, a contact on the link", "2001:db8:1::20", []string{"[fe80::1]"}, nil, "fe80::1", "2001:db8:1::20", ""},
		{"IPv6, another prefix", "2001:db8:1::20", []string{"[fd00::20]"}, nil, "fd00::20", "2001:db8:1::20", ""},
		{"IPv6, an IPv4 contact", "2001:db8:1::20", []string{"10.1.2.20"}, nil, "10.1.2.20", "2001:db8:1::20", ""},
		{"IPv4, an IPv6 contact", "10.1.2.20", []string{"[2001:db8:1::20]"}, nil, "2001:db8:1::20", "10.1.2.20", ""},
		{"IPv4 written in IPv6", "::ffff:10.1.2.20", []string{"10.1.2.20"}, nil, "10.1.2.20", "10.1.2.20", ""},
		{"IPv6, behind a proxy", "2001:db8::1", []string{"[2001:db8::1]", "[2001:db8:1::20];received=2001:db8:1::c0de"}, nil, "2001:db8:1::20", "2001:db8:1::c0de", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &discovery.Register{Source: netip.AddrPortFrom(netip.MustParseAddr(tc.source), 5060)}
			for _, host := range tc.via {
				r.Via = append(r.Via, "SIP/2.0/UDP "+host)
			}
			r.Path, r.Contacts = tc.path, []sip.Contact{{Host: tc.contact}}
			ip, public := discovery.PlaceOf(discovery.NewTracker(discovery.Config{}, nobody{}), r)
			want := tc.public
			if want == "" {
				want = unknown
			}
			if ip != tc.ip || public != want {
				t.Errorf("got %s behind %s, want %s behind %s", ip, public, tc.ip, want)
			}
		})
	}
}
