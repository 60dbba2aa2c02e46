package proxy

import (
	"html"
	"slices"
	"strings"
	"time"

	"perch/sip"
)

// Notice is one short line for the display of a phone.
type Notice struct {
	Phone string `json:"phone"` // as Caller.Phone
	Text  string `json:"text"`
}

// Show sends a line to a phone, once for each of its lines that is registered
// through us: by MESSAGE (RFC 3428), or by what its vendor shows. It returns
// how many were sent. What becomes of them is counted: nothing depends on it.
func (p *Proxy) Show(n Notice) (sent int) {
	c := p.callers.Load()
	if c == nil || c.all[n.Phone] == nil {
		return 0
	}
	x, now, w := c.all[n.Phone], time.Now(), p.newWorker()
	var shown []flow
	for _, a := range x.AORs {
		for _, b := range p.bindings.of(sip.AOR(a), now) {
			here := slices.Contains(x.Sources, b.flow.peer.Addr()) && slices.Contains(x.Contacts, b.URI)
			if !here || !p.alive(b.flow) || slices.Contains(shown, b.flow) {
				continue
			}
			shown = append(shown, b.flow)
			ask := displayOf(b.Agent, n.Text)
			ask.uri, ask.aor = b.URI, a
			if w.ask(b.flow, ask, func(_ *worker, status int) {
				if status/100 == 2 {
					p.count.shown.Add(1)
				} else {
					p.count.notShown.Add(1)
				}
			}) {
				sent++
			}
		}
	}
	w.flush()
	return sent
}

// displayOf is the request by which a phone shows a line.
func displayOf(agent, text string) ownAsk {
	agent, xml := strings.ToLower(agent), html.EscapeString(text)
	switch {
	case strings.HasPrefix(agent, "snom"):
		return ownAsk{method: "NOTIFY", headers: "Event: xml\r\nSubscription-State: active;expires=30000\r\nContent-Type: application/snomxml\r\n",
			body: `<?xml version="1.0" encoding="UTF-8"?><IPPhoneText><Title>Perch</Title><Text>` + xml + `</Text></IPPhoneText>`}
	case strings.HasPrefix(agent, "yealink"):
		return ownAsk{method: "NOTIFY", headers: "Event: Yealink-xml\r\nSubscription-State: terminated\r\nContent-Type: application/xml\r\n",
			body: `<?xml version="1.0" encoding="UTF-8"?><YealinkIPPhoneStatus Beep="no" Timeout="0"><Message>` + xml + `</Message></YealinkIPPhoneStatus>`}
	case strings.HasPrefix(agent, "aastra"), strings.HasPrefix(agent, "mitel"):
		return ownAsk{method: "NOTIFY", headers: "Event: aastra-xml\r\nSubscription-State: terminated\r\nContent-Type: application/xml\r\n",
			body: `<?xml version="1.0" encoding="UTF-8"?><AastraIPPhoneStatus><Message index="0">` + xml + `</Message></AastraIPPhoneStatus>`}
	}
	return ownAsk{method: "MESSAGE", headers: "Content-Type: text/plain;charset=UTF-8\r\n", body: text}
}
