package main

import (
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"time"
)

// f15 measures how many octets somebody gets by UDP for what it sends, who is no phone that
// registered: from outside of the allowed networks, and from inside, each kind of
// request once. What a PBX answers passes, and is the PBX's.
func (b *bench) f15() error {
	for _, f := range []struct {
		what, sip string
		bound     float64
		text      string
	}{
		{"outside of sip.allow", "upstream: [\"udp:127.0.0.1:9\"], allow: [127.1.0.0/16]", 0, "0"},
		{"inside, before a PBX", "upstream: [\"udp:127.0.0.1:9\"], allow: [127.0.0.0/8]", 1, "1.0 but for STUN"},
		{"inside, a registrar", "registrar: {realm: example.com}, allow: [127.0.0.0/8]", 1, "1.0 but for STUN and challenges"},
	} {
		worst, of, in, out, err := b.amplify(f.sip)
		if err != nil {
			return err
		}
		fmt.Printf("F15: %s: %.2f at most %s\n    %d octets in, %d out; the most for %s\n", f.what, worst["request"], bound(worst["request"], f.bound, f.text), in, out, of)
		if worst["exempt"] > 0 {
			fmt.Printf("    %.2f at most for a keep-alive by STUN or a challenge, one for each request, none of them sent again\n", worst["exempt"])
		}
	}
	return b.f15Files()
}

// amplify sends one request of each kind to a serve, and returns the most octets that
// came back for one octet: for requests, and for those of which the answer is what
// they are for.
func (b *bench) amplify(sip string) (worst map[string]float64, of string, in, out int, err error) {
	s, err := b.startServeWith(sip, "")
	if err != nil {
		return nil, "", 0, 0, err
	}
	defer s.end()
	if err := s.await(); err != nil {
		return nil, "", 0, 0, err
	}
	c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 3, 0, 1)}, s.target())
	if err != nil {
		return nil, "", 0, 0, err
	}
	defer c.Close()
	stun, _ := hex.DecodeString("000100002112a442b7e7a701bc34d686fa87dfae")
	requests := []string{string(stun), "GET / HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat("x", 200), "OPTIONS sip:a SIP/2.0\r\n\r\n"}
	at := c.LocalAddr().String()
	for i, method := range []string{"REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "BYE", "CANCEL", "MESSAGE", "NOSUCH"} {
		for _, more := range []string{"", "Max-Forwards: 0\r\n", "Proxy-Require: x\r\n", "Content-Length: 9\r\n", "CSeq: 2 X\r\n", "Route: <sip:x@" + s.target().String() + ";lr>\r\n"} {
			requests = append(requests, fmt.Sprintf("%s sip:1@%v SIP/2.0\r\nv:SIP/2.0/UDP %s;branch=z9hG4bK%d%d\r\nf:<sip:1@a>;tag=1\r\nt:<sip:1@a>\r\ni:%d%d\r\nCSeq:1 %s\r\n%s\r\n",
				method, s.target(), at, i, len(more), i, len(more), method, more))
		}
	}
	worst = map[string]float64{}
	buf := make([]byte, 1<<16)
	for _, r := range requests {
		if _, err := c.Write([]byte(r)); err != nil {
			return nil, "", 0, 0, err
		}
		in += len(r)
		got, exempt := 0, r == string(stun)
		for {
			_ = c.SetReadDeadline(time.Now().Add(60 * time.Millisecond))
			n, err := c.Read(buf)
			if err != nil {
				break
			}
			got += n
			exempt = exempt || strings.HasPrefix(string(buf[:n]), "SIP/2.0 401 ") || strings.HasPrefix(string(buf[:n]), "SIP/2.0 407 ")
		}
		out += got
		kind := "request"
		if exempt {
			kind = "exempt"
		}
		if ratio := float64(got) / float64(len(r)); ratio > worst[kind] {
			worst[kind] = ratio
			if kind == "request" {
				of, _, _ = strings.Cut(r, "\r\n")
			}
		}
	}
	return worst, of, in, out, nil
}
