package gateway

import (
	"context"
	"time"
)

// DeliveryState is how far the delivery of a mail got.
type DeliveryState uint8

// The states of a delivery.
const (
	DeliveryWaiting DeliveryState = iota + 1 // to be handed over, or tried again
	DeliverySent                             // a server has taken it over: 250 after the final dot
	DeliveryRefused                          // a server refused it for good: 5xx
)

// Delivery is a mail that is to be handed to a server, taken by lease.
type Delivery struct {
	Mail
	Attempt int // number of this attempt, from 1: with the mail's id it is the fencing token of its Outcome
}

// Outcome is how an attempt went.
type Outcome struct {
	Mail    int64
	Attempt int
	To      string // recipient
	State   DeliveryState
	At      time.Time
	Next    time.Time // when to try again; of DeliveryWaiting only
	Reply   string    // what the server said, or the error: one line
}

// Undeliverable is a recipient whose mail was refused for good. It is forgotten
// when a later mail is taken.
type Undeliverable struct {
	Email string
	Since time.Time
	Reply string // what the server said
}

// Backlog counts the mails of an outbox.
type Backlog struct {
	Waiting, Sent, Refused int
	Next                   time.Time // when the first waiting one is due; zero if none waits
}

// Outbox hands mails to one mailer. A live database puts each mail into it in
// the transaction that queued the mail; a replay database never does. Several
// goroutines may use it at once.
type Outbox interface {
	// Lease takes up to n mails that are due at now and not leased to anybody,
	// those of calls for help first and then in order of id, and keeps them for the
	// caller until a time. Their attempt
	// numbers are durable when it returns.
	Lease(ctx context.Context, now, until time.Time, n int) ([]Delivery, error)
	// Record makes an outcome durable. It reports false and changes nothing if
	// the attempt is not the mail's latest, or the mail is not waiting any more.
	Record(ctx context.Context, o Outcome) (bool, error)
	// Free ends all leases: for a new holder of the database, since whoever took
	// them is gone. Attempts that were under way then are recorded no more.
	Free(ctx context.Context) error
	// Backlog counts the mails.
	Backlog(ctx context.Context) (Backlog, error)
	// Undeliverable returns the recipients whose mail is refused, by email.
	Undeliverable(ctx context.Context) ([]Undeliverable, error)
}
