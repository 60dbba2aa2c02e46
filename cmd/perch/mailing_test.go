package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/notify"
	"perch/provisioning"
)

// mailSink is an SMTP server that notes for each mail when the final dot came and
// when its 250 went out, 0 to 5 ms later.
type mailSink struct {
	t        *testing.T
	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	rand   *rand.Rand
	mails  map[string][]handover // by Message-ID
	dots   int
	notify chan int // the number of dots so far
	denied string   // recipient who is refused for good
}

// refuse has a recipient refused; empty: nobody.
func (s *mailSink) refuse(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = email
}

func (s *mailSink) refuses(line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.denied != "" && strings.Contains(line, "<"+s.denied+">")
}

// handover is one mail that came in.
type handover struct {
	sum     [32]byte
	dot     time.Time
	replied time.Time // zero: the connection was gone
}

func newMailSink(t *testing.T) *mailSink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mailSink{t: t, listener: l, rand: rand.New(rand.NewPCG(1, 2)), mails: map[string][]handover{}, notify: make(chan int, 1<<16)}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.session(c) })
		}
	})
	t.Cleanup(func() { l.Close(); s.wg.Wait() })
	return s
}

func (s *mailSink) url() string { return "smtp://" + s.listener.Addr().String() + "?starttls=never" }

// session speaks as much of RFC 5321 as a mailer needs.
func (s *mailSink) session(c net.Conn) {
	defer c.Close()
	r := textproto.NewReader(bufio.NewReader(c))
	say := func(line string) bool { _, err := fmt.Fprintf(c, "%s\r\n", line); return err == nil }
	say("220 sink.example ESMTP")
	for {
		line, err := r.ReadLine()
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.ToUpper(line), " "); verb {
		case "EHLO":
			say("250-sink.example")
			say("250 PIPELINING")
		case "DATA":
			say("354 go on")
			b, err := r.ReadDotBytes()
			if err != nil {
				return
			}
			if !s.take(b, func() bool { return say("250 taken") }) {
				return
			}
		case "RCPT":
			if s.refuses(line) {
				say("550 no such user")
			} else {
				say("250 ok")
			}
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// take notes a mail, and replies after a while.
func (s *mailSink) take(b []byte, reply func() bool) bool {
	h := handover{sum: sha256.Sum256(b), dot: time.Now()}
	header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(string(b)))).ReadMIMEHeader()
	if err != nil {
		s.t.Errorf("a mail without a header: %v", err)
	}
	id := header.Get("Message-Id")
	s.mu.Lock()
	wait := time.Duration(s.rand.Int64N(int64(5 * time.Millisecond)))
	at := len(s.mails[id])
	s.mails[id] = append(s.mails[id], h)
	s.dots++
	s.notify <- s.dots
	s.mu.Unlock()
	time.Sleep(wait) // what a server does before it has a mail safe
	ok := reply()
	if ok {
		s.mu.Lock()
		s.mails[id][at].replied = time.Now()
		s.mu.Unlock()
	}
	return ok
}

// outboxOf makes a live database whose outbox holds n prompts.
func outboxOf(t *testing.T, db string, n int) {
	t.Helper()
	r, err := notify.New(notify.Config{From: "perch@example.com", URL: "https://perch.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	s, err := openStore(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().UTC().Truncate(time.Microsecond).Add(-time.Hour)
	b := &gateway.Batch{Type: gateway.Live, Key: gateway.Key{7}, Time: at, Counters: gateway.Counters{Mail: int64(n), Prompt: int64(n)}}
	for i := range int64(n) {
		l := gateway.Letter{
			ID: i + 1, Time: at, Purpose: gateway.MailPrompt, Prompt: i + 1, Kind: gateway.Add,
			To:    provisioning.User{Email: fmt.Sprintf("user%d@example.com", i%97)},
			Phone: discovery.PhoneID{MAC: discovery.MAC{0, 0x15, 0x65, 0, byte(i >> 8), byte(i)}},
		}
		subject, id, body, err := r.Render(l)
		if err != nil {
			t.Fatal(err)
		}
		b.Mails = append(b.Mails, gateway.Mail{
			ID: l.ID, Time: at, Purpose: l.Purpose, To: l.To.Email, Subject: subject, MessageID: id, Prompt: l.Prompt, Body: body,
		})
	}
	if err := errors.Join(s.Commit(ctx, b), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestKilledWhileMailing kills serve with SIGKILL again and again while it mails.
// No mail is lost. A copy is made only of a mail whose 250 was not recorded when
// the process died, and every copy is the same bytes under the same Message-ID.
func TestKilledWhileMailing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, fresh func() string) {
		db := fresh()
		outboxOf(t, db, *mailCount)
		sink := newMailSink(t)
		config := serveConfig(t, t.TempDir(), db, sink.url())
		random := rand.New(rand.NewPCG(5, 6))
		each := max(1, *mailCount / *mailKills)
		var deaths []death
		var noted []notedMail
		dots := 0
		for len(deaths) < *mailKills && dots < *mailCount {
			s := startServe(t, config)
			for until := dots + 1 + random.IntN(2*each-1); dots < until && dots < *mailCount; {
				select {
				case dots = <-sink.notify:
				case <-time.After(20 * time.Second):
					t.Fatalf("no mail in 20 s, after %d of %d\n%s", dots, *mailCount, s.log)
				}
			}
			time.Sleep(time.Duration(random.Int64N(int64(8 * time.Millisecond)))) // a moment before, in or after the gap
			d := death{from: time.Now()}
			s.kill()
			d.by = time.Now()
			deaths = append(deaths, d)
			noted = append(noted, journalOf(t, config)...)
			checkIntegrity(t, db)
		}
		s := startServe(t, config).ready()
		s.waitFor("an empty outbox", func() bool { return waiting(t, db) == 0 })
		s.stop()
		sink.report(t, deaths)
		for _, n := range noted {
			sink.notAgain(t, n)
		}
	})
}

// notedMail is a mail of which a process had noted, when it died, that it was
// taken.
type notedMail struct {
	Mail, Attempt int64
	died          time.Time
}

func journalOf(t *testing.T, config string) (out []notedMail) {
	t.Helper()
	var b []byte
	names, err := filepath.Glob(filepath.Join(filepath.Dir(config), "s-*.sent"))
	if err == nil && len(names) == 1 {
		b, err = os.ReadFile(names[0])
	}
	if err != nil || len(names) > 1 {
		t.Fatalf("%q: %v", names, err)
	}
	for line := range strings.Lines(string(b)) {
		n := notedMail{died: time.Now()}
		if json.Unmarshal([]byte(line), &n) == nil {
			out = append(out, n)
		}
	}
	return out
}

// notAgain checks that a mail that was noted did not come once more.
func (s *mailSink) notAgain(t *testing.T, n notedMail) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, all := range s.mails {
		if strings.HasPrefix(id, fmt.Sprintf("<%d.", n.Mail)) && all[len(all)-1].dot.After(n.died) {
			t.Errorf("mail %s was noted as taken, and came again", id)
		}
	}
}

// death is when a process was killed: at some moment between the two.
type death struct{ from, by time.Time }

// report checks what came in.
func (s *mailSink) report(t *testing.T, deaths []death) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mails) != *mailCount {
		t.Errorf("%d different mails came in, want %d", len(s.mails), *mailCount)
	}
	copies, unanswered := 0, 0
	var longest time.Duration
	for id, all := range s.mails {
		for i, h := range all[:len(all)-1] {
			copies++
			if all[i+1].sum != h.sum {
				t.Errorf("%s: the copy is another one", id)
			}
			// The process that had handed it over died before it could record that.
			at := slices.IndexFunc(deaths, func(d death) bool { return d.by.After(h.dot) })
			switch {
			case at < 0 || deaths[at].by.After(all[i+1].dot):
				t.Errorf("%s: handed over again by the same process", id)
			case h.replied.IsZero() || deaths[at].from.Before(h.replied):
				unanswered++
			default:
				longest = max(longest, deaths[at].from.Sub(h.replied))
			}
		}
	}
	const recording = 50 * time.Millisecond // until the process came to run, on a machine that is busy
	if longest > recording {
		t.Errorf("a copy was made of a mail whose 250 had gone out %s before the process died", longest)
	}
	finding(t, "serve killed with SIGKILL while it mails, "+filepath.Base(t.Name()),
		"%d kills, %d mails: none lost, %d copies (%d of mails without a 250, %d whose 250 had gone out at most %s before), all of the same bytes; database whole each time",
		len(deaths), len(s.mails), copies, unanswered, copies-unanswered, longest.Round(10*time.Microsecond))
}

// checkIntegrity has a SQLite database check itself.
func checkIntegrity(t *testing.T, db string) {
	t.Helper()
	if isPostgres(db) {
		return
	}
	d, err := sql.Open("sqlite", "file:"+db)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var got string
	if err := d.QueryRow("PRAGMA integrity_check").Scan(&got); err != nil || got != "ok" {
		t.Fatalf("integrity check: %s %v", got, err)
	}
}

// waiting counts the mails that wait in an outbox, as another program sees it.
func waiting(t *testing.T, db string) (n int) {
	t.Helper()
	driver, name := "sqlite", "file:"+db+"?mode=ro"
	if isPostgres(db) {
		driver, name = "pgx", db
	}
	d, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.QueryRow("SELECT count(*) FROM outbox WHERE state = 'waiting'").Scan(&n); err != nil {
		return -1 // the database is busy just now
	}
	return n
}
