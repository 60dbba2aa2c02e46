package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"perch/gateway"
)

// queued is a mail as the engine would have queued it.
func queued(t testing.TB, id int64, to string) gateway.Mail {
	t.Helper()
	r, err := testRenderer()
	if err != nil {
		t.Fatal(err)
	}
	l := first()
	l.ID, l.To.Email = id, to
	subject, messageID, body, err := r.Render(l)
	if err != nil {
		t.Fatal(err)
	}
	return gateway.Mail{ID: id, Time: l.Time, Purpose: l.Purpose, To: to, Subject: subject, MessageID: messageID, Prompt: 1, Body: body}
}

var testRenderer = sync.OnceValues(func() (*Renderer, error) { return New(config) })

func several(t testing.TB, n int) []gateway.Mail {
	var out []gateway.Mail
	for i := range n {
		out = append(out, queued(t, int64(i+1), fmt.Sprintf("user%d@example.com", i+1)))
	}
	return out
}

var testKey = gateway.Key{1, 2, 3}

func token(m gateway.Mail) (string, bool) {
	l, ok := m.Link()
	if !ok {
		return "", false
	}
	return testKey.Token(l), true
}

// final is what must arrive: the mail with its token.
func final(m gateway.Mail) string {
	tok, _ := token(m)
	return strings.ReplaceAll(string(m.Body), gateway.TokenMark, tok)
}

// logbook keeps what is logged.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// bench is a mailer with a scripted server in memory, in a bubble of synctest,
// whose clock stands at the time of the mails.
type bench struct {
	*Mailer
	t      *testing.T
	server *scripted
	outbox *memory
	log    *logbook
	dials  int
	down   error // what dialing fails with
	stop   context.CancelFunc
	done   chan struct{}
	mu     sync.Mutex
}

// zero is when a bubble's clock starts.
var zero = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func newBench(t *testing.T, mails ...gateway.Mail) *bench {
	t.Helper()
	for i := range mails {
		mails[i].Time = zero
	}
	b := &bench{t: t, server: &scripted{extensions: []string{"8BITMIME", "SMTPUTF8"}}, outbox: newMemory(mails...), log: new(logbook), done: make(chan struct{})}
	srv, err := ParseServer("smtp://127.0.0.1:2525")
	if err != nil {
		t.Fatal(err)
	}
	b.Mailer, err = NewMailer(MailerConfig{
		Server: srv, From: "perch@example.com", Outbox: b.outbox, Token: token, Dial: b.dial,
		Log: slog.New(slog.NewTextHandler(b.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) dial(context.Context, string, string) (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dials++
	if b.down != nil {
		return nil, b.down
	}
	client, server := net.Pipe()
	go b.server.serve(server)
	return client, nil
}

func (b *bench) setDown(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = err
}

func (b *bench) dialed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dials
}

// start runs the mailer until the test's end.
func (b *bench) start() {
	ctx, stop := context.WithCancel(b.t.Context())
	b.stop = stop
	go func() {
		defer close(b.done)
		if err := b.Run(ctx); err != nil {
			b.t.Error(err)
		}
	}()
	b.t.Cleanup(b.end)
}

func (b *bench) end() {
	b.stop()
	<-b.done
}

// after lets told time pass.
func (b *bench) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) wantStory(want ...string) {
	b.t.Helper()
	got := b.outbox.story()
	slices.Sort(got) // with two connections, either may be first
	if !slices.Equal(got, want) {
		b.t.Errorf("recorded: got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

const sent250 = "250 2.0.0 queued as 4711"

func TestSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mails := several(t, 3)
		b := newBench(t, mails...)
		b.start()
		b.after(time.Second)
		b.wantStory("1.1 sent: "+sent250, "2.1 sent: "+sent250, "3.1 sent: "+sent250)
		got := b.server.mails()
		slices.SortFunc(got, func(a, b taken) int { return strings.Compare(a.to, b.to) })
		for i, m := range mails {
			tok, _ := token(m)
			if got[i].body != final(m) || strings.Count(got[i].body, tok) != 2 {
				t.Errorf("mail %d: got other bytes than were queued", m.ID)
			}
			// 7-bit and without SMTPUTF8, whatever the server offers.
			if want := "TO:<" + m.To + ">"; got[i].to != want || got[i].from != "FROM:<perch@example.com> BODY=8BITMIME" {
				t.Errorf("envelope: got %s, %s", got[i].from, got[i].to)
			}
		}
		if s := b.Status(); s.Sent != 3 || s.Attempts != 3 || s.State != StateIdle || s.LastError != "" {
			t.Errorf("status: got %+v", s)
		}
		if strings.Contains(b.log.String(), "perch-token") || strings.Contains(b.log.String(), token1(mails[0])) {
			t.Error("a token was logged")
		}
		// Mails of one burst share a connection or two, which close when idle.
		if got := b.server.connections(); got > 2 {
			t.Errorf("connections: got %d, want 2 at most", got)
		}
		b.after(time.Minute)
		if heard := b.server.heard(); heard[len(heard)-1] != "QUIT" {
			t.Errorf("last command: got %s, want QUIT", heard[len(heard)-1])
		}
	})
}

func token1(m gateway.Mail) string { tok, _ := token(m); return tok }

// TestDots covers lines that begin with a dot.
func TestDots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := queued(t, 1, "alice@example.com")
		m.Body = []byte("Subject: dots\r\n\r\n.\r\n..\r\n.a\r\n\r\n.\r\n")
		b := newBench(t, m)
		b.start()
		b.after(time.Second)
		if got := b.server.mails(); len(got) != 1 || got[0].body != string(m.Body) {
			t.Errorf("got %q, want %q", got, m.Body)
		}
	})
}

// TestBacklogFlows checks that nothing but the server holds up a backlog.
func TestBacklogFlows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, several(t, 500)...)
		b.start()
		b.after(time.Millisecond)
		if got := len(b.server.mails()); got != 500 {
			t.Errorf("sent within a millisecond of told time: got %d, want all 500", got)
		}
		if got := b.outbox.count("Lease"); got > 500/10+5 {
			t.Errorf("leases: got %d, want about one for each ten", got)
		}
	})
}

// TestWake checks that a new mail is sent at once, over the open connection.
func TestWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start()
		b.after(time.Hour)
		if got := b.dialed(); got != 0 {
			t.Errorf("connections without mail: got %d", got)
		}
		for i, m := range several(t, 3) {
			m.Time = time.Now()
			b.outbox.add(m)
			b.Wake()
			b.after(time.Second)
			if got := len(b.server.mails()); got != i+1 {
				t.Fatalf("a second after Wake: got %d mails, want %d", got, i+1)
			}
		}
		if got := b.server.connections(); got != 1 {
			t.Errorf("connections: got %d, want 1", got)
		}
	})
}

// TestNoBusyLoop counts what an idle, a waiting and a failing mailer ask of the
// outbox and the server in a day.
func TestNoBusyLoop(t *testing.T) {
	for _, unaware := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.outbox.unaware = unaware
			b.start()
			b.after(24 * time.Hour)
			if got := b.outbox.count("Lease") + b.outbox.count("Backlog"); got > 3 {
				t.Errorf("idle: asked %d times", got)
			}
			b.setDown(syscall.ECONNREFUSED)
			m := queued(t, 1, "a@example.com")
			m.Time = time.Now()
			b.outbox.add(m)
			b.Wake()
			b.after(24 * time.Hour)
			if got := b.outbox.count("Lease") + b.outbox.count("Backlog"); got > 10 {
				t.Errorf("server down: asked %d times", got)
			}
			if got := b.dialed(); got < 240 || got > 400 { // every 5 min, ±20 %
				t.Errorf("server down: dialed %d times in a day, want about 290", got)
			}
		})
	}
}

// TestHeldByAnother has somebody else lease what is due.
func TestHeldByAnother(t *testing.T) {
	for _, unaware := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.outbox.unaware = unaware
			b.start()
			b.after(time.Second)
			m := queued(t, 1, "a@example.com")
			m.Time = time.Now()
			b.outbox.add(m)
			if _, err := b.outbox.Lease(t.Context(), time.Now(), time.Now().Add(time.Hour), 1); err != nil {
				t.Fatal(err)
			}
			b.Wake()
			b.after(30 * time.Minute)
			if got := b.outbox.count("Lease") + b.outbox.count("Backlog"); got > 1000 || !unaware && got > 5 {
				t.Errorf("asked %d times in half an hour", got)
			}
			b.after(time.Hour)
			b.wantStory("1.2 sent: " + sent250)
		})
	}
}

// TestServerHangsUp has a server that closes an idle connection: the next mail
// goes over a new one at once, and nobody is troubled.
func TestServerHangsUp(t *testing.T) {
	for name, a := range map[string]act{"EOF": {drop: true}, "421": {say: "421 4.4.2 timeout", drop: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, several(t, 1)...)
				b.server.will("mail", act{}, a)
				b.start()
				b.after(time.Second)
				m := queued(t, 2, "bob@example.com")
				m.Time = time.Now()
				b.outbox.add(m)
				b.Wake()
				b.after(time.Second)
				b.wantStory("1.1 sent: "+sent250, "2.1 sent: "+sent250)
				if s := b.Status(); s.LastError != "" || b.server.connections() != 2 {
					t.Errorf("status: got %+v, %d connections", s, b.server.connections())
				}
			})
		})
	}
}

// TestOutage checks that mails make no attempt while the server is down, and
// flow by themselves when it is back.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mails := several(t, 100)
		b := newBench(t, mails...)
		b.setDown(syscall.ECONNREFUSED)
		b.start()
		b.after(6 * time.Hour)
		b.wantStory()
		s := b.Status()
		if s.State != StateWaiting || !strings.Contains(s.LastError, "connecting: connection refused") || s.NextTry.IsZero() {
			t.Errorf("status: got %+v", s)
		}
		lines := strings.Split(strings.TrimSpace(b.log.String()), "\n")
		last := time.Time{}
		for _, line := range lines {
			at, err := time.Parse("time=2006-01-02T15:04:05.000Z", strings.Fields(line)[0])
			if err != nil || at.Sub(last) < time.Minute || !strings.Contains(line, "hint=") {
				t.Errorf("log: got %s %s after the line before, want one a minute, with a hint", line, at.Sub(last))
			}
			last = at
		}
		if got, tries := len(lines), b.dialed(); got < tries-5 || got > tries {
			t.Errorf("log lines: got %d of %d tries", got, tries)
		}
		b.setDown(nil)
		b.after(6 * time.Minute)
		for _, line := range b.outbox.story() {
			if !strings.Contains(line, ".1 sent") {
				t.Errorf("got %s, want all sent by their first attempt", line)
			}
		}
		if got := len(b.server.mails()); got != len(mails) {
			t.Errorf("sent: got %d, want %d", got, len(mails))
		}
		if s := b.Status(); s.State != StateIdle || !strings.Contains(b.log.String(), "takes mail again") {
			t.Errorf("status: got %+v", s)
		}
	})
}

// TestLostInMidBacklog drops the connection for hours while mails are in hand.
func TestLostInMidBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, several(t, 30)...)
		b.cfg.Connections = 1
		b.server.will("mail", act{}, act{}, act{}, act{drop: true})
		// The server dies with its fourth mail, and is gone.
		b.server.will("rcpt", act{}, act{}, act{pause: time.Second})
		b.start()
		b.after(time.Second / 2)
		b.setDown(errors.New("no route to host"))
		b.after(3 * time.Hour)
		story := b.outbox.story()
		if len(story) != 3+7 {
			t.Fatalf("recorded: got %q, want 3 sent and 7 given back", story)
		}
		for i, line := range story[3:] {
			// In time for an attempt, had the server come back: 45 min less 18.
			if held := b.outbox.outcomes[3+i].At.Sub(zero); held < 25*time.Minute || held > 35*time.Minute {
				t.Errorf("given back after %s", held)
			}
			if !strings.HasSuffix(line, "not tried yet: connecting: no route to host") {
				t.Errorf("got %s, want it given back", line)
			}
		}
		b.setDown(nil)
		b.after(6 * time.Minute)
		if got := len(b.server.mails()); got != 30 {
			t.Errorf("sent: got %d, want 30", got)
		}
	})
}

// TestTarpit has one recipient whose mail the server never answers for: the others go.
func TestTarpit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, several(t, 50)...)
		b.server.will("rcpt", act{drip: time.Minute})
		b.start()
		b.after(30 * time.Second)
		if got := len(b.server.mails()); got != 49 {
			t.Errorf("sent beside a tarpit: got %d, want 49", got)
		}
		b.after(time.Hour)
		if got := len(b.server.mails()); got != 50 {
			t.Errorf("sent: got %d, want 50", got)
		}
	})
}

// TestTarpitAfterOutage has the first mail after an outage go to such a recipient.
func TestTarpitAfterOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, several(t, 50)...)
		b.setDown(syscall.ECONNREFUSED)
		b.start()
		b.after(10 * time.Minute)
		b.setDown(nil)
		b.server.will("dot", act{mute: true})
		b.after(8 * time.Minute)
		if got := len(b.server.mails()); got != 49 {
			t.Errorf("sent beside a tarpit: got %d, want 49", got)
		}
		b.after(time.Hour)
	})
}

// TestStop ends the mailer while the server thinks about a final dot.
func TestStop(t *testing.T) {
	tests := []struct {
		name   string
		dot    act
		takes  time.Duration
		record []string
	}{
		{"answer in time", act{pause: 8 * time.Second}, 8 * time.Second, []string{"1.1 sent: " + sent250}},
		{"no answer", act{mute: true}, 15 * time.Second, []string{"1.1 waiting +28s: cut off: perch was stopped while the server had not answered"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, several(t, 5)...)
				b.cfg.Connections = 1
				b.server.will("dot", tt.dot)
				b.start()
				b.after(time.Millisecond)
				begun := time.Now()
				b.end()
				if got := time.Since(begun).Round(time.Second); got != tt.takes {
					t.Errorf("stopped after %s, want %s", got, tt.takes)
				}
				b.wantStory(tt.record...)
				synctest.Wait()
			})
		})
	}
}

// TestOutboxFails has a database that fails for hours.
func TestOutboxFails(t *testing.T) {
	locked := errors.New("database is locked")
	for _, method := range []string{"Free", "Lease", "Backlog", "Record"} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, several(t, 5)...)
				b.outbox.fail(method, locked)
				b.start()
				b.after(3 * time.Hour)
				if s := b.Status(); !strings.Contains(s.LastError, "database is locked") {
					t.Errorf("status: got %+v", s)
				}
				if got := b.outbox.count(method); got > 3*3600 {
					t.Errorf("%s: called %d times in 3 hours", method, got)
				}
				b.outbox.fail(method, nil)
				b.after(time.Hour)
				want := []string{"1@", "2@", "3@", "4@", "5@"}
				var got []string
				for _, m := range b.server.mails() {
					got = append(got, strings.TrimPrefix(m.to, "TO:<user")[:2])
				}
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("sent: got %v, want each once", got)
				}
				if bl, _ := b.outbox.Backlog(t.Context()); bl.Sent != 5 {
					t.Errorf("backlog: got %+v, want 5 sent", bl)
				}
			})
		})
	}
}

// TestLateOutcome leases a mail anew behind the mailer's back.
func TestLateOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, several(t, 1)...)
		b.server.will("dot", act{pause: time.Minute})
		b.start()
		b.after(time.Second)
		if err := b.outbox.Free(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := b.outbox.Lease(t.Context(), time.Now(), time.Now().Add(time.Hour), 1); err != nil {
			t.Fatal(err)
		}
		b.after(2 * time.Minute)
		b.wantStory("1.1 sent (not taken): " + sent250)
		if s := b.Status(); s.Late != 1 || !strings.Contains(b.log.String(), "came after its lease") {
			t.Errorf("status: got %+v, log %s", s, b.log)
		}
	})
}

// TestNotSent covers mails that never reach the server.
func TestNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		injected := queued(t, 1, "alice@example.com")
		injected.To = "a@example.com>\r\nRCPT TO:<b@example.com"
		tokenless := queued(t, 2, "alice@example.com")
		tokenless.Prompt = 0
		plain := queued(t, 3, "carol@example.com")
		plain.Body = bytes.ReplaceAll(plain.Body, []byte(gateway.TokenMark), nil)
		b := newBench(t, injected, tokenless, plain)
		b.cfg.Connections = 1
		b.start()
		b.after(time.Second)
		story := b.outbox.story()
		if len(story) != 3 || !strings.HasPrefix(story[0], `1.1 refused: not sent: "a@example.com>`) ||
			!strings.HasPrefix(story[1], "2.1 waiting +") || !strings.Contains(story[1], "no token was made for it") || story[2] != "3.1 sent: "+sent250 {
			t.Errorf("got %q", story)
		}
		for _, line := range b.server.heard() {
			if strings.Contains(line, "b@example.com") {
				t.Errorf("got command %q", line)
			}
		}
	})
}

// TestSMTPUTF8 sends to an address beyond ASCII, to servers that take it and that do not.
func TestSMTPUTF8(t *testing.T) {
	for _, offered := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, queued(t, 1, "zoë@example.com"), queued(t, 2, "bob@example.com"))
			b.cfg.Connections = 1
			if !offered {
				b.server.extensions = []string{"8BITMIME"}
			}
			b.start()
			b.after(time.Second)
			if offered {
				b.wantStory("1.1 sent: "+sent250, "2.1 sent: "+sent250)
				got := b.server.mails()
				if got[0].from != "FROM:<perch@example.com> BODY=8BITMIME SMTPUTF8" || got[0].to != "TO:<zoë@example.com>" || strings.Contains(got[1].from, "UTF8") {
					t.Errorf("envelopes: got %q, %q", got[0].from, got[1].from)
				}
				return
			}
			b.wantStory("1.1 refused: not sent: the address has characters beyond ASCII, and the server does not take those (it does not offer SMTPUTF8, RFC 6531)", "2.1 sent: "+sent250)
			if u, _ := b.outbox.Undeliverable(t.Context()); len(u) != 1 || u[0].Email != "zoë@example.com" {
				t.Errorf("undeliverable: got %+v", u)
			}
		})
	}
}

func TestNewMailerRefuses(t *testing.T) {
	srv, _ := ParseServer("smtp://127.0.0.1")
	good := MailerConfig{Server: srv, From: "perch@example.com", Outbox: newMemory(), Token: token}
	if _, err := NewMailer(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*MailerConfig){
		"no server":             func(c *MailerConfig) { c.Server = Server{} },
		"no outbox":             func(c *MailerConfig) { c.Outbox = nil },
		"no tokens":             func(c *MailerConfig) { c.Token = nil },
		"no sender":             func(c *MailerConfig) { c.From = "" },
		"sender with a name":    func(c *MailerConfig) { c.From = "Perch <perch@example.com>" },
		"sender beyond ASCII":   func(c *MailerConfig) { c.From = "pérch@example.com" },
		"lease that ends early": func(c *MailerConfig) { c.Lease = 10 * time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			change(&c)
			if _, err := NewMailer(c); err == nil {
				t.Error("got no error")
			}
		})
	}
}
