package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"perch/gateway"
	"perch/store"
)

// databaseFlags are shared by all commands that touch the database.
type databaseFlags struct {
	Config string `help:"Configuration file (default: perch.yaml, if it is there)." placeholder:"FILE"`
	DB     string `name:"db" help:"Database file (default: database: of the configuration)." placeholder:"FILE"`

	noMails bool // nobody will read them
}

// session is a command's hold of the database.
type session struct {
	config config
	store  gateway.Store
	engine *gateway.Engine
}

// openExisting opens a database that must be there already.
func (f *databaseFlags) openExisting(ctx context.Context) (*session, error) {
	c, err := loadConfig(f.Config)
	if err != nil {
		return nil, err
	}
	name := c.Database
	if f.DB != "" {
		name = f.DB
	}
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return nil, &noDatabase{name}
	}
	return f.open(ctx, false)
}

// noDatabase reports that a database is not there.
type noDatabase struct{ name string }

func (n *noDatabase) Error() string { return n.name + ": no such database" }
func (n *noDatabase) Hint() string {
	return "replay captures into it first: perch replay -db FILE CAPTURE"
}

// open opens the database that the flags name, or a store that keeps nothing.
func (f *databaseFlags) open(ctx context.Context, memory bool) (*session, error) {
	c, err := loadConfig(f.Config)
	if err != nil {
		return nil, err
	}
	name := c.Database
	if f.DB != "" {
		name = f.DB
	}
	var s gateway.Store = &gateway.Stream{}
	if !memory {
		if s, err = openStore(ctx, name); err != nil {
			return nil, err
		}
	}
	ec, err := c.engine()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	ec.NoMails = f.noMails
	e, err := gateway.New(ctx, ec, s)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), s.Close())
	}
	return &session{c, s, e}, nil
}

func openStore(ctx context.Context, name string) (gateway.Store, error) {
	if strings.HasPrefix(name, "postgres://") || strings.HasPrefix(name, "postgresql://") {
		return nil, withHint(errors.New("PostgreSQL is not supported by this version"), "name a file instead: -db perch.db")
	}
	s, err := store.OpenSQLite(ctx, name)
	switch {
	case errors.Is(err, gateway.ErrNewerSchema):
		return nil, withHint(err, "use the Perch that wrote it, or a newer one; this one has changed nothing")
	case errors.Is(err, gateway.ErrInUse):
		return nil, withHint(err, "stop the other process, or use another database: -db FILE")
	case err != nil:
		return nil, withHint(err, "name a database that can be written: -db FILE")
	}
	return s, nil
}

// close commits what is pending, if the command succeeded, and frees the
// database.
func (s *session) close(ctx context.Context, err *error) {
	if *err == nil {
		*err = s.engine.Checkpoint(ctx)
	}
	*err = errors.Join(*err, s.store.Close())
}

// typed refuses a database that was never replayed into or served from.
func (s *session) typed() error {
	if s.engine.Type() == gateway.Untyped {
		return withHint(errors.New("this database has no prompts or claims yet"), "replay captures into it first: perch replay -db FILE CAPTURE")
	}
	return nil
}

// told is a time given on the command line.
type told struct{ time.Time }

// UnmarshalText reads RFC 3339.
func (t *told) UnmarshalText(b []byte) error {
	v, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return fmt.Errorf("%q is not a time such as 2026-03-02T08:00:00Z", b)
	}
	t.Time = v.UTC()
	return nil
}

// decisionTime is when a decision is made: as told, else engine time in a
// replay database and the clock in a live one.
func (s *session) decisionTime(at told) time.Time {
	if at.IsZero() && s.engine.Type() == gateway.Live {
		return time.Now().UTC()
	}
	return at.Time
}
