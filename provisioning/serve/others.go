package serve

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// How often another server is told of, and of how many a minute.
const (
	othersAgain = time.Minute
	maxOthers   = 16
)

// note tells of another server's answer to a phone, if a text is one: what it hands phones they
// keep. Most answer the phone alone, and a switch keeps that from us; what is heard is what is
// sent to the group.
func (p *PnP) note(from netip.AddrPort, text string, now time.Time) {
	url, ok := otherAnswer(text)
	if !ok || !p.tells(from.Addr(), now) {
		return
	}
	p.Log.Warn("another server tells phones where their configuration is", "from", from, "url", fmt.Sprintf("%.200q", url),
		"hint", "if it is none of yours, find its switch port by its address and shut it; turn PnP off in phones that are provisioned")
}

// tells reports whether there is something to tell of a server now, and notes that it was.
func (p *PnP) tells(a netip.Addr, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for o, t := range p.others {
		if now.Sub(t) >= othersAgain {
			delete(p.others, o)
		}
	}
	if _, told := p.others[a]; told || len(p.others) >= maxOthers {
		return false
	}
	if p.others == nil {
		p.others = map[netip.Addr]time.Time{}
	}
	p.others[a] = now
	return true
}

// otherAnswer reports whether a text is what a server says to a phone that asks: that it will
// tell, or a NOTIFY with a URL (RFC 6080 section 5.8), which is returned.
func otherAnswer(text string) (url string, ok bool) {
	head, body, ended := strings.Cut(text, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	if !ended || len(lines) > maxSubscribeLines {
		return "", false
	}
	fields := map[string]string{}
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ":")
		fields[strings.ToLower(strings.TrimSpace(name))] = strings.ToLower(strings.TrimSpace(value))
	}
	if strings.HasPrefix(lines[0], "SIP/2.0 2") {
		return "", strings.HasSuffix(fields["cseq"], " subscribe")
	}
	if !strings.HasPrefix(lines[0], "NOTIFY ") || !strings.HasSuffix(lines[0], " SIP/2.0") {
		return "", false
	}
	kind := fields["content-type"] + fields["c"]
	event := fields["event"] + fields["o"]
	return strings.TrimSpace(body), strings.HasPrefix(kind, "application/url") || strings.HasPrefix(event, "ua-profile")
}
