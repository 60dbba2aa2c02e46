package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"perch/discovery"
	"perch/provisioning"
)

// ErrNewerSchema reports that a database was written by a newer Perch.
var ErrNewerSchema = errors.New("the database was written by a newer version")

// ErrInUse reports that another process holds the database.
var ErrInUse = errors.New("the database is in use by another process")

// DatabaseType says what a database is for, once and for all.
type DatabaseType string

// The types of database; a new one has none until its first serve or replay.
const (
	Untyped  DatabaseType = ""
	Live     DatabaseType = "live"
	Replayed DatabaseType = "replay"
)

// Counters are the last ids given out.
type Counters struct {
	Prompt, Claim, Answer, Event, Mail, Location, Emergency int64
}

// Position is how far a source has been replayed. A source is known by the
// SHA-256 of its bytes, so a renamed capture is still the same one.
type Position struct {
	SHA256 string // lower-case hex
	Frames int    // frames observed so far
	Done   bool   // nothing is left in it
}

// PhoneRecord is all that the engine remembers of one phone: attachment,
// evidence, known networks, settle deadline. The state is the engine's own.
type PhoneRecord struct {
	Phone      discovery.PhoneID
	Assignment Assignment
	State      json.RawMessage // nil deletes the phone
}

// Batch is a group of effects that become durable together or not at all.
type Batch struct {
	Type      DatabaseType
	Key       Key       // zero leaves it
	Time      time.Time // engine time after the batch
	Counters  Counters
	Directory []provisioning.Changes // in order
	Phones    []PhoneRecord
	Tracker   json.RawMessage // what discovery knows apart from phones; nil leaves it
	Prompts   []Prompt        // new or changed, by ID
	Claims    []Claim
	Answers   []Answer

	Emergencies     []Emergency // new or changed, by ID
	GoneEmergencies []int64

	Events    []Event
	Mails     []Mail
	Positions []Position
}

// State is all that a store holds except events and mails, which are only ever
// appended.
type State struct {
	Type      DatabaseType
	Key       Key // of a live database
	Time      time.Time
	Counters  Counters
	Directory provisioning.Content
	Phones    []PhoneRecord
	Tracker   json.RawMessage
	Prompts   []Prompt
	Claims    []Claim
	Answers   []Answer
	Positions []Position

	Emergencies []Emergency
}

// ErrOtherWriter reports that somebody else has written to a database since its
// holder did: nothing may be written any more.
var ErrOtherWriter = errors.New("another process has written to the database")

// Store keeps the engine's effects. One process holds a store at a time.
type Store interface {
	// Load returns what was committed; a new store gives the zero State.
	Load(context.Context) (State, error)
	// Commit makes a batch durable, all or nothing. After an error the outcome
	// may be unknown, since a server can lose its connection after it committed:
	// the same batch, unchanged, is to be committed again before any other, and
	// takes effect once. The mails of a Live batch go into the Outbox with it.
	Commit(context.Context, *Batch) error
	// Events calls f for each event with an id above after, in order of id.
	Events(ctx context.Context, after int64, f func(Event) error) error
	// Mails calls f for each mail with an id above after, in order of id.
	Mails(ctx context.Context, after int64, f func(Mail) error) error
	// Close gives the store free.
	Close() error
}

// Parts takes the large parts of a state while the rest is still being read. Its
// methods may be called from several goroutines, and take over what they are given.
type Parts interface {
	// Directory is called once.
	Directory(provisioning.Content)
	// Tracker is called once at most.
	Tracker(json string)
	// Phones is called for each part of the phones, which n counts from 0. The calls
	// may come in any order.
	Phones(n int, part []StoredPhone)
}

// StoredPhone is a PhoneRecord as it is read.
type StoredPhone struct {
	Phone      discovery.PhoneID
	Assignment Assignment
	State      string
}

// PartLoader is a Store that reads a large state on all processors.
type PartLoader interface {
	// LoadParts is Load, but gives the parts to to rather than returning them. They
	// are complete when it returns.
	LoadParts(ctx context.Context, to Parts) (State, error)
}
