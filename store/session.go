package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"perch/gateway"
)

// connector makes connections that hold the lock, with errors that say what is
// wrong.
type connector struct {
	driver.Connector
	p *Postgres
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	if c.p.isClosed() {
		return nil, errors.New("the database is closed")
	}
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, explainConnect(err)
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout+lockPatience)
	defer cancel()
	if err := c.p.enter(ctx, conn.(*stdlib.Conn).Conn()); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func (p *Postgres) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// session tells one connection from all others, those of other times included.
type session struct {
	pid   int32  // of the server's process
	start string // when it began
}

// enter makes a new connection ours, or says why it cannot be.
func (p *Postgres) enter(ctx context.Context, conn *pgx.Conn) error {
	if e := conn.PgConn().ParameterStatus("server_encoding"); e != "UTF8" {
		return fmt.Errorf("the database's encoding is %s, want UTF8", e)
	}
	var now session
	var schema *string
	var standby bool
	var synchronous string
	err := conn.QueryRow(ctx, `
		SELECT pid, backend_start::text, current_schema()::text, pg_is_in_recovery(), current_setting('synchronous_commit')
		FROM pg_stat_activity WHERE pid = pg_backend_pid()`,
	).Scan(&now.pid, &now.start, &schema, &standby, &synchronous)
	switch {
	case err != nil:
		return err
	case standby:
		return errors.New("the server is a standby, which cannot be written to")
	case schema == nil:
		return errors.New("the user has no schema for tables: the search path names none that is there")
	}
	if synchronous == "off" {
		if _, err := conn.Exec(ctx, "SET synchronous_commit = on"); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key := keyOf(*schema)
	if p.key == (lockKey{}) {
		p.key = key
	}
	if p.key != key {
		return fmt.Errorf("the user's schema is another one now: %s", *schema)
	}
	if err := key.take(ctx, conn, p.last); err != nil {
		return err
	}
	p.last = now
	return p.sameVersion(ctx, conn)
}

// sameVersion checks that nobody migrated the schema while the connection was
// down. The caller holds p.mu.
func (p *Postgres) sameVersion(ctx context.Context, conn *pgx.Conn) error {
	if p.version == 0 {
		return nil
	}
	var version int64
	err := conn.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version").Scan(&version)
	if err == nil && version != p.version {
		err = fmt.Errorf("schema version %d, was %d: %w", version, p.version, gateway.ErrNewerSchema)
	}
	return err
}

// lockKey is the advisory lock of one schema in a database. Its first half says
// that the lock is Perch's, its second which schema's.
type lockKey [2]int32

func keyOf(schema string) lockKey {
	h := fnv.New32a()
	h.Write([]byte(schema))
	return lockKey{applicationID, int32(h.Sum32())}
}

// lockPatience is how long to wait for a lock. The server takes a moment to see
// that its holder was killed; then there is no need to fail.
const lockPatience = 3 * time.Second

// take takes the lock for the session of conn, or gives gateway.ErrInUse. If the
// server still has our own last session, whose connection broke, it ends it.
func (k lockKey) take(ctx context.Context, conn *pgx.Conn, last session) error {
	var taken bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, $2)", k[0], k[1]).Scan(&taken); err != nil || taken {
		return err
	}
	h, err := k.holder(ctx, conn)
	if err != nil {
		return err
	}
	if last.pid != 0 && h.session == last {
		if _, err := conn.Exec(ctx, "SELECT pg_terminate_backend($1)", last.pid); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, fmt.Sprintf("SET lock_timeout = %d", lockPatience.Milliseconds())); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "SELECT pg_advisory_lock($1, $2)", k[0], k[1])
	var pe *pgconn.PgError
	if errors.As(err, &pe) && pe.Code == lockNotAvailable {
		h, err := k.holder(ctx, conn)
		if err != nil {
			return err
		}
		return fmt.Errorf("%w%s", gateway.ErrInUse, h)
	}
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "SET lock_timeout = DEFAULT")
	return err
}

// lockHolder is the session that has a lock, as far as the server tells us of it.
type lockHolder struct {
	session
	application, client string
}

func (h lockHolder) String() string {
	if h.pid == 0 {
		return ""
	}
	s := fmt.Sprintf(" (server process %d", h.pid)
	if h.application != "" {
		s += ", " + h.application
	}
	if h.client != "" {
		s += " from " + h.client
	}
	return s + ")"
}

// holder returns who has the lock; the zero value if nobody has it any more.
func (k lockKey) holder(ctx context.Context, conn *pgx.Conn) (lockHolder, error) {
	var h lockHolder
	// The lock functions' integers are object ids here, which have no sign.
	err := conn.QueryRow(ctx, `
		SELECT l.pid, coalesce(a.backend_start::text, ''), coalesce(a.application_name, ''), coalesce(host(a.client_addr), '')
		FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
		AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND l.classid::bigint = $1 AND l.objid::bigint = $2`, int64(uint32(k[0])), int64(uint32(k[1])),
	).Scan(&h.pid, &h.start, &h.application, &h.client)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return h, err
}
