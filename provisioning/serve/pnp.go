package serve

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"perch/discovery"
	"perch/provisioning"
)

// PnPGroup is where phones ask who configures them: by a SUBSCRIBE to the event package
// ua-profile (RFC 6080), as Snom began it.
var PnPGroup = netip.MustParseAddrPort("224.0.1.75:5060")

// PnP answers phones that ask so: with the URL of their files, in a NOTIFY. A phone keeps
// what it is told, so who is not listed is not answered.
type PnP struct {
	// URL returns where a phone finds its files; empty: it is not listed.
	URL   func(m discovery.MAC) string
	Allow []netip.Prefix // of phones
	Asks  *Asks          // if they are not nil, note who asks
	Log   *slog.Logger
	// Blocked, if it is not nil, is told of each source that asks for too many phones that
	// nobody has listed.
	Blocked func(source netip.Addr, until time.Time)

	misses misses
	mu     sync.Mutex
	last   map[netip.Addr]time.Time // when an address was answered
	others map[netip.Addr]time.Time // when another server was told of
}

// Octets and lines of a SUBSCRIBE, at most, and how often an address is answered.
const (
	maxSubscribe      = 8 << 10
	maxSubscribeLines = 64
	pnpAgain          = 2 * time.Second
	maxPnPSources     = 1 << 14
)

// ListenPnP joins the group on an interface.
func ListenPnP(name string) (in *net.UDPConn, err error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	return listenGroup(ifi, PnPGroup)
}

// Serve answers what comes until the socket is closed.
func (p *PnP) Serve(in *net.UDPConn) error {
	out, err := net.ListenUDP("udp4", nil) // what we send comes from an address of ours
	if err != nil {
		return err
	}
	defer out.Close()
	b := make([]byte, maxSubscribe+1)
	for {
		n, from, err := in.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		p.answer(out, from, string(b[:n]))
	}
}

// subscribe is what is read of a SUBSCRIBE.
type subscribe struct {
	vias                   []string
	from, to, callID, cseq string
	vendor, model, version string
	mac                    discovery.MAC
}

// answer answers one datagram.
func (p *PnP) answer(out *net.UDPConn, from netip.AddrPort, text string) {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	if len(text) > maxSubscribe {
		return
	}
	s, ok := readSubscribe(text)
	if !ok {
		p.note(from, text, time.Now())
		return
	}
	if !within(p.Allow, from.Addr()) {
		return
	}
	p.Asks.note(Asking{MAC: s.mac, By: "pnp", Source: from.Addr(), Vendor: provisioning.Vendor(s.vendor), Model: s.model, Firmware: s.version}, time.Now())
	if p.misses.blocked(from.Addr(), time.Now()) {
		return
	}
	url := p.URL(s.mac)
	if url == "" {
		p.misses.tell(from.Addr(), User(s.mac), time.Now(), p.Blocked)
		return
	}
	if !p.due(from.Addr(), time.Now()) {
		return
	}
	ours := fmt.Sprintf("%s:%d", address(from), out.LocalAddr().(*net.UDPAddr).Port)
	for _, x := range s.replies(from, ours, url) {
		if _, err := out.WriteToUDPAddrPort([]byte(x), from); err != nil {
			return // it asks again
		}
	}
	p.Log.Info("a phone asked where its configuration is", "phone", s.mac, "from", from, "vendor", s.vendor)
}

// replies are the 200 and the NOTIFY with a URL for who asked from an address, sent from ours.
func (s *subscribe) replies(from netip.AddrPort, ours, url string) [2]string {
	tag, contact := token(), "<sip:"+ours+">"
	var b strings.Builder
	b.WriteString("SIP/2.0 200 OK\r\n")
	for i, v := range s.vias {
		if i == 0 {
			v += fmt.Sprintf(";received=%s;rport=%d", from.Addr(), from.Port())
		}
		b.WriteString("Via: " + v + "\r\n")
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s;tag=%s\r\nCall-ID: %s\r\nCSeq: %s\r\nContact: %s\r\nExpires: 0\r\nContent-Length: 0\r\n\r\n", s.from, s.to, tag, s.callID, s.cseq, contact)
	notify := fmt.Sprintf("NOTIFY sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\nMax-Forwards: 5\r\nFrom: %s;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 1 NOTIFY\r\n"+
		"Contact: %s\r\nEvent: ua-profile\r\nSubscription-State: terminated;reason=timeout\r\nContent-Type: application/url\r\nContent-Length: %d\r\n\r\n%s",
		from, ours, token(), s.to, tag, s.from, s.callID, contact, len(url), url)
	return [2]string{b.String(), notify}
}

// readSubscribe reads one of a phone that names itself.
func readSubscribe(text string) (s subscribe, ok bool) {
	head, _, ended := strings.Cut(text, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	method, uri, _ := strings.Cut(lines[0], " ")
	uri, version, _ := strings.Cut(uri, " ")
	if !ended || method != "SUBSCRIBE" || version != "SIP/2.0" || len(lines) > maxSubscribeLines {
		return s, false
	}
	event := ""
	for _, l := range lines[1:] {
		name, value, found := strings.Cut(l, ":")
		value = strings.TrimSpace(value)
		if !found || strings.ContainsAny(value, "\r\n\x00") {
			return s, false
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "via", "v":
			s.vias = append(s.vias, value)
		case "from", "f":
			s.from = value
		case "to", "t":
			s.to = value
		case "call-id", "i":
			s.callID = value
		case "cseq":
			s.cseq = value
		case "event", "o":
			event = value
		}
	}
	if len(s.vias) == 0 || s.from == "" || s.to == "" || s.callID == "" || !strings.HasSuffix(s.cseq, " SUBSCRIBE") || strings.Contains(s.to, ";tag=") {
		return s, false
	}
	if kind, _, _ := strings.Cut(event, ";"); !strings.EqualFold(strings.TrimSpace(kind), "ua-profile") {
		return s, false
	}
	s.vendor, s.model, s.version = quoted(event, "vendor"), quoted(event, "model"), quoted(event, "version")
	for _, x := range []string{uri, s.from, s.to} {
		if s.mac, ok = macIn(x); ok {
			return s, true
		}
	}
	return s, false
}

// quoted returns a parameter of a header; empty if it is not there.
func quoted(header, name string) string {
	_, v, _ := strings.Cut(header, ";"+name+`="`)
	v, _, _ = strings.Cut(v, `"`)
	return v
}

// macIn returns the MAC in the user part of a URI: behind "MAC%3a", "MAC:" or "MAC=".
func macIn(uri string) (discovery.MAC, bool) {
	low := strings.ToLower(uri)
	for _, mark := range []string{"mac%3a", "mac:", "mac="} {
		if _, rest, ok := strings.Cut(low, mark); ok && len(rest) >= 12 {
			m, err := discovery.ParseMAC(rest[:12])
			return m, err == nil && !m.Nobody()
		}
	}
	return discovery.MAC{}, false
}

// due reports whether an address may be answered again, and notes that it is.
func (p *PnP) due(a netip.Addr, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil || len(p.last) >= maxPnPSources {
		p.last = map[netip.Addr]time.Time{}
	}
	if now.Sub(p.last[a]) < pnpAgain {
		return false
	}
	p.last[a] = now
	return true
}

// address is ours that leads to a phone.
func address(to netip.AddrPort) string {
	if c, err := net.Dial("udp", to.String()); err == nil { // sends nothing
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().String()
	}
	return "127.0.0.1"
}

func token() string {
	var b [9]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
