package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perch/gateway"
)

// A command on a live database that is not served goes on from the past as serve
// does: a phone does not vanish since nobody listened.
func TestCommandAfterDowntime(t *testing.T) {
	dir := t.TempDir()
	db := filepath.Join(dir, "p.db")
	liveDatabase(t, db, "company-claim-port")
	// What a command does on its way: decisionTime and Answer.
	ctx := context.Background()
	s, err := openSession(ctx, defaults(), db, false, false)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	s.engine.OnEvent(func(ev gateway.Event) { names = append(names, ev.Name) })
	at, err := s.decisionTime(time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	at = at.Add(60 * time.Hour) // serve was down since Friday; the other stories are 5 h old
	err = s.engine.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerCompany, Location: "hq-307", By: "alice@example.com", At: at})
	s.store.Close()
	t.Log("answered by command:", names, err)
	if strings.Contains(strings.Join(names, " "), "vanished") {
		t.Errorf("a command after a downtime gives %v", names)
	}
	s, err = openSession(ctx, defaults(), db, false, false)
	if err != nil {
		t.Fatal(err)
	}
	names = nil
	s.engine.OnEvent(func(ev gateway.Event) { names = append(names, ev.Name) })
	s.engine.Resume(at)
	s.store.Close()
	t.Log("serve resumes:", names)
}

// A clock that is a little behind stops serve from nothing, and should not stop commands.
func TestCommandWithClockBehind(t *testing.T) {
	dir := t.TempDir()
	db := filepath.Join(dir, "p.db")
	liveDatabase(t, db, "company-claim-port")
	ctx := context.Background()
	s, err := openSession(ctx, defaults(), db, false, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.store.Close()
	s.engine.Advance(time.Now().UTC().Add(10 * time.Minute)) // the clock was 10 minutes ahead while served
	at, err := s.decisionTime(time.Time{})
	if err == nil {
		err = s.engine.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerCompany, Location: "hq-307", By: "alice@example.com", At: at})
	}
	if err != nil {
		t.Error(err)
	}
}

// Mails that were committed and not yet written to -mail DIR are written by the
// next start.
func TestReplayMailsAfterFailure(t *testing.T) {
	dir := t.TempDir()
	story := filepath.Join(root, "testdata", "replay", "company-claim-port")
	mails := filepath.Join(dir, "mail")
	args := []string{"replay", "-db", filepath.Join(dir, "r.db"), "-map", filepath.Join(story, "map"), "-mail", mails, filepath.Join(story, "in.pcapng")}
	if err := os.MkdirAll(filepath.Join(mails, "0001-prompt.eml"), 0o700); err != nil { // in the way, as a full disk or a kill would be
		t.Fatal(err)
	}
	code, _, errs := perchRun(t, args...)
	t.Log(code, errs)
	if err := os.Remove(filepath.Join(mails, "0001-prompt.eml")); err != nil {
		t.Fatal(err)
	}
	code, _, errs = perchRun(t, args...)
	t.Log(code, errs)
	if _, err := os.Stat(filepath.Join(mails, "0001-prompt.eml")); err != nil {
		t.Error(err)
	}
}

// What a command imports into a live database that is not served happens now, not
// when the database was last served.
func TestImportHappensNow(t *testing.T) {
	dir := t.TempDir()
	db := filepath.Join(dir, "p.db")
	liveDatabase(t, db, "company-claim-port") // last served 5 hours ago
	ctx := context.Background()
	s, err := openSession(ctx, defaults(), db, false, false)
	if err != nil {
		t.Fatal(err)
	}
	old := s.engine.Now()
	s.store.Close()
	name := writeFile(t, dir, "wiremap.csv", "location_id,site,subnet\nhq-a,hq,10.1.2.0/24\n")
	code, out, errs := perchRun(t, "import", "-json", "-db", db, name)
	t.Log(code, out, errs, "engine time was", old)
	for line := range strings.Lines(out) {
		var ev struct {
			Time  time.Time
			Event string
		}
		if json.Unmarshal([]byte(line), &ev) == nil && time.Since(ev.Time) > time.Minute {
			t.Errorf("%s at %s, %s ago", ev.Event, ev.Time, time.Since(ev.Time).Round(time.Minute))
		}
	}
}

// slowStore lets a commit take its time.
type slowStore struct {
	gateway.Store
	gate chan struct{}
}

func (s *slowStore) Commit(ctx context.Context, b *gateway.Batch) error {
	select {
	case <-s.gate:
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.Store.Commit(ctx, b)
}

// Nothing is told that is not durable: a refusal because of an answer that is not
// stored yet (a double click) tells of that answer.
func TestRefusalBeforeItsReasonIsDurable(t *testing.T) {
	db := filepath.Join(t.TempDir(), "p.db")
	liveDatabase(t, db, "company-claim-port")
	ctx, cancel := context.WithCancel(context.Background())
	inner, err := openStore(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	conf := defaults()
	ec, err := conf.engine()
	if err != nil {
		t.Fatal(err)
	}
	e, err := gateway.New(ctx, ec, &slowStore{inner, gate})
	if err != nil {
		t.Fatal(err)
	}
	c, err := newClock(e.Now())
	if err != nil {
		t.Fatal(err)
	}
	l := newLive(e, c, slog.New(slog.DiscardHandler), nil)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = l.run(ctx) }()
	reply := gateway.Reply{Prompt: 1, Kind: gateway.AnswerCompany, Location: "hq-307", By: "alice@example.com"}
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := l.decide(ctx, func() error { return e.Answer(reply) }); first <- err }()
	for {
		if _, ok := e.AnswerTo(1); ok {
			break
		}
		time.Sleep(time.Millisecond)
	}
	go func() { _, err := l.decide(ctx, func() error { return e.Answer(reply) }); second <- err }()
	select {
	case err := <-second:
		t.Errorf("nothing is stored yet, and the second click is told: %v", err)
	case err := <-first:
		t.Errorf("first: %v", err)
	case <-time.After(2 * time.Second):
	}
	close(gate)
	t.Log("first:", <-first)
	cancel()
	<-ended
	inner.Close()
}

// serve of database A was killed while it told its outbox that mail 1 was taken;
// database B, killed before as well, is served next with the same socket: (or as
// another PostgreSQL database in the same directory, where it is perch.sock for
// all). B's mail 1 must be sent.
func TestJournalOfAnotherDatabase(t *testing.T) {
	dir := t.TempDir()
	db, journal := filepath.Join(dir, "b.db"), filepath.Join(dir, "perch.sent")
	liveDatabase(t, db, "company-claim-port")
	ctx, cancel := context.WithCancel(context.Background())
	s, err := openSession(ctx, defaults(), db, false, false)
	if err != nil {
		t.Fatal(err)
	}
	box := s.store.(gateway.Outbox)
	now := time.Now().UTC()
	held, err := box.Lease(ctx, now, now.Add(time.Hour), 1) // B was killed with mail 1 in hand
	if err != nil || len(held) != 1 {
		t.Fatal(held, err)
	}
	note := `{"mail":1,"attempt":1,"to":"someone@a.example","reply":"250 ok"}` + "\n" // A's
	if err := os.WriteFile(journal, []byte(note), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := newInbox()
	if err != nil {
		t.Fatal(err)
	}
	go in.serve()
	defer in.close()
	s.config.Mail.SMTP = in.url()
	c, err := newClock(s.engine.Now())
	if err != nil {
		t.Fatal(err)
	}
	v, err := newService(s, c, journal, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if v.pages, err = listenPages("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- v.run(ctx) }()
	var b gateway.Backlog
	for range 200 {
		if b, err = box.Backlog(ctx); err != nil {
			t.Fatal(err)
		}
		if b.Waiting == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	in.mu.Lock()
	got := len(in.mails)
	in.mu.Unlock()
	cancel()
	<-ended
	if got != b.Sent {
		t.Errorf("the outbox says %d mails were sent, the server got %d; mail 1 to %s is lost", b.Sent, got, held[0].To)
	}
}

// A command is for the database that it names, whoever listens at socket:.
func TestCommandReachesItsDatabase(t *testing.T) {
	dir := t.TempDir()
	config := serveConfig(t, dir, filepath.Join(dir, "a.db"), "")
	startServe(t, config).ready()
	other := filepath.Join(dir, "b.db")
	code, _, errs := perchRun(t, "import", "-config", config, "-db", other, writeFile(t, dir, "users.csv", "email,name\nzoe@example.com,Zoe\n"))
	_, users, _ := perchRun(t, "export", "-config", config, "users")
	if _, err := os.Stat(other); err != nil || strings.Contains(users, "zoe") {
		t.Errorf("import -db b.db: exit %d, %s%v; a.db, which is served, has now\n%s", code, errs, err, users)
	}
}

// Two names of a database that is not there yet share a lock.
func TestDanglingLinkIsOneDatabase(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "real.db"), filepath.Join(dir, "link.db")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	a, err := openStore(ctx, link)
	if err != nil {
		return // refused: as good
	}
	defer a.Close()
	b, err := openStore(ctx, file)
	if err == nil {
		b.Close()
		t.Error("two holders of one database")
	}
}

// Captures of one base name given in another order go on as the same sources.
func TestReplayOtherOrder(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for i, name := range []string{"swp7.pcap", "swp9.pcap"} {
		b, err := demoFiles.ReadFile("demo/" + name)
		if err != nil {
			t.Fatal(err)
		}
		sub := filepath.Join(dir, string(rune('a'+i)))
		if err := os.Mkdir(sub, 0o700); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, writeFile(t, sub, "x.pcap", string(b)))
	}
	maps := filepath.Join("demo", "map")
	_, whole, _ := perchRun(t, "replay", "-json", "-db", filepath.Join(dir, "w.db"), "-map", maps, paths[0], paths[1])
	db := filepath.Join(dir, "p.db")
	_, first, _ := perchRun(t, "replay", "-json", "-db", db, "-map", maps, "-until", "2026-11-23T21:05:22Z", paths[0], paths[1])
	_, second, _ := perchRun(t, "replay", "-json", "-db", db, paths[1], paths[0])
	if first+second != whole {
		t.Errorf("got\n%s%swant\n%s", first, second, whole)
	}
}

// A capture that starts before engine time is refused beside one that is known,
// too.
func TestReplayOlderCaptureBesideAKnownOne(t *testing.T) {
	dir := t.TempDir()
	db := filepath.Join(dir, "p.db")
	run := func(args ...string) (int, string) {
		code, out, errs := perchRun(t, args...)
		return code, out + errs
	}
	swp7, swp9 := filepath.Join("demo", "swp7.pcap"), filepath.Join("demo", "swp9.pcap")
	run("replay", "-db", db, "-map", filepath.Join("demo", "map"), "-until", "2026-11-23T21:05:22Z", swp7)
	if code, out := run("prompts", "answer", "1", "-db", db, "-company", "hq-307", "-by", "alice@example.com", "-at", "2026-11-23T21:06:38Z"); code != 0 {
		t.Fatal(out)
	}
	if code, out := run("replay", "-db", db, swp7, swp9); code != 1 {
		t.Errorf("exit %d: %s", code, out)
	}
}
