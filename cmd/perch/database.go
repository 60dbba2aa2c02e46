package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"perch/gateway"
	"perch/provisioning"
	"perch/provisioning/serve"
	"perch/store"
)

// databaseFlags are shared by all commands that touch the database.
type databaseFlags struct {
	Config string `help:"Configuration file (default: perch.yaml, if it is there)." placeholder:"FILE"`
	DB     string `name:"db" help:"Database file (default: database: of the configuration)." placeholder:"FILE"`

	noMails bool                // nobody will read them
	held    func(*config) error // if not nil: called once the database is ours, before what is in it is loaded
}

// session is a command's hold of the database.
type session struct {
	config config
	store  gateway.Store
	engine *gateway.Engine
	live   *live      // in serve: what decisions go through
	ears   *ears      // in serve: what listens; nil if nothing is captured
	path   *sipKeeper // in serve: the SIP path; nil if it is not in it
	beside string     // what names of files beside the database begin with; empty: there is none

	around  *around        // in serve: who registers with somebody else; nil: nobody is heard
	audit   *auditor       // in serve: the audit log; nil: it is in the file alone
	phones  *provisioner   // in serve: who hands phones their files; nil: nobody does
	windows *serve.Windows // in serve: those of phones; nil: they are in the file
}

// hasSite reports whether the directory has a site.
func (s *session) hasSite(id string) (has bool) {
	s.engine.Read(func(d *provisioning.Directory) { _, has = d.Site(id) })
	return has
}

// name is the database's: a file, or the URL of a PostgreSQL database.
func (f *databaseFlags) name(c *config) string {
	if f.DB != "" {
		return f.DB
	}
	return c.Database
}

// socket is where a running serve of the database listens for commands.
func (f *databaseFlags) socket(c *config) string {
	if c.Socket != "" {
		return c.Socket
	}
	name := identity(f.name(c))
	if isPostgres(name) {
		sum := sha256.Sum256([]byte(name))
		return fmt.Sprintf("perch-%x.sock", sum[:4])
	}
	return name + ".sock"
}

// identity is the one name of a database, as far as names tell: a file without
// symbolic links, or a URL without password.
func identity(name string) string {
	if isPostgres(name) {
		u, err := withoutPassword(name)
		if err != nil {
			return name
		}
		// Parameters such as search_path choose what is in it.
		q := u.Query()
		q.Del("password")
		u.RawQuery = q.Encode()
		return u.String()
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	if file, err := filepath.EvalSymlinks(abs); err == nil {
		return file
	}
	return abs
}

func isPostgres(name string) bool {
	scheme, _, found := strings.Cut(name, "://")
	return found && (strings.EqualFold(scheme, "postgres") || strings.EqualFold(scheme, "postgresql"))
}

// isThere reports whether a database is there; of a server's only opening it tells.
func isThere(name string) bool {
	_, err := os.Stat(name)
	return isPostgres(name) || !errors.Is(err, fs.ErrNotExist)
}

// noDatabase reports that a database is not there.
type noDatabase struct{ name string }

func (n *noDatabase) Error() string { return n.name + ": no such database" }
func (n *noDatabase) Hint() string {
	hint := "import into it, or serve it: perch import, perch serve; or replay captures: perch replay -db FILE CAPTURE"
	if !filepath.IsAbs(n.name) {
		hint += "; if it is elsewhere, such as where serve runs, go there or name it in full"
	}
	return hint
}

// open opens the database that the flags name, or a store that keeps nothing.
func (f *databaseFlags) open(ctx context.Context, memory bool) (*session, error) {
	c, err := loadConfig(f.Config)
	if err != nil {
		return nil, err
	}
	return openHeld(ctx, c, f.name(&c), memory, f.noMails, f.held)
}

// beside is what names of files beside the database begin with.
func (f *databaseFlags) beside(c *config) string { return strings.TrimSuffix(f.socket(c), ".sock") }

// openSession makes an engine over a database, or over a store that keeps nothing.
func openSession(ctx context.Context, c config, name string, memory, noMails bool) (*session, error) {
	return openHeld(ctx, c, name, memory, noMails, nil)
}

// openHeld is openSession; held, if there is one, is called between the store's
// opening and its loading.
func openHeld(ctx context.Context, c config, name string, memory, noMails bool, held func(*config) error) (*session, error) {
	var s gateway.Store = &gateway.Stream{}
	var err error
	if !memory {
		if s, err = openStore(ctx, name); err != nil {
			return nil, err
		}
	}
	ec, err := c.engine()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if held != nil {
		if err := held(&c); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	ec.NoMails = noMails
	e, err := gateway.New(ctx, ec, s)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", redacted(name), err), s.Close())
	}
	out := &session{config: c, store: s, engine: e}
	if !memory {
		out.beside = (&databaseFlags{DB: name}).beside(&c)
	}
	return out, nil
}

// redacted is a database's name without its password and parameters, one of which
// may be the password too.
func redacted(name string) string {
	if !isPostgres(name) {
		return name
	}
	u, err := withoutPassword(name)
	if err != nil {
		return "the PostgreSQL database"
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String()
}

// withoutPassword reads a URL and drops the password in front of its host.
func withoutPassword(name string) (*url.URL, error) {
	u, err := url.Parse(name)
	if err == nil && u.User != nil {
		u.User = url.User(u.User.Username())
	}
	return u, err
}

func openStore(ctx context.Context, name string) (s gateway.Store, err error) {
	if isPostgres(name) {
		s, err = store.OpenPostgres(ctx, name)
	} else {
		s, err = store.OpenSQLite(ctx, name)
	}
	switch {
	case errors.Is(err, gateway.ErrNewerSchema):
		return nil, withHint(err, "use the Perch that wrote it, or a newer one; this one has changed nothing")
	case errors.Is(err, gateway.ErrInUse):
		return nil, withHint(err, "stop the other process, or use another database: -db FILE")
	case err != nil && isPostgres(name):
		return nil, withHint(err, "check database: in the configuration, or -db: postgres://USER:PASSWORD@HOST:PORT/DATABASE")
	case errors.Is(err, fs.ErrPermission):
		return nil, withHint(err, "run it as the user whose database it is (sudo -u USER perch ...), or name another: -db FILE")
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

// decisionTime is when a decision is made: as told, else engine time. In a live
// database that is the clock's, and nothing is decided in the future.
func (s *session) decisionTime(at time.Time) (time.Time, error) {
	if s.engine.Type() != gateway.Live {
		return at, nil
	}
	now := s.engine.Now()
	if s.live != nil {
		now = s.live.clock.now()
	}
	if at.After(now) {
		return at, withHint(fmt.Errorf("-at %s is in the future", at.Format(time.RFC3339)), "leave -at away: this database follows the clock")
	}
	return at, nil // zero: engine time, which was brought up to the clock's
}

// resume brings a live database that nobody serves up to the clock's time, as
// serve does at its start.
func (s *session) resume() error {
	if s.engine.Type() != gateway.Live || s.live != nil {
		return nil
	}
	clock, err := newClock(s.engine.Now())
	if err != nil {
		return err
	}
	s.engine.Resume(clock.now())
	return nil
}

// undeliverable returns the recipients whose mail is refused, by email.
func (s *session) undeliverable(ctx context.Context) (map[string]gateway.Undeliverable, error) {
	out := map[string]gateway.Undeliverable{}
	box, ok := s.store.(gateway.Outbox)
	if !ok {
		return out, nil
	}
	list, err := box.Undeliverable(ctx)
	for _, u := range list {
		out[u.Email] = u
	}
	return out, err
}
