package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"perch/gateway"
	"perch/location"
	"perch/provisioning"
	"perch/store"
	"perch/store/storetest"
)

// patience is for what another process does: far more than it takes.
const patience = time.Minute

// commitAtLast commits a batch again and again until the server is back.
func commitAtLast(t *testing.T, p *store.Postgres, b *gateway.Batch) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := p.Commit(t.Context(), b)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("commit did not succeed again: %v", err)
		}
	}
}

// holdsBatches checks that batches 1 to n are there, each once, and that the
// outbox has their mails.
func holdsBatches(t *testing.T, s database, n int64) {
	t.Helper()
	st, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st.Counters.Event != n || len(st.Phones) != int(n) {
		t.Errorf("last event is %d with %d phones, want %d", st.Counters.Event, len(st.Phones), n)
	}
	var next int64
	err = s.Events(t.Context(), 0, func(e gateway.Event) error {
		if next++; e.ID != next {
			return fmt.Errorf("event %d, want %d", e.ID, next)
		}
		return nil
	})
	if err != nil || next != n {
		t.Errorf("%d events, want %d (%v)", next, n, err)
	}
	if got := countMails(t, s); got != int(n) {
		t.Errorf("%d mails, want %d", got, n)
	}
	b, err := s.Backlog(t.Context())
	if err != nil || b.Waiting+b.Sent+b.Refused != int(n) {
		t.Errorf("outbox has %+v, want %d mails (%v)", b, n, err)
	}
}

// The server is restarted, quits as after a crash, and is killed, between two
// commits and while it is needed. The store goes on by itself.
func TestPostgresRestarted(t *testing.T) {
	server := storetest.StartPostgres(t)
	p := openPostgres(t, server.NewURL(t))
	n := int64(0)
	commit := func() {
		t.Helper()
		n++
		commitAtLast(t, p, batch(n))
	}
	for _, mode := range []storetest.Mode{storetest.Fast, storetest.Immediate} {
		commit()
		server.Restart(t, mode)
		commit()
		server.Stop(t, mode)
		if err := p.Commit(t.Context(), batch(n+1)); err == nil {
			t.Fatalf("%s: a commit without a server succeeded", mode)
		}
		if _, err := p.Lease(t.Context(), time.Now(), time.Now().Add(patience), 1); err == nil ||
			!strings.Contains(err.Error(), "cannot reach the server") {
			t.Errorf("%s: a lease without a server gave %v", mode, err)
		}
		server.Start(t)
		commit()
		holdsBatches(t, p, n)
	}
	server.Kill(t)
	server.Start(t)
	commit()
	holdsBatches(t, p, n)
	commit()
}

// heavyRules make the transaction of a batch long.
const heavyRules = 5000

func heavy(n int64) *gateway.Batch {
	b := batch(n)
	b.Directory = importOf(heavyRules).Directory
	return b
}

// The session is ended in the middle of transactions, at ever other places.
func TestPostgresTerminated(t *testing.T) {
	server := postgres.Server(t)
	name := server.NewDatabase(t)
	p := openPostgres(t, server.URL(name))
	const rounds = 6
	var failed int
	for n := int64(1); n <= rounds; n++ {
		committed := make(chan error, 1)
		go func() { committed <- p.Commit(t.Context(), heavy(n)) }()
		for range n * n { // each look takes the server a while
			server.Backends(t, name)
		}
		server.Terminate(t, name)
		if err := <-committed; err != nil {
			failed++
			commitAtLast(t, p, heavy(n))
		}
		for deadline := time.Now().Add(patience); ; { // the order to end may come late
			if _, err := p.Load(t.Context()); err == nil || time.Now().After(deadline) {
				break
			}
		}
		holdsBatches(t, p, n)
	}
	if failed == 0 {
		t.Error("no commit was interrupted")
	}
	st, err := p.Load(t.Context())
	if err != nil || len(st.Directory.Rules) != heavyRules {
		t.Errorf("%d rules, want %d (%v)", len(st.Directory.Rules), heavyRules, err)
	}
}

// blocked starts a commit that has to wait for a lock in the middle of its
// transaction, and calls f once it waits.
func blocked(t *testing.T, server *storetest.Server, name string, commit, f func()) {
	t.Helper()
	d, err := sql.Open("pgx", server.URL(name))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	tx, err := d.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec("LOCK TABLE mails IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	go commit()
	deadline := time.Now().Add(patience)
	for waiting := false; !waiting; {
		err := tx.QueryRow(`SELECT count(*) > 0 FROM pg_locks
			WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND NOT granted`).Scan(&waiting)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("nobody waits: %v", err)
		}
	}
	f()
}

func TestPostgresEndedInMidTransaction(t *testing.T) {
	server := postgres.Server(t)
	for _, test := range []struct {
		name string
		end  func(t *testing.T, cancel context.CancelFunc, database string)
	}{
		{"terminated", func(t *testing.T, _ context.CancelFunc, database string) { server.Terminate(t, database) }},
		{"cancelled", func(_ *testing.T, cancel context.CancelFunc, _ string) { cancel() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := server.NewDatabase(t)
			p := openPostgres(t, server.URL(name))
			if err := p.Commit(t.Context(), batch(1)); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			committed := make(chan error, 1)
			blocked(t, server, name, func() { committed <- p.Commit(ctx, batch(2)) }, func() {
				test.end(t, cancel, name)
				if err := <-committed; err == nil {
					t.Error("the commit succeeded")
				}
			})
			holdsBatches(t, p, 1)
			if err := p.Commit(t.Context(), batch(2)); err != nil {
				t.Errorf("the same batch: %v", err)
			}
			if err := p.Commit(t.Context(), batch(3)); err != nil {
				t.Errorf("the next batch: %v", err)
			}
			holdsBatches(t, p, 3)
		})
	}
}

// A session that ended while nobody used it is replaced without an error.
func TestPostgresEndedWhileIdle(t *testing.T) {
	server := postgres.Server(t)
	name := server.NewDatabase(t)
	proxy, databaseURL := startProxy(t, server.URL(name))
	p := openPostgres(t, databaseURL)
	for n := int64(1); n <= 3; n++ {
		if err := p.Commit(t.Context(), batch(n)); err != nil {
			t.Errorf("commit %d: %v", n, err)
		}
		if n%2 == 0 {
			proxy.breakAll()
			continue
		}
		server.Terminate(t, name)
		for deadline := time.Now().Add(patience); len(server.Backends(t, name)) > 0; {
			if time.Now().After(deadline) {
				t.Fatal("the session does not end")
			}
		}
		holdsBatches(t, p, n)
	}
}

// The connection breaks around a COMMIT: whatever became of it, the same batch
// takes effect once.
func TestPostgresLostReply(t *testing.T) {
	for _, test := range []struct {
		name string
		cut  cut
	}{
		{"before the server sees the commit", beforeCommit},
		{"after the server sees the commit", afterCommit},
		{"after the server replied", afterReply},
		{"and the server does not notice", clientOnly},
	} {
		t.Run(test.name, func(t *testing.T) {
			proxy, databaseURL := startProxy(t, postgres.Server(t).NewURL(t))
			p := openPostgres(t, databaseURL)
			n := int64(0)
			for range 3 {
				n++
				proxy.cutNext(test.cut)
				if err := p.Commit(t.Context(), batch(n)); err == nil {
					t.Fatal("the commit succeeded")
				}
				for range 2 { // the second answer may be lost as well
					proxy.cutNext(test.cut)
					_ = p.Commit(t.Context(), batch(n))
				}
				proxy.cutNext(never)
				if err := p.Commit(t.Context(), batch(n)); err != nil {
					t.Fatalf("the same batch: %v", err)
				}
				n++
				if err := p.Commit(t.Context(), batch(n)); err != nil {
					t.Fatalf("the next batch: %v", err)
				}
				holdsBatches(t, p, n)
			}
			lostEmpty(t, proxy, p, test.cut)
		})
	}
}

// lostEmpty is the same for batches without events, which leave fewer traces.
func lostEmpty(t *testing.T, proxy *proxy, p *store.Postgres, c cut) {
	t.Helper()
	st, err := p.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []*gateway.Batch{
		{Type: st.Type, Time: st.Time, Counters: st.Counters},
		{Type: st.Type, Time: st.Time.Add(time.Hour), Counters: st.Counters, Tracker: []byte(`{}`)},
		{Type: st.Type, Time: st.Time.Add(time.Hour), Counters: st.Counters, Directory: importOf(7).Directory},
	} {
		proxy.cutNext(c)
		if err := p.Commit(t.Context(), b); err == nil {
			t.Error("the commit succeeded")
		}
		if err := p.Commit(t.Context(), b); err != nil {
			t.Errorf("the same batch: %v", err)
		}
	}
	st, err = p.Load(t.Context())
	if err != nil || len(st.Directory.Rules) != 7 {
		t.Errorf("%d rules, want 7 (%v)", len(st.Directory.Rules), err)
	}
}

// While the connection is down another process takes the lock.
func TestPostgresTakenOver(t *testing.T) {
	for _, test := range []struct {
		name  string
		other func(st gateway.State) *gateway.Batch // what the other process writes; nil: nothing
		is    error
	}{
		{"and only reads", func(gateway.State) *gateway.Batch { return nil }, nil},
		{"and goes on", func(gateway.State) *gateway.Batch { return batch(9) }, gateway.ErrOtherWriter},
		{"and tells as much", func(gateway.State) *gateway.Batch {
			b := batch(2)
			b.Events[0].Name = "phone.returned"
			return b
		}, gateway.ErrOtherWriter},
		{"and imports", func(st gateway.State) *gateway.Batch {
			return &gateway.Batch{Type: st.Type, Time: st.Time, Counters: st.Counters, Directory: []provisioning.Changes{
				{Put: provisioning.Content{Locations: []location.Location{{ID: "hq", Version: 1}}}},
			}}
		}, gateway.ErrOtherWriter},
		{"and keeps time", func(st gateway.State) *gateway.Batch {
			return &gateway.Batch{Type: st.Type, Time: st.Time.Add(time.Second), Counters: st.Counters, Tracker: []byte(`{}`)}
		}, gateway.ErrOtherWriter},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // each waits for a lock for a while
			direct := postgres.Server(t).NewURL(t)
			proxy, databaseURL := startProxy(t, direct)
			p := openPostgres(t, databaseURL)
			if err := p.Commit(t.Context(), batch(1)); err != nil {
				t.Fatal(err)
			}
			proxy.cutNext(beforeCommit)
			if err := p.Commit(t.Context(), batch(2)); err == nil {
				t.Fatal("the commit succeeded")
			}
			other := openPostgres(t, direct)
			st, err := other.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Commit(t.Context(), batch(2)); !errors.Is(err, gateway.ErrInUse) {
				t.Errorf("commit without the lock gave %v, want ErrInUse", err)
			}
			if b := test.other(st); b != nil {
				if err := other.Commit(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			other.Close()
			want := ""
			for range 2 { // for good
				err := p.Commit(t.Context(), batch(2))
				if !errors.Is(err, test.is) {
					t.Errorf("commit once the lock is free gave %v, want %v", err, test.is)
				}
				if now := storetest.DumpOf(t, direct); want != "" && now != want {
					t.Errorf("the dump is now\n%s\nwas\n%s", now, want)
				} else {
					want = now
				}
			}
		})
	}
}

// What the URL sets stands, but for what makes commits durable.
func TestPostgresParameters(t *testing.T) {
	server := postgres.Server(t)
	u, err := url.Parse(server.NewURL(t))
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery = "synchronous_commit=off&statement_timeout=7s"
	p := openPostgres(t, u.String())
	if got := store.Setting(t, p, "synchronous_commit"); got != "on" {
		t.Errorf("synchronous_commit is %s: what is committed is not on the disk", got)
	}
	if got := store.Setting(t, p, "statement_timeout"); got != "7s" {
		t.Errorf("statement_timeout is %s, the URL says 7s", got)
	}
}
