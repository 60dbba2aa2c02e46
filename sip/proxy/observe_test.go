package proxy

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// What is told of registrations: what was accepted, with its answer, and what says
// something new. A refresh a moment later is not told, and neither is a refusal.
func TestTold(t *testing.T) {
	phone, other, pbx := newPeer(t), newPeer(t), newPeer(t)
	var told []string
	seen := make(chan string, 99)
	p := start(t, Config{Observe: func(o Observation) { seen <- strings.Clone(string(o.Message)) }}, "udp:"+pbx.addr().String())
	n := 0
	register := func(from *peer, contact, status string) {
		t.Helper()
		n++
		r := compose("REGISTER sip:pbx.example.com SIP/2.0", "Via: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK"+string(rune('a'+n)), "From: <sip:a@b>;tag=1", "To: <sip:a@b>",
			"Call-ID: x", "CSeq: 3 REGISTER", "Contact: "+contact)
		from.send(p.Addr(0), r)
		pbx.respond(pbx.recv(), status)
		from.recv()
		told = told[:0]
		for len(seen) > 0 {
			told = append(told, strings.Fields(<-seen)[0])
		}
	}
	both := []string{"REGISTER", "SIP/2.0"}
	for _, tc := range []struct {
		name    string
		from    *peer
		contact string
		status  string
		want    []string
	}{
		{"challenged", phone, "<sip:a@192.0.2.9>", "401 Unauthorized", nil},
		{"accepted", phone, "<sip:a@192.0.2.9>", "200 OK", both},
		{"refreshed", phone, "<sip:a@192.0.2.9>", "200 OK", nil},
		{"from elsewhere", other, "<sip:a@192.0.2.9>", "200 OK", both},
		{"another contact", phone, "<sip:a@192.0.2.10>", "200 OK", both},
		{"refused", phone, "<sip:a@192.0.2.9>", "403 Forbidden", nil},
		{"as at first", phone, "<sip:a@192.0.2.9>", "200 OK", both},
		{"removed", phone, "<sip:a@192.0.2.9>;expires=0", "200 OK", both},
		{"back", phone, "<sip:a@192.0.2.9>", "200 OK", both},
	} {
		register(tc.from, tc.contact, tc.status)
		if !slices.Equal(told, tc.want) {
			t.Errorf("%s: told of %q, want %q", tc.name, told, tc.want)
		}
	}
}

// A panic costs its message, and nobody else's.
func TestPanic(t *testing.T) {
	phone, pbx := newPeer(t), newPeer(t)
	var log strings.Builder
	p := start(t, Config{Observe: func(Observation) { panic("sip:a@b") }, Log: slog.New(slog.NewTextHandler(&log, nil))}, "udp:"+pbx.addr().String())
	phone.send(p.Addr(0), request("REGISTER", "a"))
	pbx.respond(pbx.recv(), "200 OK")
	phone.send(p.Addr(0), request("OPTIONS", "b"))
	pbx.respond(pbx.recv(), "200 OK")
	if got := phone.recv(); field(t, got, "Call-ID") != "b" {
		t.Errorf("got\n%s", got)
	}
	if c := p.Counts(); c.Panics != 1 || !strings.Contains(log.String(), "what=string") || strings.Contains(log.String(), "sip:a@b") {
		t.Errorf("got %d panics, and in the log\n%s", c.Panics, &log)
	}
}
