package store_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"perch/discovery"
	"perch/gateway"
)

// rowsPerCommit is the size of the engine's largest group of effects, and
// groupTime the longest that the first of them waits for others.
const (
	rowsPerCommit = 1000
	groupTime     = 50 * time.Millisecond
)

// phonesMoving is how many phones the attachment changes are of.
const phonesMoving = 20_000

// BenchmarkCommit commits attachment changes as the engine does, a phone's row
// and its event each, 1000 rows to a commit. SQLite has every commit on the disk.
func BenchmarkCommit(b *testing.B) {
	onBoth(b, func(b *testing.B, open func() database) {
		s := open()
		var id int64
		for b.Loop() {
			commit(b, s, moves(&id, rowsPerCommit/2, phonesMoving))
		}
		b.ReportMetric(float64(b.N)*rowsPerCommit/b.Elapsed().Seconds(), "rows/s")
	})
}

// BenchmarkBareSQLite is the peer of BenchmarkCommit: the same rows through a
// plain loop over prepared statements of the same driver.
func BenchmarkBareSQLite(b *testing.B) {
	d := openBare(b)
	var id int64
	for b.Loop() {
		commitBare(b, d, moves(&id, rowsPerCommit/2, phonesMoving))
	}
	b.ReportMetric(float64(b.N)*rowsPerCommit/b.Elapsed().Seconds(), "rows/s")
}

func openBare(b *testing.B) *sql.DB {
	path := filepath.Join(b.TempDir(), "bare.db")
	d, err := sql.Open("sqlite", path+"?_txlock=immediate&_pragma=journal_mode(wal)&_pragma=synchronous(full)")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.Close() })
	d.SetMaxOpenConns(1)
	_, err = d.Exec(`CREATE TABLE phone (id TEXT PRIMARY KEY, state TEXT NOT NULL);
		CREATE TABLE event (id INTEGER PRIMARY KEY, time INTEGER, event TEXT, phone TEXT, data TEXT)`)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

func commitBare(b *testing.B, d *sql.DB, batch *gateway.Batch) {
	tx, err := d.Begin()
	if err != nil {
		b.Fatal(err)
	}
	phone, err := tx.Prepare("INSERT INTO phone VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET state = excluded.state")
	if err != nil {
		b.Fatal(err)
	}
	event, err := tx.Prepare("INSERT INTO event VALUES ($1, $2, $3, $4, $5)")
	if err != nil {
		b.Fatal(err)
	}
	for i, p := range batch.Phones {
		if _, err := phone.Exec(p.Phone.String(), string(p.State)); err != nil {
			b.Fatal(err)
		}
		e := &batch.Events[i]
		if _, err := event.Exec(e.ID, e.Time.UnixMicro(), e.Name, e.Phone, string(e.Data)); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkF11Commit measures figure F11: attachment changes that arrive one by
// one and are committed in groups, each confirmed once it is on the disk, beside
// a bare loop of 1000 rows a transaction over the same changes. The rounds
// alternate; ratio is the median of their ratios of rows per second. worst-ms is
// the longest time from the arrival of a change until its confirmation, and
// p99-ms that of the 99th of 100 groups; bare-worst-ms, the longest transaction
// of the bare loop, tells what the machine's own pauses have to do with it.
func BenchmarkF11Commit(b *testing.B) {
	const pairs, groups = 9, 40
	s, d := openSQLite(b, filepath.Join(b.TempDir(), "perch.db")), openBare(b)
	var id int64
	var ours, theirs, ratios []float64
	var waits []time.Duration
	var worstBare time.Duration
	for b.Loop() {
		for range pairs {
			batches := make([]*gateway.Batch, groups)
			for i := range batches {
				batches[i] = moves(&id, rowsPerCommit/2, phonesMoving)
			}
			runtime.GC()
			start := time.Now()
			waits = append(waits, commitArriving(b, s, batches)...)
			our := groups * rowsPerCommit / time.Since(start).Seconds()
			runtime.GC()
			start = time.Now()
			for _, batch := range batches {
				begin := time.Now()
				commitBare(b, d, batch)
				worstBare = max(worstBare, time.Since(begin))
			}
			their := groups * rowsPerCommit / time.Since(start).Seconds()
			ours, theirs, ratios = append(ours, our), append(theirs, their), append(ratios, our/their)
		}
	}
	checkSame(b, s.Conn(), d, id)
	b.ReportMetric(median(ours), "rows/s")
	b.ReportMetric(median(theirs), "bare-rows/s")
	b.ReportMetric(median(ratios), "ratio")
	slices.Sort(waits)
	b.ReportMetric(ms(waits[len(waits)-1]), "worst-ms")
	b.ReportMetric(ms(waits[len(waits)*99/100]), "p99-ms")
	b.ReportMetric(ms(worstBare), "bare-worst-ms")
	b.ReportMetric(float64(id), "changes")
}

// arrival is one attachment change on its way to the store.
type arrival struct {
	at    time.Time
	phone gateway.PhoneRecord
	event gateway.Event
}

// commitArriving commits changes in groups, as many as have arrived within the
// group time or fill it, while more arrive. It returns for each group the time
// from the arrival of its first change to its confirmation.
func commitArriving(b *testing.B, s gateway.Store, batches []*gateway.Batch) (waits []time.Duration) {
	arrivals := make(chan arrival, rowsPerCommit/2)
	go func() {
		defer close(arrivals)
		for _, batch := range batches {
			for i := range batch.Phones {
				arrivals <- arrival{time.Now(), batch.Phones[i], batch.Events[i]}
			}
		}
	}()
	full := time.NewTimer(groupTime)
	defer full.Stop()
	for open := true; open; {
		group := &gateway.Batch{Type: gateway.Live}
		var first time.Time
		full.Reset(groupTime)
		for more := true; more && open && len(group.Phones) < rowsPerCommit/2; {
			select {
			case a, ok := <-arrivals:
				if open = ok; !ok {
					break
				}
				if first.IsZero() {
					first = a.at
				}
				group.Phones, group.Events = append(group.Phones, a.phone), append(group.Events, a.event)
				group.Time, group.Counters.Event = a.event.Time, a.event.ID
			case <-full.C:
				more = false
			}
		}
		if len(group.Phones) == 0 {
			continue
		}
		if err := s.Commit(b.Context(), group); err != nil {
			b.Fatal(err)
		}
		waits = append(waits, time.Since(first))
	}
	return waits
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// checkSame checks that both databases hold all n events and the same states.
func checkSame(b *testing.B, ours, bare *sql.DB, n int64) {
	b.Helper()
	sums := func(d *sql.DB, phones, events string) (sums [4]int64) {
		query := "SELECT (SELECT count(*) FROM " + phones + "), (SELECT sum(length(state)) FROM " + phones +
			"), (SELECT count(*) FROM " + events + "), (SELECT max(id) FROM " + events + ")"
		if err := d.QueryRow(query).Scan(&sums[0], &sums[1], &sums[2], &sums[3]); err != nil {
			b.Fatal(err)
		}
		return sums
	}
	got, want := sums(ours, "phone_state", "events"), sums(bare, "phone", "event")
	if got != want || got[2] != n || got[0] != phonesMoving {
		b.Fatalf("phones, octets of state, events and the last one: got %v, want %v and %d events", got, want, n)
	}
}

func median(v []float64) float64 {
	return slices.Sorted(slices.Values(v))[len(v)/2]
}

// moves returns a batch in which n of the phones move; id counts its events.
func moves(id *int64, n int, phones int64) *gateway.Batch {
	b := &gateway.Batch{Type: gateway.Live}
	at := time.Unix(1_772_438_400, 0).UTC()
	for range n {
		*id++
		i := *id * 7919 % phones // all over the table
		phone := discovery.PhoneID{MAC: discovery.MAC{0, 0x15, 0x65, byte(i >> 16), byte(i >> 8), byte(i)}}
		state := fmt.Sprintf(`{"attachment":{"chassis_id":"sw-%d","port_id":"Gi1/0/%d","ip":"10.1.2.3"},"n":%d,%s}`, *id%97, *id%48, *id, evidence)
		b.Phones = append(b.Phones, gateway.PhoneRecord{
			Phone: phone, Assignment: gateway.Assignment{Location: "hq-1", Source: gateway.FromWiremap}, State: json.RawMessage(state),
		})
		b.Events = append(b.Events, gateway.Event{
			ID: *id, Time: at.Add(time.Duration(*id) * time.Millisecond), Name: "phone.moved", Phone: phone.String(),
			Data: json.RawMessage(fmt.Sprintf(`{"id":%d,"event":"phone.moved","attachment":{"chassis_id":"sw-3fl","port_id":"Gi1/0/7"}}`, *id)),
		})
	}
	b.Time, b.Counters.Event = at.Add(time.Duration(*id)*time.Millisecond), *id
	return b
}

// evidence makes a phone's state about as long as the engine's is.
const evidence = `"evidence":[` +
	`{"field":"chassis_id","value":"00:1b:17:00:01:30","seen":"2026-03-02T08:00:01.000250Z"},` +
	`{"field":"port_id","value":"Gi1/0/7","seen":"2026-03-02T08:00:01.000250Z"},` +
	`{"field":"ip","value":"10.1.2.3","seen":"2026-03-02T08:00:01.000250Z"},` +
	`{"field":"subnet","value":"10.1.2.0/24","seen":"2026-03-02T08:00:01.000250Z"},` +
	`{"field":"vlan","value":"20","seen":"2026-03-02T08:00:01.000250Z"}],"known":[{"level":"port"}]`

// BenchmarkImport commits a wiremap of 100 000 rules into a new database;
// BenchmarkImportAgain into one that has them; BenchmarkLoad reads it back.
func BenchmarkImport(b *testing.B) {
	wiremap := importOf(100_000)
	onBoth(b, func(b *testing.B, open func() database) {
		for b.Loop() {
			s := open()
			commit(b, s, wiremap)
			s.Close()
		}
	})
}

func BenchmarkImportAgain(b *testing.B) {
	wiremap := importOf(100_000)
	onBoth(b, func(b *testing.B, open func() database) {
		s := open()
		commit(b, s, wiremap)
		for b.Loop() {
			commit(b, s, wiremap)
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	wiremap := importOf(100_000)
	onBoth(b, func(b *testing.B, open func() database) {
		s := open()
		commit(b, s, wiremap)
		for b.Loop() {
			if _, err := s.Load(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func commit(b *testing.B, s gateway.Store, batch *gateway.Batch) {
	b.Helper()
	if err := s.Commit(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
}

// onBoth runs a benchmark on both databases; open makes a new one.
func onBoth(b *testing.B, f func(b *testing.B, open func() database)) {
	b.Run("SQLite", func(b *testing.B) {
		n := 0
		f(b, func() database {
			n++
			return openSQLite(b, filepath.Join(b.TempDir(), fmt.Sprintf("%d.db", n)))
		})
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		f(b, func() database { return openPostgres(b, postgres.Server(b).NewURL(b)) })
	})
}

// BenchmarkOutbox leases 16 mails and records them as sent, beside a million that
// were sent and 20 000 that wait; BenchmarkBacklog counts them.
func BenchmarkOutbox(b *testing.B) { inOutbox(b, sendSome) }

func BenchmarkBacklog(b *testing.B) {
	inOutbox(b, func(b *testing.B, s gateway.Outbox, _ time.Time) {
		if _, err := s.Backlog(b.Context()); err != nil {
			b.Fatal(err)
		}
	})
}

// inOutbox measures f on both databases.
func inOutbox(b *testing.B, f func(*testing.B, gateway.Outbox, time.Time)) {
	const sent, waiting = 1_000_000, 20_000
	at := time.UnixMicro(2 * sent)
	onBoth(b, func(b *testing.B, open func() database) {
		s := open()
		fillOutbox(b, s.Conn(), sent, waiting)
		for b.Loop() {
			f(b, s, at)
		}
	})
}

func sendSome(b *testing.B, s gateway.Outbox, at time.Time) {
	got, err := s.Lease(b.Context(), at, at.Add(time.Minute), 16)
	if err != nil || len(got) != 16 {
		b.Fatalf("leased %d mails, want 16 (%v)", len(got), err)
	}
	for _, d := range got {
		ok, err := s.Record(b.Context(), gateway.Outcome{
			Mail: d.ID, Attempt: d.Attempt, To: d.To, State: gateway.DeliverySent, At: at, Reply: "250 ok",
		})
		if err != nil || !ok {
			b.Fatalf("record mail %d: %v, %v", d.ID, ok, err)
		}
	}
}
