package main

import (
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"perch/discovery"
	"perch/sip/proxy"
)

// heardBy hands over what is observed.
type heardBy chan *discovery.Observation

func (o heardBy) observe(x *discovery.Observation) { o <- x }
func (o heardBy) hearing(string, bool, time.Time)  {}

// A sign of life of a phone comes from the SIP path's process as the proxy told it, in the
// part of the SIP path that its site is.
func TestSignOfLife(t *testing.T) {
	near, far := net.Pipe()
	got := make(heardBy, 9)
	c := config{SIP: sipConfig{Sites: []sipSiteConfig{{Prefix: netip.MustParsePrefix("10.2.0.0/16"), Site: "b2"}}}}
	k := &sipKeeper{
		log: slog.New(slog.DiscardHandler), conn: near, decoder: discovery.NewDecoder(discovery.DecoderConfig{}),
		now: time.Now, sites: c.SIP.Sites, part: c.sipPart,
	}
	k.turns = newTurns(got, time.Now)
	k.seat = k.turns.sit(sipInterface)
	go k.read()
	out, done := newOutlet("x"), make(chan struct{})
	out.state = func() proxy.State { return proxy.State{} }
	go out.send(far, done)
	defer func() { close(done); _ = far.Close() }()
	out.keepAlive(proxy.KeepAlive{
		Time: time.Now(), Transport: "tcp", Source: netip.MustParseAddrPort("10.2.3.4:5062"), AOR: "sip:101@example.com", Contact: "<sip:101@10.2.3.4:5062>;q=1",
		CallID: "c", Agent: "Yealink SIP-T46S 66.85.0.5 001565aa0002",
	})
	o := <-got
	r := o.KeepAlive
	if r == nil || o.Interface != "sip:b2" || r.Transport != "tcp" || r.Source.String() != "10.2.3.4:5062" || r.AOR != "sip:101@example.com" ||
		r.Contacts[0].URI != "sip:101@10.2.3.4:5062" || r.CallID != "c" || r.ClaimedMAC.String() != "00:15:65:aa:00:02" {
		t.Errorf("got %+v, %+v", o, r)
	}
}
