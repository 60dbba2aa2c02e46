package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"perch/gateway"
)

// Postgres is a store in one schema of a PostgreSQL database: that which is
// first in the user's search path.
//
// Its one connection holds a session lock, by which the process is the one
// holder. If the connection is lost, so are lock and transaction: the next call
// that needs it connects anew and takes the lock again, and Commit finds out
// what had become durable. A pooler that gives each transaction another session
// has no session locks to give, and cannot stand in between.
type Postgres struct {
	db
	key lockKey // set by the first connection

	mu      sync.Mutex
	last    session // the latest connection
	version int64   // of the schema, once it is up to date
	closed  bool
}

const (
	// connectTimeout is for each address of the server, unless the URL has one.
	connectTimeout = 10 * time.Second

	// postgresChunk is the number of rows in a statement, bounded by 65535
	// parameters for all columns of all rows.
	postgresChunk = 32
)

// sessionSettings let the server notice that we are gone, so that it frees lock
// and transaction: by TCP within a minute, and if the process is stopped in the
// middle of a transaction. No statement of ours takes minutes.
var sessionSettings = [][2]string{
	{"application_name", "perch"},
	{"statement_timeout", "300s"},
	{"idle_in_transaction_session_timeout", "60s"},
	{"tcp_keepalives_idle", "30"},
	{"tcp_keepalives_interval", "10"},
	{"tcp_keepalives_count", "3"},
}

// OpenPostgres opens the database at a URL postgres://USER:PASSWORD@HOST/NAME,
// with the parameters of libpq, and makes the tables of a new one. The process is
// then its one holder until Close or its end; if another one holds it, the error
// is gateway.ErrInUse. A schema that a newer version wrote gives
// gateway.ErrNewerSchema and is not touched. An older one is migrated.
//
// No error has the password in it.
func OpenPostgres(ctx context.Context, databaseURL string) (*Postgres, error) {
	config, err := postgresConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	p := &Postgres{db: db{
		name: postgresName(config), chunk: postgresChunk, byIndex: "SET LOCAL enable_seqscan = off", lost: sessionLost,
	}}
	p.sql = sql.OpenDB(connector{stdlib.GetConnector(*config), p})
	p.sql.SetMaxOpenConns(1)
	p.sql.SetMaxIdleConns(1)
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", p.name, err), p.Close())
	}
	return p, nil
}

// postgresConfig reads the URL and adds what we want of each connection.
func postgresConfig(databaseURL string) (*pgx.ConnConfig, error) {
	u, err := url.Parse(databaseURL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errNoURL // the error of url.Parse quotes what may be the password
	}
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, explainURL(u, err)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	for _, s := range sessionSettings {
		if _, ok := config.RuntimeParams[s[0]]; !ok {
			config.RuntimeParams[s[0]] = s[1]
		}
	}
	config.RuntimeParams["client_encoding"] = "UTF8"
	config.RuntimeParams["standard_conforming_strings"] = "on"
	dialer := &net.Dialer{
		Timeout:         config.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
		Control:         limitUnanswered,
	}
	config.DialFunc = dialer.DialContext
	return config, nil
}

// postgresName is how messages name a database: its URL without password and
// parameters.
func postgresName(c *pgx.ConnConfig) string {
	u := url.URL{Scheme: "postgres", User: url.User(c.User), Path: "/" + c.Database}
	if strings.HasPrefix(c.Host, "/") { // the directory of a socket
		u.User, u.RawQuery = nil, "host="+c.Host
	} else {
		u.Host = net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	}
	return u.String()
}

func (p *Postgres) open(ctx context.Context) error {
	current, err := p.schemaVersion(ctx)
	if err != nil {
		return err
	}
	if current == 0 {
		if err := p.mayCreate(ctx); err != nil {
			return err
		}
	}
	if err := migrate(ctx, p.sql, goose.DialectPostgres, "postgres", current); err != nil {
		return err
	}
	current, err = p.schemaVersion(ctx)
	p.mu.Lock()
	p.version = current
	p.mu.Unlock()
	return err
}

// postgresMark is the comment on the table meta that tells our tables from those
// of another program; the first migration sets it.
var postgresMark = "Perch, application " + strconv.Itoa(applicationID)

// schemaVersion returns the version of the schema, 0 for a new database, and
// refuses one with the tables of another program. It only reads.
func (p *Postgres) schemaVersion(ctx context.Context) (int64, error) {
	var foreign, versioned int64
	var mark string
	// What belongs to an extension, such as that of the maps, is nobody's table.
	err := p.sql.QueryRowContext(ctx, `
		SELECT count(*) FILTER (WHERE c.relname <> 'goose_db_version'),
		       count(*) FILTER (WHERE c.relname = 'goose_db_version'),
		       coalesce(max(obj_description(c.oid, 'pg_class')) FILTER (WHERE c.relname = 'meta'), '')
		FROM pg_class c
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
		AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`,
	).Scan(&foreign, &versioned, &mark)
	if err != nil {
		return 0, err
	}
	switch {
	case foreign > 0 && mark != postgresMark:
		return 0, errors.New("a database of another program: there are tables in it that are not Perch's")
	case versioned == 0:
		return 0, nil
	}
	var version int64
	err = p.sql.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version").Scan(&version)
	return version, err
}

// mayCreate says who lacks which right, before a migration fails for want of it.
func (p *Postgres) mayCreate(ctx context.Context) error {
	var user, schema string
	var may bool
	err := p.sql.QueryRowContext(ctx, `
		SELECT current_user, current_schema(), has_schema_privilege(current_schema(), 'CREATE')`).Scan(&user, &schema, &may)
	if err == nil && !may {
		err = fmt.Errorf("user %s may not create tables in schema %s", user, schema)
	}
	return err
}

// Close frees the database and closes the connection. Closing again does
// nothing.
func (p *Postgres) Close() error {
	p.mu.Lock()
	again := p.closed
	p.closed = true // from now on nothing connects
	p.mu.Unlock()
	if again {
		return nil
	}
	// The server frees the lock with the session, but a moment after we have
	// closed it, when the next holder may have tried already.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _ = p.sql.ExecContext(ctx, "SELECT pg_advisory_unlock_all()")
	if err := p.sql.Close(); err != nil {
		return fmt.Errorf("%s: close: %w", p.name, err)
	}
	return nil
}

var _ interface {
	gateway.Store
	gateway.Outbox
} = (*Postgres)(nil)
