package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"perch/gateway"
)

// outboxCases are the tests of a store that has an outbox.
var outboxCases = []testCase{
	{"only a live batch fills the outbox", (*suite).liveOnly},
	{"a lease brings whole mails in order of id", (*suite).leasesMails},
	{"mails of calls for help come first", (*suite).urgentFirst},
	{"a lease is exclusive until it ends", (*suite).leaseEnds},
	{"no two goroutines lease one attempt", (*suite).leasesAtOnce},
	{"mails are leased when they are due", (*suite).leasesDue},
	{"an outcome closes its mail once", (*suite).recordsOnce},
	{"the outcome of a stale attempt is refused", (*suite).fencing},
	{"free ends all leases", (*suite).frees},
	{"a refused recipient is known until a mail is taken", (*suite).refusedRecipients},
	{"a batch that is committed again takes effect once", (*suite).commitsAgain},
	{"a batch that failed is committed again", (*suite).commitsFailed},
}

// minute is a told time, n minutes into the tests' day.
func minute(n int) time.Time { return at(60 * n) }

// queue commits live mails of these ids, each queued in the minute of its id.
func (s *suite) queue(ids ...int64) []gateway.Mail {
	s.Helper()
	b := &gateway.Batch{Type: gateway.Live, Time: minute(int(slices.Max(ids)))}
	for _, id := range ids {
		m := mail(id)
		m.Time = minute(int(id))
		m.To = fmt.Sprintf("user-%d@example.com", id)
		b.Mails = append(b.Mails, m)
		b.Counters.Mail = max(b.Counters.Mail, id)
	}
	s.commit(b)
	return b.Mails
}

func (s *suite) lease(now, until time.Time, n int) []gateway.Delivery {
	s.Helper()
	got, err := s.outbox.Lease(s.Context(), now, until, n)
	if err != nil {
		s.Fatalf("Lease: %v", err)
	}
	return got
}

// leased checks which mails a lease brings, as "id/attempt".
func (s *suite) leased(now, until time.Time, n int, want ...string) {
	s.Helper()
	got := []string{}
	for _, d := range s.lease(now, until, n) {
		got = append(got, fmt.Sprintf("%d/%d", d.ID, d.Attempt))
	}
	if !slices.Equal(got, want) {
		s.Errorf("leased at %v: got %v, want %v", now.Format(time.TimeOnly), got, want)
	}
}

func (s *suite) record(o gateway.Outcome, want bool) {
	s.Helper()
	got, err := s.outbox.Record(s.Context(), o)
	if err != nil {
		s.Fatalf("Record %+v: %v", o, err)
	}
	if got != want {
		s.Errorf("Record %+v: got %v, want %v", o, got, want)
	}
}

func (s *suite) backlog(want gateway.Backlog) {
	s.Helper()
	got, err := s.outbox.Backlog(s.Context())
	if err != nil {
		s.Fatalf("Backlog: %v", err)
	}
	if diff := compare(got, want); diff != "" {
		s.Errorf("Backlog (-got +want):\n%s", diff)
	}
}

func (s *suite) undeliverable(want ...gateway.Undeliverable) {
	s.Helper()
	got, err := s.outbox.Undeliverable(s.Context())
	if err != nil {
		s.Fatalf("Undeliverable: %v", err)
	}
	if diff := compare(got, want); diff != "" {
		s.Errorf("Undeliverable (-got +want):\n%s", diff)
	}
}

func sentAt(d gateway.Delivery, at time.Time) gateway.Outcome {
	return gateway.Outcome{Mail: d.ID, Attempt: d.Attempt, To: d.To, State: gateway.DeliverySent, At: at, Reply: "250 ok"}
}

func refusedAt(d gateway.Delivery, at time.Time, reply string) gateway.Outcome {
	return gateway.Outcome{Mail: d.ID, Attempt: d.Attempt, To: d.To, State: gateway.DeliveryRefused, At: at, Reply: reply}
}

func againAt(d gateway.Delivery, at, next time.Time) gateway.Outcome {
	return gateway.Outcome{
		Mail: d.ID, Attempt: d.Attempt, To: d.To, State: gateway.DeliveryWaiting, At: at, Next: next, Reply: "451 later",
	}
}

func (s *suite) liveOnly() {
	for i, typ := range []gateway.DatabaseType{gateway.Untyped, gateway.Replayed} {
		s.commit(&gateway.Batch{Type: typ, Mails: []gateway.Mail{mail(int64(i + 1))}})
	}
	s.backlog(gateway.Backlog{})
	s.leased(minute(9), minute(10), 10)
	s.queue(5)
	s.backlog(gateway.Backlog{Waiting: 1, Next: minute(5)})
	s.reopenOutbox()
	s.leased(minute(9), minute(10), 10, "5/1")
}

// reopenOutbox opens the store again, as a new holder would.
func (s *suite) reopenOutbox() {
	s.store = s.reopen()
	s.outbox = s.store.(gateway.Outbox)
}

// urgentFirst: a mail of a call for help waits for no other one.
func (s *suite) urgentFirst() {
	s.queue(1, 2, 3)
	urgent := mail(4)
	urgent.Purpose, urgent.Time = gateway.MailEmergency, minute(4)
	s.commit(&gateway.Batch{Type: gateway.Live, Time: minute(4), Counters: gateway.Counters{Mail: 4}, Mails: []gateway.Mail{urgent}})
	s.leased(minute(3), minute(5), 1, "1/1") // it is not due yet
	s.leased(minute(4), minute(6), 2, "4/1", "2/1")
	s.leased(minute(4), minute(6), 2, "3/1")
}

func (s *suite) leasesMails() {
	const n = 600 // more than a store would read at once
	var ids []int64
	for i := range int64(n) {
		ids = append(ids, n-i) // not as they were written
	}
	want := s.queue(ids...)
	slices.Reverse(want)
	var got []gateway.Mail
	for _, d := range s.lease(minute(n), minute(n+1), n+1) {
		if d.Attempt != 1 {
			s.Fatalf("mail %d: attempt %d, want 1", d.ID, d.Attempt)
		}
		got = append(got, d.Mail)
	}
	if diff := compare(got, want); diff != "" {
		s.Errorf("leased (-got +want):\n%s", diff)
	}
	if got, err := s.outbox.Lease(s.Context(), minute(1), minute(1), 1); err == nil {
		s.Errorf("a lease without any time gave %v, want an error", got)
	}
}

func (s *suite) leaseEnds() {
	s.queue(1, 2, 3)
	s.leased(minute(3), minute(10), 2, "1/1", "2/1")
	s.leased(minute(4), minute(12), 9, "3/1")
	s.backlog(gateway.Backlog{Waiting: 3, Next: minute(10)})
	s.leased(minute(9), minute(20), 9)
	s.leased(minute(10), minute(20), 9, "1/2", "2/2") // until is no part of the lease
	s.reopenOutbox()                                  // attempts are durable
	s.leased(minute(20), minute(30), 9, "1/3", "2/3", "3/2")
}

func (s *suite) leasesAtOnce() {
	const n, readers = 200, 8
	var ids []int64
	for i := range int64(n) {
		ids = append(ids, i+1)
	}
	s.queue(ids...)
	var mu sync.Mutex
	taken := map[int64]int{}
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			for {
				got, err := s.outbox.Lease(s.Context(), minute(n), minute(n+1), 3)
				if err != nil {
					s.Errorf("Lease: %v", err)
					return
				}
				mu.Lock()
				for _, d := range got {
					taken[d.ID]++
				}
				mu.Unlock()
				for _, d := range got {
					if ok, err := s.outbox.Record(s.Context(), sentAt(d, minute(n))); !ok || err != nil {
						s.Errorf("Record mail %d: %v, %v", d.ID, ok, err)
					}
				}
				if len(got) == 0 {
					return
				}
			}
		})
	}
	all.Wait()
	for _, id := range ids {
		if taken[id] != 1 {
			s.Errorf("mail %d was leased %d times, want once", id, taken[id])
		}
	}
	s.backlog(gateway.Backlog{Sent: n})
}

func (s *suite) leasesDue() {
	s.queue(1, 2, 3, 4)
	s.backlog(gateway.Backlog{Waiting: 4, Next: minute(1)})
	s.leased(minute(0), minute(9), 9)
	got := s.lease(minute(3), minute(9), 9) // all but 4
	s.record(againAt(got[0], minute(3), minute(30)), true)
	s.record(againAt(got[1], minute(3), minute(20)), true)
	s.record(sentAt(got[2], minute(3)), true)
	s.backlog(gateway.Backlog{Waiting: 3, Sent: 1, Next: minute(4)})
	s.leased(minute(19), minute(29), 9, "4/1")
	s.leased(minute(20), minute(40), 9, "2/2")
	s.backlog(gateway.Backlog{Waiting: 3, Sent: 1, Next: minute(29)})
	s.leased(minute(30), minute(40), 1, "1/2")
	s.leased(minute(41), minute(50), 9, "1/3", "2/3", "4/2") // by id, not by how long they are due
	s.reopenOutbox()
	s.backlog(gateway.Backlog{Waiting: 3, Sent: 1, Next: minute(50)})
}

func (s *suite) recordsOnce() {
	s.queue(1, 2, 3)
	got := s.lease(minute(3), minute(9), 9)
	outcomes := []gateway.Outcome{
		sentAt(got[0], minute(4)), refusedAt(got[1], minute(4), "550 no such user"), againAt(got[2], minute(4), minute(5)),
	}
	for _, o := range outcomes {
		s.record(o, true)
	}
	for _, o := range outcomes {
		s.record(o, false)
		o.State = gateway.DeliverySent
		s.record(o, false)
	}
	s.backlog(gateway.Backlog{Waiting: 1, Sent: 1, Refused: 1, Next: minute(5)})
	odd := sentAt(s.lease(minute(5), minute(9), 9)[0], minute(6))
	odd.Reply = "250 \x00 caf\xe9" // whatever a server says
	s.record(odd, true)
	s.record(gateway.Outcome{Mail: 77, Attempt: 1, State: gateway.DeliverySent}, false)
	if _, err := s.outbox.Record(s.Context(), gateway.Outcome{Mail: 3, Attempt: 2}); err == nil {
		s.Error("an outcome without state was recorded")
	}
	s.reopenOutbox()
	s.backlog(gateway.Backlog{Sent: 2, Refused: 1})
	s.leased(minute(99), minute(100), 9)
}

func (s *suite) fencing() {
	s.queue(1)
	first := s.lease(minute(1), minute(2), 1)[0]
	second := s.lease(minute(2), minute(3), 1)[0]
	for _, o := range []gateway.Outcome{
		sentAt(first, minute(3)), refusedAt(first, minute(3), "550 no"), againAt(first, minute(3), minute(9)),
	} {
		s.record(o, false)
	}
	s.undeliverable()
	s.backlog(gateway.Backlog{Waiting: 1, Next: minute(3)})
	s.record(sentAt(second, minute(4)), true) // late, but nobody took it meanwhile
	s.record(sentAt(first, minute(4)), false)
	s.backlog(gateway.Backlog{Sent: 1})
}

func (s *suite) frees() {
	s.queue(1, 2, 3)
	got := s.lease(minute(3), minute(60), 2)
	s.record(sentAt(got[0], minute(4)), true)
	s.reopenOutbox()
	if err := s.outbox.Free(s.Context()); err != nil {
		s.Fatalf("Free: %v", err)
	}
	s.record(sentAt(got[1], minute(5)), false) // was under way
	s.backlog(gateway.Backlog{Waiting: 2, Sent: 1, Next: minute(2)})
	s.leased(minute(5), minute(60), 9, "2/2", "3/1")
}

func (s *suite) refusedRecipients() {
	s.queue(1, 2, 3, 4)
	to := func(email string) gateway.Delivery {
		d := s.lease(minute(9), minute(99), 1)[0]
		d.To = email
		return d
	}
	s.record(refusedAt(to("zoe@example.com"), minute(10), "550 no such user"), true)
	s.record(refusedAt(to("Ann@example.com"), minute(11), "552 full"), true)
	s.record(refusedAt(to("zoe@example.com"), minute(12), "550 still none"), true)
	zoe := gateway.Undeliverable{Email: "zoe@example.com", Since: minute(10), Reply: "550 still none"}
	s.undeliverable(gateway.Undeliverable{Email: "Ann@example.com", Since: minute(11), Reply: "552 full"}, zoe)
	s.record(sentAt(to("Ann@example.com"), minute(13)), true)
	s.undeliverable(zoe)
	s.reopenOutbox()
	s.undeliverable(zoe)
}

// commitsAgain is what happens when the reply to a commit is lost.
func (s *suite) commitsAgain() {
	for _, b := range []*gateway.Batch{fullBatch(), otherBatch()} {
		s.commit(b)
		want := s.contents()
		s.commit(b)
		s.holds(want)
		s.commit(b)
		s.holds(want)
	}
	s.outbox = s.store.(gateway.Outbox)
	s.backlog(gateway.Backlog{Waiting: 2, Next: at(5)})
	s.commit(&gateway.Batch{Type: gateway.Live, Time: at(99)})
}

func (s *suite) commitsFailed() {
	s.commit(fullBatch())
	b := otherBatch()
	want := b.Counters
	ctx, cancel := cancelled(s.Context())
	defer cancel()
	for range 3 {
		if err := s.store.Commit(ctx, b); err == nil {
			s.Fatal("a cancelled commit succeeded")
		}
	}
	s.commit(b)
	if got := s.load().Counters; got != want {
		s.Errorf("counters are %+v, want %+v", got, want)
	}
	if events, mails := len(s.eventsAfter(0)), len(s.mailsAfter(0)); events != 2 || mails != 2 {
		s.Errorf("%d events and %d mails, want 2 of each", events, mails)
	}
}
