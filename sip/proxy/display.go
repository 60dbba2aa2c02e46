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
	return p.tell(n.Phone, func(agent string) ownAsk { return displayOf(agent, n.Text) }, func(status int) {
		if status/100 == 2 {
			p.count.shown.Add(1)
		} else {
			p.count.notShown.Add(1)
		}
	})
}

// tell sends a request of ours to a phone by each connection by which it registered
// through us, and returns how many were sent. Done is told of each the status of its
// answer, 408 if there is none; it must not block.
func (p *Proxy) tell(phone string, request func(agent string) ownAsk, done func(status int)) (sent int) {
	c := p.callers.Load()
	if c == nil || c.all[phone] == nil {
		return 0
	}
	x, now, w := c.all[phone], time.Now(), p.newWorker()
	var told []flow
	for _, a := range x.AORs {
		for _, b := range p.bindings.of(sip.AOR(a), now) {
			here := slices.Contains(x.Sources, b.flow.peer.Addr()) && slices.Contains(x.Contacts, b.URI)
			if !here || !p.alive(b.flow) || slices.Contains(told, b.flow) {
				continue
			}
			told = append(told, b.flow)
			ask := request(b.Agent)
			ask.uri, ask.aor = b.URI, a
			if w.ask(b.flow, ask, func(_ *worker, status int) { done(status) }) {
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
