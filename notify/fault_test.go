package notify

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perch/gateway"
)

// TestFaults has a server do one thing wrong, once or for ever, and looks at what
// the outbox recorded of two mails ten seconds, and then hours later.
func TestFaults(t *testing.T) {
	const sent1, sent2 = "1.1 sent: " + sent250, "2.1 sent: " + sent250
	type faults map[string][]act
	tests := []struct {
		name    string
		acts    faults
		soon    []string      // recorded after ten seconds
		state   State         // then
		error   string        // then, in Status
		hours   []string      // recorded after the time below, if it differs
		later   time.Duration // default: two hours
		forever bool
		conns   int // connections after ten seconds, if that matters
	}{
		{name: "greets late", acts: faults{"connect": {{pause: 50 * time.Second}}}, hours: []string{sent1, sent2}},
		{name: "never greets", acts: faults{"connect": {{mute: true}}}, state: StateIdle, later: 70 * time.Second,
			hours: []string{sent1, sent2}},
		{name: "greets a byte a minute", acts: faults{"connect": {{drip: time.Minute}}}, state: StateIdle, later: 70 * time.Second,
			hours: []string{sent1, sent2}},
		{name: "greets with 554, for ever", acts: faults{"connect": {{say: "554 5.7.1 no service for you"}}}, forever: true,
			state: StateWaiting, error: "greeting: 554 5.7.1 no service for you"},
		{name: "greets with 421, once", acts: faults{"connect": {{say: "421 4.3.2 too busy"}}}, soon: []string{sent1, sent2}},
		{name: "greets with nonsense", acts: faults{"connect": {{say: "HTTP/1.1 400 Bad Request"}}}, forever: true,
			state: StateWaiting, error: "greeting: short response: \"HTTP/1.1 400 Bad Request\""},
		{name: "hangs up at once", acts: faults{"connect": {{drop: true}}}, forever: true,
			state: StateWaiting, error: "greeting: the server closed the connection"},
		{name: "sends without an end", acts: faults{"connect": {{say: "220-" + strings.Repeat("x", 400<<10)}}}, forever: true,
			state: StateWaiting, error: "greeting: the server sends without an end"},
		{name: "refuses EHLO and HELO", acts: faults{"ehlo": {{say: "550 no"}}, "helo": {{say: "550 go away"}}}, forever: true,
			state: StateWaiting, error: "EHLO: 550 no"},
		{name: "drops at EHLO", acts: faults{"ehlo": {{drop: true}}}, soon: []string{sent1, sent2}},

		{name: "MAIL 550, for ever", acts: faults{"mail": {{say: "550 5.7.1 not allowed to send as perch@example.com"}}}, forever: true,
			state: StateWaiting, error: "MAIL: 550 5.7.1 not allowed to send as perch@example.com"},
		{name: "MAIL 451, once", acts: faults{"mail": {{say: "451 4.3.0 try again"}}}, soon: []string{sent1, sent2}},
		{name: "MAIL 421 after one mail", acts: faults{"mail": {{}, {say: "421 4.7.0 one mail a connection"}}}, soon: []string{sent1, sent2}},
		{name: "drops at MAIL after one mail", acts: faults{"mail": {{}, {drop: true}}}, soon: []string{sent1, sent2}},
		{name: "never answers MAIL", acts: faults{"mail": {{mute: true}}}, later: 90 * time.Second, hours: []string{sent1, sent2}},

		{name: "RCPT 550", conns: 1, acts: faults{"rcpt": {{say: "550 5.1.1 no such user"}}}, soon: []string{"1.1 refused: 550 5.1.1 no such user", sent2}},
		{name: "RCPT 550 in two lines", acts: faults{"rcpt": {{say: "550-no such user\r\n550 here"}}}, soon: []string{"1.1 refused: 550 no such user here", sent2}},
		{name: "RCPT 551 without more", acts: faults{"rcpt": {{say: "551"}}}, soon: []string{"1.1 refused: 551", sent2}},
		{name: "RCPT 450", acts: faults{"rcpt": {{say: "450 4.2.0 greylisted"}}}, soon: []string{"1.1 waiting +28s: 450 4.2.0 greylisted", sent2},
			hours: []string{"1.1 waiting +28s: 450 4.2.0 greylisted", "1.2 sent: " + sent250, sent2}},
		{name: "RCPT 421", acts: faults{"rcpt": {{say: "421 4.3.2 shutting down", drop: true}}}, soon: []string{"1.1 waiting +28s: 421 4.3.2 shutting down", sent2},
			hours: []string{"1.1 waiting +28s: 421 4.3.2 shutting down", "1.2 sent: " + sent250, sent2}},
		{name: "RCPT 530: log in first", acts: faults{"rcpt": {{say: "530 5.7.0 authentication required"}}}, forever: true,
			state: StateWaiting, error: "RCPT: 530 5.7.0 authentication required"},
		{name: "RCPT 553: not your sender", acts: faults{"rcpt": {{say: "553 5.1.8 sender's domain not found"}}}, forever: true,
			state: StateWaiting, error: "RCPT: 553 5.1.8"},
		{name: "RCPT 554: no relaying, once", acts: faults{"rcpt": {{say: "554 5.7.1 relay access denied"}}},
			soon: []string{"1.1 waiting +28s: 554 5.7.1 relay access denied", sent2}, error: "RCPT: 554 5.7.1 relay access denied",
			hours: []string{"1.1 waiting +28s: 554 5.7.1 relay access denied", "1.2 sent: " + sent250, sent2}},
		{name: "drops at RCPT", acts: faults{"rcpt": {{drop: true}}}, soon: []string{"1.1 waiting +28s: the server closed the connection", sent2},
			hours: []string{"1.1 waiting +28s: the server closed the connection", "1.2 sent: " + sent250, sent2}},
		{name: "never answers RCPT", acts: faults{"rcpt": {{mute: true}}}, state: StateSending, later: 3 * time.Minute,
			hours: []string{"1.1 waiting +28s: no answer within 1m0s", "1.2 sent: " + sent250, sent2}},

		{name: "DATA 554", acts: faults{"data": {{say: "554 5.5.1 no valid recipients"}}}, soon: []string{"1.1 refused: 554 5.5.1 no valid recipients", sent2}},
		{name: "DATA 451", acts: faults{"data": {{say: "451 4.3.0 later"}}}, soon: []string{"1.1 waiting +28s: 451 4.3.0 later", sent2}, later: time.Minute,
			hours: []string{"1.1 waiting +28s: 451 4.3.0 later", "1.2 sent: " + sent250, sent2}},
		{name: "DATA 250, which is no answer to it", acts: faults{"data": {{say: "250 ok"}}}, soon: []string{"1.1 waiting +28s: 250 ok", sent2}, later: time.Minute,
			hours: []string{"1.1 waiting +28s: 250 ok", "1.2 sent: " + sent250, sent2}},
		{name: "drops at DATA", acts: faults{"data": {{drop: true}}}, soon: []string{"1.1 waiting +28s: the server closed the connection", sent2}, later: time.Minute,
			hours: []string{"1.1 waiting +28s: the server closed the connection", "1.2 sent: " + sent250, sent2}},
		{name: "drops in the body", acts: faults{"body": {{drop: true}}}, soon: []string{"1.1 waiting +28s: the server closed the connection", sent2}, later: time.Minute,
			hours: []string{"1.1 waiting +28s: the server closed the connection", "1.2 sent: " + sent250, sent2}},
		{name: "reads no body", acts: faults{"body": {{mute: true, pause: 10 * time.Minute}}}, state: StateSending, later: 20 * time.Minute,
			hours: []string{"1.1 waiting +28s: no answer within 5m0s", "1.2 sent: " + sent250, sent2}},

		{name: "552 after the dot", acts: faults{"dot": {{say: "552 5.3.4 message too big"}}}, soon: []string{"1.1 refused: 552 5.3.4 message too big", sent2}},
		{name: "452 after the dot", conns: 1, acts: faults{"dot": {{say: "452 4.3.1 no space"}}}, soon: []string{"1.1 waiting +28s: 452 4.3.1 no space", sent2}, later: time.Minute,
			hours: []string{"1.1 waiting +28s: 452 4.3.1 no space", "1.2 sent: " + sent250, sent2}},
		{name: "250 alone, everywhere", acts: faults{"mail": {{say: "250"}}, "rcpt": {{say: "250"}}, "dot": {{say: "250"}}}, soon: []string{"1.1 sent: 250", sent2}},
		{name: "drops after the dot", acts: faults{"dot": {{drop: true}}}, soon: []string{"1.1 waiting +28s: the server closed the connection", sent2}, later: time.Minute,
			hours: []string{"1.1 waiting +28s: the server closed the connection", "1.2 sent: " + sent250, sent2}},
		{name: "250 and dies", acts: faults{"dot": {{say: sent250, drop: true}}}, soon: []string{sent1, sent2}},
		{name: "slow after the dot", acts: faults{"dot": {{pause: 9 * time.Minute}}}, soon: nil, state: StateSending, later: 10 * time.Minute,
			hours: []string{sent1, sent2}},
		{name: "silent after the dot", acts: faults{"dot": {{mute: true}}}, state: StateSending, later: 12 * time.Minute,
			hours: []string{"1.1 waiting +28s: no answer within 10m0s", "1.2 sent: " + sent250, sent2}},
		{name: "refuses RSET", acts: faults{"rcpt": {{say: "550 5.1.1 no such user"}}, "rset": {{say: "502 what?"}}},
			soon: []string{"1.1 refused: 550 5.1.1 no such user", sent2}},
		{name: "never says goodbye", acts: faults{"quit": {{mute: true}}}, soon: []string{sent1, sent2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, several(t, 2)...)
				b.cfg.Connections = 1
				for step, acts := range tt.acts {
					b.server.will(step, acts...)
				}
				b.server.forever = tt.forever
				b.start()
				b.after(10 * time.Second)
				b.wantStory(tt.soon...)
				s := b.Status()
				if tt.later == 0 && s.State != tt.state || !strings.Contains(s.LastError, tt.error) || s.LastError != "" && s.LastHint == "" {
					t.Errorf("status: got %s, %q (hint %q), want %s, %q", s.State, s.LastError, s.LastHint, tt.state, tt.error)
				}
				if got := b.server.connections(); tt.conns != 0 && got != tt.conns {
					t.Errorf("connections: got %d, want %d", got, tt.conns)
				}
				if tt.later == 0 {
					tt.later = 2 * time.Hour
				}
				if tt.hours == nil {
					tt.hours = tt.soon
				}
				b.after(tt.later)
				for _, line := range b.outbox.story() {
					if tt.forever && !strings.HasSuffix(line, "not tried yet: "+b.Status().LastError) {
						t.Errorf("recorded of a server that takes no mail at all: %s", line)
					}
				}
				if !tt.forever {
					b.wantStory(tt.hours...)
				}
				// What was for ever stops at last: nothing was lost.
				b.server.forever = false
				for step := range tt.acts {
					b.server.will(step)
				}
				b.after(2 * time.Hour)
				bl, err := b.outbox.Backlog(t.Context())
				if err != nil || bl.Waiting != 0 || bl.Sent+bl.Refused != 2 {
					t.Errorf("at the end: got %+v, %v", bl, err)
				}
				if tt.forever && bl.Sent != 2 {
					t.Errorf("at the end: got %d sent, want both: the fault was not the recipients'", bl.Sent)
				}
			})
		})
	}
}

// TestRandomFaults has a server that does anything wrong at any step for two
// days, and a database that fails at times: every mail is taken once, by the
// outcome that is recorded last, and nothing was recorded that was not so.
func TestRandomFaults(t *testing.T) {
	faults := []act{
		{drop: true}, {mute: true}, {say: "421 4.3.2 bye", drop: true}, {say: "450 4.2.0 later"}, {say: "451 4.3.0 later", drop: true},
		{pause: 5 * time.Second}, {drip: time.Second}, {say: "220-", drop: true},
	}
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, several(t, 100)...)
				random := rand.New(rand.NewPCG(seed, 0)) // the server's mutex guards it
				b.server.chance = func(step string) act {
					if random.IntN(100) < 15 {
						return faults[random.IntN(len(faults))]
					}
					return act{}
				}
				b.start()
				methods := []string{"Lease", "Record", "Backlog"}
				for i := range 48 {
					method := methods[i%len(methods)]
					b.outbox.fail(method, errors.New("database is locked"))
					b.after(10 * time.Minute)
					b.outbox.fail(method, nil)
					b.after(50 * time.Minute)
				}
				b.server.mu.Lock()
				b.server.chance = nil
				b.server.mu.Unlock()
				b.after(3 * time.Hour)
				times := map[string]int{}
				for _, m := range b.server.mails() {
					times[m.body]++
				}
				for _, r := range b.outbox.rows {
					if n := times[final(r.Mail)]; n != 1 || r.state != gateway.DeliverySent {
						t.Errorf("mail %d: taken %d times, recorded as %s after attempt %d", r.ID, n, r.state, r.attempt)
					}
				}
				if s := b.Status(); s.State != StateIdle || s.Sent != 100 || s.Attempts != s.Sent+s.Deferred {
					t.Errorf("status: got %+v", s)
				}
			})
		})
	}
}

// TestRefusalsByPolicy has a server that relays nothing: everybody waits, and
// only after a day is it taken for the recipient's fault.
func TestRefusalsByPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, several(t, 1)...)
		b.server.will("rcpt", act{say: "554 5.7.1 relay access denied"})
		b.server.forever = true
		b.start()
		b.after(20 * time.Hour)
		if bl, _ := b.outbox.Backlog(t.Context()); bl.Waiting != 1 {
			t.Errorf("after 20 h: got %+v, want it waiting", bl)
		}
		if got := b.outbox.count("Record"); got > 30 {
			t.Errorf("after 20 h: got %d attempts", got)
		}
		b.after(20 * time.Hour)
		if u, _ := b.outbox.Undeliverable(t.Context()); len(u) != 1 || u[0].Reply != "554 5.7.1 relay access denied" {
			t.Errorf("after 40 h: got %+v, want it refused", u)
		}
	})
}

// TestEchoes has a server that repeats what it is not to know in its replies.
func TestEchoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := queued(t, 1, "alice@example.com")
		tok := token1(m)
		b := newBench(t, m)
		b.server.will("dot", act{say: "451 4.7.1 bad link https://perch.example.com/p/" + tok + " or " + tok[5:40] + "\x1b[31m"})
		b.start()
		b.after(time.Hour)
		story := strings.Join(b.outbox.story(), "\n")
		if strings.Contains(story+b.log.String()+b.Status().LastError, tok[10:30]) || !strings.Contains(story, "perch.example.com/p/(secret) or (secret) [31m") {
			t.Errorf("got %s", story)
		}
	})
}
