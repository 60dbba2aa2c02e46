package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"perch/gateway"
)

// parcel is a mail on its way to a server.
type parcel struct {
	mail     int64
	state    string
	attempt  int
	leaseEnd time.Time // zero: nobody has it
	due      time.Time // for the next attempt: the end of a lease counts as well
	closed   time.Time
	reply    string
	turn     int // before those of higher ones
}

var outbox = table[parcel]{
	name:    "outbox",
	columns: []string{"mail_id", "state", "attempt", "lease_end", "due", "closed", "reply", "turn"},
	key:     1,
	fields: func(dst []any, x *parcel) []any {
		return append(dst,
			&x.mail, &x.state, &x.attempt, micros{&x.leaseEnd}, micros{&x.due}, micros{&x.closed}, &x.reply, &x.turn)
	},
}

var undeliverable = table[gateway.Undeliverable]{
	name:    "undeliverable",
	columns: []string{"email", "since", "reply"},
	key:     1,
	fields: func(dst []any, x *gateway.Undeliverable) []any {
		return append(dst, &x.Email, micros{&x.Since}, &x.Reply)
	},
}

// The states of a parcel. Statements name waiting literally, since the index of
// those that wait serves only statements that do.
const (
	waiting = "waiting"
	sent    = "sent"
	refused = "refused"
)

// turnOf says which mails go out first: those of calls for help, of which somebody
// must learn at once.
func turnOf(m gateway.Mail) int {
	if m.Purpose == gateway.MailEmergency {
		return 0
	}
	return 1
}

func parcelsOf(mails []gateway.Mail) []parcel {
	all := make([]parcel, len(mails))
	for i, m := range mails {
		all[i] = parcel{mail: m.ID, state: waiting, due: m.Time, turn: turnOf(m)}
	}
	return all
}

// The plus before due keeps both databases from sorting all that are due: read
// by the index in order of turn and id, the first ones are enough.
const (
	leaseSQL = `UPDATE outbox SET attempt = attempt + 1, lease_end = $1, due = $1
		WHERE mail_id IN (
			SELECT mail_id FROM outbox WHERE state = 'waiting' AND +due <= $2 ORDER BY turn, mail_id LIMIT $3)
		RETURNING mail_id, attempt`
	recordSQL = `UPDATE outbox SET state = $1, lease_end = 0, due = $2, closed = $3, reply = $4
		WHERE mail_id = $5 AND attempt = $6 AND state = 'waiting' AND lease_end <> 0`
	freeSQL = `UPDATE outbox SET lease_end = 0, due = (SELECT time FROM mails WHERE id = mail_id)
		WHERE state = 'waiting' AND lease_end <> 0`
	nextSQL  = `SELECT min(due) FROM outbox WHERE state = 'waiting'`
	countSQL = `SELECT count(*),
		(SELECT count(*) FROM outbox WHERE state = 'waiting'), (SELECT count(*) FROM outbox WHERE state = 'refused')
		FROM outbox`
)

// leasesAtOnce is how many mails are read with one statement.
const leasesAtOnce = 256

// Lease takes up to n mails that are due and that nobody has; see
// gateway.Outbox.
func (d *db) Lease(ctx context.Context, now, until time.Time, n int) ([]gateway.Delivery, error) {
	if !until.After(now) {
		return nil, fmt.Errorf("%s: lease mails: from %v until %v is no time", d.name, now, until)
	}
	if n <= 0 {
		return nil, nil
	}
	var taken []gateway.Delivery
	err := d.transact(ctx, func(w *writer) error {
		next, ok, err := nextDue(ctx, w.tx)
		if err != nil || !ok || next.After(now) {
			return err
		}
		attempts, err := w.lease(ctx, now, until, n)
		if err != nil {
			return err
		}
		taken, err = w.deliveries(ctx, attempts)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: lease mails: %w", d.name, err)
	}
	return taken, nil
}

// nextDue returns when the first mail that waits is due; false if none waits.
func nextDue(ctx context.Context, q querier) (time.Time, bool, error) {
	var at sql.NullInt64
	if err := q.QueryRowContext(ctx, nextSQL).Scan(&at); err != nil || !at.Valid || at.Int64 == 0 {
		return time.Time{}, at.Valid, err
	}
	return time.UnixMicro(at.Int64).UTC(), true, nil
}

// lease marks mails as taken, and returns their attempts.
func (w *writer) lease(ctx context.Context, now, until time.Time, n int) (map[int64]int, error) {
	rows, err := w.tx.QueryContext(ctx, leaseSQL, micros{&until}, micros{&now}, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	attempts := map[int64]int{}
	for rows.Next() {
		var mail int64
		var attempt int
		if err := rows.Scan(&mail, &attempt); err != nil {
			return nil, err
		}
		attempts[mail] = attempt
	}
	return attempts, rows.Err()
}

// deliveries reads the mails of attempts, in order of turn and id.
func (w *writer) deliveries(ctx context.Context, attempts map[int64]int) ([]gateway.Delivery, error) {
	ids := make([]int64, 0, len(attempts))
	for id := range attempts {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	all := make([]gateway.Delivery, 0, len(ids))
	for part := range slices.Chunk(ids, leasesAtOnce) {
		sel := selection{where: "id IN (" + placeholders(len(part)) + ")"}
		for _, id := range part {
			sel.args = append(sel.args, id)
		}
		err := each(ctx, w.tx, &mails, sel, func(m gateway.Mail) {
			all = append(all, gateway.Delivery{Mail: m, Attempt: attempts[m.ID]})
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(all, func(a, b gateway.Delivery) int { return turnOf(a.Mail) - turnOf(b.Mail) })
	return all, nil
}

// Record makes an outcome durable; see gateway.Outbox.
func (d *db) Record(ctx context.Context, o gateway.Outcome) (bool, error) {
	o.Reply = printable(o.Reply)
	x := parcel{mail: o.Mail, attempt: o.Attempt, reply: o.Reply}
	switch o.State {
	case gateway.DeliveryWaiting:
		x.state, x.due = waiting, o.Next
	case gateway.DeliverySent:
		x.state, x.closed = sent, o.At
	case gateway.DeliveryRefused:
		x.state, x.closed = refused, o.At
	default:
		return false, fmt.Errorf("%s: record mail %d: state %d is none", d.name, o.Mail, o.State)
	}
	var recorded bool
	err := d.transact(ctx, func(w *writer) (err error) {
		recorded, err = w.record(ctx, &x)
		if err != nil || !recorded {
			return err
		}
		return w.recipient(ctx, &o)
	})
	if err != nil {
		return false, fmt.Errorf("%s: record mail %d: %w", d.name, o.Mail, err)
	}
	return recorded, nil
}

// printable is a server's word as every database can hold it.
func printable(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\ufffd")
}

// record ends a lease, unless the attempt is not that of the lease.
func (w *writer) record(ctx context.Context, x *parcel) (bool, error) {
	res, err := w.tx.ExecContext(ctx, recordSQL,
		x.state, micros{&x.due}, micros{&x.closed}, x.reply, x.mail, x.attempt)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// recipient notes that no mail reaches a recipient, or that one does again.
func (w *writer) recipient(ctx context.Context, o *gateway.Outcome) error {
	x := gateway.Undeliverable{Email: o.To, Since: o.At, Reply: o.Reply}
	switch o.State {
	case gateway.DeliverySent:
		return remove(ctx, w, &undeliverable, []gateway.Undeliverable{x})
	case gateway.DeliveryRefused:
		var known []gateway.Undeliverable
		err := read(ctx, w.tx, &undeliverable, selection{where: "email = $1", args: []any{x.Email}}, &known)
		if err != nil {
			return err
		}
		if len(known) > 0 {
			x.Since = known[0].Since
		}
		return put(ctx, w, &undeliverable, []gateway.Undeliverable{x})
	}
	return nil
}

// Free ends all leases; see gateway.Outbox.
func (d *db) Free(ctx context.Context) error {
	err := d.transact(ctx, func(w *writer) error {
		_, err := w.tx.ExecContext(ctx, freeSQL)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: free leases: %w", d.name, err)
	}
	return nil
}

// Backlog counts the mails of the outbox. A mail that is leased counts as due
// when its lease ends.
func (d *db) Backlog(ctx context.Context) (gateway.Backlog, error) {
	var b gateway.Backlog
	err := d.view(ctx, func(q querier) (err error) {
		var all int
		if err := q.QueryRowContext(ctx, countSQL).Scan(&all, &b.Waiting, &b.Refused); err != nil {
			return err
		}
		b.Sent = all - b.Waiting - b.Refused
		b.Next, _, err = nextDue(ctx, q)
		return err
	})
	if err != nil {
		return gateway.Backlog{}, fmt.Errorf("%s: count mails: %w", d.name, err)
	}
	return b, nil
}

// Undeliverable returns the recipients whose mail is refused, by email.
func (d *db) Undeliverable(ctx context.Context) ([]gateway.Undeliverable, error) {
	var all []gateway.Undeliverable
	if err := read(ctx, d.sql, &undeliverable, selection{}, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	return all, nil
}
