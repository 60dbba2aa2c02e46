package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perch/gateway"
	"perch/location"
	"perch/store/storetest"
)

// crew answers prompts at a running serve, one after another, whatever befalls
// it, and remembers what it was told.
type crew struct {
	t       *testing.T
	socket  string
	db      string // its identity
	prompts []int64
	taken   map[int64]bool   // serve said that it is stored
	doubted map[int64]string // serve said something else
	next    int
}

func newCrew(t *testing.T, config, db string) *crew {
	t.Helper()
	c := &crew{t: t, socket: filepath.Join(filepath.Dir(config), "s.sock"), db: identity(db), taken: map[int64]bool{}, doubted: map[int64]string{}}
	out, err := c.ask("prompts/list", &promptsListRequest{JSON: true})
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(out))
	for dec.More() {
		var row struct{ ID int64 }
		if err := dec.Decode(&row); err != nil {
			t.Fatal(err)
		}
		c.prompts = append(c.prompts, row.ID)
	}
	if len(c.prompts) < 200 {
		t.Fatalf("only %d open prompts", len(c.prompts))
	}
	return c
}

func (c *crew) ask(name string, r request) (string, error) {
	server, running := findServer(c.socket, c.db)
	if !running {
		return "", errors.New("serve does not run")
	}
	defer server.close()
	var out bytes.Buffer
	err := server.ask(context.Background(), name, r, &environment{strings.NewReader(""), &out, &out})
	return out.String(), err
}

// answer answers one prompt with a new address, and notes how that went.
func (c *crew) answer(id int64) {
	r := &answerRequest{Reply: gateway.Reply{Prompt: id, Kind: gateway.AnswerPropose, By: "cli:crew", Address: location.Location{
		Address: location.CivicAddress{Country: "US", City: "Springfield", Street: "Mill Lane", HouseNumber: fmt.Sprint(id)},
	}}}
	switch _, err := c.ask("prompts/answer", r); {
	case err == nil, strings.Contains(err.Error(), "is closed (answered)") && c.doubted[id] != "":
		c.taken[id] = true
		delete(c.doubted, id)
	default:
		c.doubted[id] = err.Error()
	}
}

// work answers prompts for a while.
func (c *crew) work(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until) && c.next < len(c.prompts); c.next++ {
		c.answer(c.prompts[c.next])
		time.Sleep(20 * time.Millisecond)
	}
}

// again answers what was in doubt.
func (c *crew) again() {
	for id := range c.doubted {
		c.answer(id)
	}
}

// fault is something that befalls the database of a running serve.
type fault struct {
	name    string
	strike  func()
	repair  func()
	lasts   time.Duration
	restart bool // what it befalls cannot be repaired under a running program
	down    bool // nothing can be stored until it is repaired
}

// TestServeFaults lets things befall serve's database while people answer: what
// serve says is stored, is; what it does not say so of, can be done again; and it
// serves on by itself when the fault is gone.
func TestServeFaults(t *testing.T) {
	dir := crowd(t)
	t.Run("SQLite", func(t *testing.T) {
		for _, name := range []string{"disk full", "read-only file system", "locked by another program"} {
			t.Run(name, func(t *testing.T) {
				home, f := sqliteFault(t, name)
				underFault(t, dir, home, filepath.Join(home, "perch.db"), f)
			})
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		server := storetest.StartPostgres(t)
		for _, name := range []string{"sessions ended", "server restarted", "server restarted at once", "server killed"} {
			t.Run(name, func(t *testing.T) {
				url := server.NewURL(t)
				underFault(t, dir, t.TempDir(), url, postgresFault(t, server, name, url))
			})
		}
	})
}

func underFault(t *testing.T, dir, home, db string, f fault) {
	observedInto(t, db, filepath.Join(dir, "map"), filepath.Join(dir, "crowd-1.pcapng"), filepath.Join(dir, "crowd-2.pcapng"))
	sink := newMailSink(t)
	config := serveConfig(t, t.TempDir(), db, sink.url())
	s := startServe(t, config).ready()
	c := newCrew(t, config, db)
	c.work(time.Second)
	if len(c.doubted) > 0 || len(c.taken) == 0 {
		t.Fatalf("before the fault: %d answers taken, in doubt %v", len(c.taken), c.doubted)
	}
	before := len(c.taken)
	f.strike()
	struck := time.Now()
	worked := make(chan struct{})
	go func() { // an answer may wait for longer than the fault lasts
		defer close(worked)
		c.work(f.lasts)
	}()
	if f.down { // and says so
		s.waitFor("a /healthz of 503", func() bool { code, _ := s.health(); return code == http.StatusServiceUnavailable })
	}
	time.Sleep(time.Until(struck.Add(f.lasts)))
	if f.restart {
		<-worked
		s.kill()
	}
	f.repair()
	repaired := time.Now()
	if f.restart {
		s = startServe(t, config)
	}
	s.ready()
	back := time.Since(repaired)
	<-worked
	during, refused := len(c.taken)-before, len(c.doubted)
	c.again()
	c.work(500 * time.Millisecond)
	if len(c.doubted) > 0 {
		t.Fatalf("still in doubt after the fault: %v\n%s", c.doubted, s.log)
	}
	s.waitFor("an empty outbox", func() bool { return waiting(t, db) == 0 })
	s.stop()
	checkIntegrity(t, db)
	checkTaken(t, db, c)
	copies := 0
	if f.restart { // it was killed: a mail under way on each connection may come again (TestKilledWhileMailing)
		copies = 2
	}
	mails := checkMailsOnce(t, sink, copies)
	finding(t, "serve, "+strings.TrimPrefix(t.Name(), "TestServeFaults/"),
		"%d answers before, %d taken and %d refused or in doubt during %s, served again %s after; %d answers and %d mails in the end, each once",
		before, during, refused, f.lasts, back.Round(100*time.Millisecond), len(c.taken), mails)
}

// checkTaken checks that each answer that was taken is there, once, and no other.
func checkTaken(t *testing.T, db string, c *crew) {
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
	rows, err := d.Query("SELECT prompt_id FROM answers ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	seen := map[int64]bool{}
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		if seen[id] || !c.taken[id] {
			t.Errorf("prompt %d: twice (%v), or never taken", id, seen[id])
		}
		seen[id] = true
	}
	if err := rows.Err(); err != nil || len(seen) != len(c.taken) {
		t.Errorf("%d answers are stored, %d were taken (%v)", len(seen), len(c.taken), err)
	}
}

// checkMailsOnce checks that no mail came twice, but for so many copies, and counts them.
func checkMailsOnce(t *testing.T, s *mailSink, copies int) int {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, all := range s.mails {
		if copies -= len(all) - 1; copies < 0 {
			t.Errorf("mail %s came %d times", id, len(all))
		}
	}
	return len(s.mails)
}

// sqliteFault makes the place for a database, and the fault that will befall it.
func sqliteFault(t *testing.T, name string) (home string, f fault) {
	home = t.TempDir()
	f = fault{name: name, lasts: 3 * time.Second}
	switch name {
	case "disk full":
		mount(t, home, "tmpfs", "-t", "tmpfs", "-o", "size=12m")
		filler := filepath.Join(home, "filler")
		f.strike = func() { fill(t, filler) }
		f.repair = func() {
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
		}
	case "read-only file system":
		// What the kernel does when a disk fails: nothing more is written, and only
		// mounting it anew helps.
		image := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(image, make([]byte, 48<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		system(t, "mkfs.ext4", "-q", "-F", "-e", "remount-ro", image)
		mount(t, home, image, "-o", "loop,errors=remount-ro")
		device := strings.TrimPrefix(strings.TrimSpace(system(t, "findmnt", "-no", "SOURCE", home)), "/dev/")
		f.strike = func() {
			if err := os.WriteFile("/sys/fs/ext4/"+device+"/trigger_fs_error", []byte("1"), 0); err != nil {
				t.Fatal(err)
			}
		}
		f.restart = true
		f.repair = func() {
			system(t, "umount", home)
			_, _ = exec.Command("fsck.ext4", "-p", "-f", image).CombinedOutput() // mends what the error left
			system(t, "mount", "-o", "loop", image, home)
		}
	case "locked by another program":
		var d *sql.DB
		var tx *sql.Tx
		f.lasts = 8 * time.Second // longer than SQLite is waited for
		f.strike = func() {
			var err error
			if d, err = sql.Open("sqlite", "file:"+filepath.Join(home, "perch.db")+"?_txlock=immediate&_pragma=busy_timeout(10000)"); err != nil {
				t.Fatal(err)
			}
			if tx, err = d.Begin(); err != nil {
				t.Fatal(err)
			}
		}
		f.repair = func() {
			if err := errors.Join(tx.Rollback(), d.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return home, f
}

// postgresFault is what befalls a server.
func postgresFault(t *testing.T, server *storetest.Server, name, url string) fault {
	f := fault{name: name, lasts: 3 * time.Second, repair: func() {}}
	database := url[strings.LastIndex(url, "/")+1:]
	database, _, _ = strings.Cut(database, "?")
	switch name {
	case "sessions ended":
		f.strike = func() { server.Terminate(t, database) }
	case "server restarted":
		f.down = true
		f.strike = func() { server.Stop(t, storetest.Fast) }
		f.repair = func() { server.Start(t) }
	case "server restarted at once":
		f.strike = func() { server.Restart(t, storetest.Immediate) }
	case "server killed":
		f.down = true
		f.strike = func() { server.Kill(t) }
		f.repair = func() { server.Start(t) }
	}
	return f
}

// mount mounts something on a directory until the end of the test; who may not is
// told so, except in CI, where everything must run.
func mount(t *testing.T, dir, what string, args ...string) {
	t.Helper()
	out, err := exec.Command("mount", append(args, what, dir)...).CombinedOutput()
	if err != nil {
		if os.Getenv("CI") == "" {
			t.Skipf("mount: %v: %s (needs root, and loop devices)", err, bytes.TrimSpace(out))
		}
		t.Fatalf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
}

func system(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out)
}

// fill leaves no space on a file system.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for {
			if _, err := f.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
}
